"""WeCom group bot (企业微信群机器人): the answer is read from the body (channels reference 1.2).

The key in the URL is the only secret: it is never logged, and errors name classes, not URLs.
"""

from __future__ import annotations

import re

import msgspec

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.codes import Codes, outcome_of
from alerts.channels.entry import ChannelEntry, ChannelError, check_style, read_mobiles, read_secret
from alerts.channels.post import Poster
from alerts.message import Notification, harmless, lines, truncate_utf8
from core.grade import Grade

URL = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"
# Bytes of UTF-8, not characters (channels reference 1.2).
MAX_TEXT_BYTES, MAX_MARKDOWN_BYTES = 2048, 4096
# The vendor allows 20 a minute; two stay free for what others send with the same bot.
PER_MINUTE = 18
_MENDS = OutcomeKind.MISCONFIGURED
CODES = Codes(
    "WeCom",
    "errcode",
    "errmsg",
    {
        -1: OutcomeKind.RETRY,
        **dict.fromkeys((93000, 93004, 93008, 40001, 40014, 41001), _MENDS),
    },
    {45009: 60.0},  # the window of the rate limit is a minute
)
_COLOURS = {Grade.RED: "warning", Grade.ORANGE: "warning", Grade.GREEN: "info"}
_KEY = re.compile(r"[A-Za-z0-9_-]{8,100}")


class WeComBot(Channel):
    """Posts to one group bot, as text (with mentions) or markdown."""

    concurrency = 1  # a group reads in order
    shared = True

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = min(entry.per_minute or PER_MINUTE, PER_MINUTE)
        check_style(entry)
        key = read_secret(entry)
        if _KEY.fullmatch(key) is None:
            raise ChannelError(f"channel {entry.name!r}: its secret is not a bot key")
        self._entry = entry
        self._mobiles = read_mobiles(entry)
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
        if isinstance(answer, Outcome):
            return answer
        return outcome_of(answer, CODES, (self._secret,))

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
