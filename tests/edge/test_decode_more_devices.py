"""What the less common devices say beyond the contract."""

from __future__ import annotations

import struct

import pytest

from core.quality import Quality, Reason
from edge.decode import decode_lines
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
    identity = driver.request()
    assert driver.feed(device.respond(identity, {}))[0].measurements == ()
    read = driver.request()
    assert len({start, identity, read}) == 3
    assert values(driver.feed(device.respond(read, {"pm25": 12.5})))["pm25"].value == 12.5
    driver.feed(bytes.fromhex("7E 00 03 43 00 B9 7E"))  # it lost its power
    assert driver.request() == start
    driver.feed(bytes.fromhex("7E 00 00 43 00 BC 7E"))  # or it measures already
    assert driver.request() == identity, "what was without power may be another one now"


def sps30_frame(body: str) -> bytes:
    plain = bytes.fromhex(body)
    return bytes((0x7E,)) + plain + bytes((~sum(plain) & 0xFF, 0x7E))


def test_another_product_that_speaks_the_frames_of_an_sps30_gives_no_dust() -> None:
    driver, device = make_driver("sensirion_sps30"), make_driver("sensirion_sps30")
    driver.feed(device.respond(driver.request(), {}))
    driver.request()
    text = b"00090000\x00"
    said = values(driver.feed(sps30_frame(f"00 D0 00 {len(text):02X} {text.hex()}")))
    assert said["product_type"].value == "00090000"
    assert "another device than an SPS30" in driver.counters.last_error
    dust = values(driver.feed(device.respond(driver.request(), {"pm25": 12.5})))["pm25"]
    assert (dust.value, dust.reasons) == (None, (Reason.CONFIGURATION,))


@pytest.mark.parametrize("answer", ["", "00 D0 02 00", "00 D0 04 00"])
def test_an_sps30_that_does_not_say_what_it_is_is_believed(answer: str) -> None:
    driver, device = make_driver("sensirion_sps30"), make_driver("sensirion_sps30")
    driver.feed(device.respond(driver.request(), {}))
    asked = 0
    while (request := driver.request()) == bytes.fromhex("7E 00 D0 01 00 2E 7E"):
        asked += 1
        assert asked <= 2
        driver.feed(sps30_frame(answer) if answer else b"")
    assert asked == (1 if answer else 2)
    assert values(driver.feed(device.respond(request, {"pm25": 12.5})))["pm25"].value == 12.5


def status_of_sps30(register: str) -> bytes:
    body = bytes.fromhex("00 D2 00 05") + bytes.fromhex(register) + b"\x00"
    return bytes((0x7E,)) + body + bytes((~sum(body) & 0xFF, 0x7E))


def test_an_sps30_is_asked_for_its_status_now_and_then_and_a_stopped_fan_spoils_its_numbers() -> (
    None
):
    driver, device = make_driver("sensirion_sps30"), make_driver("sensirion_sps30")
    driver.feed(device.respond(driver.request(), {}))
    driver.feed(device.respond(driver.request(), {}))
    requests = [driver.request() for _ in range(200)]
    status = [request for request in requests if request[2] == 0xD2]
    assert len(status) == 3
    assert (
        values(driver.feed(device.respond(status[0], {})))["status_register"].value == "0x00000000"
    )
    reading = device.encode({"pm25": 12.5})
    assert values(driver.feed(reading))["pm25"].quality is Quality.GOOD
    driver.feed(status_of_sps30("00 00 00 10"))
    stopped = values(driver.feed(reading))["pm25"]
    assert (stopped.value, stopped.reasons) == (None, (Reason.DEVICE_FAULT,))
    driver.feed(status_of_sps30("00 20 00 00"))
    slow = values(driver.feed(reading))["pm25"]
    assert (slow.value, slow.quality) == (12.5, Quality.UNCERTAIN)
    driver.feed(status_of_sps30("00 00 00 00"))
    assert values(driver.feed(reading))["pm25"].quality is Quality.GOOD


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


def crc_of(function: int, data: str) -> bytes:
    raw = bytes.fromhex(data)
    return reply_frame(Request(1, function, 0, len(raw) // 2), raw)


def dust(name: str, *masses: int) -> dict[str, Measurement]:
    names = ("pm1", "pm25", "pm4", "pm10") if len(masses) == 4 else ("pm1", "pm25", "pm10")
    words: dict[str, Value] = dict(zip(names, masses, strict=True))
    return back(make_driver(name), words)


@pytest.mark.parametrize(
    ("name", "masses"),
    [
        ("winsen_zh03b", (12, 8, 15)),
        ("honeywell_hpma115c0", (12, 8, 15, 15)),
        ("sensirion_sps30", (12, 8, 15, 15)),
    ],
)
def test_finer_dust_than_coarse_is_an_implausible_pair_for_every_maker(
    name: str, masses: tuple[int, ...]
) -> None:
    found = dust(name, *masses)
    for odd in ("pm1", "pm25"):
        assert (found[odd].quality, found[odd].reasons) == (
            Quality.UNCERTAIN,
            (Reason.IMPLAUSIBLE_PAIR,),
        )
    assert found["pm10"].quality is Quality.GOOD


def test_a_negative_mass_of_dust_is_no_number() -> None:
    body = bytes((0, 3, 0, 40)) + struct.pack(">10f", 5, -9, 10, 11, 1, 1, 1, 1, 1, 1)
    raw = bytes((0x7E,)) + body + bytes((~sum(body) & 0xFF, 0x7E))
    found = values(make_driver("sensirion_sps30").feed(raw))
    assert (found["pm25"].value, found["pm25"].reasons) == (None, (Reason.RANGE,))


def test_an_sds011_never_says_more_than_its_full_scale() -> None:
    body = bytes.fromhex("FFFF FFFF 0001")
    raw = bytes.fromhex("AA C0") + body + bytes((sum(body) & 0xFF, 0xAB))
    found = values(make_driver("nova_sds011").feed(raw))
    assert (found["pm10"].value, found["pm10"].quality) == (None, Quality.BAD)


def test_an_sds011_with_another_id_is_another_sensor() -> None:
    driver = make_driver("nova_sds011", {"device_id": "bcf9"})
    right = values(driver.feed(bytes.fromhex("AA C0 8C 00 94 00 BC F9 D5 AB")))
    assert right["pm25"].quality is Quality.GOOD
    wrong = values(driver.feed(bytes.fromhex("AA C0 06 00 06 00 58 D9 3D AB")))
    assert (wrong["pm25"].value, wrong["pm25"].reasons) == (None, (Reason.CONFIGURATION,))


@pytest.mark.parametrize(
    ("ppm", "quality"),
    [(299, Quality.UNCERTAIN), (300, Quality.GOOD), (2000, Quality.GOOD), (10_001, Quality.BAD)],
)
def test_an_s8_is_believed_within_what_air_and_meter_allow(ppm: int, quality: Quality) -> None:
    assert back(make_driver("senseair_s8"), {"co2": ppm})["co2"].quality is quality


def test_a_multigas_reply_to_read_all_is_a_reading_too() -> None:
    body = bytes.fromhex("88 01 F4 04 01 02 10")
    raw = b"\xff" + body + bytes((-sum(body) & 0xFF,))
    found = values(make_driver("dfrobot_sen0466_co").feed(raw))
    assert (found["co"].value, found["gas"].value) == (50.0, "CO")


def test_a_radar_that_measures_its_background_has_no_distances() -> None:
    driver = make_driver("hlk_ld2410")
    raw = bytearray(driver.encode({"moving_distance": 120, "moving_energy": 50}))
    raw[8] = 5
    found = values(driver.feed(bytes(raw)))
    assert {one.quality for one in found.values()} == {Quality.BAD}
    assert found["moving_distance"].reasons == (Reason.WARMING_UP,)


def test_distances_and_energies_beyond_the_radar_are_no_numbers() -> None:
    driver = make_driver("hlk_ld2410")
    raw = bytearray(driver.encode({"moving_distance": 120, "static_energy": 10}))
    raw[9:11] = (900).to_bytes(2, "little")
    raw[14] = 101
    found = values(driver.feed(bytes(raw)))
    assert found["moving_distance"].reasons == found["static_energy"].reasons == (Reason.RANGE,)


@pytest.mark.parametrize(("x", "y"), [(0, 9000), (-8100, 2000), (0, -500)])
def test_a_target_where_no_target_can_be_makes_the_count_uncertain(x: int, y: int) -> None:
    found = back(make_driver("hlk_ld2450"), {"t1_x": x, "t1_y": y})
    assert found["target_count"].quality is Quality.UNCERTAIN
    assert Quality.BAD in {found["t1_x"].quality, found["t1_y"].quality}


def test_a_people_counter_without_an_id_is_an_option() -> None:
    driver = make_driver("terabee_evo_people_counter", {"with_id": False})
    raw = driver.encode({"count_in": 10, "count_out": 12})
    assert len(raw) == 11
    found = values(driver.feed(raw))
    assert (found["count_in"].value, found["net"].value) == (10, -2)


@pytest.mark.parametrize(
    ("data", "names"), [("0007", ["count"]), ("00000005 00000009", ["count0", "count1"])]
)
def test_by_hand_any_number_of_counters_is_read(data: str, names: list[str]) -> None:
    decoded = decode_lines("modbus_di_module", crc_of(3, data))
    assert [line["name"] for line in decoded.lines] == names


@pytest.mark.parametrize("name", ["sonbest_sm7571b", "jxbs3001_smoke"])
def test_all_bits_set_are_a_broken_smoke_transmitter_not_smoke(name: str) -> None:
    driver = make_driver(name)
    broken = values(driver.feed(crc_of(3, "FFFF")))["smoke"]
    assert (broken.quality, broken.at_least) == (Quality.BAD, None)
    dense = values(driver.feed(crc_of(3, "07D1")))["smoke"]
    assert (dense.quality, dense.at_least) == (Quality.UNCERTAIN, 2000)


def test_a_polled_sr50a_is_asked_by_its_address_and_another_ones_answer_is_not_its_own() -> None:
    options: dict[str, str | int | float | bool] = {"polled": True, "address": 33}
    driver, device = (make_driver("campbell_sr50a", options) for _ in range(2))
    assert driver.request() == b"p33\r"
    answer = device.respond(b"p33\r", {"distance": 1838})
    assert values(driver.feed(answer))["distance"].value == 1838
    assert device.respond(b"p34\r", {"distance": 1838}) == b""
    other = make_driver("campbell_sr50a", {"polled": True, "address": 34})
    assert other.feed(answer) == []
    assert other.counters.framing_errors
    assert other.counters.last_error == "a packet of address 33"


@pytest.mark.parametrize("text", ["33;1.838;194;11011;", "33;1838;11011;", "33;6.03;194;11011;"])
def test_an_sr50a_with_other_settings_gives_no_number(text: str) -> None:
    head, tail = b"\x02" + text.encode(), b"\r\n\x03"
    packet = head + b"%02X" % (-sum(head + tail) & 0xFF) + tail
    driver = make_driver("campbell_sr50a")
    assert driver.feed(packet) == []
    assert driver.counters.framing_errors
