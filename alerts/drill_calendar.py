"""The drill calendar: what should be drilled how often, what has been, and what is due. Pure.

Coverage is counted from drills that came to their end; one that was broken off has proved nothing.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence

import msgspec

from alerts.drill import Drill, DrillState
from alerts.drill_entry import WATCHES, DrillEntry
from alerts.drill_score import DrillScore
from core.community import Community, Name
from core.drill import DrillError
from core.finding import Hazard
from core.wording import HAZARDS

# Coverage looks back so far: each season once, because floods and fires have theirs.
WINDOW_DAYS = 365
_DAY_MS = 86_400_000


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A drill that came to its end, as the calendar sees it."""

    drill: str
    at: int
    hazard: Hazard
    zone: str
    watches: tuple[str, ...]
    passed: bool
    channels: tuple[str, ...] = ()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """How one thing stands that should be drilled.

    Attributes:
        name: Id of the entry, hazard, watch or channel.
        title: What people call it; empty where that is the name, or a word that all texts share.
        count, passed: Drills within the window, and how many of them passed.
        last: The last one of all, None if there was none.
        due_at: Run time (ms) at which the next one is due; 0 where nothing says how often.
        due: True if it is due, or if no drill of it has passed within the window.
    """

    name: str
    title: Name = Name()
    count: int
    passed: int
    last: Held | None = None
    due_at: int = 0
    due: bool = False


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What coverage is counted by: the watches, and the channels by which people are told.

    Attributes:
        watches, channels: Their ids.
        titles: What people call a watch.
    """

    watches: tuple[str, ...]
    channels: frozenset[str]
    titles: Mapping[str, Name] = {}


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What has been drilled within the window, and what is due.

    Attributes:
        since, now: The window, run time (ms).
        entries: Of the calendar.
        hazards: Every hazard that a sensor of the site watches for.
        watches, channels: Every watch; every channel of a contact.
    """

    since: int
    now: int
    entries: tuple[Line, ...]
    hazards: tuple[Line, ...]
    watches: tuple[Line, ...]
    channels: tuple[Line, ...]


def held(drill: Drill, score: DrillScore, watches: tuple[str, ...]) -> Held | None:
    """Return what the calendar sees of a drill; None if it did not come to its end.

    Args:
        drill: The drill.
        score: How it went.
        watches: The shifts, or the watch, in which it began.
    """
    if drill.state is not DrillState.FINISHED:
        return None
    return Held(
        drill=drill.id,
        at=drill.began_at,
        hazard=drill.plan.hazard,
        zone=drill.plan.zone,
        watches=watches,
        passed=score.passed,
        channels=tuple(sorted({reach.channel for reach in score.reach if reach.accepted})),
    )


def watch_at(at: int, timezone: str) -> str:
    """Return the watch in which a time lies.

    >>> watch_at(1_764_500_000_000, "Asia/Shanghai")
    'evening-watch'
    """
    hour = dt.datetime.fromtimestamp(at / 1000, zoneinfo.ZoneInfo(timezone)).hour
    return next(name for name, begins in reversed(WATCHES) if hour >= begins)


def coverage(
    entries: Sequence[DrillEntry],
    drills: Sequence[Held],
    community: Community,
    names: Names,
    now: int,
    days: float = WINDOW_DAYS,
) -> Coverage:
    """Return what has been drilled in the last *days*, and what is due.

    Args:
        entries: The calendar.
        drills: Drills that came to their end, in any order.
        community: For its hazards.
        names: Of the watches and channels of the site.
        now: Run time (ms).
        days: The window.

    Raises:
        DrillError: The window makes no sense.
    """
    if not 1 <= days <= 3650:
        raise DrillError(f"days {days}: expected 1 to 3650", f"天数 {days:g}：应为 1 到 3650")
    since = now - round(days * _DAY_MS)
    hazards = sorted({s.hazard for s in community.sensor if s.hazard is not Hazard.EQUIPMENT})

    def line(
        name: str, among: list[Held], every_days: float = 0.0, title: Name | None = None
    ) -> Line:
        within = [one for one in among if one.at >= since]
        last = max(among, key=lambda one: one.at, default=None)
        due_at = last.at + round(every_days * _DAY_MS) if last and every_days else 0
        overdue = due_at <= now if every_days else not any(one.passed for one in within)
        return Line(
            name=name,
            title=title or Name(),
            count=len(within),
            passed=sum(one.passed for one in within),
            last=last,
            due_at=due_at,
            due=last is None or overdue,
        )

    return Coverage(
        since=since,
        now=now,
        entries=tuple(
            line(
                entry.id,
                [one for one in drills if _fits(one, entry)],
                entry.every_days,
                _title(entry, community, names),
            )
            for entry in entries
        ),
        hazards=tuple(
            line(str(hazard), [one for one in drills if one.hazard is hazard]) for hazard in hazards
        ),
        watches=tuple(
            line(name, [one for one in drills if name in one.watches], title=names.titles.get(name))
            for name in names.watches
        ),
        channels=tuple(
            line(name, [one for one in drills if name in one.channels])
            for name in sorted(names.channels)
        ),
    )


def _title(entry: DrillEntry, community: Community, names: Names) -> Name:
    """Return where and what, and in which watch, in both languages."""

    def said(language: str) -> str:
        place = community.place(entry.zone or community.site.id, language)
        hazard = HAZARDS[entry.hazard][0 if language == "zh" else 1]
        watch = names.titles.get(entry.watch, Name()).in_language(language)
        return " · ".join(part for part in (place, hazard, watch) if part)

    return Name(zh=said("zh"), en=said("en"))


def _fits(one: Held, entry: DrillEntry) -> bool:
    """Tell whether a drill counts for an entry: only one that passed puts the next one off."""
    return (
        one.passed
        and one.hazard is entry.hazard
        and entry.zone in ("", one.zone)
        and entry.watch in ("", *one.watches)
    )
