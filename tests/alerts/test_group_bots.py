"""DingTalk, Feishu, ntfy and the Alertmanager format: what leaves, and how it is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from alerts.channels import open_channels
from alerts.channels.base import Channel
from alerts.channels.entry import ChannelEntry
from alerts.incident import Kind
from alerts.notification import Audience, DigestItem
from core.community import Name
from core.grade import Grade
from tests.alerts.samples import note
from tests.alerts.vendor import Reply, Request, Vendor

NOW_S = 1_764_500_003
TOKEN, SIGNER = "0123456789abcdef0123456789abcdef", "SECnobody+/="
OK = b'{"errcode":0,"code":0,"id":"x"}'

Made = Callable[..., Channel]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    server = Vendor(Reply(body=OK))
    yield server
    server.close()


@pytest.fixture
def made(tmp_path: Path, vendor: Vendor) -> Iterator[Made]:
    channels: list[Channel] = []

    def make(kind: str, secret: str = f"{TOKEN}\n{SIGNER}", **changes: object) -> Channel:
        file = tmp_path / "key"
        file.write_text(secret)
        keys: dict[str, object] = {
            "name": "duty", "kind": kind, "url": vendor.url, "secret_file": str(file),
            "allow_private": True, "topic": "duty", **changes,
        }  # fmt: skip
        channels.append(open_channels([ChannelEntry(**keys)])["duty"])  # type: ignore[arg-type]  # a table of keys
        return channels[-1]

    yield make
    for channel in channels:
        channel.close()


def sent(channel: Channel, vendor: Vendor, **changes: Any) -> Request:
    channel.send(note(**changes), NOW_S)
    return vendor.requests[-1]


def test_dingtalk_signs_time_and_secret_and_encodes_the_signature_once(
    made: Made, vendor: Vendor
) -> None:
    request = sent(made("dingtalk"), vendor)

    query = parse_qs(urlsplit(request.path).query, strict_parsing=True)
    told = f"{query['timestamp'][0]}\n{SIGNER}".encode()
    right = hmac.new(SIGNER.encode(), told, hashlib.sha256).digest()
    assert query["access_token"] == [TOKEN]
    assert query["timestamp"] == [str(NOW_S * 1000)]
    assert base64.b64decode(query["sign"][0], validate=True) == right


def test_dingtalk_without_a_signing_secret_sends_the_token_alone(
    made: Made, vendor: Vendor
) -> None:
    request = sent(made("dingtalk", TOKEN), vendor)

    assert parse_qs(urlsplit(request.path).query) == {"access_token": [TOKEN]}


def test_feishu_signs_with_time_and_secret_as_the_key_in_seconds(
    made: Made, vendor: Vendor
) -> None:
    request = sent(made("feishu"), vendor)

    key = f"{NOW_S}\n{SIGNER}".encode()
    right = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
    assert request.path == f"/hook/{TOKEN}"
    assert (request.json["timestamp"], request.json["sign"]) == (str(NOW_S), right)


@pytest.mark.parametrize("code", [130101, 410100])
def test_a_muted_dingtalk_robot_is_left_alone_for_ten_minutes(
    code: int, made: Made, vendor: Vendor
) -> None:
    vendor.reply = Reply(body=b'{"errcode":%d,"errmsg":"send too fast"}' % code)

    assert made("dingtalk").send(note(), NOW_S).retry_after_s == 600


@pytest.mark.parametrize(
    ("grade", "mentioned"), [(Grade.RED, True), (Grade.ORANGE, True), (Grade.YELLOW, False)]
)
def test_only_orange_and_red_call_people_by_name(
    grade: Grade, mentioned: bool, made: Made, vendor: Vendor, tmp_path: Path
) -> None:
    (tmp_path / "phones").write_text("13800000000\n")
    ding = made("dingtalk", mention=("@all", "li"), mention_mobile_file=str(tmp_path / "phones"))
    lark = made("feishu", mention=("@all", "ou_li"))

    at = sent(ding, vendor, grade=grade).json["at"]
    text = sent(lark, vendor, grade=grade).json["content"]["text"]

    assert at == {
        "atMobiles": ["13800000000"] if mentioned else [],
        "atUserIds": ["li"] if mentioned else [],
        "isAtAll": mentioned,
    }
    assert ('<at user_id="all">' in text, '<at user_id="ou_li">' in text) == (mentioned,) * 2


@pytest.mark.parametrize("kind", ["dingtalk", "feishu"])
@pytest.mark.parametrize("style", ["text", "markdown"])
def test_a_name_from_outside_mentions_nobody(
    kind: str, style: str, made: Made, vendor: Vendor
) -> None:
    evil = Name(zh='<at user_id="all"></at>', en="<at id=all></at>")

    request = sent(made(kind, style=style), vendor, place=evil)

    assert b"<at" not in request.body


@pytest.mark.parametrize(("kind", "most"), [("dingtalk", 20_000), ("feishu", 20_000)])
@pytest.mark.parametrize("style", ["text", "markdown"])
def test_the_longest_text_stays_within_what_the_vendor_takes(
    kind: str, most: int, style: str, made: Made, vendor: Vendor
) -> None:
    long = Name(zh="水" * 20_000, en="w" * 20_000)

    request = sent(made(kind, style=style), vendor, headline=long)

    assert len(request.body) <= most
    assert "【红色 I 级】下穿通道 内涝" in request.body.decode()


def test_a_feishu_card_has_the_colour_and_the_word_of_the_grade(made: Made, vendor: Vendor) -> None:
    header = sent(made("feishu", style="markdown"), vendor, grade=Grade.ORANGE).json["card"][
        "header"
    ]

    assert header["template"] == "orange"
    assert header["title"]["content"].startswith("【橙色 II 级】")


def test_ntfy_rings_louder_the_worse_it_is_and_opens_the_incident(
    made: Made, vendor: Vendor
) -> None:
    channel = made("ntfy", "tk_nobody")

    red, blue = sent(channel, vendor, grade=Grade.RED), sent(channel, vendor, grade=Grade.BLUE)

    assert (red.json["priority"], blue.json["priority"]) == (5, 2)
    assert red.json["topic"] == "duty"
    assert red.json["click"] == "http://hub:8765/incidents/12"
    assert red.headers["authorization"] == "Bearer tk_nobody"
    assert "click" not in sent(channel, vendor, audience=Audience.RESIDENT).json


def test_an_incident_is_one_alertmanager_alert_that_fires_and_resolves(
    made: Made, vendor: Vendor
) -> None:
    channel = made("alertmanager", "bearer")

    rise = sent(channel, vendor, grade=Grade.RED).json
    clear = sent(channel, vendor, kind=Kind.CLEAR).json

    (alert,), (over,) = rise["alerts"], clear["alerts"]
    assert (rise["version"], rise["status"], clear["status"]) == ("4", "firing", "resolved")
    assert alert["fingerprint"] == over["fingerprint"]
    assert rise["groupKey"] == clear["groupKey"]
    # Receivers know an alert by fingerprint and startsAt: neither changes with the grade.
    assert alert["startsAt"] == over["startsAt"] == "2025-11-30T10:53:23.000Z"
    assert (alert["endsAt"][:4], over["endsAt"][:4]) == ("0001", "2025")
    assert alert["labels"]["grade"] == "red"


def test_a_digest_is_an_alert_of_each_incident_and_a_test_fires_nothing(
    made: Made, vendor: Vendor
) -> None:
    """Nobody would ever resolve an alert of the digest or of the daily test itself."""
    channel = made("alertmanager", "bearer")
    rise = note(Grade.YELLOW)
    items = tuple(
        DigestItem(
            incident=number, grade=Grade.YELLOW, peak=Grade.ORANGE, over=number == 13,
            place=rise.place, zone=rise.zone, hazard=rise.hazard, headline=rise.headline,
            since=rise.since, opened_at=rise.opened_at,
        )
        for number in (12, 13)
    )  # fmt: skip

    alone = sent(channel, vendor, grade=Grade.YELLOW).json["alerts"][0]
    digest = sent(channel, vendor, kind=Kind.DIGEST, items=items, incident=0).json
    test = sent(channel, vendor, kind=Kind.TEST, incident=0).json

    known, over = digest["alerts"]
    assert digest["status"] == "firing"
    assert [alert["status"] for alert in (known, over)] == ["firing", "resolved"]
    assert {key: known[key] for key in ("fingerprint", "startsAt", "labels")} == {
        key: alone[key] for key in ("fingerprint", "startsAt", "labels")
    }
    assert over["labels"]["incident"] == "13"
    assert test["status"] == test["alerts"][0]["status"] == "resolved"
