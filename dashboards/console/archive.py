"""Points of a chart: the history where there is one, and the live trace where it is newer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from core.community import SensorEntry, gap_ms
from core.identity import SeriesId
from core.quantity import FACTS, Danger, Quantity
from dashboards.console.feed import LiveFeed
from dashboards.console.trace import Counter, Point
from ingest.history.base import Bucket, HistoryReader, HistoryUnavailableError

MAX_BUCKETS = 2_000


def chart_points(
    feed: LiveFeed,
    archive: HistoryReader | None,
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
    try:
        stored = archive.downsampled(series, start, border, max((border - start) // step, 1))
    except HistoryUnavailableError:
        return live  # a chart may be short; the page must not fail with the history
    longest = max(gap_ms(entry.interval_s), 2 * step)
    return _joined(_stored_points(stored, entry, quantity), live, longest)


def _stored_points(
    stored: Sequence[Bucket], entry: SensorEntry, quantity: Quantity
) -> Iterator[Point]:
    """Yield one point a bucket: its worst value, so that no peak is averaged away."""
    facts = FACTS[quantity]
    counter = Counter(entry.interval_s) if facts.cumulative else None
    for bucket in stored:
        value = bucket.mean
        if facts.danger is Danger.HIGH:
            value = bucket.maximum
        elif facts.danger is Danger.LOW:
            value = bucket.minimum
        if counter is not None and value is not None:
            value = counter.step(bucket.at, value)
            if value is None:
                continue
        yield Point(bucket.at, value, bucket.worst)


def _joined(stored: Iterable[Point], live: list[Point], longest_ms: int) -> list[Point]:
    """Return both in one line; a silence longer than *longest_ms* becomes a gap."""
    points: list[Point] = []
    for point in (*stored, *live):
        if points and point.at - points[-1].at > longest_ms and points[-1].value is not None:
            points.append(Point(points[-1].at + 1, None))
        points.append(point)
    return points
