"""Numbers about the station itself, for the wall: unit in the name, missing if unknown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from core.act import ActingState
from core.broker import Broker
from edge.chronometer import ClockHealth
from edge.intake import IntakeCounters
from edge.port_worker import PortCounters
from edge.spool import Spool

_TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"
# Raspberry Pi firmware: bit 0 under-voltage now, 1 to 3 slowed down now, 16 under-voltage since it
# was switched on (hardware notes 7.3). The same that `vcgencmd get_throttled` says, but readable
# without a group and a device of its own. The folder's name differs from board to board (soc,
# scb); some kernels have only the voltage sensor.
_THROTTLED = "sys/devices/platform/*/*firmware/get_throttled"
_SENSORS = "sys/class/hwmon"
_UNDERVOLTAGE, _SLOWED, _UNDERVOLTAGE_SEEN = 0x1, 0xE, 0x10000
_MEMORY = Path("/proc/self/statm")
_MB = 1_000_000


def machine_health(directory: Path, root: Path = Path("/")) -> dict[str, float]:
    """Return temperature, power, load, memory, and free disk where *directory* is.

    What the machine does not tell (a PC knows nothing of under-voltage) is absent, not zero.

    Args:
        directory: Where the spool is.
        root: Where the system's files are.
    """
    health: dict[str, float] = {}
    celsius = _number(root / _TEMPERATURE)
    if celsius is not None:
        health["cpu_celsius"] = celsius / 1000
    health |= _power_health(root)
    resident = resident_mb()
    if resident is not None:
        health["memory_mb"] = resident
    available = _available_mb(root / "proc/meminfo")
    if available is not None:
        health["memory_available_mb"] = available
    try:
        health["load_1m"] = round(os.getloadavg()[0], 2)
        disk = os.statvfs(directory)
    except OSError:
        return health
    health["disk_free_mb"] = round(disk.f_bavail * disk.f_frsize / _MB, 1)
    return health


def _power_health(root: Path) -> dict[str, float]:
    found = (_number(file, base=16) for file in root.glob(_THROTTLED))
    bits = next((number for number in found if number is not None), None)
    if bits is not None:
        return {
            "throttled_bits": bits,
            "undervoltage": float(bool(int(bits) & _UNDERVOLTAGE)),
            "throttled": float(bool(int(bits) & _SLOWED)),
            "undervoltage_since_boot": float(bool(int(bits) & _UNDERVOLTAGE_SEEN)),
        }
    for sensor in sorted((root / _SENSORS).glob("hwmon*")):
        alarm = _number(sensor / "in0_lcrit_alarm")
        if alarm is not None and _text(sensor / "name") == "rpi_volt":
            return {"undervoltage": float(alarm > 0)}
    return {}


def _available_mb(path: Path) -> float | None:
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "MemAvailable:" and words[1].isdecimal():
            return round(int(words[1]) * 1024 / _MB, 1)
    return None


def resident_mb() -> float | None:
    """Return the resident memory of this process in units of 10^6 bytes."""
    try:
        pages = int(_MEMORY.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / _MB, 1)


def link_health(spool: Spool, broker: Broker) -> dict[str, float]:
    """Return how much waits, where, and how often the link was made."""
    waiting = spool.waiting
    return {
        "spool_packs": waiting.packs,
        "spool_mb": round(waiting.size / _MB, 3),
        "spool_in_memory": float(spool.degraded),
        "spool_set_aside": float(spool.corrupt),
        "spool_salvaged_packs": spool.salvaged,
        "connects": broker.reconnects,
    }


def flow_health(intake: IntakeCounters, masked: int, clock: ClockHealth) -> dict[str, float]:
    """Return what went through quality and sampling, and what the clock did."""
    return {
        "frames": intake.frames,
        "values_not_good": intake.not_good,
        "values_masked": masked,
        "readings": intake.produced,
        "clock_jumps": clock.jumps,
        "clock_ahead_s": round(clock.ahead_s, 3),
    }


def acting_health(state: ActingState) -> dict[str, float]:
    """Return how many outputs are on and fail, and how many acts wait for the hub."""
    return {
        "outputs_on": sum(output.on for output in state.outputs.values()),
        "outputs_failed": sum(bool(output.fault) for output in state.outputs.values()),
        "acts_waiting": state.waiting,
        "alone_s": round(state.alone_ms / 1000, 1),
    }


def port_health(ports: Mapping[str, tuple[bool, PortCounters]]) -> dict[str, float]:
    """Return error counters, summed and of each port (`port_<id>_…`)."""
    counters = [entry for _, entry in ports.values()]
    frames = [entry.frames for entry in counters]
    health: dict[str, float] = {
        "ports_open": sum(is_open for is_open, _ in ports.values()),
        "ports_closed": sum(not is_open for is_open, _ in ports.values()),
        "checksum_errors": sum(entry.checksum_errors for entry in frames),
        "framing_errors": sum(entry.framing_errors for entry in frames),
        "discarded_bytes": sum(map(_discarded, counters)),
        "timeouts": sum(entry.timeouts for entry in counters),
        "exceptions": sum(entry.exceptions for entry in frames),
        "device_faults": sum(entry.faults for entry in frames),
        "missed_frames": sum(entry.missed for entry in frames),
        "port_losses": sum(entry.losses for entry in counters),
        "worker_restarts": sum(entry.restarts for entry in counters),
    }
    for name, (is_open, entry) in ports.items():
        prefix = f"port_{name.replace('-', '_')}"
        health[f"{prefix}_open"] = float(is_open)
        health[f"{prefix}_errors"] = (
            entry.frames.checksum_errors + entry.frames.framing_errors + entry.timeouts
        )
        health[f"{prefix}_discarded_bytes"] = _discarded(entry)
    return health


def _discarded(counters: PortCounters) -> int:
    return counters.discarded_bytes + counters.frames.discarded_bytes


def _number(path: Path, base: int = 10) -> float | None:
    try:
        return int(_text(path), base)
    except ValueError:
        return None


def _text(path: Path) -> str:
    """Return what stands in a file; nothing if it can't be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
