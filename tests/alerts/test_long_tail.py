"""apprise as the long tail: unconfirmed, without redirects, never where we have our own."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alerts.channels import open_channels
from alerts.channels.base import Channel, OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError
from core.community import Name
from tests.alerts.samples import note
from tests.alerts.vendor import Reply, Vendor
from tests.servers import free_port

pytest.importorskip("apprise", reason="the extra long-tail is not installed")

HEX = "0123456789abcdef" * 2
Made = Callable[..., Channel]


@pytest.fixture
def tail(tmp_path: Path) -> Made:
    def make(url: str, *, allow_private: bool = True, timeout_s: float = 2.0) -> Channel:
        (tmp_path / "key").write_text(url + "\n")
        entry = ChannelEntry(
            name="tail", kind="apprise", secret_file=str(tmp_path / "key"),
            allow_private=allow_private, timeout_s=timeout_s,
        )  # fmt: skip
        return open_channels([entry])["tail"]

    return make


def local(vendor: Vendor) -> str:
    return f"json://127.0.0.1:{vendor.port}/hook"


def test_what_it_sends_is_accepted_but_marked_unconfirmed(tail: Made, vendor: Vendor) -> None:
    outcome = tail(local(vendor)).send(note(), 0)

    [request] = vendor.requests
    assert (outcome.kind, outcome.vendor_code) == (OutcomeKind.ACCEPTED, "unconfirmed")
    assert request.json["title"] == "【红色 I 级】下穿通道 内涝"
    assert "已达到红线 0.27 m" in request.json["message"]


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_a_failure_is_tried_again(status: int, tail: Made, vendor: Vendor) -> None:
    vendor.reply = Reply(status)

    assert tail(local(vendor)).send(note(), 0).kind is OutcomeKind.RETRY
    assert len(vendor.requests) == 1


def test_nobody_listening_is_a_retry(tail: Made) -> None:
    url = f"json://127.0.0.1:{free_port()}/hook"

    assert tail(url).send(note(), 0).kind is OutcomeKind.RETRY


def test_redirects_are_not_followed(tail: Made, vendor: Vendor) -> None:
    elsewhere = Vendor(Reply())
    vendor.reply = Reply(307, headers={"location": elsewhere.url})

    outcome = tail(local(vendor)).send(note(), 0)

    elsewhere.close()
    assert outcome.kind is not OutcomeKind.ACCEPTED
    assert elsewhere.requests == []


def test_a_service_that_never_answers_holds_nobody(tail: Made, vendor: Vendor) -> None:
    vendor.reply = Reply(how="slow")

    outcome = tail(f"{local(vendor)}?rto=1&cto=1", timeout_s=1.5).send(note(), 0)

    assert outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.RETRY)
    vendor.released.set()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("wecombot://0123456789abcdef", "'wecom'"),
        ("dingtalk://abc123/", "'dingtalk'"),
        ("feishu://0123456789abcdef", "'feishu'"),
        ("lark://0123456789abcdef", "'feishu'"),
        (f"twilio://AC{HEX}:{HEX}@+14158675310/+14158675311", "SMS channels"),
        ("json://127.0.0.1/?redirect=yes", "redirect"),
        ("json://127.0.0.1/?retry=5", "retry"),
        ("pigeon://loft", "apprise URL"),
        ("json://127.0.0.1/\njson://127.0.0.2/", "apprise URL"),
    ],
)
def test_what_must_not_go_this_way_is_refused(url: str, words: str, tail: Made) -> None:
    with pytest.raises(ChannelError, match=r"channel 'tail'") as caught:
        tail(url)

    assert words in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "localhost"])
def test_only_public_hosts_are_called_by_default(host: str, tail: Made) -> None:
    outcome = tail(f"json://{host}:9/", allow_private=False).send(note(), 0)

    assert (outcome.kind, outcome.vendor_code) == (OutcomeKind.MISCONFIGURED, "address")


def test_neither_text_nor_key_ends_in_a_log(
    tail: Made, vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.reply = Reply(500)

    outcome = tail(f"json://nobody:secretword@127.0.0.1:{vendor.port}/hook").send(note(), 0)

    assert "secretword" not in f"{outcome}{caplog.text}"


def test_the_longest_text_stays_short(tail: Made, vendor: Vendor) -> None:
    tail(local(vendor)).send(note(headline=Name(zh="水" * 5000)), 0)

    [request] = vendor.requests
    assert len(request.json["message"].encode()) <= 2000


def test_without_the_library_it_says_what_to_install(
    tail: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(ChannelError, match="long-tail"):
        tail("json://127.0.0.1/")
