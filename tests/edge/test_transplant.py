"""A scenario in another place: what happens, to whom, and what should come of it."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        ("crowded-gate", "east-gate", 5.0, "counters count people in an interval"),
    ],
)
def test_what_could_prove_nothing_is_refused(
    scenario: str, zone: str, pace: float, why: str
) -> None:
    with pytest.raises(DrillError, match=why):
        transplant(load_scenario(scenario), SAMPLE, zone, pace)
