"""Our own flood parameters, chosen anew: what the yellow of other choices would have achieved.

`approach` is yellow at a share of the way from the quiet level to the limit, `surge` from a lower
share on if the pace of the last two readings reaches the limit soon. These three numbers were
chosen on floods. Here every choice of a grid is simulated on readings alone, so that `floods` can
choose on two storms and report on the third. Off-delays and `time-to-limit` are left out: an
episode of the score spans six hours, and that rule has no part in the choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from core.community import gap_ms
from core.quantity import Quantity
from detectors.limit_lane import Flags, Floats, Ints
from detectors.rates import RATES

# Share of the way that is yellow; share from which a pace counts; hours to the limit at that pace.
# The shares reach as low as a gauge whose limit is seldom crossed can afford: a choice at the edge
# of its grid would be none.
SHARES = tuple(round(0.40 + 0.02 * step, 2) for step in range(21))
FLOORS = (0.45, 0.50, 0.55, 0.60)
HOURS = (1.5, 2.0, 2.5, 3.0)
CHOICES: tuple[tuple[float, float, float], ...] = tuple(product(SHARES, FLOORS, HOURS))


def alarms_of(at: Ints, level: Floats, limit: float, interval_s: float) -> Iterator[Flags]:
    """Yield where each of `CHOICES` is yellow.

    Args:
        at: Times in ms.
        level: Readings in m, NaN missing.
        limit: The published limit in m.
        interval_s: Usual seconds between readings.
    """
    there = np.flatnonzero(np.isfinite(level))
    seen, when = level[there], at[there]
    base = quiet_level(when, seen)
    way = limit - base
    covered = np.where(way > 0.0, (seen - base) / np.where(way > 0.0, way, 1.0), 1.0)
    step_ms = np.diff(when, prepend=when[:1])
    rise = np.diff(seen, prepend=seen[:1])
    climbs = (rise > 0.0) & (step_ms > 0) & (step_ms <= gap_ms(interval_s))
    left = np.maximum(limit - seen, 0.0) * step_ms / np.where(climbs, rise, 1.0) / 3_600_000
    hours = np.where(climbs, left, np.inf)
    for share, floor, soon in CHOICES:
        alarm = np.zeros(level.size, np.bool_)
        alarm[there] = (covered >= share) | ((covered >= floor) & (hours <= soon))
        yield alarm


def quiet_level(at: Ints, level: Floats) -> Floats:
    """Return the level to which the water returns: followed slowly upwards, downwards at once.

    >>> quiet_level(np.array([0, 1000, 2000]), np.array([1.0, 0.5, 0.5])).tolist()
    [1.0, 0.5, 0.5]
    """
    tau_s = RATES[Quantity.WATER_LEVEL].base_tau_s
    made, base, last = np.empty(level.size), float("inf"), 0
    for row, (when, value) in enumerate(zip(at.tolist(), level.tolist(), strict=True)):
        if row:
            base += (value - base) * min(1.0, (when - last) / 1000.0 / tau_s)
        base, last = min(base, value), when
        made[row] = base
    return made
