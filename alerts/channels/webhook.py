"""Standard Webhooks 1.0: a signed POST to whoever wants to know (channels reference 1.12).

`webhook-id` is the notification's id, the same on every attempt: the receiver drops what it has
seen, so a message of unknown fate may always be sent again.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac

import msgspec

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError, read_secret
from alerts.channels.post import Answer, Poster, of_status
from alerts.message import Notification, drill_mark, lines, title, truncate_utf8

# Bodies stay below 20 kB (Standard Webhooks 1.0); ours are about 2 kB. Longest text, bytes.
MAX_TEXT_BYTES, MAX_TITLE_BYTES = 3000, 500
MAX_BODY_BYTES = 20_000
# Keys of at least 24 bytes (Standard Webhooks 1.0).
MIN_KEY_BYTES = 24


class Webhook(Channel):
    """Posts each notification as `{type, timestamp, data}`; `exercise.…` is one of a drill."""

    idempotent = True
    concurrency = 8

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._language = entry.language
        self._keys = [_key(line, entry.name) for line in read_secret(entry).split()]
        self._poster = Poster(
            entry.url, allow_private=entry.allow_private, timeout_s=entry.timeout_s
        )

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        body = body_of(note, self._language or note.language, now_s)
        headers = {
            "content-type": "application/json",
            "webhook-id": note.id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": " ".join(
                signature(key, note.id, now_s, body) for key in self._keys
            ),
        }
        answer = self._poster.post(body, headers)
        return answer if isinstance(answer, Outcome) else _outcome(answer)

    def close(self) -> None:
        """Close connections."""
        self._poster.close()


def signature(key: bytes, webhook_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the `v1` signature of a post."""
    signed = f"{webhook_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def body_of(note: Notification, language: str, now_s: int) -> bytes:
    """Return the JSON body: everything that is known, and the text as a person would read it."""
    data = msgspec.to_builtins(note)
    data |= {
        "grade": note.grade.word,
        "peak": note.peak.word,
        "title": truncate_utf8(title(note, language), MAX_TITLE_BYTES),
        "text": truncate_utf8("\n".join(lines(note, language)), MAX_TEXT_BYTES),
    }
    if note.exercise:  # whatever a receiver shows of it says so
        for name, text in data["headline"].items():
            data["headline"][name] = f"{drill_mark(note, name)}{text}"
    for key in ("headline", "why", "first", "public", "place", "hazard_name"):
        data[key] = {name: truncate_utf8(text, 1000) for name, text in data[key].items()}
    sent = dt.datetime.fromtimestamp(now_s, dt.UTC).isoformat().replace("+00:00", "Z")
    # A program that knows nothing of drills must not take one for the real thing.
    what = "exercise" if note.exercise else "incident"
    whole = {"type": f"{what}.{note.kind}", "timestamp": sent, "data": data}
    # A digest of a hundred incidents: the worst of them, and how many there are besides.
    while len(body := msgspec.json.encode(whole)) >= MAX_BODY_BYTES and data["items"]:
        data["items"] = data["items"][: len(data["items"]) * 3 // 4]
        data["items_left"] = len(note.items) - len(data["items"])
    assert len(body) < MAX_BODY_BYTES, "texts and names are bounded above"
    return body


def _outcome(answer: Answer) -> Outcome:
    if 200 <= answer.status < 300:
        return Outcome(OutcomeKind.ACCEPTED, vendor_code=str(answer.status))
    if answer.status == 410:
        return Outcome(
            OutcomeKind.MISCONFIGURED,
            vendor_code="410",
            detail="HTTP 410: the receiver wants no more; switched off until the next start",
            disable=True,
        )
    return of_status(answer)


def _key(text: str, name: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ChannelError(f"channel {name!r}: its secret is not whsec_ and base64") from error
    if not text.startswith("whsec_") or len(key) < MIN_KEY_BYTES:
        raise ChannelError(
            f"channel {name!r}: its secret must be whsec_ and base64 of {MIN_KEY_BYTES} bytes"
        )
    return key
