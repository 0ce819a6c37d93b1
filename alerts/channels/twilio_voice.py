"""A telephone call through Twilio: it speaks the warning, and key 1 takes over (channels 1.9).

Twilio asks back what to do with the key: a POST to our own public address, signed with the token of
the account (`X-Twilio-Signature`). What is not signed, or not a POST, changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit
from xml.sax.saxutils import escape, quoteattr

import msgspec

from alerts.channels.base import (
    Answers,
    Channel,
    Outcome,
    OutcomeKind,
    is_number,
)
from alerts.channels.callback import Callback, CallbackReply
from alerts.channels.entry import ChannelEntry, ChannelError, read_options, read_pair
from alerts.channels.post import Answer, Poster, of_status
from alerts.channels.voice import KEY, CallOptions, call_each, is_called, least_grade, spoken
from alerts.incident import Kind
from alerts.message import Notification
from alerts.reply_code import Said

URL = "https://api.twilio.com"
# Where this channel is called back, below the hub's public address.
PATH = "/api/v1/voice"
# How long it rings, seconds.
RING_S = 30
_SID = re.compile(r"AC[0-9a-f]{32}")
_XML = "application/xml"
# Number not valid, not reachable, not allowed for this account (Twilio's list of errors).
_NUMBER_WRONG = (21211, 21214, 21215, 21216, 21217, 13223, 13224, 13225, 13226)
_MISCONFIGURED = (20003, 20403, 20404, 21210, 21212, 21205, 21609, 20005)
_ENDED_BADLY = ("busy", "no-answer", "failed", "canceled")
_VOICES = {"zh": "zh-CN", "en": "en-US"}
_PRESS = {"zh": "接手处置请按1。", "en": "Press 1 to take over."}
_SAID = {
    Said.TAKEN: ("已接手，谢谢。", "You have taken over. Thank you."),
    Said.USED: ("此前已接手。", "It was taken over before."),
    Said.WORSE: ("险情已升级，请看最新消息。", "It has become worse; see the latest message."),
    Said.CLOSED: ("险情已结束。", "It is over."),
    Said.WRONG: ("未能登记，请打开控制台。", "It was not registered; please open the console."),
}


class TwilioOptions(CallOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`options` of kind `twilio-voice`.

    Attributes:
        sender: Number that calls, of the account.
        public_url: Address under which Twilio reaches this hub, `https://…`.
    """

    sender: str
    public_url: str


class _Call(msgspec.Struct):
    sid: str = ""
    code: int = 0
    message: str = ""


class TwilioVoice(Channel):
    """Calls each number of a contact until one has been taken by Twilio."""

    concurrency = 2
    example = "+8613800000000"

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._options = read_options(entry, TwilioOptions)
        self._least = least_grade(entry, self._options)
        if not is_number(self._options.sender):
            raise ChannelError(f"options.sender {self._options.sender!r}: expected +86…")
        parts = urlsplit(self._options.public_url)
        if parts.scheme != "https" or not parts.netloc or parts.query:
            raise ChannelError("options.public_url: expected https://…, as Twilio reaches it")
        self._account, self._token = read_pair(entry, _SID, "an account SID and token")
        self._language = entry.language
        self._base = f"{self._options.public_url.rstrip('/')}{PATH}/{self.name}"
        root = f"{(entry.url or URL).rstrip('/')}/2010-04-01/Accounts/{self._account}"
        self._calls, self._accounts = (
            Poster(root + path, allow_private=entry.allow_private, timeout_s=entry.timeout_s)
            for path in ("/Calls.json", ".json")
        )
        self._answers: Answers | None = None

    def start(self, answers: Answers) -> None:
        """Take what Twilio calls back with."""
        self._answers = answers

    def usable(self, address: str) -> bool:
        """Tell whether this is an address that the channel could reach."""
        return is_number(address)

    def takes(self, note: Notification) -> bool:
        """Only what somebody must take over, and the daily test."""
        return is_called(note, self._least)

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Call once."""
        del now_s
        if note.kind is Kind.TEST:
            return self._test()
        return call_each(
            self, note, self._least, self._answers,
            lambda number, code: self._call(note, number, code),
        )  # fmt: skip

    def close(self) -> None:
        """Close connections."""
        self._calls.close()
        self._accounts.close()

    def form(self, note: Notification, number: str, code: str) -> dict[str, str]:
        """Return what is posted for one call."""
        return {
            "To": number,
            "From": self._options.sender,
            "Twiml": self._twiml(note, code),
            "Timeout": str(RING_S),
            "StatusCallback": f"{self._base}/ended/{note.id}",
            "StatusCallbackMethod": "POST",
        }

    def called_back(self, callback: Callback) -> CallbackReply:
        """A key was pressed, or a call has ended."""
        right = signature(self._token, f"{self._base}/{callback.path}", callback.form)
        if not hmac.compare_digest(right.encode(), callback.signature.encode()):
            return CallbackReply(403, "the signature is not that of this account")
        if self._answers is None:
            return CallbackReply(503, "not ready")
        verb, _, rest = callback.path.partition("/")
        if verb == "ended":
            self._ended(rest, callback.form.get("CallStatus", ""))
            return CallbackReply(204)
        if verb != "key":
            return CallbackReply(404, "no such address")
        said = Said.WRONG
        if callback.form.get("Digits") == KEY:
            said, _ = self._answers.take(self.name, list(self.recipients), rest, "voice")
        return CallbackReply(200, self._say(_SAID[said]), _XML)

    def _call(self, note: Notification, number: str, code: str) -> Outcome:
        body = urlencode(self.form(note, number, code)).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", **self._credentials()}
        answer = self._calls.post(body, headers)
        if isinstance(answer, Outcome):
            return answer
        call = _decoded(answer)
        if answer.status == 201 and call.sid:
            return Outcome(OutcomeKind.ACCEPTED, vendor_id=call.sid, vendor_code="201")
        return self._refusal(answer, call)

    def _refusal(self, answer: Answer, call: _Call) -> Outcome:
        detail = f"Twilio {call.code}: {call.message[:200]}".replace(self._token, "…")
        if call.code in _NUMBER_WRONG:
            return Outcome(OutcomeKind.PERMANENT, vendor_code=str(call.code), detail=detail)
        if call.code in _MISCONFIGURED:
            return Outcome(OutcomeKind.MISCONFIGURED, vendor_code=str(call.code), detail=detail)
        if 200 <= answer.status < 300:
            return Outcome(
                OutcomeKind.UNKNOWN, vendor_code="body", detail="the answer is not Twilio's"
            )
        return of_status(answer)

    def _test(self) -> Outcome:
        """See whether the account lets us in; nobody's telephone rings for a test."""
        answer = self._accounts.get({}, self._credentials())
        if isinstance(answer, Outcome):
            return answer
        if answer.status == 200 and _decoded(answer).sid == self._account:
            return Outcome(OutcomeKind.ACCEPTED, vendor_code="200", detail="account answers")
        return self._refusal(answer, _decoded(answer))

    def _credentials(self) -> dict[str, str]:
        pair = base64.b64encode(f"{self._account}:{self._token}".encode()).decode()
        return {"authorization": f"Basic {pair}"}

    def _ended(self, notification: str, status: str) -> None:
        assert self._answers is not None
        if status in _ENDED_BADLY:
            self._answers.undelivered(notification, f"电话未接通 the call ended: {status}")
        elif status == "completed":
            self._answers.delivered(notification, "电话已接听 the call was answered")

    def _twiml(self, note: Notification, code: str) -> str:
        language = self._language or note.language
        text = spoken(note, language)
        if not code:
            return self._say((text, text))
        action = quoteattr(f"{self._base}/key/{code}")
        voice = _VOICES.get(language, "en-US")
        return (
            f'<Response><Gather input="dtmf" numDigits="1" timeout="10" method="POST"'
            f' action={action}><Say language="{voice}" loop="2">'
            f"{escape(text + _PRESS.get(language, _PRESS['en']))}</Say></Gather></Response>"
        )

    def _say(self, texts: tuple[str, str]) -> str:
        zh = (self._language or "zh") == "zh"
        voice = _VOICES["zh" if zh else "en"]
        return f'<Response><Say language="{voice}">{escape(texts[0 if zh else 1])}</Say></Response>'


def signature(token: str, url: str, form: Mapping[str, str]) -> str:
    """Return what `X-Twilio-Signature` must be: HMAC-SHA1 over the URL and the sorted fields."""
    text = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _decoded(answer: Answer) -> _Call:
    try:
        return msgspec.json.decode(answer.body, type=_Call)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Call()
