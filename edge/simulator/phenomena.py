"""The words in which a scenario describes places and events; physics live beside them.

Times are seconds of run time since the start. Every number has its unit in its name. Where no
source is given, a default is this project's choice for a believable scene, nothing more.
"""

from __future__ import annotations

import msgspec


class Basin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A low place that water runs to: an underpass, the low corner of a garage.

    Attributes:
        zone: Where.
        area_m2: Wetted floor area: how much water lifts the level by one metre.
        catchment_m2: Sealed area that drains to it.
        runoff: Share of the rain that arrives; sealed city ground 0.85 to 0.95 (GB 50014 table).
        lag_s: Time constant of the way there (a linear reservoir).
        drain_l_s: What pump and drain take away, litres a second, while they work.
    """

    zone: str
    area_m2: float = 240.0
    catchment_m2: float = 6000.0
    runoff: float = 0.9
    lag_s: float = 240.0
    drain_l_s: float = 60.0


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A door with people counters and a weekly habit.

    Attributes:
        zone: Where.
        trips_per_day: People who enter on a working day (as many leave).
    """

    zone: str
    trips_per_day: float = 900.0


class Room(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A room whose air people use up.

    Attributes:
        zone: Where.
        volume_m3: Air in it.
        fresh_air_m3_h: Air that is exchanged with outside.
        people: Guests at its habitual hours (weekday evenings).
    """

    zone: str
    volume_m3: float = 360.0
    fresh_air_m3_h: float = 700.0
    people: float = 12.0


class _Event(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"
):
    from_s: float
    to_s: float

    def active(self, t_s: float) -> bool:
        """Tell whether *t_s* lies in the event."""
        return self.from_s <= t_s < self.to_s


class Rain(_Event, frozen=True, tag="rain"):
    """A shower with a triangular hyetograph.

    Attributes:
        peak_mm_h: Rain rate at its peak.
        peak_share: Where in the shower the peak lies, 0 to 1.
    """

    peak_mm_h: float
    peak_share: float = 0.35


class PumpFailure(_Event, frozen=True, tag="pump-failure"):
    """A basin's pump and drain work with `left` of their capacity (0 to 1)."""

    zone: str
    left: float = 0.0


class Fire(_Event, frozen=True, tag="fire"):
    """A smouldering source that bursts into flame, as an e-bike battery does.

    Attributes:
        zone: Where.
        from_s: First smoke leaves the source. `to_s`: the fire is out.
        flames_s: The source ignites.
        travel_s: Until smoke reaches the sensors (transport delay).
        mixing_s: Time constant with which the sensors' surroundings fill.
        venting_s: Time constant with which they clear once the fire is out.
        smoulder_db_m, peak_db_m: Smoke at the sensors when smouldering and at its worst, dB/m.
        smoulder_co_ppm, peak_co_ppm: Carbon monoxide there.
        peak_rise_k: Temperature rise there; smouldering heats by a fiftieth of it.
        growth_s: From ignition to full size, growing with the square of time (t-squared fire).
        panel_reset_s: When somebody resets the fire panel; its alarm latches until then.
    """

    zone: str
    flames_s: float
    travel_s: float = 15.0
    mixing_s: float = 40.0
    venting_s: float = 150.0
    smoulder_db_m: float = 0.25
    peak_db_m: float = 2.0
    smoulder_co_ppm: float = 60.0
    peak_co_ppm: float = 450.0
    peak_rise_k: float = 50.0
    growth_s: float = 150.0
    panel_reset_s: float = float("inf")


class Smog(_Event, frozen=True, tag="smog"):
    """Particles over the whole place.

    Attributes:
        peak_ug_m3: PM2.5 on its plateau, ug/m3.
        ramp_s: Seconds of the rise and of the fall.
        pm10_ratio: PM10 for each PM2.5; combustion haze is fine: about 1.3.
    """

    peak_ug_m3: float
    ramp_s: float = 4 * 3600.0
    pm10_ratio: float = 1.3


class Cooking(_Event, frozen=True, tag="cooking"):
    """Frying smoke: a short haze with fine particles and a little carbon monoxide, no heat."""

    zone: str
    peak_db_m: float = 0.03
    co_ppm: float = 5.0
    pm2_5_ug_m3: float = 40.0


class Steam(_Event, frozen=True, tag="steam"):
    """Water vapour: obscuration and humidity without carbon monoxide, heat or particles' smell."""

    zone: str
    peak_db_m: float = 0.035
    humidity_percent: float = 30.0


class Dust(_Event, frozen=True, tag="dust"):
    """Coarse dust of sweeping or building: much PM10, little PM2.5, a trace of obscuration."""

    zone: str
    pm10_ug_m3: float = 120.0
    pm2_5_share: float = 0.15
    peak_db_m: float = 0.01


class Cigarette(_Event, frozen=True, tag="cigarette"):
    """Cigarettes smoked in a closed room: fine particles, a trace of obscuration, little CO.

    Attributes:
        zone: Where.
        cigarettes: How many burn in the time of the event.
        volume_m3: Air of the room.
    """

    zone: str
    cigarettes: float = 1.0
    volume_m3: float = 40.0


class CrowdSurge(_Event, frozen=True, tag="crowd"):
    """More people than usual pass a gate.

    Attributes:
        zone: Where.
        in_per_min, out_per_min: Added to the habit, people a minute.
        ramp_s: Seconds of the rise and of the fall.
    """

    zone: str
    in_per_min: float = 0.0
    out_per_min: float = 0.0
    ramp_s: float = 120.0


class Gathering(_Event, frozen=True, tag="gathering"):
    """People meet in a room."""

    zone: str
    people: float


class DoorOpen(_Event, frozen=True, tag="door"):
    """A door stands open."""

    zone: str


Event = (
    Rain
    | PumpFailure
    | Fire
    | Smog
    | Cooking
    | Steam
    | Dust
    | Cigarette
    | CrowdSurge
    | Gathering
    | DoorOpen
)


def swell(event: _Event, t_s: float, ramp_s: float) -> float:
    """Return 0 outside *event*, 1 on its plateau, straight ramps of *ramp_s* between.

    >>> [swell(Smog(from_s=0, to_s=100, peak_ug_m3=1), t, 10) for t in (-1, 5, 50, 95, 100)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if not event.active(t_s):
        return 0.0
    ramp = max(1e-9, min(ramp_s, (event.to_s - event.from_s) / 2))
    return min(1.0, (t_s - event.from_s) / ramp, (event.to_s - t_s) / ramp)
