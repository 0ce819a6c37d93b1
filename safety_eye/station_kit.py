"""`safety-eye station new`: all that a new station needs, in one directory to carry there."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.broker import TLS_PORT, BrokerAddress
from core.community import Community
from core.identity import is_slug
from edge import update
from edge.configuration import PortEntry, StationConfig, StationEntry, load_station
from edge.simulator import PortPlan, ports_of
from safety_eye.broker_kit import HUB_USER, BrokerKit
from safety_eye.credentials import new_password, password_line
from safety_eye.installation import KitError, filled, shipped, write_new
from safety_eye.profile_text import to_toml

# One commit every 10 s is kind to SD cards; urgent readings never wait for it (interfaces, Ledger).
_PACK_INTERVAL_S = 10.0
_SPOOL = "/var/lib/safety-eye/spool.db"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class BrokerDoor:
    """How the new station reaches the broker.

    Attributes:
        host, port: Where.
        ca_file: The root that it will trust; None leaves a place for it.
        kit: The broker's directory on this machine, to enter the station there; None prints a line.
    """

    host: str
    port: int = TLS_PORT
    ca_file: Path | None = None
    kit: BrokerKit | None = None


def write_station(directory: Path, station: str, community: Community, door: BrokerDoor) -> Path:
    """Write a station's directory; return where it is.

    Raises:
        KitError: The name is no station of the profile, the directory exists, or the broker knows
            the name already.
        ConfigurationError: The station's file would not be accepted on the station.
    """
    plans = _plans(station, community, door)
    directory = directory.resolve()
    if directory.exists():
        raise KitError(f"{directory}: exists already; nothing is overwritten")
    try:
        directory.mkdir(mode=0o700, parents=True)
        (directory / "hub").mkdir()
    except OSError as error:
        raise KitError(f"{directory}: {error.strerror}") from error
    try:
        _write_configuration(directory, station, community, door, plans)
        _write_machine_files(directory, station, community, plans)
        # Last: after this the broker knows the station, so everything else must have worked.
        _write_credential(directory, station, door)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return directory


def _plans(station: str, community: Community, door: BrokerDoor) -> list[PortPlan]:
    if not is_slug(station) or station == HUB_USER:
        raise KitError(f"station {station!r}: expected 1 to 40 of a-z, 0-9, hyphen; not 'hub'")
    plans = [plan for plan in ports_of(community) if plan.station == station]
    if not plans:
        known = ", ".join(community.stations) or "none"
        raise KitError(f"station {station!r}: no sensor of the profile names it (known: {known})")
    if door.kit is not None and door.kit.entry.site != community.site.id:
        raise KitError(
            f"the broker is that of site {door.kit.entry.site!r}, the profile that of "
            f"{community.site.id!r}"
        )
    if station in {entry.sensor for entry in community.mapping}:
        raise KitError(f"station {station!r}: a device of a [[mapping]] has that user name")
    return plans


def _write_configuration(
    directory: Path, station: str, community: Community, door: BrokerDoor, plans: list[PortPlan]
) -> None:
    """Write `station.toml` and read it back as the station will."""
    sensors = tuple(
        msgspec.structs.replace(entry, port=plan.port) for plan in plans for entry in plan.sensors
    )
    zones = {entry.zone for entry in sensors}
    config = StationConfig(
        station=StationEntry(
            id=station, site=community.site.id, spool=_SPOOL, pack_interval_s=_PACK_INTERVAL_S
        ),
        broker=BrokerAddress(door.host, door.port, station, "broker.password", "ca.crt"),
        port=tuple(PortEntry(id=plan.port, path=_device(plan), baud=plan.baud) for plan in plans),
        sensor=sensors,
        limit=tuple(entry for entry in community.limit if entry.zone in zones),
    )
    text = f"# Station {station} of {community.site.id}. Same [[sensor]] and [[limit]] as there.\n"
    text += "# `safety-eye edge station.toml --check` reads it back on the station.\n\n"
    text += to_toml(config)
    if "command" in StationConfig.__struct_fields__:
        text += '\n[command]\nkey_file = "command.key"\n'
    write_new(directory / "station.toml", text, 0o640)
    load_station(directory / "station.toml")


def _write_machine_files(
    directory: Path, station: str, community: Community, plans: list[PortPlan]
) -> None:
    for unit in ("safety-eye-station.service", "safety-eye-update-resume.service"):
        write_new(directory / unit, shipped(f"systemd/{unit}").read_text(encoding="utf-8"))
    rules = shipped("udev/60-safety-eye-serial.rules").read_text(encoding="utf-8")
    rules += f"\n# Station {station}: fill in the serial number, the socket or the UART.\n"
    for plan in plans:
        devices = ", ".join(sorted({entry.driver for entry in plan.sensors}))
        rules += (
            f"# {plan.port}: {devices}\n"
            f'#SUBSYSTEM=="tty", ATTRS{{serial}}=="FILL-IN", SYMLINK+="safety-eye/{plan.port}"\n'
        )
    write_new(directory / "60-safety-eye-serial.rules", rules)
    script = Path(update.__file__).read_text(encoding="utf-8")
    write_new(directory / "safety-eye-update", script, 0o755)
    ports = "\n".join(f"   * `{_device(plan)}`" for plan in plans)
    steps = filled(
        "station/INSTALL.md.template",
        station=station,
        site=community.site.id,
        ports_zh=ports,
        ports_en=ports,
    )
    write_new(directory / "INSTALL.md", steps)


def _write_credential(directory: Path, station: str, door: BrokerDoor) -> None:
    if door.ca_file is not None:
        try:
            root = door.ca_file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise KitError(f"{door.ca_file}: can't be read: {error}") from error
        write_new(directory / "ca.crt", root)
    key = secrets.token_hex(_KEY_BYTES) + "\n"
    write_new(directory / "command.key", key, 0o600)
    write_new(directory / "hub/command.key", key, 0o600)
    password = door.kit.add(station) if door.kit is not None else new_password()
    write_new(directory / "broker.password", password + "\n", 0o600)
    line = password_line(station, password)
    write_new(directory / "hub/broker-password.line", line + "\n", 0o600)


def _device(plan: PortPlan) -> str:
    return f"/dev/safety-eye/{plan.port}"
