"""Seasonal baseline: what is usual at this hour of this week, and how far from it we are.

Each series has 168 cells, one an hour of the week. A cell holds the usual value and the usual
spread around it. What is judged is not one reading but the last hours together (an exponential
window): a strange minute is noise, a strange morning is an unusual day.

Counts are compared by their logarithm. With K people in the window where M are usual, the surprise
is ln((K + a) / (M + a)) over sqrt(1 / (M + a) + phi): the variance of a negative binomial on that
scale; phi = 0 would be Poisson. phi is learned for each cell, because a market on Saturday varies
otherwise than an office on Tuesday. Other quantities are compared by their difference.

A slow level follows the season of the year, so that the week's shape does not have to.

Cells are kept as 16 bit numbers, but learn in full: the cell that the clock stands in is held apart
and rounded (by at most 0.05 %) once an hour, when it is left.

Readings that come faster than every five minutes are gathered into five minutes first: a baseline
of hours learns nothing from seconds, and the hot path stays cheap.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.kinds import kinds_of
from detectors.limit_lane import NEVER, Flags, Floats, Ints
from detectors.local_time import CELLS, DAYS, LocalCalendar

# Chosen on the counter at Queen Victoria Market alone (README.md, Crowds): memory of the window,
# share of a visit that a cell learns at least, the same for its spread, and the season's memory.
WINDOW_H = 6.0
LEARN = 0.1
LEARN_SPREAD = 0.04
LEVEL_H = 14 * 24.0
# Days of a weekday before its hours may be compared with, and time before anything is said.
MIN_DAYS = 2
WARM_MS = 21 * 86_400_000
# Counts that are too few to be told from noise: a in the docstring.
SOFT = 5.0
# How strongly a cell without experience leans on the series' own mean spread, in visits.
_PRIOR = 8.0
# Beyond this surprise a reading teaches less, as its inverse square: an odd day is not the rule.
_ODD = 3.0
# Smallest spread that is believed: 3 % of a count; other quantities have their own noise.
_COUNT_FLOOR = 0.03
_LEVEL_CLIP, _LEVEL_MOST = 0.5, 2.0
_MOST_DAYS = 200
# Readings are gathered over this long, in milliseconds.
GATHER_MS = 300_000

# Counts are kept in sixteens (up to a million people a reading), all else in its own noise.
_COUNT_UNIT = 16.0
_LARGEST = float(np.finfo(np.float16).max)

Halves = npt.NDArray[np.float16]
STATE = (
    "mean",
    "spread",
    "days",
    "cell",
    "cell_mean",
    "cell_spread",
    "cell_h",
    "seen",
    "usual",
    "pooled",
    "learned_h",
    "level",
    "first_at",
    "last_at",
    "expected",
    "observed",
    "gathered",
    "readings",
    "bucket",
)


@dataclass(frozen=True, slots=True)
class SeasonalRule:
    """How one series is compared with its own weeks.

    Attributes:
        interval_s: Seconds that one reading stands for.
        counts: True for counts per interval, False for any other quantity.
        noise: Standard deviation of a quiet sensor, canonical unit (not for counts).
        timezone: IANA name of the place; "" is UTC.
        holidays: Local days on which people live as on a Sunday.
    """

    interval_s: float
    counts: bool
    noise: float = 0.0
    timezone: str = ""
    holidays: tuple[dt.date, ...] = ()


class SeasonalLane:
    """State of many baselines as a structure of arrays (about 0.9 kB a series).

    The number of a reading is how many usual deviations the last hours are from what is usual then,
    without sign; NaN until the week is known.

    >>> lane = SeasonalLane([SeasonalRule(3600.0, counts=True)])
    >>> hours = [100.0 + 50.0 * (n % 24 > 8) + n % 5 for n in range(24 * 29)]
    >>> numbers = [
    ...     lane.step(np.array([0]), np.array([3_600_000 * n]), np.array([x])).item()
    ...     for n, x in enumerate([*hours, 900.0, 900.0, 900.0])
    ... ]
    >>> bool(np.isnan(numbers[24 * 20])), numbers[24 * 28] < 2.0, numbers[-1] > 5.0
    (True, True, True)

    Attributes:
        expected, observed: What was usual and what came at the last judged reading: for counts
            people per hour in the window, otherwise the value itself; NaN before.
    """

    def __init__(self, rules: Sequence[SeasonalRule]) -> None:
        size = len(rules)
        kinds, self.kind = kinds_of(rules)
        made: dict[tuple[str, tuple[dt.date, ...]], int] = {}
        self._calendar_of = np.array(
            [made.setdefault((rule.timezone, rule.holidays), len(made)) for rule in kinds], np.int64
        )
        self._calendars = [LocalCalendar(*key) for key in made]
        self.hours = np.array([rule.interval_s / 3600.0 for rule in kinds])
        self.gathers = np.array([rule.interval_s * 1000 < GATHER_MS for rule in kinds], np.bool_)
        self.counts = np.array([rule.counts for rule in kinds], np.bool_)
        noise = np.array([max(rule.noise, 1e-9) for rule in kinds])
        self._floor = np.where(self.counts, _COUNT_FLOOR, noise) ** 2
        self._unit = np.where(self.counts, _COUNT_UNIT / self.hours, noise)
        self._spread_unit = np.where(self.counts, 1.0, noise**2)
        self.mean: Halves = np.full((size, CELLS), np.nan, np.float16)
        self.spread: Halves = np.zeros((size, CELLS), np.float16)
        self.days = np.zeros((size, DAYS), np.uint8)
        self.cell = np.full(size, -1, np.int16)
        self.cell_mean, self.cell_spread = np.full(size, np.nan), np.zeros(size)
        self.cell_h, self.seen, self.usual = np.zeros(size), np.zeros(size), np.zeros(size)
        self.pooled, self.learned_h = np.zeros(size), np.zeros(size)
        self.level = np.zeros(size)
        self.first_at: Ints = np.full(size, NEVER, np.int64)
        self.last_at: Ints = np.full(size, NEVER, np.int64)
        self.expected, self.observed = np.full(size, np.nan), np.full(size, np.nan)
        self.gathered, self.readings = np.zeros(size), np.zeros(size, np.float32)
        self.bucket: Ints = np.full(size, NEVER, np.int64)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Return how unusual the last hours of each reading are (see `detectors.lane`)."""
        surprise = np.full(lines.size, np.nan)
        gathers = self.gathers[self.kind[lines]]
        if not gathers.any():
            due = np.flatnonzero(at > self.last_at[lines])
            if due.size:
                lines, at = lines[due], at[due]
                surprise[due] = self._step(lines, at, value[due], self.hours[self.kind[lines]])
            return surprise
        if gathers.all():
            return self._gather(lines, at, value)
        for part in (gathers, ~gathers):
            surprise[part] = self.step(lines[part], at[part], value[part])
        return surprise

    def teach(self, lines: Ints, at: Ints, value: Floats) -> None:
        """Learn from hourly means of the history (see `detectors.lane`)."""
        hours = np.maximum(self.hours[self.kind[lines]], 1.0)
        for step, means in enumerate(value):
            there = np.flatnonzero(np.isfinite(means))
            if there.size:
                when = np.full(there.size, at[step])
                self._step(lines[there], when, means[there], hours[there])

    def _gather(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Gather fast readings; judge what was gathered when its five minutes are over."""
        bucket = at // GATHER_MS
        last = self.bucket[lines]
        surprise = np.full(lines.size, np.nan)
        full = np.flatnonzero((bucket > last) & (self.readings[lines] > 0.0))
        if full.size:
            done = lines[full]
            count = self.readings[done]
            mean = self.gathered[done] / count
            # It is judged at the end of its own five minutes.
            then = (last[full] + 1) * GATHER_MS - 1
            surprise[full] = self._step(done, then, mean, self.hours[self.kind[done]] * count)
        fresh = bucket > last
        keep = bucket >= last
        readings = np.where(fresh, 0.0, self.readings[lines])
        gathered = np.where(fresh, 0.0, self.gathered[lines])
        self.readings[lines] = readings + keep
        self.gathered[lines] = gathered + np.where(keep, value, 0.0)
        self.bucket[lines] = np.maximum(bucket, last)
        return surprise

    def _step(self, lines: Ints, at: Ints, value: Floats, hours: Floats) -> Floats:
        """Judge, then learn *value*, the mean of readings that stand for *hours* together."""
        cells = self._cells(lines, at)
        first = self.first_at[lines] == NEVER
        self.first_at[lines] = np.where(first, at, self.first_at[lines])
        gap_h = np.where(first, 0.0, (at - self.last_at[lines]) / 3_600_000.0)
        self._visit(lines, cells, gap_h, hours)
        kind = self.kind[lines]
        counts = self.counts[kind]
        number = np.where(counts, value / self.hours[kind], value)
        fresh = np.isnan(self.cell_mean[lines])
        known = ~fresh & (self.days[lines, cells // 24] > MIN_DAYS)
        usual = self._usual(lines, counts)
        decay = np.exp(-gap_h / WINDOW_H)
        # Where the cell is unknown the window only fades.
        seen = self.seen[lines] * decay + np.where(known, number, 0.0) * hours
        meant = self.usual[lines] * decay + np.where(known, usual, 0.0) * hours
        self.seen[lines], self.usual[lines] = seen, meant
        miss, poisson = _misses(seen, meant, counts)
        spread, visited = self._spread(lines, cells)
        surprise = np.abs(miss) / np.sqrt(poisson + spread)
        warm = known & (at - self.first_at[lines] > WARM_MS)
        self.expected[lines] = np.where(counts, meant / WINDOW_H, usual)
        self.observed[lines] = np.where(counts, seen / WINDOW_H, usual + miss)
        excess = np.maximum(miss * miss - poisson, 0.0)
        self._learn_spread(lines, np.where(known, hours, 0.0), excess, spread, visited)
        self._learn(lines, cells, number, hours, np.where(known, surprise, 0.0))
        self._follow(lines, np.where(known, hours / LEVEL_H, 0.0), miss)
        self.last_at[lines] = at
        return np.where(warm, surprise, np.nan)

    def _usual(self, lines: Ints, counts: Flags) -> Floats:
        level, mean = self.level[lines], self.cell_mean[lines]
        usual: Floats = np.where(counts, mean * np.exp(level), mean + level)
        return usual

    def _follow(self, lines: Ints, share: Floats, miss: Floats) -> None:
        """Let the slow level follow the season."""
        counts, level = self.counts[self.kind[lines]], self.level[lines]
        moved = level + share * np.where(counts, np.clip(miss, -_LEVEL_CLIP, _LEVEL_CLIP), miss)
        self.level[lines] = np.where(counts, np.clip(moved, -_LEVEL_MOST, _LEVEL_MOST), moved)

    def _cells(self, lines: Ints, at: Ints) -> Ints:
        if len(self._calendars) == 1:
            return self._calendars[0].cells(at)
        cells = np.zeros(lines.size, np.int64)
        which = self._calendar_of[self.kind[lines]]
        for number in np.unique(which).tolist():
            here = which == number
            cells[here] = self._calendars[number].cells(at[here])
        return cells

    def _visit(self, lines: Ints, cells: Ints, gap_h: Floats, hours: Floats) -> None:
        """Count days, and the hours within this visit of the cell."""
        was = self.cell[lines].astype(np.int64)
        came = (cells != was) | (gap_h >= 1.0)
        dawned = (cells // 24 != was // 24) | (gap_h >= 24.0)
        days = self.days[lines, cells // 24]
        more = dawned & (days < _MOST_DAYS)
        self.days[lines, cells // 24] = days + more.astype(np.uint8)
        self._turn_to(lines, was, cells)
        self.cell_h[lines] = np.where(came, hours, self.cell_h[lines] + hours)

    def _turn_to(self, lines: Ints, was: Ints, cells: Ints) -> None:
        """Lay the cells that are left back into the week, and take out those that are entered."""
        turns = np.flatnonzero(cells != was)
        if not turns.size:
            return
        lines, was, cells = lines[turns], was[turns], cells[turns]
        kind = self.kind[lines]
        unit, spread_unit = self._unit[kind], self._spread_unit[kind]
        left = was >= 0
        mean = np.clip(self.cell_mean[lines] / unit, -_LARGEST, _LARGEST)
        spread = np.minimum(self.cell_spread[lines] / spread_unit, _LARGEST)
        self.mean[lines[left], was[left]] = mean[left]
        self.spread[lines[left], was[left]] = spread[left]
        self.cell_mean[lines] = self.mean[lines, cells] * unit
        self.cell_spread[lines] = self.spread[lines, cells] * spread_unit
        self.cell[lines] = cells

    def _spread(self, lines: Ints, cells: Ints) -> tuple[Floats, Floats]:
        """Return the variance that is usual here, and how many visits taught it."""
        days = self.days[lines, cells // 24].astype(np.float64)
        visited = np.maximum(days - MIN_DAYS - 1, 0.0)
        lean = _PRIOR / (_PRIOR + visited)
        own = self.cell_spread[lines]
        spread = (1.0 - lean) * own + lean * self.pooled[lines]
        return np.maximum(spread, self._floor[self.kind[lines]]), visited

    def _learn_spread(
        self,
        lines: Ints,
        hours: Floats,
        excess: Floats,
        spread: Floats,
        visited: Floats,
    ) -> None:
        """Learn the usual spread; *hours* is 0 where nothing may be learned."""
        learned = self.learned_h[lines] + hours
        self.learned_h[lines] = learned
        pooled = self.pooled[lines]
        most = np.where(pooled > 0.0, 9.0 * pooled, np.inf) + self._floor[self.kind[lines]]
        gain = np.maximum(hours / np.maximum(learned, 1e-9), LEARN_SPREAD * hours / 24.0)
        gain = np.minimum(gain, 1.0)
        self.pooled[lines] = pooled + gain * (np.minimum(excess, most) - pooled)
        own = self.cell_spread[lines]
        share = _per_step(
            np.maximum(1.0 / (visited + 1.0), LEARN_SPREAD), hours, self.cell_h[lines]
        )
        self.cell_spread[lines] = own + share * (np.minimum(excess, 9.0 * spread) - own)

    def _learn(
        self, lines: Ints, cells: Ints, number: Floats, hours: Floats, surprise: Floats
    ) -> None:
        """Move the cell towards the reading; what is odd moves it less."""
        level = self.level[lines]
        here = np.where(self.counts[self.kind[lines]], number / np.exp(level), number - level)
        mean = self.cell_mean[lines]
        # A first visit is the plain mean of its readings.
        first = np.isnan(mean)
        days = np.maximum(self.days[lines, cells // 24].astype(np.float64), 1.0)
        share = _per_step(np.maximum(1.0 / days, LEARN), hours, self.cell_h[lines])
        odd = surprise > _ODD
        share = np.where(odd, share * (_ODD / np.where(odd, surprise, 1.0)) ** 2, share)
        mean = np.where(first, here, mean)
        self.cell_mean[lines] = mean + share * (here - mean)


def _misses(seen: Floats, meant: Floats, counts: Flags) -> tuple[Floats, Floats]:
    """Return how far the window is from the usual, and what of its variance is mere counting."""
    logs = np.log((np.maximum(seen, 0.0) + SOFT) / (np.maximum(meant, 0.0) + SOFT))
    poisson = 1.0 / (np.maximum(meant, 0.0) + SOFT)
    # A full window weighs WINDOW_H hours, so this is the mean difference of the last hours.
    return (
        np.where(counts, logs, (seen - meant) / WINDOW_H),
        np.where(counts, poisson, 0.0),
    )


def _per_step(visit_share: Floats, hours: Floats, cell_h: Floats) -> Floats:
    """Return the share of one reading so that a whole visit of an hour has *visit_share*.

    A first visit (share 1) is the plain mean of its readings.
    """
    whole = visit_share >= 1.0
    share = 1.0 - (1.0 - np.where(whole, 0.5, visit_share)) ** np.minimum(hours, 1.0)
    return np.where(whole, hours / np.maximum(np.maximum(cell_h, hours), 1e-9), share)
