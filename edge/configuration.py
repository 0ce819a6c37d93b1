"""The station's own file (`station.toml`): who it is, its broker, ports, sensors and local limits.

`[[sensor]]` and `[[limit]]` are the same tables as in `community.toml`. Unknown keys are refused,
references are checked, and relative paths count from the directory of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Literal

import msgspec

from core.broker import BrokerAddress
from core.community import LimitEntry, SensorEntry
from core.community_file import calibration_problems, limit_problems, quality_problems
from core.configuration import ConfigurationError, read_toml
from core.drill import PREFIX, is_drill
from core.identity import is_slug
from edge.acting.description import describe_acting
from edge.acting.settings import ActEntry, ButtonEntry, CommandEntry, Mandate, OutputEntry
from edge.acting.settings_check import acting_problems
from edge.drivers import DRIVERS
from edge.drivers.base import DriverError, Mode
from edge.instruments import driver_of
from edge.sensor_words import sensor_advice, sensor_notes


class StationEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who this station is and how it keeps what it has measured.

    Attributes:
        id, site: Slugs.
        spool: SQLite file of the packs that are not yet receipted.
        spool_max_mb: Upper bound of the packs in the spool, in units of 10^6 bytes.
        spool_max_days: Upper bound of the age of the packs in the spool, but for urgent ones; by
            default what a hub keeps raw readings for (ingest, retention of the history).
        pack_interval_s: Wall seconds between two packs (and commits); 10 is kinder to SD cards.
        clock: "trusted" if the run's clock needs no proof, "auto" to ask the operating system.
        exercise: Id of the drill that this station plays; only a station of a drill has one, and
            it switches nothing.
    """

    id: str
    site: str
    spool: str = "spool.db"
    spool_max_mb: float = 256.0
    spool_max_days: float = 30.0
    pack_interval_s: float = 1.0
    clock: Literal["auto", "trusted"] = "auto"
    exercise: str = ""


class PortEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One serial port.

    Attributes:
        id: Slug that sensors name.
        path: Device file; a stable name (`/dev/serial/by-id/…`, a udev or other symlink).
        baud: Bits per second; by default what the driver of its sensors says.
        parity, stop_bits: The line's format; always 8 data bits.
        dtr, rts: Level of the control lines. Off by default, because raising them resets many
            microcontroller boards; native USB boards often speak only with `dtr = true`.
        latency_ms: How long a polled device may think before it answers, beyond the time its
            bytes need on the wire.
        warm: True if the sensors have power of their own and are warm when the station starts;
            by default the first frame counts as their power-up.
    """

    id: str
    path: str
    baud: int | None = None
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    dtr: bool = False
    rts: bool = False
    latency_ms: int = 300
    warm: bool = False


class StationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole `station.toml`. Field names are the TOML keys; paths are absolute after loading."""

    station: StationEntry
    broker: BrokerAddress = BrokerAddress()
    port: tuple[PortEntry, ...] = ()
    sensor: tuple[SensorEntry, ...] = ()
    limit: tuple[LimitEntry, ...] = ()
    mandate: Mandate | None = None
    output: tuple[OutputEntry, ...] = ()
    act: tuple[ActEntry, ...] = ()
    button: tuple[ButtonEntry, ...] = ()
    command: CommandEntry = CommandEntry()

    @property
    def acts(self) -> bool:
        """True if there is something to switch, or somebody to obey."""
        return bool(self.output or self.command.key_file)

    @property
    def spool_path(self) -> Path:
        """The spool's file."""
        return Path(self.station.spool)


def load_station(path: Path) -> StationConfig:
    """Read and check a `station.toml`.

    Raises:
        ConfigurationError: It can't be used; the message says what to mend.
    """
    config = _with_absolute_paths(read_toml(path, StationConfig), path.resolve().parent)
    for problem in problems(config):
        raise ConfigurationError(str(path), problem)
    return config


def problems(config: StationConfig) -> list[str]:
    """Return everything that is wrong with a station's file, in words; empty if nothing is."""
    found = _station_problems(config.station)
    found += _name_problems("port", [port.id for port in config.port])
    found += _name_problems("sensor", [sensor.id for sensor in config.sensor])
    ports = {port.id for port in config.port}
    for port in config.port:
        if port.baud is not None and not 300 <= port.baud <= 4_000_000:
            found.append(f"port {port.id!r}: baud {port.baud}: expected 300 to 4000000")
        if not 1 <= port.latency_ms <= 10_000:
            found.append(f"port {port.id!r}: latency_ms {port.latency_ms}: expected 1 to 10000")
    for sensor in config.sensor:
        found += _sensor_problems(config.station, sensor, ports)
        found += quality_problems(sensor, config.sensor)
        found += calibration_problems(sensor)
    if not found:
        for port in config.port:
            found += _line_problems(port, config.sensor)
            found += _relay_problems(port, config)
    for limit in config.limit:
        found += limit_problems(limit)
    if config.station.exercise and (config.output or config.act or config.mandate):
        found.append("mandate, output, act: the station of a drill switches nothing")
    return found + acting_problems(
        config.mandate, config.output, config.act, config.button, config.sensor, config.limit, ports
    )


def _station_problems(station: StationEntry) -> list[str]:
    found = _name_problems("site", [station.site]) + _name_problems("station", [station.id])
    if not 0.1 <= station.pack_interval_s <= 60:
        found.append(f"station.pack_interval_s {station.pack_interval_s}: expected 0.1 to 60 s")
    if not 1 <= station.spool_max_mb <= 100_000:
        found.append(f"station.spool_max_mb {station.spool_max_mb}: expected 1 to 100000 MB")
    if not 1 <= station.spool_max_days <= 3650:
        found.append(f"station.spool_max_days {station.spool_max_days}: expected 1 to 3650 days")
    if is_drill(station.id) != is_slug(station.exercise):
        found.append(
            f"station.exercise {station.exercise!r}: expected the id of a drill in the station of a"
            f" drill ({PREFIX}…), and nothing in any other; this is {station.id!r}"
        )
    return found


def _name_problems(kind: str, names: Iterable[str]) -> list[str]:
    counted = Counter(names)
    found = [
        f"{kind} id {name!r}: expected 1 to 40 of a-z, 0-9 and hyphen"
        for name in counted
        if not is_slug(name)
    ]
    return found + [f"{kind} id {name!r}: twice" for name, times in counted.items() if times > 1]


def _sensor_problems(station: StationEntry, sensor: SensorEntry, ports: set[str]) -> list[str]:
    where = f"sensor {sensor.id!r}"
    found = []
    if sensor.station != station.id:
        found.append(f"{where}: belongs to station {sensor.station!r}, this is {station.id!r}")
    if sensor.port not in ports:
        known = ", ".join(sorted(ports)) or "none"
        found.append(f"{where}: port {sensor.port!r} is not a [[port]] (there are: {known})")
    if not (isfinite(sensor.interval_s) and 0 < sensor.interval_s <= 86_400):
        found.append(f"{where}: interval_s {sensor.interval_s}: expected above 0, at most 86400")
    if sensor.mount_height_m is not None and not 0 < sensor.mount_height_m <= 50:
        found.append(f"{where}: mount_height_m {sensor.mount_height_m}: expected 0 to 50 m")
    if len({*sensor.quantities}) < len(sensor.quantities):
        found.append(f"{where}: a quantity stands in it twice (quantity and also)")
    if not -50 <= sensor.zero_offset_m <= 50:
        found.append(f"{where}: zero_offset_m {sensor.zero_offset_m}: expected -50 to 50 m")
    if sensor.driver not in DRIVERS:
        found.append(f"{where}: driver {sensor.driver!r} is not known ({', '.join(DRIVERS)})")
        return found
    try:
        driver_of(sensor)
    except (DriverError, ValueError, TypeError) as error:
        found.append(f"{where}: driver {sensor.driver}: {error}")
    return found


def _line_problems(port: PortEntry, sensors: Iterable[SensorEntry]) -> list[str]:
    """A line has one speaker that talks by itself, or a bus of devices that are asked."""
    on_line = [sensor for sensor in sensors if sensor.port == port.id]
    facts = {sensor.driver: driver_of(sensor).facts for sensor in on_line}
    streams = sorted(name for name, fact in facts.items() if fact.mode is Mode.STREAM)
    if streams and len(facts) > 1:
        others = ", ".join(sorted({*facts} - {streams[0]}))
        return [f"port {port.id!r}: {streams[0]} sends by itself and can't share with {others}"]
    bauds = {fact.baud for fact in facts.values()}
    if port.baud is None and len(bauds) > 1:
        return [f"port {port.id!r}: its devices differ in baud {sorted(bauds)}: set baud"]
    by_address: dict[int, SensorEntry] = {}
    for sensor in on_line:
        first = by_address.setdefault(sensor.address, sensor)
        if first.driver != sensor.driver:
            both = f"{first.id!r} ({first.driver}) and {sensor.id!r} ({sensor.driver})"
            return [f"port {port.id!r}: {both} have the same address {sensor.address}"]
    return []


def _relay_problems(port: PortEntry, config: StationConfig) -> list[str]:
    """A relay module hangs on a bus of devices that are asked, or has a line of its own."""
    if not any(output.port == port.id for output in config.output):
        return []
    streams = [
        sensor.id
        for sensor in config.sensor
        if sensor.port == port.id and driver_of(sensor).facts.mode is Mode.STREAM
    ]
    return [
        f"port {port.id!r}: {name!r} sends by itself and can't share the line with a relay module"
        for name in streams[:1]
    ]


def _with_absolute_paths(config: StationConfig, base: Path) -> StationConfig:
    def absolute(text: str) -> str:
        return str(base / text) if text else ""

    broker = config.broker
    replace = msgspec.structs.replace
    return replace(
        config,
        sensor=tuple(_with_absolute_profile(sensor, base) for sensor in config.sensor),
        station=replace(config.station, spool=absolute(config.station.spool)),
        broker=replace(
            broker,
            password_file=absolute(broker.password_file),
            ca_file=absolute(broker.ca_file),
            cert_file=absolute(broker.cert_file),
            key_file=absolute(broker.key_file),
        ),
        port=tuple(replace(port, path=absolute(port.path)) for port in config.port),
        output=tuple(replace(entry, file=absolute(entry.file)) for entry in config.output),
        command=replace(config.command, key_file=absolute(config.command.key_file)),
    )


def _with_absolute_profile(sensor: SensorEntry, base: Path) -> SensorEntry:
    """Return the entry with the profile of its device beside the station's file."""
    profile = sensor.options.get("profile")
    if not isinstance(profile, str) or not profile:
        return sensor
    options = {**sensor.options, "profile": str(base / profile)}
    return msgspec.structs.replace(sensor, options=options)


def describe_station(config: StationConfig) -> list[str]:
    """Return what a station's file means: who it is, its lines, and what hangs on them."""
    station, broker = config.station, config.broker
    lines = [f"station {station.id} of {station.site}, broker {broker.host}:{broker.port}"]
    lines += [f"  port {port.id:<12} {port.path}" for port in config.port]
    for entry in config.sensor:
        words = ", ".join(str(quantity) for quantity in entry.quantities)
        doubt = "" if driver_of(entry).facts.verified else "  [profile not verified]"
        lines.append(f"  {entry.id:<12} {entry.driver:<18} on {entry.port:<10} {words}{doubt}")
        lines += [f"  {'':<12} {note}" for note in sensor_notes(entry)]
    lines += describe_acting(
        config.mandate, config.output, config.act, config.button, config.command
    )
    advice = [text for entry in config.sensor for text in sensor_advice(entry)]
    return lines + [f"  advice: {text}" for text in (*advice, *broker.advice)]
