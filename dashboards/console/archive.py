"""Points of a chart: the history where there is one, and the live trace where it is newer."""

from __future__ import annotations

from typing import Protocol

from core.community import SensorEntry, gap_ms
from core.identity import SeriesId
from core.quantity import FACTS, Quantity
from dashboards.console.feed import LiveFeed
from dashboards.console.trace import Counter, Point

MAX_BUCKETS = 2_000


class Bucket(Protocol):
    """One interval of downsampled history."""

    @property
    def at(self) -> int:
        """Start of the interval (ms)."""

    @property
    def mean(self) -> float | None:
        """Mean of its readings, None if there was none."""


class Archive(Protocol):
    """What the console asks of a history (`ingest.history.HistoryReader`)."""

    def downsampled(
        self, series: SeriesId, start: int, end: int, buckets: int
    ) -> list[tuple[int, float | None]]:
        """Return time and value of each bucket that holds anything, oldest first."""


def chart_points(
    feed: LiveFeed,
    archive: Archive | None,
    entry: SensorEntry,
    quantity: Quantity,
    start: int,
    end: int,
    buckets: int,
) -> list[Point]:
    """Return what to draw between two instants, oldest first; a gap is a point without value."""
    series = SeriesId(entry.id, quantity)
    live = [point for point in feed.points(series) if start <= point.at <= end]
    if archive is None:
        return live
    border = live[0].at if live else end
    if border <= start:
        return live
    step = max((end - start) // buckets, 1)
    old = archive.downsampled(series, start, border, max((border - start) // step, 1))
    counter = Counter(entry.interval_s) if FACTS[quantity].cumulative else None
    longest = max(gap_ms(entry.interval_s), 2 * step)
    points: list[Point] = []
    last: int | None = None
    for at, value in old:
        shown = counter.step(at, value) if counter is not None and value is not None else value
        if last is not None and at - last > longest:
            points.append(Point(last + 1, None))
        last = at
        if shown is not None:
            points.append(Point(at, shown))
    if live and last is not None and live[0].at - last > longest:
        points.append(Point(last + 1, None))
    return points + live
