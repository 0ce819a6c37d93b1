"""ntfy, on a server of the community or a public one: a push to a phone (channels 1.10).

The topic is published with a bearer token: an open topic could be written by anybody.
"""

from __future__ import annotations

import re

import msgspec

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError, read_secret
from alerts.channels.post import Answer, Poster, of_status
from alerts.message import Audience, Notification, lines, title, truncate_utf8
from core.grade import Grade

# Bytes (channels 1.10).
MAX_TEXT_BYTES, MAX_TITLE_BYTES = 4096, 1024
_PRIORITY = {Grade.RED: 5, Grade.ORANGE: 4, Grade.YELLOW: 3, Grade.BLUE: 2, Grade.GREEN: 3}
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Reply(msgspec.Struct):
    id: str


class Ntfy(Channel):
    """Publishes to one topic, as JSON to the server's root."""

    concurrency = 2

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._token = read_secret(entry)
        if not self._token.isascii() or not self._token.isprintable():
            raise ChannelError(f"channel {entry.name!r}: its secret is not a token")
        if _TOPIC.fullmatch(entry.topic) is None:
            raise ChannelError(
                f"channel {entry.name!r}: topic {entry.topic!r}: expected letters, digits, - and _"
            )
        self._entry = entry
        self._poster = Poster(
            entry.url, allow_private=entry.allow_private, timeout_s=entry.timeout_s
        )

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        del now_s
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._token}"}
        answer = self._poster.post(msgspec.json.encode(self.message(note)), headers)
        return answer if isinstance(answer, Outcome) else _outcome(answer)

    def close(self) -> None:
        """Close connections."""
        self._poster.close()

    def message(self, note: Notification) -> dict[str, object]:
        """Return what is posted."""
        language = self._entry.language or note.language
        text = "\n".join(lines(note, language)[1:])
        message: dict[str, object] = {
            "topic": self._entry.topic,
            "title": truncate_utf8(title(note, language), MAX_TITLE_BYTES),
            "message": truncate_utf8(text, MAX_TEXT_BYTES),
            "priority": _PRIORITY[note.grade],
            "tags": [note.grade.word, note.hazard.value],
        }
        # The console is for those who work here; residents get no link to it.
        link = note.url if note.audience is not Audience.RESIDENT else ""
        return message | ({"click": link} if link else {})


def _outcome(answer: Answer) -> Outcome:
    if not 200 <= answer.status < 300:
        return of_status(answer)
    try:
        reply = msgspec.json.decode(answer.body, type=_Reply)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Outcome(OutcomeKind.UNKNOWN, vendor_code="body", detail="the answer is not ntfy's")
    return Outcome(OutcomeKind.ACCEPTED, vendor_id=reply.id, vendor_code=str(answer.status))
