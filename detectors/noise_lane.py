"""A sensor whose noise has changed: its readings scatter several times as much as they used to.

What a straight line through the last two readings does not explain is the bend. Noise makes bends
that turn to and fro: for white noise of variance v the product of two neighbouring bends is -4 v on
average, while the bends of a rising flood, however steep, point the same way. The mean of that
product on a short memory is held against the same on a long one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from core.community import gap_ms
from core.finding import Because
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quality import Reason
from detectors.kinds import kinds_of
from detectors.lane import Choice, Detector
from detectors.limit_lane import NEVER, Floats, Ints
from detectors.spike_lane import SMALLEST

if TYPE_CHECKING:
    from detectors.plan import SeriesPlan

STATE = ("last", "before", "bend", "last_at", "run", "seen", "short", "long", "drift")

# Memories in readings; choices of this project: six hours and three weeks of a 15-minute gauge.
_SHORT_GAIN = 1.0 / 24.0
_LONG_GAIN = 1.0 / 2000.0
_WARM = 500
# One product may pull the short memory by no more than this many usual variances (a lone wild
# reading makes two), and the long one by less: it forgets a storm, and takes over within weeks a
# noise that stays.
_CLIP = 200.0
_LEARN_CLIP = 10.0
# Product of two neighbouring bends of white noise, in variances.
_TO_VARIANCE = -0.25
# Water that moves is rougher than water that stands: noise must stand out from this many times the
# mean difference between two readings, a tenth of what the level moved within the short memory.
_DRIFT = 0.1 / _SHORT_GAIN
# Standard deviation that is never called noise, as a share of the smallest jump of the quantity.
_FLOOR = 1.0 / 60.0


@dataclass(frozen=True, slots=True)
class NoiseRule:
    """How one series is watched.

    Attributes:
        floor: Standard deviation below which there is no noise to speak of, canonical unit.
        gap_ms: After a longer silence the line is begun anew.
    """

    floor: float
    gap_ms: int


class NoiseLane:
    """Scatter of many series.

    The number of a reading is the scatter now over the usual one.

    >>> lane = NoiseLane([NoiseRule(0.001, 60_000)])
    >>> noise = np.random.default_rng(1).normal(0.0, 0.01, 1000)
    >>> noise[900:] *= 8.0
    >>> numbers = [
    ...     lane.step(np.array([0]), np.array([1000 * n]), noise[n : n + 1]).item()
    ...     for n in range(1000)
    ... ]
    >>> bool(np.nanmax(numbers[:900]) < 2.0), bool(numbers[-1] > 4.0)
    (True, True)

    Attributes:
        last, before, bend: The last two readings, and the bend of the last one.
        run, seen: Readings since the last gap (at most 3), and products learned.
        drift: Mean difference between two readings on the short memory, canonical unit.
        short, long: Variance of the noise on either memory, canonical unit squared.
    """

    def __init__(self, rules: Sequence[NoiseRule]) -> None:
        size = len(rules)
        kinds, self._kind = kinds_of(rules)
        self._floor = np.array([rule.floor**2 for rule in kinds], np.float64)
        self._gap_ms = np.array([rule.gap_ms for rule in kinds], np.int64)
        self.last, self.before, self.bend = np.zeros(size), np.zeros(size), np.zeros(size)
        self.last_at = np.full(size, NEVER, np.int64)
        self.run, self.seen = np.zeros(size, np.int8), np.zeros(size, np.int32)
        self.short, self.long = np.zeros(size), np.zeros(size)
        self.drift = np.zeros(size)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Return the scatter of each reading over the usual one (see `detectors.lane`)."""
        last, seen = self.last[lines], self.seen[lines]
        short, long = self.short[lines], self.long[lines]
        kind = self._kind[lines]
        anew = at - self.last_at[lines] > self._gap_ms[kind]
        run = np.where(anew, 0, self.run[lines])
        bend = value - 2.0 * last + self.before[lines]
        usual = np.maximum(long, self._floor[kind])
        # Two bends in a row need four readings in a row.
        learns = run >= 3
        noise = learns * (_TO_VARIANCE * bend * self.bend[lines])
        share = 1.0 / (seen + 1)
        pull = np.clip(noise, -_CLIP * usual, _CLIP * usual) - short
        short = short + learns * np.maximum(_SHORT_GAIN, share) * pull
        drift = self.drift[lines]
        drift = drift + (run >= 1) * _SHORT_GAIN * (value - last - drift)
        calm = np.maximum(usual, np.square(_DRIFT * drift))
        number = np.sqrt(np.maximum(short, 0.0) / calm)
        number = np.where(learns & (seen >= _WARM), number, np.nan)
        most = np.where(seen < _WARM, _CLIP, _LEARN_CLIP) * usual
        pull = np.clip(noise, -most, most) - long
        self.long[lines] = long + learns * np.maximum(_LONG_GAIN, share) * pull
        self.short[lines], self.drift[lines] = short, drift
        self.bend[lines] = bend
        self.before[lines], self.last[lines] = last, value
        self.run[lines] = np.minimum(run + 1, 3)
        self.seen[lines] = seen + learns
        self.last_at[lines] = at
        return number

    def floor_of(self, line: int) -> float:
        """Return the variance below which there is no noise to speak of in one series."""
        return float(self._floor[self._kind[line]])


def choose(plan: SeriesPlan) -> Choice | None:
    """Watch quantities whose smallest jump is known."""
    smallest = SMALLEST.get(plan.series.quantity)
    if smallest is None:
        return None
    gap = gap_ms(plan.interval_s)
    down_ms = round(12_000 * plan.interval_s)
    levels = (Level(Grade.BLUE, 6.0, 0, 6, down_ms),)
    limits = LimitRule(levels, True, 3.0, gap, "scatters several times as much as it used to")
    return Choice(NoiseRule(_FLOOR * smallest, gap), limits)


def why(lane: NoiseLane, line: int, told: Because) -> Because:
    """Tell the scatter now and the usual one, as standard deviations."""
    usual = max(float(lane.long[line]), lane.floor_of(line))
    return replace(
        told,
        value=float(lane.last[line]),
        scatter=sqrt(max(float(lane.short[line]), 0.0)),
        usual_scatter=sqrt(usual),
    )


DETECTOR = Detector("noise", NoiseLane, STATE, choose, why, fault=Reason.NOISE)
