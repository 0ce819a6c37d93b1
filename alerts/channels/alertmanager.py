"""A webhook in Alertmanager's format, for receivers that already understand it (channels 1.11).

One incident is one alert: same fingerprint for its whole life, `firing` until it clears. Receivers
keep the state of a fingerprint, so a message of unknown fate may always be sent again.
"""

from __future__ import annotations

import datetime as dt
import hashlib

import msgspec

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError, read_secret
from alerts.channels.post import Poster, of_status
from alerts.incident import Kind
from alerts.message import Notification, lines, title, truncate_utf8

MAX_TEXT_BYTES = 4000
# What Alertmanager writes for an alert that has not ended.
_NEVER = "0001-01-01T00:00:00Z"


class AlertmanagerWebhook(Channel):
    """Posts each notification as a group of one alert."""

    idempotent = True
    concurrency = 4

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._token = read_secret(entry)
        if not self._token.isascii() or not self._token.isprintable():
            raise ChannelError(f"channel {entry.name!r}: its secret is not a token")
        self._entry = entry
        self._poster = Poster(
            entry.url, allow_private=entry.allow_private, timeout_s=entry.timeout_s
        )

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        del now_s
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._token}"}
        answer = self._poster.post(msgspec.json.encode(self.message(note)), headers)
        if isinstance(answer, Outcome):
            return answer
        if 200 <= answer.status < 300:
            return Outcome(OutcomeKind.ACCEPTED, vendor_code=str(answer.status))
        return of_status(answer)

    def close(self) -> None:
        """Close connections."""
        self._poster.close()

    def message(self, note: Notification) -> dict[str, object]:
        """Return what is posted."""
        language = self._entry.language or note.language
        over = note.kind in (Kind.CLEAR, Kind.DRILL_END)
        # A route that knows nothing of drills must not match one.
        what = "safety-eye-drill" if note.exercise else "safety-eye"
        status = "resolved" if over else "firing"
        labels = {
            "alertname": f"{what}-{note.hazard.value}",
            "zone": note.zone,
            "hazard": note.hazard.value,
            "grade": note.grade.word,
            "severity": note.severity,
            "incident": str(note.incident),
            **({"exercise": "true"} if note.exercise else {}),
        }
        text = "\n".join(lines(note, language))
        annotations = {
            "summary": title(note, language),
            "description": truncate_utf8(text, MAX_TEXT_BYTES),
        }
        # What names an incident stays; what it says of itself (grade, severity) changes.
        key = f"{note.incident}/{note.zone}/{note.hazard.value}"
        alert = {
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": _time(note.at if over else note.since or note.at),
            "endsAt": _time(note.at) if over else _NEVER,
            "generatorURL": note.url,
            "fingerprint": hashlib.sha256(key.encode()).hexdigest()[:16],
        }
        return {
            "version": "4",
            "groupKey": f'{{}}:{{incident="{note.incident}"}}',
            "truncatedAlerts": 0,
            "status": status,
            "receiver": self.name,
            "groupLabels": {"incident": labels["incident"]},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": note.url,
            "alerts": [alert],
        }


def _time(at_ms: int) -> str:
    when = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
