"""A sensor that was moved: its level jumps within one reading and then stays where it went.

The world moves from one level to the next, too, but not within one reading and then stands as still
as before: a flood goes on rising or falls again. So a jump is held until the readings after it have
stayed together for a while, and only then called a shift.
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
from detectors.kinds import kinds_of
from detectors.lane import Choice, Detector
from detectors.limit_lane import NEVER, Flags, Floats, Ints
from detectors.spike_lane import SMALLEST

if TYPE_CHECKING:
    from detectors.plan import SeriesPlan

STATE = ("last", "last_at", "scale", "seen", "stays", "old", "new")

# A jump counts from this many usual differences, as for spikes.
_TIMES = 30.0
_GAIN = 0.02
_CLIP = 4.0
_WARM = 48
# Readings that must stay within this share of the jump around the level that it went to; choices of
# this project: three hours of a 15-minute gauge.
_STAY = 12
_WITHIN = 0.1


@dataclass(frozen=True, slots=True)
class ShiftRule:
    """How one series is watched.

    Attributes:
        smallest: Smallest jump worth a word, canonical unit.
        gap_ms: After a longer silence a jump may be the world's.
    """

    smallest: float
    gap_ms: int


class ShiftLane:
    """Levels of many series.

    The number of a reading is the size of a jump that has just been confirmed, in units of what
    counts as one; 0 otherwise.

    >>> lane = ShiftLane([ShiftRule(0.06, 60_000)])
    >>> numbers = [
    ...     lane.step(np.array([0]), np.array([1000 * n]), np.array([x])).item()
    ...     for n, x in enumerate([0.30] * 60 + [0.60] * 14)
    ... ]
    >>> round(max(numbers[50:]), 1), numbers[50:].index(max(numbers[50:])) - 10
    (5.0, 12)

    Attributes:
        scale: Usual difference between two readings, canonical unit.
        stays: Readings that have stayed since the jump, 0: none waits.
        old, new: Levels before and after the last jump that was looked at.
    """

    def __init__(self, rules: Sequence[ShiftRule]) -> None:
        size = len(rules)
        kinds, self._kind = kinds_of(rules)
        self._smallest = np.array([rule.smallest for rule in kinds], np.float64)
        self._gap_ms = np.array([rule.gap_ms for rule in kinds], np.int64)
        self.last = np.zeros(size)
        self.last_at = np.full(size, NEVER, np.int64)
        self.scale = np.zeros(size)
        self.seen, self.stays = np.zeros(size, np.int32), np.zeros(size, np.int32)
        self.old, self.new = np.full(size, np.nan), np.full(size, np.nan)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Return the size of a confirmed jump, 1 = a jump (see `detectors.lane`)."""
        last, scale, seen = self.last[lines], self.scale[lines], self.seen[lines]
        kind = self._kind[lines]
        smallest = self._smallest[kind]
        anew = at - self.last_at[lines] > self._gap_ms[kind]
        size = np.where(anew, 0.0, np.abs(value - last))
        line = np.maximum(smallest, _TIMES * scale)
        jumps = (size >= line) & (seen >= _WARM)
        stays = self.stays[lines]
        number = np.zeros(lines.size)
        busy = np.flatnonzero(jumps | (stays > 0))
        if busy.size:
            number[busy] = self._follow(
                lines[busy], value[busy], last[busy], line[busy], jumps[busy], anew[busy]
            )
        gain = np.maximum(_GAIN, 1.0 / np.maximum(seen, 1))
        least = smallest / 100.0
        pull = np.where(seen < _WARM, size, np.minimum(size, _CLIP * np.maximum(scale, least)))
        self.scale[lines] = scale + np.where(anew | (seen < 1), 0.0, gain * (pull - scale))
        self.last[lines] = value
        self.seen[lines] = np.minimum(seen + 1, _WARM)
        self.last_at[lines] = at
        return np.where((seen >= _WARM) & ~anew, number, np.nan)

    def _follow(
        self, lines: Ints, value: Floats, last: Floats, line: Floats, jumps: Flags, anew: Flags
    ) -> Floats:
        """Follow the jumps that wait to be confirmed, and begin new ones."""
        stays, old, new = self.stays[lines], self.old[lines], self.new[lines]
        way = np.abs(new - old)
        stayed = (stays > 0) & (np.abs(value - new) <= _WITHIN * way) & ~anew
        confirmed = stayed & (stays >= _STAY)
        # A jump on a jump is measured from where the first began: what comes back was a spike.
        old = np.where(jumps & (stays == 0), last, old)
        begins = jumps & ~stayed & (np.abs(value - old) >= line)
        self.old[lines] = old
        self.new[lines] = np.where(begins, value, new)
        self.stays[lines] = np.where(begins, 1, np.where(stayed & ~confirmed, stays + 1, 0))
        return np.where(confirmed, way / line, 0.0)


def choose(plan: SeriesPlan) -> Choice | None:
    """Watch quantities whose smallest jump is known."""
    smallest = SMALLEST.get(plan.series.quantity)
    if smallest is None:
        return None
    gap = gap_ms(plan.interval_s)
    levels = (Level(Grade.BLUE, 1.0, 0, 1, _DAY_MS),)
    limits = LimitRule(levels, True, 0.0, gap, "jumped within one reading and stayed there")
    return Choice(ShiftRule(smallest, gap), limits)


# A shift is worth a look by daylight: it is told for a day.
_DAY_MS = 86_400_000


def why(lane: ShiftLane, line: int, told: Because) -> Because:
    """Tell the level now and the one before the jump."""
    old = float(lane.old[line])
    usual = None if np.isnan(old) else old
    scatter = float(lane.scale[line])
    return replace(told, value=float(lane.last[line]), usual=usual, scatter=scatter, held_s=None)


DETECTOR = Detector("shift", ShiftLane, STATE, choose, why, fault=Reason.SHIFT)
