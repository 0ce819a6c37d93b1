"""Outdoor and indoor air: particles, temperature, humidity, the background of gas and smoke.

Backgrounds are this project's choices for an ordinary Chinese city day without haze: PM2.5 around
25 ug/m3 (near the annual limit of 35, GB 3095-2012), carbon monoxide below 1 ppm. They wander by
seeded drift, and have two humps a day with the traffic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, pi

from edge.simulator.aerosol import CO_PPM_MG_M3, SMOKE_M2_G, cigarette_mg_m3, obscuration_db_m
from edge.simulator.noise import drift
from edge.simulator.phenomena import Cigarette, Cooking, Dust, Event, Fire, Smog, Steam, swell

DAY_S = 86_400.0
BASE_PM2_5 = 22.0
BASE_PM10_RATIO = 1.6  # ordinary city air is coarser than haze
PM1_SHARE = 0.7
HAZE_SWAY = 0.03  # even still air is never quite even
# Particles that a dB/m of fresh smoke stands for are thousands of ug/m3; outdoor sensors are not in
# the plume. Only the zone's own particle sensor sees a nuisance.
NUISANCE_RAMP_S = 60.0


@dataclass(frozen=True, slots=True)
class Particles:
    """Particle mass in ug/m3."""

    pm2_5: float
    pm10: float

    @property
    def pm1(self) -> float:
        """The finest part."""
        return PM1_SHARE * self.pm2_5


@dataclass(frozen=True, slots=True)
class Nuisance:
    """What harmless events add at the sensors of a zone."""

    smoke_db_m: float = 0.0
    co_ppm: float = 0.0
    humidity_percent: float = 0.0
    pm2_5: float = 0.0
    pm10: float = 0.0


def nuisance(events: Iterable[Event], zone: str, t_s: float) -> Nuisance:
    """Return what cooking, steam, dust and cigarettes add in *zone* at *t_s*.

    Each has its own signature: cooking obscures a little and smells of carbon monoxide, steam
    obscures without any gas or heat, dust is coarse (PM10 far above PM2.5), tobacco is fine.
    """
    smoke = co = humidity = pm2_5 = pm10 = 0.0
    for event in events:
        if not isinstance(event, Cooking | Steam | Dust | Cigarette) or event.zone != zone:
            continue
        share = swell(event, t_s, NUISANCE_RAMP_S)
        if isinstance(event, Cigarette):
            fine, gas = cigarette_mg_m3(event.cigarettes, event.volume_m3)
            smoke += share * obscuration_db_m(fine, SMOKE_M2_G)
            co += share * gas * CO_PPM_MG_M3
            pm2_5 += share * fine * 1000.0
            pm10 += share * fine * 1000.0
            continue
        smoke += share * event.peak_db_m
        if isinstance(event, Cooking):
            co += share * event.co_ppm
            pm2_5 += share * event.pm2_5_ug_m3
            pm10 += share * event.pm2_5_ug_m3 * 1.2
        elif isinstance(event, Steam):
            humidity += share * event.humidity_percent
        else:
            pm2_5 += share * event.pm10_ug_m3 * event.pm2_5_share
            pm10 += share * event.pm10_ug_m3
    return Nuisance(smoke, co, humidity, pm2_5, pm10)


def outdoor_particles(events: Iterable[Event], t_s: float, begins_s: float, seed: int) -> Particles:
    """Return the particles outdoors: background, traffic humps, haze episodes."""
    day = (begins_s + t_s) % DAY_S / DAY_S
    humps = 5.0 * cos(4 * pi * (day - 8 / 24))  # 8 and 20 o'clock
    base = max(3.0, BASE_PM2_5 + humps + 4.0 * drift(seed, "pm", t_s, 5400.0))
    pm2_5, pm10 = base, base * BASE_PM10_RATIO
    for event in events:
        if isinstance(event, Smog):
            share = (1.0 - cos(pi * swell(event, t_s, event.ramp_s))) / 2.0
            peak = event.peak_ug_m3 * (1.0 + HAZE_SWAY * drift(seed, "haze", t_s, 7200.0))
            pm2_5 += share * max(0.0, peak - base)
            pm10 += share * max(0.0, peak * event.pm10_ratio - base * BASE_PM10_RATIO)
    return Particles(pm2_5, max(pm10, pm2_5))


def temperature_cel(t_s: float, begins_s: float, seed: int, zone: str, swing_k: float) -> float:
    """Return the temperature without fire: warmest at 15:00, *swing_k* around 21 Cel."""
    day = (begins_s + t_s) % DAY_S / DAY_S
    return (
        21.0 + swing_k * cos(2 * pi * (day - 15 / 24)) + 0.6 * drift(seed, f"t/{zone}", t_s, 7200.0)
    )


def humidity_percent(t_s: float, begins_s: float, seed: int, zone: str) -> float:
    """Return the relative humidity without steam: highest before dawn."""
    day = (begins_s + t_s) % DAY_S / DAY_S
    return (
        58.0 - 12.0 * cos(2 * pi * (day - 15 / 24)) + 3.0 * drift(seed, f"rh/{zone}", t_s, 7200.0)
    )


def background_co_ppm(t_s: float, seed: int, zone: str) -> float:
    """Return carbon monoxide in clean city air, ppm."""
    return max(0.0, 0.6 + 0.25 * drift(seed, f"co/{zone}", t_s, 3600.0))


def burns(events: Iterable[Event], zone: str) -> tuple[Fire, ...]:
    """Return the fires of *zone*."""
    return tuple(event for event in events if isinstance(event, Fire) and event.zone == zone)
