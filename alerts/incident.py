r"""The incident: a fold over its journal. Pure: events in, state out; nothing else changes it.

Axes that never mix (design, Grading and incidents): condition (active, cleared, unknown) x
acknowledgement x stage. Stages for now:

    warned --acknowledge--> acting --clears--> recovering --settled--> closed
       \-------------------clears-----------------/

Every event is defined in every open state; a closed incident takes none but the fate of its last
notifications. `alerts.decisions` says which events happen, `apply` folds them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from alerts.grading import Judgement
from alerts.ladder import Climb, Ladder
from alerts.views import IncidentError
from core.act import LocalAct
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
    ESCALATED = "escalated"  # nobody has taken it over: the next rung of the ladder was climbed
    REMINDED = "reminded"  # who has it was asked "still on it?"
    LAPSED = "lapsed"  # no answer: nobody has it any more, the ladder begins again
    RESUMED = "resumed"  # the auditor found the ladder stuck and set it going again
    WITHHELD = "withheld"  # notifications wait for a digest: quiet hours, or too many at once
    ACTED = "acted"  # a station switched something by itself
    CLOSED = "closed"


class Kind(StrEnum):
    """What a notification says."""

    ALERT = "alert"
    UPDATE = "update"
    CLEAR = "clear"
    ESCALATION = "escalation"  # nobody has taken it over: it is your turn
    REMINDER = "reminder"  # you have it: still on it?
    DIGEST = "digest"  # several incidents of low grade in one message
    TEST = "test"  # the daily test of a channel; of no incident


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
        ladder: Copy of the escalation ladder, in an announcement that arms it.
        step: Rung that was climbed, counting on through the rounds.
        station, act: Which station did what by itself.
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
    station: str = ""
    act: LocalAct | None = None
    ladder: Ladder | None = None
    step: int = 0


class StationAct(msgspec.Struct, frozen=True):
    """Something that a station did by itself, told in an incident."""

    station: str
    act: LocalAct


# Acts that an incident remembers for its card; the journal has all of them.
_MOST_ACTS = 24


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
        acted: What stations did by themselves, oldest first.
        climb: How far up its escalation ladder it is.
        attended_at: When a person last did anything about it.
        reminded_at: When who has it was last asked whether they still do; 0 once they answered.
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
    acted: tuple[StationAct, ...] = ()
    climb: Climb | None = None
    attended_at: int = 0
    reminded_at: int = 0

    @property
    def open(self) -> bool:
        """True until it is closed."""
        return self.closed_at == 0


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
    if event.what in _FATES:
        return incident  # may come after the closing, too
    if not incident.open or event.what is Happening.OPENED:
        raise IncidentError(
            f"incident {incident.number}: {event.what} can't follow "
            f"{'the closing' if not incident.open else 'the opening'}"
        )
    step = _STEPS.get(event.what, _judged)
    after = step(incident, event)
    if event.actor == SYSTEM:
        return after
    return msgspec.structs.replace(after, attended_at=event.at, reminded_at=0)


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


def _voided(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(
        incident,
        acknowledged=False,
        acknowledged_by="",
        acknowledged_at=0,
        acknowledged_grade=Grade.GREEN,
        stage=Stage.WARNED,
        changed_at=event.at,
    )


def _announced(incident: Incident, event: Event) -> Incident:
    assert event.grade is not None
    climb = incident.climb
    if event.ladder is not None:
        climb = (
            Climb(event.ladder, event.at, 0, event.at)
            if climb is None or event.kind is Kind.ALERT
            else climb.onto(event.ladder, event.at)
        )
    return msgspec.structs.replace(
        incident,
        told=event.grade,
        told_at=event.at,
        seq=event.seq,
        changed_at=event.at,
        climb=climb,
    )


def _escalated(incident: Incident, event: Event) -> Incident:
    climb = incident.climb.climbed(event.step, event.at) if incident.climb else None
    return msgspec.structs.replace(incident, climb=climb, seq=event.seq, changed_at=event.at)


def _reminded(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(
        incident, reminded_at=event.at, seq=event.seq, changed_at=event.at
    )


def _lapsed(incident: Incident, event: Event) -> Incident:
    climb = incident.climb.again(event.at) if incident.climb else None
    return msgspec.structs.replace(_voided(incident, event), climb=climb, reminded_at=0)


def _noted(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(incident, changed_at=event.at)


def _acted(incident: Incident, event: Event) -> Incident:
    assert event.act is not None
    acted = (*incident.acted, StationAct(event.station, event.act))[-_MOST_ACTS:]
    return msgspec.structs.replace(incident, acted=acted, changed_at=event.at)


def _closed(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(
        incident, stage=Stage.CLOSED, closed_at=event.at, changed_at=event.at
    )


# What may become of a notification, at any time.
_FATES = frozenset({Happening.TOLD, Happening.UNDELIVERED, Happening.WITHHELD})
_STEPS: dict[Happening, Callable[[Incident, Event], Incident]] = {
    Happening.ACKNOWLEDGED: _acknowledged,
    Happening.VOIDED: _voided,
    Happening.ANNOUNCED: _announced,
    Happening.ESCALATED: _escalated,
    Happening.REMINDED: _reminded,
    Happening.LAPSED: _lapsed,
    Happening.RESUMED: _noted,
    Happening.ACTED: _acted,
    Happening.CLOSED: _closed,
}
