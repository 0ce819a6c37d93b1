"""Modbus RTU: what is asked, what is taken for the answer, and what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.base import FrameCounters
from edge.modbus import (
    EXCEPTIONS,
    Function,
    ModbusError,
    Request,
    WordOrder,
    arrange,
    crc16,
    exception_frame,
    intact,
    is_exception,
    pack_bits,
    parse_reply,
    parse_request,
    reply_frame,
    t35_s,
    unpack_bits,
    wire_s,
    with_crc,
    write_coil,
    write_register,
)
from edge.modbus_reader import ReplyReader

LEVEL = Request(1, Function.READ_HOLDING_REGISTERS, 4, 1)
ANSWER = bytes.fromhex("01 03 02 00 1A 39 8F")
SHAPES = {3: frozenset({2})}


def frames() -> list[dict[str, Any]]:
    path = Path(__file__).parents[1] / "contracts" / "frames.json"
    listed = json.loads(path.read_text(encoding="utf-8"))["frames"]
    return [frame for frame in listed if frame["device"] == "modbus_rtu"]


def asked() -> tuple[ReplyReader, FrameCounters]:
    counters = FrameCounters()
    reader = ReplyReader(counters, SHAPES)
    assert reader.expect(LEVEL) == bytes.fromhex("01 03 00 04 00 01 C5 CB")
    return reader, counters


@pytest.mark.parametrize("frame", frames(), ids=lambda frame: frame["id"])
def test_a_published_frame_is_taken_as_its_kind_says(frame: dict[str, Any]) -> None:
    reader, counters = asked()
    replies = reader.feed(bytes.fromhex(frame["hex_or_ascii"])) + reader.flush()
    kind = frame["kind"]
    if kind.startswith("exception:"):
        assert [reply.exception for reply in replies] == [int(kind.removeprefix("exception:"))]
        assert replies[0].exception in EXCEPTIONS
    elif kind == "good_after_echo":
        assert [int.from_bytes(reply.data, "big") for reply in replies] == [26]
        assert counters == FrameCounters()
    else:
        assert replies == []
        assert counters.framing_errors == 1
        assert "while slave 1" in counters.last_error
        assert reader.awaiting


def test_an_echo_is_stripped_once_however_it_is_cut() -> None:
    echo = LEVEL.frame
    for cut in range(1, len(echo) + len(ANSWER)):
        reader, counters = asked()
        stream = echo + ANSWER
        replies = reader.feed(stream[:cut]) + reader.feed(stream[cut:])
        assert [reply.raw for reply in replies] == [ANSWER]
        assert counters == FrameCounters()


def test_a_reply_cut_anywhere_is_the_same_reply() -> None:
    for cut in range(1, len(ANSWER)):
        reader, _ = asked()
        assert reader.feed(ANSWER[:cut]) == []
        assert [reply.raw for reply in reader.feed(ANSWER[cut:])] == [ANSWER]


def test_noise_before_the_reply_is_dropped_and_counted() -> None:
    reader, counters = asked()
    assert [reply.raw for reply in reader.feed(b"\x00\x01\x03\x7f" + ANSWER)] == [ANSWER]
    assert counters.discarded_bytes == 4


def test_a_second_reply_is_late_and_counted() -> None:
    reader, counters = asked()
    assert len(reader.feed(ANSWER)) == 1
    assert reader.feed(ANSWER) == []
    assert counters.discarded_bytes == len(ANSWER)
    assert "nobody asked" in counters.last_error


def test_two_replies_in_one_piece_are_one() -> None:
    reader, counters = asked()
    assert len(reader.feed(ANSWER + ANSWER)) == 1
    assert counters.discarded_bytes >= 0
    assert not reader.awaiting


@pytest.mark.parametrize(
    "foreign",
    [
        reply_frame(Request(2, 3, 4, 1), b"\x00\x1a"),  # another slave
        reply_frame(Request(1, 4, 4, 1), b"\x00\x1a"),  # another function
        reply_frame(Request(1, 3, 4, 2), b"\x00\x1a\x00\x00"),  # more registers
        exception_frame(2, 3, 2),
    ],
)
def test_a_reply_to_something_else_is_not_the_answer(foreign: bytes) -> None:
    reader, counters = asked()
    assert reader.feed(foreign) == []
    assert counters.framing_errors == 1
    assert [reply.raw for reply in reader.feed(ANSWER)] == [ANSWER]


def test_what_came_before_a_new_request_is_forgotten() -> None:
    reader, counters = asked()
    reader.feed(ANSWER[:4])
    reader.expect(LEVEL)
    assert reader.feed(ANSWER[4:]) == []
    assert counters.discarded_bytes >= 3


def test_a_reply_may_come_after_reset() -> None:
    reader, _ = asked()
    reader.feed(ANSWER[:4])
    reader.reset()
    assert reader.pending == 0
    assert [reply.raw for reply in reader.feed(ANSWER)] == [ANSWER]


def test_a_listener_takes_any_address_but_only_the_shapes_it_knows() -> None:
    counters = FrameCounters()
    reader = ReplyReader(counters, SHAPES)
    other = reply_frame(Request(9, 3, 0, 1), b"\x01\x02")
    longer = reply_frame(Request(9, 3, 0, 2), b"\x01\x02\x03\x04")
    assert [reply.address for reply in reader.feed(other + longer + ANSWER)] == [9, 1]
    assert counters.discarded_bytes == len(longer)


@given(damage=st.binary(min_size=1, max_size=12), at=st.integers(0, 6))
def test_nothing_but_the_reply_is_ever_taken(damage: bytes, at: int) -> None:
    reader, _ = asked()
    stream = ANSWER[:at] + damage + ANSWER[at:]
    for reply in reader.feed(stream):
        assert intact(reply.raw)
        assert (reply.address, reply.function) == (1, 3)


def test_crc_of_the_check_string() -> None:
    assert crc16(b"123456789") == 0x4B37
    assert intact(with_crc(b"123456789"))
    assert not intact(with_crc(b"123456789")[:-1] + b"\x00")


@given(st.binary(max_size=64))
def test_crc_table_agrees_with_the_bitwise_definition(data: bytes) -> None:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    assert crc16(data) == crc


def test_requests_are_what_published_frames_show() -> None:
    assert Request(1, 2, 0, 8).frame == bytes.fromhex("01 02 00 00 00 08 79 CC")
    assert Request(255, 2, 0, 8).frame == bytes.fromhex("FF 02 00 00 00 08 6C 12")
    assert Request(0xFE, 4, 0, 4).frame == bytes.fromhex("FE 04 00 00 00 04 E5 C6")
    assert write_register(1, 0, 5) == bytes.fromhex("01 06 00 00 00 05 49 C9")
    assert write_coil(1, 0, on=True)[4:6] == b"\xff\x00"
    assert write_coil(1, 0, on=False)[4:6] == b"\x00\x00"


def test_reply_sizes_follow_the_standard() -> None:
    assert Request(1, 2, 0, 8).reply_bytes == 6
    assert Request(1, 1, 0, 9).reply_bytes == 7
    assert Request(1, 3, 0, 7).reply_bytes == 19


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((256, 3, 0, 1), "address 256: expected 0 to 255"),
        ((1, 6, 0, 1), "function 6: expected a read"),
        ((1, 3, 70_000, 1), "register 70000: expected 0 to 65535"),
        ((1, 3, 0, 126), "count 126: expected 1 to 125"),
        ((1, 3, 0, 0), "count 0: expected 1 to 125"),
        ((1, 2, 0, 2001), "count 2001: expected 1 to 2000"),
    ],
)
def test_a_request_that_the_protocol_cannot_carry_is_refused(
    arguments: tuple[int, int, int, int], message: str
) -> None:
    with pytest.raises(ModbusError, match=message):
        Request(*arguments)


def test_a_write_beyond_sixteen_bits_is_refused() -> None:
    with pytest.raises(ModbusError, match="65536"):
        write_register(1, 0, 65536)


def test_a_request_is_read_back_by_the_slave_only_when_it_is_intact() -> None:
    assert parse_request(LEVEL.frame) == (1, 3, 4, 1)
    assert parse_request(LEVEL.frame[:-1]) is None
    assert parse_request(LEVEL.frame[:-1] + b"\x00") is None


@pytest.mark.parametrize("raw", ["", "01 83", "01 83 02 C0 F0", "01 06 00 00 00 05 49 C9"])
def test_what_is_not_a_reply_to_a_read_is_none(raw: str) -> None:
    assert parse_reply(bytes.fromhex(raw)) is None


def test_a_refusal_is_told_from_a_reply() -> None:
    assert is_exception(exception_frame(1, 3, 2))
    assert not is_exception(reply_frame(Request(1, 2, 0, 1), b"\x01"))
    assert not is_exception(b"")


@pytest.mark.parametrize("order", list(WordOrder))
@given(data=st.binary(min_size=4, max_size=4))
def test_every_word_order_undoes_itself(order: WordOrder, data: bytes) -> None:
    assert arrange(arrange(data, order), order) == data
    assert sorted(arrange(data, order)) == sorted(data)


def test_word_orders_mean_what_their_letters_say() -> None:
    data = bytes.fromhex("00 01 86 A0")
    assert arrange(data, WordOrder.ABCD) == data
    assert arrange(data, WordOrder.CDAB).hex() == "86a00001"
    assert arrange(data, WordOrder.BADC).hex() == "0100a086"
    assert arrange(data, WordOrder.DCBA).hex() == "a0860100"


@given(st.lists(st.booleans(), max_size=40))
def test_bits_survive_packing(bits: list[bool]) -> None:
    assert unpack_bits(pack_bits(bits), len(bits)) == bits


def test_silences_follow_the_standard() -> None:
    assert [round(t35_s(baud) * 1000, 1) for baud in (1200, 2400, 4800, 9600, 19200)] == [
        32.1,
        16.0,
        8.0,
        4.0,
        2.0,
    ]
    assert t35_s(38400) == pytest.approx(0.00175)
    assert wire_s(8, 9600) == pytest.approx(0.00833, abs=1e-4)
