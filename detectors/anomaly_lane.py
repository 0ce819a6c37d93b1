"""Unlike anything this series has shown: the fallback where no limit and no other detector applies.

Three views of a reading are turned into surprises, each -log10 of a chance: how far it is from what
this hour of the week has been (both sides apart); how far the half-day mean has left the long mean;
how far it lies beyond the range seen so far. Fisher's method adds them up: of three independent
p-values, -2 ln of their product is chi-square distributed with six degrees of freedom, so that the
sum is itself a p-value. The number of the lane is -log10 of it. 3 means: one quiet reading in 1000.

Views depend on each other, and most of the time the last one has nothing to say, so that the sum
promises too much: in a quiet series it is rarer than it claims. The lane therefore keeps account of
its own budget (adaptive conformal inference, Gibbs and Candes 2021): every reading that does not
fire adds a little to the next numbers, every one that fires takes a thousand times as much back.

No scale, offset, range or season is given: all is learned from the past of the series itself.
Hours are hours of UTC; in a zone that keeps summer time its week is learned anew twice a year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log10
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from core.community import gap_ms
from core.finding import Because
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quantity import Quantity
from detectors.kinds import Places, kinds_of
from detectors.lane import Choice, Detector
from detectors.limit_lane import NEVER, Floats, Ints
from detectors.tail_histogram import TailHistograms

if TYPE_CHECKING:
    from detectors.plan import SeriesPlan

STATE = (
    "anchor",
    "week",
    "day",
    "short",
    "long",
    "lowest",
    "highest",
    "learned",
    "learned_at",
    "seen",
    "usual",
    "rarity",
    "counts",
    "top",
    "total",
    "record",
    "credit",
)

# An hour of the week follows its readings with this memory: a fifth of the way in five minutes
# (detection.md, section 3.9).
HOUR_TAU_S = 1345.0
# Means of the level view (detection.md, 3.10: 12 h and 35 days).
SHORT_TAU_S = 12 * 3600.0
LONG_TAU_S = 35 * 86_400.0
# Faster series learn from one reading in four minutes only, so that the memory of the tails is
# months, not hours; they judge every reading.
LEARN_EVERY_MS = 240_000
# Readings learned before anything is said: half a day at one in five minutes.
WARM = 144
# No view says more than this; and one per cent beyond the range seen so far is worth one order of
# magnitude (detection.md, 3.12 and 4).
CAP = 10.0
PER_RANGE = 100.0
# A silence teaches as much time as this many intervals.
_MOST_INTERVALS = 5
# Three views for every series: histograms of what is above and below the hour, and of the level.
_VIEWS = 3
_HOUR_MS, _WEEK_H, _DAY_H = 3_600_000, 168, 24
# Deviations are kept as 32 bit numbers: larger ones are cut.
_LARGEST = 1e37
# Quiet for this many intervals ends an episode.
_QUIET_INTERVALS = 25
# One reading in 1000 quiet ones, the alarm budget of issue 4; and the strong form: 1 in 30,000,
# twice in a row (detection.md, section 4: 2.2 a view).
BUDGET, _STRONG = 3.0, 4.5
# Credit that a reading in the budget takes back, in orders of magnitude, and the most that quiet
# may save up: that of six weeks at one reading in five minutes. It is never negative: who has
# alarmed often is not made deaf by it.
_TAKES, _MOST_CREDIT = 0.15, 1.2
# Quantities of which nothing else knows what is usual.
FALLBACK = frozenset({Quantity.OTHER, Quantity.VOLTAGE, Quantity.CURRENT})


@dataclass(frozen=True, slots=True)
class AnomalyRule:
    """How one series is watched.

    Attributes:
        interval_s: Usual seconds between readings.
        hour_tau_s: Memory within an hour of the week, in seconds.
        short_tau_s, long_tau_s: Memories of the two means of the level view, in seconds.
    """

    interval_s: float
    hour_tau_s: float = HOUR_TAU_S
    short_tau_s: float = SHORT_TAU_S
    long_tau_s: float = LONG_TAU_S


class AnomalyLane:
    """What many series have been like.

    >>> lane = AnomalyLane([AnomalyRule(300.0)])
    >>> one = np.zeros(1, np.int64)
    >>> for n in range(2000):
    ...     told = lane.step(one, np.array([300_000 * n]), np.array([20.0 + n % 7]))
    >>> told.item() < BUDGET
    True
    >>> lane.step(one, np.array([300_000 * 2000]), np.array([35.0])).item() > BUDGET
    True

    Attributes:
        anchor: First value; all others are kept as differences to it.
        week, day: Mean of each hour of the week, and of the day, NaN where it was not seen yet.
        short, long: The two means.
        lowest, highest: Range so far.
        learned, learned_at: How many readings were learned, and when the last.
        seen, usual, rarity: Last value, what was expected, and one in how many it is.
        counts, top, total, record: See `TailHistograms`.
        credit: What is added to each number that is not zero, in orders of magnitude.
    """

    def __init__(self, rules: Sequence[AnomalyRule]) -> None:
        size = len(rules)
        kinds, self._kind = kinds_of(rules)
        self._hour_tau_s = np.array([rule.hour_tau_s for rule in kinds])
        self._short_tau_s = np.array([rule.short_tau_s for rule in kinds])
        self._long_tau_s = np.array([rule.long_tau_s for rule in kinds])
        most = [max(1000.0 * rule.interval_s, LEARN_EVERY_MS) for rule in kinds]
        self._most_ms = np.array(most) * _MOST_INTERVALS
        self.anchor = np.full(size, np.nan)
        self.week = np.full((size, _WEEK_H), np.nan, np.float32)
        self.day = np.full((size, _DAY_H), np.nan, np.float32)
        self.short, self.long = np.zeros(size), np.zeros(size)
        self.lowest, self.highest = np.zeros(size), np.zeros(size)
        self.learned = np.zeros(size, np.int32)
        self.learned_at = np.full(size, NEVER, np.int64)
        self.seen, self.usual = np.full(size, np.nan), np.full(size, np.nan)
        self.rarity = np.ones(size)
        self.credit = np.zeros(size)
        self._tails = TailHistograms(size * _VIEWS)
        self.counts = self._tails.counts.reshape(size, -1)
        self.top = self._tails.top.reshape(size, _VIEWS)
        self.total = self._tails.total.reshape(size, _VIEWS)
        self.record = self._tails.record.reshape(size, _VIEWS)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Return -log10 of the chance of each reading, NaN while warming (see `detectors.lane`)."""
        first = np.isnan(self.anchor[lines])
        self.anchor[lines[first]] = value[first]
        anchor = self.anchor[lines]
        near = np.clip(value - anchor, -_LARGEST, _LARGEST).astype(np.float32).astype(np.float64)
        hour = (at // _HOUR_MS) % _WEEK_H
        usual = self.week[lines, hour].astype(np.float64)
        usual = np.where(np.isnan(usual), self.day[lines, hour % _DAY_H], usual)
        known = ~np.isnan(usual)
        away = np.where(known, near - usual, 0.0)
        gap = at - self.learned_at[lines]
        kind = self._kind[lines]
        step_s = np.minimum(gap, self._most_ms[kind]) / 1000.0
        short, long = self._means(lines, kind, near, step_s)
        # Of the side on which it lies and of the level, at once: calls are what a reading costs.
        tails = np.stack((lines * _VIEWS + (away < 0.0), lines * _VIEWS + 2))
        sizes = np.stack((np.abs(away), np.abs(short - long)))
        strange, moved = self._tails.surprise(tails.ravel(), sizes.ravel()).reshape(2, -1)
        # Two sides were looked at: the chance is twice that of one.
        views = np.stack((strange - log10(2.0), moved, self._extreme(lines, near)))
        number = fisher(np.clip(views, 0.0, CAP))
        number = number + self.credit[lines] * (number > 0.0)
        number = np.where(self.learned[lines] >= WARM, number, np.nan)
        self.lowest[lines] = np.where(first, near, np.minimum(self.lowest[lines], near))
        self.highest[lines] = np.where(first, near, np.maximum(self.highest[lines], near))
        self.seen[lines] = value
        self.usual[lines] = usual + anchor
        self.rarity[lines] = 10.0 ** np.nan_to_num(number)
        due = gap >= LEARN_EVERY_MS
        if due.any():
            learns = lines[due]
            self.short[learns], self.long[learns] = short[due], long[due]
            self._account(learns, number[due])
            self._learn_hours(learns, hour[due], near[due], step_s[due])
            # The other side learns that there was nothing on it.
            other = lines * _VIEWS + (away >= 0.0)
            every = np.concatenate((tails[:, due].ravel(), other[due]))
            nothing = np.zeros(learns.size)
            self._tails.learn(every, np.concatenate((sizes[:, due].ravel(), nothing)))
            self.learned[learns] += 1
            self.learned_at[learns] = at[due]
        return number

    def _account(self, lines: Ints, number: Floats) -> None:
        """Give or take credit, so that in the long run one quiet reading in 1000 fires."""
        told = np.isfinite(number)
        gain = _TAKES * (10.0**-BUDGET - (np.nan_to_num(number) >= BUDGET)) * told
        self.credit[lines] = np.clip(self.credit[lines] + gain, 0.0, _MOST_CREDIT)

    def _means(
        self, lines: Ints, kind: Places, near: Floats, step_s: Floats
    ) -> tuple[Floats, Floats]:
        """Return the short and the long mean with this reading in them."""
        least = 1.0 / (self.learned[lines] + 1.0)
        short, long = self.short[lines], self.long[lines]
        gain = np.maximum(least, 1.0 - np.exp(-step_s / self._short_tau_s[kind]))
        slow = np.maximum(least, 1.0 - np.exp(-step_s / self._long_tau_s[kind]))
        return short + gain * (near - short), long + slow * (near - long)

    def _extreme(self, lines: Ints, near: Floats) -> Floats:
        """Return how far each reading lies beyond its range, in orders of magnitude."""
        low, high = self.lowest[lines], self.highest[lines]
        width = high - low
        beyond = np.maximum(np.maximum(near - high, low - near), 0.0)
        return np.where(width > 0.0, PER_RANGE * beyond / np.where(width > 0.0, width, 1.0), 0.0)

    def _learn_hours(self, lines: Ints, hour: Ints, near: Floats, step_s: Floats) -> None:
        gain = 1.0 - np.exp(-step_s / self._hour_tau_s[self._kind[lines]])
        for profile, cell in ((self.week, hour), (self.day, hour % _DAY_H)):
            mean = profile[lines, cell].astype(np.float64)
            profile[lines, cell] = np.where(np.isnan(mean), near, mean + gain * (near - mean))


def fisher(surprises: Floats) -> Floats:
    """Return -log10 of the combined p-value of three surprises (Fisher 1925).

    >>> round(fisher(np.full((3, 1), 1.626)).item(), 2)
    3.0
    """
    total = surprises.sum(axis=0)
    nats = total * log(10.0)
    return np.asarray(total - np.log10(1.0 + nats + nats * nats / 2.0))


def choose(plan: SeriesPlan) -> Choice | None:
    """Watch what has no limit and nothing else to judge it."""
    if plan.rules or plan.series.quantity not in FALLBACK:
        return None
    gap = gap_ms(plan.interval_s)
    quiet_ms = round(1000 * _QUIET_INTERVALS * plan.interval_s)
    levels = (
        Level(Grade.BLUE, BUDGET, dwell_down_ms=quiet_ms),
        Level(Grade.YELLOW, _STRONG, dwell_down_ms=quiet_ms, samples=2),
    )
    return Choice(
        AnomalyRule(plan.interval_s), LimitRule(levels, True, 0.0, gap, "rarer than 1 in 1000")
    )


def why(lane: AnomalyLane, line: int, told: Because) -> Because:
    """Tell the reading, what is usual at this hour, and how rare it is."""
    usual = float(lane.usual[line])
    return replace(
        told,
        value=float(lane.seen[line]),
        usual=None if np.isnan(usual) else usual,
        rarity=float(lane.rarity[line]),
    )


DETECTOR = Detector(
    "anomaly", AnomalyLane, STATE, choose, why, learned=True, momentary=True, version=2
)
