"""Hours of the week as people write them: `mon-fri 08:00-20:00; sat,sun 09:00-13:00`. Pure.

Times are the local wall clock of the place. A span belongs to the day on which it begins; an end at
or before the beginning means the next day. Around a change of the clocks each time is turned into
an instant by itself, so that two spans that meet at a local time meet at the same instant: nobody's
duty leaves a hole in spring or counts an hour twice in autumn.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_CLOCK = re.compile(r"^([0-2]?\d):([0-5]\d)$")


@dataclass(frozen=True, slots=True)
class Hours:
    """One rule of a week.

    Attributes:
        days: Weekdays on which it begins, Monday = 0.
        begin, end: Minutes after local midnight of that day; `end` may lie on the next day.
    """

    days: frozenset[int]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of time: from `begin` to before `end` (ms); `day` is the day it belongs to."""

    begin: int
    end: int
    day: dt.date

    def __contains__(self, at: int) -> bool:
        return self.begin <= at < self.end


def parse_hours(text: str) -> tuple[Hours, ...]:
    """Read hours of the week; an empty text means never.

    Raises:
        ValueError: It can't be read; the message says what is expected.

    >>> [(sorted(hours.days), hours.begin, hours.end) for hours in parse_hours("sat 20:00-08:00")]
    [([5], 1200, 1920)]
    """
    return tuple(_rule(part) for part in text.lower().split(";") if part.strip())


def spans(
    rules: tuple[Hours, ...], first: dt.date, days: int, zone: zoneinfo.ZoneInfo
) -> list[Span]:
    """Return the spans that begin on *days* days from *first*, oldest first."""
    found = [
        Span(instant(day, rule.begin, zone), instant(day, rule.end, zone), day)
        for day in (first + dt.timedelta(days=number) for number in range(days))
        for rule in rules
        if day.weekday() in rule.days
    ]
    return sorted((span for span in found if span.begin < span.end), key=lambda span: span.begin)


def covers(rules: tuple[Hours, ...], at: int, zone: zoneinfo.ZoneInfo) -> bool:
    """Tell whether *at* (ms) lies within the hours."""
    yesterday = local_date(at, zone) - dt.timedelta(days=1)
    return any(at in span for span in spans(rules, yesterday, 2, zone))


def local_date(at: int, zone: zoneinfo.ZoneInfo) -> dt.date:
    """Return the day at the place."""
    return dt.datetime.fromtimestamp(at / 1000, zone).date()


def instant(day: dt.date, minutes: int, zone: zoneinfo.ZoneInfo) -> int:
    """Return the instant (ms) of a local time; of a time that comes twice, the first.

    A time that the clocks skip is read by the offset before the change, as RFC 5545 wants.
    """
    midnight = dt.datetime.combine(day, dt.time(), zone)
    local = midnight + dt.timedelta(minutes=minutes)  # arithmetic on the wall clock
    return round(local.timestamp() * 1000)


def _rule(text: str) -> Hours:
    days_text, _, clock_text = text.strip().rpartition(" ")
    begin_text, dash, end_text = clock_text.partition("-")
    if not dash:
        raise ValueError(f"hours {text.strip()!r}: expected like 'mon-fri 08:00-20:00'")
    begin, end = _minutes(begin_text), _minutes(end_text)
    days = frozenset(_days(days_text)) if days_text.strip() else frozenset(range(7))
    return Hours(days, begin, end if end > begin else end + _DAY_MINUTES)


def _minutes(text: str) -> int:
    found = _CLOCK.match(text.strip())
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if not 0 <= minutes <= _DAY_MINUTES:
        raise ValueError(f"time {text.strip()!r}: expected 00:00 to 24:00")
    return minutes


def _days(text: str) -> Iterator[int]:
    for part in text.replace("daily", "mon-sun").split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"days {part.strip()!r}: expected {', '.join(DAYS)}, daily or mon-fri")
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % 7 if dash else 0
        yield from ((start + number) % 7 for number in range(length + 1))
