"""The WeCom application: its token is fetched, kept, renewed; each member has a fate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from alerts.channels import open_channels
from alerts.channels.base import Channel, OutcomeKind
from alerts.channels.entry import ChannelEntry
from core.community import Contact, Name
from tests.alerts.samples import note
from tests.alerts.vendor import Reply, Request, Vendor

NOW_S = 1_764_500_003
CORP, SECRET = "ww0123456789abcdef", "nobodysapplicationsecret"


@dataclass
class WeCom:
    """The application side of WeCom: tokens that run out, members that exist or don't."""

    members: frozenset[str] = frozenset({"liwei"})
    tokens: list[str] = field(default_factory=list)
    valid: set[str] = field(default_factory=set)
    messages: list[dict[str, object]] = field(default_factory=list)
    lives_s: int = 7200

    def __call__(self, request: Request) -> Reply:
        parts = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/cgi-bin/gettoken":
            return self._said(self._fetch(request, query))
        assert parts.path == "/cgi-bin/message/send"
        if query.get("access_token") not in self.valid:
            known = query.get("access_token") in self.tokens
            return self._said({"errcode": 42001 if known else 40014, "errmsg": "access_token"})
        message = request.json
        self.messages.append(message)
        unknown = [
            user for user in message["touser"].split("|") if user.lower() not in self.members
        ]
        if len(unknown) == len(message["touser"].split("|")):
            return self._said({"errcode": 81013, "errmsg": "user & party & tag all invalid"})
        return self._said(
            {"errcode": 0, "errmsg": "ok", "invaliduser": "|".join(unknown).lower(), "msgid": "m1"}
        )

    def _fetch(self, request: Request, query: dict[str, str]) -> dict[str, object]:
        if request.verb != "GET" or query != {"corpid": CORP, "corpsecret": SECRET}:
            return {"errcode": 40001, "errmsg": "invalid credential"}
        token = f"token-{len(self.tokens)}"
        self.tokens.append(token)
        self.valid = {token}
        return {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": self.lives_s}

    @staticmethod
    def _said(body: dict[str, object]) -> Reply:
        return Reply(body=json.dumps(body).encode())


@pytest.fixture
def wecom() -> WeCom:
    return WeCom()


Made = Callable[..., Channel]


@pytest.fixture
def app(tmp_path: Path, wecom: WeCom) -> Iterator[Made]:
    vendor = Vendor(wecom)
    channels: list[Channel] = []

    def make(*users: str, secret: str = f"{CORP}\n{SECRET}") -> Channel:
        file = tmp_path / "key"
        file.write_text(secret)
        entry = ChannelEntry(
            name="app", kind="wecom-app", url=f"http://127.0.0.1:{vendor.port}",
            secret_file=str(file), allow_private=True, options={"agent_id": 1000002},
        )  # fmt: skip
        contact = Contact("duty-1", "Li", "duty", tuple(f"app:{user}" for user in users))
        channels.append(open_channels([entry], [contact])["app"])
        return channels[-1]

    yield make
    for channel in channels:
        channel.close()
    vendor.close()


def test_a_token_is_fetched_once_and_kept(app: Made, wecom: WeCom) -> None:
    channel = app("LiWei")

    outcomes = [channel.send(note(), NOW_S + second) for second in range(3)]

    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    assert len(wecom.tokens) == 1
    assert [message["touser"] for message in wecom.messages] == ["LiWei"] * 3
    assert wecom.messages[0]["agentid"] == 1000002


def test_a_token_that_ends_is_renewed_before_its_end(app: Made, wecom: WeCom) -> None:
    channel = app("LiWei")

    channel.send(note(), NOW_S)
    channel.send(note(), NOW_S + 7139)
    assert len(wecom.tokens) == 1
    channel.send(note(), NOW_S + 7141)

    assert len(wecom.tokens) == 2


def test_a_token_that_wecom_no_longer_takes_is_renewed_once_and_the_message_sent(
    app: Made, wecom: WeCom
) -> None:
    channel = app("LiWei")
    channel.send(note(), NOW_S)
    wecom.valid = set()

    assert channel.send(note(), NOW_S).kind is OutcomeKind.ACCEPTED
    assert len(wecom.tokens) == 2
    assert len(wecom.messages) == 2


def test_two_programs_that_take_the_token_from_each_other_are_no_endless_loop(
    app: Made, wecom: WeCom
) -> None:
    channel = app("LiWei")

    channel.send(note(), NOW_S)
    fetch = wecom._fetch

    def useless(request: Request, query: dict[str, str]) -> dict[str, object]:
        said = fetch(request, query)
        wecom.valid = set()
        return said

    wecom._fetch = useless  # type: ignore[method-assign]
    wecom.valid = set()

    outcome = channel.send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.RETRY
    assert len(wecom.tokens) == 2


def test_a_member_who_left_is_a_partial_failure(app: Made, wecom: WeCom) -> None:
    outcome = app("LiWei", "Gone").send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert [fate.outcome.kind for fate in outcome.fates] == [
        OutcomeKind.ACCEPTED,
        OutcomeKind.PERMANENT,
    ]
    assert "G…" in outcome.detail
    assert wecom.messages[0]["touser"] == "LiWei|Gone"


def test_nobody_known_is_a_refusal_of_these_people_not_of_the_channel(app: Made) -> None:
    outcome = app("Gone").send(note(), NOW_S)

    assert (outcome.kind, outcome.vendor_code) == (OutcomeKind.PERMANENT, "invaliduser")


def test_a_wrong_secret_is_misconfigured_and_never_repeated_in_the_outcome(app: Made) -> None:
    outcome = app("LiWei", secret=f"{CORP}\nwrongsecret").send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.MISCONFIGURED
    assert "wrongsecret" not in str(outcome)


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        (Reply(500), OutcomeKind.RETRY),
        (Reply(429, headers={"retry-after": "7"}), OutcomeKind.RETRY),
        (Reply(body=b"<html>guest network</html>"), OutcomeKind.RETRY),
        (Reply(body=b'{"errcode":0}'), OutcomeKind.RETRY),
        (Reply(body=b'{"errcode":40013,"errmsg":"invalid corpid"}'), OutcomeKind.MISCONFIGURED),
        (Reply(302, headers={"location": "http://127.0.0.1:1/"}), OutcomeKind.MISCONFIGURED),
        (Reply(how="reset"), OutcomeKind.RETRY),
    ],
)
def test_without_a_token_nothing_was_sent_and_its_fate_is_never_unknown(
    reply: Reply, wanted: OutcomeKind, app: Made, wecom: WeCom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WeCom, "__call__", lambda _self, _request: reply)

    assert app("LiWei").send(note(), NOW_S).kind is wanted
    assert wecom.messages == []


def test_a_long_text_is_cut_at_the_byte(app: Made, wecom: WeCom) -> None:
    app("LiWei").send(note(why=Name(zh="水" * 3000)), NOW_S)

    text = wecom.messages[0]["text"]
    assert isinstance(text, dict)
    assert 2045 < len(text["content"].encode()) <= 2048
