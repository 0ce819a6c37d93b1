"""DingTalk group robot (钉钉群机器人), signed: the answer is read from the body (channels 1.4).

The access token travels in the URL and is never logged. With a signing secret each post carries a
time stamp and its signature, encoded once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import msgspec

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.codes import Codes, outcome_of
from alerts.channels.entry import ChannelEntry, check_style, read_key_and_signer, read_mobiles
from alerts.channels.post import Poster
from alerts.message import Notification, harmless, lines, title, truncate_utf8
from core.grade import Grade

URL = "https://oapi.dingtalk.com/robot/send"
# The vendor takes bodies of up to 20,000 bytes (channels 1.4); JSON around the text needs little.
MAX_TEXT_BYTES = 18_000
# The vendor allows 20 a minute and mutes the robot for ten minutes beyond (channels 1.4): five
# stay free for what others send with the same robot.
PER_MINUTE = 15
CODES = Codes(
    "DingTalk",
    "errcode",
    "errmsg",
    {
        -1: OutcomeKind.RETRY,
        310000: OutcomeKind.MISCONFIGURED,  # signature, keyword or address
        300001: OutcomeKind.MISCONFIGURED,  # no such token
        300005: OutcomeKind.MISCONFIGURED,
        400013: OutcomeKind.MISCONFIGURED,  # the group was dissolved
        400101: OutcomeKind.MISCONFIGURED,  # no such token
        400102: OutcomeKind.MISCONFIGURED,  # the robot was switched off
        400106: OutcomeKind.MISCONFIGURED,  # the robot is not in the group
    },
    # Both are the limit of 20 a minute: as reported (channels 1.4), and as in the vendor's table of
    # a custom robot's errors (发送速度太快而限流).
    {130101: 600.0, 410100: 600.0},
)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,128}")


class DingTalkRobot(Channel):
    """Posts to one group robot, as text or markdown, with mentions in orange and red."""

    concurrency = 1  # a group reads in order
    shared = True

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = min(entry.per_minute or PER_MINUTE, PER_MINUTE)
        check_style(entry)
        self._token, self._secret = read_key_and_signer(entry, _TOKEN, "an access token")
        self._entry = entry
        self._mobiles = read_mobiles(entry)
        self._poster = Poster(
            f"{entry.url or URL}?access_token={self._token}",
            allow_private=entry.allow_private,
            timeout_s=entry.timeout_s,
        )

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        query: dict[str, str] = {}
        if self._secret:
            at_ms = now_s * 1000
            query = {"timestamp": str(at_ms), "sign": signature(self._secret, at_ms)}
        body = msgspec.json.encode(self.message(note))
        answer = self._poster.post(body, {"content-type": "application/json"}, query)
        if isinstance(answer, Outcome):
            return answer
        return outcome_of(answer, CODES, tuple(filter(None, (self._token, self._secret))))

    def close(self) -> None:
        """Close connections."""
        self._poster.close()

    def message(self, note: Notification) -> dict[str, object]:
        """Return what is posted."""
        language = self._entry.language or note.language
        text = [harmless(line) for line in lines(note, language)]
        loud = note.grade >= Grade.ORANGE
        users = [user for user in self._entry.mention if loud and user != "@all"]
        mobiles = list(self._mobiles) if loud else []
        everybody = loud and "@all" in self._entry.mention
        mentioned = {"atMobiles": mobiles, "atUserIds": users, "isAtAll": everybody}
        if self._entry.style == "markdown":
            # In markdown a mention only counts if it also stands in the text (channels 1.4).
            names = " ".join(f"@{name}" for name in (*mobiles, *users))
            content = truncate_utf8("\n\n".join((f"### {text[0]}", *text[1:])), MAX_TEXT_BYTES)
            return {
                "msgtype": "markdown",
                "markdown": {
                    "title": truncate_utf8(harmless(title(note, language)), 200),
                    "text": f"{content}\n\n{names}" if names else content,
                },
                "at": mentioned,
            }
        content = truncate_utf8("\n".join(text), MAX_TEXT_BYTES)
        return {"msgtype": "text", "text": {"content": content}, "at": mentioned}


def signature(secret: str, at_ms: int) -> str:
    """Return the value of `sign`, before it is encoded for the URL (channels 1.4)."""
    digest = hmac.new(secret.encode(), f"{at_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
