from __future__ import annotations

from math import inf, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.community import SensorEntry
from core.finding import Hazard
from core.quality import Quality, Reason
from core.quantity import FACTS, Quantity
from edge.drivers.base import Measurement
from edge.quality import Inspector, Verdict


def entry(quantity: Quantity, mount_height_m: float | None = None) -> SensorEntry:
    return SensorEntry(
        "s", "st", "z", "dfrobot_a02yyuw", quantity, Hazard.FLOOD, mount_height_m=mount_height_m
    )


def measured(
    quantity: Quantity,
    value: float | None,
    quality: Quality = Quality.GOOD,
    *reasons: Reason,
) -> Measurement:
    return Measurement("m", quantity, value, FACTS[quantity].unit, quality, reasons)


class Gauge:
    """An air-gap level sensor 3.2 m above the ground, one frame a second."""

    def __init__(self) -> None:
        self._inspector = Inspector(
            entry(Quantity.WATER_LEVEL, 3.2), Quantity.WATER_LEVEL, warm=True
        )
        self.at_ms = 0

    def see(
        self, value: float | None, quality: Quality = Quality.GOOD, *reasons: Reason
    ) -> Verdict:
        self.at_ms += 1000
        return self._inspector.inspect(
            measured(Quantity.WATER_LEVEL, value, quality, *reasons), self.at_ms
        )


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_nan_and_infinity_never_leave(value: float) -> None:
    verdict = Inspector(entry(Quantity.TEMPERATURE), Quantity.TEMPERATURE).inspect(
        measured(Quantity.TEMPERATURE, value), 0
    )
    assert verdict == Verdict(None, Quality.BAD, (Reason.DEVICE_FAULT,))


@given(st.floats(), st.sampled_from(list(Quality)))
def test_a_value_is_finite_or_bad_whatever_comes(value: float, quality: Quality) -> None:
    for quantity in (Quantity.WATER_LEVEL, Quantity.CARBON_MONOXIDE, Quantity.TEMPERATURE):
        inspector = Inspector(entry(quantity, 3.2), quantity, warm_up_s=1)
        verdict = inspector.inspect(measured(quantity, value, quality), 5)
        if verdict.value is None:
            assert verdict.quality is Quality.BAD
        elif verdict.quality is not Quality.BAD:
            assert FACTS[quantity].lowest <= verdict.value <= FACTS[quantity].highest
        assert (verdict.quality is Quality.GOOD) <= (quality is Quality.GOOD)


def test_beyond_the_range_in_the_danger_direction_is_at_least_the_limit() -> None:
    inspector = Inspector(entry(Quantity.CARBON_MONOXIDE), Quantity.CARBON_MONOXIDE)
    verdict = inspector.inspect(measured(Quantity.CARBON_MONOXIDE, 50_000.0), 0)
    assert verdict == Verdict(10_000.0, Quality.UNCERTAIN, (Reason.SATURATED,))
    assert verdict.at_least


def test_beyond_the_range_on_the_safe_side_is_bad() -> None:
    inspector = Inspector(entry(Quantity.CARBON_MONOXIDE), Quantity.CARBON_MONOXIDE)
    verdict = inspector.inspect(measured(Quantity.CARBON_MONOXIDE, -400.0), 0)
    assert (verdict.quality, verdict.reasons) == (Quality.BAD, (Reason.RANGE,))


def test_a_sensor_warms_up_from_its_first_frame_and_again_after_it_says_that_it_restarted() -> None:
    inspector = Inspector(entry(Quantity.CARBON_MONOXIDE), Quantity.CARBON_MONOXIDE, warm_up_s=180)

    def quality(at_s: float) -> Quality:
        reading = measured(Quantity.CARBON_MONOXIDE, 3.0)
        return inspector.inspect(reading, round(at_s * 1000)).quality

    assert quality(1000) is Quality.UNCERTAIN
    assert quality(1179) is Quality.UNCERTAIN
    assert quality(1180) is Quality.GOOD
    inspector.restarted()
    assert quality(1200) is Quality.UNCERTAIN
    assert quality(1381) is Quality.GOOD
    inspector.powered()
    assert quality(1400) is Quality.UNCERTAIN


def test_a_sensor_with_its_own_power_is_warm_when_the_port_opens() -> None:
    inspector = Inspector(
        entry(Quantity.CARBON_MONOXIDE), Quantity.CARBON_MONOXIDE, warm_up_s=180, warm=True
    )
    inspector.powered()
    assert inspector.inspect(measured(Quantity.CARBON_MONOXIDE, 3.0), 0).quality is Quality.GOOD


def test_water_can_not_jump_but_a_lasting_new_level_is_believed() -> None:
    gauge = Gauge()
    for _ in range(5):
        assert gauge.see(0.10).quality is Quality.GOOD
    wrong = gauge.see(2.90)
    assert (wrong.value, wrong.quality, wrong.reasons) == (2.90, Quality.BAD, (Reason.RATE,))
    assert gauge.see(0.11).quality is Quality.GOOD
    seen = [gauge.see(1.50).quality for _ in range(6)]
    assert seen[:3] == [Quality.BAD] * 3
    assert seen[3:] == [Quality.GOOD] * 3


def test_a_flood_that_rises_as_fast_as_water_can_is_good_all_the_way() -> None:
    gauge = Gauge()
    assert all(gauge.see(0.25 * step).quality is Quality.GOOD for step in range(10))


def test_no_echo_after_a_rise_to_the_blind_zone_means_at_least_the_last_level() -> None:
    gauge = Gauge()
    for step in range(40):
        gauge.see(2.0 + step * 0.025)
    lost = gauge.see(None, Quality.BAD, Reason.NO_TARGET)
    assert lost.value == pytest.approx(2.975)
    assert (lost.quality, lost.reasons) == (Quality.UNCERTAIN, (Reason.BLIND_ZONE,))
    for _ in range(600):
        held = gauge.see(None, Quality.BAD, Reason.NO_TARGET)
    assert held == lost
    assert gauge.see(2.9).quality is Quality.GOOD


def test_no_echo_over_a_dry_road_is_bad_and_says_nothing_of_water() -> None:
    gauge = Gauge()
    for _ in range(20):
        gauge.see(0.0)
    lost = gauge.see(None, Quality.BAD, Reason.NO_TARGET)
    assert (lost.value, lost.quality) == (None, Quality.BAD)


def test_a_covered_sensor_is_not_a_flood_but_a_rise_into_the_blind_zone_is() -> None:
    covered = Gauge()
    for _ in range(20):
        covered.see(0.0)
    for _ in range(60):
        verdict = covered.see(3.17, Quality.UNCERTAIN, Reason.BLIND_ZONE)
        assert verdict.quality is Quality.BAD
    rising = Gauge()
    for step in range(40):
        rising.see(2.1 + step * 0.027)
    verdict = rising.see(3.17, Quality.UNCERTAIN, Reason.BLIND_ZONE)
    assert (verdict.value, verdict.quality) == (3.17, Quality.UNCERTAIN)


def test_a_station_that_starts_with_the_sensor_in_the_blind_zone_believes_the_danger() -> None:
    verdict = Gauge().see(3.17, Quality.UNCERTAIN, Reason.BLIND_ZONE)
    assert (verdict.value, verdict.quality) == (3.17, Quality.UNCERTAIN)


def test_the_drivers_doubts_are_kept() -> None:
    verdict = Gauge().see(0.2, Quality.UNCERTAIN, Reason.IMPLAUSIBLE_PAIR)
    assert (verdict.quality, verdict.reasons) == (Quality.UNCERTAIN, (Reason.IMPLAUSIBLE_PAIR,))


def stuck_after(entry_: SensorEntry, quantity: Quantity, value: float, step_ms: int) -> int | None:
    """Milliseconds until a constant value is called stuck; None within 7 h."""
    inspector = Inspector(entry_, quantity, warm=True)
    for at in range(0, 7 * 3_600_000, step_ms):
        verdict = inspector.inspect(measured(quantity, value), at)
        if Reason.STUCK in verdict.reasons:
            assert (verdict.value, verdict.quality) == (value, Quality.UNCERTAIN)
            return at
    return None


@pytest.mark.parametrize(
    ("quantity", "height_m", "value", "step_ms", "after_ms"),
    [
        (Quantity.WATER_LEVEL, 3.2, 0.4, 100, 60_000),  # 600 echoes
        (Quantity.WATER_LEVEL, 3.2, 0.4, 1000, 599_000),
        (Quantity.WATER_LEVEL, 3.2, 0.01, 1000, None),  # a dry road stands still
        (Quantity.WATER_LEVEL, None, 0.4, 60_000, 6 * 3_600_000),  # a pressure probe
        (Quantity.PM2_5, None, 40.0, 1000, 30 * 60_000),
        (Quantity.PM2_5, None, 3.0, 1000, None),  # whole numbers of clean air
        (Quantity.CARBON_DIOXIDE, None, 640.0, 5000, 3_600_000),
        (Quantity.CARBON_MONOXIDE, None, 12.0, 60_000, None),  # 0 ppm for weeks is clean air
        (Quantity.TEMPERATURE, None, 21.0, 60_000, None),
    ],
)
def test_a_value_is_stuck_after_the_time_that_its_sensor_can_not_stand_still(
    quantity: Quantity, height_m: float | None, value: float, step_ms: int, after_ms: int | None
) -> None:
    assert stuck_after(entry(quantity, height_m), quantity, value, step_ms) == after_ms


def test_a_few_equal_readings_far_apart_are_no_stuck_sensor() -> None:
    inspector = Inspector(entry(Quantity.PM2_5), Quantity.PM2_5, warm=True)
    seen = [
        inspector.inspect(measured(Quantity.PM2_5, 40.0), at * 300_000).quality for at in range(99)
    ]
    assert set(seen) == {Quality.GOOD}


def test_one_movement_frees_a_stuck_value() -> None:
    sensor = msgspec.structs.replace(entry(Quantity.CARBON_DIOXIDE), stuck_s=100)
    inspector = Inspector(sensor, Quantity.CARBON_DIOXIDE, warm=True)
    for at in range(200):
        last = inspector.inspect(measured(Quantity.CARBON_DIOXIDE, 640.0), at * 1000)
    assert last.reasons == (Reason.STUCK,)
    assert inspector.inspect(measured(Quantity.CARBON_DIOXIDE, 641.0), 200_000).reasons == ()


def test_an_entry_may_switch_the_stuck_rule_off_or_ask_for_one() -> None:
    off = msgspec.structs.replace(entry(Quantity.PM2_5), stuck_s=0)
    assert stuck_after(off, Quantity.PM2_5, 40.0, 10_000) is None
    own = msgspec.structs.replace(entry(Quantity.TEMPERATURE), stuck_s=600)
    assert stuck_after(own, Quantity.TEMPERATURE, 21.0, 1000) == 600_000


def test_a_place_may_narrow_what_is_believable_and_how_fast_it_may_change() -> None:
    sensor = msgspec.structs.replace(
        entry(Quantity.TEMPERATURE), believable_low=-15, believable_high=45, max_rate_per_s=0.5
    )
    inspector = Inspector(sensor, Quantity.TEMPERATURE, warm=True)

    def see(value: float, at_s: int) -> Verdict:
        return inspector.inspect(measured(Quantity.TEMPERATURE, value), at_s * 1000)

    assert see(20.0, 0).quality is Quality.GOOD
    assert see(21.0, 2).quality is Quality.GOOD
    assert see(40.0, 3).reasons == (Reason.RATE,)
    hot = see(46.0, 60)
    assert (hot.value, hot.quality, hot.reasons) == (46.0, Quality.UNCERTAIN, (Reason.RANGE,))


def test_without_a_known_air_temperature_an_echo_is_uncertain_and_keeps_its_level() -> None:
    inspector = Inspector(entry(Quantity.WATER_LEVEL, 3.2), Quantity.WATER_LEVEL, warm=True)
    verdict = inspector.inspect(measured(Quantity.WATER_LEVEL, 0.2), 0, air_known=False)
    assert verdict == Verdict(0.2, Quality.UNCERTAIN, (Reason.UNCOMPENSATED,))
