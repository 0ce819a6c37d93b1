"""Quiet hours: when nobody is woken for what can wait. Pure, in local time, DST-safe."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass

_FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one local time of the day to another, past midnight where the end is not later."""

    begin: dt.time
    end: dt.time

    def until(self, at: int, timezone: str) -> int | None:
        """Return when (ms) the quiet hours that hold at *at* (ms) end; None outside of them.

        The end is a time on the wall clock, so a night in which the clock is changed is an hour
        shorter or longer. A time that the change skips is taken with the offset from before it.

        >>> quiet = parse_quiet("22:00-07:00")
        >>> (quiet.until(1_764_540_000_000, "Asia/Shanghai") - 1_764_540_000_000) / 3_600_000
        1.0
        """
        zone = zoneinfo.ZoneInfo(timezone)
        local = dt.datetime.fromtimestamp(at / 1000, zone)
        now = local.time().replace(tzinfo=None)
        overnight = self.end <= self.begin
        held = (now >= self.begin or now < self.end) if overnight else self.begin <= now < self.end
        if not held:
            return None
        day = local.date()
        if overnight and now >= self.begin:
            day += dt.timedelta(days=1)
        ends = round(dt.datetime.combine(day, self.end, zone).timestamp() * 1000)
        # The hour that is gone through twice may put "the" end before now: then it is the second.
        if ends <= at:
            ends = round(
                dt.datetime.combine(day, self.end, zone).replace(fold=1).timestamp() * 1000
            )
        return max(ends, at + 1)


def parse_quiet(text: str) -> QuietHours:
    """Read `HH:MM-HH:MM`.

    Raises:
        ValueError: Not of that form, or no hours at all.
    """
    found = _FORM.fullmatch(text)
    if found is None or text[:5] == text[6:]:
        raise ValueError(f"quiet {text!r}: expected HH:MM-HH:MM, as in 22:00-07:00")
    begin_h, begin_m, end_h, end_m = (int(part) for part in found.groups())
    return QuietHours(dt.time(begin_h, begin_m), dt.time(end_h, end_m))
