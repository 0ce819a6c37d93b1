"""What the bank says of floods, fires and counters: readings in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest

from core.community_file import parse_community
from core.finding import Certainty, Condition, Finding, Hazard
from core.grade import Grade
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from detectors.bank import Bank
from detectors.batch import batch_of
from detectors.plan import plan_of

EPOCH = 1_764_500_000_000
PROFILE = """
[site]
id = "riverside"
name = { zh = "滨河", en = "Riverside" }
[[zone]]
id = "underpass"
name = { en = "Underpass" }
[[zone]]
id = "stairwell"
name = { en = "Stairwell" }
[[zone]]
id = "gate"
name = { en = "Gate" }
[[sensor]]
id = "gauge-1"
station = "north-1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
interval_s = 1
[[sensor]]
id = "co-1"
station = "north-1"
zone = "stairwell"
driver = "winsen_ze07_co"
quantity = "carbon-monoxide"
hazard = "fire"
interval_s = 1
[[sensor]]
id = "heat-1"
station = "north-1"
zone = "stairwell"
driver = "ndjson_bridge"
quantity = "temperature"
hazard = "fire"
interval_s = 1
[[sensor]]
id = "panel-1"
station = "north-1"
zone = "stairwell"
driver = "modbus_di_module"
quantity = "alarm-input"
hazard = "fire"
interval_s = 1
[[sensor]]
id = "gate-in"
station = "north-1"
zone = "gate"
driver = "modbus_di_module"
quantity = "people-in"
hazard = "crowd"
interval_s = 60
[[limit]]
zone = "underpass"
quantity = "water-level"
blue = 0.05
yellow = 0.15
orange = 0.20
red = 0.27
hysteresis = 0.02
dwell_up_s = 3
dwell_down_s = 60
[[limit]]
zone = "gate"
quantity = "people-in"
yellow = 60
orange = 90
red = 120
hysteresis = 10
"""


@pytest.fixture
def bank() -> Bank:
    return Bank(plan_of(parse_community(PROFILE)))


def feed(
    bank: Bank,
    quantity: Quantity,
    values: Iterable[float | None],
    *,
    start: int = EPOCH,
    step_ms: int = 1000,
    quality: Quality = Quality.GOOD,
    reasons: tuple[Reason, ...] = (),
    late: bool = False,
) -> list[Finding]:
    """Give the bank one reading at a time, as a live station would."""
    sensor = next(series.sensor for series in bank.slots if series.quantity is quantity)
    found: list[Finding] = []
    for index, value in enumerate(values):
        reading = Reading(sensor, quantity, start + index * step_ms, value, quality, reasons)
        found += bank.update(batch_of([reading], bank.slots, [late]), reading.at + 200)
    return found


def grades(found: Sequence[Finding], rule: str) -> list[str]:
    return [finding.grade.word for finding in found if finding.rule == rule]


def now(bank: Bank, subject: str, rule: str) -> Finding:
    return next(f for f in bank.findings(EPOCH) if (f.subject, f.rule) == (subject, rule))


def test_rising_water_passes_every_grade_with_its_reason(bank: Bank) -> None:
    found = feed(bank, Quantity.WATER_LEVEL, [0.001 * second for second in range(300)])

    assert grades(found, "limit-high") == ["green", "blue", "yellow", "orange", "red"]
    red = [finding for finding in found if finding.rule == "limit-high"][-1]
    assert red.because.limit == 0.27
    assert (red.because.limit_grade, red.because.side) == ("red", "high")
    assert red.because.value == pytest.approx(0.273)
    assert red.because.held_s == pytest.approx(3.0)
    assert red.certainty is Certainty.OBSERVED
    assert red.score >= 0.875


def test_water_that_rises_5_cm_in_10_minutes_lifts_the_level_by_one(bank: Bank) -> None:
    found = feed(bank, Quantity.WATER_LEVEL, [0.0002 * second for second in range(500)])

    rise = [finding for finding in found if finding.rule == "rise"]
    assert [finding.grade.word for finding in rise] == ["green", "blue", "yellow"]
    assert now(bank, "gauge-1.water-level", "limit-high").grade is Grade.BLUE
    assert rise[-1].because.note == "lifted"
    assert rise[-1].because.rate_per_h == pytest.approx(0.72, rel=0.05)


def test_slowly_rising_water_lifts_nothing(bank: Bank) -> None:
    found = feed(bank, Quantity.WATER_LEVEL, [0.00005 * second for second in range(1500)])

    assert set(grades(found, "rise")) == {"green"}


def test_one_wild_echo_moves_neither_limit_nor_rate(bank: Bank) -> None:
    levels = [0.01] * 400
    levels[300] = 2.5

    found = feed(bank, Quantity.WATER_LEVEL, levels)

    told = [finding for finding in found if finding.grade > Grade.GREEN]
    assert [(f.rule, f.hazard, f.fault) for f in told] == [("spike", Hazard.EQUIPMENT, "rate")]


def test_a_limit_that_will_be_reached_is_foreseen_with_the_time_that_is_left(bank: Bank) -> None:
    steady = [0.1] * 600
    rising = [0.1 + 0.00004 * second for second in range(1600)]

    found = feed(bank, Quantity.WATER_LEVEL, steady + rising)

    lead = [finding for finding in found if finding.rule == "time-to-limit"]
    assert {finding.grade for finding in lead} <= {Grade.GREEN, Grade.BLUE, Grade.YELLOW}
    assert lead[-1].grade is Grade.YELLOW
    assert lead[-1].because.limit == 0.20
    assert 0 < (lead[-1].because.lead_s or 0) <= 1800


def test_heat_that_rises_8_degrees_a_minute_is_yellow_and_never_more_by_itself(bank: Bank) -> None:
    found = feed(bank, Quantity.TEMPERATURE, [20 + 0.15 * second for second in range(120)])

    assert grades(found, "rise")[-1] == "yellow"
    assert set(grades(found, "limit-high")) == {"green"}


def test_46_degrees_and_rising_fast_is_what_a_heat_detector_calls_fire(bank: Bank) -> None:
    found = feed(bank, Quantity.TEMPERATURE, [20 + 0.15 * second for second in range(185)])

    assert grades(found, "limit-high")[-1] == "yellow"
    assert grades(found, "rise")[-1] == "orange"


def test_the_panel_of_the_fire_brigade_is_orange_at_its_first_reading(bank: Bank) -> None:
    found = feed(bank, Quantity.ALARM_INPUT, [1.0])

    assert grades(found, "limit-high") == ["orange"]


def test_a_bad_reading_freezes_the_grade_and_says_why_it_is_unknown(bank: Bank) -> None:
    feed(bank, Quantity.WATER_LEVEL, [0.3] * 5)

    found = feed(
        bank,
        Quantity.WATER_LEVEL,
        [None, None],
        start=EPOCH + 5000,
        quality=Quality.BAD,
        reasons=(Reason.NO_TARGET,),
    )

    limit = [finding for finding in found if finding.rule == "limit-high"]
    assert [(f.grade, f.condition, f.fault) for f in limit] == [
        (Grade.RED, Condition.UNKNOWN, "no-target")
    ]


def test_a_sensor_in_its_blind_zone_raises_and_never_clears(bank: Bank) -> None:
    uncertain = {"quality": Quality.UNCERTAIN, "reasons": (Reason.BLIND_ZONE,)}
    found = feed(bank, Quantity.WATER_LEVEL, [2.9] * 5, **uncertain)  # type: ignore[arg-type]
    assert grades(found, "limit-high")[-1] == "red"

    later = feed(bank, Quantity.WATER_LEVEL, [0.0] * 300, start=EPOCH + 5000, **uncertain)  # type: ignore[arg-type]

    assert grades(later, "limit-high") == []


def test_a_reading_that_is_uncertain_for_its_clock_alone_is_judged_as_good(bank: Bank) -> None:
    feed(bank, Quantity.WATER_LEVEL, [0.3] * 5)

    found = feed(
        bank,
        Quantity.WATER_LEVEL,
        [0.0] * 70,
        start=EPOCH + 5000,
        quality=Quality.UNCERTAIN,
        reasons=(Reason.CLOCK,),
    )

    assert grades(found, "limit-high") == ["green"]


def test_a_late_flood_is_told_as_the_past_and_raises_nothing_now(bank: Bank) -> None:
    feed(bank, Quantity.WATER_LEVEL, [0.0] * 5)

    found = feed(bank, Quantity.WATER_LEVEL, [0.3] * 30, start=EPOCH + 5000, late=True)

    told = [finding for finding in found if finding.rule == "limit-high"]
    assert [(f.grade, f.late) for f in told] == [(Grade.RED, True)]
    assert now(bank, "gauge-1.water-level", "limit-high").grade is Grade.GREEN


def test_after_a_backlog_the_newest_fresh_reading_is_red_at_once(bank: Bank) -> None:
    feed(bank, Quantity.WATER_LEVEL, [0.3] * 30, late=True)

    found = feed(bank, Quantity.WATER_LEVEL, [0.31], start=EPOCH + 30_000)

    limit = next(finding for finding in found if finding.rule == "limit-high")
    assert (limit.grade, limit.late, limit.condition) == (Grade.RED, False, Condition.ACTIVE)
    assert limit.since == EPOCH + 3000


def test_late_data_do_not_clear_what_is_stated_now(bank: Bank) -> None:
    feed(bank, Quantity.WATER_LEVEL, [0.3] * 5)

    found = feed(bank, Quantity.WATER_LEVEL, [0.0] * 200, start=EPOCH + 5000, late=True)

    assert found == []
    assert now(bank, "gauge-1.water-level", "limit-high").grade is Grade.RED


def test_readings_of_a_hole_are_told_as_late_and_leave_the_present_alone(bank: Bank) -> None:
    feed(bank, Quantity.WATER_LEVEL, [0.0] * 5)
    feed(bank, Quantity.WATER_LEVEL, [0.0] * 5, start=EPOCH + 60_000)
    hole = [
        Reading("gauge-1", Quantity.WATER_LEVEL, EPOCH + 10_000 + 1000 * second, 0.22)
        for second in range(20)
    ]

    found = bank.review(batch_of(hole, bank.slots), EPOCH + 70_000)

    assert [(f.rule, f.grade, f.late, f.at) for f in found] == [
        ("limit-high", Grade.ORANGE, True, EPOCH + 13_000)
    ]
    assert bank.review(batch_of(hole, bank.slots), EPOCH + 70_000) == []
    assert now(bank, "gauge-1.water-level", "limit-high").grade is Grade.GREEN


def count_series(first: float, counts: Sequence[int], modulus: float = 2**53) -> list[float]:
    values = [first]
    for count in counts:
        values.append((values[-1] + count) % modulus)
    return values


def test_a_counter_is_judged_by_its_count_per_interval(bank: Bank) -> None:
    values = count_series(40_000, [10, 20, 61, 95, 130, 20])

    found = feed(bank, Quantity.PEOPLE_IN, values, step_ms=60_000)

    assert grades(found, "limit-high") == ["green", "yellow", "orange", "red"]


@pytest.mark.parametrize("bits", [16, 32])
def test_a_counter_that_wraps_goes_on_counting(bank: Bank, bits: int) -> None:
    values = count_series(2.0**bits - 15, [10, 95, 10], 2.0**bits)
    assert any(after < before for before, after in pairwise(values))

    found = feed(bank, Quantity.PEOPLE_IN, values, step_ms=60_000)

    assert grades(found, "limit-high")[:2] == ["green", "orange"]


def test_a_counter_that_is_reset_is_no_crowd(bank: Bank) -> None:
    values = [*count_series(50_000, [10, 10]), 3000.0, 3010.0, 3020.0]

    found = feed(bank, Quantity.PEOPLE_IN, values, step_ms=60_000)

    assert {finding.grade for finding in found} == {Grade.GREEN}


def test_counts_over_missed_readings_are_spread_over_the_time_they_took(bank: Bank) -> None:
    feed(bank, Quantity.PEOPLE_IN, [100.0], step_ms=60_000)

    found = feed(bank, Quantity.PEOPLE_IN, [250.0], start=EPOCH + 300_000)

    assert grades(found, "limit-high") == ["green"]
    assert found[0].because.value == pytest.approx(30.0)


def test_a_quick_second_reading_of_a_counter_waits_for_its_interval(bank: Bank) -> None:
    feed(bank, Quantity.PEOPLE_IN, [100.0])
    feed(bank, Quantity.PEOPLE_IN, [140.0], start=EPOCH + 5000)

    found = feed(bank, Quantity.PEOPLE_IN, [165.0], start=EPOCH + 60_000)

    assert grades(found, "limit-high") == ["yellow"]
