"""Cumulative counters become counts per interval, for many series at once.

A counter is read as the difference to its last reading. A difference over more than one and a half
intervals (missed readings) is scaled to one interval; a reading that comes sooner than half an
interval waits for the next, so that two quick readings never look like a crowd.

A counter that falls has wrapped (16 or 32 bits) if that explains the fall by a plausible count;
otherwise it has been reset, which tells nothing of people: it is anchored anew and not judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.limit_lane import NEVER, Floats, Ints

# More people than any gate passes in one interval of a minute (about 80 a minute and metre of
# door): a wrap that would mean more is taken for a reset.
PLAUSIBLE = 2000.0
_SPANS = (2.0**16, 2.0**32)

STATE = ("last_at", "last_value")


class CounterLane:
    """State of many counters as a structure of arrays."""

    def __init__(self, intervals_s: Sequence[float]) -> None:
        self.interval_ms = np.array([round(interval * 1000) for interval in intervals_s], np.int64)
        size = len(intervals_s)
        self.last_at = np.full(size, NEVER, np.int64)
        self.last_value = np.zeros(size)

    def step(self, counters: Ints, at: Ints, value: Floats) -> Floats:
        """Return the count per interval of each reading, NaN where there is none to judge.

        Args:
            counters: Which counters; distinct.
            at: Event time in milliseconds; older than the last one is ignored.
            value: Counter readings.
        """
        last_at, last_value = self.last_at[counters], self.last_value[counters]
        interval = self.interval_ms[counters]
        first = last_at == NEVER
        gap = np.where(first, interval, at - last_at)
        counted = _grown(last_value, value)
        due = first | (2 * gap >= interval) | (counted < 0)
        judged = due & ~first & (gap > 0) & (counted >= 0)
        scale = np.where(2 * gap > 3 * interval, interval / np.maximum(gap, 1), 1.0)
        anchor = due & (gap > 0)
        self.last_at[counters] = np.where(anchor, at, last_at)
        self.last_value[counters] = np.where(anchor, value, last_value)
        return np.where(judged, counted * scale, np.nan)


def passages(last: Floats, value: Floats) -> Floats:
    """Return how many have passed between two readings of each counter, 0 after a reset.

    >>> passages(np.array([10.0, 65_530.0, 500.0, np.nan]), np.array([12.0, 3.0, 0.0, 7.0]))
    array([2., 9., 0., 0.])
    """
    counted = _grown(last, value)
    return np.where(counted > 0.0, counted, 0.0)


def _grown(last: Floats, value: Floats) -> Floats:
    """Return by how much each counter has grown; a fall is a wrap if that is a plausible count."""
    counted = value - last
    for span in _SPANS:
        wrapped = counted + span
        back = (counted < 0) & (last < span) & (wrapped <= PLAUSIBLE)
        counted = np.where(back, wrapped, counted)
    return counted
