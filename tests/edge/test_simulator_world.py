"""The simulated world: pure, seeded, physical; shipped scenarios do what they promise."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec
import pytest

from core.clock import late_after_ms
from core.community import Community
from core.community_file import load_community, problems
from core.configuration import ConfigurationError, parse_toml
from core.grade import Grade, grade_named
from core.limits import fresh_state, step
from core.quantity import FACTS, Quantity
from edge.simulator import (
    FaultKind,
    Program,
    Scenario,
    derive_community,
    load_scenario,
    ports_of,
    scenario_names,
)
from edge.simulator.derivation import MOST_FRAMES_PER_WALL_S
from edge.simulator.instrument import driver_of, say, words_of
from edge.simulator.noise import gauss, poisson, uniform
from edge.simulator.scenario import LONGEST_WALL_S

SAMPLE = Path(__file__).parents[2] / "safety_eye" / "sample" / "community.toml"
SYNTHETIC = (
    "bad-sensors",
    "cloudburst",
    "crowded-gate",
    "cut-cable",
    "quiet-week",
    "smog",
    "stairwell-fire",
)
PLAYED = ("calder-2015", "house-fire", "pedestrians", "smog-week")


@pytest.fixture(scope="module")
def community() -> Community:
    return load_community(SAMPLE)


@cache
def sample_program(name: str, seed: int | None = None) -> Program:
    scenario = load_scenario(name)
    return Program(scenario, derive_community(scenario, load_community(SAMPLE)), seed)


def graded(
    name: str, sensor: str, quantity: Quantity, community: Community
) -> list[tuple[float, Grade]]:
    """Return the changes of grade that a perfect station and limit step would see."""
    scenario = load_scenario(name)
    derived = derive_community(scenario, community)
    played = sample_program(name)
    entry = derived.sensor_of(sensor)
    assert entry is not None
    driver = driver_of(entry)
    word = next(word for word in words_of(entry, driver) if word.quantity is quantity)
    rules = [(rule, fresh_state(rule)) for rule in derived.rules_of(entry, quantity)]
    changes: list[tuple[float, Grade]] = []
    previous = 0.0
    for number in range(int(scenario.duration_s / entry.interval_s) + 1):
        t_s = number * entry.interval_s
        sample = played.sample(entry, quantity, t_s)
        _, said = say(entry, word, sample, played.seed, t_s)
        assert isinstance(said, int | float)
        value = station_value(entry.mount_height_m, entry.zero_offset_m, quantity, said, word.unit)
        if FACTS[quantity].cumulative:
            value, previous = value - previous, value
        worst = Grade.GREEN
        for rule, state in rules:
            worst = max(worst, step(rule, state, round(t_s * 1000) + 1, value))
        if worst is not (changes[-1][1] if changes else Grade.GREEN):
            changes.append((t_s, worst))
    return changes


def station_value(
    mount_m: float | None, zero_m: float, quantity: Quantity, said: float, unit: str
) -> float:
    """Undo the mounting as a station does."""
    if quantity is not Quantity.WATER_LEVEL:
        return said
    metres = said / 1000 if unit == "mm" else said
    return mount_m - metres if mount_m is not None else metres - zero_m


def test_a_number_depends_on_seed_name_and_index_only() -> None:
    assert uniform(1, "a", 5) == uniform(1, "a", 5)
    assert (
        len({uniform(1, "a", 5), uniform(2, "a", 5), uniform(1, "b", 5), uniform(1, "a", 6)}) == 4
    )


def test_noise_has_the_spread_that_it_claims() -> None:
    drawn = [gauss(3, "x", index) for index in range(4000)]
    mean = sum(drawn) / len(drawn)
    spread = (sum((value - mean) ** 2 for value in drawn) / len(drawn)) ** 0.5
    assert abs(mean) < 0.06
    assert abs(spread - 1) < 0.05


@pytest.mark.parametrize("mean", [0.3, 4.0, 80.0])
def test_arrivals_have_the_mean_that_was_asked_for(mean: float) -> None:
    drawn = [poisson(mean, 9, "gate", index) for index in range(3000)]
    assert sum(drawn) / len(drawn) == pytest.approx(mean, rel=0.06)


def test_the_shipped_scenarios_are_the_promised_ones() -> None:
    assert set(scenario_names()) == {*SYNTHETIC, *PLAYED}


@pytest.mark.parametrize("name", [*SYNTHETIC, *PLAYED])
def test_a_shipped_scenario_derives_a_valid_community_and_keeps_its_lines_calm(
    name: str, community: Community
) -> None:
    scenario = load_scenario(name)
    derived = derive_community(scenario, community)
    assert problems(derived) == []
    assert scenario.name.zh
    assert scenario.name.en
    assert scenario.duration_s / scenario.speed <= LONGEST_WALL_S
    for plan in ports_of(derived):
        assert plan.frames_per_s * scenario.speed <= MOST_FRAMES_PER_WALL_S
        for sensor in plan.sensors:
            assert words_of(sensor, driver_of(sensor))
    assert derive_community(scenario, derived) == derived
    assert all(grade_named(truth.grade) > Grade.GREEN for truth in scenario.truth)


@pytest.mark.parametrize("name", [*SYNTHETIC, *PLAYED])
def test_a_shipped_scenario_is_never_late_or_silent_by_its_own_pace(
    name: str, community: Community
) -> None:
    scenario = load_scenario(name)
    for sensor in derive_community(scenario, community).sensor:
        assert late_after_ms(sensor.interval_s, scenario.speed) >= 3000 * sensor.interval_s


def test_the_same_seed_makes_the_same_world_and_another_seed_another_one(
    community: Community,
) -> None:
    scenario = load_scenario("crowded-gate")
    derived = derive_community(scenario, community)
    first, again, other = (Program(scenario, derived, seed) for seed in (7, 7, 8))
    instants = [300.0 * number for number in range(24)]

    def crowd(one: Program) -> list[float]:
        return [one.world.value(Quantity.PEOPLE_IN, "east-gate", t_s) for t_s in instants]

    assert crowd(first) == crowd(again)
    assert crowd(first) != crowd(other)


def test_an_instant_can_be_asked_for_in_any_order() -> None:
    played = sample_program("cloudburst")
    instants = range(0, 6000, 7)

    def levels(order: Iterable[int]) -> list[float]:
        return [played.world.value(Quantity.WATER_LEVEL, "underpass", t_s) for t_s in order]

    assert levels(instants) == list(reversed(levels(reversed(instants))))


def test_the_cloudburst_walks_the_underpass_through_every_grade_and_back(
    community: Community,
) -> None:
    changes = graded("cloudburst", "gauge-1", Quantity.WATER_LEVEL, community)
    assert [grade.word for _, grade in changes] == [
        "blue", "yellow", "orange", "red", "orange", "yellow", "blue", "green",
    ]  # fmt: skip
    scenario = load_scenario("cloudburst")
    assert changes[0][0] / scenario.speed <= 25, "first alert within 25 s of wall time"
    assert changes[-1][0] <= scenario.duration_s - 600, "time to spare for a slow machine"


def test_the_cloudburst_takes_the_garage_to_orange_and_back(community: Community) -> None:
    changes = graded("cloudburst", "gauge-2", Quantity.WATER_LEVEL, community)
    assert max(grade for _, grade in changes) is Grade.ORANGE
    assert changes[-1][1] is Grade.GREEN


def test_the_cut_cable_flood_rises_before_the_cut_and_is_still_red_when_the_link_returns(
    community: Community,
) -> None:
    changes = graded("cut-cable", "gauge-1", Quantity.WATER_LEVEL, community)
    cut = next(f for f in load_scenario("cut-cable").fault if f.kind is FaultKind.UPLINK_CUT)
    assert changes[0][0] < cut.from_s - 300
    (red_from,) = (t_s for t_s, grade in changes if grade is Grade.RED)
    after_red = changes[[grade for _, grade in changes].index(Grade.RED) + 1][0]
    assert cut.from_s < red_from < cut.to_s < after_red - 600
    assert changes[-1][1] is Grade.GREEN
    speed = load_scenario("cut-cable").speed
    allowance_s = late_after_ms(10, speed) / 1000
    assert cut.to_s - cut.from_s > 2 * allowance_s, "most of the backlog is late"


@pytest.mark.parametrize(
    ("name", "sensor", "quantity", "grade"),
    [
        ("stairwell-fire", "smoke-2", Quantity.SMOKE_OBSCURATION, "red"),
        ("stairwell-fire", "co-1", Quantity.CARBON_MONOXIDE, "red"),
        ("stairwell-fire", "smoke-1", Quantity.SMOKE_INDEX, "orange"),
        ("stairwell-fire", "heat-1", Quantity.TEMPERATURE, "orange"),
        ("stairwell-fire", "panel-1", Quantity.ALARM_INPUT, "orange"),
        ("smog", "air-1", Quantity.PM2_5, "red"),
        ("crowded-gate", "gate-in", Quantity.PEOPLE_IN, "red"),
        ("calder-2015", "river-1", Quantity.WATER_LEVEL, "red"),
        ("house-fire", "home-smoke", Quantity.SMOKE_OBSCURATION, "red"),
        ("smog-week", "dust-1", Quantity.PM2_5, "red"),
    ],
)
def test_a_hazard_reaches_the_grade_that_its_truth_names(
    name: str, sensor: str, quantity: Quantity, grade: str, community: Community
) -> None:
    changes = graded(name, sensor, quantity, community)
    assert max(found for _, found in changes).word == grade


@pytest.mark.parametrize("name", ["stairwell-fire", "smog", "crowded-gate", "calder-2015"])
def test_a_hazard_is_over_before_the_scenario_ends(name: str, community: Community) -> None:
    scenario = load_scenario(name)
    derived = derive_community(scenario, community)
    for truth in scenario.truth:
        for sensor in derived.sensor:
            if sensor.zone == truth.zone:
                for quantity in sensor.quantities:
                    changes = graded(name, sensor.id, quantity, community)
                    assert not changes or changes[-1][1] is Grade.GREEN


def test_smoke_and_carbon_monoxide_come_before_the_heat(community: Community) -> None:
    smoke = graded("stairwell-fire", "smoke-2", Quantity.SMOKE_OBSCURATION, community)[0][0]
    heat = graded("stairwell-fire", "heat-1", Quantity.TEMPERATURE, community)[0][0]
    assert smoke < heat - 120
    truth = load_scenario("stairwell-fire").truth[0]
    assert truth.from_s < smoke <= truth.first_by_s


@pytest.mark.parametrize("name", ["quiet-week", "bad-sensors"])
def test_a_scenario_without_danger_stays_below_every_limit(name: str, community: Community) -> None:
    assert load_scenario(name).truth == ()
    for sensor in derive_community(load_scenario(name), community).sensor:
        for quantity in sensor.quantities:
            assert graded(name, sensor.id, quantity, community) == [], f"{sensor.id}/{quantity}"


def test_the_bad_sensors_have_every_kind_of_fault_once() -> None:
    kinds = [fault.kind for fault in load_scenario("bad-sensors").fault]
    assert sorted(kinds) == sorted(FaultKind)


@pytest.mark.parametrize(
    ("kind", "present", "absent"),
    [
        ("cooking", "carbon-monoxide", "temperature"),
        ("steam", "humidity", "carbon-monoxide"),
        ("dust", "pm10", "carbon-monoxide"),
    ],
)
def test_each_nuisance_has_its_own_signature(
    kind: str, present: str, absent: str, community: Community
) -> None:
    text = """
name = {{ zh = "x", en = "x" }}
text = {{ zh = "x", en = "x" }}
duration_s = 3600
{event}
"""
    event = f'[[event]]\nkind = "{kind}"\nzone = "stairwell-3"\nfrom_s = 600\nto_s = 1800\n'
    worlds = [
        Program(scenario, derive_community(scenario, community)).world
        for scenario in (
            parse_toml(text.format(event=event), Scenario),
            parse_toml(text.format(event=""), Scenario),
        )
    ]

    def added(quantity: str) -> float:
        there, away = (world.value(Quantity(quantity), "stairwell-3", 1200.0) for world in worlds)
        return there - away

    assert added(present) > 0
    assert added(absent) == 0
    assert added("smoke-obscuration") > 0
    if kind == "dust":
        assert added("pm10") > 4 * added("pm2-5")


def test_after_the_end_the_last_state_is_held() -> None:
    played = sample_program("cloudburst")
    for quantity in (Quantity.WATER_LEVEL, Quantity.RAIN_RATE):
        end = played.world.value(quantity, "underpass", 6000.0)
        assert played.world.value(quantity, "underpass", 90_000.0) == end


def test_limits_of_counters_stay_the_same_people_a_minute(community: Community) -> None:
    derived = derive_community(load_scenario("quiet-week"), community)
    (limit,) = (entry for entry in derived.limit if entry.quantity is Quantity.PEOPLE_IN)
    sensor = derived.sensor_of("gate-in")
    assert sensor is not None
    assert limit.yellow == pytest.approx(60 * sensor.interval_s / 60)


def test_a_faster_speed_stretches_the_intervals_to_keep_the_lines_calm(
    community: Community,
) -> None:
    derived = derive_community(load_scenario("cloudburst"), community, speed=1000)
    assert all(
        plan.frames_per_s * 1000 <= MOST_FRAMES_PER_WALL_S + 1e-9 for plan in ports_of(derived)
    )
    assert problems(derived) == []


def test_a_sensor_without_a_port_gets_a_line_of_its_own(community: Community) -> None:
    gauge = community.sensor[0]
    bare = msgspec.structs.replace(
        community, sensor=(msgspec.structs.replace(gauge, port=""), *community.sensor[1:])
    )
    derived = derive_community(load_scenario("cloudburst"), bare)
    assert "north-1.gauge-1" in [plan.link for plan in ports_of(derived)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[fault]]\nkind = "stuck"\nfrom_s = 1\nto_s = 2\n', "expected a sensor"),
        ('[[fault]]\nkind = "uplink-cut"\nsensor = "a"\nfrom_s = 1\nto_s = 2\n', "a station"),
        ('[[fault]]\nkind = "stuck"\nsensor = "a"\nfrom_s = 2\nto_s = 2\n', "after from_s"),
        ("colour = 3\n", "colour"),
        ('begins = "someday"\n', "tue 17:40"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused_with_words(
    text: str, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "odd.toml"
    head = 'name = { en = "x" }\ntext = { en = "x" }\nduration_s = 60\n'
    file.write_text(head + text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=expected):
        load_scenario(file)


def test_a_scenario_that_names_what_is_not_there_is_refused(community: Community) -> None:
    scenario = load_scenario("cloudburst")
    odd = msgspec.structs.replace(scenario, sensors=("gauge-9",))
    with pytest.raises(ConfigurationError, match="gauge-9"):
        derive_community(odd, community)
    with pytest.raises(ConfigurationError, match="no such scenario"):
        load_scenario("sunny-day")
