"""Feishu or Lark group bot (飞书群机器人), signed: the answer is read from the body (channels 1.5).

The hook's id in the URL is a secret and never logged. The signature travels in the body; its time
stamp is in seconds, and key and message are the other way round from DingTalk's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import msgspec

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.codes import Codes, outcome_of
from alerts.channels.entry import ChannelEntry, check_style, read_key_and_signer
from alerts.channels.post import Poster
from alerts.message import Notification, harmless, lines, title, truncate_utf8
from core.grade import Grade

# Lark's international address is https://open.larksuite.com/open-apis/bot/v2/hook
URL = "https://open.feishu.cn/open-apis/bot/v2/hook"
# The vendor takes up to 20 kB (channels 1.5); JSON around the text needs little.
MAX_TEXT_BYTES = 18_000
# The vendor allows 100 a minute (channels 1.5); ten stay free for others.
PER_MINUTE = 90
# And 5 a second (channels 1.5): beyond, it takes nothing for a while, not even red.
PER_SECOND = 4
CODES = Codes(
    "Feishu",
    "code",
    "msg",
    {
        19001: OutcomeKind.MISCONFIGURED,  # no such hook
        19021: OutcomeKind.MISCONFIGURED,  # signature, or a clock that is an hour off
        19022: OutcomeKind.MISCONFIGURED,  # address not allowed
        19024: OutcomeKind.MISCONFIGURED,  # keyword missing
    },
    {11232: 60.0},
)
# Colours of a card's head (channels 1.5); the words stand beside them.
_HEAD = {
    Grade.RED: "red",
    Grade.ORANGE: "orange",
    Grade.YELLOW: "yellow",
    Grade.BLUE: "blue",
    Grade.GREEN: "green",
}
_HOOK = re.compile(r"[A-Za-z0-9_-]{8,100}")


class FeishuBot(Channel):
    """Posts to one group bot: `text`, or `markdown` as a card with a coloured head."""

    concurrency = 1  # a group reads in order
    shared = True
    per_second = PER_SECOND

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = min(entry.per_minute or PER_MINUTE, PER_MINUTE)
        check_style(entry)
        self._hook, self._secret = read_key_and_signer(entry, _HOOK, "a hook id")
        self._entry = entry
        self._poster = Poster(
            f"{(entry.url or URL).rstrip('/')}/{self._hook}",
            allow_private=entry.allow_private,
            timeout_s=entry.timeout_s,
        )

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        message = self.message(note)
        if self._secret:
            message |= {"timestamp": str(now_s), "sign": signature(self._secret, now_s)}
        answer = self._poster.post(
            msgspec.json.encode(message), {"content-type": "application/json"}
        )
        if isinstance(answer, Outcome):
            return answer
        return outcome_of(answer, CODES, tuple(filter(None, (self._hook, self._secret))))

    def close(self) -> None:
        """Close connections."""
        self._poster.close()

    def message(self, note: Notification) -> dict[str, object]:
        """Return what is posted, not yet signed."""
        language = self._entry.language or note.language
        text = [harmless(line) for line in lines(note, language)]
        users = self._entry.mention if note.grade >= Grade.ORANGE else ()
        ids = ["all" if user == "@all" else user for user in users]
        if self._entry.style == "markdown":
            marks = "".join(f"<at id={user}></at>" for user in ids)
            body = truncate_utf8("\n".join(text[1:]), MAX_TEXT_BYTES)
            head = truncate_utf8(harmless(title(note, language)), 200)
            return {
                "msg_type": "interactive",
                "card": {
                    "header": {
                        "template": _HEAD[note.grade],
                        "title": {"tag": "plain_text", "content": head},
                    },
                    "elements": [{"tag": "markdown", "content": f"{body}\n{marks}".strip()}],
                },
            }
        marks = "".join(f'<at user_id="{user}"></at> ' for user in ids)
        content = marks + truncate_utf8("\n".join(text), MAX_TEXT_BYTES)
        return {"msg_type": "text", "content": {"text": content}}


def signature(secret: str, at_s: int) -> str:
    """Return the value of `sign` (channels 1.5)."""
    digest = hmac.new(f"{at_s}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
