"""What the detectors read back from history: the time that they missed, and holes."""

from __future__ import annotations

import numpy as np
import structlog

from core.identity import SeriesId
from core.reading import Reading
from detectors.bank import Bank
from detectors.limit_lane import NEVER, Floats, Ints
from detectors.plan import SeriesPlan
from detectors.trail import Hole
from ingest.history import (
    Bucket,
    HistoryReader,
    HistorySettings,
    HistoryUnavailableError,
    HistoryUnreadableError,
    open_reader,
)

log = structlog.get_logger()
# How far back to look, in seconds: at most after a longer absence, and at least to warm up.
_AT_MOST_S = 6 * 3600.0
_WARM_UP_S = 900.0
_WARM_UP_INTERVALS = 20
# Readings of one series in one look; more than that is left to the history.
_PER_SERIES = 10_000
# Width of the means that forests learn from.
_BUCKET_MS = 600_000
# How far back detectors learn that need weeks: six of them, by the hour.
_TAUGHT_H = 42 * 24
_HOUR_MS = 3_600_000


class Archive:
    """Reads history where there is one that can be read; otherwise finds nothing.

    Args:
        settings: Where it is, or None.
    """

    def __init__(self, settings: HistorySettings | None) -> None:
        self._reader: HistoryReader | None = None
        if settings is None:
            return
        try:
            self._reader = open_reader(settings)
        except HistoryUnreadableError as error:
            log.warning("no catching up and no filling of holes", error=str(error))

    def missed(self, bank: Bank, now_ms: int) -> list[Reading]:
        """Return what came since each series was last judged, or enough to warm up."""
        found: list[Reading] = []
        for slot, plan in enumerate(bank.plans):
            past = bank.past_of(slot)
            if past is None:
                start = now_ms - round(1000 * _warm_up_s(plan))
            else:
                start = max(past + 1, now_ms - round(1000 * _AT_MOST_S))
            found += self._range(plan, start, now_ms + 1)
        return found

    def between(self, bank: Bank, station: str, hole: Hole) -> list[Reading]:
        """Return the readings of a hole."""
        return [
            reading
            for plan in bank.plans
            if plan.station == station
            for reading in self._range(plan, hole.start_ms + 1, hole.end_ms)
        ]

    def teach(self, bank: Bank, now_ms: int) -> int:
        """Let detectors that learn for weeks learn from history what they have not lived.

        Returns:
            How many series were taught something.
        """
        end = (now_ms - round(1000 * _AT_MOST_S)) // _HOUR_MS
        start = end - _TAUGHT_H
        taught = 0
        for feed in bank.feeds:
            if feed.detector.teach is None:
                continue
            slots = bank.row_slot[feed.row_of]
            fresh = np.flatnonzero(getattr(feed.lane, "first_at") == NEVER)  # noqa: B009
            if not fresh.size:
                continue
            grid = np.full((_TAUGHT_H, fresh.size), np.nan)
            for column, line in enumerate(fresh.tolist()):
                plan = bank.plans[int(slots[line])]
                at, means = self.means(plan.series, start * _HOUR_MS, end * _HOUR_MS, _HOUR_MS)
                if plan.counter:
                    at, means = counts_of(at, means, plan.interval_s)
                place = at // _HOUR_MS - start
                inside = (place >= 0) & (place < _TAUGHT_H)
                grid[place[inside], column] = means[inside]
            taught += int(np.isfinite(grid).any(axis=0).sum())
            hours = (start + np.arange(_TAUGHT_H)) * _HOUR_MS
            feed.detector.teach(feed.lane, fresh, hours, grid)
        return taught

    def means(
        self, series: SeriesId, start_ms: int, end_ms: int, width_ms: int = _BUCKET_MS
    ) -> tuple[Ints, Floats]:
        """Return the means of a series: begin of each stretch, and mean; for any thread."""
        count = max((end_ms - start_ms) // width_ms, 1)
        found: list[Bucket] = []
        if self._reader is not None:
            try:
                found = self._reader.downsampled(series, start_ms, end_ms, count)
            except HistoryUnavailableError as error:
                log.warning("history does not answer", series=str(series), error=str(error))
        known = [(bucket.at, bucket.mean) for bucket in found if bucket.mean is not None]
        return (
            np.array([at for at, _ in known], np.int64),
            np.array([mean for _, mean in known], np.float64),
        )

    def _range(self, plan: SeriesPlan, start_ms: int, end_ms: int) -> list[Reading]:
        if self._reader is None or start_ms >= end_ms:
            return []
        try:
            return self._reader.range(plan.series, start_ms, end_ms, _PER_SERIES)
        except HistoryUnavailableError as error:
            log.warning("history does not answer", series=str(plan.series), error=str(error))
            return []

    def close(self) -> None:
        """Release the reader."""
        if self._reader is not None:
            self._reader.close()


def counts_of(at: Ints, means: Floats, interval_s: float) -> tuple[Ints, Floats]:
    """Return counts per interval of a cumulative counter whose means are known; resets left out.

    >>> counts_of(np.array([0, 600_000, 1_200_000]), np.array([0.0, 20.0, 5.0]), 60.0)
    (array([600000]), array([2.]))
    """
    gap_s, grown = np.diff(at) / 1000.0, np.diff(means)
    usual = grown >= 0.0
    counts: Floats = grown[usual] * interval_s / gap_s[usual]
    return at[1:][usual], counts


def _warm_up_s(plan: SeriesPlan) -> float:
    return min(_AT_MOST_S, max(_WARM_UP_S, _WARM_UP_INTERVALS * plan.interval_s))
