"""From a community and a scenario to the community that plays: subset, additions, intervals, lines.

Pure, and idempotent: deriving a derived community again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from core.community import Community, LimitEntry, PerGrade, SensorEntry, Zone
from core.configuration import ConfigurationError
from core.quantity import FACTS
from edge.drivers import make_driver
from edge.simulator.scenario import FaultKind, Scenario

# Most frames that a serial line carries in a second of wall time (interfaces, `safety-eye demo`).
MOST_FRAMES_PER_WALL_S = 20.0
# Devices that share one line by sending one line of text for all of their measurements.
BRIDGES = frozenset({"ndjson_bridge"})


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One serial line of one station: one pseudo-terminal, one `[[port]]` of station.toml.

    Attributes:
        station: Slug of the station.
        port: Name of the line.
        baud: Speed of the line; the fastest of its devices' usual ones.
        sensors: What hangs on it, in the order of the profile.
    """

    station: str
    port: str
    baud: int
    sensors: tuple[SensorEntry, ...]

    @property
    def link(self) -> str:
        """Name of the symlink in the ports directory: `<station>.<port>`."""
        return f"{self.station}.{self.port}"

    @property
    def frames_per_s(self) -> float:
        """Frames that carry readings in a second of run time.

        A bridge sends one line for all of its measurements; any other sensor sends or answers one
        frame an interval.
        """
        alone = sum(1.0 / s.interval_s for s in self.sensors if s.driver not in BRIDGES)
        shared = [1.0 / s.interval_s for s in self.sensors if s.driver in BRIDGES]
        return alone + max(shared, default=0.0)


def ports_of(community: Community) -> list[PortPlan]:
    """Return every serial line that the community's sensors need, sorted by station and port."""
    lines: dict[tuple[str, str], list[SensorEntry]] = {}
    for sensor in community.sensor:
        lines.setdefault((sensor.station, port_name(sensor)), []).append(sensor)
    return [
        PortPlan(station, port, max(baud_of(sensor) for sensor in sensors), tuple(sensors))
        for (station, port), sensors in sorted(lines.items())
    ]


def port_name(sensor: SensorEntry) -> str:
    """Return the line of a sensor; one that names none has a line of its own."""
    return sensor.port or sensor.id


def baud_of(sensor: SensorEntry) -> int:
    """Return the baud rate: the entry's option `baud`, else what is usual for the device."""
    chosen = sensor.options.get("baud")
    if isinstance(chosen, int) and not isinstance(chosen, bool):
        return chosen
    return make_driver(sensor.driver, sensor.options).facts.baud


def derive_community(
    scenario: Scenario, community: Community, speed: float | None = None
) -> Community:
    """Return the community that plays *scenario*: a valid profile of its own.

    Sensors are narrowed to the scenario's choice and joined by its own; zones without a sensor and
    limits without a zone go; intervals are the scenario's, and are stretched where a line would
    carry more than 20 frames a wall second at *speed* (None: the scenario's own). Limits of
    counters mean people *in one interval*: they scale with the interval, so that they stay the
    same people a minute.

    Raises:
        ConfigurationError: The scenario names a sensor or zone that does not exist.
    """
    chosen = _chosen_sensors(scenario, community)
    paced = [_paced(scenario, sensor) for sensor in chosen]
    stretched = _stretched(paced, scenario.speed if speed is None else speed)
    zones = _zones_in_use(_merged_zones(scenario, community), stretched)
    limits = _merged_limits(scenario, community)
    kept = {zone.id for zone in zones}
    before = {sensor.id: sensor.interval_s for sensor in (*community.sensor, *scenario.sensor)}
    derived = msgspec.structs.replace(
        community,
        zone=tuple(zones),
        sensor=tuple(stretched),
        limit=tuple(
            _scaled_limit(limit, stretched, before) for limit in limits if limit.zone in kept
        ),
    )
    _check_names(scenario, derived)
    return derived


def _chosen_sensors(scenario: Scenario, community: Community) -> list[SensorEntry]:
    own = {sensor.id: sensor for sensor in scenario.sensor}
    wanted = scenario.sensors
    known = {sensor.id for sensor in community.sensor} | set(own)
    for name in wanted or ():
        if name not in known:
            raise ConfigurationError(
                f"scenario {scenario.id}", f"sensors: {name!r} is not in the community"
            )
    kept = [
        own.pop(sensor.id, sensor)
        for sensor in community.sensor
        if wanted is None or sensor.id in wanted or sensor.id in own
    ]
    return [*kept, *own.values()]


def _paced(scenario: Scenario, sensor: SensorEntry) -> SensorEntry:
    fallback = scenario.interval_s.get("default", sensor.interval_s)
    interval = scenario.interval_s.get(sensor.id, fallback)
    return msgspec.structs.replace(sensor, interval_s=interval, port=port_name(sensor))


def _stretched(sensors: list[SensorEntry], speed: float) -> list[SensorEntry]:
    rates: dict[tuple[str, str], float] = {}
    for plan in _bare_lines(sensors):
        rates[plan.station, plan.port] = plan.frames_per_s * speed / MOST_FRAMES_PER_WALL_S
    return [
        msgspec.structs.replace(
            sensor,
            interval_s=sensor.interval_s * max(1.0, rates[sensor.station, port_name(sensor)]),
        )
        for sensor in sensors
    ]


def _bare_lines(sensors: Iterable[SensorEntry]) -> list[PortPlan]:
    lines: dict[tuple[str, str], list[SensorEntry]] = {}
    for sensor in sensors:
        lines.setdefault((sensor.station, port_name(sensor)), []).append(sensor)
    return [PortPlan(station, port, 0, tuple(rest)) for (station, port), rest in lines.items()]


def _merged_zones(scenario: Scenario, community: Community) -> dict[str, Zone]:
    return {zone.id: zone for zone in (*community.zone, *scenario.zone)}


def _zones_in_use(zones: dict[str, Zone], sensors: Iterable[SensorEntry]) -> list[Zone]:
    used: set[str] = set()
    for sensor in sensors:
        name = sensor.zone
        while name in zones and name not in used:
            used.add(name)
            name = zones[name].parent
    return [zone for name, zone in zones.items() if name in used]


def _merged_limits(scenario: Scenario, community: Community) -> list[LimitEntry]:
    own = {(limit.zone, limit.quantity, limit.side) for limit in scenario.limit}
    kept = [
        limit for limit in community.limit if (limit.zone, limit.quantity, limit.side) not in own
    ]
    return [*kept, *scenario.limit]


def _scaled_limit(
    limit: LimitEntry, sensors: Iterable[SensorEntry], before: dict[str, float]
) -> LimitEntry:
    if not FACTS[limit.quantity].cumulative:
        return limit
    ratios = [
        sensor.interval_s / before[sensor.id]
        for sensor in sensors
        if sensor.zone == limit.zone and limit.quantity in sensor.quantities
    ]
    if not ratios or ratios[0] == 1.0:
        return limit
    ratio = ratios[0]
    return msgspec.structs.replace(
        limit,
        blue=_times(limit.blue, ratio),
        yellow=_times(limit.yellow, ratio),
        orange=_times(limit.orange, ratio),
        red=_times(limit.red, ratio),
        hysteresis=_deadband(limit.hysteresis, ratio),
    )


def _deadband(value: float | PerGrade, ratio: float) -> float | PerGrade:
    if not isinstance(value, PerGrade):
        return value * ratio
    return PerGrade(
        blue=_times(value.blue, ratio),
        yellow=_times(value.yellow, ratio),
        orange=_times(value.orange, ratio),
        red=_times(value.red, ratio),
    )


def _times(value: float | None, ratio: float) -> float | None:
    return None if value is None else value * ratio


def _check_names(scenario: Scenario, derived: Community) -> None:
    sensors = {sensor.id for sensor in derived.sensor}
    zones = {zone.id for zone in derived.zone}
    asked = [(fault.sensor, "fault") for fault in scenario.fault if fault.sensor]
    asked += [(play.sensor, "play") for play in scenario.play]
    for name, where in asked:
        if name not in sensors:
            raise ConfigurationError(
                f"scenario {scenario.id}", f"{where}: {name!r} is not a sensor that takes part"
            )
    for fault in scenario.fault:
        if fault.kind is FaultKind.UPLINK_CUT and fault.station not in derived.stations:
            raise ConfigurationError(
                f"scenario {scenario.id}", f"fault: {fault.station!r} is not a station"
            )
    places = [(getattr(event, "zone", None), "event") for event in scenario.event]
    places += [(truth.zone, "truth") for truth in scenario.truth]
    for zone, where in places:
        if zone is not None and zone not in zones:
            raise ConfigurationError(
                f"scenario {scenario.id}", f"{where}: {zone!r} is not a zone with a sensor"
            )
