"""Smouldering and flaming fire as the sensors of a zone see it: smoke, carbon monoxide, heat.

    source   0 before the fire; the smouldering share at once; after ignition growing with the
             square of time (the t-squared fire of NFPA 72 / NFPA 92) to its full size
    arrival  the source as it was `travel_s` ago (transport delay)
    mixing   first order, `mixing_s` while it burns, `venting_s` once it is out

Smoke rises first, carbon monoxide with it (a battery's off-gas and smouldering produce much of it),
heat only with the flames. The fire panel is a device of its own: it latches its alarm when a
certified detector's threshold is passed, and stays so until somebody resets it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.simulator.phenomena import Fire

STEP_S = 1.0
# GB 4715-2024, B-type photoelectric detector: lowest response threshold 0.15 dB/m; the head must
# see it for some seconds (this project's choice: 10 s).
PANEL_DB_M = 0.15
PANEL_HOLD_S = 10.0
# Smouldering warms the ceiling little: a fiftieth of the flaming rise (this project's choice).
SMOULDER_HEAT_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Plume:
    """What a fire adds at the sensors of its zone."""

    smoke_db_m: float = 0.0
    co_ppm: float = 0.0
    rise_k: float = 0.0


NO_PLUME = Plume()


@dataclass(frozen=True, slots=True)
class PlumeTable:
    """The plume of one fire at every second from its first smoke."""

    fire: Fire
    plumes: tuple[Plume, ...]
    panel_from_s: float
    panel_to_s: float

    def plume(self, t_s: float) -> Plume:
        """Return what the fire adds at *t_s*; the last second is held."""
        index = int((t_s - self.fire.from_s) / STEP_S)
        if t_s < self.fire.from_s:
            return NO_PLUME
        return self.plumes[min(index, len(self.plumes) - 1)]

    def panel_alarm(self, t_s: float) -> bool:
        """Tell whether the fire panel holds its alarm at *t_s*."""
        return self.panel_from_s <= t_s < self.panel_to_s


def source_shares(fire: Fire, t_s: float) -> tuple[float, float]:
    """Return how much the source smoulders and flames at *t_s*, each 0 to 1."""
    if not fire.active(t_s):
        return 0.0, 0.0
    if t_s < fire.flames_s:
        return min(1.0, (t_s - fire.from_s) / 30.0), 0.0
    return 1.0, min(1.0, ((t_s - fire.flames_s) / fire.growth_s) ** 2)


def plume_table(fire: Fire, duration_s: float) -> PlumeTable:
    """Integrate one fire from its first smoke until the run ends."""
    smoke = co = rise = above_s = 0.0
    plumes = []
    panel_from = float("inf")
    for step in range(max(1, int((duration_s - fire.from_s) / STEP_S) + 2)):
        t_s = fire.from_s + step * STEP_S
        plumes.append(Plume(smoke, co, rise))
        smoulder, flames = source_shares(fire, t_s - fire.travel_s)
        burning = smoulder > 0.0
        gain = STEP_S / (fire.mixing_s if burning else fire.venting_s)
        smoke += gain * (_blend(fire.smoulder_db_m, fire.peak_db_m, smoulder, flames) - smoke)
        co += gain * (_blend(fire.smoulder_co_ppm, fire.peak_co_ppm, smoulder, flames) - co)
        warm = SMOULDER_HEAT_SHARE * fire.peak_rise_k
        rise += gain * (_blend(warm, fire.peak_rise_k, smoulder, flames) - rise)
        above_s = above_s + STEP_S if smoke >= PANEL_DB_M else 0.0
        if above_s >= PANEL_HOLD_S:
            panel_from = min(panel_from, t_s)
    return PlumeTable(fire, tuple(plumes), panel_from, fire.panel_reset_s)


def total(tables: Iterable[PlumeTable], t_s: float) -> Plume:
    """Return the sum of several fires' plumes."""
    smoke = co = rise = 0.0
    for table in tables:
        plume = table.plume(t_s)
        smoke, co, rise = smoke + plume.smoke_db_m, co + plume.co_ppm, rise + plume.rise_k
    return Plume(smoke, co, rise)


def _blend(smoulder_value: float, peak_value: float, smoulder: float, flames: float) -> float:
    return smoulder * smoulder_value + flames * (peak_value - smoulder_value)
