"""The world: the true value of every quantity in every zone at any instant, by seed and scenario.

A pure function of (seed, scenario, place, seconds since the start). What needs a history (water,
smoke, counters, room air) is integrated once, when the world is made. After the planned end the
last state is held: nothing new happens, sensors still jitter.
"""

from __future__ import annotations

from collections.abc import Callable

from core.community import Community
from core.quantity import Quantity
from edge.simulator import air, crowd, fire, water
from edge.simulator.phenomena import Basin, DoorOpen, Gate, Rain, Room
from edge.simulator.scenario import Scenario

# What a cheap smoke transmitter calls ppm for each dB/m of real smoke. Physics gives no such number
# (nobody may convert one to the other); this project's choice, so that 0.4 dB/m reads about 100.
INDEX_PER_DB_M = 250.0
CLEAN_INDEX_PPM = 8.0
CLEAN_DB_M = 0.004
SUPPLY_V = 12.1


# Quantity, zone, seconds since the start -> true value.
Source = Callable[[Quantity, str, float], float]


class UnknownPlaceError(ValueError):
    """The world has no such quantity in this zone; mend the scenario or the community."""


class World:
    """True values by zone.

    Args:
        scenario: What happens.
        community: The place; zones with sensors have ordinary physics by default.
        seed: Replaces the scenario's own seed.
    """

    def __init__(self, scenario: Scenario, community: Community, seed: int | None = None) -> None:
        self.seed = scenario.seed if seed is None else seed
        self.duration_s = scenario.duration_s
        self._events = scenario.event
        self._begins_s = scenario.begins_s
        self._showers = tuple(event for event in scenario.event if isinstance(event, Rain))
        self._levels = {
            basin.zone: water.level_table(basin, self._events, self.duration_s)
            for basin in _basins(scenario, community)
        }
        self._gates = {gate.zone: self._gate_tables(gate) for gate in _gates(scenario, community)}
        self._rooms = {
            room.zone: crowd.room_table(room, self._events, self.duration_s, self._begins_s)
            for room in _rooms(scenario, community)
        }
        self._fires = {
            zone.id: tuple(
                fire.plume_table(one, self.duration_s) for one in air.burns(self._events, zone.id)
            )
            for zone in community.zone
        }
        self._sources: dict[Quantity, Source] = {
            **dict.fromkeys(_WATERY, self._water),
            **dict.fromkeys(_CROWDED, self._crowd),
            **dict.fromkeys(_PARTICLES, self._particles),
            **dict.fromkeys(_SMOKY, self._smoke),
            Quantity.HUMIDITY: self._humidity,
            Quantity.CONTACT: self._contact,
            Quantity.VOLTAGE: lambda _quantity, _zone, _t_s: SUPPLY_V,
        }

    def _gate_tables(self, gate: Gate) -> tuple[crowd.CountTable, crowd.CountTable]:
        return (
            crowd.count_table(
                gate, self._events, self.duration_s, self._begins_s, self.seed, inward=True
            ),
            crowd.count_table(
                gate, self._events, self.duration_s, self._begins_s, self.seed, inward=False
            ),
        )

    def value(self, quantity: Quantity, zone: str, t_s: float) -> float:
        """Return the true value in the quantity's canonical unit.

        Raises:
            UnknownPlaceError: Nobody told the world about this quantity in this zone.
        """
        source = self._sources.get(quantity)
        if source is None:
            raise UnknownPlaceError(f"zone {zone!r}: the world has no {quantity}")
        return source(quantity, zone, min(t_s, self.duration_s))

    def _water(self, quantity: Quantity, zone: str, t_s: float) -> float:
        if quantity is Quantity.RAIN_RATE:
            return water.rain_mm_h(self._showers, t_s)
        table = self._levels.get(zone)
        if table is None:
            raise UnknownPlaceError(f"zone {zone!r}: no basin; expected a water-level sensor there")
        return table.level_m(t_s)

    def _crowd(self, quantity: Quantity, zone: str, t_s: float) -> float:
        if quantity is Quantity.CARBON_DIOXIDE:
            room = self._rooms.get(zone)
            return crowd.OUTDOOR_CO2_PPM if room is None else room.ppm(t_s)
        gate = self._gates.get(zone)
        if gate is None:
            raise UnknownPlaceError(f"zone {zone!r}: no gate; expected a people counter there")
        inward, outward = gate
        if quantity is Quantity.PEOPLE_IN:
            return inward.count(t_s)
        if quantity is Quantity.PEOPLE_OUT:
            return outward.count(t_s)
        if quantity is Quantity.PEOPLE_COUNT:
            return inward.count(t_s) - inward.count(t_s - 60.0)
        return max(0, inward.count(t_s) - outward.count(t_s))

    def _particles(self, quantity: Quantity, zone: str, t_s: float) -> float:
        outdoors = air.outdoor_particles(self._events, t_s, self._begins_s, self.seed)
        added = air.nuisance(self._events, zone, t_s)
        particles = air.Particles(outdoors.pm2_5 + added.pm2_5, outdoors.pm10 + added.pm10)
        if quantity is Quantity.PM2_5:
            return particles.pm2_5
        return particles.pm10 if quantity is Quantity.PM10 else particles.pm1

    def _smoke(self, quantity: Quantity, zone: str, t_s: float) -> float:
        tables = self._fires.get(zone, ())
        if quantity is Quantity.ALARM_INPUT:
            return float(any(table.panel_alarm(t_s) for table in tables))
        plume = fire.total(tables, t_s)
        if quantity is Quantity.TEMPERATURE:
            swing = 1.5
            return plume.rise_k + air.temperature_cel(t_s, self._begins_s, self.seed, zone, swing)
        added = air.nuisance(self._events, zone, t_s)
        if quantity is Quantity.CARBON_MONOXIDE:
            clean = air.background_co_ppm(t_s, self.seed, zone)
            return clean + plume.co_ppm + added.co_ppm
        smoke = plume.smoke_db_m + added.smoke_db_m
        if quantity is Quantity.SMOKE_INDEX:
            return CLEAN_INDEX_PPM + INDEX_PER_DB_M * smoke
        return CLEAN_DB_M + smoke

    def _humidity(self, _quantity: Quantity, zone: str, t_s: float) -> float:
        steam = air.nuisance(self._events, zone, t_s).humidity_percent
        return min(99.0, air.humidity_percent(t_s, self._begins_s, self.seed, zone) + steam)

    def _contact(self, _quantity: Quantity, zone: str, t_s: float) -> float:
        return float(
            any(
                isinstance(event, DoorOpen) and event.zone == zone and event.active(t_s)
                for event in self._events
            )
        )


_WATERY = frozenset({Quantity.WATER_LEVEL, Quantity.RAIN_RATE})
_CROWDED = frozenset(
    {
        Quantity.PEOPLE_IN,
        Quantity.PEOPLE_OUT,
        Quantity.PEOPLE_COUNT,
        Quantity.OCCUPANCY,
        Quantity.CARBON_DIOXIDE,
    }
)
_COUNTED = _CROWDED - {Quantity.CARBON_DIOXIDE}
_PARTICLES = frozenset({Quantity.PM1, Quantity.PM2_5, Quantity.PM10})
_SMOKY = frozenset(
    {
        Quantity.SMOKE_OBSCURATION,
        Quantity.SMOKE_INDEX,
        Quantity.CARBON_MONOXIDE,
        Quantity.TEMPERATURE,
        Quantity.ALARM_INPUT,
    }
)


def _zones_with(community: Community, quantities: frozenset[Quantity]) -> list[str]:
    return sorted(
        {sensor.zone for sensor in community.sensor if quantities.intersection(sensor.quantities)}
    )


def _basins(scenario: Scenario, community: Community) -> list[Basin]:
    named = {basin.zone: basin for basin in scenario.basin}
    for zone in _zones_with(community, frozenset({Quantity.WATER_LEVEL})):
        place = community.zone_of(zone)
        area = place.area_m2 if place is not None and place.area_m2 else 240.0
        named.setdefault(zone, Basin(zone=zone, area_m2=area))
    return list(named.values())


def _gates(scenario: Scenario, community: Community) -> list[Gate]:
    named = {gate.zone: gate for gate in scenario.gate}
    for zone in _zones_with(community, _COUNTED):
        named.setdefault(zone, Gate(zone=zone))
    return list(named.values())


def _rooms(scenario: Scenario, community: Community) -> list[Room]:
    named = {room.zone: room for room in scenario.room}
    for zone in _zones_with(community, frozenset({Quantity.CARBON_DIOXIDE})):
        place = community.zone_of(zone)
        volume = 3.0 * place.area_m2 if place is not None and place.area_m2 else 360.0
        named.setdefault(zone, Room(zone=zone, volume_m3=volume))
    return list(named.values())
