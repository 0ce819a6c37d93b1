"""WeCom application message (企业微信应用消息): to members by user id, with a token (channels 1.3).

The token lives two hours. It is fetched when it is needed, kept, and fetched once more where WeCom
says that it has expired. Members whom WeCom does not know come back in `invaliduser`.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

import msgspec

from alerts.channels.base import Channel, Fate, Outcome, OutcomeKind, masked, together
from alerts.channels.codes import Codes, outcome_of
from alerts.channels.entry import ChannelEntry, read_options, read_pair
from alerts.channels.post import Answer, Poster
from alerts.message import Notification, harmless, lines, truncate_utf8

URL = "https://qyapi.weixin.qq.com"
# Bytes (channels 1.3).
MAX_TEXT_BYTES = 2048
# A token is renewed so long before its end, wall seconds: it must outlive one attempt.
MARGIN_S = 60
_EXPIRED = (42001, 40014)  # expired; invalid, e.g. because another program fetched a newer one
CODES = Codes(
    "WeCom",
    "errcode",
    "errmsg",
    {
        -1: OutcomeKind.RETRY,
        40001: OutcomeKind.MISCONFIGURED,  # secret
        40013: OutcomeKind.MISCONFIGURED,  # corpid
        40056: OutcomeKind.MISCONFIGURED,  # agentid
        48002: OutcomeKind.MISCONFIGURED,  # no permission
        60020: OutcomeKind.MISCONFIGURED,  # this address is not on the application's list
        301002: OutcomeKind.MISCONFIGURED,
        42001: OutcomeKind.RETRY,  # even the fresh token: two programs take it from each other
        40014: OutcomeKind.RETRY,
    },
    {45009: 60.0, 45033: 60.0},
)
# Nobody of `touser` may be told: all of them are unknown, or left.
_ALL_INVALID = 81013
_CORP = re.compile(r"[A-Za-z0-9_-]{8,64}")
_USER = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


class WeComAppOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`options` of kind `wecom-app`.

    Attributes:
        agent_id: Of the application.
    """

    agent_id: int


class _Token(msgspec.Struct):
    access_token: str = ""
    expires_in: int = 0


class _Sent(msgspec.Struct):
    invaliduser: str = ""
    unlicenseduser: str = ""
    msgid: str = ""


@dataclass(frozen=True, slots=True)
class _Pass:
    """A token and until when (wall seconds) it is used."""

    token: str
    until_s: int


class WeComApp(Channel):
    """Sends to the members that a contact names: `channels = ["app:LiWei"]`."""

    concurrency = 2
    idempotent = True  # `enable_duplicate_check`: WeCom drops a repeated text
    example = "USERID"

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._agent = read_options(entry, WeComAppOptions).agent_id
        self._corp, self._secret = read_pair(entry, _CORP, "a corp id and the secret")
        self._language = entry.language
        root = (entry.url or URL).rstrip("/")
        self._tokens, self._messages = (
            Poster(root + path, allow_private=entry.allow_private, timeout_s=entry.timeout_s)
            for path in ("/cgi-bin/gettoken", "/cgi-bin/message/send")
        )
        self._lock = threading.Lock()
        self._pass: _Pass | None = None

    def usable(self, address: str) -> bool:
        """Tell whether this is an address that the channel could reach."""
        return _USER.fullmatch(address) is not None

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        users = self.addresses(note)
        if not users:
            return self.without_recipient(note)
        body = msgspec.json.encode(self.message(note, users))
        held: _Pass | Outcome | None = None
        for _ in range(2):  # once more with a fresh token
            held = self._token(now_s, held)
            if isinstance(held, Outcome):
                return held
            headers = {"content-type": "application/json"}
            answer = self._messages.post(body, headers, {"access_token": held.token})
            if isinstance(answer, Outcome):
                return answer
            outcome = outcome_of(answer, CODES, (held.token, self._secret))
            if outcome.vendor_code not in map(str, _EXPIRED):
                return _per_member(answer, outcome, users)
        return outcome

    def close(self) -> None:
        """Close connections."""
        self._tokens.close()
        self._messages.close()

    def message(self, note: Notification, users: list[str]) -> dict[str, object]:
        """Return what is posted."""
        text = harmless("\n".join(lines(note, self._language or note.language)))
        return {
            "touser": "|".join(users),
            "msgtype": "text",
            "agentid": self._agent,
            "text": {"content": truncate_utf8(text, MAX_TEXT_BYTES)},
            # WeCom itself drops the same content for a member within so many seconds.
            "enable_duplicate_check": 1,
            "duplicate_check_interval": 1800,
        }

    def _token(self, now_s: int, refused: _Pass | Outcome | None) -> _Pass | Outcome:
        """Return the token to use, another one than the refused one."""
        with self._lock:
            held = self._pass
            if held is not None and held is not refused and now_s < held.until_s:
                return held
            answer = self._tokens.get({"corpid": self._corp, "corpsecret": self._secret})
            if isinstance(answer, Outcome):
                return _not_begun(answer)
            outcome = outcome_of(answer, CODES, (self._secret,))
            if outcome.kind is not OutcomeKind.ACCEPTED:
                return _not_begun(outcome)
            try:
                fresh = msgspec.json.decode(answer.body, type=_Token)
            except msgspec.MsgspecError:
                fresh = _Token()
            if not fresh.access_token:
                return Outcome(OutcomeKind.RETRY, vendor_code="token", detail="no token came")
            self._pass = _Pass(fresh.access_token, now_s + max(fresh.expires_in - MARGIN_S, 0))
            return self._pass


def _not_begun(outcome: Outcome) -> Outcome:
    """An attempt that ended before the message went out is a plain retry, never of unknown fate."""
    if outcome.kind is OutcomeKind.UNKNOWN:
        return Outcome(OutcomeKind.RETRY, vendor_code=outcome.vendor_code, detail="no token came")
    return outcome


def _per_member(answer: Answer, outcome: Outcome, users: list[str]) -> Outcome:
    if outcome.vendor_code == str(_ALL_INVALID):
        unknown, accepted = set(users), Outcome(OutcomeKind.ACCEPTED)
    elif outcome.kind is OutcomeKind.ACCEPTED:
        try:
            sent = msgspec.json.decode(answer.body, type=_Sent)
        except msgspec.MsgspecError:
            return outcome
        unknown = set(f"{sent.invaliduser}|{sent.unlicenseduser}".lower().split("|"))
        accepted = Outcome(OutcomeKind.ACCEPTED, vendor_id=sent.msgid, vendor_code="0")
    else:
        return outcome
    refused = Outcome(
        OutcomeKind.PERMANENT, vendor_code="invaliduser", detail="WeCom knows no such member"
    )
    names = {name.lower() for name in unknown}  # WeCom does not tell capitals apart
    return together(
        [Fate(masked(user), refused if user.lower() in names else accepted) for user in users]
    )
