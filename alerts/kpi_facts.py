"""What the journal of each incident says that alarm figures count: `alerts.kpi` counts it. Pure.

An alarm is an announced rise: what makes a phone ring. Drills and tests are left out; so is what
was withheld, because nobody was told. [K] = general knowledge (channels reference 3.4).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from alerts.incident import SYSTEM, Event, Happening, Kind
from core.finding import Hazard
from core.grade import Grade

# Over within a minute, untouched: fleeting [K]. Active for more than a day: stale [K].
FLEETING_MS, STALE_MS = 60_000, 24 * 3_600_000
_ONSETS = (Happening.OPENED, Happening.RAISED, Happening.KNOWN)
_OVER = (Happening.CLEARED, Happening.ENDED, Happening.CLOSED)
_LOST = (Happening.VOIDED, Happening.LAPSED)


class Story(msgspec.Struct, frozen=True):
    """The journal of one actual incident."""

    number: int
    zone: str
    hazard: Hazard
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Alarm:
    """An announced rise.

    Attributes:
        at: When it was announced, run ms.
        grade: Grade that it rose to.
        key: Zone and hazard.
        accepted_at: When a channel first took it, run ms; None if none did.
    """

    at: int
    grade: Grade
    key: tuple[str, Hazard]
    accepted_at: int | None


@dataclass
class Facts:
    """What the journals say of a period, before any figure is made of it.

    Attributes:
        alarms: In the order of time.
        waits_s: Run seconds from an alarm that nobody had to the person who took it over.
        unattended: Alarms that nobody has taken over.
        told: When each contact was told (run ms), by incident and number of the announcement.
        channels: How often each channel accepted (True) and failed (False).
        onsets: When it began or rose (run ms), by zone and hazard.
        fleeting: Stretches from onset to clearing that were over at once, untouched.
        opened: Stretches that began in the period.
        stale: Stretches that lasted for more than a day.
    """

    alarms: list[Alarm] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    unattended: int = 0
    told: dict[str, dict[tuple[int, int], int]] = field(default_factory=lambda: defaultdict(dict))
    channels: dict[str, Counter[bool]] = field(default_factory=lambda: defaultdict(Counter))
    onsets: dict[tuple[str, Hazard], list[int]] = field(default_factory=lambda: defaultdict(list))
    fleeting: int = 0
    opened: int = 0
    stale: int = 0


def facts_of(stories: Iterable[Story], since: int, until: int) -> Facts:
    """Return what the stories say of a period (run ms, its end left out)."""
    facts = Facts()
    for story in stories:
        _read(story, facts, since, until)
    facts.alarms.sort(key=lambda alarm: alarm.at)
    return facts


def _read(story: Story, facts: Facts, since: int, until: int) -> None:
    key = (story.zone, story.hazard)
    accepted = _accepted(story)
    for event in story.events:
        if not since <= event.at < until:
            continue
        if event.what is Happening.ANNOUNCED and event.kind is Kind.ALERT and event.grade:
            facts.alarms.append(Alarm(event.at, event.grade, key, accepted.get(event.seq)))
        elif event.what in (Happening.TOLD, Happening.UNDELIVERED):
            facts.channels[event.channel][event.what is Happening.TOLD] += 1
            if event.what is Happening.TOLD and event.kind in (Kind.ALERT, Kind.ESCALATION):
                facts.told[event.contact].setdefault((story.number, event.seq), event.at)
        elif event.what in _ONSETS:
            facts.onsets[key].append(event.at)
    _read_waits(story, facts, since, until)
    _read_life(story, facts, since, until)


def _accepted(story: Story) -> dict[int, int]:
    """Return when each announcement was first accepted, by its number.

    One that a newer one overtook before it was sent (nobody refused it) was told with that.
    """
    first: dict[int, int] = {}
    alarms: dict[int, int] = {}
    for event in story.events:
        if event.what is Happening.TOLD:
            first.setdefault(event.seq, event.at)
            if event.kind in (Kind.ALERT, Kind.ESCALATION):
                alarms.setdefault(event.seq, event.at)
    refused = {event.seq for event in story.events if event.what is Happening.UNDELIVERED}
    overtaken: dict[int, int] = {}
    for event in story.events:
        if event.what is Happening.ANNOUNCED and event.seq not in refused:
            later = [at for seq, at in alarms.items() if seq > event.seq]
            if later:
                overtaken[event.seq] = min(later)
    return overtaken | first


def _read_waits(story: Story, facts: Facts, since: int, until: int) -> None:
    """Measure from the first alarm that nobody had to the moment when a person had it."""
    began: int | None = None
    taken = False
    for event in story.events:
        if event.what is Happening.ANNOUNCED and event.kind is Kind.ALERT:
            began = event.at if began is None and not taken else began
        elif event.what is Happening.ACKNOWLEDGED and event.actor != SYSTEM:
            if began is not None and since <= began < until:
                facts.waits_s.append((event.at - began) / 1000)
            began, taken = None, True
        elif event.what in _LOST:
            began, taken = event.at, False
    if began is not None and since <= began < until:
        facts.unattended += 1


def _read_life(story: Story, facts: Facts, since: int, until: int) -> None:
    """Look at each stretch from an onset to the clearing."""
    began: int | None = None
    touched = False
    for event in (*story.events, None):
        if event is not None and event.actor != SYSTEM:
            touched = True
        if event is not None and event.what in _ONSETS and began is None:
            began, touched = event.at, False
            facts.opened += since <= began < until
        if began is not None and (event is None or event.what in _OVER):
            ended = until if event is None else event.at
            facts.stale += ended - began > STALE_MS and ended > since and began < until
            if event is not None and since <= began < until and not touched:
                facts.fleeting += ended - began < FLEETING_MS
            began = None
