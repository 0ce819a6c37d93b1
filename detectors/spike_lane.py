"""A sensor that jumps: a lone reading far from its neighbours, or a fall that nature can't do.

Each reading is held against the last one that was believed. A jump towards the danger may be the
danger itself: it is called a spike only when it comes back within a few readings. A jump away from
it (water falls by a hand within one reading: the sensor hangs in the air) is told at once. A jump
that stays is believed after a few readings.
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

STATE = ("believed", "last_at", "scale", "seen", "waits", "peak", "told", "expected")

# A jump counts from this many usual differences between two readings; chosen on three Logan River
# gauges (README, Sensor faults).
_TIMES = 30.0
# Memory of the usual difference, in readings, and how far one difference may pull it.
_GAIN = 0.02
_CLIP = 4.0
# Readings before anything is said.
_WARM = 48
# A jump that has not come back after this many readings is believed.
_PATIENCE = 4
# Back means: at most this share of the jump is left.
_BACK = 0.5
# Smallest jump worth a word, canonical unit, and the usual difference of a quiet sensor below which
# no scale sinks. Water: 6 cm within one reading; ultrasonic gauges of 5 mm; the rest: choices of
# this project, several times what the sensors' data sheets call their noise.
SMALLEST: dict[Quantity, float] = {
    Quantity.WATER_LEVEL: 0.06,
    Quantity.TEMPERATURE: 3.0,
    Quantity.HUMIDITY: 10.0,
    Quantity.CARBON_DIOXIDE: 300.0,
    Quantity.PM1: 100.0,
    Quantity.PM2_5: 100.0,
    Quantity.PM10: 150.0,
}


@dataclass(frozen=True, slots=True)
class SpikeRule:
    """How one series is watched.

    Attributes:
        smallest: Smallest jump worth a word, canonical unit.
        away: Sign of a jump away from the danger (-1: falls are told at once), 0: both directions
            must come back.
        gap_ms: After a longer silence the next reading is believed, whatever it is.
    """

    smallest: float
    away: int
    gap_ms: int


class SpikeLane:
    """Jumps of many series.

    The number of a reading is the size of its jump in units of what counts as one: 1 is a jump.

    >>> lane = SpikeLane([SpikeRule(0.06, -1, 60_000)])
    >>> numbers = [
    ...     lane.step(np.array([0]), np.array([1000 * n]), np.array([x])).item()
    ...     for n, x in enumerate([0.30] * 60 + [0.05, 0.30, 0.90, 0.31, 0.9, 0.9, 0.9, 0.9])
    ... ]
    >>> [round(number, 1) for number in numbers[-8:]]
    [4.2, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 0.0]

    Attributes:
        believed: Last value that was believed.
        scale: Usual difference between two readings, canonical unit.
        waits: Readings since the jump that is not believed yet; 0: none.
        peak: Largest distance of that jump so far.
        told, expected: The last jump that was told: its value, and what was believed then.
    """

    def __init__(self, rules: Sequence[SpikeRule]) -> None:
        size = len(rules)
        kinds, self._kind = kinds_of(rules)
        self._smallest = np.array([rule.smallest for rule in kinds], np.float64)
        self._away = np.array([rule.away for rule in kinds], np.float64)
        self._gap_ms = np.array([rule.gap_ms for rule in kinds], np.int64)
        self.believed = np.full(size, np.nan)
        self.last_at = np.full(size, NEVER, np.int64)
        self.scale = np.zeros(size)
        self.seen = np.zeros(size, np.int32)
        self.waits = np.zeros(size, np.int32)
        self.peak = np.zeros(size)
        self.told = np.full(size, np.nan)
        self.expected = np.full(size, np.nan)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Return the size of each reading's jump, 1 = a jump (see `detectors.lane`)."""
        believed, scale = self.believed[lines], self.scale[lines]
        waits, peak, seen = self.waits[lines], self.peak[lines], self.seen[lines]
        kind = self._kind[lines]
        smallest, away = self._smallest[kind], self._away[kind]
        anew = at - self.last_at[lines] > self._gap_ms[kind]
        jump = np.where(anew, 0.0, value - believed)
        size = np.abs(jump)
        line = np.maximum(smallest, _TIMES * scale)
        far = size >= line
        # It comes back: what was far is near again, and was far in the direction of the danger.
        back = (waits > 0) & (size <= _BACK * np.abs(peak)) & ~anew
        falls = far & (jump * away > 0.0)
        spike = back & (peak * away <= 0.0)
        number = np.where(falls, size / line, np.where(spike, np.abs(peak) / line, 0.0))
        told = (falls & (waits == 0)) | spike
        if told.any():
            self.told[lines[told]] = np.where(falls, value, believed + peak)[told]
            self.expected[lines[told]] = believed[told]
        waiting = far & ~back & (waits < _PATIENCE)
        learns = ~anew & ~waiting & (seen > 0)
        gain = np.maximum(_GAIN, 1.0 / np.maximum(seen, 1))
        pull = np.where(
            seen < _WARM, size, np.minimum(size, _CLIP * np.maximum(scale, smallest / 100))
        )
        self.scale[lines] = scale + np.where(learns, gain * (pull - scale), 0.0)
        self.believed[lines] = np.where(waiting, believed, value)
        self.waits[lines] = np.where(waiting, waits + 1, 0)
        self.peak[lines] = np.where(waiting, np.where(size > np.abs(peak), jump, peak), 0.0)
        self.seen[lines] = np.minimum(seen + 1, _WARM)
        self.last_at[lines] = at
        return np.where((seen >= _WARM) & ~anew, number, np.nan)


# Quantities that cannot leave the danger within one reading: a jump away from it is told at once.
_AWAY = {Quantity.WATER_LEVEL: -1}
_HOUR_MS = 3_600_000


def choose(plan: SeriesPlan) -> Choice | None:
    """Watch quantities whose smallest jump is known."""
    smallest = SMALLEST.get(plan.series.quantity)
    if smallest is None:
        return None
    gap = gap_ms(plan.interval_s)
    rule = SpikeRule(smallest, _AWAY.get(plan.series.quantity, 0), gap)
    levels = (Level(Grade.BLUE, 1.0, 0, 1, _HOUR_MS),)
    return Choice(rule, LimitRule(levels, True, 0.0, gap, "jumps more than it ever differs"))


def why(lane: SpikeLane, line: int, told: Because) -> Because:
    """Tell the reading that jumped, and what was believed then."""
    seen = float(lane.told[line])
    if np.isnan(seen):
        return replace(told, value=float(lane.believed[line]), held_s=None)
    expected = float(lane.expected[line])
    return replace(told, value=seen, usual=expected, scatter=float(lane.scale[line]), held_s=None)


DETECTOR = Detector("spike", SpikeLane, STATE, choose, why, fault=Reason.RATE)
