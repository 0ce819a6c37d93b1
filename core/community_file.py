"""Reads `community.toml` and says everything that is wrong with it, in words.

Errors name file, key, given and expected. Sensors' and limits' own rules are checked alike in
`station.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf
from pathlib import Path

from core.community import (
    Community,
    JsonMapping,
    LimitEntry,
    NeighboursEntry,
    SensorEntry,
    Site,
    Zone,
    gap_ms,
    of_grade,
)
from core.configuration import ConfigurationError, parse_toml, read_text
from core.drill import PREFIX, is_drill
from core.grade import WARNING_GRADES
from core.identity import is_slug
from core.quantity import FACTS, Danger, Quantity, UnknownUnitError, factor_to_canonical


def load_community(path: Path) -> Community:
    """Read and check `community.toml`.

    Raises:
        ConfigurationError: It can't be used; the message says what to mend.
    """
    return parse_community(read_text(path), str(path))


def parse_community(text: str, file: str = "<text>") -> Community:
    """Read and check the text of a profile.

    Raises:
        ConfigurationError: It can't be used; the message says what to mend.
    """
    community = parse_toml(text, Community, file)
    for problem in problems(community):
        raise ConfigurationError(file, problem)
    return community


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
    found += [
        f"contact {contact.id!r}: quiet {contact.quiet!r}: expected HH:MM-HH:MM, as in 22:00-07:00"
        for contact in community.contact
        if contact.quiet and (_HOURS.fullmatch(contact.quiet) is None or _is_no_time(contact.quiet))
    ]
    return found + _habit_problems(community) + _site_problems(community.site)


_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


def _is_no_time(hours: str) -> bool:
    begin, _, end = hours.partition("-")
    return begin == end


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
    import zoneinfo  # noqa: PLC0415  # 1 MB that a station, which reads no site, never needs

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
    reserved = [*kinds["zone"], *kinds["sensor"], *community.stations]
    found += [
        f"id {name!r}: names that begin with {PREFIX!r} are reserved for drills"
        for name in sorted({*reserved})
        if is_drill(name)
    ]
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
    spans = [
        of_grade(value, grade, 0.0)
        for value in (limit.hysteresis, limit.dwell_up_s, limit.dwell_down_s)
        for grade in WARNING_GRADES
    ]
    if not all(0 <= span < inf for span in spans):
        found.append(f"{where}: hysteresis and dwell must be finite and not negative")
        return found
    try:
        limit.rule(1000)
    except ValueError as error:
        found.append(f"{where}: {error}")
    return found
