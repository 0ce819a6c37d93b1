"""Standard Webhooks 1.0, checked with the library that receivers use."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Receiver
from standardwebhooks.webhooks import WebhookVerificationError

from alerts.channels.base import OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError
from alerts.channels.webhook import Webhook, body_of
from alerts.incident import Kind
from alerts.notification import DigestItem
from core.clock import RunClock
from core.community import Name
from core.grade import Grade
from tests.alerts.samples import SECRET, note
from tests.alerts.vendor import Reply, Vendor


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    server = Vendor(Reply(204))
    yield server
    server.close()


@pytest.fixture
def webhook(vendor: Vendor, tmp_path: Path) -> Iterator[Callable[..., Webhook]]:
    made: list[Webhook] = []

    def make(*secrets: str) -> Webhook:
        file = tmp_path / "key"
        file.write_text("\n".join(secrets or (SECRET,)))
        entry = ChannelEntry(
            name="hook", kind="webhook", url=vendor.url, secret_file=str(file), allow_private=True
        )
        made.append(Webhook(entry))
        return made[-1]

    yield make
    for channel in made:
        channel.close()


def test_a_receiver_verifies_the_signature_and_reads_the_body(
    vendor: Vendor, webhook: Callable[..., Webhook]
) -> None:
    now_s = RunClock().wall_ms() // 1000
    webhook().send(note(), now_s)

    [request] = vendor.requests
    body = Receiver(SECRET).verify(request.body, request.headers)
    assert body["type"] == "incident.alert"
    assert dt.datetime.fromisoformat(body["timestamp"]).timestamp() == now_s
    data = body["data"]
    assert (data["incident"], data["seq"], data["grade"]) == (12, 3, "red")
    assert (data["severity"], data["urgency"], data["certainty"]) == (
        "Extreme", "Immediate", "Observed",
    )  # fmt: skip
    assert data["url"] == "http://hub:8765/incidents/12"
    assert data["journal"] == {"seq": 7, "hash": "ab" * 32}


def test_a_changed_body_does_not_verify(vendor: Vendor, webhook: Callable[..., Webhook]) -> None:
    now_s = RunClock().wall_ms() // 1000
    webhook().send(note(), now_s)

    [request] = vendor.requests
    with pytest.raises(WebhookVerificationError):
        Receiver(SECRET).verify(request.body.replace(b"red", b"rad"), request.headers)


def test_every_attempt_has_the_same_id_and_a_signature_of_its_own_time(
    vendor: Vendor, webhook: Callable[..., Webhook]
) -> None:
    now_s = RunClock().wall_ms() // 1000
    channel = webhook()
    vendor.reply = Reply(500)
    channel.send(note(), now_s - 5)
    vendor.reply = Reply(204)
    channel.send(note(), now_s)

    first, second = vendor.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == note().id
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    Receiver(SECRET).verify(second.body, second.headers)


def test_during_a_rotation_both_keys_verify(
    vendor: Vendor, webhook: Callable[..., Webhook]
) -> None:
    now_s = RunClock().wall_ms() // 1000
    fresh = "whsec_" + base64.b64encode(b"f" * 32).decode()
    webhook(SECRET, fresh).send(note(), now_s)

    [request] = vendor.requests
    Receiver(SECRET).verify(request.body, request.headers)
    Receiver(fresh).verify(request.body, request.headers)


def test_gone_switches_the_channel_off(vendor: Vendor, webhook: Callable[..., Webhook]) -> None:
    now_s = RunClock().wall_ms() // 1000
    vendor.reply = Reply(410)

    outcome = webhook().send(note(), now_s)

    assert outcome.kind is OutcomeKind.MISCONFIGURED
    assert outcome.disable


@pytest.mark.parametrize("secret", ["hunter2", "whsec_!!", "whsec_" + "QUJD"])
def test_a_weak_or_broken_key_is_refused(secret: str, webhook: Callable[..., Webhook]) -> None:
    with pytest.raises(ChannelError, match="whsec_") as caught:
        webhook(secret)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_body_stays_below_20_kb_whatever_names_are_in_it(kind: Kind) -> None:
    now_s = RunClock().wall_ms() // 1000
    long = Name(zh="水" * 30_000, en="w" * 30_000)

    body = body_of(note(Grade.RED, kind, headline=long, why=long), "zh", now_s)

    assert len(body) < 20_000
    assert json.loads(body)["data"]["title"]


def test_a_digest_of_a_hundred_incidents_fits_and_says_how_many_are_left_out() -> None:
    """It was an error of ours, tried again and again until the channel was taken for dead."""
    told = Name("水位 0.16 m，超过 0.15 m" * 4, "water level 0.16 m above 0.15 m" * 4)
    items = tuple(
        DigestItem(
            incident=number, grade=Grade.YELLOW, peak=Grade.YELLOW, since=1, headline=told,
            place=Name("滨河社区", "Riverside"),
        )
        for number in range(100)
    )  # fmt: skip

    body = body_of(note(Grade.YELLOW, Kind.DIGEST, items=items, incident=0), "zh", 1_764_500_003)

    data = json.loads(body)["data"]
    assert len(body) < 20_000
    assert [item["incident"] for item in data["items"]] == list(range(len(data["items"])))
    assert len(data["items"]) + data["items_left"] == 100
    assert len(data["items"]) > 10


@pytest.mark.parametrize("field", ["place", "hazard_name", "first", "public"])
def test_no_long_text_of_a_plan_or_profile_keeps_a_message_back(field: str) -> None:
    long: dict[str, Any] = {field: Name(zh="水" * 30_000, en="w" * 30_000)}

    assert len(body_of(note(Grade.RED, **long), "zh", 1_764_500_003)) < 20_000
