"""The score of the Numenta Anomaly Benchmark, from alarms a row to one figure a profile.

Rows inside a labelled window earn by how early the first hit comes; rows outside it that fire cost
by how far they lie behind the last window (Lavin and Ahmad 2015, "Evaluating Real-time Anomaly
Detection Algorithms", section II; NAB v1.1). The first 15 % of a file, at most 750 rows, are its
probation and are not scored. A figure is normalised so that silence is 0 and a hit in the first
row of every window, with no other alarm, is 100.

As a threshold falls, a file's raw score moves only at scores of its own rows. `steps` returns those
moves once, so that a sweep over all thresholds, or a cross-validation over many parameter sets,
costs one sort.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp

import numpy as np

from detectors.limit_lane import Floats, Ints

# Share of a file that is probation, and the rows of a file beyond which it no longer grows (NAB).
PROBATION = 0.15
PROBATION_CAP_ROWS = 5000
# Steepness of the sigmoid, and the widths behind a window after which a false alarm costs full.
STEEPNESS = 5.0
FULL_COST_WIDTHS = 3.0
PERFECT = 100.0


@dataclass(frozen=True, slots=True)
class Profile:
    """Weights of one application profile; none has a unit.

    Attributes:
        name: As NAB calls it.
        hit: Earned by a hit in the first row of a window.
        false_alarm: Paid by a false alarm far from any window.
        miss: Paid by a window without a hit.
    """

    name: str
    hit: float
    false_alarm: float
    miss: float


# The application profiles of NAB v1.1.
STANDARD = Profile("standard", 1.0, 0.11, 1.0)
LOW_FALSE_ALARM = Profile("low-FP", 1.0, 0.22, 1.0)
LOW_MISS = Profile("low-FN", 1.0, 0.11, 2.0)
PROFILES = (STANDARD, LOW_FALSE_ALARM, LOW_MISS)


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of one file.

    Attributes:
        rows: How many it has.
        windows: First and last row of each labelled window, both inclusive, in order.
    """

    rows: int
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows at the start that are not scored."""
        return int(min(self.rows, PROBATION_CAP_ROWS) * PROBATION)

    @property
    def scorable(self) -> int:
        """Windows that reach beyond the probation."""
        return sum(last >= self.probation for _, last in self.windows)


@dataclass(frozen=True, slots=True)
class Steps:
    """How one file's raw score moves while the threshold falls.

    Attributes:
        level: The threshold at which each move happens (a row fires at or above it), falling.
        gain: What is added there.
        silent: Raw score with no alarm at all.
    """

    level: Floats
    gain: Floats
    silent: float

    def raw(self, threshold: float) -> float:
        """Return the raw score at *threshold*."""
        return self.silent + float(self.gain[self.level >= threshold].sum())


def labels_of(at: Ints, windows: Iterable[tuple[int, int]]) -> Labels:
    """Return the labels of a file with rows at *at*, from inclusive windows of time, both in ms.

    A window that holds no row is left out.
    """
    rows = [
        (int(np.searchsorted(at, start)), int(np.searchsorted(at, end, side="right")) - 1)
        for start, end in sorted(windows)
    ]
    return Labels(len(at), tuple((first, last) for first, last in rows if first <= last))


def sigmoid(position: float) -> float:
    """Return the worth of an alarm at *position*, in window widths from the window's end.

    -1 is the window's first row (worth 0.987), 0 its end (0), 1 and more behind it (towards -1).
    """
    if position > FULL_COST_WIDTHS:
        return -1.0
    return 2.0 / (1.0 + exp(STEEPNESS * position)) - 1.0


def worth(labels: Labels) -> Floats:
    """Return the worth of each row, before weights: positive inside windows, negative outside."""
    result = np.full(labels.rows, -1.0)
    for index, (first, last) in enumerate(labels.windows):
        width = last - first + 1
        for row in range(first, last + 1):
            result[row] = sigmoid(-(last - row + 1) / width)
        until = labels.rows
        if index + 1 < len(labels.windows):
            until = labels.windows[index + 1][0]
        for row in range(last + 1, until):
            result[row] = sigmoid((row - last) / max(width - 1, 1))
    return result


def steps(score: Floats, labels: Labels, profile: Profile = STANDARD) -> Steps:
    """Return how the raw score of one file depends on the threshold.

    Args:
        score: One a row, higher is more anomalous; NaN never fires.
        labels: Of the same file.
        profile: Whose weights.

    Raises:
        ValueError: If there is not one score a row.
    """
    if len(score) != labels.rows:
        raise ValueError(f"{len(score)} scores for a file of {labels.rows} rows")
    value = worth(labels)
    outside = np.arange(labels.rows) >= labels.probation
    level: list[Floats] = []
    gain: list[Floats] = []
    for first, last in labels.windows:
        outside[first : last + 1] = False
        start = max(first, labels.probation)
        if start > last:
            continue
        inside = slice(start, last + 1)
        earned = profile.hit * value[inside] / sigmoid(-1.0)
        marks = _earliest(score[inside], earned, profile.miss)
        level.append(marks[0])
        gain.append(marks[1])
    fires = outside & ~np.isnan(score)
    level.append(score[fires])
    gain.append(profile.false_alarm * value[fires])
    levels, gains = np.concatenate(level), np.concatenate(gain)
    order = np.argsort(-levels, kind="stable")
    return Steps(levels[order], gains[order], -profile.miss * labels.scorable)


def _earliest(score: Floats, earned: Floats, miss: float) -> tuple[Floats, Floats]:
    """Return the moves of one window: only its earliest hit counts, so only records matter."""
    known = np.where(np.isnan(score), -np.inf, score)
    before = np.concatenate(([-np.inf], np.maximum.accumulate(known)[:-1]))
    record = np.flatnonzero(known > before)
    worth_then = np.concatenate((earned[record], [-miss]))
    return known[record], worth_then[:-1] - worth_then[1:]


def normalise(raw: float, files: Iterable[Labels], profile: Profile = STANDARD) -> float:
    """Return the score of *files* together: 0 for silence, 100 for the perfect detector."""
    known = tuple(files)
    silent = -profile.miss * sum(labels.scorable for labels in known)
    perfect = profile.hit * sum(len(labels.windows) for labels in known)
    if perfect == silent:
        return 0.0
    return PERFECT * (raw - silent) / (perfect - silent)
