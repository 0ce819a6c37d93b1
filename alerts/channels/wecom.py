"""WeCom group bot (企业微信群机器人): the answer is read from the body (channels reference 1.2).

The key in the URL is the only secret: it is never logged, and errors name classes, not URLs.
"""

from __future__ import annotations

import re

import msgspec

from alerts.channels.base import (
    Channel,
    ChannelEntry,
    ChannelError,
    Outcome,
    OutcomeKind,
    read_secret,
)
from alerts.channels.post import Answer, Poster, of_status
from alerts.message import Notification, lines, truncate_utf8
from core.grade import Grade

URL = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"
# Bytes of UTF-8, not characters (channels reference 1.2).
MAX_TEXT_BYTES, MAX_MARKDOWN_BYTES = 2048, 4096
# The vendor allows 20 a minute; two stay free for what others send with the same bot.
PER_MINUTE = 18
# 45009: the window of the rate limit is a minute.
WINDOW_S = 60.0
_COLOURS = {Grade.RED: "warning", Grade.ORANGE: "warning", Grade.GREEN: "info"}
_BUSY, _RATE_LIMIT = -1, 45009
_MISCONFIGURED = {93000, 93004, 93008, 40001, 40014, 41001}
_KEY = re.compile(r"[A-Za-z0-9_-]{8,100}")


class _Reply(msgspec.Struct):
    errcode: int
    errmsg: str = ""


class WeComBot(Channel):
    """Posts to one group bot, as text (with mentions) or markdown."""

    concurrency = 1  # a group reads in order

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = min(entry.per_minute or PER_MINUTE, PER_MINUTE)
        if entry.style not in ("text", "markdown"):
            raise ChannelError(f"channel {entry.name!r}: style {entry.style!r}: text or markdown")
        key = read_secret(entry)
        if _KEY.fullmatch(key) is None:
            raise ChannelError(f"channel {entry.name!r}: its secret is not a bot key")
        self._entry = entry
        self._mobiles = _mobiles(entry)
        self._secret = key
        self._poster = Poster(
            f"{entry.url or URL}?key={key}",
            allow_private=entry.allow_private,
            timeout_s=entry.timeout_s,
        )

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        del now_s
        body = msgspec.json.encode(self.message(note))
        answer = self._poster.post(body, {"content-type": "application/json"})
        return answer if isinstance(answer, Outcome) else self._outcome(answer)

    def close(self) -> None:
        """Close connections."""
        self._poster.close()

    def message(self, note: Notification) -> dict[str, object]:
        """Return what is posted."""
        text = [harmless(line) for line in lines(note, self._entry.language or note.language)]
        loud = note.grade >= Grade.ORANGE
        if self._entry.style == "markdown":
            text[0] = f'<font color="{_COLOURS.get(note.grade, "comment")}">**{text[0]}**</font>'
            if loud:
                text[0] += "".join(f"<@{user}>" for user in self._entry.mention)
            content = truncate_utf8("\n".join(text), MAX_MARKDOWN_BYTES)
            return {"msgtype": "markdown", "markdown": {"content": content}}
        inner: dict[str, object] = {"content": truncate_utf8("\n".join(text), MAX_TEXT_BYTES)}
        if loud and self._entry.mention:
            inner["mentioned_list"] = list(self._entry.mention)
        if loud and self._mobiles:
            inner["mentioned_mobile_list"] = list(self._mobiles)
        return {"msgtype": "text", "text": inner}

    def _outcome(self, answer: Answer) -> Outcome:
        if answer.status != 200:
            return of_status(answer)
        try:
            reply = msgspec.json.decode(answer.body, type=_Reply)
        except msgspec.MsgspecError:
            # A proxy's page or a cut answer: the vendor didn't say that it has the message.
            return Outcome(
                OutcomeKind.UNKNOWN, vendor_code="body", detail="the answer is not WeCom's"
            )
        code, text = str(reply.errcode), reply.errmsg.replace(self._secret, "…")[:200]
        if reply.errcode == 0:
            return Outcome(OutcomeKind.ACCEPTED, vendor_code=code)
        if reply.errcode == _BUSY:
            return Outcome(OutcomeKind.RETRY, vendor_code=code, detail=f"busy: {text}")
        if reply.errcode == _RATE_LIMIT:
            wait_s = answer.retry_after_s or WINDOW_S
            return Outcome(
                OutcomeKind.RETRY, vendor_code=code, retry_after_s=wait_s, detail="rate limit"
            )
        kind = (
            OutcomeKind.MISCONFIGURED if reply.errcode in _MISCONFIGURED else OutcomeKind.PERMANENT
        )
        return Outcome(kind, vendor_code=code, detail=f"errcode {code}: {text}")


def harmless(text: str) -> str:
    """Return text that mentions nobody and opens no tag: names come from outside.

    >>> harmless("<@all> 水位")
    '＜@all＞ 水位'
    """
    return text.replace("<", "＜").replace(">", "＞")


def _mobiles(entry: ChannelEntry) -> tuple[str, ...]:
    if not entry.mention_mobile_file:
        return ()
    return tuple(
        read_secret(
            ChannelEntry(name=entry.name, kind=entry.kind, secret_file=entry.mention_mobile_file)
        ).split()
    )
