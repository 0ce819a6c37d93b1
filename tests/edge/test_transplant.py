"""A scenario in another place: what happens, to whom, and what should come of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.community import Community
from core.community_file import load_community
from core.drill import DrillError, drill_community
from core.grade import Grade
from core.quantity import Quantity
from edge.simulator import derive_community, load_scenario
from edge.simulator.scenario import scenario_problems
from edge.simulator.transplant import transplant, truths

SAMPLE = load_community(Path(__file__).parents[2] / "safety_eye/sample/community.toml")


@pytest.mark.parametrize(
    ("scenario", "zone", "grade", "first_s"),
    [
        # The scenario's own place: its truth says red after 800 s, in time until 1200 s.
        ("cloudburst", "underpass", Grade.RED, 821),
        # Its other place, which it floods less: limits of its own.
        ("cloudburst", "garage-b1", Grade.ORANGE, 926),
        # A recorded fire of another house.
        ("house-fire", "stairwell-3", Grade.RED, 643),
    ],
)
def test_what_should_be_found_follows_from_the_limits_of_the_place(
    scenario: str, zone: str, grade: Grade, first_s: float
) -> None:
    moved = transplant(load_scenario(scenario), SAMPLE, zone)

    assert moved.expected.grade is grade
    assert moved.expected.first_s == pytest.approx(first_s, abs=2)
    assert moved.expected.worst_s >= moved.expected.first_s
    assert {twin.zone for twin in moved.community.sensor} == {zone}
    assert moved.community == drill_community(SAMPLE, moved.sensors)


def test_the_simulator_plays_to_the_twins_at_their_own_intervals() -> None:
    moved = transplant(load_scenario("cloudburst"), SAMPLE, "underpass")

    played = derive_community(moved.scenario, moved.community, 1.0)

    assert scenario_problems(moved.scenario) == []
    assert played.sensor == moved.community.sensor


def test_at_a_faster_pace_the_same_readings_a_second_see_the_same_flood() -> None:
    usual = transplant(load_scenario("cloudburst"), SAMPLE, "underpass")
    fast = transplant(load_scenario("cloudburst"), SAMPLE, "underpass", pace=10)

    assert fast.scenario.interval_s == {"drill-gauge-1": 10.0}
    assert fast.expected.grade is usual.expected.grade
    # Dwell counts the run's seconds, ten scenario seconds each.
    late_s = fast.expected.first_s - usual.expected.first_s
    assert 20 <= late_s <= 60


def test_the_chart_of_a_flood_rises_and_falls() -> None:
    moved = transplant(load_scenario("cloudburst"), SAMPLE, "underpass")

    levels = truths(moved.scenario, moved.community, "drill-gauge-1", Quantity.WATER_LEVEL)

    assert len(levels) == 401
    assert max(levels) > 0.27
    assert levels[0] < 0.01
    assert levels[-1] < 0.05


@pytest.mark.parametrize(
    ("scenario", "zone", "pace", "why"),
    [
        ("cloudburst", "moon", 1.0, "expected one of"),
        ("cloudburst", "hall", 1.0, "no sensor watches for flood"),
        ("cloudburst", "north", 1.0, "reaches no limit"),
        ("quiet-week", "underpass", 1.0, "nothing dangerous happens"),
        ("cloudburst", "underpass", 0.0, "--pace 0: expected above 0"),
        ("cloudburst", "underpass", -1.0, "--pace -1: expected above 0"),
        ("cloudburst", "underpass", float("nan"), "--pace nan: expected above 0"),
        ("cloudburst", "underpass", 1001.0, "--pace 1001: expected above 0 and at most 1000"),
        ("crowded-gate", "east-gate", 5.0, "counters count people in an interval"),
    ],
)
def test_what_could_prove_nothing_is_refused(
    scenario: str, zone: str, pace: float, why: str
) -> None:
    with pytest.raises(DrillError, match=why):
        transplant(load_scenario(scenario), SAMPLE, zone, pace)


def _reporting_every(interval_s: float) -> Community:
    sensors = tuple(msgspec.structs.replace(one, interval_s=interval_s) for one in SAMPLE.sensor)
    return msgspec.structs.replace(SAMPLE, sensor=sensors)


@pytest.mark.parametrize(
    ("scenario", "zone", "interval_s", "pace", "en", "zh"),
    [
        ("cloudburst", "underpass", 300, 10.0, ("3000 s", "try --pace 5"), ("请用 --pace 5",)),
        (
            "house-fire", "stairwell-3", 600, 1.0,
            ("report every 600 s", "in earnest, too", "every 60 s (interval_s in community.toml)"),
            ("每 600 秒才报一次", "真出事时也一样", "interval_s 改为 60 秒"),
        ),
        ("cloudburst", "north", 600, 1.0, ("reaches no limit in north",), ("达不到任何限值",)),
    ],
)  # fmt: skip
def test_a_drill_whose_sensors_would_miss_the_peak_is_told_what_would_find_it(
    scenario: str, zone: str, interval_s: float, pace: float, en: tuple[str], zh: tuple[str]
) -> None:
    with pytest.raises(DrillError) as refused:
        transplant(load_scenario(scenario), _reporting_every(interval_s), zone, pace)

    assert all(words in str(refused.value) for words in en), str(refused.value)
    assert all(words in refused.value.in_language("zh") for words in zh)


def test_what_a_refused_drill_is_told_to_do_lets_it_take_place() -> None:
    scenario = load_scenario("cloudburst")

    assert transplant(scenario, _reporting_every(300), "underpass", 5).expected.grade > Grade.GREEN
    fire = transplant(load_scenario("house-fire"), _reporting_every(60), "stairwell-3")
    assert fire.expected.grade > Grade.GREEN
