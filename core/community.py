"""The community profile (`community.toml`): the place, its zones, sensors, limits and people.

`core.community_file` reads and checks it.
The structs of sensors and limits are shared with `station.toml`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable

import msgspec

from core.finding import Hazard
from core.grade import Grade
from core.identity import SeriesId
from core.limits import DEFAULT_DWELL_DOWN_MS, Level, LimitRule, default_rule, rule_from_limits
from core.quantity import Quantity


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


class PerGrade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number for each grade, where they differ; a grade that is left out has the default."""

    blue: float | None = None
    yellow: float | None = None
    orange: float | None = None
    red: float | None = None

    def of(self, grade: Grade) -> float | None:
        """Return the number of *grade*, None where the default holds."""
        return {
            Grade.BLUE: self.blue,
            Grade.YELLOW: self.yellow,
            Grade.ORANGE: self.orange,
            Grade.RED: self.red,
        }.get(grade)


def of_grade(value: float | PerGrade, grade: Grade, usual: float) -> float:
    """Return what *value* means for a grade.

    >>> of_grade(3.0, Grade.RED, 0.0), of_grade(PerGrade(red=1.0), Grade.BLUE, 300.0)
    (3.0, 300.0)
    """
    if not isinstance(value, PerGrade):
        return value
    own = value.of(grade)
    return usual if own is None else own


class LimitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one quantity in one zone, with the local reason and its review.

    Attributes:
        zone, quantity, side: What is judged, and on which side danger lies.
        blue, yellow, orange, red: Limits in the canonical unit; at least one.
        hysteresis: Deadband, canonical unit: one number, or one a grade (`{ red = 0.05 }`).
        dwell_up_s, dwell_down_s: On-delay and off-delay in seconds: one number, or one a grade.
        reason, reviewed, reviewed_by: Why here, and who looked at it when.
    """

    zone: str
    quantity: Quantity
    blue: float | None = None
    yellow: float | None = None
    orange: float | None = None
    red: float | None = None
    side: str = "high"
    hysteresis: float | PerGrade = 0.0
    dwell_up_s: float | PerGrade = 0.0
    dwell_down_s: float | PerGrade = DEFAULT_DWELL_DOWN_MS / 1000
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
        rule = rule_from_limits(limits, high=self.side == "high", gap_ms=gap_ms, reason=self.reason)
        return dataclasses.replace(rule, levels=tuple(self._level(level) for level in rule.levels))

    def _level(self, level: Level) -> Level:
        """Return a level with the deadband and the delays of its grade."""
        grade = level.grade
        down_s = of_grade(self.dwell_down_s, grade, DEFAULT_DWELL_DOWN_MS / 1000)
        return dataclasses.replace(
            level,
            hysteresis=of_grade(self.hysteresis, grade, 0.0),
            dwell_up_ms=round(of_grade(self.dwell_up_s, grade, 0.0) * 1000),
            dwell_down_ms=round(down_s * 1000),
        )


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is told. Channels are names of hub.toml, or `sms:+86…`.

    Attributes:
        quiet: Local hours in which what can wait waits, `22:00-07:00`; red never waits.
    """

    id: str
    name: str
    role: str
    channels: tuple[str, ...] = ()
    quiet: str = ""


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

    def contact_name(self, contact: str) -> str:
        """Return the name of a contact; a text that is no contact's id is a name itself."""
        return next((entry.name for entry in self.contact if entry.id == contact), contact)

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
