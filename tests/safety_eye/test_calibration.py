"""Calibration: records that are only added, values that follow from them, and what is overdue."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from core.community_file import calibration_problems, load_community
from edge.drivers import make_driver
from edge.drivers.selection import select
from safety_eye.calibration import Calibration, add_record, corrected, load_book
from safety_eye.check import describe
from safety_eye.installation import KitError

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample/community.toml"
DAY = dt.date(2026, 11, 25)


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return Path(shutil.copy(SAMPLE, tmp_path / "community.toml"))


def record(**changes: object) -> Calibration:
    given = Calibration(
        "gauge-1", DAY, "Li Wei", "steel rule, class II", (0.3,), (0.312,), 1.0, -0.012,
        dt.date(2027, 5, 24),
    )  # fmt: skip
    return msgspec.structs.replace(given, **changes)


def test_a_level_is_corrected_on_the_station_before_anything_judges_it() -> None:
    entry = load_community(SAMPLE).sensor_of("gauge-1")
    assert entry is not None
    entry = msgspec.structs.replace(entry, slope=1.02, offset=-0.012)
    # 3.20 m above the ground, the echo from 2.888 m: 0.312 m before calibration.
    frames = make_driver(entry.driver).feed(bytes.fromhex("FF0B4852"))

    [(_, measurement)] = select(frames[0], entry)

    assert measurement.value == pytest.approx(1.02 * 0.312 - 0.012)


def test_calibration_leaves_other_quantities_of_the_device_alone() -> None:
    community = load_community(SAMPLE)
    entry = next(one for one in community.sensor if one.also)
    shifted = msgspec.structs.replace(entry, offset=1.0)
    driver = make_driver(entry.driver, entry.options)
    frame = driver.feed(driver.encode({}))[0]

    before, after = dict(select(frame, entry)), dict(select(frame, shifted))

    for quantity in entry.also:
        assert after[quantity] == before[quantity]
    own = before[entry.quantity].value
    assert isinstance(own, float)
    assert after[entry.quantity].value == pytest.approx(own + 1.0)


def test_two_comparisons_undo_the_calibration_that_held_before() -> None:
    entry = load_community(SAMPLE).sensor_of("gauge-1")
    assert entry is not None
    entry = msgspec.structs.replace(entry, slope=1.1, offset=0.05)
    raw = (0.1, 2.0)
    shown = [1.1 * value + 0.05 for value in raw]

    slope, offset = corrected(entry, (0.0, 1.9), shown)

    assert [slope * value + offset for value in raw] == pytest.approx([0.0, 1.9], abs=1e-5)
    with pytest.raises(KitError, match="too near"):
        corrected(entry, (1.0, 1.001), (1.0, 1.001))
    with pytest.raises(KitError, match="one or two pairs"):
        corrected(entry, (1.0, 2.0), (1.0,))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sensor": "nowhere"}, "no such sensor"),
        ({"sensor": "gate-in"}, "not calibrated"),
        ({"by": " "}, "who did it"),
        ({"reference": ""}, "compared with"),
        ({"due": DAY}, "is not after"),
        ({"slope": 7.0}, "wrong unit"),
    ],
)
def test_a_record_that_can_not_be_is_refused(
    changes: dict[str, object], why: str, profile: Path
) -> None:
    with pytest.raises(KitError, match=why):
        add_record(load_community(profile), profile, record(**changes))

    assert load_book(profile).calibration == ()


def test_records_are_added_and_check_speaks_of_what_is_overdue_or_differs(profile: Path) -> None:
    community = load_community(profile)
    assert not any("calibration" in line for line in describe(profile, DAY))
    add_record(community, profile, record(date=dt.date(2026, 5, 1), due=dt.date(2026, 11, 1)))

    lines = "\n".join(describe(profile, DAY))
    assert "calibration of gauge-1: overdue since 2026-11-01, 24 days" in lines
    assert "slope 1, offset 0, the record of 2026-05-01 1, -0.012" in lines
    assert "calibration of gauge-2: never done" in lines

    add_record(community, profile, record())
    text = profile.read_text().replace('id = "gauge-1"', 'id = "gauge-1"\noffset = -0.012')
    profile.write_text(text)
    lines = "\n".join(describe(profile, DAY))
    assert "calibration of gauge-1" not in lines
    assert [one.date for one in load_book(profile).calibration] == [dt.date(2026, 5, 1), DAY]


def test_slope_and_offset_are_refused_where_they_mean_nothing() -> None:
    community = load_community(SAMPLE)
    gate, gauge = community.sensor_of("gate-in"), community.sensor_of("gauge-1")
    assert gate is not None
    assert gauge is not None
    replace = msgspec.structs.replace

    assert "not calibrated" in calibration_problems(replace(gate, offset=1.0))[0]
    assert "expected 0.2 to 5" in calibration_problems(replace(gauge, slope=0.0))[0]
    assert "finite" in calibration_problems(replace(gauge, offset=float("nan")))[0]
    assert calibration_problems(replace(gauge, slope=1.05, offset=-0.02)) == []


def test_the_commands_record_and_list_and_an_overdue_sensor_is_exit_code_1(profile: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "safety_eye", "calibration", *arguments],
            capture_output=True, text=True, timeout=60, check=False, env=None,
        )  # fmt: skip

    given = ["--community", str(profile), "--by", "Li Wei", "--reference", "steel rule"]
    added = run("add", "gauge-1", *given, "--true", "0.3", "--before", "0.312",
                "--date", "2020-01-01")  # fmt: skip
    assert added.returncode == 0, added.stderr
    assert "offset = -0.012" in added.stderr

    listed = run("list", "--community", str(profile))
    assert (listed.returncode, "OVERDUE" in listed.stderr) == (1, True)
    wrong = run("add", "gauge-1", *given, "--true", "0.3", "--before", "x")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
