"""What every registered detector promises, run over the registry by itself: one line, one suite.

A detector is put on a series that it chooses for itself, in a bank, beside others. Its limits are
replaced by one that any number reaches, so that its findings can be read whatever it looks for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.community import SensorEntry
from core.finding import Condition, Finding, Hazard, decode_finding, encode_finding
from core.finding_wording import RULES, headline, sentence
from core.grade import Grade
from core.identity import SeriesId
from core.limits import Level, LimitRule
from core.quality import Quality, Reason
from core.quantity import FACTS, Quantity
from core.reading import Reading
from detectors.bank import Bank
from detectors.batch import batch_of
from detectors.lane import Choice, Detector
from detectors.limit_lane import Floats, Ints
from detectors.plan import RulePlan, SeriesPlan, Source, plan_series, with_detectors
from detectors.registry import DETECTORS, REGISTRY
from detectors.snapshot import collect, load, restore, save

EPOCH = 1_764_500_000_000
INTERVALS_S = (900.0, 60.0, 1.0)
SERIES = 3
ANY_NUMBER = LimitRule((Level(Grade.BLUE, -1e300),), gap_ms=10**9)

every_detector = pytest.mark.parametrize("detector", REGISTRY, ids=lambda one: one.name)


def sample(detector: Detector, sensor: str = "probe-0") -> tuple[SeriesPlan, Choice]:
    """Return the first series on which *detector* works, and how it is set there."""
    for interval_s in INTERVALS_S:
        for hazard in sorted(detector.hazards):
            for quantity in Quantity:
                facts = FACTS[quantity]
                plan = SeriesPlan(
                    SeriesId(sensor, quantity),
                    "north-1",
                    "underpass",
                    hazard,
                    interval_s,
                    facts.unit,
                    counter=facts.cumulative,
                    target=1.0,
                )
                choice = detector.choose(plan)
                if choice is not None:
                    return plan, choice
    raise AssertionError(f"{detector.name} chooses no series at all")


def bank_of(detector: Detector, limits: LimitRule = ANY_NUMBER, series: int = SERIES) -> Bank:
    plans = []
    for index in range(series):
        plan, choice = sample(detector, f"probe-{index}")
        rule = RulePlan(detector.name, Source.LANE, limits, lane=choice.rule)
        plans.append(replace(plan, rules=(rule,)))
    return Bank(plans)


def values_of(seed: int, count: int, quantity: Quantity) -> Floats:
    """Return a series with days, noise, steps, spikes, stretches that stand still, and zeros."""
    chance = np.random.default_rng(seed)
    place = np.arange(count)
    made = 10.0 + 2.0 * np.sin(place / 15.3) + chance.normal(0.0, 0.3, count)
    made += np.cumsum(chance.random(count) < 0.003) * chance.normal(0.0, 2.0)
    spikes = chance.random(count) < 0.01
    made[spikes] += chance.normal(0.0, 30.0, int(spikes.sum()))
    stands = place % 500 > 440
    made[stands] = np.round(made[stands] / 50.0)
    facts = FACTS[quantity]
    made = np.clip(np.round(made, 4), max(facts.lowest, -50.0), min(facts.highest, 1e4))
    return np.cumsum(np.abs(np.round(made))) if facts.cumulative else made


def times_of(seed: int, count: int, interval_s: float) -> Ints:
    """Return irregular times: jitter, missed readings, now and then a long gap."""
    chance = random.Random(seed)
    steps = [
        interval_s * chance.choices((1.0, 1.1, 0.7, 2.0, 60.0), (80, 8, 8, 3, 0.3))[0]
        for _ in range(count)
    ]
    return EPOCH + np.cumsum(np.round(1000.0 * np.array(steps)).astype(np.int64))


def stream_of(bank: Bank, seed: int, count: int) -> list[Reading]:
    """Return good readings of every series of *bank*, row by row."""
    rows = []
    for index, plan in enumerate(bank.plans):
        at = times_of(seed + index, count, plan.interval_s)
        value = values_of(seed + index, count, plan.series.quantity)
        rows.append(
            [
                Reading(plan.series.sensor, plan.series.quantity, int(when), float(what))
                for when, what in zip(at, value, strict=True)
            ]
        )
    return [reading for row in zip(*rows, strict=True) for reading in row]


def judge(bank: Bank, made: Sequence[Reading], size: int = 300) -> list[Finding]:
    found: list[Finding] = []
    for start in range(0, len(made), size):
        found += bank.update(batch_of(made[start : start + size], bank.slots), EPOCH)
    return found


def state_of(bank: Bank) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in collect(bank).items()}


def learned(bank: Bank) -> dict[str, bytes]:
    return {name: data for name, data in state_of(bank).items() if name.startswith("lane-")}


def numbers_of(detector: Detector, seed: int, count: int, *, lines: int = 1) -> Floats:
    """Return the numbers of the bare lane, one row a reading, one column a series."""
    plan, choice = sample(detector)
    lane = detector.lane([choice.rule] * lines)
    at = np.stack([times_of(seed + n, count, plan.interval_s) for n in range(lines)], axis=1)
    value = np.stack([values_of(seed + n, count, plan.series.quantity) for n in range(lines)], 1)
    if plan.counter:
        value = np.diff(value, axis=0, prepend=value[:1])
    every = np.arange(lines)
    return np.stack([lane.step(every, at[n], value[n]) for n in range(count)])


@every_detector
def test_it_is_named_once_documented_by_an_example_and_has_words_in_both_languages(
    detector: Detector,
) -> None:
    assert DETECTORS[detector.name] is detector
    assert [one.name for one in REGISTRY].count(detector.name) == 1
    assert ">>>" in (detector.lane.__doc__ or ""), "its lane has no doctest"
    zh, en = RULES[detector.name]
    assert zh != en
    assert zh.strip()
    assert en.strip()


@every_detector
def test_its_limits_never_go_beyond_what_it_may_state(detector: Detector) -> None:
    _plan, choice = sample(detector)

    assert max(level.grade for level in choice.limits.levels) <= detector.cap
    if detector.fault is not None:
        assert detector.cap <= Grade.YELLOW


@every_detector
def test_it_says_nothing_of_the_first_reading_and_something_when_it_is_warm(
    detector: Detector,
) -> None:
    numbers = numbers_of(detector, 1, 3000)[:, 0]

    assert np.isnan(numbers[0]) or numbers[0] == 0.0
    assert np.isfinite(numbers).any(), "3000 readings did not warm it up"
    assert not np.isinf(numbers).any()


@every_detector
def test_it_never_looks_ahead(detector: Detector) -> None:
    whole = numbers_of(detector, 2, 1500)
    for cut in (1, 400, 1111):
        plan, choice = sample(detector)
        lane = detector.lane([choice.rule])
        at = times_of(2, 1500, plan.interval_s)
        value = values_of(2, 1500, plan.series.quantity)
        if plan.counter:
            value = np.diff(value, prepend=value[:1])
        value[cut:] = 1e6
        first = np.zeros(1, np.int64)
        told = [lane.step(first, at[n : n + 1], value[n : n + 1]).item() for n in range(cut)]

        assert np.array_equal(np.array(told), whole[:cut, 0], equal_nan=True)


@every_detector
def test_its_number_depends_on_earlier_readings_and_this_one_only(detector: Detector) -> None:
    """It judges before it learns: what a reading is judged by is the same whatever it is itself.

    Two lanes are brought to the same state; one then takes a reading, is put back, and takes it
    again: had the first taking left a trace before the judgement, the second would differ.
    """
    bank = bank_of(detector, series=1)
    made = stream_of(bank, 3, 900)
    judge(bank, made[:-1])
    before = collect(bank)
    feed = bank.feeds[0]
    last = made[-1]
    assert last.value is not None
    one, at = np.zeros(1, np.int64), np.array([last.at])

    first = feed.lane.step(one, at, np.array([last.value]))
    restore(before, bank)
    feed.lane.step(one, at, np.array([last.value + 1e3]))
    restore(before, bank)
    again = feed.lane.step(one, at, np.array([last.value]))

    assert np.array_equal(first, again, equal_nan=True)


@every_detector
def test_series_know_nothing_of_each_other_and_their_order_does_not_matter(
    detector: Detector,
) -> None:
    together = numbers_of(detector, 5, 800, lines=4)

    for line in range(4):
        alone = numbers_of(detector, 5 + line, 800)
        assert np.array_equal(together[:, line], alone[:, 0], equal_nan=True)

    straight, shuffled = bank_of(detector), bank_of(detector)
    made = stream_of(straight, 6, 400)
    mixed = made[:]
    random.Random(1).shuffle(mixed)
    judge(straight, made, len(made))
    judge(shuffled, mixed, len(made))
    assert state_of(straight) == state_of(shuffled)


@every_detector
def test_batches_one_by_one_and_any_cut_between_are_bit_by_bit_the_same(detector: Detector) -> None:
    whole, cut, single = bank_of(detector), bank_of(detector), bank_of(detector)
    made = stream_of(whole, 7, 400)

    found = judge(whole, made, len(made))
    pieces = judge(cut, made, 41)
    alone = judge(single, made, 1)

    assert state_of(whole) == state_of(cut) == state_of(single)
    assert sorted(found, key=_order) == sorted(pieces, key=_order) == sorted(alone, key=_order)


def _order(finding: Finding) -> tuple[str, int]:
    return finding.subject, finding.at


@every_detector
def test_duplicates_and_readings_older_than_the_newest_leave_no_trace(detector: Detector) -> None:
    once, twice = bank_of(detector), bank_of(detector)
    made = stream_of(once, 8, 250)
    for start in range(0, len(made), 30):
        part = made[start : start + 30]
        judge(once, part)
        judge(twice, part)
        judge(twice, part)
        judge(twice, [replace_value(reading, 5.0, reading.at - 1) for reading in part[:SERIES]])

    assert learned(once) == learned(twice)


def replace_value(reading: Reading, value: float | None, at: int, *flaws: Reason) -> Reading:
    quality = Quality.UNCERTAIN if flaws else Quality.GOOD
    if value is None:
        quality = Quality.BAD
    return Reading(reading.sensor, reading.quantity, at, value, quality, flaws)


@every_detector
def test_it_learns_from_good_readings_only_and_a_bad_one_makes_it_unknown(
    detector: Detector,
) -> None:
    bank = bank_of(detector)
    made = stream_of(bank, 9, 500)
    judge(bank, made)
    before = learned(bank)
    last = made[-SERIES:]

    judge(bank, [replace_value(r, 1e4, r.at + 1000, Reason.SATURATED) for r in last])
    assert learned(bank) == before

    judge(bank, [replace_value(r, None, r.at + 2000, Reason.DEVICE_FAULT) for r in last])
    assert learned(bank) == before
    assert {f.condition for f in bank.findings(EPOCH)} == {Condition.UNKNOWN}


@every_detector
def test_what_was_saved_goes_on_as_if_nothing_had_happened(
    detector: Detector, tmp_path: Path
) -> None:
    whole, first, resumed = (bank_of(detector) for _ in range(3))
    made = stream_of(whole, 10, 500)
    middle = 700
    judge(whole, made[:middle])
    rest = judge(whole, made[middle:])

    judge(first, made[:middle])
    save(tmp_path / "bank.snapshot", collect(first), {})
    stored = load(tmp_path / "bank.snapshot")
    assert stored is not None
    restore(stored[0], resumed)

    assert judge(resumed, made[middle:]) == rest
    assert state_of(resumed) == state_of(whole)


@every_detector
def test_state_of_another_version_is_left_alone_and_other_limits_change_nothing(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = bank_of(detector)
    judge(bank, stream_of(bank, 11, 300))
    stored = collect(bank)
    harder = bank_of(detector, replace(ANY_NUMBER, levels=(Level(Grade.BLUE, 7.0),)))
    restore(stored, harder)
    assert learned(harder) == learned(bank)

    newer = replace(detector, version=detector.version + 1)
    monkeypatch.setitem(DETECTORS, detector.name, newer)
    monkeypatch.setattr("detectors.feed.REGISTRY", (newer,))
    fresh = bank_of(newer)
    untouched = collect(fresh)
    restore(stored, fresh)
    assert all(
        np.array_equal(array, untouched[name], equal_nan=array.dtype.kind == "f")
        for name, array in collect(fresh).items()
        if name.startswith("lane-")
    )


@every_detector
def test_its_state_is_arrays_of_one_entry_a_series_and_small(detector: Detector) -> None:
    lane = bank_of(detector).feeds[0].lane

    arrays = [getattr(lane, name) for name in detector.state]

    assert all(isinstance(array, np.ndarray) for array in arrays)
    assert {array.shape[0] for array in arrays} == {SERIES}
    assert all(array.dtype.kind in "fiub" for array in arrays)
    assert sum(array.nbytes for array in arrays) / SERIES <= 1_500


@every_detector
@pytest.mark.parametrize("value", [0.0, -50.0, 1e-300, 1e12, 1e-9])
def test_constant_and_extreme_values_break_nothing(detector: Detector, value: float) -> None:
    plan, choice = sample(detector)
    lane = detector.lane([choice.rule])
    one = np.zeros(1, np.int64)
    step_ms = round(1000 * plan.interval_s)
    for number in range(600):
        at = np.array([EPOCH + number * step_ms])
        told = lane.step(one, at, np.array([value if number % 97 else 3.0 * value + 1.0]))
        assert not np.isinf(told).any()


@every_detector
def test_its_findings_say_why_in_data_and_in_both_languages(detector: Detector) -> None:
    bank = bank_of(detector, series=1)
    found = judge(bank, stream_of(bank, 12, 3000), 3000)
    active = [finding for finding in found if finding.condition is Condition.ACTIVE]
    assert active, "it never had a number to be judged"

    for finding in (active[0], active[-1]):
        because = finding.because
        assert finding.rule == detector.name
        assert because.value is not None
        assert because.unit == bank.plans[0].unit
        assert because != type(because)(value=because.value, unit=because.unit), "no reasons"
        if detector.fault is None:
            assert finding.hazard is bank.plans[0].hazard
            assert finding.fault == ""
        else:
            assert finding.hazard is Hazard.EQUIPMENT
            assert finding.fault == detector.fault.value
        assert decode_finding(encode_finding(finding)) == finding
        for language, words in zip(("zh", "en"), RULES[detector.name], strict=True):
            assert words in sentence(finding, language)
            assert words in headline(finding, "P", language)


def test_a_detector_of_the_sensor_never_states_a_flood() -> None:
    """Whatever the sensor does, only limits and rates grade the danger it watches for."""
    plan = with_detectors(
        SeriesPlan(
            SeriesId("gauge-1", Quantity.WATER_LEVEL),
            "north-1",
            "underpass",
            Hazard.FLOOD,
            60.0,
            "m",
        )
    )
    bank = Bank([replace(plan, rules=tuple(replace(r, limits=ANY_NUMBER) for r in plan.rules))])
    found = judge(bank, stream_of(bank, 13, 800), 1)

    of_sensor = {name for name, one in DETECTORS.items() if one.fault is not None}
    told = {finding.hazard for finding in found if finding.rule in of_sensor}
    assert told == {Hazard.EQUIPMENT}


def test_an_installer_who_writes_only_limits_gets_the_detectors_of_the_hazard() -> None:
    entry = SensorEntry(
        "gauge-1", "north-1", "underpass", "dfrobot_a02yyuw", Quantity.WATER_LEVEL, Hazard.FLOOD
    )
    limits = LimitRule((Level(Grade.BLUE, 0.05), Level(Grade.RED, 0.27)), hysteresis=0.02)

    names = {rule.name for rule in plan_series(entry, Quantity.WATER_LEVEL, [limits]).rules}

    assert names >= {"limit-high", "rise", "time-to-limit", "stuck"}
