"""`safety-eye decode`: captured bytes on a command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decode import (
    NONE_GOOD,
    SOME_GOOD,
    DecodeArgumentError,
    decode_lines,
    parse_ascii,
    parse_hex,
)
from edge.drivers.base import DriverError


def test_a_good_frame_is_one_line_per_value_with_the_agreed_keys() -> None:
    decoded = decode_lines("dfrobot_a02yyuw", parse_hex("FF 07 A1 A7"))
    assert decoded.lines == (
        {
            "driver": "dfrobot_a02yyuw",
            "name": "distance",
            "quantity": "distance",
            "value": 1953,
            "unit": "mm",
            "quality": "good",
            "reasons": [],
        },
    )
    assert decoded.exit_code == SOME_GOOD
    assert decoded.note == ""


def test_a_fault_is_a_line_without_a_number_and_without_success() -> None:
    decoded = decode_lines("dfrobot_a02yyuw", parse_hex("FF0000FF"))
    (line,) = decoded.lines
    assert (line["value"], line["quality"], line["reasons"]) == (None, "bad", ["no-target"])
    assert decoded.exit_code == NONE_GOOD


def test_the_blind_zone_is_uncertain_and_has_no_number() -> None:
    (line,) = decode_lines("dfrobot_a02yyuw", parse_hex("FF 00 1E 1D")).lines
    assert (line["value"], line["quality"]) == (None, "uncertain")
    assert line["reasons"] == ["blind-zone"]


def test_a_version_byte_does_not_make_a_saturated_frame_a_success() -> None:
    raw = parse_hex(
        "42 4D 00 1C 03 E8 04 B0 05 14 03 E8 04 B0 05 14 FF FF 75 30 23 28 03 20 00 32 00 0A 97 00"
        "07 FF"
    )
    decoded = decode_lines("plantower_pmsx003", raw)
    pm25 = next(line for line in decoded.lines if line["name"] == "pm25")
    assert (pm25["value"], pm25["quality"], pm25["reasons"]) == (1200, "uncertain", ["saturated"])
    assert decoded.exit_code == NONE_GOOD


def test_a_rejected_frame_prints_nothing_and_says_why() -> None:
    decoded = decode_lines("winsen_ze07_co", parse_hex("FF 04 03 01 00 25 13 88 25"))
    assert decoded.lines == ()
    assert decoded.exit_code == NONE_GOOD
    assert "checksum" in decoded.note


def test_a_frame_that_is_cut_off_says_so() -> None:
    assert "cut off" in decode_lines("dfrobot_a02yyuw", parse_hex("FF 07 A1")).note


def test_a_bare_modbus_reply_needs_no_request() -> None:
    (line,) = decode_lines("qdy30a", parse_hex("01 03 02 FF F6 79 F2")).lines
    assert (line["name"], line["value"], line["unit"]) == ("level", -10, "mm")
    assert line["quality"] == "good"


def test_an_exception_reply_is_explained() -> None:
    decoded = decode_lines("qdy30a", parse_hex("01 83 02 C0 F1"))
    assert decoded.lines == ()
    assert "illegal address" in decoded.note


def test_a_hello_line_has_no_values_and_says_so() -> None:
    raw = '{"v":1,"dev":"gate1","seq":1,"ms":1200,"boot":{"fw":"1.2.0","rst":"poweron"}}*82F9\\n'
    decoded = decode_lines("ndjson_bridge", parse_ascii(raw))
    assert decoded.lines == ()
    assert decoded.exit_code == NONE_GOOD
    assert "without values" in decoded.note


def test_options_may_be_given() -> None:
    raw = parse_hex("01 03 04 86 A0 00 01 12 99")
    (line,) = decode_lines("modbus_di_module", raw, {"word_order": "CDAB"}).lines
    assert line["value"] == 100_000


def test_an_unknown_driver_is_a_wrong_call() -> None:
    with pytest.raises(DriverError, match="expected one of"):
        decode_lines("nonsense", b"")


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("FF 07 A1 A7", "ff07a1a7"),
        ("ff07a1a7", "ff07a1a7"),
        (" FF07  a1,A7 \n", "ff07a1a7"),
        ("0xFF 0x7 0xA1", "ff07a1"),
        ("FF:07:A1", "ff07a1"),
        ("ff-07-a1", "ff07a1"),
    ],
)
def test_hex_in_any_spacing_and_case(text: str, data: str) -> None:
    assert parse_hex(text).hex() == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no bytes given"),
        ("   ", "no bytes given"),
        ("FF GG", "'GG' is not hexadecimal"),
        ("FFF", "odd number of digits"),
        ("FF 07é", "not hexadecimal"),
    ],
)
def test_wrong_hex_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(DecodeArgumentError, match=message):
        parse_hex(text)


@given(st.binary(min_size=1, max_size=50))
def test_hex_survives_the_round_trip(data: bytes) -> None:
    assert parse_hex(data.hex(" ")) == data
    assert parse_hex(data.hex()) == data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("R0480\\r", b"R0480\r"),
        ("a\\nb", b"a\nb"),
        ("\\xFF\\x00x", b"\xff\x00x"),
        ("\\\\r", b"\\r"),
        ("水", "水".encode()),
        ("\\02", b"\x002"),
    ],
)
def test_escapes_in_text(text: str, data: bytes) -> None:
    assert parse_ascii(text) == data


@pytest.mark.parametrize("text", ["\\q", "abc\\", "\\xG1", "\\x1"])
def test_a_wrong_escape_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(DecodeArgumentError, match=r"expected .*HH"):
        parse_ascii(text)


def test_no_text_is_refused() -> None:
    with pytest.raises(DecodeArgumentError, match="no text given"):
        parse_ascii("")
