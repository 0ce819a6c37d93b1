"""The community profile (`community.toml`): the place, its zones, sensors, limits and people.

Unknown keys are refused, references are checked, and errors name file, key, given and expected.
The structs of sensors and limits are shared with `station.toml`.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable
from math import inf
from pathlib import Path

import msgspec

from core.configuration import ConfigurationError, parse_toml, read_toml
from core.finding import Hazard
from core.grade import Grade
from core.identity import SeriesId, is_slug
from core.limits import DEFAULT_DWELL_DOWN_MS, LimitRule, default_rule, rule_from_limits
from core.quantity import FACTS, Danger, Quantity, UnknownUnitError, factor_to_canonical


class Name(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name for people, in Chinese and English."""

    zh: str = ""
    en: str = ""

    def in_language(self, language: str) -> str:
        """Return the name in *language* ("zh" or "en"), or the other one if it is missing."""
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The place as a whole."""

    id: str
    name: Name
    timezone: str = "Asia/Shanghai"
    language: str = "zh"


class Zone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the place; `parent` builds flat < stairwell < block < community.

    Attributes:
        id: Slug, unique within the site.
        name: For people.
        parent: The zone around it, "" for none.
        area_m2: Floor that people can stand on.
        households: How many live in it.
        enclosed: True if its people-in and people-out counters watch all of its doors, so that
            those inside can be told from them (a hall; not a gate, through which people pass).
    """

    id: str
    name: Name
    parent: str = ""
    area_m2: float | None = None
    households: int | None = None
    enclosed: bool = False


class SensorEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One instrument.

    Attributes:
        id: Slug, unique within the site.
        station: Slug of the station that reads it.
        zone: Where it is.
        driver: Device id of the driver.
        quantity: What it contributes.
        also: Further quantities that the same device yields and that are wanted.
        hazard: Which hazard it warns of.
        interval_s: Usual seconds between readings.
        mount_height_m: Height of an air-gap sensor above the ground: level = height - distance.
        zero_offset_m: Subtracted from a pressure probe's level (its reading in air).
        slope, offset: Calibration of `quantity`, canonical unit: slope x value + offset, before
            quality is judged; what and when stands in `calibration.toml`.
        port: Name of the serial port in station.toml.
        address: Modbus address on a shared bus.
        measure: Name of the device's measurement where it yields several (`in`, `di3`, `count`).
        invert: True for normally-closed loops: 1 on the wire means 0 here.
        air_temperature: Id of a temperature sensor of the same station in the air between an
            ultrasonic sensor and the water.
        air_temperature_c: That temperature in degrees Celsius where nobody measures it, or while
            the sensor is silent.
        air_reference_c: The temperature that the ultrasonic sensor itself assumes, degrees Celsius.
        believable_low, believable_high: What is possible at this place, canonical unit; beyond it
            a reading is uncertain.
        max_rate_per_s: Fastest change that is possible at this place, canonical unit a second;
            by default that of the quantity, where it has one.
        stuck_s: Seconds without any change after which a value is stuck; 0 for never, by default
            the rule of the quantity.
        deadband: While no limit is reached, changes of `quantity` up to this (canonical unit)
            don't leave the station at every interval; 0 for "every interval".
        heartbeat_s: Longest pause of a deadband; 0 for two intervals, at least 20 s.
        recording, channel: Binds a replayed recording's column to this sensor.
        name: For people.
        options: Driver options by name (word order, baud rate, model…), see the driver.
    """

    id: str
    station: str
    zone: str
    driver: str
    quantity: Quantity
    hazard: Hazard
    also: tuple[Quantity, ...] = ()
    interval_s: float = 1.0
    mount_height_m: float | None = None
    zero_offset_m: float = 0.0
    slope: float = 1.0
    offset: float = 0.0
    port: str = ""
    address: int = 1
    measure: str = ""
    invert: bool = False
    air_temperature: str = ""
    air_temperature_c: float | None = None
    air_reference_c: float = 20.0
    believable_low: float | None = None
    believable_high: float | None = None
    max_rate_per_s: float | None = None
    stuck_s: float | None = None
    deadband: float = 0.0
    heartbeat_s: float = 0.0
    recording: str = ""
    channel: str = ""
    name: Name = Name()
    options: dict[str, str | int | float | bool] = {}

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Every quantity that this sensor contributes."""
        return (self.quantity, *self.also)


class LimitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one quantity in one zone, with the local reason and its review."""

    zone: str
    quantity: Quantity
    blue: float | None = None
    yellow: float | None = None
    orange: float | None = None
    red: float | None = None
    side: str = "high"
    hysteresis: float = 0.0
    dwell_up_s: float = 0.0
    dwell_down_s: float = DEFAULT_DWELL_DOWN_MS / 1000
    reason: str = ""
    reviewed: dt.date | None = None
    reviewed_by: str = ""

    def rule(self, gap_ms: int) -> LimitRule:
        """Return the rule of this entry.

        Raises:
            ValueError: The grades are not in the order of danger, or there is none.
        """
        limits = {
            grade: limit
            for grade, limit in (
                (Grade.BLUE, self.blue),
                (Grade.YELLOW, self.yellow),
                (Grade.ORANGE, self.orange),
                (Grade.RED, self.red),
            )
            if limit is not None
        }
        return rule_from_limits(
            limits,
            high=self.side == "high",
            hysteresis=self.hysteresis,
            dwell_up_ms=round(self.dwell_up_s * 1000),
            dwell_down_ms=round(self.dwell_down_s * 1000),
            gap_ms=gap_ms,
            reason=self.reason,
        )


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is told. Channels are names of hub.toml, or `sms:+86…`."""

    id: str
    name: str
    role: str
    channels: tuple[str, ...] = ()


class JsonMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a plain JSON device becomes a sensor: topic filter and the key that holds the value."""

    topic: str
    sensor: str
    value: str = "value"
    unit: str = ""
    at: str = ""


class NeighboursEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sensors that should agree because they measure the same air or water; two are a twin."""

    quantity: Quantity
    sensors: tuple[str, ...]


class Holiday(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A day that is not like its weekday."""

    date: dt.date
    name: Name = Name()


class Community(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole profile. Field names are the TOML keys."""

    site: Site
    zone: tuple[Zone, ...] = ()
    sensor: tuple[SensorEntry, ...] = ()
    limit: tuple[LimitEntry, ...] = ()
    contact: tuple[Contact, ...] = ()
    mapping: tuple[JsonMapping, ...] = ()
    holiday: tuple[Holiday, ...] = ()
    neighbours: tuple[NeighboursEntry, ...] = ()

    def zone_of(self, zone: str) -> Zone | None:
        """Return the zone with this id."""
        return next((entry for entry in self.zone if entry.id == zone), None)

    def place(self, zone: str, language: str) -> str:
        """Return the name of a zone for people; the site's own id names the site as a whole."""
        found = self.zone_of(zone)
        if found is not None:
            return found.name.in_language(language)
        return self.site.name.in_language(language) if zone == self.site.id else zone

    def sensor_of(self, sensor: str) -> SensorEntry | None:
        """Return the sensor with this id."""
        return next((entry for entry in self.sensor if entry.id == sensor), None)

    @property
    def stations(self) -> tuple[str, ...]:
        """Every station that a sensor names, sorted."""
        return tuple(sorted({entry.station for entry in self.sensor}))

    def series(self) -> list[SeriesId]:
        """Every series that is registered, in the order of the profile."""
        return [
            SeriesId(entry.id, quantity) for entry in self.sensor for quantity in entry.quantities
        ]

    def rules_of(self, sensor: SensorEntry, quantity: Quantity) -> tuple[LimitRule, ...]:
        """Return the limit rules of one series: the zone's own, else the quantity's default."""
        return rules_for(self.limit, sensor, quantity)


def gap_ms(interval_s: float) -> int:
    """Return the longest silence that still counts as observed: three intervals, at least 30 s.

    >>> gap_ms(1), gap_ms(900)
    (30000, 2700000)
    """
    return round(max(30.0, 3 * interval_s) * 1000)


def rules_for(
    limits: Iterable[LimitEntry], sensor: SensorEntry, quantity: Quantity
) -> tuple[LimitRule, ...]:
    """Return the rules for one series out of *limits*, else the default of the quantity table."""
    gap = gap_ms(sensor.interval_s)
    own = tuple(
        entry.rule(gap)
        for entry in limits
        if entry.zone == sensor.zone and entry.quantity is quantity
    )
    if own:
        return own
    default = default_rule(quantity, gap)
    return (default,) if default is not None else ()


def load_community(path: Path) -> Community:
    """Read and check `community.toml`.

    Raises:
        ConfigurationError: It can't be used; the message says what to mend.
    """
    community = read_toml(path, Community)
    _check(community, str(path))
    return community


def parse_community(text: str, file: str = "<text>") -> Community:
    """Read and check the text of a profile.

    Raises:
        ConfigurationError: It can't be used; the message says what to mend.
    """
    community = parse_toml(text, Community, file)
    _check(community, file)
    return community


def _check(community: Community, file: str) -> None:
    for problem in problems(community):
        raise ConfigurationError(file, problem)


def problems(community: Community) -> list[str]:
    """Return everything that is wrong with a profile, in words; empty if nothing is."""
    found: list[str] = []
    found += _name_problems(community)
    zones = {zone.id for zone in community.zone}
    for zone in community.zone:
        if zone.parent and zone.parent not in zones:
            found.append(f"zone {zone.id!r}: parent {zone.parent!r} is not a zone")
        if _is_own_ancestor(community, zone):
            found.append(f"zone {zone.id!r}: is its own ancestor")
    for sensor in community.sensor:
        found += _sensor_problems(sensor, zones)
        found += quality_problems(sensor, community.sensor)
        found += calibration_problems(sensor)
    seen: set[tuple[str, Quantity, str]] = set()
    for limit in community.limit:
        if limit.zone not in zones:
            found.append(f"limit {limit.zone}/{limit.quantity}: zone is not in the profile")
        found += limit_problems(limit)
        key = (limit.zone, limit.quantity, limit.side)
        if key in seen:
            found.append(
                f"limit {limit.zone}/{limit.quantity}: a second [[limit]] for side {limit.side}"
            )
        seen.add(key)
    for mapping in community.mapping:
        found += _mapping_problems(mapping, community.sensor_of(mapping.sensor))
    return found + _habit_problems(community) + _site_problems(community.site)


def _habit_problems(community: Community) -> list[str]:
    """Return what is wrong with neighbours, holidays and the sizes of zones."""
    found = []
    for neighbours in community.neighbours:
        found += _neighbour_problems(neighbours, community)
    days = [holiday.date for holiday in community.holiday]
    found += [f"holiday {day}: twice" for day in sorted({*days}) if days.count(day) > 1]
    for zone in community.zone:
        found += _size_problems(zone)
    return found


def _neighbour_problems(entry: NeighboursEntry, community: Community) -> list[str]:
    where = f"neighbours of {entry.quantity}"
    found = []
    if len({*entry.sensors}) < 2 or len({*entry.sensors}) < len(entry.sensors):
        found.append(f"{where}: sensors: expected at least two, each once")
    for name in entry.sensors:
        sensor = community.sensor_of(name)
        if sensor is None:
            found.append(f"{where}: sensor {name!r} is not in the profile")
        elif entry.quantity not in sensor.quantities:
            found.append(f"{where}: sensor {name!r} does not measure it")
    return found


def _size_problems(zone: Zone) -> list[str]:
    # Written so that NaN is refused, too.
    where = f"zone {zone.id!r}"
    found = []
    if zone.area_m2 is not None and not 0 < zone.area_m2 < 1e7:
        found.append(f"{where}: area_m2 {zone.area_m2}: expected above 0, below 10 km2")
    if zone.households is not None and not 0 <= zone.households < 1e6:
        found.append(f"{where}: households {zone.households}: expected 0 or more")
    return found


def _site_problems(site: Site) -> list[str]:
    found = []
    try:
        zoneinfo.ZoneInfo(site.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        found.append(f"site.timezone {site.timezone!r}: expected an IANA zone")
    if site.language not in ("zh", "en"):
        found.append(f"site.language {site.language!r}: expected zh or en")
    return found


def _name_problems(community: Community) -> list[str]:
    found = []
    kinds = {
        "zone": [zone.id for zone in community.zone],
        "sensor": [sensor.id for sensor in community.sensor],
        "contact": [contact.id for contact in community.contact],
    }
    for kind, names in {"site": [community.site.id], **kinds}.items():
        found += [
            f"{kind} id {name!r}: expected 1 to 40 of a-z, 0-9 and hyphen"
            for name in names
            if not is_slug(name)
        ]
        found += [
            f"{kind} id {name!r}: twice" for name in sorted({*names}) if names.count(name) > 1
        ]
    return found


def _is_own_ancestor(community: Community, zone: Zone) -> bool:
    seen = {zone.id}
    parent = community.zone_of(zone.parent)
    while parent is not None:
        if parent.id in seen:
            return parent.id == zone.id
        seen.add(parent.id)
        parent = community.zone_of(parent.parent)
    return False


def _sensor_problems(sensor: SensorEntry, zones: set[str]) -> list[str]:
    found = []
    where = f"sensor {sensor.id!r}"
    if not is_slug(sensor.station):
        found.append(f"{where}: station {sensor.station!r} is not a slug")
    if sensor.zone not in zones:
        found.append(f"{where}: zone {sensor.zone!r} is not in the profile")
    if len({*sensor.quantities}) < len(sensor.quantities):
        found.append(f"{where}: a quantity stands in it twice (quantity and also)")
    if not 0 < sensor.interval_s <= 86_400:
        found.append(f"{where}: interval_s {sensor.interval_s}: expected above 0, at most 86400")
    if sensor.mount_height_m is not None and not 0 < sensor.mount_height_m <= 50:
        found.append(f"{where}: mount_height_m {sensor.mount_height_m}: expected 0 to 50 m")
    return found


def quality_problems(sensor: SensorEntry, others: Iterable[SensorEntry]) -> list[str]:
    """Return what is wrong with a sensor's own rules of quality and sampling, in words.

    `station.toml` has them, too. Written so that NaN is refused.
    """
    low = -inf if sensor.believable_low is None else sensor.believable_low
    high = inf if sensor.believable_high is None else sensor.believable_high
    silent_s = gap_ms(sensor.interval_s) / 1000
    rules = (
        (low < high, "believable_low, believable_high: expected low below high"),
        (
            sensor.max_rate_per_s is None or 0 < sensor.max_rate_per_s < inf,
            f"max_rate_per_s {sensor.max_rate_per_s}: expected above 0",
        ),
        (
            sensor.stuck_s is None or 0 <= sensor.stuck_s <= 31 * 86_400,
            f"stuck_s {sensor.stuck_s}: expected 0 (never) to 31 days",
        ),
        (0 <= sensor.deadband < inf, f"deadband {sensor.deadband}: expected 0 or more"),
        (
            0 <= sensor.heartbeat_s < silent_s,
            f"heartbeat_s {sensor.heartbeat_s}: expected below {silent_s:g} s (then it is silent)",
        ),
        (
            -10 <= sensor.air_reference_c <= 40,
            f"air_reference_c {sensor.air_reference_c}: expected -10 to 40 Cel",
        ),
        (
            sensor.air_temperature_c is None or -50 <= sensor.air_temperature_c <= 70,
            f"air_temperature_c {sensor.air_temperature_c}: expected -50 to 70 Cel",
        ),
    )
    where = f"sensor {sensor.id!r}"
    found = [f"{where}: {why}" for holds, why in rules if not holds]
    return found + _air_problems(sensor, others)


def _air_problems(sensor: SensorEntry, others: Iterable[SensorEntry]) -> list[str]:
    where = f"sensor {sensor.id!r}"
    asks = sensor.air_temperature or sensor.air_temperature_c is not None
    if asks and sensor.mount_height_m is None:
        return [f"{where}: air_temperature: only for an air gap (mount_height_m)"]
    if not sensor.air_temperature:
        return []
    named = next((one for one in others if one.id == sensor.air_temperature), None)
    if named is None or Quantity.TEMPERATURE not in named.quantities:
        return [f"{where}: air_temperature {sensor.air_temperature!r}: is no temperature sensor"]
    if named.station != sensor.station:
        other = f"belongs to station {named.station!r}; expected one of the same station"
        return [f"{where}: air_temperature {sensor.air_temperature!r}: {other}"]
    return []


def calibration_problems(sensor: SensorEntry) -> list[str]:
    """Return what is wrong with a sensor's slope and offset; `station.toml` has them, too."""
    where = f"sensor {sensor.id!r}"
    if (sensor.slope, sensor.offset) == (1.0, 0.0):
        return []
    if FACTS[sensor.quantity].unit in ("1", "{count}", "{person}"):
        return [f"{where}: slope, offset: {sensor.quantity} is counted or switched, not calibrated"]
    found = []
    # A sensor that is wrong by more than a factor of five is broken, or its unit is another.
    if not 0.2 <= sensor.slope <= 5:
        found.append(f"{where}: slope {sensor.slope}: expected 0.2 to 5")
    if not -inf < sensor.offset < inf:
        found.append(f"{where}: offset {sensor.offset}: expected a finite number")
    return found


def _mapping_problems(mapping: JsonMapping, sensor: SensorEntry | None) -> list[str]:
    where = f"mapping {mapping.topic!r}"
    if sensor is None:
        return [f"{where}: sensor {mapping.sensor!r} is not in the profile"]
    try:
        factor_to_canonical(sensor.quantity, mapping.unit or FACTS[sensor.quantity].unit)
    except UnknownUnitError as error:
        return [f"{where}: unit {mapping.unit!r}: {error}"]
    return []


def limit_problems(limit: LimitEntry) -> list[str]:
    """Return what is wrong with a limit in itself, in words; `station.toml` has them, too."""
    where = f"limit {limit.zone}/{limit.quantity}"
    found = []
    if limit.side not in ("high", "low"):
        found.append(f"{where}: side {limit.side!r}: expected high or low")
    if FACTS[limit.quantity].danger is Danger.NONE:
        found.append(f"{where}: {limit.quantity} is never judged")
    # Written so that NaN is refused, too; infinity would mean "never".
    spans = (limit.hysteresis, limit.dwell_up_s, limit.dwell_down_s)
    if not all(0 <= span < inf for span in spans):
        found.append(f"{where}: hysteresis and dwell must be finite and not negative")
        return found
    try:
        limit.rule(1000)
    except ValueError as error:
        found.append(f"{where}: {error}")
    return found
