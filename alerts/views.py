"""What others may see of incidents, and the port through which pages and the API reach them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from alerts.desks import Desks
from core.community import Name
from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from core.refusal import RefusalError


class NotifiedView(msgspec.Struct, frozen=True, kw_only=True):
    """One notification of an incident and what became of it.

    Attributes:
        id: Stable id of the notification; the same on every attempt.
        contact: Id of the contact.
        channel: Name of the channel.
        kind: alert, update, clear or escalation.
        grade: Grade that it told.
        state: pending, accepted, failed, dead, superseded or suppressed.
        at: Run time (ms) of the last change.
        attempts: How often it was tried.
        detail: Vendor's answer or the reason, for people.
    """

    id: str
    contact: str
    channel: str
    kind: str
    grade: Grade
    state: str
    at: int
    attempts: int = 0
    detail: str = ""


class ActedView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a station did by itself. Times are run time (ms).

    Attributes:
        station, output: Which output of which station.
        at: When; `until`: when it ended, 0 while it lasts and for what has no duration.
        exact: False if the station had no clock then: `at` is the latest possible time.
        alone: True if the hub could not be reached.
        sounded: What its feedback says; None if that is not known.
        text: What and why, in both languages.
    """

    station: str
    output: str
    at: int
    until: int = 0
    exact: bool = True
    alone: bool = False
    sounded: bool | None = None
    text: Name


class LadderView(msgspec.Struct, frozen=True, kw_only=True):
    """How far up its escalation ladder an incident is. Times are run time (ms), 0 for never.

    Attributes:
        grade: Of the ladder.
        state: climbing, taken (somebody has it), over (it has cleared) or ended (nobody took it
            over, and nobody is left to call).
        began_at: From when its steps count.
        taken: Steps climbed so far.
        next_at, next_people: When the next step is due, and the ids of whom it calls.
        reminded_at, lapse_at: When who has it was asked "still on it?", and until when they may
            answer.
    """

    grade: str
    state: str
    began_at: int
    taken: int = 0
    next_at: int = 0
    next_people: tuple[str, ...] = ()
    reminded_at: int = 0
    lapse_at: int = 0


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """One incident as people see it. Times are run time in milliseconds since the epoch.

    Attributes:
        number: Short number for speech and messages.
        zone, hazard: Where and what; at most one open incident for each pair.
        condition: Active, cleared or unknown.
        grade, peak: Current and highest grade.
        acknowledged: True if somebody has taken it over and it has not risen since.
        acknowledged_by, acknowledged_at: Contact id or name given, and when; "" and 0 if nobody.
        stage: warned, deciding, acting, recovering, reviewing or closed.
        opened_at, changed_at, over_at, closed_at: The last two are 0 while not. Over means that
            nothing is left to be done on the spot; orange and red are closed after a review.
        headline, why: One line and one sentence, in both languages.
        described_at: When they were true, 0 if unknown: they stay while the grade stays.
        subjects: Subjects of the findings that hold it, worst first.
        notified: Its notifications, newest first.
        acted: What stations did by themselves, oldest first; a run from its on to its off is one.
        ladder: Who is called next, and when; None once it is closed.
        severity, urgency, certainty: CAP 1.2 words, three axes that never stand for one another.
        first: What came first (first-out), in both languages; empty if that is what is there now.
        first_since: Event time (ms) at which that began, 0 if unknown.
        missing: What is needed before the present stage can be left (slugs of `Need`).
        hidden: True if it holds only by what is withheld: nobody is told of it.
        withheld: Numbers of the withholdings that concern it.
        drill: Id of the drill that it belongs to, "" for an actual incident.
        exercise: True if it belongs to a drill: it is no danger.
    """

    number: int
    zone: str
    hazard: Hazard
    condition: Condition
    grade: Grade
    peak: Grade
    acknowledged: bool
    acknowledged_by: str
    acknowledged_at: int
    stage: str
    opened_at: int
    changed_at: int
    closed_at: int
    headline: Name
    why: Name
    described_at: int = 0
    subjects: tuple[str, ...] = ()
    notified: tuple[NotifiedView, ...] = ()
    acted: tuple[ActedView, ...] = ()
    ladder: LadderView | None = None
    over_at: int = 0
    severity: str = ""
    urgency: str = ""
    certainty: str = ""
    first: Name = Name()
    first_since: int = 0
    missing: tuple[str, ...] = ()
    hidden: bool = False
    withheld: tuple[int, ...] = ()
    drill: str = ""
    exercise: bool = False

    @property
    def open(self) -> bool:
        """True until it is over: there may be a danger on the spot."""
        return self.over_at == 0 and self.closed_at == 0


class JournalView(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of an incident's journal: when, who, what, in both languages.

    Attributes:
        at: Run time in milliseconds since the epoch.
        actor: Contact id, or "system".
        event: One slug: opened, raised, lowered, unknown, acknowledged, cleared, closed, told…
        text: For people.
        grade, previous: Grade after and before the entry.
    """

    at: int
    actor: str
    event: str
    text: Name
    grade: Grade = Grade.GREEN
    previous: Grade = Grade.GREEN


class OutboxView(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of notifications by state, and the oldest one that waits."""

    pending: int = 0
    accepted: int = 0
    failed: int = 0
    oldest_pending_s: float = 0.0


class IncidentError(RefusalError):
    """The incident can't be changed like this (no such number, already closed); no retry helps."""


def unknown_incident(number: int) -> IncidentError:
    """Return the refusal of a number that no incident has."""
    return IncidentError(f"incident {number}: there is none", f"没有编号 {number} 的事件")


class IncidentPort(Protocol):
    """How pages, the API and the demo see and change incidents. Safe to call from any thread."""

    @property
    def desks(self) -> Desks:
        """What there is beyond the incidents."""

    def open_incidents(self) -> list[IncidentView]:
        """Every open incident, worst and oldest first."""

    def incidents(self, limit: int = 100, before: int | None = None) -> list[IncidentView]:
        """Incidents by number, newest first; `before` pages on."""

    def incident(self, number: int) -> IncidentView | None:
        """One incident."""

    def journal(self, number: int) -> list[JournalView]:
        """The journal of one incident, oldest entry first."""

    def acknowledge(self, number: int, who: str, how: str) -> IncidentView:
        """Somebody takes it over (`how`: console, api, link).

        Raises:
            IncidentError: No such incident, or it is closed.
        """

    def zone_grades(self) -> list[ZoneGrade]:
        """The grade of each (zone, hazard) that has ever been judged."""

    def outbox(self) -> OutboxView:
        """How the notifications stand."""

    def subscribe(self, changed: Callable[[IncidentView], None]) -> Callable[[], None]:
        """Call `changed` after each change of an incident; returns what ends it."""
