"""systemd units and udev rules of `hardware/`: they parse, and they stay hardened."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HARDWARE = Path(__file__).parents[2] / "hardware"
UNITS = ("safety-eye-station", "safety-eye-hub", "safety-eye-update-resume")
# `systemd-analyze security` of the reference unit says 2.0; the gate of the hardware notes is 2.5.
MOST_EXPOSED = 2.5


def analyze(*arguments: str) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_every_line_of_a_unit(unit: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (HARDWARE / f"systemd/{unit}.service").read_text()
    file = tmp_path / f"{unit}.service"
    file.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={program}", text, flags=re.MULTILINE))

    # Debian's own files may be complained of, too.
    assert [line for line in analyze("verify", str(file)).splitlines() if unit in line] == []


@pytest.mark.parametrize("unit", UNITS[:2])
def test_a_unit_exposes_little(unit: str) -> None:
    said = analyze("security", "--offline=true", str(HARDWARE / f"systemd/{unit}.service"))

    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found is not None, said
    assert float(found.group(1)) <= MOST_EXPOSED


def test_the_stations_unit_is_watched_restarted_and_may_use_its_ports() -> None:
    lines = (HARDWARE / "systemd/safety-eye-station.service").read_text().splitlines()

    for line in (
        "Type=notify", "WatchdogSec=60", "Restart=always", "StartLimitIntervalSec=0",
        "SupplementaryGroups=dialout", "DeviceAllow=char-ttyUSB rw", "StateDirectory=safety-eye",
    ):  # fmt: skip
        assert line in lines
    assert not any(line.startswith(("PrivateDevices=yes", "ProtectClock=yes")) for line in lines)


_TERM = r'[A-Z_]+(\{[A-Za-z_]+\})?(==|!=|=|\+=|:=)"[^"]*"'
_RULE = re.compile(rf"{_TERM}(, {_TERM})*")


def test_every_udev_rule_is_a_list_of_terms_that_matches_before_it_sets() -> None:
    rules = HARDWARE / "udev/60-safety-eye-serial.rules"
    lines = [
        line.removeprefix("#")
        for line in rules.read_text().splitlines()
        if line.removeprefix("#").startswith(("SUBSYSTEM", "ACTION"))
    ]

    assert len(lines) >= 10
    for line in lines:
        assert _RULE.fullmatch(line), line
        assert "==" in line.split(", ")[0]
        assert any("==" not in term for term in line.split(", "))
