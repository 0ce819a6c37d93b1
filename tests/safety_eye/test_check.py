"""`safety-eye check` on a community file: what every key means, and what is unwise."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from alerts.applying import file_version
from safety_eye.check import describe

PROFILE = """
[site]
id = "a"
name = { zh = "甲", en = "A" }
[[zone]]
id = "hall"
name = { zh = "厅", en = "Hall" }
enclosed = true
[[zone]]
id = "under"
name = { zh = "桥", en = "Under" }
[[sensor]]
id = "g1"
station = "s"
zone = "under"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
mount_height_m = 3.2
air_temperature = "t1"
air_temperature_c = 15
deadband = 0.01
max_rate_per_s = 0.1
[[sensor]]
id = "g2"
station = "s"
zone = "under"
driver = "jsn_sr04t_v3"
quantity = "water-level"
hazard = "flood"
mount_height_m = 3.0
[[sensor]]
id = "t1"
station = "s"
zone = "under"
driver = "ndjson_bridge"
quantity = "temperature"
hazard = "equipment"
believable_high = 50
stuck_s = 0
[[neighbours]]
quantity = "water-level"
sensors = ["g1","g2"]
[[limit]]
zone = "under"
quantity = "water-level"
red = 0.3
"""


def test_every_key_of_a_sensor_and_what_is_judged_together_is_said(tmp_path: Path) -> None:
    file = tmp_path / "community.toml"
    file.write_text(PROFILE, encoding="utf-8")
    text = "\n".join(describe(file))
    for words in (
        "level = 3.2 m - distance",
        "echo corrected for the air's temperature (t1, else 15 Cel)",
        "at most 0.1 m/s",
        "deadband 0.01 m",
        "believable to 50 Cel",
        "never stuck",
        "hall         enclosed",
        "neighbours   water-level: g1, g2 should agree",
    ):
        assert words in text


def test_the_version_of_a_file_is_its_hash_as_anybody_can_compute_it(tmp_path: Path) -> None:
    file = tmp_path / "community.toml"
    file.write_text(PROFILE, encoding="utf-8")
    whole = hashlib.sha256(file.read_bytes()).hexdigest()

    assert any(f"version {whole[:12]} " in line for line in describe(file))
    assert file_version(tmp_path / "missing.toml") == ""


def test_an_echo_without_a_thermometer_and_a_hall_without_counters_are_unwise(
    tmp_path: Path,
) -> None:
    file = tmp_path / "community.toml"
    file.write_text(PROFILE, encoding="utf-8")
    advice = [line for line in describe(file) if "advice:" in line]
    assert any("sensor g2: no air_temperature" in line and "51 mm" in line for line in advice)
    assert not any("sensor g1: no air_temperature" in line for line in advice)
    assert any(
        "zone hall is enclosed, but no sensor counts people-in there" in one for one in advice
    )


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("influx-v1", []),
        ("influx-v2", ["written only", "without a word", "never tested"]),
    ],
)
def test_what_a_history_can_not_do_is_said_before_it_is_chosen(
    tmp_path: Path, kind: str, said: list[str]
) -> None:
    file = tmp_path / "hub.toml"
    (tmp_path / "token").write_text("t" * 32)
    file.write_text(
        f"""[history]
kind = "{kind}"
url = "http://127.0.0.1:8086"
database = "eye"
token_file = "{tmp_path / "token"}"
"""
    )
    advice = [line for line in describe(file) if "history.kind" in line]
    assert len(advice) == len(said)
    for line, words in zip(advice, said, strict=True):
        assert words in line
