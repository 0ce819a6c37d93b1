"""What single devices say beyond the contract: faults, sentinels, identification, restarts."""

from __future__ import annotations

import json

import pytest

from core.quality import Quality, Reason
from edge.drivers import make_driver
from edge.drivers.base import Check, Driver, Frame, Measurement, Options, Value
from edge.drivers.ndjson_bridge import MAX_LINE_BYTES, NdjsonBridge, seal
from edge.modbus import Request, exception_frame, reply_frame


def values(frames: list[Frame]) -> dict[str, Measurement]:
    return {one.name: one for frame in frames for one in frame.measurements}


def back(driver: Driver, words: dict[str, Value]) -> dict[str, Measurement]:
    return values(driver.feed(driver.encode(words)))


# --- dfrobot_a02yyuw ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mm", "quality", "reason", "at_least"),
    [
        (0, Quality.BAD, Reason.NO_TARGET, None),
        (1, Quality.UNCERTAIN, Reason.BLIND_ZONE, 30),
        (30, Quality.UNCERTAIN, Reason.BLIND_ZONE, 30),
        (4501, Quality.BAD, Reason.RANGE, None),
        (65280, Quality.BAD, Reason.RANGE, None),
    ],
)
def test_an_air_gap_outside_of_the_range_is_no_distance(
    mm: int, quality: Quality, reason: Reason, at_least: float | None
) -> None:
    found = back(make_driver("dfrobot_a02yyuw"), {"distance": mm})["distance"]
    assert (found.value, found.quality, found.reasons) == (None, quality, (reason,))
    assert found.at_least == at_least


def test_a_sibling_with_a_longer_range_is_an_option() -> None:
    driver = make_driver("dfrobot_a02yyuw", {"max_mm": 7500})
    assert back(driver, {"distance": 7000})["distance"].quality is Quality.GOOD


# --- winsen_ze07_co -------------------------------------------------------------------------------


def test_co_at_full_scale_is_at_least_full_scale() -> None:
    found = back(make_driver("winsen_ze07_co"), {"co": 9999})["co"]
    assert (found.value, found.quality) == (500.0, Quality.UNCERTAIN)
    assert (found.reasons, found.at_least) == ((Reason.SATURATED,), 500.0)


def test_another_gas_module_is_refused_and_named() -> None:
    driver = make_driver("winsen_ze07_co")
    assert driver.feed(bytes.fromhex("FF 03 03 01 00 25 13 88 39")) == []
    assert "expected CO" in driver.counters.last_error


def test_a_question_and_answer_reply_whose_layouts_disagree_has_no_number() -> None:
    driver = make_driver("winsen_ze07_co")
    found = values(driver.feed(bytes.fromhex("FF 86 02 7C 42 00 00 00 BA")))["co"]
    assert (found.value, found.quality) == (None, Quality.BAD)


# --- winsen_mhz19b --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ppm", "quality", "reasons"),
    [
        (0, Quality.BAD, (Reason.WARMING_UP,)),
        (299, Quality.UNCERTAIN, (Reason.RANGE,)),
        (300, Quality.GOOD, ()),
        (4999, Quality.GOOD, ()),
        (5000, Quality.UNCERTAIN, (Reason.SATURATED,)),
        (6200, Quality.UNCERTAIN, (Reason.SATURATED, Reason.CONFIGURATION)),
        (10_001, Quality.BAD, (Reason.RANGE,)),
    ],
)
def test_carbon_dioxide_by_its_range(
    ppm: int, quality: Quality, reasons: tuple[Reason, ...]
) -> None:
    sender = make_driver("winsen_mhz19b", {"range_ppm": 10_000})
    raw = sender.encode({"co2": ppm})
    if ppm > 10_000:  # a healthy module clamps
        body = bytes((0x86, ppm >> 8, ppm & 0xFF, 62, 0, 0, 0))
        raw = b"\xff" + body + bytes((-sum(body) & 0xFF,))
    found = values(make_driver("winsen_mhz19b").feed(raw))["co2"]
    assert (found.quality, found.reasons) == (quality, reasons)


def test_a_module_without_a_temperature_gives_none() -> None:
    driver = make_driver("winsen_mhz19b")
    assert set(back(driver, {"co2": 544, "temperature_raw": None})) == {"co2"}


# --- plantower_pmsx003 ----------------------------------------------------------------------------


def test_an_all_zero_frame_is_warming_up_and_has_no_zeros() -> None:
    found = back(make_driver("plantower_pmsx003"), {"pm25": None})
    for name in ("pm1", "pm25", "pm10", "n0_3"):
        assert (found[name].value, found[name].reasons) == (None, (Reason.WARMING_UP,))


def test_an_error_code_spoils_every_value() -> None:
    driver = make_driver("plantower_pmsx003")
    found = back(driver, {"pm25": 40, "error_code": 2})
    assert (found["pm25"].value, found["pm25"].reasons) == (None, (Reason.DEVICE_FAULT,))
    assert found["error_code"].value == 2
    assert driver.counters.faults == 1


def test_beyond_the_effective_range_the_number_stays_and_is_uncertain() -> None:
    found = back(make_driver("plantower_pmsx003"), {"pm1": 400, "pm25": 501, "pm10": 700})
    assert found["pm1"].quality is Quality.GOOD
    assert (found["pm25"].value, found["pm25"].reasons) == (501, (Reason.SATURATED,))
    assert found["pm10"].quality is Quality.UNCERTAIN


def test_more_fine_than_coarse_dust_is_implausible() -> None:
    found = back(make_driver("plantower_pmsx003"), {"pm1": 5, "pm25": 90, "pm10": 20})
    assert found["pm1"].quality is Quality.GOOD
    assert found["pm25"].reasons == found["pm10"].reasons == (Reason.IMPLAUSIBLE_PAIR,)
    assert found["pm25"].quality is Quality.UNCERTAIN


def test_dust_without_a_single_particle_is_bad() -> None:
    found = back(make_driver("plantower_pmsx003"), {"pm10": 20, "n0_3": 0})
    assert (found["pm10"].quality, found["pm10"].value) == (Quality.BAD, 20)
    assert found["pm10"].reasons == (Reason.IMPLAUSIBLE_PAIR,)


def test_a_reply_to_a_command_is_skipped() -> None:
    driver = make_driver("plantower_pmsx003")
    body = bytes.fromhex("42 4D 00 04 E1 01")
    raw = driver.encode({"pm25": 12})
    frames = driver.feed(body + sum(body).to_bytes(2, "big") + raw)
    assert [bool(frame.measurements) for frame in frames] == [False, True]


# --- qdy30a ---------------------------------------------------------------------------------------


def identity(unit: int, decimals: int, level: int, full: int) -> bytes:
    words = (1, 3, unit, decimals, level & 0xFFFF, 0, full)
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return reply_frame(Request(1, 3, 0, 7), data)


def polled(driver: Driver, answer: bytes) -> dict[str, Measurement]:
    driver.request()
    return values(driver.feed(answer))


def bare(level: int) -> bytes:
    return reply_frame(Request(1, 3, 4, 1), (level & 0xFFFF).to_bytes(2, "big"))


def test_a_probe_is_asked_for_its_unit_first_and_for_the_level_alone_afterwards() -> None:
    driver = make_driver("qdy30a")
    assert driver.request() == Request(1, 3, 0, 7).frame
    assert values(driver.feed(identity(0x12, 2, 45, 500)))["level"].value == 450
    assert driver.request() == Request(1, 3, 4, 1).frame
    assert values(driver.feed(bare(46)))["level"].value == 460


@pytest.mark.parametrize(
    ("unit", "decimals", "count", "mm"),
    [
        (0x11, 1, 26, 26),
        (0x12, 3, 1234, 1234),
        (0x13, 2, 981, 1000.3453),
        (0x14, 4, 981, 1000.3453),
        (0x15, 3, 1422, 999.7655),
        (2, 0, 300, 300),
        (5, 1, 98, 999.3256),
    ],
)
def test_the_unit_that_the_probe_names_is_the_one_that_counts(
    unit: int, decimals: int, count: int, mm: float
) -> None:
    driver = make_driver("qdy30a")
    found = polled(driver, identity(unit, decimals, count, 30_000))["level"]
    assert found.value == pytest.approx(mm, abs=0.01)
    assert found.quality is Quality.GOOD


@pytest.mark.parametrize(("unit", "decimals"), [(0, 1), (6, 1), (0x77, 1), (0x11, 9)])
def test_a_unit_that_is_no_level_is_bad_configuration(unit: int, decimals: int) -> None:
    driver = make_driver("qdy30a")
    found = polled(driver, identity(unit, decimals, 26, 5000))
    assert (found["level"].value, found["level"].reasons) == (None, (Reason.CONFIGURATION,))
    assert polled(driver, bare(26))["level"].quality is Quality.BAD


def test_after_a_missing_answer_the_probe_is_identified_again() -> None:
    driver = make_driver("qdy30a")
    polled(driver, identity(2, 0, 300, 5000))
    assert polled(driver, bare(300))["level"].value == 300
    driver.request()  # never answered: the probe may have lost its power and its settings
    assert driver.request() == Request(1, 3, 0, 7).frame
    assert values(driver.feed(identity(0x11, 1, 300, 5000)))["level"].value == 300


@pytest.mark.parametrize(
    ("options", "quality"),
    [
        ({}, Quality.UNCERTAIN),
        ({"unit": "cm", "decimals": 1}, Quality.GOOD),
        ({"unit": "cm"}, Quality.UNCERTAIN),
    ],
)
def test_a_probe_that_hides_its_unit_is_believed_only_where_the_entry_names_it(
    options: Options, quality: Quality
) -> None:
    driver = make_driver("qdy30a", options)
    assert polled(driver, exception_frame(1, 3, 2)) == {}
    assert driver.request() == Request(1, 3, 4, 1).frame
    found = values(driver.feed(bare(139)))["level"]
    assert (found.value, found.quality) == (139, quality)


def test_identification_can_be_switched_off() -> None:
    driver = make_driver("qdy30a", {"identify": False, "unit": "mm", "decimals": 0})
    assert driver.request() == Request(1, 3, 4, 1).frame
    assert values(driver.feed(bare(139)))["level"].value == 139


@pytest.mark.parametrize(
    ("count", "quality", "at_least"),
    [
        (5000, Quality.GOOD, None),
        (5100, Quality.UNCERTAIN, 5000),
        (5600, Quality.UNCERTAIN, 5000),
        (-100, Quality.GOOD, None),
        (-501, Quality.BAD, None),
    ],
)
def test_a_probe_beyond_its_full_scale(
    count: int, quality: Quality, at_least: float | None
) -> None:
    driver = make_driver("qdy30a")
    polled(driver, identity(0x11, 1, 0, 5000))
    found = polled(driver, bare(count))["level"]
    assert (found.quality, found.at_least) == (quality, at_least)


# --- modbus_di_module -----------------------------------------------------------------------------


def test_a_counter_that_looks_swapped_is_refused_unless_its_order_is_named() -> None:
    raw = bytes.fromhex("01 03 04 86 A0 00 01 12 99")
    plain = values(make_driver("modbus_di_module").feed(raw))["count"]
    assert (plain.value, plain.reasons) == (None, (Reason.CONFIGURATION,))
    low_first = make_driver("modbus_di_module", {"word_order": "CDAB"})
    assert values(low_first.feed(raw))["count"].value == 100_000
    high_first = make_driver("modbus_di_module", {"word_order": "ABCD"})
    assert values(high_first.feed(raw))["count"].value == 0x86A00001


def test_two_entries_share_one_module_at_one_address() -> None:
    into = make_driver("modbus_di_module", {"address": 2, "function": 3, "register": 0})
    out = make_driver("modbus_di_module", {"address": 2, "function": 3, "register": 2})
    answer = out.respond(out.request(), {"count": 77})
    assert values(out.feed(answer))["count"].value == 77
    assert into.respond(out.request(), {"count": 1}) == exception_frame(2, 3, 2)


def test_sixteen_bit_counters_and_several_of_them() -> None:
    options = {"function": 4, "counter_bits": 16, "counters": 2}
    driver = make_driver("modbus_di_module", options)
    assert driver.request() == Request(1, 4, 0, 2).frame
    answer = driver.respond(driver.request(), {"count0": 5, "count1": 65_536 + 7})
    assert {name: one.value for name, one in values(driver.feed(answer)).items()} == {
        "count0": 5,
        "count1": 7,
    }


def test_only_as_many_inputs_as_were_asked_for_are_told() -> None:
    driver = make_driver("modbus_di_module", {"inputs": 3})
    found = values(driver.feed(driver.respond(driver.request(), {"di2": True})))
    assert {name: one.value for name, one in found.items()} == {
        "di0": False,
        "di1": False,
        "di2": True,
    }


# --- ndjson_bridge --------------------------------------------------------------------------------


def line(**fields: object) -> bytes:
    return seal(json.dumps({"v": 1, "dev": "b1", **fields}).encode())


def reading(name: str, value: object, **more: object) -> dict[str, object]:
    return {"n": name, "v": value, "u": "1", **more}


@pytest.mark.parametrize(
    ("state", "value", "kept", "quality", "reason"),
    [
        ("warm", 3, 3, Quality.UNCERTAIN, Reason.WARMING_UP),
        ("warm", None, None, Quality.BAD, Reason.WARMING_UP),
        ("heat", 3, None, Quality.BAD, Reason.WARMING_UP),
        ("fault", None, None, Quality.BAD, Reason.DEVICE_FAULT),
        ("fault", 3, None, Quality.BAD, Reason.DEVICE_FAULT),
        ("low", 3, 3, Quality.BAD, Reason.RANGE),
        ("high", 3, 3, Quality.UNCERTAIN, Reason.SATURATED),
        ("test", 3, 3, Quality.BAD, Reason.TEST),
        ("unheard-of", 3, None, Quality.BAD, Reason.DEVICE_FAULT),
        (None, None, None, Quality.BAD, Reason.MISSING),
    ],
)
def test_status_words_of_a_bridge(
    state: str | None, value: object, kept: object, quality: Quality, reason: Reason
) -> None:
    more = {} if state is None else {"st": state}
    driver = make_driver("ndjson_bridge")
    found = values(driver.feed(line(seq=1, ms=1, r=[reading("x", value, **more)])))["x"]
    assert (found.value, found.quality, found.reasons) == (kept, quality, (reason,))


def test_a_boot_line_says_that_the_bridge_has_restarted() -> None:
    driver = NdjsonBridge()
    (frame,) = driver.feed(driver.boot_line())
    assert frame.restarted
    assert frame.measurements == ()


def test_a_lost_boot_line_is_noticed_by_the_clock_that_went_back() -> None:
    driver = make_driver("ndjson_bridge")
    lines = [
        line(seq=900, ms=900_000, r=[]),
        line(seq=1, ms=1_000, r=[]),
        line(seq=2, ms=2_000, r=[]),
    ]
    assert [frame.restarted for frame in driver.feed(b"".join(lines))] == [False, True, False]


def test_a_wrap_of_seq_and_ms_is_not_a_restart() -> None:
    driver = make_driver("ndjson_bridge")
    lines = line(seq=65535, ms=4_294_967_000, r=[]) + line(seq=0, ms=704, r=[])
    assert [frame.restarted for frame in driver.feed(lines)] == [False, False]
    assert driver.counters.missed == 0


def test_lines_that_never_arrived_are_counted() -> None:
    driver = make_driver("ndjson_bridge")
    driver.feed(line(seq=10, ms=10_000, r=[]) + line(seq=14, ms=14_000, r=[]))
    assert driver.counters.missed == 3


def test_a_repeated_line_is_neither_a_restart_nor_a_gap() -> None:
    driver = make_driver("ndjson_bridge")
    frames = driver.feed(line(seq=10, ms=10_000, r=[]) * 2)
    assert [frame.restarted for frame in frames] == [False, False]
    assert driver.counters.missed == 0


def test_a_line_without_a_crc_is_taken_only_where_the_options_say_so() -> None:
    plain = b'{"v":1,"dev":"b1","seq":2,"r":[{"n":"x","v":5,"u":"1"}]}\n'
    strict = make_driver("ndjson_bridge")
    assert strict.feed(plain) == []
    assert strict.counters.framing_errors == 1
    loose = make_driver("ndjson_bridge", {"crc": "optional"})
    assert make_driver("ndjson_bridge").facts.check is Check.STRONG
    assert loose.facts.check is Check.NONE, "one such line must not sound a siren"
    found = values(loose.feed(plain))["x"]
    assert (found.value, found.quality) == (5, Quality.UNCERTAIN)
    assert found.reasons == (Reason.NO_CHECKSUM,)


def test_a_wrong_crc_is_refused_even_where_none_is_needed() -> None:
    loose = make_driver("ndjson_bridge", {"crc": "optional"})
    assert loose.feed(b'{"v":1,"r":[{"n":"x","v":5}]}*0000\n') == []
    assert loose.counters.checksum_errors == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"v":1,"r":[{"n":"x","v":NaN}]}',
        b'{"v":1,"r":[{"n":"x","v":Infinity}]}',
        b'{"v":1,"r":[{"n":"x","v":1e999}]}',
        b'{"v":1,"r":[{"n":"x","v":[1]}]}',
        b'{"v":1,"r":[{"v":1}]}',
        b'{"v":2,"r":[]}',
        b'{"v":1,"r":' + b"[" * 400 + b"}",
        b'{"v":1,"dev":"\xff\xfe"}',
        b"{}",
    ],
)
def test_a_line_with_a_good_crc_and_nonsense_in_it_is_refused(body: bytes) -> None:
    driver = make_driver("ndjson_bridge")
    assert driver.feed(seal(body)) == []
    assert driver.counters.framing_errors + driver.counters.checksum_errors == 1


def test_a_number_beyond_all_measure_is_no_value() -> None:
    driver = make_driver("ndjson_bridge")
    found = values(driver.feed(seal(b'{"v":1,"r":[{"n":"x","v":1e305}]}')))["x"]
    assert (found.value, found.reasons) == (None, (Reason.RANGE,))


def test_another_bridge_on_the_port_is_refused_where_the_id_is_named() -> None:
    driver = make_driver("ndjson_bridge", {"dev": "gate1"})
    assert driver.feed(line(seq=1, ms=1, r=[])) == []
    assert "'b1', expected 'gate1'" in driver.counters.last_error


def test_a_longest_line_is_taken_and_a_longer_one_is_not() -> None:
    driver = make_driver("ndjson_bridge")
    room = MAX_LINE_BYTES - len(line(dev="", r=[])) + 1
    assert len(driver.feed(line(dev="d" * room, r=[]))) == 1
    assert driver.feed(line(dev="d" * (room + 1), r=[])) == []


def test_many_values_are_sent_in_lines_that_fit() -> None:
    driver = make_driver("ndjson_bridge")
    raw = driver.encode({f"value-{index}": index / 7 for index in range(60)})
    assert max(map(len, raw.splitlines())) <= MAX_LINE_BYTES
    assert len(values(driver.feed(raw))) == 60
    assert driver.counters.missed == 0


def test_what_json_cannot_carry_is_refused() -> None:
    driver = make_driver("ndjson_bridge")
    with pytest.raises(ValueError, match="JSON has no such number"):
        driver.encode({"x": float("nan")})
    with pytest.raises(ValueError, match="a list does not fit"):
        driver.encode({"x": [1]})


def test_dust_of_a_bridge_that_contradicts_itself_is_uncertain() -> None:
    driver = make_driver("ndjson_bridge")
    found = back(driver, {"pm1": 4, "pm25": 30, "pm10": 12, "temp": 21})
    assert found["pm25"].reasons == found["pm10"].reasons == (Reason.IMPLAUSIBLE_PAIR,)
    assert found["pm1"].quality is found["temp"].quality is Quality.GOOD
