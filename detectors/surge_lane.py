"""How soon a slow gauge reaches its limit at the pace of its last two readings.

A river gauge sends means, a quarter of an hour or more apart. Four of them make a sure line
(`time-to-limit`), but on a steep river the hour that this takes is a third of the whole warning.
Readings that are means already need no line: two of them are a pace. What keeps the quiet weeks
quiet is the share of the way that must be covered first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from core.community import gap_ms
from core.finding import Because, Certainty, Hazard
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quantity import Quantity
from detectors.kinds import kinds_of
from detectors.lane import Choice, Detector
from detectors.limit_lane import NEVER, Floats, Ints
from detectors.rates import NO_LEAD_S, RATES

if TYPE_CHECKING:
    from detectors.plan import SeriesPlan

STATE = ("base", "last_at", "last_value", "lead_s")

# Readings further apart than this are means, not samples: two of them are a pace.
SLOW_S = 300.0
# Share of the way from the quiet level to the limit before a pace counts, and the time to the limit
# that warns. Chosen on the rivers named in README.md (Profiles).
FLOOR_SHARE = 0.55
HORIZON_S = 9_000.0
# The pace must have left this much time before the warning may end, for two intervals.
_RELEASE_S = 2 * HORIZON_S
_DOWN_INTERVALS = 2


@dataclass(frozen=True, slots=True)
class SurgeRule:
    """How one gauge is watched.

    Attributes:
        target: The limit that is foreseen, canonical unit.
        base_tau_s: How fast the quiet level is followed upwards, in seconds; downwards at once.
        gap_ms: Over a longer gap there is no pace.
    """

    target: float
    base_tau_s: float
    gap_ms: int


class SurgeLane:
    """Paces of many gauges. The number of a reading is the time to the limit in seconds.

    >>> lane = SurgeLane([SurgeRule(target=3.0, base_tau_s=1e9, gap_ms=3_600_000)])
    >>> levels = [1.0, 1.0, 2.0, 2.5]
    >>> [
    ...     lane.step(np.array([0]), np.array([900_000 * n]), np.array([level])).item()
    ...     for n, level in enumerate(levels)
    ... ]
    [nan, 1000000000.0, 1000000000.0, 900.0]

    Attributes:
        base: Level to which each gauge returns, NaN before its first reading.
        last_value, last_at: Of the last reading.
        lead_s: What was returned last.
    """

    def __init__(self, rules: Sequence[SurgeRule]) -> None:
        size = len(rules)
        kinds, self._kind = kinds_of(rules)
        self._target = np.array([rule.target for rule in kinds])
        self._base_tau_s = np.array([rule.base_tau_s for rule in kinds])
        self._gap_ms = np.array([rule.gap_ms for rule in kinds], np.int64)
        self.base = np.full(size, np.nan)
        self.last_at = np.full(size, NEVER, np.int64)
        self.last_value = np.full(size, np.nan)
        self.lead_s = np.full(size, NO_LEAD_S)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Return the time to the limit with each reading (see `detectors.lane`)."""
        gap = at - self.last_at[lines]
        kind = self._kind[lines]
        target = self._target[kind]
        known = gap <= self._gap_ms[kind]
        seconds = np.where(known, gap, 1) / 1000.0
        base = self.base[lines]
        base = np.where(np.isnan(base), value, base)
        rise = np.where(known, value - self.last_value[lines], 0.0)
        way = target - base
        # Beyond its limit nothing is foreseen any more: the limit itself speaks, and the ripple of
        # a falling flood is no surge.
        counts = known & (rise > 0.0) & (value < target) & (value - base >= FLOOR_SHARE * way)
        lead = np.where(counts, (target - value) * seconds / np.where(counts, rise, 1.0), NO_LEAD_S)
        lead = np.minimum(lead, NO_LEAD_S)
        crept = base + (value - base) * np.minimum(1.0, seconds / self._base_tau_s[kind])
        self.base[lines] = np.minimum(np.where(known, crept, base), value)
        self.last_at[lines] = at
        self.last_value[lines] = value
        self.lead_s[lines] = lead
        return np.where(known, lead, np.nan)


def choose(plan: SeriesPlan) -> Choice | None:
    """Watch slow water gauges that have a limit to foresee."""
    if plan.series.quantity is not Quantity.WATER_LEVEL or not isfinite(plan.target):
        return None
    if plan.interval_s < SLOW_S:
        return None
    gap = gap_ms(plan.interval_s)
    down_ms = round(1000 * _DOWN_INTERVALS * plan.interval_s)
    limits = LimitRule(
        (Level(Grade.YELLOW, HORIZON_S, 0, 1, down_ms),),
        high=False,
        hysteresis=_RELEASE_S - HORIZON_S,
        gap_ms=gap,
        reason="reaches the limit within 2.5 h at the pace of the last two readings",
    )
    return Choice(SurgeRule(plan.target, RATES[Quantity.WATER_LEVEL].base_tau_s, gap), limits)


def why(lane: SurgeLane, line: int, told: Because) -> Because:
    """Tell the level and when the limit is reached at this pace."""
    lead = float(lane.lead_s[line])
    told = replace(told, value=float(lane.last_value[line]))
    return replace(told, lead_s=lead) if lead < NO_LEAD_S else told


DETECTOR = Detector(
    "surge",
    SurgeLane,
    STATE,
    choose,
    why,
    hazards=frozenset({Hazard.FLOOD}),
    cap=Grade.YELLOW,
    certainty=Certainty.LIKELY,
)
