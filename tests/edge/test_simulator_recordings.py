"""Recordings are played with the recording's own values, in order, re-based to the run."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from core.community import Community
from core.community_file import load_community
from core.configuration import ConfigurationError
from edge.drivers import make_driver
from edge.drivers.base import Driver
from edge.simulator import Program, derive_community, load_scenario, ports_of, with_window
from edge.simulator.faults import Faults
from edge.simulator.line import Line
from edge.simulator.recording import (
    RECORDINGS_VARIABLE,
    find_recording,
    load_window,
    parse_instant,
    read_facts,
)

SAMPLE = Path(__file__).parents[2] / "safety_eye" / "sample" / "community.toml"
SHIPPED = (
    "beijing-dongsi-2013-2015",
    "ea-calder-mytholmroyd-2015-16",
    "melbourne-southern-cross-station",
    "nist-sdc05",
)
whole_recordings = pytest.mark.skipif(
    not os.environ.get(RECORDINGS_VARIABLE),
    reason=f"{RECORDINGS_VARIABLE} is not set: whole recordings are not at hand",
)


@pytest.fixture(scope="module")
def community() -> Community:
    return load_community(SAMPLE)


def line_and_driver(name: str, community: Community) -> tuple[Line, Driver]:
    scenario = load_scenario(name)
    derived = derive_community(scenario, community)
    (plan,) = ports_of(derived)
    entry = plan.sensors[0]
    driver = make_driver(entry.driver, {"address": entry.address, **entry.options})
    return Line(plan, Program(scenario, derived), Faults((), 1)), driver


def named(driver: Driver, raw: bytes, name: str) -> float:
    for frame in driver.feed(raw):
        for measurement in frame.measurements:
            if measurement.name == name:
                assert isinstance(measurement.value, int | float)
                return float(measurement.value)
    pytest.fail(f"no {name} in {raw!r}")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_excerpt_is_small_and_says_where_it_comes_from(name: str) -> None:
    path = find_recording(name)[0]
    assert path.stat().st_size < 60_000
    facts = read_facts(path)
    assert facts.name == name
    assert facts.origin
    assert facts.licence


@whole_recordings
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_excerpt_equals_its_recording(name: str) -> None:
    shipped, whole = find_recording(name)[:2]
    for channel in read_facts(shipped).channels:
        cut = load_window(str(shipped), channel)
        same = load_window(str(whole), channel).window(cut.at_ms[0], cut.at_ms[-1])
        assert (cut.at_ms, cut.values) == (same.at_ms, same.values)


def test_the_calder_comes_out_of_the_probe_to_the_millimetre_and_in_order(
    community: Community,
) -> None:
    line, driver = line_and_driver("calder-2015", community)
    recorded = load_window("ea-calder-mytholmroyd-2015-16", "stage")
    for row, value in enumerate(recorded.values[: 4 * 24 * 4]):
        level_mm = named(driver, line.answered(driver.request(), row * 900.0), "level")
        assert level_mm == pytest.approx(1000 * value, abs=0.51)


def test_between_two_rows_a_level_changes_steadily(community: Community) -> None:
    line, driver = line_and_driver("calder-2015", community)
    levels = [
        named(driver, line.answered(driver.request(), 198_000.0 + t), "level")
        for t in (0, 300, 600, 900)
    ]
    rise = levels[3] - levels[0]
    assert rise > 20
    assert levels[1] == pytest.approx(levels[0] + rise / 3, abs=1.1)
    assert levels[2] == pytest.approx(levels[0] + 2 * rise / 3, abs=1.1)


def test_the_smog_week_comes_out_of_the_laser_in_whole_micrograms(community: Community) -> None:
    line, driver = line_and_driver("smog-week", community)
    recorded = load_window("beijing-dongsi-2013-2015", "pm2-5", "2015-11-25T16:00:00Z")
    for row in range(160):
        (raw,) = line.spoken(row * 3600.0)
        if (recorded.at_ms[row] - recorded.at_ms[0]) != row * 3_600_000:
            break
        assert named(driver, raw, "pm25") == pytest.approx(recorded.values[row], abs=0.51)


def test_the_pedestrians_are_a_counter_that_only_grows(community: Community) -> None:
    line, driver = line_and_driver("pedestrians", community)
    recorded = load_window("melbourne-southern-cross-station", "count", "2015-03-22T13:00:00Z")
    counts = [
        named(driver, line.answered(driver.request(), hour * 3600.0), "count")
        for hour in range(14 * 24)
    ]
    hourly = [after - before for before, after in pairwise(counts)]
    assert min(hourly) >= 0
    for hour, value in enumerate(hourly[:200]):
        assert value == pytest.approx(recorded.values[hour], abs=1)
    # Within an hour they are spread evenly: the quarter of a rush hour is a quarter of its people.
    rush = max(range(200), key=lambda hour: recorded.values[hour])
    quarter = named(driver, line.answered(driver.request(), rush * 3600.0 + 900.0), "count")
    assert quarter - counts[rush] == pytest.approx(recorded.values[rush] / 4, abs=1)


def test_the_fire_test_is_quiet_for_ten_minutes_and_then_burns_as_recorded(
    community: Community,
) -> None:
    line, driver = line_and_driver("house-fire", community)
    quiet: list[float] = []
    burning: list[float] = []
    for t_s in range(0, 900, 5):
        (raw,) = line.spoken(float(t_s))
        (frame,) = driver.feed(raw)
        smoke = next(m.value for m in frame.measurements if m.name == "smoke")
        assert isinstance(smoke, int | float)
        (quiet if t_s < 600 else burning).append(smoke)
    recorded = load_window("nist-sdc05", "smoke-f")
    assert len(quiet) == 120
    assert max(quiet) < 0.05, "below the lowest limit"
    assert len(set(quiet)) > 20, "a real sensor's noise, not a constant"
    assert burning[:41] == pytest.approx(list(recorded.values), abs=1e-4)
    assert burning[41:] == pytest.approx([recorded.values[-1]] * 19, abs=1e-4)


def test_another_window_is_cut_from_the_shipped_excerpt(community: Community) -> None:
    scenario = with_window(
        load_scenario("calder-2015"), "2015-12-26T00:00:00Z", "2015-12-26T12:00:00Z"
    )
    assert scenario.duration_s == 12 * 3600
    assert scenario.truth == (), "marks of another window would be wrong"
    derived = derive_community(scenario, community)
    program = Program(scenario, derived)
    entry = derived.sensor[0]
    recorded = load_window(
        "ea-calder-mytholmroyd-2015-16", "stage", "2015-12-26T00:00:00Z", "2015-12-26T12:00:00Z"
    )
    assert program.sample(entry, entry.quantity, 0.0).value == recorded.values[0]
    assert program.sample(entry, entry.quantity, 1e9).value == recorded.values[-1]


def test_a_window_that_nobody_recorded_says_where_to_put_recordings(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(RECORDINGS_VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=RECORDINGS_VARIABLE):
        with_window(load_scenario("calder-2015"), "2015-06-01T00:00:00Z", "2015-06-02T00:00:00Z")
    with pytest.raises(ConfigurationError, match="plays a recording"):
        with_window(load_scenario("smog"), "2015-06-01T00:00:00Z")
    scenario = load_scenario("calder-2015")
    odd = msgspec.structs.replace(
        scenario, play=(msgspec.structs.replace(scenario.play[0], channel="colour"),)
    )
    with pytest.raises(ConfigurationError, match="colour"):
        Program(odd, derive_community(odd, community))


@whole_recordings
def test_a_window_beyond_the_excerpt_is_found_in_the_whole_recordings() -> None:
    column = load_window(
        "ea-calder-mytholmroyd-2015-16",
        "stage",
        "2015-06-01T00:00:00Z",
        "2015-06-02T00:00:00Z",
    )
    assert column.at_ms[0] == parse_instant("2015-06-01T00:00:00Z")
    assert len(column.values) == 97


def test_a_temperature_does_not_drive_a_smoke_sensor(community: Community) -> None:
    scenario = load_scenario("house-fire")
    odd = msgspec.structs.replace(
        scenario, play=(msgspec.structs.replace(scenario.play[0], channel="ceiling-d"),)
    )
    with pytest.raises(ConfigurationError, match="no conversion"):
        Program(odd, derive_community(odd, community))
