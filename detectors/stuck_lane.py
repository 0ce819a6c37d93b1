"""A sensor that is stuck: its value does not change for longer than it ever has before.

A run is a stretch of readings that stay within the resolution of its first one. What counts is the
longest run that the series has shown so far, slowly forgotten. A series that is constant by nature
(a dry gauge, an empty hall) is recognised by the share of its readings that change, and not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from core.community import gap_ms
from core.finding import Because
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quality import Reason
from core.quantity import Quantity
from detectors.kinds import kinds_of
from detectors.lane import Choice, Detector
from detectors.limit_lane import NEVER, Floats, Ints

if TYPE_CHECKING:
    from detectors.plan import SeriesPlan

STATE = ("anchor", "run_at", "last_at", "longest_ms", "seen_ms", "lively")

# A run must be this many times longer than the longest one before; choice of this project, in place
# of a tail probability that needs months of runs.
_TIMES = 3.0
# Not stuck before this time and this many intervals, however lively the series was (detection.md,
# D5: one hour or six intervals).
_SHORTEST_S = 3600.0
_INTERVALS = 12
# Observed time before anything is said, in seconds and in intervals of the series.
_WARM_S = 6 * 3600.0
_WARM_INTERVALS = 48
# At least this share of readings must change (remembered over 500 of them) for a standstill to mean
# anything; choices of this project.
_LIVELY = 0.2
_LIVELY_GAIN = 0.002
# The longest run is forgotten with this memory, so that one dull holiday does not excuse a broken
# sensor for ever.
_MEMORY_S = 30 * 86_400.0
# Half of the smallest step that a sensor of this quantity tells, canonical unit. Only quantities
# whose noise is larger than their resolution are watched: a switch, a counter or clean air may
# rightly be constant. Sources: data sheets of the drivers' devices.
RESOLUTION: dict[Quantity, float] = {
    Quantity.WATER_LEVEL: 0.0001,
    Quantity.TEMPERATURE: 0.001,
    Quantity.HUMIDITY: 0.001,
    Quantity.CARBON_DIOXIDE: 0.1,
    Quantity.PM1: 0.01,
    Quantity.PM2_5: 0.01,
    Quantity.PM10: 0.01,
}


@dataclass(frozen=True, slots=True)
class StuckRule:
    """How one series is watched.

    Attributes:
        resolution: Changes up to this are none, canonical unit.
        shortest_ms: No run shorter than this is called stuck.
        warm_ms: Observed time before anything is said.
        gap_ms: A longer silence between two readings ends a run: nobody saw it go on.
    """

    resolution: float
    shortest_ms: int
    warm_ms: int
    gap_ms: int


class StuckLane:
    """Runs of many series.

    The number of a reading is the length of its run in units of the length that counts as stuck:
    1 means stuck.

    >>> lane = StuckLane([StuckRule(0.0, 3_000, 4_000, 2_000)])
    >>> steps = [1.0, 2.0, 1.0, 2.0, 1.0, 5.0, 5.0, 5.0, 5.0]
    >>> numbers = [
    ...     lane.step(np.array([0]), np.array([1000 * n]), np.array([x])).item()
    ...     for n, x in enumerate(steps)
    ... ]
    >>> [round(number, 2) for number in numbers[-5:]]
    [0.0, 0.0, 0.33, 0.67, 1.0]

    Attributes:
        anchor, run_at: First value and time of the run that goes on.
        longest_ms: Longest finished run, slowly forgotten.
        seen_ms: Observed time so far.
        lively: Share of readings that change, learned while no run is long.
    """

    def __init__(self, rules: Sequence[StuckRule]) -> None:
        size = len(rules)
        kinds, self._kind = kinds_of(rules)
        self._resolution = np.array([rule.resolution for rule in kinds])
        self._shortest_ms = np.array([rule.shortest_ms for rule in kinds], np.float64)
        self._warm_ms = np.array([rule.warm_ms for rule in kinds], np.int64)
        self._gap_ms = np.array([rule.gap_ms for rule in kinds], np.int64)
        self.anchor = np.full(size, np.nan)
        self.run_at = np.full(size, NEVER, np.int64)
        self.last_at = np.full(size, NEVER, np.int64)
        self.longest_ms = np.zeros(size)
        self.seen_ms = np.zeros(size, np.int64)
        self.lively = np.full(size, 0.5)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Return how long the run of each reading has lasted, 1 = stuck (see `detectors.lane`)."""
        last_at, run_at, anchor = self.last_at[lines], self.run_at[lines], self.anchor[lines]
        kind = self._kind[lines]
        gap, shortest = at - last_at, self._shortest_ms[kind]
        watched = gap <= self._gap_ms[kind]
        goes_on = watched & (np.abs(value - anchor) <= self._resolution[kind])
        started = np.where(goes_on, run_at, at)
        run_ms = at - started
        longest, lively = self.longest_ms[lines], self.lively[lines]
        observed = self.seen_ms[lines] + np.where(watched, gap, 0)
        told = (observed >= self._warm_ms[kind]) & (longest > 0.0) & (lively >= _LIVELY)
        number = np.where(told, run_ms / np.maximum(shortest, _TIMES * longest), np.nan)
        changed = watched & ~goes_on
        kept = longest * (1.0 - np.minimum(gap * (watched / (1000.0 * _MEMORY_S)), 1.0))
        self.longest_ms[lines] = np.maximum(kept, np.where(changed, at - run_at, 0))
        learns = watched & (run_ms < shortest)
        self.lively[lines] = lively + _LIVELY_GAIN * learns * (changed - lively)
        self.anchor[lines] = np.where(goes_on, anchor, value)
        self.run_at[lines] = started
        self.seen_ms[lines] = observed
        self.last_at[lines] = at
        return number


def choose(plan: SeriesPlan) -> Choice | None:
    """Watch quantities that are never quite still."""
    resolution = RESOLUTION.get(plan.series.quantity)
    if resolution is None:
        return None
    gap = gap_ms(plan.interval_s)
    shortest_s = max(_SHORTEST_S, _INTERVALS * plan.interval_s)
    warm_s = max(_WARM_S, _WARM_INTERVALS * plan.interval_s)
    rule = StuckRule(resolution, round(1000 * shortest_s), round(1000 * warm_s), gap)
    levels = (Level(Grade.BLUE, 1.0), Level(Grade.YELLOW, 4.0))
    return Choice(rule, LimitRule(levels, True, 0.5, gap, "unchanged longer than ever before"))


def why(lane: StuckLane, line: int, told: Because) -> Because:
    """Tell the value, how long it has stood, and the longest run before."""
    run_ms = int(lane.last_at[line] - lane.run_at[line])
    return replace(
        told,
        value=float(lane.anchor[line]),
        held_s=run_ms / 1000.0,
        expected_s=float(lane.longest_ms[line]) / 1000.0,
    )


DETECTOR = Detector("stuck", StuckLane, STATE, choose, why, fault=Reason.STUCK)
