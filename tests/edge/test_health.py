from __future__ import annotations

from pathlib import Path

import pytest

from edge.health import machine_health


def put(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_what_a_machine_does_not_tell_is_absent_and_not_zero(tmp_path: Path) -> None:
    health = machine_health(tmp_path, tmp_path / "empty")
    assert health["disk_free_mb"] > 0
    assert health["memory_mb"] > 0
    unknown = {"cpu_celsius", "undervoltage", "throttled", "throttled_bits", "memory_available_mb"}
    assert unknown.isdisjoint(health)


@pytest.mark.parametrize(
    ("bits", "now", "slowed", "seen"),
    [("0", 0, 0, 0), ("50005", 1, 1, 1), ("0x50000", 0, 0, 1), ("1", 1, 0, 0), ("8", 0, 1, 0)],
)
@pytest.mark.parametrize("folder", ["soc/soc:firmware", "scb/soc:firmware"])
def test_the_firmwares_bits_are_said_one_by_one(
    tmp_path: Path, folder: str, bits: str, now: int, slowed: int, seen: int
) -> None:
    put(tmp_path, f"sys/devices/platform/{folder}/get_throttled", f"{bits}\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "48312\n")
    put(tmp_path, "proc/meminfo", "MemTotal: 900000 kB\nMemAvailable:     500000 kB\n")
    health = machine_health(tmp_path, tmp_path)
    assert (health["undervoltage"], health["throttled"]) == (now, slowed)
    assert health["undervoltage_since_boot"] == seen
    assert health["cpu_celsius"] == 48.312
    assert health["memory_available_mb"] == 512.0


def test_a_voltage_sensor_tells_of_undervoltage_where_the_firmware_has_no_file(
    tmp_path: Path,
) -> None:
    put(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    assert machine_health(tmp_path, tmp_path)["undervoltage"] == 1.0


def test_garbage_in_the_systems_files_is_no_number(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "warm")
    put(tmp_path, "proc/meminfo", "MemAvailable: plenty\nMemAvailable:\n")
    health = machine_health(tmp_path, tmp_path)
    assert {"cpu_celsius", "memory_available_mb"}.isdisjoint(health)
