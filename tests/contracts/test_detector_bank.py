"""The vectorised bank must say what the scalar step says, however the stream is cut or resumed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.finding import Condition, Finding, Hazard
from core.grade import Grade
from core.identity import SeriesId
from core.limits import Level, LimitRule, LimitState, fresh_state, step
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from detectors.bank import Bank
from detectors.batch import Batch, batch_of
from detectors.limit_lane import ON, LimitLane
from detectors.plan import RulePlan, SeriesPlan, Source, with_rates
from detectors.snapshot import collect, restore

EPOCH = 1_764_500_000_000
QUALITIES = tuple(Quality)

levels = st.builds(
    lambda start, steps, up, samples, down: [
        (start + sum(steps[: index + 1]), up[index], samples[index], down[index])
        for index in range(len(steps))
    ],
    st.floats(-2, 2),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
    st.lists(st.sampled_from([0, 0, 1000, 3000]), min_size=4, max_size=4),
    st.lists(st.integers(1, 3), min_size=4, max_size=4),
    st.lists(st.sampled_from([0, 1000, 2000, 5000]), min_size=4, max_size=4),
)


@st.composite
def limit_rules(draw: st.DrawFn) -> LimitRule:
    high = draw(st.booleans())
    made = tuple(
        Level(
            Grade(index + 1),
            limit if high else -limit,
            up,
            samples,
            down,
            draw(st.none() | st.floats(0, 1)),
        )
        for index, (limit, up, samples, down) in enumerate(draw(levels))
    )
    return LimitRule(made, high, draw(st.floats(0, 1)), draw(st.integers(1000, 10_000)))


# Calm and danger by turns, so that levels go on and off and every delay is run through.
readings = st.tuples(
    st.sampled_from([1000, 1000, 1000, 1000, 2000, 20_000, 0, -500]),
    st.one_of(st.sampled_from([-9.0, 9.0, 0.0]), st.floats(-4, 4), st.just(float("nan"))),
    st.sampled_from([0, 0, 0, 1, 1, 2]),
)


@settings(max_examples=150, deadline=None)
@given(limit_rules(), st.lists(readings, min_size=10, max_size=80))
def test_a_row_of_the_lane_is_the_scalar_step(
    rule: LimitRule, stream: list[tuple[int, float, int]]
) -> None:
    lane, state, at = LimitLane([rule]), fresh_state(rule), EPOCH
    row = np.zeros(1, np.int64)
    for gap, value, quality in stream:
        at += gap
        step(rule, state, at, value, QUALITIES[quality])
        lane.step(row, np.array([at]), np.array([value]), np.array([quality], np.int8))
        assert _same(lane, state)


def _same(lane: LimitLane, state: LimitState) -> bool:
    size = len(state.on)
    on = lane.flags & ON
    lists = (
        (on, state.on),
        (np.maximum(lane.held_ms, 0), state.up_ms),
        (lane.up_samples, state.up_samples),
        # an off-delay has no meaning while its level is off, and the lane does not count it
        (
            np.maximum(-lane.held_ms, 0) * on,
            [ms * on for ms, on in zip(state.down_ms, state.on, strict=True)],
        ),
    )
    return (
        all(array[0, :size].tolist() == expected for array, expected in lists)
        and int(lane.grade[0]) == state.grade
        and bool(lane.unknown[0]) == state.unknown
        and (state.last_at is None or int(lane.last_at[0]) == state.last_at)
        and (state.since is None or int(lane.since[0]) == state.since)
    )


WATER = LimitRule(
    (Level(Grade.BLUE, 0.05), Level(Grade.YELLOW, 0.15, 2000), Level(Grade.RED, 0.27, 3000)),
    hysteresis=0.02,
)


def bank_of(count: int = 5) -> Bank:
    plans = [
        with_rates(
            SeriesPlan(
                SeriesId(f"gauge-{index}", Quantity.WATER_LEVEL),
                "north-1",
                "underpass",
                Hazard.FLOOD,
                1.0,
                "m",
                rules=(RulePlan("limit-high", Source.VALUE, WATER),),
            )
        )
        for index in range(count)
    ]
    door = SeriesPlan(
        SeriesId("gate-1", Quantity.PEOPLE_IN),
        "north-1",
        "gate",
        Hazard.CROWD,
        1.0,
        "{count}",
        counter=True,
        rules=(RulePlan("limit-high", Source.VALUE, LimitRule((Level(Grade.YELLOW, 3.0),))),),
    )
    return Bank([*plans, door])


def stream_of(bank: Bank, seed: int, count: int) -> list[Reading]:
    """Series in step with each other, with drops, bad values and floods."""
    chance = random.Random(seed)
    made: list[Reading] = []
    counter = 0
    for second in range(count):
        for series in bank.slots:
            if chance.random() < 0.1:
                continue
            quality = chance.choices(QUALITIES, (20, 1, 1))[0]
            level = 0.3 * abs(np.sin((second + 7 * len(series.sensor)) / 40)) + chance.random() / 50
            counter += chance.randrange(5)
            value = float(counter) if series.quantity is Quantity.PEOPLE_IN else float(level)
            made.append(
                Reading(
                    series.sensor,
                    series.quantity,
                    EPOCH + 1000 * second,
                    None if quality is Quality.BAD else value,
                    quality,
                    () if quality is Quality.GOOD else (Reason.DEVICE_FAULT,),
                )
            )
    return made


def judge(bank: Bank, made: Sequence[Reading], cuts: Sequence[int]) -> list[Finding]:
    found: list[Finding] = []
    edges = [0, *sorted(cuts), len(made)]
    for start, end in pairwise(edges):
        if end > start:
            found += bank.update(batch_of(made[start:end], bank.slots), EPOCH)
    return found


def by_subject(found: Sequence[Finding]) -> dict[tuple[str, str], list[Finding]]:
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for finding in found:
        grouped.setdefault((finding.subject, finding.rule), []).append(finding)
    return grouped


def same_state(one: Bank, other: Bank) -> bool:
    left, right = collect(one), collect(other)
    return all(left[name].tobytes() == right[name].tobytes() for name in left)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 600), max_size=12))
def test_cutting_the_stream_into_other_batches_changes_nothing(seed: int, cuts: list[int]) -> None:
    whole, pieces = bank_of(), bank_of()
    made = stream_of(whole, seed, 120)

    found = judge(whole, made, [])
    again = judge(pieces, made, [min(cut, len(made)) for cut in cuts])

    assert by_subject(found) == by_subject(again)
    assert same_state(whole, pieces)


def test_the_short_way_of_few_readings_is_the_long_way_bit_by_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short, long = bank_of(3), bank_of(3)
    made = stream_of(short, 11, 700)

    found = judge(short, made, range(1, len(made)))
    monkeypatch.setattr("detectors.bank.FEW", 0)
    again = judge(long, made, range(1, len(made)))

    assert by_subject(found) == by_subject(again)
    assert same_state(short, long)
    assert {finding.grade for finding in found} >= {Grade.GREEN, Grade.BLUE, Grade.RED}


def test_the_order_of_series_within_a_batch_changes_nothing() -> None:
    straight, shuffled = bank_of(), bank_of()
    made = stream_of(straight, 3, 200)
    mixed = made[:]
    random.Random(5).shuffle(mixed)

    found = judge(straight, made, [])
    again = judge(shuffled, mixed, [])

    assert by_subject(found) == by_subject(again)
    assert same_state(straight, shuffled)


def test_delivering_a_batch_twice_changes_nothing() -> None:
    once, twice = bank_of(), bank_of()
    made = [reading for reading in stream_of(once, 4, 100) if reading.value is not None]
    for start in range(0, len(made), 10):
        judge(once, made[start : start + 10], [])
        judge(twice, made[start : start + 10], [])
        assert judge(twice, made[start : start + 10], []) == []

    assert same_state(once, twice)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 500))
def test_a_bank_resumed_from_its_state_goes_on_bit_by_bit(seed: int, cut: int) -> None:
    whole, first, resumed = bank_of(), bank_of(), bank_of()
    made = stream_of(whole, seed, 120)
    cut = min(cut, len(made))
    found = judge(whole, made[:cut], [])
    rest = judge(whole, made[cut:], [])

    assert judge(first, made[:cut], []) == found
    restore(collect(first), resumed)

    assert judge(resumed, made[cut:], []) == rest
    assert same_state(whole, resumed)


def test_constant_input_never_fires_whatever_its_offset() -> None:
    for offset in (-0.5, 0.0, 0.0499):
        bank = bank_of(2)
        made = [
            Reading(f"gauge-{index}", Quantity.WATER_LEVEL, EPOCH + 1000 * second, offset)
            for second in range(900)
            for index in range(2)
        ]
        found = judge(bank, made, list(range(0, len(made), 97)))
        assert {finding.grade for finding in found} == {Grade.GREEN}


def test_rates_are_silent_and_unknown_until_they_are_warm() -> None:
    bank = bank_of(1)
    steep = [
        Reading("gauge-0", Quantity.WATER_LEVEL, EPOCH + 1000 * second, -0.5 + second * 0.001)
        for second in range(140)
    ]
    found = judge(bank, steep, list(range(140)))

    assert [finding for finding in found if finding.rule != "limit-high"] == []
    rise = next(f for f in bank.findings(EPOCH) if f.rule == "rise")
    assert (rise.grade, rise.condition) == (Grade.GREEN, Condition.UNKNOWN)


def test_after_a_gap_the_line_warms_up_anew_and_the_step_counts_no_time() -> None:
    bank = bank_of(1)
    flat = [
        Reading("gauge-0", Quantity.WATER_LEVEL, EPOCH + 1000 * second, 0.01)
        for second in range(400)
    ]
    jump = [
        Reading("gauge-0", Quantity.WATER_LEVEL, EPOCH + 4_000_000 + 1000 * second, 0.2)
        for second in range(120)
    ]
    judge(bank, flat, [])
    found = judge(bank, jump, list(range(120)))

    assert {f.rule for f in found if f.grade > Grade.GREEN} == {"limit-high"}
    grades = [f.grade for f in found if f.rule == "limit-high"]
    assert grades == [Grade.BLUE, Grade.YELLOW]
    assert found[1].at - found[0].at == 2000


def test_an_empty_batch_is_no_trouble() -> None:
    bank = bank_of()
    empty = np.zeros(0, np.int64)
    none = empty.astype(np.int8)

    batch = Batch(empty, empty, empty.astype(float), none, none, empty.astype(bool))

    assert bank.update(batch, EPOCH) == []
