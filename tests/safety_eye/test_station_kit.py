"""`safety-eye station new`: what an installer carries to a new station, and what is refused."""

from __future__ import annotations

import base64
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from core.community_file import load_community
from core.configuration import ConfigurationError
from edge import update
from edge.configuration import load_station
from safety_eye.credentials import password_line
from safety_eye.installation import KitError
from safety_eye.station_kit import BrokerDoor, write_station

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample/community.toml"
COMMUNITY = load_community(SAMPLE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    file = tmp_path / "ca.crt"
    file.write_text("-----BEGIN CERTIFICATE-----\n")
    return file


def test_the_station_accepts_its_file_with_the_profiles_sensors_and_limits(
    tmp_path: Path, root: Path
) -> None:
    place = write_station(tmp_path / "n", "north-1", COMMUNITY, BrokerDoor("hub.local", 8883, root))

    config = load_station(place / "station.toml")
    assert (config.station.id, config.station.site) == ("north-1", "riverside")
    own = [entry for entry in COMMUNITY.sensor if entry.station == "north-1"]
    assert {entry.id for entry in config.sensor} == {entry.id for entry in own}
    assert {(limit.zone, limit.quantity) for limit in config.limit} == {
        (limit.zone, limit.quantity)
        for limit in COMMUNITY.limit
        if limit.zone in {entry.zone for entry in own}
    }
    assert config.broker.username == "north-1"
    assert config.broker.ca_file == str(place / "ca.crt")
    assert [port.path for port in config.port] == [
        f"/dev/safety-eye/{port.id}" for port in config.port
    ]
    assert config.broker.advice == []


def test_secrets_are_for_their_owner_alone_and_the_hash_fits_the_password(
    tmp_path: Path, root: Path
) -> None:
    place = write_station(tmp_path / "n", "north-1", COMMUNITY, BrokerDoor("hub.local", 8883, root))
    other = write_station(tmp_path / "m", "tower-3", COMMUNITY, BrokerDoor("hub.local", 8883, root))

    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    for name in ("broker.password", "command.key", "hub/command.key", "hub/broker-password.line"):
        assert stat.S_IMODE((place / name).stat().st_mode) == 0o600
    password = (place / "broker.password").read_text().strip()
    line = (place / "hub/broker-password.line").read_text().strip()
    assert line.startswith("north-1:")
    assert password not in line
    salt = base64.b64decode(line.split("$")[3])
    assert line == password_line("north-1", password, salt)
    assert (place / "command.key").read_text() == (place / "hub/command.key").read_text()
    for secret in ("broker.password", "command.key"):
        assert (place / secret).read_text() != (other / secret).read_text()


def test_the_machines_files_come_along(tmp_path: Path, root: Path) -> None:
    place = write_station(tmp_path / "n", "north-1", COMMUNITY, BrokerDoor("hub.local", 8883, root))

    assert (place / "safety-eye-update").read_text() == Path(update.__file__).read_text()
    assert (place / "safety-eye-update").stat().st_mode & 0o111
    steps = (place / "INSTALL.md").read_text()
    # Both languages name the station's own ports, and every file that is there.
    assert steps.count("`/dev/safety-eye/uart-0`") == 2
    assert "$" not in steps.replace("$(", "")
    for file in place.iterdir():
        if file.is_file():
            assert steps.count(file.name.removesuffix(".service")) >= 2, file.name
    rules = (place / "60-safety-eye-serial.rules").read_text()
    for port in load_station(place / "station.toml").port:
        assert f'SYMLINK+="safety-eye/{port.id}"' in rules


@pytest.mark.parametrize(
    ("station", "why"),
    [
        ("nowhere", "no sensor of the profile"),
        ("hub", "not 'hub'"),
        ("North 1", "expected 1 to 40"),
    ],
)
def test_a_name_that_is_no_station_is_refused_and_nothing_is_left(
    station: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(KitError, match=why):
        write_station(tmp_path / "n", station, COMMUNITY, BrokerDoor("hub.local"))

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    with pytest.raises(KitError, match="nothing is overwritten"):
        write_station(tmp_path / "n", "north-1", COMMUNITY, BrokerDoor("hub.local"))
    missing = BrokerDoor("hub.local", 8883, tmp_path / "no-such-ca.crt")
    with pytest.raises(KitError, match=r"no-such-ca\.crt"):
        write_station(tmp_path / "m", "north-1", COMMUNITY, missing)

    assert [entry.name for entry in tmp_path.iterdir()] == ["n"]


def test_a_profile_that_a_station_would_not_accept_is_refused_here(tmp_path: Path) -> None:
    text = SAMPLE.read_text().replace('id = "gauge-1"', 'id = "gauge-1"\noptions = { max_mm = 1 }')
    (tmp_path / "community.toml").write_text(text)
    community = load_community(tmp_path / "community.toml")

    with pytest.raises((ConfigurationError, KitError, ValueError), match="max_mm"):
        write_station(tmp_path / "n", "north-1", community, BrokerDoor("hub.local"))
    assert not (tmp_path / "n").exists()


def test_the_command_says_what_comes_next_and_refuses_without_a_broker(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable, "-m", "safety_eye", "station", "new", "north-1",
                "--community", str(SAMPLE), *arguments,
            ],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    done = run("--host", "hub.local", "--out", str(tmp_path / "n"))
    assert done.returncode == 0, done.stderr
    assert "INSTALL.md" in done.stderr
    assert "ca.crt is missing" in done.stderr
    keys = tomllib.loads((tmp_path / "n/station.toml").read_text())
    assert keys["broker"]["host"] == "hub.local"

    again = run("--host", "hub.local", "--out", str(tmp_path / "n"))
    assert (again.returncode, "Traceback" in again.stderr) == (2, False)
    assert run("--out", str(tmp_path / "m")).returncode == 2
