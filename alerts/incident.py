"""The incident: a fold over its journal. Pure: events in, state out; nothing else changes it.

Axes that never mix (design, Grading and incidents): condition (active, cleared, unknown) x
acknowledgement x stage. Stages for now:

    warned --acknowledge--> acting --clears--> recovering --settled--> closed
       \\-------------------clears-----------------/

Every event is defined in every open state; a closed incident takes none. The functions that decide
(`observe`, `acknowledge`, `tick`) return events, `apply` folds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from alerts.grading import Judgement
from alerts.views import IncidentError
from core.community import Name
from core.finding import Condition, Hazard
from core.grade import Grade

SYSTEM = "system"


class Stage(StrEnum):
    """How far people are with it."""

    WARNED = "warned"
    ACTING = "acting"
    RECOVERING = "recovering"
    CLOSED = "closed"


class Happening(StrEnum):
    """What the journal may say."""

    OPENED = "opened"
    RAISED = "raised"
    LOWERED = "lowered"
    UNKNOWN = "unknown"  # nothing known holds it any more, and nothing known clears it
    KNOWN = "known"  # active again after it was unknown or cleared, without a rise
    CLEARED = "cleared"
    EVIDENCE = "evidence"  # same grade and condition, but other findings hold it
    VOIDED = "voided"  # a rise above the acknowledged grade ended the acknowledgement
    ACKNOWLEDGED = "acknowledged"
    ANNOUNCED = "announced"  # notifications were written to the outbox
    TOLD = "told"  # a channel accepted one
    UNDELIVERED = "undelivered"  # one has failed for good
    CLOSED = "closed"


class Kind(StrEnum):
    """What a notification says."""

    ALERT = "alert"
    UPDATE = "update"
    CLEAR = "clear"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the journal; holds ids of people, never names.

    Attributes:
        at: Run time (ms).
        actor: "system", or the id of the person.
        what: What happened.
        zone, hazard: Only in the opening.
        judgement: What the findings said, in events that come from them.
        grade: Grade acknowledged, announced or told.
        seq, kind: Of an announcement.
        how: How it was acknowledged (console, api, link) or closed (settled, unattended).
        notification, contact, channel, detail: Which notification, and what the vendor answered.
    """

    at: int
    actor: str = SYSTEM
    what: Happening
    zone: str = ""
    hazard: Hazard | None = None
    judgement: Judgement | None = None
    grade: Grade | None = None
    seq: int = 0
    kind: Kind | None = None
    how: str = ""
    notification: str = ""
    contact: str = ""
    channel: str = ""
    detail: str = ""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one incident. Times are run time (ms); `since` is event time.

    Attributes:
        number: Short number.
        zone, hazard: Where and what.
        judgement: The newest one that was journalled.
        condition, grade: Current.
        grade_at: When the current grade (or the clearing) began for us.
        peak: Highest grade of its life.
        acknowledged, acknowledged_by, acknowledged_at: Who has taken it over, and when.
        acknowledged_grade: The highest grade that the standing acknowledgement covers.
        stage: How far people are.
        opened_at, changed_at, cleared_at, closed_at: cleared_at and closed_at are 0 while not.
        told: Grade that the last announcement told; green after a clear.
        told_at: When.
        seq: Number of the last announcement.
    """

    number: int
    zone: str
    hazard: Hazard
    judgement: Judgement
    condition: Condition
    grade: Grade
    grade_at: int
    peak: Grade
    acknowledged: bool = False
    acknowledged_by: str = ""
    acknowledged_at: int = 0
    acknowledged_grade: Grade = Grade.GREEN
    stage: Stage = Stage.WARNED
    opened_at: int
    changed_at: int
    cleared_at: int = 0
    closed_at: int = 0
    told: Grade = Grade.GREEN
    told_at: int = 0
    seq: int = 0

    @property
    def open(self) -> bool:
        """True until it is closed."""
        return self.closed_at == 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait with what is not urgent; run time in milliseconds. Rises never wait.

    Attributes:
        fall_ms: A fall is told after it has lasted this long, so that flapping doesn't flood.
            Our choice: ISA-18.2 calls 3 changes within a minute chattering; two minutes hide it.
        settle_ms: An acknowledged incident closes this long after it has cleared.
        unattended_ms: A cleared incident that nobody acknowledged closes by itself after this.
        untold_red_ms, untold_ms: If not one notification of the last announcement was accepted,
            it is announced again after this (red and orange; others).
    """

    fall_ms: int = 120_000
    settle_ms: int = 300_000
    unattended_ms: int = 1_800_000
    untold_red_ms: int = 300_000
    untold_ms: int = 1_800_000


def opening(zone: str, hazard: Hazard, judgement: Judgement, now: int) -> list[Event]:
    """Return the events that open an incident, or none if there is nothing to warn of."""
    if judgement.condition is not Condition.ACTIVE or judgement.grade is Grade.GREEN:
        return []
    return [
        Event(at=now, what=Happening.OPENED, zone=zone, hazard=hazard, judgement=judgement),
        Event(at=now, what=Happening.ANNOUNCED, seq=1, kind=Kind.ALERT, grade=judgement.grade),
    ]


def observe(incident: Incident, judgement: Judgement, now: int) -> list[Event]:
    """Return what a new judgement means for an open incident; empty if it is nothing new."""
    what = _observed(incident, judgement)
    if what is None:
        return []
    events = [Event(at=now, what=what, judgement=judgement)]
    if incident.acknowledged and judgement.grade > incident.acknowledged_grade:
        events.append(
            Event(
                at=now,
                what=Happening.VOIDED,
                grade=judgement.grade,
                contact=incident.acknowledged_by,
            )
        )
    if judgement.grade > incident.told:
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
    lasted = now - incident.grade_at
    if incident.condition is not Condition.CLEARED:
        if incident.grade < incident.told and lasted >= patience.fall_ms:
            return [announcement(incident, Kind.UPDATE, incident.grade, now)]
        return []
    if incident.told > Grade.GREEN:
        if lasted >= patience.fall_ms:
            return [announcement(incident, Kind.CLEAR, Grade.GREEN, now)]
        return []
    if incident.acknowledged and now - incident.cleared_at >= patience.settle_ms:
        return [Event(at=now, what=Happening.CLOSED, how="settled")]
    if now - incident.cleared_at >= patience.unattended_ms:
        return [Event(at=now, what=Happening.CLOSED, how="unattended")]
    return []


def apply(incident: Incident | None, event: Event, number: int = 0) -> Incident:
    """Fold one event into the state.

    Args:
        incident: State before; None before the opening.
        event: What happened.
        number: Number of the incident, only for the opening.

    Raises:
        IncidentError: The event can't happen in this state.
    """
    if incident is None:
        return _open(event, number)
    if not incident.open or event.what is Happening.OPENED:
        raise IncidentError(
            f"incident {incident.number}: {event.what} can't follow "
            f"{'the closing' if not incident.open else 'the opening'}"
        )
    match event.what:
        case Happening.ACKNOWLEDGED:
            return _acknowledged(incident, event)
        case Happening.VOIDED:
            return msgspec.structs.replace(
                incident,
                acknowledged=False,
                acknowledged_by="",
                acknowledged_at=0,
                acknowledged_grade=Grade.GREEN,
                stage=Stage.WARNED,
                changed_at=event.at,
            )
        case Happening.ANNOUNCED:
            assert event.grade is not None
            return msgspec.structs.replace(
                incident, told=event.grade, told_at=event.at, seq=event.seq, changed_at=event.at
            )
        case Happening.CLOSED:
            return msgspec.structs.replace(
                incident, stage=Stage.CLOSED, closed_at=event.at, changed_at=event.at
            )
        case Happening.TOLD | Happening.UNDELIVERED:
            return incident
        case _:
            return _judged(incident, event)


def _open(event: Event, number: int) -> Incident:
    if event.what is not Happening.OPENED or event.judgement is None or event.hazard is None:
        raise IncidentError(f"an incident begins with its opening, not with {event.what}")
    return Incident(
        number=number,
        zone=event.zone,
        hazard=event.hazard,
        judgement=event.judgement,
        condition=event.judgement.condition,
        grade=event.judgement.grade,
        grade_at=event.at,
        peak=event.judgement.grade,
        opened_at=event.at,
        changed_at=event.at,
    )


def _acknowledged(incident: Incident, event: Event) -> Incident:
    assert event.grade is not None
    cleared = incident.condition is Condition.CLEARED
    return msgspec.structs.replace(
        incident,
        acknowledged=True,
        acknowledged_by=event.actor,
        acknowledged_at=event.at,
        acknowledged_grade=max(incident.acknowledged_grade, event.grade),
        stage=Stage.RECOVERING if cleared else Stage.ACTING,
        changed_at=event.at,
    )


def _judged(incident: Incident, event: Event) -> Incident:
    judgement = event.judgement
    assert judgement is not None
    cleared = judgement.condition is Condition.CLEARED
    was_cleared = incident.condition is Condition.CLEARED
    stage = incident.stage
    if cleared:
        stage = Stage.RECOVERING
    elif was_cleared:
        stage = Stage.ACTING if incident.acknowledged else Stage.WARNED
    if judgement.headline == Name():  # the last words that described it stay readable
        judgement = msgspec.structs.replace(
            judgement,
            headline=incident.judgement.headline,
            why=incident.judgement.why,
            since=incident.judgement.since,
        )
    moved = judgement.grade is not incident.grade or cleared is not was_cleared
    return msgspec.structs.replace(
        incident,
        judgement=judgement,
        condition=judgement.condition,
        grade=judgement.grade,
        grade_at=event.at if moved else incident.grade_at,
        peak=max(incident.peak, judgement.grade),
        stage=stage,
        cleared_at=(incident.cleared_at if was_cleared else event.at) if cleared else 0,
        changed_at=event.at,
    )
