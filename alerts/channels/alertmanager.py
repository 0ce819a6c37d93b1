"""A webhook in Alertmanager's format, for receivers that already understand it (channels 1.11).

One incident is one alert: same fingerprint for its whole life, `firing` until it clears. Receivers
keep the state of a fingerprint, so a message of unknown fate may always be sent again.
"""

from __future__ import annotations

import datetime as dt
import hashlib

import msgspec
from msgspec.structs import replace

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError, read_secret
from alerts.channels.post import Poster, of_status
from alerts.grading import hazard_name
from alerts.incident import Kind
from alerts.message import Notification, lines, title, truncate_utf8
from core.community import Name
from core.grade import GRADE_FACTS, Grade

MAX_TEXT_BYTES = 4000
# What Alertmanager writes for an alert that has not ended.
_NEVER = "0001-01-01T00:00:00Z"


class AlertmanagerWebhook(Channel):
    """Posts each notification as a group of one alert; a digest as one of each of its incidents."""

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
        alerts = [_alert(each, language) for each in _each(note)]
        statuses = {str(alert["status"]) for alert in alerts}
        first = alerts[0]
        return {
            "version": "4",
            "groupKey": f'{{}}:{{incident="{note.incident}"}}',
            "truncatedAlerts": 0,
            "status": "firing" if "firing" in statuses else "resolved",
            "receiver": self.name,
            "groupLabels": {"incident": str(note.incident)},
            "commonLabels": first["labels"] if len(alerts) == 1 else {},
            "commonAnnotations": first["annotations"] if len(alerts) == 1 else {},
            "externalURL": note.url,
            "alerts": alerts,
        }


def _each(note: Notification) -> list[Notification]:
    """Return what is told as one notification an incident: a digest tells of several.

    An alert of the digest itself would fire for ever, because nothing ever resolves it.
    """
    if note.kind is not Kind.DIGEST:
        return [note]
    return [
        replace(
            note, incident=item.incident, kind=Kind.CLEAR if item.over else Kind.ALERT,
            grade=Grade.GREEN if item.over else item.grade, peak=item.peak, place=item.place,
            zone=item.zone, hazard=item.hazard, headline=item.headline, since=item.since,
            severity=GRADE_FACTS[item.peak if item.over else item.grade].cap_severity,
            opened_at=item.opened_at, items=(), why=Name(), first=Name(),
            hazard_name=Name(hazard_name(item.hazard, "zh"), hazard_name(item.hazard, "en")),
        )
        for item in note.items
    ]  # fmt: skip


def _alert(note: Notification, language: str) -> dict[str, object]:
    # A test fires nothing: nobody would ever resolve it.
    over = note.kind in (Kind.CLEAR, Kind.DRILL_END, Kind.TEST)
    # A route that knows nothing of drills must not match one.
    what = "safety-eye-drill" if note.exercise else "safety-eye"
    labels = {
        "alertname": f"{what}-{note.hazard.value}",
        "zone": note.zone,
        "hazard": note.hazard.value,
        "grade": note.grade.word,
        "severity": note.severity,
        "incident": str(note.incident),
        **({"exercise": "true"} if note.exercise else {}),
    }
    annotations = {
        "summary": title(note, language),
        "description": truncate_utf8("\n".join(lines(note, language)), MAX_TEXT_BYTES),
    }
    # What names an incident stays (receivers keep fingerprint and startsAt); what it says of itself
    # (grade, severity) changes.
    key = f"{note.incident}/{note.zone}/{note.hazard.value}"
    began = note.opened_at or (note.at if over else note.since) or note.at
    return {
        "status": "resolved" if over else "firing",
        "labels": labels,
        "annotations": annotations,
        "startsAt": _time(began),
        "endsAt": _time(note.at) if over else _NEVER,
        "generatorURL": note.url,
        "fingerprint": hashlib.sha256(key.encode()).hexdigest()[:16],
    }


def _time(at_ms: int) -> str:
    when = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
