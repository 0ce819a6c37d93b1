"""What grows fast is told early: steep rivers by their pace, flames by theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.finding import Hazard
from core.grade import Grade
from core.identity import SeriesId
from core.quantity import FACTS, Quantity
from detectors import growth_lane
from detectors.bank import Bank
from detectors.batch import NO_REASON, Batch
from detectors.growth_lane import SLOWLY_S, GrowthLane, GrowthRule
from detectors.lane import Choice
from detectors.plan import SeriesPlan, with_detectors
from detectors.profiles import default_plan, published_plan
from detectors.rates import NO_LEAD_S
from detectors.surge_lane import FLOOR_SHARE, SurgeLane, SurgeRule, choose

EPOCH = 1_764_500_000_000
QUARTER_MS = 900_000


def leads(levels: list[float], gap_ms: int = 3 * QUARTER_MS) -> list[float]:
    lane = SurgeLane([SurgeRule(target=3.0, base_tau_s=1e9, gap_ms=gap_ms)])
    return [
        lane.step(np.array([0]), np.array([EPOCH + n * QUARTER_MS]), np.array([level])).item()
        for n, level in enumerate(levels)
    ]


def gauge(interval_s: float = 900.0, limit: float = 3.0) -> SeriesPlan:
    series = SeriesId("gauge-1", Quantity.WATER_LEVEL)
    plan = SeriesPlan(series, "north-1", "river", Hazard.FLOOD, interval_s, "m")
    return with_detectors(published_plan(plan, [limit]))


def grades(plan: SeriesPlan, values: list[float]) -> list[int]:
    """Return the worst grade of the danger after each reading."""
    bank = Bank([plan])
    told = []
    for n, value in enumerate(values):
        bank.advance(
            Batch(
                np.zeros(1, np.int64),
                np.array([EPOCH + round(1000 * n * plan.interval_s)]),
                np.array([value]),
                np.zeros(1, np.int8),
                np.full(1, NO_REASON, np.int8),
                np.zeros(1, np.bool_),
            )
        )
        mine = [int(bank.stated[row]) for row, rule in enumerate(bank.rules) if not rule.of_sensor]
        told.append(max(mine))
    return told


def test_the_pace_of_the_last_two_readings_tells_when_the_limit_is_reached() -> None:
    # Base 1 m, limit 3 m: at 2.2 m 60 % of the way is covered, rising 0.2 m in a quarter.
    assert leads([1.0, 2.0, 2.2])[-1] == pytest.approx(0.8 / 0.2 * 900.0)


def test_a_rise_below_its_share_of_the_way_and_a_fall_above_it_tell_nothing() -> None:
    low = 1.0 + (FLOOR_SHARE - 0.01) * 2.0
    assert leads([1.0, 1.0, low])[-1] == NO_LEAD_S
    assert leads([1.0, 2.6, 2.4])[-1] == NO_LEAD_S


def test_over_a_gap_there_is_no_pace() -> None:
    lane = SurgeLane([SurgeRule(target=3.0, base_tau_s=1e9, gap_ms=QUARTER_MS)])
    lane.step(np.array([0]), np.array([EPOCH]), np.array([1.0]))
    later = lane.step(np.array([0]), np.array([EPOCH + 9 * QUARTER_MS]), np.array([2.5]))
    assert np.isnan(later).all()


def test_only_slow_gauges_with_a_limit_to_foresee_are_watched_by_their_pace() -> None:
    assert isinstance(choose(gauge()), Choice)
    assert choose(gauge(interval_s=60.0)) is None
    series = SeriesId("gauge-1", Quantity.WATER_LEVEL)
    plain = SeriesPlan(series, "north-1", "river", Hazard.FLOOD, 900.0, "m")
    assert choose(plain) is None


def test_a_steep_river_is_yellow_before_a_gentle_one_at_the_same_level() -> None:
    quiet = [1.0] * 20
    steep = grades(gauge(), [*quiet, 1.4, 1.8, 2.2])
    gentle = grades(gauge(), [*quiet, *np.linspace(1.0, 2.2, 60).tolist()])
    assert steep[-1] == Grade.YELLOW
    assert gentle[-1] == Grade.BLUE


def smoke(values: list[float]) -> list[int]:
    series = SeriesId("smoke-1", Quantity.SMOKE_OBSCURATION)
    unit = FACTS[Quantity.SMOKE_OBSCURATION].unit
    plan = SeriesPlan(series, "north-1", "hall", Hazard.FIRE, 5.0, unit)
    return grades(with_detectors(default_plan(plan)), values)


def test_smoke_that_grows_like_flames_is_orange_where_frying_of_the_same_density_is_not() -> None:
    clean = [0.0] * 60
    # To 0.2 dB/m within three quarters of a minute, and within nine minutes (pan-frying).
    flames = smoke([*clean, *np.linspace(0.0, 0.2, 10).tolist(), *([0.2] * 6)])
    frying = smoke([*clean, *np.linspace(0.0, 0.2, 108).tolist(), *([0.2] * 120)])
    assert max(flames) == Grade.ORANGE
    assert max(frying) == Grade.YELLOW


def test_dense_smoke_is_orange_and_red_however_slowly_it_came() -> None:
    slow = smoke([*([0.0] * 60), *np.linspace(0.0, 0.35, 700).tolist(), *([0.35] * 5)])
    assert max(slow[:500]) <= Grade.ORANGE
    assert slow[-1] == Grade.RED


def test_the_grade_of_growing_smoke_does_not_depend_on_how_long_the_air_was_clean() -> None:
    flames = np.linspace(0.0, 0.2, 10).tolist()

    first = [values.index(Grade.ORANGE) for values in (smoke([0.0, 0.0, *flames, *([0.2] * 6)]),)]
    for minutes in (5, 60):
        clean = [0.004 * (-1) ** n for n in range(12 * minutes)]
        grade = smoke([*clean, *flames, *([0.2] * 6)])
        first.append(grade.index(Grade.ORANGE) - len(clean) + 2)

    assert max(first) - min(first) <= 1


def test_growth_is_told_while_the_smoke_lasts_and_ends_with_clean_air() -> None:
    burst = [0.0] * 20 + [0.05, 0.12] + [0.15] * 240
    lasting, cleared = smoke(burst), smoke([*burst, *([0.0] * 130)])

    assert lasting[-1] == Grade.ORANGE
    assert cleared[-1] == Grade.GREEN


def test_a_sensor_whose_zero_has_crept_is_judged_from_where_it_stands() -> None:
    dirty = [0.04] * 200
    same = smoke([*dirty, 0.04, 0.09, 0.15, 0.15, 0.15])
    less = smoke([*dirty, 0.04, 0.09, 0.12, 0.12, 0.12])

    assert same[-1] == Grade.ORANGE
    assert less[-1] == Grade.YELLOW


def test_over_a_gap_nobody_knows_how_fast_the_smoke_came() -> None:
    lane = GrowthLane([GrowthRule(clean=0.025, dense=0.1, gap_ms=30_000)])
    times = [0, 5, 600, 605, 610, 615]
    told = [
        lane.step(np.array([0]), np.array([EPOCH + 1000 * at]), np.array([value])).item()
        for at, value in zip(times, [0.0, 0.0, 0.2, 0.2, 0.2, 0.2], strict=True)
    ]

    assert told[-1] == SLOWLY_S


def test_smoke_that_is_read_too_seldom_is_not_asked_for_its_growth() -> None:
    series = SeriesId("smoke-1", Quantity.SMOKE_OBSCURATION)
    fast = SeriesPlan(series, "north-1", "hall", Hazard.FIRE, 10.0, "dB/m")

    assert isinstance(growth_lane.choose(fast), Choice)
    assert growth_lane.choose(replace(fast, interval_s=30.0)) is None
