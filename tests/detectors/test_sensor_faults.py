"""What the detectors of a sensor's own faults catch, and that floods leave them cold."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from core.community_file import parse_community
from core.finding import Condition, Finding
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from detectors.exposure_lane import ExposureLane, ExposureRule
from detectors.faults import FaultEvents, Mark, fault_events
from detectors.limit_lane import Floats
from detectors.replay import replay
from detectors.sentinel import Sentinel
from detectors.shift_lane import ShiftLane, ShiftRule
from detectors.spike_lane import SpikeLane, SpikeRule
from detectors.stuck_lane import StuckLane, StuckRule

ONE = np.zeros(1, np.int64)
SPIKES = SpikeRule(0.06, -1, 60_000)
SHIFTS = ShiftRule(0.06, 60_000)


def numbers(
    lane: ExposureLane | ShiftLane | SpikeLane | StuckLane, values: Floats, step_ms: int = 1000
) -> Floats:
    told = [
        lane.step(ONE, np.array([step_ms * n]), values[n : n + 1]).item()
        for n in range(values.size)
    ]
    return np.array(told)


def quiet(count: int = 100) -> Floats:
    return 0.3 + np.random.default_rng(4).normal(0.0, 0.001, count)


def test_a_jump_towards_the_danger_is_no_spike_until_it_comes_back() -> None:
    flood = np.concatenate((quiet(), 0.3 + np.full(20, 0.5)))
    echo = np.concatenate((quiet(), [0.9], quiet(5)))

    assert np.nanmax(numbers(SpikeLane([SPIKES]), flood)) < 1.0
    told = numbers(SpikeLane([SPIKES]), echo)
    assert np.flatnonzero(told >= 1.0).tolist() == [101]


def test_water_that_falls_a_hand_within_one_reading_is_told_at_once() -> None:
    plunge = np.concatenate((quiet(), [0.1], quiet(5)))

    told = numbers(SpikeLane([SPIKES]), plunge)

    assert np.flatnonzero(told >= 1.0).tolist() == [100]


def test_a_flood_that_goes_on_rising_and_a_spike_are_no_shift() -> None:
    rising = np.concatenate((quiet(), 0.5 + 0.03 * np.arange(30)))
    echo = np.concatenate((quiet(), [0.9, 0.9], quiet(30)))

    for values in (rising, echo):
        assert np.nanmax(numbers(ShiftLane([SHIFTS]), values)) == 0.0


def test_a_series_that_is_constant_by_nature_is_not_called_stuck() -> None:
    dry = np.zeros(3000)
    dry[1500:1510] = np.linspace(0.01, 0.2, 10)

    told = numbers(StuckLane([StuckRule(0.0001, 60_000, 100_000, 30_000)]), dry)

    assert not (told[~np.isnan(told)] >= 1.0).any()


def test_carbon_monoxide_that_wobbles_about_a_limit_adds_up() -> None:
    """An on-delay of 60 min at 50 ppm begins anew with each dip to 45; people do not."""
    wobble = np.where(np.arange(120) % 10 == 9, 45.0, 60.0)

    dose = numbers(ExposureLane([ExposureRule(120_000)]), wobble, 60_000)

    assert 30 < np.flatnonzero(dose >= 1.0)[0] < 60
    fresh = numbers(ExposureLane([ExposureRule(120_000)]), np.full(2000, 29.0), 60_000)
    assert fresh.max() == 0.0


def test_an_alarm_that_lasts_finds_only_what_it_began_with() -> None:
    rows = np.arange(40) * 900_000
    words = [None] * 4 + ["rate"] * 30 + [None] * 6
    marks = [Mark(3_600_000, 3_600_000), Mark(24_000_000, 24_000_000)]

    events = fault_events(rows, words, marks)

    assert (events.found, events.marked, events.right, events.wrong) == (1, 2, 1, 0)


def recordings() -> Path:
    where = os.environ.get("SAFETY_EYE_RECORDINGS")
    if not where:
        pytest.skip("SAFETY_EYE_RECORDINGS names no recordings")
    return Path(where)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def events_of(name: str) -> FaultEvents:
    path = recordings() / "water" / f"{name}.csv.gz"
    facts = json.loads(path.with_name(f"{name}.json").read_text(encoding="utf-8"))
    marks = [
        Mark(ms(one["start"]), ms(one["end"]), one["label"] in {"code 1", "code 7"})
        for one in facts["faults"]
    ]
    lines = list(replay([path], every=True))
    at = np.array([ms(line["at"]) for line in lines])
    return fault_events(at, [line["fault"] for line in lines], marks)


def test_what_technicians_marked_on_rivers_is_found_by_event() -> None:
    names = ("black-smith-fork-2020", "franklin-basin-2020", "tony-grove-2020")
    total = FaultEvents()
    for name in names:
        total += events_of(f"lro-{name}")

    assert total.marked == 4
    assert (total.recall or 0.0) >= 0.6
    assert (total.precision or 0.0) >= 0.6


def test_a_river_in_flood_is_no_fault_of_its_gauge() -> None:
    assert events_of("ea-don-rotherham-2007").wrong == 0


PLACE = """
[site]
id = "riverside"
name = { zh = "滨河", en = "Riverside" }
timezone = "Asia/Shanghai"
language = "zh"
[[zone]]
id = "underpass"
name = { zh = "下穿", en = "Underpass" }
[[sensor]]
id = "gauge-1"
station = "north-1"
zone = "underpass"
driver = "any"
quantity = "water-level"
hazard = "flood"
interval_s = 1
[[limit]]
zone = "underpass"
quantity = "water-level"
red = 0.27
reason = "kerb"
"""


@pytest.mark.parametrize("quality", [Quality.GOOD, Quality.BAD])
def test_a_place_is_not_unknown_because_nobody_can_tell_yet_how_its_sensor_scatters(
    quality: Quality,
) -> None:
    sentinel = Sentinel(parse_community(PLACE), 1.0, 0)
    reasons = () if quality is Quality.GOOD else (Reason.WARMING_UP,)
    found: list[Finding] = []
    for second in range(1, 20):
        at = 1000 * second
        reading = Reading("gauge-1", Quantity.WATER_LEVEL, at, 0.01, quality, reasons)
        found += sentinel._judge([(reading, at)], at)

    stated = {sentinel.statement(number, 20_000).rule for number in sentinel.statements}
    new = {"noise", "stuck", "shift"}
    assert not new & (stated | {finding.rule for finding in found})
    assert new <= {rule.name for rule in sentinel.rules}
    assert {"limit-high", "silence"} <= stated


def test_a_fault_that_can_be_judged_is_stated_and_unknown_once_the_sensor_is_silent() -> None:
    sentinel = Sentinel(parse_community(PLACE), 1.0, 0)
    values = 0.01 + np.random.default_rng(5).normal(0.0, 0.002, 700)
    for second, value in enumerate(values, 1):
        reading = Reading("gauge-1", Quantity.WATER_LEVEL, 1000 * second, float(value))
        sentinel._judge([(reading, 1000 * second)], 1000 * second)

    def noise(now_ms: int) -> set[Condition]:
        said = [sentinel.statement(number, now_ms) for number in sentinel.statements]
        return {finding.condition for finding in said if finding.rule == "noise"}

    assert noise(701_000) == {Condition.CLEARED}
    sentinel.tick(900_000)
    assert noise(900_000) == {Condition.UNKNOWN}
