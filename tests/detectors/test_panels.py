"""What several sensors of one zone say together, and what one of them says alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from core.community import Community
from core.community_file import parse_community
from core.configuration import ConfigurationError
from core.finding import Condition, Finding, Hazard, decode_finding, encode_finding
from core.finding_wording import headline, sentence
from core.grade import Grade
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from detectors.balance_panel import DENSITY, PER_HOUSEHOLD, BalancePanel
from detectors.bank import Bank
from detectors.batch import batch_of
from detectors.forest_panel import LEAST, ROW_MS, ForestPanel
from detectors.panels import IN_TRIAL, Panels
from detectors.plan import plan_of

# A Monday, 8 h in Shanghai.
START = 1_764_547_200_000
HOUR = 3_600_000
HEAD = """
[site]
id = "riverside"
name = { zh = "滨河社区", en = "Riverside" }
timezone = "Asia/Shanghai"
[[zone]]
id = "hall"
name = { zh = "大厅", en = "Hall" }
area_m2 = 100
"""


def sensor(name: str, quantity: str, hazard: str, interval_s: float = 1.0) -> str:
    return (
        f'\n[[sensor]]\nid = "{name}"\nstation = "north-1"\nzone = "hall"\ndriver = "any"\n'
        f'quantity = "{quantity}"\nhazard = "{hazard}"\ninterval_s = {interval_s}\n'
    )


class Judge:
    """Bank and panels of one profile, fed reading by reading, as sentinel feeds them."""

    def __init__(self, text: str) -> None:
        self.community: Community = parse_community(HEAD + text)
        plans = plan_of(self.community)
        self.bank = Bank(plans)
        self.panels = Panels(self.community, plans, IN_TRIAL)

    def feed(self, readings: Iterable[Reading]) -> list[Finding]:
        made = list(readings)
        batch = batch_of(made, self.bank.slots)
        now = max(reading.at for reading in made)
        self.bank.update(self.panels.gate(batch), now)
        return self.panels.update(self.bank, batch, now)

    def finding(self, rule: str) -> Finding:
        (row,) = [n for n, each in enumerate(self.panels.rules) if each.name == rule]
        return self.panels.finding(row, 0)


FIRE = (
    sensor("smoke-1", "smoke-obscuration", "fire")
    + sensor("smoke-2", "smoke-obscuration", "fire")
    + sensor("gas-1", "carbon-monoxide", "fire")
    + sensor("heat-1", "temperature", "fire")
)


def fire(second: int, smoke: float = 0.0, smoke2: float = 0.0, heat: float = 20.0) -> list[Reading]:
    at = START + 1000 * second
    return [
        Reading("smoke-1", Quantity.SMOKE_OBSCURATION, at, smoke),
        Reading("smoke-2", Quantity.SMOKE_OBSCURATION, at, smoke2),
        Reading("gas-1", Quantity.CARBON_MONOXIDE, at, 2.0),
        Reading("heat-1", Quantity.TEMPERATURE, at, heat),
    ]


def test_smoke_alone_is_not_corroborated_and_smoke_with_heat_is_orange() -> None:
    judge = Judge(FIRE)
    for second in range(10):
        judge.feed(fire(second, smoke=0.12))
    assert judge.finding("corroboration-fire").grade is Grade.GREEN

    for second in range(10, 20):
        judge.feed(fire(second, smoke=0.12, heat=48.0))
    found = judge.finding("corroboration-fire")
    assert found.grade is Grade.ORANGE
    assert found.subject == "zone.hall"
    assert {name.partition(".")[0] for name in found.because.members} == {"smoke-1", "heat-1"}
    assert "相互印证" in headline(found, "大厅", "zh")
    assert "agree" in sentence(found, "en")
    assert decode_finding(encode_finding(found)) == found


def test_two_smoke_sensors_are_two_witnesses_of_one_kind_and_yellow() -> None:
    judge = Judge(FIRE)
    for second in range(10):
        judge.feed(fire(second, smoke=0.12, smoke2=0.12))

    assert judge.finding("corroboration-fire").grade is Grade.YELLOW


def test_a_witness_is_forgotten_after_three_minutes_and_the_grade_falls_later() -> None:
    judge = Judge(FIRE)
    for second in range(10):
        judge.feed(fire(second, smoke=0.12, heat=48.0))
    assert judge.finding("corroboration-fire").grade is Grade.ORANGE

    for second in range(10, 1200):
        judge.feed(fire(second))
    assert judge.finding("corroboration-fire").grade is Grade.GREEN


FLOOD = sensor("gauge-1", "water-level", "flood") + sensor("rain-1", "rain-rate", "flood")


def test_heavy_rain_and_a_wet_road_together_are_yellow() -> None:
    judge = Judge(FLOOD)
    for second in range(70):
        at = START + 1000 * second
        judge.feed(
            [
                Reading("gauge-1", Quantity.WATER_LEVEL, at, 0.06),
                Reading("rain-1", Quantity.RAIN_RATE, at, 25.0),
            ]
        )

    assert judge.finding("corroboration-flood").grade is Grade.YELLOW


def test_a_road_that_dries_is_believed_before_the_rain_of_the_last_hour_is_forgotten() -> None:
    judge = Judge(
        sensor("gauge-1", "water-level", "flood", 60) + sensor("rain-1", "rain-rate", "flood", 60)
    )
    grades = []
    for minute in range(40):
        at, wet = START + 60_000 * minute, minute < 10
        judge.feed(
            [
                Reading("gauge-1", Quantity.WATER_LEVEL, at, 0.06 if wet else 0.0),
                Reading("rain-1", Quantity.RAIN_RATE, at, 25.0 if wet else 0.0),
            ]
        )
        grades.append(judge.finding("corroboration-flood").grade)

    assert grades[9] is Grade.YELLOW
    assert grades[15] is Grade.YELLOW  # the limit's own dwell
    assert grades[39] is Grade.GREEN


HOUSE = """
[[zone]]
id = "flat-1"
parent = "hall"
name = { zh = "一号房", en = "Flat 1" }
[[zone]]
id = "flat-2"
parent = "hall"
name = { zh = "二号房", en = "Flat 2" }
[[zone]]
id = "roof"
name = { zh = "屋顶", en = "Roof" }
"""


def placed(name: str, quantity: str, hazard: str, zone: str) -> str:
    return sensor(name, quantity, hazard).replace('zone = "hall"', f'zone = "{zone}"')


HOUSE_FIRE = (
    HOUSE
    + placed("smoke-hall", "smoke-obscuration", "fire", "hall")
    + placed("gas-hall", "carbon-monoxide", "fire", "hall")
    + placed("heat-1", "temperature", "fire", "flat-1")
    + placed("smoke-2", "smoke-obscuration", "fire", "flat-2")
)


def in_house(
    judge: Judge, smoke: float, gas: float, heat: float, smoke2: float
) -> dict[str, Grade]:
    for second in range(30):
        at = START + 1000 * second
        judge.feed(
            [
                Reading("smoke-hall", Quantity.SMOKE_OBSCURATION, at, smoke),
                Reading("gas-hall", Quantity.CARBON_MONOXIDE, at, gas),
                Reading("heat-1", Quantity.TEMPERATURE, at, heat),
                Reading("smoke-2", Quantity.SMOKE_OBSCURATION, at, smoke2),
            ]
        )
    return {
        rule.zone: judge.panels.finding(row, 0).grade
        for row, rule in enumerate(judge.panels.rules)
        if rule.name == "corroboration-fire"
    }


def test_smoke_in_the_stairwell_and_heat_in_a_flat_of_it_are_one_fire() -> None:
    told = in_house(Judge(HOUSE_FIRE), smoke=0.12, gas=2.0, heat=48.0, smoke2=0.0)

    assert told == {"hall": Grade.GREEN, "flat-1": Grade.ORANGE, "flat-2": Grade.GREEN}


def test_two_flats_of_a_stairwell_are_two_matters() -> None:
    told = in_house(Judge(HOUSE_FIRE), smoke=0.0, gas=2.0, heat=48.0, smoke2=0.12)

    assert set(told.values()) == {Grade.GREEN}


def test_what_the_stairwell_alone_agrees_on_is_not_told_of_its_flats() -> None:
    told = in_house(Judge(HOUSE_FIRE), smoke=0.12, gas=400.0, heat=20.0, smoke2=0.0)

    assert told == {"hall": Grade.ORANGE, "flat-1": Grade.GREEN, "flat-2": Grade.GREEN}


def test_rain_on_the_roof_corroborates_water_anywhere_on_the_site() -> None:
    text = HOUSE + placed("rain-1", "rain-rate", "flood", "roof")
    judge = Judge(text + placed("gauge-1", "water-level", "flood", "flat-1"))
    for second in range(70):
        at = START + 1000 * second
        judge.feed(
            [
                Reading("gauge-1", Quantity.WATER_LEVEL, at, 0.06),
                Reading("rain-1", Quantity.RAIN_RATE, at, 25.0),
            ]
        )

    found = judge.finding("corroboration-flood")
    assert found.grade is Grade.YELLOW
    assert found.zone == "flat-1"


GATE = (
    sensor("door-in", "people-in", "crowd", 60)
    + sensor("door-out", "people-out", "crowd", 60)
    + '\n[[limit]]\nzone = "hall"\nquantity = "occupancy"\nyellow = 150\nred = 300\n'
)


def passed(minute: int, came: float, left: float) -> list[Reading]:
    at = START + 60_000 * minute
    return [
        Reading("door-in", Quantity.PEOPLE_IN, at, came),
        Reading("door-out", Quantity.PEOPLE_OUT, at, left),
    ]


def test_people_inside_are_those_who_came_minus_those_who_left() -> None:
    judge = Judge(GATE)
    judge.feed(passed(0, 1000, 500))
    judge.feed(passed(1, 1120, 510))
    occupancy = judge.finding("occupancy")
    assert occupancy.because.value == 110
    assert occupancy.grade is Grade.GREEN

    judge.feed(passed(2, 1240, 515))
    occupancy = judge.finding("occupancy")
    assert occupancy.because.value == 225
    assert occupancy.because.scatter == pytest.approx(0.03 * math.sqrt(255))
    assert occupancy.grade is Grade.YELLOW
    density = judge.finding("density")
    assert density.because.value == 2.25
    assert density.grade is Grade.BLUE
    assert DENSITY[Grade.BLUE] <= 2.25 < DENSITY[Grade.YELLOW]


def test_a_counter_that_starts_anew_or_wraps_makes_no_crowd() -> None:
    judge = Judge(GATE)
    judge.feed(passed(0, 65_530, 9000))
    judge.feed(passed(1, 4, 9000))
    assert judge.finding("occupancy").because.value == 10

    judge.feed(passed(2, 12, 0))
    assert judge.finding("occupancy").because.value == 18


def test_a_quiet_night_empties_the_hall_and_teaches_what_the_counters_lose() -> None:
    judge = Judge(GATE)
    came = left = 0.0
    judge.feed(passed(0, came, left))
    (panel,) = [one for one in judge.panels.panels if isinstance(one, BalancePanel)]
    left_over = []
    for day in range(6):
        for minute in range(1, 601):  # ten hours; the exit misses one of twenty
            came, left = came + 2, left + 1.9
            judge.feed(passed(day * 1440 + minute, came, left))
        left_over.append(float(panel.inside[0]))
        for minute in range(610, 1440, 10):
            judge.feed(passed(day * 1440 + minute, came, left))
        assert panel.inside[0] == 0.0

    assert left_over[0] == pytest.approx(60.0)
    assert left_over[-1] < 0.4 * left_over[0]


def test_a_gate_through_which_people_pass_has_nobody_inside() -> None:
    doors = GATE.partition("[[limit]]")[0]
    assert not Judge(doors).panels.rules
    hall = parse_community((HEAD + "enclosed = true\n") + doors)
    names = {rule.name for rule in Panels(hall, plan_of(hall)).rules}
    assert names == {"density", "imbalance"}


def test_who_lives_there_is_at_home_at_night() -> None:
    judge = Judge(GATE)
    homes = replace_zone(judge.community, 100)
    panels = Panels(homes, judge.bank.plans)
    (panel,) = [one for one in panels.panels if isinstance(one, BalancePanel)]
    assert panel.rest[0] == 100 * PER_HOUSEHOLD


def replace_zone(community: Community, households: int) -> Community:
    import msgspec  # noqa: PLC0415  # only here

    zone = msgspec.structs.replace(community.zone[0], households=households)
    return msgspec.structs.replace(community, zone=(zone,))


def test_more_who_leave_than_ever_came_are_a_fault_of_a_counter() -> None:
    judge = Judge(GATE)
    judge.feed(passed(0, 0, 0))
    for minute in range(1, 60):
        judge.feed(passed(minute, 0, 10 * minute))

    found = judge.finding("imbalance")
    assert found.grade is Grade.BLUE
    assert found.hazard is Hazard.EQUIPMENT
    assert found.fault == Reason.IMPLAUSIBLE_PAIR.value


AIR = "".join(sensor(f"air-{n}", "pm2-5", "air", 3600) for n in range(4)) + (
    '\n[[neighbours]]\nquantity = "pm2-5"\nsensors = ["air-0", "air-1", "air-2", "air-3"]\n'
)


def air(hour: int, values: list[float]) -> list[Reading]:
    return [
        Reading(f"air-{n}", Quantity.PM2_5, START + hour * HOUR, value)
        for n, value in enumerate(values)
    ]


def smog(hour: int) -> float:
    return 60.0 + 40.0 * math.sin(hour / 9.0) + (hour * 7) % 5


def test_one_station_that_stands_alone_is_a_fault_and_never_graded_as_smog() -> None:
    judge = Judge(AIR)
    for hour in range(24 * 10):
        judge.feed(air(hour, [smog(hour) + n for n in range(4)]))
    for hour in range(240, 250):
        judge.feed(air(hour, [smog(hour) + 400.0] + [smog(hour) + n for n in range(1, 4)]))

    rows = [n for n, plan in enumerate(judge.bank.plans) if plan.series.sensor == "air-0"]
    mine = np.isin(judge.bank.row_slot, rows)
    assert judge.bank.stated[mine].max() <= Grade.BLUE
    assert (judge.bank.condition[mine] == 2).all()  # unknown, which is not all clear
    told = [
        judge.panels.finding(n, 0)
        for n, rule in enumerate(judge.panels.rules)
        if rule.name == "neighbours" and judge.panels.stated[n] > 0
    ]
    assert [finding.subject for finding in told] == ["air-0.pm2-5"]
    assert told[0].fault == "neighbours"
    assert told[0].hazard is Hazard.EQUIPMENT
    assert told[0].because.usual == pytest.approx(smog(249) + 2, rel=0.1)


def test_smog_over_all_stations_is_smog() -> None:
    judge = Judge(AIR)
    for hour in range(24 * 10):
        judge.feed(air(hour, [smog(hour) + n for n in range(4)]))
    for hour in range(240, 250):
        judge.feed(air(hour, [smog(hour) + 300.0 + n for n in range(4)]))

    assert judge.bank.stated.max() == Grade.RED
    assert all(
        not judge.panels.stated[n]
        for n, rule in enumerate(judge.panels.rules)
        if rule.name == "neighbours"
    )


def test_a_sensor_that_creeps_away_from_its_neighbours_drifts() -> None:
    judge = Judge(AIR)
    for hour in range(24 * 50):
        factor = 1.0 + max(0.0, hour / 24 - 32) * 0.06
        values = [smog(hour) * factor, *(smog(hour) for _ in range(3))]
        judge.feed(air(hour, values))

    drifting = [
        rule.subject
        for n, rule in enumerate(judge.panels.rules)
        if rule.name == "drift" and judge.panels.stated[n]
    ]
    assert drifting == ["air-0.pm2-5"]


ROOM = (
    sensor("t", "temperature", "air", 600)
    + sensor("h", "humidity", "air", 600)
    + sensor("c", "carbon-dioxide", "air", 600)
)


def room(number: int, *, odd: bool = False) -> list[Reading]:
    at = START + number * ROW_MS
    wave = math.sin(2 * math.pi * number / 144) + 0.1 * ((number * 7919) % 13) / 13
    warm = -wave if odd else wave  # each value is usual; together they are not
    return [
        Reading("t", Quantity.TEMPERATURE, at, 20.0 + 4.0 * warm),
        Reading("h", Quantity.HUMIDITY, at, 50.0 - 10.0 * wave),
        Reading("c", Quantity.CARBON_DIOXIDE, at, 600.0 + 200.0 * wave),
    ]


def test_a_forest_speaks_of_combinations_that_it_has_not_seen_and_never_above_yellow() -> None:
    judge = Judge(ROOM)
    assert {panel.__class__ for panel in judge.panels.panels} == {ForestPanel}
    grades = [
        finding.grade
        for number in range(LEAST + 200)
        for finding in judge.feed(room(number))
        if number > LEAST + 20
    ]
    assert max(grades, default=Grade.GREEN) is Grade.GREEN

    for number in range(LEAST + 200, LEAST + 260):
        judge.feed(room(number, odd=True))
    found = judge.finding("forest")
    assert Grade.BLUE <= found.grade <= Grade.YELLOW
    assert found.because.members == ("t.temperature", "h.humidity", "c.carbon-dioxide")


def test_a_forest_that_learned_from_history_scores_in_its_own_thread() -> None:
    judge = Judge(ROOM)
    made = list(Panels(judge.community, judge.bank.plans).panels)
    (panel,) = [one for one in made if isinstance(one, ForestPanel)]
    now = START + (LEAST + 100) * ROW_MS
    by_series = {
        reading.series: [
            r for n in range(LEAST + 100) for r in room(n) if r.series == reading.series
        ]
        for reading in room(0)
    }

    panel.start(
        lambda series, _start, _end: (
            np.array([r.at for r in by_series[series]]),
            np.array([r.value for r in by_series[series]], np.float64),
        ),
        now,
    )
    panel.stop()

    for number in range(LEAST + 100, LEAST + 104):
        panel.step(judge.bank, batch_of(room(number, odd=True), judge.bank.slots))
    assert panel.score() >= 2
    rows, _at, numbers = panel.step(judge.bank, batch_of(room(LEAST + 104), judge.bank.slots))
    assert rows.tolist() == [0]
    assert numbers[0] > 1.0


@pytest.mark.parametrize("text", [FIRE, GATE, AIR], ids=["fire", "gate", "air"])
def test_what_panels_remember_survives_a_restart(text: str) -> None:
    chance = np.random.default_rng(3)

    def stream(step: int) -> list[Reading]:
        if text == FIRE:
            return fire(
                step, smoke=float(chance.uniform(0, 0.2)), heat=float(chance.uniform(20, 60))
            )
        if text == GATE:
            return passed(step, 5 * step, 3 * step)
        return air(step, [smog(step) + float(chance.uniform(0, 300)) for _ in range(4)])

    readings = [stream(step) for step in range(400)]
    whole, first, resumed = Judge(text), Judge(text), Judge(text)
    for part in readings[:300]:
        whole.feed(part)
        first.feed(part)
    resumed.bank = first.bank
    resumed.panels.restore(first.panels.collect())

    assert [whole.feed(part) for part in readings[300:]] == [
        resumed.feed(part) for part in readings[300:]
    ]


def test_bad_and_late_readings_bear_no_witness() -> None:
    judge = Judge(FIRE)
    for second in range(10):
        judge.feed(fire(second, smoke=0.12))
    hot = [
        Reading("heat-1", Quantity.TEMPERATURE, START + 11_000, 90.0, Quality.BAD, (Reason.RANGE,))
    ]
    judge.feed(hot)
    batch = batch_of(
        [Reading("heat-1", Quantity.TEMPERATURE, START + 12_000, 90.0)], judge.bank.slots
    )
    judge.panels.update(judge.bank, replace(batch, late=np.array([True])), START)

    assert judge.finding("corroboration-fire").grade is Grade.GREEN


def test_when_all_of_a_zone_are_silent_its_panels_are_unknown_and_hold_their_grade() -> None:
    judge = Judge(FIRE)
    for second in range(10):
        judge.feed(fire(second, smoke=0.12, heat=48.0))

    told = judge.panels.set_absent(np.ones(4, np.bool_), START)

    assert [finding.condition for finding in told] == [Condition.UNKNOWN]
    assert told[0].grade is Grade.ORANGE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[neighbours]]\nquantity = "pm2-5"\nsensors = ["air-0"]', "at least two"),
        ('[[neighbours]]\nquantity = "pm2-5"\nsensors = ["air-0", "no"]', "'no' is not in"),
        ('[[neighbours]]\nquantity = "pm10"\nsensors = ["air-0", "air-1"]', "does not measure"),
        ("[[holiday]]\ndate = 2026-01-01\n[[holiday]]\ndate = 2026-01-01", "twice"),
        ('[[zone]]\nid = "x"\nname = { en = "X" }\narea_m2 = 0', "area_m2"),
    ],
)
def test_a_profile_that_can_not_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse_community(HEAD + AIR.partition("[[neighbours]]")[0] + text)
