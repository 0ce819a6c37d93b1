"""What a recorded value is worth: good, at least this bad, or no value at all. Pure.

A station judges quality at the source (`edge.quality`); a recording brings bare numbers.
"""

from __future__ import annotations

import numpy as np

from core.quality import Reason
from core.quantity import FACTS, Danger, Quantity
from detectors.batch import NO_REASON, REASON_CODES
from detectors.limit_lane import BAD, GOOD, UNCERTAIN, Bytes, Floats
from detectors.plan import SeriesPlan, Source

# The largest tides on Earth (Bay of Fundy, range 16.3 m after NOAA) fall by 8 m below the mean; and
# no water stands higher than the highest ground, if its level counts from the sea.
LOWEST_TIDE_M = -10.0
HIGHEST_GROUND_M = 8_849.0
# What data loggers write for a level that they don't have: nines below zero, -99, -9.99 to -999999.
_NO_LEVEL = (-99.0, *(-(10**n - 1) / 10**d for n in range(3, 7) for d in range(n)))
_NO_LEVEL_DECIMALS = 5


def gate(plan: SeriesPlan, values: Floats, factor: float) -> tuple[Bytes, Bytes]:
    """Return quality and reason of recorded values: what physics does not allow is not good.

    Beyond the range in the danger direction a sensor is saturated: at least this bad, so uncertain.
    A water level below the range of a station's gauge that is written in nines is none: a tide may
    be that low, but a flood must not end because a gauge has failed.

    Args:
        plan: Of the series.
        values: In the canonical unit.
        factor: From the unit in which they are written to the canonical one.
    """
    facts = FACTS[plan.series.quantity]
    lowest, highest = believable(plan)
    low, high = values < lowest, values > highest
    if plan.series.quantity is Quantity.WATER_LEVEL:
        below = np.flatnonzero((values < facts.lowest) & ~low)
        low[below] = np.isin(np.round(values[below] / factor, _NO_LEVEL_DECIMALS), _NO_LEVEL)
    dangerous = facts.danger in (Danger.HIGH, Danger.BOTH)
    above = UNCERTAIN if dangerous else BAD
    quality = np.where(low, BAD, np.where(high, above, GOOD)).astype(np.int8)
    high_reason = REASON_CODES[Reason.SATURATED if dangerous else Reason.RANGE]
    reason = np.where(high, high_reason, NO_REASON)
    return quality, np.where(low, REASON_CODES[Reason.RANGE], reason).astype(np.int8)


def believable(plan: SeriesPlan) -> tuple[float, float]:
    """Return the lowest and the highest value of a recording that physics allows.

    A recorded water level counts from the zero of its gauge, which a recording does not tell: the
    bed, low water of a chart, the sea. Its limits show where it stands.
    """
    facts = FACTS[plan.series.quantity]
    if plan.series.quantity is not Quantity.WATER_LEVEL:
        return facts.lowest, facts.highest
    limits = [
        level.limit
        for rule in plan.rules
        if rule.source is Source.VALUE
        for level in rule.limits.levels
    ]
    if not limits:
        return LOWEST_TIDE_M, HIGHEST_GROUND_M
    return (
        min(LOWEST_TIDE_M, min(limits) - facts.highest),
        max(facts.highest, max(limits) + facts.highest),
    )
