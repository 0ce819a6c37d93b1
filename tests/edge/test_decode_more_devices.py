"""What the less common devices say beyond the contract."""

from __future__ import annotations

import pytest

from core.quality import Quality, Reason
from edge.drivers import make_driver
from edge.drivers.base import Driver, Frame, Measurement, Value
from edge.modbus import Request, reply_frame


def values(frames: list[Frame]) -> dict[str, Measurement]:
    return {one.name: one for frame in frames for one in frame.measurements}


def back(driver: Driver, words: dict[str, Value]) -> dict[str, Measurement]:
    return values(driver.feed(driver.encode(words)))


@pytest.mark.parametrize(
    ("raw", "reason"), [("FF FF FE FC", Reason.DEVICE_FAULT), ("FF FF FD FB", Reason.NO_TARGET)]
)
def test_sentinels_of_the_sen0754_are_no_distances(raw: str, reason: Reason) -> None:
    found = values(make_driver("dfrobot_sen0754").feed(bytes.fromhex(raw)))["distance"]
    assert (found.value, found.quality, found.reasons) == (None, Quality.BAD, (reason,))


def test_the_two_look_alike_ultrasonic_sensors_refuse_each_other() -> None:
    jsn, aj = make_driver("jsn_sr04t_v3"), make_driver("aj_sr04m")
    assert jsn.feed(aj.encode({"distance": 1234})) == []
    assert aj.feed(jsn.encode({"distance": 1234})) == []
    assert jsn.counters.checksum_errors >= 1


def test_a_lost_digit_is_not_taken_for_centimetres() -> None:
    driver = make_driver("maxbotix_mb7389")
    assert driver.feed(b"R123\r") == []
    assert driver.counters.framing_errors == 1
    assert values(make_driver("maxbotix_mb7389", {"digits": 3}).feed(b"R123\r"))[
        "distance"
    ].value == pytest.approx(1230)


@pytest.mark.parametrize(("mm", "reason"), [(250, Reason.BLIND_ZONE), (5000, Reason.NO_TARGET)])
def test_ends_of_the_range_of_a_maxbotix(mm: int, reason: Reason) -> None:
    found = back(make_driver("maxbotix_mb7389"), {"distance": mm})["distance"]
    assert (found.value, found.reasons) == (None, (reason,))


@pytest.mark.parametrize(
    ("milliamperes", "quality", "at_least"),
    [
        (3.59, Quality.BAD, None),
        (3.7, Quality.BAD, None),
        (3.9, Quality.GOOD, None),
        (20.0, Quality.GOOD, None),
        (20.3, Quality.UNCERTAIN, 5000),
        (20.8, Quality.UNCERTAIN, 5000),
        (21.0, Quality.BAD, None),
    ],
)
def test_namur_bands_of_a_current_loop(
    milliamperes: float, quality: Quality, at_least: float | None
) -> None:
    found = back(make_driver("tl136_4_20ma"), {"current": milliamperes})
    assert found["current"].value == milliamperes
    assert (found["level"].quality, found["level"].at_least) == (quality, at_least)


def test_a_detector_in_test_raises_nothing_and_says_so() -> None:
    found = back(make_driver("greystone_cmd5b4"), {"co": 200, "co_abnormal": 1, "test": 1})
    assert (found["co"].quality, found["co"].reasons) == (Quality.BAD, (Reason.TEST,))
    assert found["co_abnormal"].reasons == (Reason.TEST,)
    assert found["temperature"].quality is Quality.GOOD


def test_a_zero_beside_a_fault_is_not_clean_air() -> None:
    found = back(make_driver("greystone_cmd5b4"), {"co": 0, "fault": 1})
    assert (found["co"].value, found["co"].reasons) == (None, (Reason.DEVICE_FAULT,))


def test_a_missing_head_is_a_fault_but_never_overrules_a_set_alarm() -> None:
    driver = make_driver("calectro_ug3_mb")
    quiet = back(driver, {"detector_mounted": False})["smoke_alarm"]
    assert (quiet.quality, quiet.reasons) == (Quality.BAD, (Reason.DEVICE_FAULT,))
    loud = back(driver, {"detector_mounted": False, "smoke_alarm": True})["smoke_alarm"]
    assert (loud.value, loud.quality) == (True, Quality.UNCERTAIN)


@pytest.mark.parametrize(
    ("status", "ppm", "quality", "reason"),
    [
        ("0x0000", 612, Quality.GOOD, None),
        ("0x0000", 0, Quality.BAD, Reason.WARMING_UP),
        ("0x0000", 8899, Quality.UNCERTAIN, Reason.SATURATED),
        ("0x0010", 500, Quality.BAD, Reason.DEVICE_FAULT),
        ("0x0020", 1999, Quality.UNCERTAIN, Reason.SATURATED),
        ("0x0020", 300, Quality.BAD, Reason.RANGE),
        ("0x0021", 1999, Quality.BAD, Reason.DEVICE_FAULT),
    ],
)
def test_the_meter_status_of_an_s8_comes_before_its_value(
    status: str, ppm: int, quality: Quality, reason: Reason | None
) -> None:
    found = back(make_driver("senseair_s8"), {"co2": ppm, "meter_status": status})["co2"]
    assert (found.quality, found.reasons) == (quality, () if reason is None else (reason,))


def test_nan_of_an_aspirating_detector_is_a_fault_and_its_unit_an_option() -> None:
    driver = make_driver("system_sensor_faast", {"unit": "%/m"})
    found = back(driver, {"obscuration": None})["obscuration"]
    assert (found.value, found.reasons) == (None, (Reason.DEVICE_FAULT,))
    assert back(driver, {"obscuration": 0.25})["obscuration"].unit == "%/m"


def test_an_sps30_is_started_again_when_it_says_that_it_does_not_measure() -> None:
    driver, device = make_driver("sensirion_sps30"), make_driver("sensirion_sps30")
    start = driver.request()
    assert driver.feed(device.respond(start, {}))[0].measurements == ()
    read = driver.request()
    assert read != start
    assert values(driver.feed(device.respond(read, {"pm25": 12.5})))["pm25"].value == 12.5
    driver.feed(bytes.fromhex("7E 00 03 43 00 B9 7E"))  # it lost its power
    assert driver.request() == start
    driver.feed(bytes.fromhex("7E 00 00 43 00 BC 7E"))  # or it measures already
    assert driver.request() == read


def test_an_sps30_frame_with_stuffed_bytes_survives() -> None:
    driver = make_driver("sensirion_sps30")
    for content in (17.0, 19.25, 125.9, 31.76):
        raw = driver.encode({"pm10": content})
        assert raw.count(0x7E) == 2
        assert values(driver.feed(raw))["pm10"].value == pytest.approx(content, abs=1e-4)


def test_another_gas_never_counts_as_carbon_monoxide() -> None:
    found = values(make_driver("dfrobot_sen0466_co").feed(bytes.fromhex("FF8600D105010000A3")))
    assert found["oxygen"].quantity is None
    assert "co" not in found


def test_an_mhz19_on_the_port_of_a_ze03_is_not_636_ppm_of_carbon_monoxide() -> None:
    driver = make_driver("winsen_ze03")
    assert driver.feed(bytes.fromhex("FF 86 02 7C 42 00 00 00 BA")) == []
    assert driver.counters.framing_errors == 1


def test_the_word_order_of_a_float_is_an_option() -> None:
    raw = reply_frame(Request(1, 3, 68, 2), bytes.fromhex("00003E80"))
    low_first = make_driver("system_sensor_faast", {"word_order": "CDAB"})
    assert values(low_first.feed(raw))["obscuration"].value == 0.25


def test_sds011_saturation_and_contradiction() -> None:
    found = back(make_driver("nova_sds011"), {"pm25": 999.9, "pm10": 500.0})
    assert found["pm25"].reasons == (Reason.SATURATED, Reason.IMPLAUSIBLE_PAIR)
    assert found["pm10"].reasons == (Reason.IMPLAUSIBLE_PAIR,)
