"""The limit step that stations use alone: hysteresis, delays, step-down, quality, gaps."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.grade import Grade
from core.limits import (
    Level,
    LimitRule,
    default_rule,
    fresh_state,
    rule_from_limits,
    step,
)
from core.quality import Quality
from core.quantity import Quantity

UNDERPASS = rule_from_limits(
    {Grade.BLUE: 0.05, Grade.YELLOW: 0.15, Grade.ORANGE: 0.20, Grade.RED: 0.27},
    hysteresis=0.02,
    dwell_up_ms=3000,
    dwell_down_ms=60_000,
)


def grades(
    rule: LimitRule,
    values: Iterable[float | None],
    step_ms: int = 1000,
    quality: Quality = Quality.GOOD,
) -> list[Grade]:
    state = fresh_state(rule)
    return [
        step(rule, state, index * step_ms, value, quality) for index, value in enumerate(values)
    ]


def test_a_level_must_be_observed_for_its_on_delay() -> None:
    seen = grades(UNDERPASS, [0.3] * 4)

    assert seen == [Grade.GREEN, Grade.GREEN, Grade.GREEN, Grade.RED]


def test_one_reading_below_resets_the_on_delay() -> None:
    assert Grade.RED not in grades(UNDERPASS, [0.3, 0.3, 0.3, 0.0, 0.3, 0.3, 0.3])


def test_a_value_inside_the_deadband_holds_the_grade() -> None:
    seen = grades(UNDERPASS, [0.3] * 4 + [0.255] * 200)

    assert seen[-1] is Grade.RED


def test_each_grade_may_have_a_deadband_of_its_own() -> None:
    rule = LimitRule(
        (Level(Grade.BLUE, 0.05), Level(Grade.RED, 0.27, hysteresis=0.10)), hysteresis=0.02
    )

    assert grades(rule, [0.30, 0.18, 0.16, 0.04, 0.02]) == [
        Grade.RED, Grade.RED, Grade.BLUE, Grade.BLUE, Grade.GREEN,
    ]  # fmt: skip


def test_falling_water_steps_down_grade_by_grade_each_after_its_off_delay() -> None:
    falling = [0.3] * 4 + [0.3 - index * 0.001 for index in range(400)] + [0.0] * 100

    seen = [grade for grade in grades(UNDERPASS, falling) if grade is not Grade.GREEN]
    order = [
        grade for index, grade in enumerate(seen) if index == 0 or grade is not seen[index - 1]
    ]

    assert order == [Grade.RED, Grade.ORANGE, Grade.YELLOW, Grade.BLUE]
    assert grades(UNDERPASS, falling)[-1] is Grade.GREEN


def test_an_uncertain_reading_raises_but_never_clears() -> None:
    state = fresh_state(UNDERPASS)
    for at in range(0, 5000, 1000):
        step(UNDERPASS, state, at, 0.3, Quality.UNCERTAIN)
    assert state.grade is Grade.RED

    for at in range(5000, 500_000, 1000):
        step(UNDERPASS, state, at, 0.0, Quality.UNCERTAIN)

    assert state.grade is Grade.RED


def test_a_bad_reading_freezes_the_grade_and_makes_the_condition_unknown() -> None:
    state = fresh_state(UNDERPASS)
    for at in range(0, 5000, 1000):
        step(UNDERPASS, state, at, 0.3)

    step(UNDERPASS, state, 6000, None, Quality.BAD)

    assert (state.grade, state.unknown) == (Grade.RED, True)


def test_silence_is_not_observed_time() -> None:
    state = fresh_state(UNDERPASS)
    step(UNDERPASS, state, 0, 0.3)

    assert step(UNDERPASS, state, 3_600_000, 0.3) is Grade.GREEN
    assert step(UNDERPASS, state, 3_603_000, 0.3) is Grade.RED


def test_a_duplicate_or_older_reading_changes_nothing() -> None:
    state = fresh_state(UNDERPASS)
    for at in (0, 1000, 2000):
        step(UNDERPASS, state, at, 0.3)
    before = repr(state)

    step(UNDERPASS, state, 2000, 9.9)
    step(UNDERPASS, state, 500, 9.9)

    assert repr(state) == before


def test_low_limits_mirror_high_ones() -> None:
    rule = rule_from_limits(
        {Grade.YELLOW: 5.0, Grade.RED: 2.0}, high=False, hysteresis=0.5, dwell_down_ms=0
    )

    assert grades(rule, [10, 5, 2, 2.4, 2.6, 5.4, 5.6]) == [
        Grade.GREEN,
        Grade.YELLOW,
        Grade.RED,
        Grade.RED,
        Grade.YELLOW,
        Grade.YELLOW,
        Grade.GREEN,
    ]


def test_carbon_monoxide_alarms_after_the_times_of_its_standard() -> None:
    rule = default_rule(Quantity.CARBON_MONOXIDE)
    assert rule is not None

    at_100 = grades(rule, [100.0] * 700)
    at_300 = grades(rule, [350.0] * 3)

    assert at_100[599] is Grade.GREEN
    assert at_100[601] is Grade.ORANGE
    assert at_300 == [Grade.GREEN, Grade.GREEN, Grade.RED]


@pytest.mark.parametrize(
    "limits", [{}, {Grade.BLUE: 2.0, Grade.RED: 1.0}, {Grade.RED: float("inf")}]
)
def test_limits_out_of_order_are_refused(limits: dict[Grade, float]) -> None:
    with pytest.raises(ValueError, match="limit"):
        rule_from_limits(limits)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.integers(0, 4000))
def test_without_delays_a_grade_is_never_below_what_the_value_itself_demands(
    values: list[float], step_ms: int
) -> None:
    rule = LimitRule((Level(Grade.BLUE, 0.1), Level(Grade.RED, 0.5)), hysteresis=0.05)
    state = fresh_state(rule)
    for index, value in enumerate(values):
        grade = step(rule, state, index * (step_ms + 1), value)
        assert grade >= (Grade.RED if value >= 0.5 else Grade.BLUE if value >= 0.1 else Grade.GREEN)
