"""The scoring of the Numenta Anomaly Benchmark, written from its published definition.

A scaled sigmoid rewards the earliest hit in an event's window by how early it is, charges each row
that fires outside of one, less if it comes soon after, and charges windows without a hit. Three
profiles weigh these differently (Lavin & Ahmad 2015; reference figures in `detectors/README.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors.limit_lane import Flags, Floats, Ints

# A hit, a false row, a missed window: weights of the three published profiles.
PROFILES = {
    "standard": (1.0, 0.11, 1.0),
    "low_fp": (1.0, 0.22, 1.0),
    "low_fn": (1.0, 0.11, 2.0),
}
# The first rows are not scored: this share of a file, at most so many.
_PROBATION, _PROBATION_ROWS = 0.15, 750


class Profiles(msgspec.Struct, frozen=True):
    """Normalised scores: 100 = every window hit at its first row, 0 = silence."""

    standard: float | None
    low_fp: float | None
    low_fn: float | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What one series contributes to a score; sums over series are scored together.

    Attributes:
        reward: Sum of the hits' sigmoids, each at most 1.
        penalty: Sum of the sigmoids of false rows, at most 0.
        missed: Scorable windows without a hit.
        scorable: Windows that reach beyond probation.
        windows: All windows.
    """

    reward: float = 0.0
    penalty: float = 0.0
    missed: int = 0
    scorable: int = 0
    windows: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.reward + other.reward,
            self.penalty + other.penalty,
            self.missed + other.missed,
            self.scorable + other.scorable,
            self.windows + other.windows,
        )


def sigmoid(place: Floats) -> Floats:
    """Return the scaled sigmoid of a place relative to a window: -1 its start, 0 its last row.

    >>> [round(float(one), 5) for one in sigmoid(np.array([-1.0, 0.0, 4.0]))]
    [0.98661, 0.0, -1.0]
    """
    curve = 2.0 / (1.0 + np.exp(5.0 * np.minimum(place, 3.0))) - 1.0
    return np.where(place > 3.0, -1.0, curve)


_BEST = float(sigmoid(np.array([-1.0]))[0])


def probation(rows: int) -> int:
    """Return how many of *rows* rows are not scored."""
    return min(int(_PROBATION * rows), _PROBATION_ROWS)


def count(fires: Flags, windows: Sequence[tuple[int, int]], skip: int = 0) -> Counted:
    """Count what *fires* earns and costs.

    Args:
        fires: One a row.
        windows: First and last row of each event, inclusive, in order, apart from each other.
        skip: Rows of probation.
    """
    rows = np.flatnonzero(fires)
    rows = rows[rows >= skip]
    scorable = [window for window in windows if window[1] >= skip]
    reward, missed, inside = 0.0, 0, np.zeros(rows.size, np.bool_)
    for first, last in scorable:
        here = (rows >= first) & (rows <= last)
        inside |= here
        if not here.any():
            missed += 1
            continue
        width = last - first + 1
        place = -(last - int(rows[here][0]) + 1) / width
        reward += float(sigmoid(np.array([place]))[0]) / _BEST
    return Counted(reward, _penalty(rows[~inside], windows), missed, len(scorable), len(windows))


def _penalty(rows: Ints, windows: Sequence[tuple[int, int]]) -> float:
    if not rows.size:
        return 0.0
    ends = np.array([last for _, last in windows], np.int64)
    widths = np.array([max(last - first, 1) for first, last in windows], np.float64)
    before = np.searchsorted(ends, rows) - 1
    known = before >= 0
    place = np.full(rows.size, 9.0)
    place[known] = (rows[known] - ends[before[known]]) / widths[before[known]]
    return float(sigmoid(place).sum())


def profiles(counted: Counted) -> Profiles:
    """Return the normalised scores of the three profiles."""
    if not counted.windows:
        return Profiles(None, None, None)
    told = {}
    for name, (hit, false, miss) in PROFILES.items():
        raw = hit * counted.reward + false * counted.penalty - miss * counted.missed
        base = -miss * counted.scorable
        told[name] = round(100 * (raw - base) / (hit * counted.windows - base), 2)
    return Profiles(**told)
