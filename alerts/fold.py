"""The fold: an event and the state before give the state after. Pure.

Every event is defined in every state: folded here, or refused with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from alerts import stages
from alerts.incident import SYSTEM, Event, Happening, Incident, Kind, StationAct
from alerts.ladder import Climb
from alerts.views import IncidentError
from core.community import Name
from core.finding import Condition
from core.grade import Grade

T = TypeVar("T")
# Acts that an incident remembers for its card; the journal has all of them.
_MOST_ACTS = 24


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
    if event.drill and event.what is not Happening.OPENED:
        raise IncidentError(
            f"incident {incident.number}: only an opening names a drill",
            f"事件 {incident.number}：属于哪场演练，只在开始时写明",
        )
    if event.what in UNCHANGING:
        return incident  # may come after the closing, too
    reason = refusal(incident, event.what)
    if reason:
        raise IncidentError(
            f"incident {incident.number}: {reason}", f"事件 {incident.number} 现在不能这样做"
        )
    step = _STEPS.get(event.what, _noted if event.judgement is None else _judged)
    after = step(incident, event)
    if event.actor != SYSTEM:
        after = msgspec.structs.replace(after, attended_at=event.at, reminded_at=0)
    return msgspec.structs.replace(after, stage=stages.stage_of(after), changed_at=event.at)


# What becomes of notifications is history only.
UNCHANGING = frozenset({Happening.TOLD, Happening.UNDELIVERED, Happening.HELD})
# What may happen once nothing is left to be done on the spot.
_IN_REVIEW = frozenset(
    {
        Happening.DECIDED, Happening.STEP_DONE, Happening.LOOKED, Happening.NOTED,
        Happening.REVIEWED, Happening.LESSON, Happening.CLOSED, Happening.DRILL_ENDED,
    }
)  # fmt: skip
_AFTERWARDS = frozenset({Happening.LESSON, Happening.NOTED})
_NOT_WHILE_OPEN = frozenset({Happening.REVIEWED, Happening.LESSON})
_OF_THE_SITE = frozenset(
    {Happening.WITHHELD, Happening.EXTENDED, Happening.ENDING, Happening.RELEASED}
)


def refusal(incident: Incident, what: Happening) -> str:
    """Return why *what* can't happen to the incident in its state; "" if it can.

    The whole table of states and events: open (warned to recovering), reviewing, closed.
    """
    if what in UNCHANGING:
        return ""
    if what is Happening.OPENED:
        return "opened can't follow the opening"
    if what is Happening.DRILL_ENDED and not incident.exercise:
        return "it is actual: no drill can end it"
    if what in _OF_THE_SITE:
        return f"{what} happens to the site, not to an incident"
    return _out_of_place(incident, what)


def _out_of_place(incident: Incident, what: Happening) -> str:
    if incident.closed_at:
        return "" if what in _AFTERWARDS else f"{what} can't follow the closing"
    if incident.over_at:
        return "" if what in _IN_REVIEW else f"{what} can't happen while it is reviewed"
    return f"{what} can't happen before it is over" if what in _NOT_WHILE_OPEN else ""


def _open(event: Event, number: int) -> Incident:
    if event.what is not Happening.OPENED or event.judgement is None or event.hazard is None:
        raise IncidentError(
            f"an incident begins with its opening, not with {event.what}",
            f"事件须从“开始”记起，不能从 {event.what} 记起",
        )
    return Incident(
        number=number,
        zone=event.zone,
        hazard=event.hazard,
        drill=event.drill,
        judgement=event.judgement,
        condition=event.judgement.condition,
        grade=event.judgement.grade,
        grade_at=event.at,
        described_at=event.at,
        peak=event.judgement.grade,
        opened_at=event.at,
        changed_at=event.at,
        first=event.judgement.first,
    )


def _part(value: T | None, event: Event) -> T:
    """Return what an event of this kind can't do without."""
    if value is None:
        raise IncidentError(
            f"{event.what}: the event lacks what it is about", f"{event.what}：这条记录缺少内容"
        )
    return value


def _acknowledged(incident: Incident, event: Event) -> Incident:
    grade = _part(event.grade, event)
    return msgspec.structs.replace(
        incident,
        acknowledged=True,
        acknowledged_by=event.actor,
        acknowledged_at=event.at,
        acknowledged_grade=max(incident.acknowledged_grade, grade),
    )


def _judged(incident: Incident, event: Event) -> Incident:
    judgement = _part(event.judgement, event)
    cleared = judgement.condition is Condition.CLEARED
    was_cleared = incident.condition is Condition.CLEARED
    described_at = event.at
    if judgement.headline == Name():  # the last words that described it stay readable
        judgement = msgspec.structs.replace(
            judgement,
            headline=incident.judgement.headline,
            why=incident.judgement.why if judgement.why == Name() else judgement.why,
            since=incident.judgement.since,
        )
        described_at = incident.described_at
    moved = judgement.grade is not incident.grade or cleared is not was_cleared
    decision = incident.decision
    if decision is not None and judgement.grade > decision.grade:
        decision = None  # it was made for less than this
    back = event.what in (Happening.RAISED, Happening.KNOWN)
    return msgspec.structs.replace(
        incident,
        judgement=judgement,
        condition=judgement.condition,
        grade=judgement.grade,
        grade_at=event.at if moved else incident.grade_at,
        described_at=described_at,
        peak=max(incident.peak, judgement.grade),
        cleared_at=(incident.cleared_at if was_cleared else event.at) if cleared else 0,
        decision=decision,
        on_site=None if back else incident.on_site,
    )


def _voided(incident: Incident, _event: Event) -> Incident:
    return msgspec.structs.replace(
        incident,
        acknowledged=False,
        acknowledged_by="",
        acknowledged_at=0,
        acknowledged_grade=Grade.GREEN,
    )


def _announced(incident: Incident, event: Event) -> Incident:
    grade = _part(event.grade, event)
    climb = incident.climb
    if event.ladder is not None:
        climb = (
            Climb(event.ladder, event.at, 0, event.at)
            if climb is None or event.kind is Kind.ALERT
            else climb.onto(event.ladder, event.at)
        )
    return msgspec.structs.replace(
        incident,
        climb=climb,
        told=grade,
        told_peak=max(incident.told_peak, grade),
        told_at=event.at,
        seq=event.seq,
    )


def _escalated(incident: Incident, event: Event) -> Incident:
    climb = incident.climb.climbed(event.rung, event.at) if incident.climb else None
    return msgspec.structs.replace(incident, climb=climb, seq=event.seq)


def _reminded(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(incident, reminded_at=event.at, seq=event.seq)


def _lapsed(incident: Incident, event: Event) -> Incident:
    climb = incident.climb.again(event.at) if incident.climb else None
    return msgspec.structs.replace(_voided(incident, event), climb=climb, reminded_at=0)


def _acted(incident: Incident, event: Event) -> Incident:
    act = StationAct(event.station, _part(event.act, event))
    acted = (*incident.acted, act)[-_MOST_ACTS:]
    return msgspec.structs.replace(incident, acted=acted)


def _decided(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(incident, decision=_part(event.decision, event))


def _planned(incident: Incident, event: Event) -> Incident:
    """Put a plan's steps on it; what was done of the same steps stays done."""
    ids = {step.id for step in event.steps}
    done = {step: record for step, record in incident.done.items() if step in ids}
    return msgspec.structs.replace(incident, plan=event.plan, steps=event.steps, done=done)


def _step_done(incident: Incident, event: Event) -> Incident:
    step = _part(event.step, event)
    done = incident.done | {step.step: step}
    return msgspec.structs.replace(incident, done=done)


def _looked(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(incident, on_site=_part(event.on_site, event))


def _chattering(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(incident, chatter=_part(event.chatter, event))


def _ended(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(incident, over_at=event.at, ended=event.how)


def _reviewed(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(incident, review=_part(event.review, event))


def _lesson(incident: Incident, event: Event) -> Incident:
    lesson = _part(event.lesson, event)
    lessons = incident.lessons | {lesson.id: lesson}
    return msgspec.structs.replace(incident, lessons=lessons)


def _noted(incident: Incident, _event: Event) -> Incident:
    return incident


def _closed(incident: Incident, event: Event) -> Incident:
    return msgspec.structs.replace(
        incident,
        over_at=incident.over_at or event.at,
        ended=incident.ended or event.how,
        closed_at=event.at,
    )


_STEPS: dict[Happening, Callable[[Incident, Event], Incident]] = {
    Happening.ACKNOWLEDGED: _acknowledged,
    Happening.VOIDED: _voided,
    Happening.ANNOUNCED: _announced,
    Happening.ESCALATED: _escalated,
    Happening.REMINDED: _reminded,
    Happening.LAPSED: _lapsed,
    Happening.RESUMED: _noted,
    Happening.ACTED: _acted,
    Happening.REPORTED: _noted,
    Happening.DECIDED: _decided,
    Happening.PLANNED: _planned,
    Happening.STEP_DONE: _step_done,
    Happening.LOOKED: _looked,
    Happening.CHATTERING: _chattering,
    Happening.ENDED: _ended,
    Happening.REVIEWED: _reviewed,
    Happening.LESSON: _lesson,
    Happening.CLOSED: _closed,
    Happening.DRILL_ENDED: _closed,
}
