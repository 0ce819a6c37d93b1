"""What devices say in frames that no example shows: built here byte by byte, not by `encode`.

Sources stand beside the frames: maker's manuals, and drivers that met these devices.
"""

from __future__ import annotations

import binascii
import io
import json
import struct

import pytest

from core.quality import Quality, Reason
from edge.decode import NONE_GOOD, SOME_GOOD, decode_lines
from edge.drivers import DRIVERS, make_driver
from edge.drivers.base import Measurement
from edge.drivers.modbus_device import ModbusDriver
from edge.drivers.terabee_evo_people_counter import crc8
from edge.installer import main
from edge.modbus import EXCEPTION_BIT, with_crc


def winsen(*body: int) -> bytes:
    """Header, seven bytes, two's complement of their sum."""
    return bytes((0xFF, *body, -sum(body) & 0xFF))


def plantower(words: list[int], status: bytes) -> bytes:
    body = struct.pack(f">{len(words)}H", *words) + status
    frame = b"\x42\x4d" + struct.pack(">H", len(body) + 2) + body
    return frame + struct.pack(">H", sum(frame))


def sr50a(distance: int, quality: int) -> bytes:
    head, tail = b"\x0233;%d;%03d;11111;" % (distance, quality), b"\r\n\x03"
    return head + b"%02X" % (-sum(head + tail) & 0xFF) + tail


def read(driver: str, raw: bytes) -> dict[str, Measurement]:
    device = make_driver(driver)
    return {
        one.name: one for frame in device.feed(raw) + device.flush() for one in frame.measurements
    }


# --- Modbus ---------------------------------------------------------------------------------------

SLAVES = sorted(name for name in DRIVERS if issubclass(DRIVERS[name], ModbusDriver))


@pytest.mark.parametrize("name", SLAVES)
def test_a_refusal_with_the_code_0_is_no_answer_and_breaks_nothing(name: str) -> None:
    asked = make_driver(name)
    address, function = asked.request()[:2]
    nonsense = with_crc(bytes((address, function | EXCEPTION_BIT, 0)))
    for driver in (asked, make_driver(name)):
        assert driver.feed(nonsense) + driver.flush() == []
        assert driver.counters.framing_errors >= 1
        assert driver.counters.exceptions == driver.counters.good == 0


@pytest.mark.parametrize("content", ["00003E80", "00003F00", "00007FC0"])
def test_a_float_whose_words_stand_the_other_way_round_is_not_clean_air(content: str) -> None:
    # 0.25, 0.5 and NaN with the low word first would be 2e-41 and the like: no smoke at all.
    found = read("system_sensor_faast", with_crc(bytes.fromhex("010304" + content)))["obscuration"]
    assert (found.value, found.quality) == (None, Quality.BAD)
    assert found.reasons == (Reason.CONFIGURATION,)


def test_a_float_of_0_is_0() -> None:
    found = read("system_sensor_faast", with_crc(bytes.fromhex("01030400000000")))["obscuration"]
    assert (found.value, found.quality) == (0.0, Quality.GOOD)


def test_all_bits_set_are_a_broken_head_not_carbon_monoxide() -> None:
    words = struct.pack(">8H", 0, 0xFFFF, 214, 0, 0, 0, 0, 0)
    found = read("greystone_cmd5b4", with_crc(b"\x01\x03\x10" + words))["co"]
    assert (found.quality, found.reasons) == (Quality.BAD, (Reason.DEVICE_FAULT,))
    assert found.at_least is None


@pytest.mark.parametrize("scale", [1e305, -1e305])
def test_a_scale_that_no_number_can_hold_gives_no_number(scale: float) -> None:
    raw = with_crc(bytes.fromhex("010302FFFB"))
    (line,) = decode_lines("modbus_registers", raw, {"scale": scale}).lines
    assert (line["value"], line["quality"], line["reasons"]) == (None, "bad", ["range"])


@pytest.mark.parametrize(
    ("tenths", "value"), [(0, 0.0), (214, 21.4), (500, 50.0), (725, None), (0xFFCC, None)]
)
def test_a_detector_that_counts_in_fahrenheit_does_not_report_a_fire(
    tenths: int, value: float | None
) -> None:
    # Greystone CMD5B4 manual, page 13: 0 to 50 degrees Celsius, or 32 to 122 Fahrenheit by setting.
    words = struct.pack(">8H", 0, 3, tenths, 0, 0, 0, 0, 0)
    found = read("greystone_cmd5b4", with_crc(b"\x01\x03\x10" + words))
    assert found["temperature"].value == value
    assert (found["co"].value, found["co"].quality) == (3, Quality.GOOD)


# --- gas ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        (0x86, 0x01, 0x9A, 0x40, 0x00, 0x3A, 0x98),  # U = 15000
        (0x86, 0x01, 0x9A, 0x40, 0x01, 0x00, 0x00),  # S = 1
    ],
)
def test_an_mhz19_that_says_it_has_just_started_has_no_number(frame: tuple[int, ...]) -> None:
    # Tasmota xsns_15_mhz19, ESPEasy P049: seen on devices; the 410 ppm beside it are invented.
    found = read("winsen_mhz19b", winsen(*frame))["co2"]
    assert (found.value, found.quality, found.reasons) == (
        None,
        Quality.BAD,
        (Reason.WARMING_UP,),
    )


@pytest.mark.parametrize("state", [0x00, 0x40, 0x20])
def test_an_mhz19_that_measures_is_believed_whatever_its_spare_bytes_hold(state: int) -> None:
    found = read("winsen_mhz19b", winsen(0x86, 0x02, 0x7C, 0x42, state, 0x12, 0x34))["co2"]
    assert (found.value, found.quality) == (636, Quality.GOOD)


def test_a_temperature_that_no_module_survives_is_no_number() -> None:
    found = read("winsen_mhz19b", winsen(0x86, 0x02, 0x7C, 0xFF, 0, 0, 0))["temperature_raw"]
    assert (found.value, found.quality) == (None, Quality.BAD)


@pytest.mark.parametrize(
    "frame",
    [
        (0x04, 0x03, 0x01, 0x80, 0x25, 0x13, 0x88),
        (0x04, 0x03, 0x01, 0x80, 0x00, 0x13, 0x88),
        (0x86, 0x80, 0x25, 0x00, 0x00, 0x80, 0x25),
    ],
)
def test_the_fault_bit_of_a_ze15_is_a_broken_cell_not_3280_ppm(frame: tuple[int, ...]) -> None:
    # Winsen ZE15-CO manual: the highest bit of the concentration says that the sensor failed.
    found = read("winsen_ze07_co", winsen(*frame))["co"]
    assert (found.value, found.quality, found.at_least) == (None, Quality.BAD, None)
    assert found.reasons == (Reason.DEVICE_FAULT,)
    assert decode_lines("winsen_ze07_co", winsen(*frame)).exit_code == NONE_GOOD


# --- dust -----------------------------------------------------------------------------------------


def test_a_pms5003t_that_already_knows_the_weather_but_no_dust_is_still_warming_up() -> None:
    found = read("plantower_pms5003t", plantower([0] * 10 + [213, 223], b"\x9a\x00"))
    assert found["pm25"].value is None
    assert found["pm25"].reasons == found["n0_3"].reasons == (Reason.WARMING_UP,)
    assert (found["temperature"].value, found["temperature"].quality) == (21.3, Quality.GOOD)
    assert (found["humidity"].value, found["humidity"].quality) == (22.3, Quality.GOOD)


@pytest.mark.parametrize(
    ("tenths", "quality"), [(995, Quality.GOOD), (1000, Quality.GOOD), (1001, Quality.BAD)]
)
def test_fog_is_no_fault_of_a_pms5003t(tenths: int, quality: Quality) -> None:
    words = [20, 34, 43, 19, 32, 43, 3603, 1044, 272, 30, 213, tenths]
    assert read("plantower_pms5003t", plantower(words, b"\x9a\x00"))["humidity"].quality is quality


def test_a_pms5003t_in_clean_air_counts_some_particles_and_is_believed() -> None:
    found = read(
        "plantower_pms5003t", plantower([0] * 6 + [60, 20, 3, 0] + [0xFFC9, 850], b"\x9a\x00")
    )
    assert (found["pm25"].value, found["pm25"].quality) == (0, Quality.GOOD)
    assert found["temperature"].value == -5.5


def test_a_honeywell_is_read_as_it_speaks_by_itself_and_as_it_answers() -> None:
    # Honeywell HPM series data sheet 32322550, tables 6 and 7 (compact version).
    alone = read("honeywell_hpma115c0", plantower([48, 49, 50, 51] + [0] * 9, b""))
    asked = read("honeywell_hpma115c0", bytes.fromhex("400D0400300031003200330000 0000E9"))
    assert alone == asked
    assert [alone[name].value for name in ("pm1", "pm25", "pm4", "pm10")] == [48, 49, 50, 51]


def test_a_honeywell_that_was_told_to_wait_is_asked_with_a_command_that_changes_nothing() -> None:
    driver = make_driver("honeywell_hpma115c0", {"polled": True})
    assert driver.request().hex(" ") == "68 01 04 93"
    answer = make_driver("honeywell_hpma115c0", {"polled": True}).respond(
        driver.request(), {"pm25": 12}
    )
    assert answer[:3].hex(" ") == "40 0d 04"


@pytest.mark.parametrize(
    "words",
    [
        [7, 12, 15, 7, 12, 15, 700, 230, 120, 20, 5, 1, 0x9700],
        [41, 62, 70, 31, 46, 60, 6636, 1983, 361, 54, 8, 0, 0x9100],
    ],
)
def test_a_plantower_on_the_port_of_a_honeywell_is_refused(words: list[int]) -> None:
    driver = make_driver("honeywell_hpma115c0")
    assert driver.feed(plantower(words, b"")) == []
    assert "Plantower" in driver.counters.last_error


def sds011(fine: int, coarse: int) -> bytes:
    body = struct.pack("<HH", fine, coarse) + b"\x58\xd9"
    return b"\xaa\xc0" + body + bytes((sum(body) & 0xFF, 0xAB))


@pytest.mark.parametrize(
    ("coarse", "value", "quality"),
    [
        (9998, 999.8, Quality.GOOD),
        (10_500, 1050.0, Quality.UNCERTAIN),
        (19_999, 1999.9, Quality.UNCERTAIN),
        (20_000, None, Quality.BAD),
    ],
)
def test_pm10_of_an_sds011_in_dense_smoke_is_at_least_its_range(
    coarse: int, value: float | None, quality: Quality
) -> None:
    # opendata-stuttgart/sensors-software issue 899: PM2.5 999.9 beside PM10 1999.9.
    found = read("nova_sds011", sds011(9000, coarse))["pm10"]
    assert (found.value, found.quality) == (value, quality)


def test_pm25_of_an_sds011_ends_at_its_range() -> None:
    assert read("nova_sds011", sds011(10_000, 12_000))["pm25"].quality is Quality.BAD


def sps30(*numbers: float) -> bytes:
    body = b"\x00\x03\x00\x28" + struct.pack(">10f", *numbers)
    stuffed = bytearray()
    for byte in body + bytes((~sum(body) & 0xFF,)):
        stuffed += bytes((0x7D, byte ^ 0x20)) if byte in b"\x7e\x7d\x11\x13" else bytes((byte,))
    return b"\x7e" + bytes(stuffed) + b"\x7e"


def test_an_sps30_with_dead_optics_is_not_clean_air() -> None:
    # Sensirion/arduino-avr-legacy-i2c-sps30 issue 14: zeros, one of them negative, and a size.
    found = read("sensirion_sps30", sps30(0, 0, 0, 0, -0.0, 0, 0, 0, 0, 1.63))
    assert {one.quality for one in found.values()} == {Quality.BAD}
    assert (found["pm25"].value, found["pm25"].reasons) == (None, (Reason.IMPLAUSIBLE_PAIR,))


def test_an_sps30_that_counts_a_few_particles_is_believed() -> None:
    found = read("sensirion_sps30", sps30(0, 0, 0, 0, 0.2, 0.3, 0.3, 0.3, 0.3, 0.5))["pm25"]
    assert (found.value, found.quality) == (0.0, Quality.GOOD)


# --- distances and radars -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value", "reasons"),
    [
        (b"R500\r", 5000, []),
        (b"R764\r", 7640, []),
        (b"R765\r", None, ["no-target"]),
        (b"R5000\r", None, ["no-target"]),
    ],
)
def test_an_xl_maxbotix_sees_farther_than_five_metres(
    line: bytes, value: int | None, reasons: list[str]
) -> None:
    (found,) = decode_lines("maxbotix_mb7389", line).lines
    assert (found["value"], found["reasons"]) == (value, reasons)


def test_an_xl_maxbotix_without_a_target_says_its_own_maximum() -> None:
    driver = make_driver("maxbotix_mb7389", {"digits": 3})
    assert driver.encode({"distance": None}) == b"R765\r"
    short = make_driver("maxbotix_mb7389", {"digits": 3, "max_mm": 5000})
    assert short.encode({"distance": None}) == b"R500\r"


@pytest.mark.parametrize(
    ("quality", "expected"),
    [(152, Quality.GOOD), (210, Quality.GOOD), (300, Quality.GOOD), (301, Quality.UNCERTAIN)],
)
def test_an_echo_that_the_sr50a_itself_calls_uncertain_is_uncertain(
    quality: int, expected: Quality
) -> None:
    # Campbell SR50A manual, 3.1: numbers above 300 mean a degree of uncertainty.
    found = read("campbell_sr50a", sr50a(1838, quality))["distance"]
    assert (found.value, found.quality) == (1838, expected)


def test_a_radar_report_with_an_impossible_number_has_nothing_good() -> None:
    target = struct.pack("<BHBHBH", 1, 900, 80, 0, 0, 0)
    body = b"\x02\xaa" + target + b"\x55\x00"
    raw = bytes.fromhex("F4F3F2F1 0D00") + body + bytes.fromhex("F8F7F6F5")
    found = read("hlk_ld2410", raw)
    assert (found["state"].value, found["state"].quality) == ("moving", Quality.UNCERTAIN)
    assert (found["moving_energy"].value, found["moving_distance"].value) == (80, None)
    assert decode_lines("hlk_ld2410", raw).exit_code == NONE_GOOD


def test_a_target_that_stands_where_none_can_leaves_nothing_good_in_its_frame() -> None:
    slots = struct.pack("<8H", 0x8000 + 9000, 0x8000 + 1000, 0, 360, 10, 0x8000 + 900, 0, 360)
    raw = bytes.fromhex("AAFF0300") + slots + bytes(8) + b"\x55\xcc"
    decoded = decode_lines("hlk_ld2450", raw)
    assert {line["quality"] for line in decoded.lines} == {"uncertain", "bad"}
    assert decoded.lines[0]["value"] == 2
    assert decoded.exit_code == NONE_GOOD


@pytest.mark.parametrize("content", [0, 1, 0xFFFF])
def test_a_beam_of_a_people_counter_that_measures_nothing_has_no_distance(content: int) -> None:
    # The published sample EvoPeopleCounter: too near, not able to measure, too far.
    body = b"DD" + struct.pack(">HH", content, 1198)
    found = read("terabee_evo_people_counter", body + bytes((crc8(body),)))
    assert (found["distance1"].value, found["distance1"].quality) == (None, Quality.BAD)
    assert (found["distance2"].value, found["distance2"].quality) == (1198, Quality.GOOD)


# --- lines and calls ------------------------------------------------------------------------------


def bridge_line(body: bytes) -> bytes:
    return body + b"*%04X" % binascii.crc_hqx(body, 0xFFFF)


BODY = b'{"v":1,"dev":"gate1","seq":2,"ms":2200,"r":[{"n":"in","v":10,"u":"count"}]}'


@pytest.mark.parametrize("end", [b"", b"\r", b"\n", b"\r\n"])
def test_a_bridge_line_that_its_crc_closes_needs_no_line_feed(end: bytes) -> None:
    decoded = decode_lines("ndjson_bridge", bridge_line(BODY) + end)
    assert [line["value"] for line in decoded.lines] == [10]
    assert decoded.exit_code == SOME_GOOD
    assert decoded.counters.discarded_bytes == 0


def test_a_bridge_may_say_that_a_reading_is_ok() -> None:
    stated = BODY.replace(b'"u":"count"', b'"u":"count","st":"ok"')
    found = read("ndjson_bridge", bridge_line(stated))["in"]
    assert (found.value, found.quality) == (10, Quality.GOOD)
    empty = stated.replace(b'"v":10', b'"v":null')
    assert read("ndjson_bridge", bridge_line(empty))["in"].reasons == (Reason.MISSING,)


@pytest.mark.parametrize("cut", [1, 4, 5, 20])
def test_a_bridge_line_that_is_cut_off_is_none(cut: int) -> None:
    decoded = decode_lines("ndjson_bridge", bridge_line(BODY)[:-cut])
    assert decoded.lines == ()
    assert decoded.counters.discarded_bytes == len(BODY) + 5 - cut


def test_a_name_that_the_terminal_cannot_show_ends_no_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = bridge_line(BODY.replace(b'"in"', '"水位"'.encode())) + b"\n"
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", screen)
    assert main(["decode", "ndjson_bridge", "--hex", line.hex()]) == 0
    screen.seek(0)
    assert json.loads(screen.read())["name"] == "水位"


@pytest.mark.parametrize(
    "call",
    [
        ["decode"],
        ["decode", "dfrobot_a02yyuw"],
        ["decode", "dfrobot_a02yyuw", "--hex"],
        ["decode", "dfrobot_a02yyuw", "--hex", ""],
        ["decode", "dfrobot_a02yyuw", "--hex", "FF GG"],
        ["decode", "dfrobot_a02yyuw", "--hex", "FF", "--wrong"],
        ["decode", "dfrobot_a02yyuw", "--hex", "FF", "--ascii", "x"],
        ["decode", "dfrobot_a02yyuw", "--hex", "FF", "--option", "max_mm"],
        ["decode", "nonsense", "--hex", "FF"],
        ["decode", "maxbotix_mb7389", "--ascii", "\\q"],
    ],
)
def test_a_wrong_call_ends_with_2_and_one_line(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: int | str | None = main(call)
    except SystemExit as end:
        code = end.code
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("safety-eye")
