"""Time of a run: one clock `(epoch, speed)` shared by all programs, and a manual one for tests.

The only module that may read the operating system's clocks.

Run time = epoch + (wall - epoch) * speed. At speed 1 it is the wall clock; a demo at speed 60 lets
an hour pass in a minute. Event time, dwell, silence, lateness, escalation and back-off use
`now_ms`; serial gaps, HTTP time-outs, leases, the pack interval and MQTT timers use wall time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What services ask for the time."""

    @property
    def speed(self) -> float:
        """Seconds of run time that pass in one second of wall time."""

    def now_ms(self) -> int:
        """Run time in milliseconds since the epoch."""

    def wall_ms(self) -> int:
        """Wall time in milliseconds since the epoch."""

    def monotonic_s(self) -> float:
        """Seconds of a clock that never jumps, wall speed; for time-outs and measuring."""


@dataclass(frozen=True, slots=True)
class RunClock:
    """The clock of a run.

    Attributes:
        epoch_ms: Wall time (ms since 1970) at which run time equals wall time.
        speed: Run seconds in a wall second, > 0.
    """

    epoch_ms: int = 0
    speed: float = 1.0

    def now_ms(self) -> int:
        """Run time in milliseconds since the epoch."""
        wall = self.wall_ms()
        if self.speed == 1.0:
            return wall
        return self.epoch_ms + round((wall - self.epoch_ms) * self.speed)

    def wall_ms(self) -> int:
        """Wall time in milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds of a clock that never jumps."""
        return time.monotonic()

    def __str__(self) -> str:
        return f"{self.epoch_ms}:{self.speed:g}"


def parse_clock(text: str) -> RunClock:
    """Read `EPOCH_MS:SPEED`, as programs of one run get it.

    Raises:
        ValueError: Not of that form, or a speed that is not positive.

    >>> parse_clock("1764500000000:60")
    RunClock(epoch_ms=1764500000000, speed=60.0)
    """
    epoch, _, speed = text.partition(":")
    try:
        clock = RunClock(int(epoch), float(speed or 1.0))
    except ValueError as error:
        raise ValueError(f"clock {text!r}: expected EPOCH_MS:SPEED") from error
    if not 0 < clock.speed <= 100_000:
        raise ValueError(f"clock {text!r}: speed must be above 0 and at most 100000")
    return clock


@dataclass(slots=True)
class ManualClock:
    """A clock that a test moves by hand. Run time and wall time move together."""

    ms: int = 1_764_500_000_000
    speed: float = 1.0

    def now_ms(self) -> int:
        """Run time in milliseconds since the epoch."""
        return self.ms

    def wall_ms(self) -> int:
        """Wall time in milliseconds since the epoch."""
        return self.ms

    def monotonic_s(self) -> float:
        """Seconds, following the manual time."""
        return self.ms / 1000

    def advance(self, seconds: float) -> None:
        """Let *seconds* of run time pass."""
        self.ms += round(seconds * 1000)


def late_after_ms(interval_s: float, speed: float) -> int:
    """Return how old a reading may be on arrival before it is late, in milliseconds.

    max(60 s, 3 intervals) + 10 s for each unit of speed above 1 (interfaces, Time). Silence gets
    the same allowance.

    >>> late_after_ms(1, 1), late_after_ms(900, 1), late_after_ms(5, 60)
    (60000, 2700000, 650000)
    """
    return round((max(60.0, 3.0 * interval_s) + 10.0 * max(speed - 1.0, 0.0)) * 1000)
