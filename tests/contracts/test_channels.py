"""One contract for every channel: what it makes of a vendor's answer, however bad that is.

Each channel of the registry needs one sample here; a channel without one fails the suite.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import httpx
import pytest

from alerts.channels import KINDS, open_channels, wire
from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError
from alerts.channels.post import MAX_ANSWER_BYTES
from alerts.incident import Kind
from core.community import Contact
from core.grade import Grade
from tests.alerts.samples import BOT_KEY, SECRET, note
from tests.alerts.vendor import Reply, Request, Vendor
from tests.servers import free_port

NOW_S = 1_764_500_003


@dataclass(frozen=True)
class Sample:
    """What the contract must know of one kind.

    Attributes:
        secret: A key that belongs to nobody.
        accepted: What its vendor answers when it takes a message.
        refusals: Answers of its vendor and the outcome that they mean.
        options: What its entry needs besides.
        address: Of the contact, where the channel needs a personal one.
        aside: What its vendor answers to requests that send nothing; None for one that does.
    """

    secret: str
    accepted: Reply
    refusals: tuple[tuple[Reply, OutcomeKind], ...]
    options: dict[str, Any] = field(default_factory=dict)
    address: str = ""
    aside: Callable[[Request], Reply | None] = lambda _request: None

    def sent(self, vendor: Vendor) -> list[Request]:
        return [request for request in vendor.requests if self.aside(request) is None]

    def answer(self, reply: Reply) -> Callable[[Request], Reply]:
        return lambda request: self.aside(request) or reply


def wecom(errcode: int, errmsg: str = "") -> Reply:
    return Reply(body=json.dumps({"errcode": errcode, "errmsg": errmsg}).encode())


SAMPLES = {
    "webhook": Sample(
        SECRET,
        Reply(204),
        (
            (Reply(400), OutcomeKind.PERMANENT),
            (Reply(413), OutcomeKind.PERMANENT),
            (Reply(410), OutcomeKind.MISCONFIGURED),
        ),
    ),
    "wecom": Sample(
        BOT_KEY,
        wecom(0, "ok"),
        (
            (wecom(93000, "invalid webhook url"), OutcomeKind.MISCONFIGURED),
            (wecom(40058, "content exceed max length"), OutcomeKind.PERMANENT),
            (wecom(-1, "system busy"), OutcomeKind.RETRY),
            (wecom(45009, "api freq out of limit"), OutcomeKind.RETRY),
            (Reply(body=b"<html>login to the guest network</html>"), OutcomeKind.UNKNOWN),
            (Reply(body=b'{"errcode":"45009","errmsg":"by a gateway"}'), OutcomeKind.RETRY),
            (Reply(body=b'{"errcode":"","errmsg":"ok"}'), OutcomeKind.UNKNOWN),
            (Reply(body=b'{"errcode":null}'), OutcomeKind.UNKNOWN),
            (Reply(body=b""), OutcomeKind.UNKNOWN),
        ),
    ),
}


def coded(field: str, code: int, text: str = "") -> Reply:
    return Reply(body=json.dumps({field: code, "msg": text, "errmsg": text}).encode())


HTML = Reply(body=b"<html>login to the guest network</html>")
SAMPLES |= {
    "dingtalk": Sample(
        "0123456789abcdef0123456789abcdef\nSECthisisnobodyssecret",
        coded("errcode", 0, "ok"),
        (
            (coded("errcode", -1, "busy"), OutcomeKind.RETRY),
            (coded("errcode", 130101, "send too fast"), OutcomeKind.RETRY),
            (coded("errcode", 310000, "sign not match"), OutcomeKind.MISCONFIGURED),
            (coded("errcode", 300001, "token is not exist"), OutcomeKind.MISCONFIGURED),
            (coded("errcode", 410100, "发送速度太快而限流"), OutcomeKind.RETRY),
            (coded("errcode", 400013, "group dismissed"), OutcomeKind.MISCONFIGURED),
            (coded("errcode", 400102, "robot is stopped"), OutcomeKind.MISCONFIGURED),
            (coded("errcode", 430104, "improper content"), OutcomeKind.PERMANENT),
            (HTML, OutcomeKind.UNKNOWN),
            (Reply(body=b'{"errcode":true}'), OutcomeKind.UNKNOWN),
        ),
    ),
    "feishu": Sample(
        "11111111-2222-3333-4444-555555555555\nnobodyssigningsecret",
        coded("code", 0, "success"),
        (
            (coded("code", 11232, "too many request"), OutcomeKind.RETRY),
            (coded("code", 9499, "Bad Request"), OutcomeKind.PERMANENT),
            (coded("code", 19021, "sign match fail"), OutcomeKind.MISCONFIGURED),
            (coded("code", 19024, "Key Words Not Found"), OutcomeKind.MISCONFIGURED),
            (HTML, OutcomeKind.UNKNOWN),
            (Reply(body=b"[0]"), OutcomeKind.UNKNOWN),
        ),
    ),
    "ntfy": Sample(
        "tk_nobodystoken",
        Reply(body=b'{"id":"xE73Iyuabi","event":"message","topic":"duty"}'),
        (
            (Reply(400, b'{"code":40058,"http":400}'), OutcomeKind.PERMANENT),
            (Reply(413, b'{"code":41301,"http":413}'), OutcomeKind.PERMANENT),
            (HTML, OutcomeKind.UNKNOWN),
        ),
    ),
    "alertmanager": Sample(
        "nobodysbearertoken",
        Reply(200),
        ((Reply(400), OutcomeKind.PERMANENT), (Reply(422), OutcomeKind.PERMANENT)),
    ),
}


def aliyun(code: str, message: str = "", status: int = 200) -> Reply:
    body = {"Code": code, "Message": message, "RequestId": "R-1", "BizId": "900", "CallId": "901"}
    return Reply(status, json.dumps(body).encode())


def of_number(code: str, message: str = "") -> Reply:
    status = {"SerialNo": "2019:538", "PhoneNumber": "+8613800000000", "Fee": 1, "Code": code,
              "SessionContext": "", "Message": message, "IsoCode": "CN"}  # fmt: skip
    return Reply(body=json.dumps({"Response": {"SendStatusSet": [status]}}).encode())


def of_call(code: str, message: str = "") -> Reply:
    error = {"Error": {"Code": code, "Message": message}, "RequestId": "R-1"}
    return Reply(body=json.dumps({"Response": error}).encode())


def asks_for_details(request: Request) -> Reply | None:
    if request.headers.get("x-acs-action") == "QuerySendDetails":
        return Reply(body=b'{"Code":"OK","TotalCount":"0","SmsSendDetailDTOs":{}}')
    return None


def asks_for_token(request: Request) -> Reply | None:
    if "gettoken" in request.path:
        body = b'{"errcode":0,"access_token":"nobodystoken","expires_in":7200}'
        return Reply(body=body)
    return None


def of_twilio(status: int, code: int, message: str = "") -> Reply:
    body = {"code": code, "message": message, "status": status, "more_info": "https://x"}
    return Reply(status, json.dumps(body).encode())


SAMPLES |= {
    "aliyun-sms": Sample(
        "LTAInobodyskeyid\nnobodyskeysecret",
        aliyun("OK", "OK"),
        (
            (aliyun("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1"), OutcomeKind.RETRY),
            (aliyun("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10"), OutcomeKind.PERMANENT),
            (aliyun("isv.DAY_LIMIT_CONTROL"), OutcomeKind.PERMANENT),
            (aliyun("isv.OUT_OF_SERVICE"), OutcomeKind.MISCONFIGURED),
            (aliyun("isv.SMS_TEMPLATE_ILLEGAL"), OutcomeKind.MISCONFIGURED),
            (aliyun("isv.MOBILE_NUMBER_ILLEGAL"), OutcomeKind.PERMANENT),
            (aliyun("isp.SYSTEM_ERROR"), OutcomeKind.RETRY),
            (aliyun("SignatureDoesNotMatch", "no", 400), OutcomeKind.MISCONFIGURED),
            (aliyun("Throttling.User", "slow down", 400), OutcomeKind.RETRY),
            (aliyun("ServiceUnavailable", "busy", 503), OutcomeKind.RETRY),
            (HTML, OutcomeKind.UNKNOWN),
            (Reply(body=b'{"Code":0}'), OutcomeKind.UNKNOWN),
        ),
        {"sign_name": "平安眼", "template": "SMS_1"},
        "+8613800000000",
        asks_for_details,
    ),
    "tencent-sms": Sample(
        "AKIDnobodyssecretid\nnobodyssecretkey",
        of_number("Ok", "send success"),
        (
            (of_number("LimitExceeded.DeliveryFrequencyLimit"), OutcomeKind.RETRY),
            (of_number("LimitExceeded.PhoneNumberDailyLimit"), OutcomeKind.PERMANENT),
            (of_number("FailedOperation.PhoneNumberInBlacklist"), OutcomeKind.PERMANENT),
            (
                of_number("FailedOperation.TemplateIncorrectOrUnapproved"),
                OutcomeKind.MISCONFIGURED,
            ),
            (of_call("AuthFailure.SignatureExpire"), OutcomeKind.MISCONFIGURED),
            (of_call("RequestLimitExceeded"), OutcomeKind.RETRY),
            (of_call("InternalError"), OutcomeKind.RETRY),
            (HTML, OutcomeKind.UNKNOWN),
            (Reply(body=b'{"Response":{"SendStatusSet":[]}}'), OutcomeKind.UNKNOWN),
        ),
        {"app_id": "1400000000", "sign_name": "平安眼", "template": "1"},
        "+8613800000000",
    ),
    "twilio-voice": Sample(
        "AC0123456789abcdef0123456789abcdef\nnobodysauthtoken",
        Reply(201, b'{"sid":"CA0123456789abcdef0123456789abcdef","status":"queued"}'),
        (
            (of_twilio(400, 21211, "Invalid 'To' Phone Number"), OutcomeKind.PERMANENT),
            (of_twilio(400, 21210, "'From' number not verified"), OutcomeKind.MISCONFIGURED),
            (of_twilio(401, 20003, "Authenticate"), OutcomeKind.MISCONFIGURED),
            (of_twilio(429, 20429, "Too Many Requests"), OutcomeKind.RETRY),
            (Reply(201, b"<html>guest network</html>"), OutcomeKind.UNKNOWN),
            (HTML, OutcomeKind.UNKNOWN),
        ),
        {"sender": "+14158675310", "public_url": "https://hub.example"},
        "+8613800000000",
    ),
    "aliyun-voice": Sample(
        "LTAInobodyskeyid\nnobodyskeysecret",
        aliyun("OK", "OK"),
        (
            (aliyun("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:20"), OutcomeKind.PERMANENT),
            (aliyun("isv.OUT_OF_SERVICE"), OutcomeKind.MISCONFIGURED),
            (aliyun("isv.TTS_TEMPLATE_ILLEGAL"), OutcomeKind.MISCONFIGURED),
            (aliyun("isv.MOBILE_NUMBER_ILLEGAL"), OutcomeKind.PERMANENT),
            (aliyun("Forbidden.RAM", "no", 403), OutcomeKind.MISCONFIGURED),
            (HTML, OutcomeKind.UNKNOWN),
        ),
        {"template": "TTS_1"},
        "+8613800000000",
    ),
    "wecom-app": Sample(
        "ww0123456789abcdef\nnobodysapplicationsecret",
        Reply(body=b'{"errcode":0,"errmsg":"ok","invaliduser":"","msgid":"m"}'),
        (
            (wecom(-1, "system busy"), OutcomeKind.RETRY),
            (wecom(45009, "api freq out of limit"), OutcomeKind.RETRY),
            (wecom(40056, "invalid agentid"), OutcomeKind.MISCONFIGURED),
            (wecom(60020, "not allow to access from your ip"), OutcomeKind.MISCONFIGURED),
            (wecom(81013, "all invalid"), OutcomeKind.PERMANENT),
            (HTML, OutcomeKind.UNKNOWN),
        ),
        {"agent_id": 1000002},
        "LiWei",
        asks_for_token,
    ),
}
# However a channel is spoken to, these mean the same.
COMMON = (
    (Reply(429, headers={"retry-after": "7"}), OutcomeKind.RETRY),
    (Reply(500, b"<html>oops</html>"), OutcomeKind.RETRY),
    (Reply(503), OutcomeKind.RETRY),
    (Reply(401), OutcomeKind.MISCONFIGURED),
    (Reply(404), OutcomeKind.MISCONFIGURED),
    (Reply(302, headers={"location": "http://127.0.0.1:1/"}), OutcomeKind.MISCONFIGURED),
    (Reply(how="reset"), OutcomeKind.UNKNOWN),
    (Reply(how="slow"), OutcomeKind.UNKNOWN),
    (Reply(200, b"x" * 400, how="drip"), OutcomeKind.UNKNOWN),
    (Reply(200, b'{"errcode":0', how="cut"), OutcomeKind.UNKNOWN),
    (Reply(200, b"no gzip", {"content-encoding": "gzip"}), OutcomeKind.UNKNOWN),
    # A refusal is known by its first line.
    (Reply(404, b"<html>", how="cut"), OutcomeKind.MISCONFIGURED),
    (Reply(429, b"<html>", how="cut"), OutcomeKind.RETRY),
)
CASES = [
    pytest.param(kind, reply, wanted, id=f"{kind}-{index}-{reply.status}-{reply.how}-{wanted}")
    for kind, sample in SAMPLES.items()
    for index, (reply, wanted) in enumerate((*COMMON, *sample.refusals))
]

Open = Callable[..., Channel]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    channels: list[Channel] = []

    def open_one(kind: str, url: str, **changes: object) -> Channel:
        secret = tmp_path / f"{kind}.key"
        secret.write_text(SAMPLES[kind].secret + "\n")
        keys = {
            "name": "duty", "kind": kind, "url": url, "secret_file": str(secret),
            "allow_private": True, "timeout_s": 0.3, "topic": "duty",
            "options": SAMPLES[kind].options, **changes,
        }  # fmt: skip
        contact = Contact("duty-1", "Li Wei", "duty", (f"duty:{SAMPLES[kind].address}",))
        entry = ChannelEntry(**keys)  # type: ignore[arg-type]  # a table
        channel = open_channels([entry], [contact])["duty"]
        channels.append(channel)
        return channel

    yield open_one
    for channel in channels:
        channel.close()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    server = Vendor(Reply())
    yield server
    server.close()


def send(channel: Channel, grade: Grade = Grade.RED) -> Outcome:
    return channel.send(note(grade), NOW_S)


# Channels that speak no HTTP meet the same demands in a suite of their own.
ELSEWHERE = {
    "smtp": "tests/alerts/test_smtp.py",
    "gsm": "tests/alerts/test_gsm.py",
    "sounder": "tests/alerts/test_sounder.py",
    "apprise": "tests/alerts/test_long_tail.py",  # it hides the vendor's answer
}


def test_every_registered_channel_is_under_contract() -> None:
    assert set(SAMPLES) | set(ELSEWHERE) == set(KINDS)
    root = Path(__file__).parents[2]
    assert all((root / suite).is_file() for suite in ELSEWHERE.values())


@pytest.mark.parametrize("kind", SAMPLES)
def test_an_accepted_message_is_accepted_and_sent_once(
    kind: str, opened: Open, vendor: Vendor
) -> None:
    vendor.reply = SAMPLES[kind].answer(SAMPLES[kind].accepted)

    outcome = send(opened(kind, vendor.url))

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert len(SAMPLES[kind].sent(vendor)) == 1


def said(request: Request) -> str:
    """Return all that a request says, with escapes of URLs and of JSON undone."""
    text = unquote_plus(f"{request.path} {request.body.decode('utf-8', 'replace')}")
    return re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)


@pytest.mark.parametrize("what", [Kind.ALERT, Kind.ESCALATION, Kind.CLEAR, Kind.DRILL_END])
@pytest.mark.parametrize("kind", SAMPLES)
def test_whatever_leaves_for_a_drill_says_so(
    kind: str, what: Kind, opened: Open, vendor: Vendor
) -> None:
    vendor.reply = SAMPLES[kind].answer(SAMPLES[kind].accepted)
    drill = note(Grade.RED, kind=what, exercise=True, ending="aborted")

    outcome = opened(kind, vendor.url).send(drill, NOW_S)

    for request in SAMPLES[kind].sent(vendor):
        assert re.search("演练|DRILL", said(request)), said(request)
    sent = len(SAMPLES[kind].sent(vendor))
    assert (outcome.kind is OutcomeKind.ACCEPTED) == (sent == 1)


@pytest.mark.parametrize(("kind", "reply", "wanted"), CASES)
def test_each_answer_means_what_it_means(
    kind: str, reply: Reply, wanted: OutcomeKind, opened: Open, vendor: Vendor
) -> None:
    vendor.reply = SAMPLES[kind].answer(reply)

    outcome = send(opened(kind, vendor.url))

    assert outcome.kind is wanted
    assert len(SAMPLES[kind].sent(vendor)) == 1
    assert outcome.vendor_code


@pytest.mark.parametrize("kind", SAMPLES)
def test_an_answer_whose_head_drips_holds_up_nobody(
    kind: str, opened: Open, vendor: Vendor
) -> None:
    """For ten seconds here; a real one could do so for a day, and hold the thread of a channel."""
    vendor.reply = SAMPLES[kind].answer(replace(SAMPLES[kind].accepted, how="drip-head"))

    assert send(opened(kind, vendor.url)).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("kind", SAMPLES)
def test_an_answer_that_somebody_has_packed_is_read_all_the_same(
    kind: str, opened: Open, vendor: Vendor
) -> None:
    plain = SAMPLES[kind].accepted
    packed = replace(plain, body=gzip.compress(plain.body), headers={"content-encoding": "gzip"})
    vendor.reply = SAMPLES[kind].answer(packed)

    assert send(opened(kind, vendor.url)).kind is OutcomeKind.ACCEPTED


def test_of_several_addresses_the_next_one_is_tried(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a name that has an IPv6 address in a house that has no IPv6."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, vendor.port))
        for address in ("127.0.0.2", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_asked, **_options: found)
    monkeypatch.setattr(wire, "is_public", lambda _address: True)
    vendor.reply = Reply(204)
    # The guarded way, without the TLS that nobody here has a certificate for.
    way = wire.Wire(allow_private=False)
    client = httpx.Client(transport=wire.WiredTransport(way, httpx.create_ssl_context()))

    with client, client.stream("POST", f"http://vendor.example:{vendor.port}/hook") as answer:
        assert answer.status_code == 204
    assert vendor.requests[0].headers["host"] == f"vendor.example:{vendor.port}"


@pytest.mark.parametrize("kind", SAMPLES)
def test_nobody_listening_is_a_retry(kind: str, opened: Open) -> None:
    outcome = send(opened(kind, f"http://127.0.0.1:{free_port()}/hook"))

    assert outcome.kind is OutcomeKind.RETRY


@pytest.mark.parametrize("kind", SAMPLES)
def test_retry_after_is_honoured_in_seconds_and_as_a_date(
    kind: str, opened: Open, vendor: Vendor
) -> None:
    channel = opened(kind, vendor.url)
    answer = SAMPLES[kind].answer
    vendor.reply = answer(Reply(429, headers={"retry-after": "7"}))
    assert send(channel).retry_after_s == 7
    date, later = "Sun, 30 Nov 2025 10:53:23 GMT", "Sun, 30 Nov 2025 10:54:23 GMT"
    vendor.reply = answer(Reply(503, headers={"date": date, "retry-after": later}))
    assert send(channel).retry_after_s == pytest.approx(60, abs=5)
    for nonsense in ("soon", "-5", "7 s", "1e3"):
        vendor.reply = answer(Reply(503, headers={"retry-after": nonsense}))
        assert send(channel).retry_after_s is None
    vendor.reply = answer(Reply(503, headers={"retry-after": date}))  # long ago, by our clock
    assert not send(channel).retry_after_s


@pytest.mark.parametrize("kind", SAMPLES)
def test_an_oversized_answer_is_not_read_to_its_end(
    kind: str, opened: Open, vendor: Vendor
) -> None:
    vendor.reply = SAMPLES[kind].answer(Reply(500, b"x" * (50 * MAX_ANSWER_BYTES)))

    assert send(opened(kind, vendor.url, timeout_s=5.0)).kind is OutcomeKind.RETRY


@pytest.mark.parametrize("kind", SAMPLES)
def test_redirects_are_not_followed_and_proxies_of_the_environment_not_used(
    kind: str, opened: Open, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Vendor(SAMPLES[kind].answer(SAMPLES[kind].accepted))
    monkeypatch.setenv("HTTP_PROXY", elsewhere.url)
    monkeypatch.setenv("ALL_PROXY", elsewhere.url)
    vendor.reply = SAMPLES[kind].answer(Reply(307, headers={"location": elsewhere.url}))

    outcome = send(opened(kind, vendor.url))

    elsewhere.close()
    assert outcome.kind is OutcomeKind.MISCONFIGURED
    assert elsewhere.requests == []


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(how="reset"), Reply(how="slow"), Reply(404)], ids=repr
)
def test_the_key_is_never_in_a_log_or_an_outcome(
    kind: str, reply: Reply, opened: Open, vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.reply = SAMPLES[kind].answer(reply)
    caplog.set_level(logging.WARNING)

    outcome = send(opened(kind, vendor.url))

    assert not [key for key in SAMPLES[kind].secret.split() if key in f"{outcome} {caplog.text}"]


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:9/", "https://0x7f000001/", "https://2130706433/", "https://127.1/",
        "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://10.0.0.1/",
        "https://169.254.169.254/latest", "https://100.100.100.200/", "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/", "https://224.0.0.1/", "https://localhost/",
    ],
)  # fmt: skip
def test_only_public_addresses_are_called_by_default(kind: str, url: str, opened: Open) -> None:
    outcome = send(opened(kind, url, allow_private=False))

    assert outcome.kind is OutcomeKind.MISCONFIGURED
    assert outcome.vendor_code == "address"


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://example.com/", "allow_private": False}, "https"),
        ({"url": "ftp://example.com/"}, "https"),
        ({"url": "https://user:secret@example.com/"}, "no user and password"),
        ({"secret_file": "/nowhere/key"}, "secret_file"),
        ({"secret_file": "", "secret_env": "SAFETY_EYE_NO_SUCH"}, "empty"),
        ({"secret_file": ""}, "secret_file or secret_env"),
        ({"timeout_s": 300.0}, "timeout_s"),
        ({"per_minute": 0}, "per_minute 0: expected at least 1"),
        ({"per_minute": -5}, "per_minute"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_with_its_name_and_what_to_mend(
    kind: str, changes: dict[str, object], words: str, opened: Open
) -> None:
    whole = {"url": "https://example.com/", **changes}

    with pytest.raises(ChannelError, match=r"channel 'duty'") as caught:
        opened(kind, **whole)

    assert words in str(caught.value)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ChannelError, match="pigeon"):
        open_channels([ChannelEntry(name="duty", kind="pigeon")])
