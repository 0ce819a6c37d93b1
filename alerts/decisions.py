"""What findings, people and the passing of time mean for an incident: events, not changes. Pure.

Rises are told at once. Falls and clears are told after they have lasted a while, so that a value
that flaps around a limit does not flood anybody: people go on believing the worse grade meanwhile.
"""

from __future__ import annotations

import msgspec

from alerts import stages
from alerts.cycle_wording import BY_DEFAULT
from alerts.evidence import Decision, Stage
from alerts.grading import Judgement
from alerts.incident import SYSTEM, Event, Happening, Incident, Kind
from alerts.views import IncidentError
from core.finding import Condition, Hazard
from core.grade import Grade

# What happened later than this from now, run milliseconds, was written before the clock was set
# back.
AHEAD_MS = 60_000


class Patience(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long we wait with what is not urgent; seconds of run time. Rises never wait.

    Attributes:
        fall_s: A fall or clear is told after it has lasted this long. Our choice: ISA-18.2 calls
            three changes within a minute chattering; two minutes hide it.
        settle_s: Readings verify a recovery after this long; blue and yellow close then, orange and
            red go to the review once a person on site has verified it, too.
        unattended_s: A cleared incident that nobody acknowledged ends by itself after this: blue
            and yellow close, orange and red must still be reviewed.
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
    opened = Event(
        at=now, what=Happening.OPENED, zone=zone, hazard=hazard, drill=drill, judgement=judgement
    )
    events = [opened]
    if judgement.withheld:
        hidden = hidden_by(judgement)
        events.append(Event(at=now, what=Happening.HIDDEN, judgement=judgement, about=hidden))
    if judgement.voiced > Grade.GREEN:
        events.append(
            Event(at=now, what=Happening.ANNOUNCED, seq=1, kind=Kind.ALERT, grade=judgement.voiced)
        )
    return events


def observe(incident: Incident, judgement: Judgement, now: int) -> list[Event]:
    """Return what a new judgement means for an open incident; empty if it is nothing new."""
    what = _observed(incident, judgement)
    if what is None:
        return []
    about = hidden_by(judgement) if what is Happening.HIDDEN else ""
    events = [Event(at=now, what=what, judgement=judgement, about=about)]
    voided = incident.acknowledged and judgement.voiced > incident.acknowledged_grade
    if voided:
        events.append(
            Event(
                at=now,
                what=Happening.VOIDED,
                grade=judgement.grade,
                contact=incident.acknowledged_by,
            )
        )
    again = what is Happening.SHOWN and not incident.acknowledged and judgement.voiced
    if voided or judgement.voiced > incident.told or again:
        events.append(announcement(incident, Kind.ALERT, judgement.voiced, now))
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
    before = incident.judgement
    if judgement.withheld != before.withheld:
        return Happening.HIDDEN if judgement.withheld else Happening.SHOWN
    return Happening.EVIDENCE if judgement.holders != before.holders else None


def hidden_by(judgement: Judgement) -> str:
    """Return which withholdings hide part of it, for the journal."""
    return ", ".join(f"withholding.{number}" for number in sorted(set(judgement.withheld.values())))


def announcement(incident: Incident, kind: Kind, grade: Grade, now: int) -> Event:
    """Return the event that tells people."""
    return Event(at=now, what=Happening.ANNOUNCED, seq=incident.seq + 1, kind=kind, grade=grade)


def acknowledge(incident: Incident, who: str, how: str, now: int) -> list[Event]:
    """Return what it means that *who* (an id) takes it over; the same person again is nothing new.

    At blue a default decision is written down with it, so that nobody has to fill in a form.

    Raises:
        IncidentError: It is over.
    """
    if not incident.open:
        raise IncidentError(
            f"incident {incident.number} is over; nothing is left to take over",
            f"事件 {incident.number} 已结束，不用再接手",
        )
    same = incident.acknowledged and incident.acknowledged_by == who
    same = same and not incident.reminded_at  # "still on it?" wants an answer
    if same and incident.grade <= incident.acknowledged_grade:
        return []
    taken = Event(at=now, actor=who, what=Happening.ACKNOWLEDGED, grade=incident.grade, how=how)
    if incident.decision is not None or incident.grade is not Grade.BLUE:
        return [taken]
    return [taken, Event(at=now, what=Happening.DECIDED, decision=default_decision(incident, now))]


def default_decision(incident: Incident, now: int) -> Decision:
    """Return what is decided at blue unless a person says otherwise: watch it."""
    return Decision(
        at=now,
        by=SYSTEM,
        option="watch",
        mandate=BY_DEFAULT,
        evidence=tuple(incident.judgement.holders),
        grade=Grade.BLUE,
    )


def tick(incident: Incident, now: int, patience: Patience) -> list[Event]:
    """Return what the passing of time alone means for an open incident."""
    if not incident.open:
        return []
    cleared = incident.condition is Condition.CLEARED
    if incident.grade < incident.told:
        ahead = incident.grade_at > now + AHEAD_MS  # nobody waits until the clock has caught up
        if (now - incident.grade_at) / 1000 < patience.fall_s and not ahead:
            return []
        kind = Kind.CLEAR if cleared else Kind.UPDATE
        return [announcement(incident, kind, incident.grade, now)]
    how = _end(incident, now, patience) if cleared else ""
    if not how:
        return []
    what = Happening.ENDED if stages.in_full(incident) else Happening.CLOSED
    return [Event(at=now, what=what, how=how, missing=stages.unmet(incident))]


def _end(incident: Incident, now: int, patience: Patience) -> str:
    """Return how a cleared incident ends now; "" while it does not."""
    lasted_s = (now - incident.cleared_at) / 1000
    if not incident.acknowledged:
        return "unattended" if lasted_s >= patience.unattended_s else ""
    if lasted_s < patience.settle_s:
        return ""
    if not stages.in_full(incident):
        return "settled"
    ready = incident.stage is Stage.RECOVERING and not stages.missing(incident, settled=True)
    return "verified" if ready else ""
