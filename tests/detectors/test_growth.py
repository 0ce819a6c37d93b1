"""What grows fast is told early: steep rivers by their pace, flames by theirs."""

from __future__ import annotations

import numpy as np
import pytest

from core.finding import Hazard
from core.grade import Grade
from core.identity import SeriesId
from core.quantity import FACTS, Quantity
from detectors.bank import Bank
from detectors.batch import NO_REASON, Batch
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
