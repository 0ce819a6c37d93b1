"""Calls: what is said, who may take over by a key, and what becomes of a call nobody answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.api import build_api
from alerts.channels import open_channels
from alerts.channels.aliyun_voice import AliyunVoice
from alerts.channels.base import OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError
from alerts.channels.twilio_voice import signature
from alerts.incident import Kind
from alerts.notification import Notification
from alerts.service import AlertService, AlertSettings
from core.broker import BrokerAddress
from core.clock import ManualClock, RunClock
from core.community import Community, Contact, Name
from core.grade import Grade
from tests.alerts.cloud import AliyunCloud
from tests.alerts.samples import note
from tests.alerts.scenery import Scene, level, place
from tests.alerts.telephone import ACCOUNT, TOKEN, Telephone, encoded
from tests.alerts.test_alerts_api import Web
from tests.alerts.vendor import Reply, Request, Vendor
from tests.servers import free_port, wait_until

NOW_S = 1_764_500_003
LI = "+8613800000000"
HUB = "https://hub.example"


class Site:
    """A service with one open incident and one channel that calls people."""

    def __init__(self, directory: Path, vendor: Vendor, kind: str, options: dict[str, Any]) -> None:
        scene = Scene(directory)
        scene.say(level(Grade.ORANGE))
        scene.close()
        self.scene = scene
        whole = place()
        community = Community(
            site=whole.site, zone=whole.zone, sensor=whole.sensor, limit=whole.limit,
            contact=(Contact("duty-1", "Li", "duty", (f"call:{LI}", "hook")),),
        )  # fmt: skip
        key = directory / "key"
        key.write_text(
            f"{ACCOUNT}\n{TOKEN}" if kind == "twilio-voice" else "LTAInobodyskeyid\nsecret"
        )
        entry = ChannelEntry(
            name="call", kind=kind, url=f"http://127.0.0.1:{vendor.port}/", secret_file=str(key),
            allow_private=True, options=options,
        )  # fmt: skip
        self.clock = ManualClock(scene.clock.ms)
        self.service = AlertService(
            AlertSettings(state_url=scene.url, channels=(entry,)), community,
            BrokerAddress(port=free_port()), self.clock,
        )  # fmt: skip
        self.channel = self.service._channels["call"]
        self.channel.start(self.service._answers)
        self.web = Web(
            build_api(self.service, community=community, clock=self.clock, token="a-token"),
            "203.0.113.9",
        )

    @property
    def note(self) -> Notification:
        return note(Grade.ORANGE, incident=1, seq=1, contact="duty-1")

    def post(self, url: str, form: dict[str, str], signed: str) -> str:
        headers = {
            "content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signed,
        }  # fmt: skip
        path = url.removeprefix(HUB)
        answer = self.web.request("POST", path, content=encoded(form), headers=headers)
        return f"{answer.status_code} {answer.text}"

    def taken(self) -> bool:
        return self.service.open_incidents()[0].acknowledged


@pytest.fixture
def telephone(vendor: Vendor) -> Telephone:
    vendor.reply = made = Telephone()
    return made


@pytest.fixture
def site(tmp_path: Path, vendor: Vendor) -> Iterator[Site]:
    made = Site(tmp_path, vendor, "twilio-voice", {"sender": "+14158675310", "public_url": HUB})
    yield made
    made.service.stop()


def test_twilios_signature_is_that_of_its_published_example() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE", "Digits": "1234", "From": "+14158675309",
        "To": "+18005551212", "Caller": "+14158675309",
    }  # fmt: skip

    assert (
        signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form)
        == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    )
    # Frozen from twilio's own library.
    assert (
        signature(
            "12345",
            "https://hub.example/api/v1/voice/call/key/abc",
            {"Digits": "1", "CallSid": "CAx", "空": "水 +"},
        )
        == "zekfYfEKVPYO8s4sRgqR+ydTlvs="
    )


def test_a_person_hears_the_warning_twice_and_takes_over_with_key_1(
    site: Site, telephone: Telephone
) -> None:
    outcome = site.channel.send(site.note, NOW_S)
    answer = telephone.press("1", site.post)

    assert (outcome.kind, outcome.vendor_id) == (OutcomeKind.ACCEPTED, f"CA{1:032x}")
    assert (telephone.calls[0]["To"], telephone.calls[0]["From"]) == (LI, "+14158675310")
    assert telephone.heard[0].startswith("平安眼，橙色 II 级，下穿通道，内涝。")
    assert telephone.heard[0].endswith("接手处置请按1。")
    assert 'loop="2"' in telephone.calls[0]["Twiml"]
    assert "已接手" in answer
    [incident] = site.service.open_incidents()
    assert (incident.acknowledged, incident.acknowledged_by) == (True, "duty-1")


@pytest.mark.parametrize("key", ["2", "", "11", "*"])
def test_another_key_takes_nothing_over(key: str, site: Site, telephone: Telephone) -> None:
    site.channel.send(site.note, NOW_S)

    assert telephone.press(key, site.post).startswith("200")
    assert not site.taken()


def test_nobody_but_twilio_can_press_a_key(site: Site, telephone: Telephone) -> None:
    site.channel.send(site.note, NOW_S)
    url = telephone.calls[0]["Twiml"].partition('action="')[2].partition('"')[0]

    forged = site.post(url, {"Digits": "1"}, signature("another token", url, {"Digits": "1"}))
    changed = site.post(url, {"Digits": "1"}, signature(TOKEN, url, {"Digits": "2"}))
    elsewhere = site.post(url, {"Digits": "1"}, signature(TOKEN, f"{url}x", {"Digits": "1"}))
    bare = site.post(url, {"Digits": "1"}, "")

    assert [text[:3] for text in (forged, changed, elsewhere, bare)] == ["403"] * 4
    assert not site.taken()


def test_a_get_never_takes_over(site: Site, telephone: Telephone) -> None:
    site.channel.send(site.note, NOW_S)
    url = telephone.calls[0]["Twiml"].partition('action="')[2].partition('"')[0]
    path = url.removeprefix(HUB)

    answer = site.web.request(
        "GET", f"{path}?Digits=1", headers={"x-twilio-signature": signature(TOKEN, url, {})}
    )

    assert answer.status_code in (404, 405)
    assert not site.taken()


def test_a_guessed_address_takes_nothing_over(site: Site, telephone: Telephone) -> None:
    site.channel.send(site.note, NOW_S)

    answer = telephone.post(f"{HUB}/api/v1/voice/call/key/{'0' * 32}", {"Digits": "1"}, site.post)

    assert "未能登记" in answer
    assert not site.taken()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/voice/nobody/key/x", b"Digits=1", 404),
        ("/api/v1/voice/call/key/x", b"x" * 20_000, 413),
        ("/api/v1/voice/call/key/x", b"\xff\xfe", 400),
        ("/api/v1/voice/call/key/x", b"a&" * 400, 400),
    ],
)
def test_nonsense_is_refused_without_a_trace(
    path: str, body: bytes, status: int, site: Site
) -> None:
    answer = site.web.request("POST", path, content=body)

    assert answer.status_code == status
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("no-answer", ["undelivered"]), ("busy", ["undelivered"]), ("failed", ["undelivered"]),
        ("completed", ["delivered"]), ("ringing", []),
    ],
)  # fmt: skip
def test_the_end_of_a_call_is_reported(
    status: str,
    wanted: list[str],
    site: Site,
    telephone: Telephone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[str, str]] = []
    for word in ("delivered", "undelivered"):
        monkeypatch.setattr(
            site.service._answers, word, lambda id_, _why, word=word: told.append((word, id_))
        )
    site.channel.send(site.note, NOW_S)

    assert telephone.end(status, site.post).startswith("204")

    assert told == [(word, site.note.id) for word in wanted]


@pytest.mark.parametrize(
    ("kind", "grade"),
    [(Kind.CLEAR, Grade.RED), (Kind.UPDATE, Grade.RED), (Kind.ALERT, Grade.YELLOW)],
)
def test_nobody_is_called_for_what_can_wait(
    kind: Kind, grade: Grade, site: Site, telephone: Telephone
) -> None:
    outcome = site.channel.send(note(grade, kind=kind), NOW_S)

    assert (outcome.kind, outcome.vendor_code) == (OutcomeKind.PERMANENT, "not-called")
    assert telephone.calls == []


def test_a_self_test_looks_at_the_account_and_rings_nobody(
    site: Site, telephone: Telephone
) -> None:
    outcome = site.channel.send(note(kind=Kind.TEST), NOW_S)

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert telephone.calls == []


def test_a_name_from_outside_says_nothing_of_its_own_making(
    site: Site, telephone: Telephone
) -> None:
    evil = Name(zh='</Say><Dial>+1900</Dial><Say>"', en="x")

    site.channel.send(msgspec.structs.replace(site.note, place=evil), NOW_S)

    assert "<Dial>" not in telephone.calls[0]["Twiml"]
    assert telephone.press("1", site.post).startswith("200")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sender": "12"}, "sender"),
        ({"public_url": "http://hub.example"}, "public_url"),
        ({"grade": "purple"}, "grade"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_entry_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{ACCOUNT}\n{TOKEN}")
    options = {"sender": "+14158675310", "public_url": HUB, **changes}
    entry = ChannelEntry(
        name="call", kind="twilio-voice", secret_file=str(tmp_path / "key"), options=options
    )

    with pytest.raises(ChannelError, match=r"channel 'call'") as caught:
        open_channels([entry])

    assert words in str(caught.value)


# --- Aliyun ---


class Exchange:
    """Aliyun's voice service: calls that are being made, and what is known of them."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, str]] = {}
        self.cloud = AliyunCloud({"LTAInobodyskeyid": "secret"}, NOW_S, self.act)

    def __call__(self, request: Request) -> Reply:
        return self.cloud(request)

    def act(self, action: str, given: dict[str, str]) -> dict[str, object]:
        if action == "SingleCallByTts":
            call = f"{len(self.records)}^100"
            self.records[call] = {"callId": call, "callee": given["CalledNumber"]}
            return {"Code": "OK", "Message": "OK", "CallId": call}
        if action == "QueryCallDetailByCallId" and given["CallId"] in self.records:
            return {"Code": "OK", "Data": json.dumps(self.records[given["CallId"]])}
        return {"Code": "isv.CALL_NOT_EXIST", "Message": "no such call"}

    def ended(self, call: str, state: str, dtmf: str = "") -> None:
        self.records[call] |= {
            "state": state, "stateDesc": "x", "dtmf": dtmf, "endDate": "2025-11-30 18:54:00",
        }  # fmt: skip


@pytest.fixture
def exchange(vendor: Vendor) -> Exchange:
    vendor.reply = made = Exchange()
    return made


@pytest.fixture
def aliyun(tmp_path: Path, vendor: Vendor) -> Iterator[Site]:
    made = Site(tmp_path, vendor, "aliyun-voice", {"template": "TTS_1"})
    yield made
    made.service.stop()


Voice = Callable[[], AliyunVoice]


def asked(site: Site) -> None:
    assert isinstance(site.channel, AliyunVoice)
    site.channel.follow_ups.ask(NOW_S)


def test_key_1_of_an_aliyun_call_takes_over(aliyun: Site, exchange: Exchange) -> None:
    outcome = aliyun.channel.send(aliyun.note, NOW_S)
    asked(aliyun)
    assert not aliyun.taken()

    exchange.ended("0^100", "200000", "1")
    asked(aliyun)

    assert (outcome.kind, outcome.vendor_id) == (OutcomeKind.ACCEPTED, "0^100")
    assert aliyun.taken()
    action, given = exchange.cloud.calls[0]
    assert (action, given["CalledNumber"], given["TtsCode"]) == (
        "SingleCallByTts", "13800000000", "TTS_1",
    )  # fmt: skip
    assert json.loads(given["TtsParam"])["grade"] == "橙色 II 级"
    before = len(exchange.cloud.calls)
    asked(aliyun)
    assert len(exchange.cloud.calls) == before  # it is settled


@pytest.mark.parametrize(
    ("state", "dtmf"), [("200000", ""), ("200000", "2"), ("200002", ""), ("200005", "")]
)
def test_without_key_1_nothing_is_taken_over(
    state: str, dtmf: str, aliyun: Site, exchange: Exchange
) -> None:
    aliyun.channel.send(aliyun.note, NOW_S)

    exchange.ended("0^100", state, dtmf)
    asked(aliyun)

    assert not aliyun.taken()


def test_an_aliyun_self_test_rings_nobody_and_finds_a_wrong_key(
    aliyun: Site, exchange: Exchange
) -> None:
    assert aliyun.channel.send(note(kind=Kind.TEST), NOW_S).kind is OutcomeKind.ACCEPTED
    exchange.cloud.keys = {"LTAInobodyskeyid": "renewed"}
    assert aliyun.channel.send(note(kind=Kind.TEST), NOW_S).kind is OutcomeKind.MISCONFIGURED
    assert exchange.records == {}


def test_calls_are_asked_after_by_themselves(
    tmp_path: Path, vendor: Vendor, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.channels.aliyun_voice.ASK_S", 0.05)
    monkeypatch.setattr("alerts.channels.follow_up._TICK_S", 0.05)
    now_s = RunClock().wall_ms() // 1000
    exchange.cloud.now_s = now_s
    site = Site(tmp_path, vendor, "aliyun-voice", {"template": "TTS_1"})
    try:
        site.channel.send(site.note, now_s)
        exchange.ended("0^100", "200000", "1")
        wait_until(site.taken, what="the takeover")
    finally:
        site.service.stop()
