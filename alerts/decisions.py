"""What findings, people and the passing of time mean for an incident: events, not changes. Pure.

Rises are told at once. Falls and clears are told after they have lasted a while, so that a value
that flaps around a limit does not flood anybody: people go on believing the worse grade meanwhile.
"""

from __future__ import annotations

import msgspec

from alerts.grading import Judgement
from alerts.incident import Event, Happening, Incident, Kind
from alerts.views import IncidentError
from core.finding import Condition, Hazard
from core.grade import Grade


class Patience(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long we wait with what is not urgent; seconds of run time. Rises never wait.

    Attributes:
        fall_s: A fall or clear is told after it has lasted this long. Our choice: ISA-18.2 calls
            three changes within a minute chattering; two minutes hide it.
        settle_s: An acknowledged incident closes this long after it has cleared.
        unattended_s: A cleared incident that nobody acknowledged closes by itself after this.
        untold_red_s, untold_s: If not one notification of the last announcement was accepted, it
            is announced again after this (orange and red; others).
    """

    fall_s: float = 120.0
    settle_s: float = 300.0
    unattended_s: float = 1800.0
    untold_red_s: float = 300.0
    untold_s: float = 1800.0


def opening(
    zone: str, hazard: Hazard, judgement: Judgement, now: int, drill: str = ""
) -> list[Event]:
    """Return the events that open an incident, or none if there is nothing to warn of."""
    if judgement.condition is not Condition.ACTIVE or judgement.grade is Grade.GREEN:
        return []
    return [
        Event(
            at=now,
            what=Happening.OPENED,
            zone=zone,
            hazard=hazard,
            drill=drill,
            judgement=judgement,
        ),
        Event(at=now, what=Happening.ANNOUNCED, seq=1, kind=Kind.ALERT, grade=judgement.grade),
    ]


def observe(incident: Incident, judgement: Judgement, now: int) -> list[Event]:
    """Return what a new judgement means for an open incident; empty if it is nothing new."""
    what = _observed(incident, judgement)
    if what is None:
        return []
    events = [Event(at=now, what=what, judgement=judgement)]
    voided = incident.acknowledged and judgement.grade > incident.acknowledged_grade
    if voided:
        events.append(
            Event(
                at=now,
                what=Happening.VOIDED,
                grade=judgement.grade,
                contact=incident.acknowledged_by,
            )
        )
    if voided or judgement.grade > incident.told:
        events.append(announcement(incident, Kind.ALERT, judgement.grade, now))
    return events


def _observed(incident: Incident, judgement: Judgement) -> Happening | None:
    if judgement.grade > incident.grade:
        return Happening.RAISED
    if judgement.condition is not incident.condition:
        return {
            Condition.CLEARED: Happening.CLEARED,
            Condition.UNKNOWN: Happening.UNKNOWN,
            Condition.ACTIVE: Happening.KNOWN,
        }[judgement.condition]
    if judgement.grade < incident.grade:
        return Happening.LOWERED
    if judgement.holders != incident.judgement.holders:
        return Happening.EVIDENCE
    return None


def announcement(incident: Incident, kind: Kind, grade: Grade, now: int) -> Event:
    """Return the event that tells people."""
    return Event(at=now, what=Happening.ANNOUNCED, seq=incident.seq + 1, kind=kind, grade=grade)


def acknowledge(incident: Incident, who: str, how: str, now: int) -> list[Event]:
    """Return what it means that *who* (an id) takes it over; the same person again is nothing new.

    Raises:
        IncidentError: It is closed.
    """
    if not incident.open:
        raise IncidentError(f"incident {incident.number} is closed; nothing is left to take over")
    same = incident.acknowledged and incident.acknowledged_by == who
    if same and incident.grade <= incident.acknowledged_grade:
        return []
    return [Event(at=now, actor=who, what=Happening.ACKNOWLEDGED, grade=incident.grade, how=how)]


def tick(incident: Incident, now: int, patience: Patience) -> list[Event]:
    """Return what the passing of time alone means for an open incident."""
    if not incident.open:
        return []
    cleared = incident.condition is Condition.CLEARED
    if incident.grade < incident.told:
        if (now - incident.grade_at) / 1000 < patience.fall_s:
            return []
        kind = Kind.CLEAR if cleared else Kind.UPDATE
        return [announcement(incident, kind, incident.grade, now)]
    lasted_s = (now - incident.cleared_at) / 1000
    if cleared and incident.acknowledged and lasted_s >= patience.settle_s:
        return [Event(at=now, what=Happening.CLOSED, how="settled")]
    if cleared and lasted_s >= patience.unattended_s:
        return [Event(at=now, what=Happening.CLOSED, how="unattended")]
    return []
