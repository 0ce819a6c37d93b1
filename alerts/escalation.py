"""When the next rung of an incident's ladder is climbed, and who has it is asked again. Pure.

Escalation goes on while nobody has the incident and the danger is not known to be over; *unknown*
is not over. Nobody is called for what is withheld. Taking it over stops the ladder, a rise above
the acknowledged grade arms it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from alerts.decisions import AHEAD_MS, Patience
from alerts.incident import Event, Happening, Incident, Kind
from core.finding import Condition
from core.grade import Grade

# In a fast run a few attempts of wall time must fit between two announcements, wall seconds.
MIN_REMIND_WALL_S = 10.0


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be done: events, and whether they go to everybody, whatever their role."""

    events: tuple[Event, ...]
    everybody: bool = False


def climbing(incident: Incident) -> bool:
    """Tell whether the ladder of an incident is being climbed."""
    return (
        incident.open
        and incident.climb is not None
        and not incident.acknowledged
        and incident.condition is not Condition.CLEARED
        and incident.told > Grade.GREEN
        and not incident.hidden
    )


def due_at(incident: Incident, speed: float) -> int | None:
    """Return when (run ms) the next rung is due; None if none will be."""
    if not climbing(incident) or incident.climb is None:
        return None
    return incident.climb.due_at(speed)


def next_call(incident: Incident, now: int, speed: float) -> Call | None:
    """Return what is due by the passing of time: the next rung, a reminder, or its lapse."""
    due = due_at(incident, speed)
    if due is not None and (now >= due or _set_back(incident, now)):
        return Call((rung(incident, now),))
    return _reminder(incident, now, speed)


def _set_back(incident: Incident, now: int) -> bool:
    """Tell whether the clock has been set back since the last rung."""
    return incident.climb is not None and incident.climb.taken_at > now + AHEAD_MS


def rung(incident: Incident, now: int) -> Event:
    """Return the event that climbs the next rung."""
    return Event(
        at=now,
        what=Happening.ESCALATED,
        kind=Kind.ESCALATION,
        grade=incident.voiced,
        seq=incident.seq + 1,
        rung=incident.climb.taken if incident.climb else 0,
    )


def _waits(since: int, wait_s: float, now: int) -> bool:
    """Tell whether a pause is not over; it is, if the clock has been set back since it began."""
    return (now - since) / 1000 < wait_s and since <= now + AHEAD_MS


def _reminder(incident: Incident, now: int, speed: float) -> Call | None:
    """Who has it is asked "still on it?"; without an answer it is nobody's any more."""
    climb = incident.climb
    if climb is None or not incident.acknowledged or incident.condition is Condition.CLEARED:
        return None
    if incident.reminded_at:
        wait_s = max(climb.ladder.lapse_after_s, MIN_REMIND_WALL_S * speed)
        if _waits(incident.reminded_at, wait_s, now):
            return None
        who = incident.acknowledged_by
        return Call(
            (Event(at=now, what=Happening.LAPSED, grade=incident.voiced, contact=who),),
        )
    after_s = climb.ladder.remind_after_s
    seen_at = max(incident.acknowledged_at, incident.attended_at)
    if not after_s or _waits(seen_at, max(after_s, MIN_REMIND_WALL_S * speed), now):
        return None
    asked = Event(
        at=now,
        what=Happening.REMINDED,
        kind=Kind.REMINDER,
        grade=incident.voiced,
        seq=incident.seq + 1,
        contact=incident.acknowledged_by,
    )
    return Call((asked,))


def untold_call(incident: Incident, now: int, speed: float, patience: Patience) -> Call | None:
    """Return what follows if nothing of the last announcement was accepted: tell everybody.

    The first time at once in orange and red (there is somebody else who can be told), then with
    patience, because repeating what is refused helps nobody.
    """
    if not climbing(incident) or not incident.seq or incident.climb is None:
        return None
    urgent = incident.grade >= Grade.ORANGE
    wait_s = patience.untold_red_s if urgent else patience.untold_s
    if urgent and not incident.climb.taken:
        wait_s = 0.0
    known = (incident.told_at, incident.climb.taken_at)
    since = max((at for at in known if at <= now + AHEAD_MS), default=0)
    if (now - since) / 1000 < max(wait_s, MIN_REMIND_WALL_S * speed):
        return None
    return Call((rung(incident, now),), everybody=True)
