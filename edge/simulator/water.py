"""Rain and water level: pulses of rain, runoff through a linear reservoir, a basin that is drained.

    catchment:  dQ/dt = (c * i * A_catchment - Q) / lag          (linear reservoir)
    basin:      dV/dt = Q - drain(V),  level = V / A_basin        (storage, vertical walls)
    drain:      capacity, as far as there is water; zero while the pump has failed

The level is integrated once, when the world is made, so that any instant can be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.simulator.phenomena import Basin, Event, PumpFailure, Rain

STEP_S = 5.0
# Depth below which a drain takes less than its capacity: water must reach the grating first.
DRAIN_FULL_M = 0.01
_MM_PER_H_TO_M_PER_S = 1e-3 / 3600.0


def rain_mm_h(showers: Iterable[Rain], t_s: float) -> float:
    """Return the rain rate at *t_s* in mm/h: the sum of triangular showers.

    >>> shower = Rain(from_s=0, to_s=100, peak_mm_h=80, peak_share=0.25)
    >>> [rain_mm_h([shower], t) for t in (0, 25, 62.5, 100)]
    [0.0, 80.0, 40.0, 0.0]
    """
    total = 0.0
    for shower in showers:
        if not shower.active(t_s):
            continue
        span = shower.to_s - shower.from_s
        peak = min(max(shower.peak_share, 0.01), 0.99) * span
        since = t_s - shower.from_s
        share = since / peak if since < peak else (span - since) / (span - peak)
        total += shower.peak_mm_h * share
    return total


@dataclass(frozen=True, slots=True)
class LevelTable:
    """A basin's level at every step of the run, in metres; held after the end."""

    levels_m: tuple[float, ...]

    def level_m(self, t_s: float) -> float:
        """Return the level at *t_s*, linear between the steps."""
        place = max(0.0, t_s / STEP_S)
        index = int(place)
        if index >= len(self.levels_m) - 1:
            return self.levels_m[-1]
        share = place - index
        return (1.0 - share) * self.levels_m[index] + share * self.levels_m[index + 1]


def level_table(basin: Basin, events: Iterable[Event], duration_s: float) -> LevelTable:
    """Integrate the level of *basin* from dry ground over the whole run (explicit Euler)."""
    showers = [event for event in events if isinstance(event, Rain)]
    failures = [
        event for event in events if isinstance(event, PumpFailure) and event.zone == basin.zone
    ]
    wet_until = max((shower.to_s for shower in showers), default=0.0)
    inflow = 0.0  # m3/s
    volume = 0.0  # m3
    levels = [0.0]
    for step in range(int(duration_s / STEP_S) + 1):
        t_s = step * STEP_S
        rain = rain_mm_h(showers, t_s) if t_s <= wet_until else 0.0
        wanted = basin.runoff * rain * _MM_PER_H_TO_M_PER_S * basin.catchment_m2
        inflow += (wanted - inflow) * min(1.0, STEP_S / basin.lag_s)
        capacity = (
            basin.drain_l_s / 1000.0 * min([1.0, *(f.left for f in failures if f.active(t_s))])
        )
        drained = capacity * min(1.0, volume / basin.area_m2 / DRAIN_FULL_M)
        volume = max(0.0, volume + (inflow - drained) * STEP_S)
        levels.append(volume / basin.area_m2)
    return LevelTable(tuple(levels))
