"""What pages keep of one series: its newest reading and a short, bounded trace for its chart.

Counters that only grow are shown as what came in one interval, because that is what their limits
judge. A gap in the data stays a gap: it is written down when it ends, never bridged by a line.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from core.community import SensorEntry, gap_ms
from core.identity import SeriesId
from core.quality import Quality, Reason
from core.quantity import FACTS, Danger, Quantity
from core.reading import Reading

# A trace reaches back three hours of run time and never holds more than this many points; the
# older half is thinned pair by pair, the worse one of a pair stays.
TRACE_MS = 3 * 3_600_000
TRACE_POINTS = 720


class Point(NamedTuple):
    """One point of a chart: time (ms), value as shown (None is a gap), and its quality."""

    at: int
    value: float | None
    quality: Quality = Quality.GOOD
    reasons: tuple[Reason, ...] = ()


class Counter:
    """Turns a cumulative counter into counts per interval.

    >>> counter = Counter(60.0)
    >>> [counter.step(t, v) for t, v in ((0, 100.0), (60_000, 130.0), (180_000, 150.0))]
    [None, 30.0, 10.0]
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_ms = interval_s * 1000
        self._last: tuple[int, float] | None = None

    def step(self, at: int, value: float) -> float | None:
        """Return the count of one interval; None for the first value and after a reset."""
        last, self._last = self._last, (at, value)
        if last is None or value < last[1] or at <= last[0]:
            return None
        return (value - last[1]) * self._interval_ms / (at - last[0])


class Trace:
    """The newest reading of one series and its recent past."""

    def __init__(self, entry: SensorEntry, quantity: Quantity) -> None:
        self.entry = entry
        self.series = SeriesId(entry.id, quantity)
        self.latest: Point | None = None
        self._points: list[Point] = []
        self._gap_ms = gap_ms(entry.interval_s)
        self._low = FACTS[quantity].danger is Danger.LOW
        self._counter = Counter(entry.interval_s) if FACTS[quantity].cumulative else None

    def add(self, reading: Reading) -> bool:
        """Take a reading; True if it is the newest one of its series."""
        newest = self.latest is None or reading.at > self.latest.at
        value = None if reading.quality is Quality.BAD else reading.value
        if self._counter is not None and value is not None:
            if not newest:
                return False  # a count needs the one before it; history has it
            value = self._counter.step(reading.at, value)
            if value is None:
                return False
        point = Point(reading.at, value, reading.quality, reading.reasons)
        if newest:
            if self.latest is not None and point.at - self.latest.at > self._gap_ms:
                self._points.append(Point(self.latest.at + 1, None))
            self._points.append(point)
            self.latest = point
        else:
            self._insert(point)
        self._bound()
        return newest

    def _insert(self, point: Point) -> None:
        """Put a late reading where it belongs."""
        index = bisect_left(self._points, (point.at,))
        if index < len(self._points) and self._points[index].at == point.at:
            return
        self._points.insert(index, point)

    def _bound(self) -> None:
        assert self.latest is not None
        oldest = self.latest.at - TRACE_MS
        if self._points[0].at < oldest:
            del self._points[: bisect_left(self._points, (oldest,))]
        if len(self._points) > TRACE_POINTS:
            half = len(self._points) // 2
            self._points[:half] = thinned(self._points[:half], low=self._low)

    def points(self) -> list[Point]:
        """Return the trace, oldest first."""
        return list(self._points)


def thinned(points: list[Point], *, low: bool = False) -> list[Point]:
    """Return about half of *points*: of two neighbours the worse one; gaps stay.

    >>> [point.at for point in thinned([Point(1, 5.0), Point(2, 1.0), Point(3, None)])]
    [1, 3]
    """
    kept: list[Point] = []
    pending: Point | None = None
    for point in points:
        if point.value is None:
            kept += [pending, point] if pending is not None else [point]
            pending = None
        elif pending is None or pending.value is None:
            pending = point
        else:
            kept.append(
                min(pending, point, key=lambda item: item.value or 0.0)
                if low
                else max(pending, point, key=lambda item: item.value or 0.0)
            )
            pending = None
    return kept + ([pending] if pending is not None else [])
