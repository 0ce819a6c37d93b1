"""From a device's words to a sensor's readings: what the entry in the profile decides."""

from __future__ import annotations

from typing import Any

import pytest

from core.community import SensorEntry
from core.finding import Hazard
from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers import make_driver
from edge.drivers.base import Frame, Measurement
from edge.drivers.selection import select


def entry(driver: str, quantity: Quantity, **more: Any) -> SensorEntry:
    return SensorEntry("s-1", "st-1", "z-1", driver, quantity, Hazard.FLOOD, **more)


def one(frame: Frame, wanted: SensorEntry) -> Measurement:
    ((quantity, measurement),) = select(frame, wanted)
    assert quantity is wanted.quantity
    assert measurement.quantity is wanted.quantity
    return measurement


def distance(mm: float | None) -> Frame:
    driver = make_driver("dfrobot_a02yyuw")
    (frame,) = driver.feed(driver.encode({"distance": mm}))
    return frame


def level(mm: float) -> Frame:
    driver = make_driver("qdy30a")
    (frame,) = driver.feed(driver.encode({"level": mm}))
    return frame


GAUGE = entry("dfrobot_a02yyuw", Quantity.WATER_LEVEL, mount_height_m=3.2)


def test_a_level_is_the_mounting_height_minus_the_distance() -> None:
    found = one(distance(2969), GAUGE)
    assert (found.value, found.unit, found.quality) == (0.231, "m", Quality.GOOD)


def test_a_distance_stays_a_distance_where_that_is_wanted() -> None:
    found = one(distance(2969), entry("dfrobot_a02yyuw", Quantity.DISTANCE))
    assert (found.value, found.unit) == (2.969, "m")


def test_a_level_from_a_distance_needs_the_mounting_height() -> None:
    found = one(distance(2969), entry("dfrobot_a02yyuw", Quantity.WATER_LEVEL))
    assert (found.value, found.quality) == (None, Quality.BAD)
    assert found.reasons == (Reason.CONFIGURATION,)


def test_water_in_the_blind_zone_is_at_least_the_height_minus_the_zone() -> None:
    found = one(distance(12), GAUGE)
    assert (found.value, found.quality) == (3.17, Quality.UNCERTAIN)
    assert found.reasons == (Reason.BLIND_ZONE,)


def test_no_echo_is_no_level() -> None:
    found = one(distance(None), GAUGE)
    assert (found.value, found.quality, found.reasons) == (None, Quality.BAD, (Reason.NO_TARGET,))


def test_a_level_far_below_the_ground_is_bad_and_keeps_its_number() -> None:
    found = one(distance(3300), GAUGE)
    assert (found.value, found.quality, found.reasons) == (-0.1, Quality.BAD, (Reason.RANGE,))
    assert one(distance(3240), GAUGE).quality is Quality.GOOD


def test_a_pressure_probe_loses_its_reading_in_air() -> None:
    found = one(level(139), entry("qdy30a", Quantity.WATER_LEVEL, zero_offset_m=0.026))
    assert (found.value, found.quality) == (0.113, Quality.GOOD)


def test_a_probe_beyond_full_scale_is_at_least_full_scale() -> None:
    found = one(level(11_500), entry("qdy30a", Quantity.WATER_LEVEL, zero_offset_m=0.5))
    assert (found.value, found.quality) == (9.5, Quality.UNCERTAIN)
    assert found.reasons == (Reason.SATURATED,)


def test_also_brings_further_quantities_of_the_same_frame() -> None:
    driver = make_driver("plantower_pmsx003")
    (frame,) = driver.feed(driver.encode({"pm1": 9, "pm25": 12, "pm10": 20}))
    found = select(frame, entry(driver.facts.name, Quantity.PM2_5, also=(Quantity.PM10,)))
    assert [(quantity, one.value) for quantity, one in found] == [
        (Quantity.PM2_5, 12.0),
        (Quantity.PM10, 20.0),
    ]


def test_measure_names_the_input_and_invert_turns_a_closed_loop() -> None:
    driver = make_driver("modbus_di_module")
    (frame,) = driver.feed(driver.encode({"di3": 1}))
    for name, invert, value in (("di3", False, 1.0), ("di3", True, 0.0), ("di0", True, 1.0)):
        wanted = entry("modbus_di_module", Quantity.ALARM_INPUT, measure=name, invert=invert)
        assert one(frame, wanted).value == value


def test_a_counter_becomes_people_without_a_unit_of_its_own() -> None:
    driver = make_driver("modbus_di_module", {"function": 3})
    (frame,) = driver.feed(driver.encode({"count": 100_000}))
    found = one(frame, entry("modbus_di_module", Quantity.PEOPLE_IN, measure="count"))
    assert (found.value, found.unit, found.quality) == (100_000.0, "{count}", Quality.GOOD)


def test_a_quantity_that_the_frame_does_not_speak_of_is_left_out() -> None:
    driver = make_driver("ndjson_bridge")
    (frame,) = driver.feed(driver.encode({"door": True}))
    assert select(frame, entry("ndjson_bridge", Quantity.TEMPERATURE, measure="temp")) == []
    assert select(Frame(()), GAUGE) == []


@pytest.mark.parametrize(
    ("name", "value", "quantity", "expected"),
    [
        ("temp", 21.5, Quantity.TEMPERATURE, 21.5),
        ("door", True, Quantity.CONTACT, 1.0),
        ("rain", 12.4, Quantity.RAIN_RATE, 12.4),
        ("in", 41, Quantity.PEOPLE_IN, 41.0),
        ("smoke", 0.07, Quantity.SMOKE_OBSCURATION, 0.07),
        ("level", 250, Quantity.WATER_LEVEL, 0.25),
    ],
)
def test_obvious_names_of_a_bridge_need_no_measure(
    name: str, value: float, quantity: Quantity, expected: float
) -> None:
    driver = make_driver("ndjson_bridge")
    (frame,) = driver.feed(driver.encode({name: value}))
    assert one(frame, entry("ndjson_bridge", quantity)).value == expected
    assert one(frame, entry("ndjson_bridge", quantity, measure=name)).value == expected


@pytest.mark.parametrize(
    ("value", "unit", "quantity"),
    [
        (21.5, "Cel", Quantity.WATER_LEVEL),
        ("open", "1", Quantity.CONTACT),
        ([1, 2], "1", Quantity.PEOPLE_COUNT),
        (float("nan"), "m", Quantity.WATER_LEVEL),
        (float("inf"), "mm", Quantity.WATER_LEVEL),
    ],
)
def test_what_is_no_number_of_the_quantity_becomes_bad_configuration(
    value: Any, unit: str, quantity: Quantity
) -> None:
    frame = Frame((Measurement("x", None, value, unit),))
    found = one(frame, entry("ndjson_bridge", quantity, measure="x"))
    assert (found.value, found.quality) == (None, Quality.BAD)
    assert Reason.CONFIGURATION in found.reasons


def test_a_fault_keeps_its_reason_through_conversion() -> None:
    frame = Frame((Measurement("x", None, None, "Cel", Quality.BAD, (Reason.DEVICE_FAULT,)),))
    found = one(frame, entry("ndjson_bridge", Quantity.TEMPERATURE, measure="x"))
    assert (found.value, found.reasons) == (None, (Reason.DEVICE_FAULT,))


def test_a_bad_bit_is_never_inverted_into_a_good_one() -> None:
    frame = Frame((Measurement("x", None, None, "bool", Quality.BAD, (Reason.MISSING,)),))
    found = one(frame, entry("ndjson_bridge", Quantity.CONTACT, measure="x", invert=True))
    assert (found.value, found.quality) == (None, Quality.BAD)
