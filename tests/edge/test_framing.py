"""Frames and lines are found in a stream that starts anywhere and holds anything."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.base import FrameCounters
from edge.framing import (
    BAD_CHECKSUM,
    BUFFER_BYTES,
    NOT_A_FRAME,
    UNKNOWN_YET,
    BinaryFramer,
    LineFramer,
    Rejection,
)


def sum8(raw: bytes) -> Rejection | None:
    return None if sum(raw[:-1]) & 0xFF == raw[-1] else BAD_CHECKSUM


def sized(buffer: bytearray, at: int) -> int:
    """Header AA, then the whole length of the frame, 3 to 10."""
    if len(buffer) - at < 2:
        return UNKNOWN_YET
    return buffer[at + 1] if 3 <= buffer[at + 1] <= 10 else NOT_A_FRAME


def framer(counters: FrameCounters) -> BinaryFramer:
    return BinaryFramer(b"\xff", 4, sum8, counters)


GOOD = bytes.fromhex("FF 07 A1 A7")


def test_a_stray_header_byte_costs_one_byte_and_no_frame() -> None:
    counters = FrameCounters()
    assert framer(counters).feed(b"\xff" + GOOD) == [GOOD]
    assert counters.discarded_bytes == 1
    assert counters.checksum_errors == 1


def test_a_header_byte_may_be_data() -> None:
    counters = FrameCounters()
    raw = bytes.fromhex("FF 00 FF FE")
    assert framer(counters).feed(raw + raw) == [raw, raw]
    assert counters == FrameCounters()


def test_garbage_without_a_header_is_discarded_at_once_and_counted() -> None:
    counters = FrameCounters()
    cut = framer(counters)
    assert cut.feed(bytes(100)) == []
    assert cut.pending == 0
    assert counters.discarded_bytes == 100
    assert counters.checksum_errors == 0


def test_half_a_long_header_is_kept_until_the_next_piece() -> None:
    counters = FrameCounters()
    cut = BinaryFramer(b"\x42\x4d", 4, lambda _: None, counters)
    assert cut.feed(b"\x00\x42") == []
    assert cut.pending == 1
    assert cut.feed(b"\x4d\x01\x02") == [b"\x42\x4d\x01\x02"]
    assert counters.discarded_bytes == 1


def test_a_length_that_the_device_does_not_know_is_a_framing_error() -> None:
    counters = FrameCounters()
    cut = BinaryFramer(b"\xaa", sized, lambda _: None, counters)
    assert cut.feed(b"\xaa\x63\xaa\x03\x01") == [b"\xaa\x03\x01"]
    assert counters.framing_errors == 1
    assert counters.discarded_bytes == 2
    assert "length" in counters.last_error


def test_a_rejection_that_is_not_the_checksum_counts_as_framing_with_its_reason() -> None:
    counters = FrameCounters()
    cut = BinaryFramer(
        b"\xff", 2, lambda _: Rejection(checksum=False, why="wrong module"), counters
    )
    assert cut.feed(b"\xff\x01") == []
    assert (counters.framing_errors, counters.checksum_errors) == (1, 0)
    assert counters.last_error == "wrong module"


def test_a_false_header_hides_a_good_frame_only_until_flush() -> None:
    counters = FrameCounters()
    cut = BinaryFramer(b"\xaa", sized, lambda raw: None if raw[1] == 3 else BAD_CHECKSUM, counters)
    assert cut.feed(b"\xaa\x0a\xaa\x03\x01") == []  # claims ten bytes
    assert cut.flush() == [b"\xaa\x03\x01"]
    assert cut.pending == 0
    assert counters.discarded_bytes == 2


def test_reset_counts_what_it_throws_away() -> None:
    counters = FrameCounters()
    cut = framer(counters)
    cut.feed(GOOD[:3])
    cut.reset()
    assert cut.feed(GOOD) == [GOOD]
    assert counters.discarded_bytes == 3


def test_a_piece_of_any_size_never_grows_the_buffer_beyond_its_bound() -> None:
    counters = FrameCounters()
    cut = framer(counters)
    frames = cut.feed(GOOD * 100_000)
    assert len(frames) == 100_000
    assert cut.pending < BUFFER_BYTES
    assert counters == FrameCounters()


@given(
    pieces=st.lists(st.one_of(st.just(GOOD), st.binary(max_size=6)), max_size=20),
    cuts=st.lists(st.integers(0, 120), max_size=5),
)
def test_every_byte_is_either_in_a_frame_or_counted_or_waiting(
    pieces: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(pieces)
    counters = FrameCounters()
    cut = framer(counters)
    edges = sorted({0, len(stream), *(min(at, len(stream)) for at in cuts)})
    frames = [frame for start, end in pairwise(edges) for frame in cut.feed(stream[start:end])]
    assert sum(map(len, frames)) + counters.discarded_bytes + cut.pending == len(stream)
    assert all(sum8(frame) is None for frame in frames)


def test_lines_are_cut_at_their_end_and_partial_ones_wait() -> None:
    cut = LineFramer(FrameCounters(), b"\r", 16)
    assert cut.feed(b"R12") == []
    assert cut.feed(b"34\r\rR0") == [b"R1234", b""]
    assert cut.pending == 2
    assert cut.feed(b"480\r") == [b"R0480"]


def test_of_an_overlong_line_the_end_is_kept_and_counted_once() -> None:
    counters = FrameCounters()
    cut = LineFramer(counters, b"\n", 8)
    for _ in range(1000):
        cut.feed(b"0123456789")
        assert cut.pending <= 8
    assert cut.feed(b"ABCDEFGH\nnext\n") == [b"ABCDEFGH", b"next"]
    assert counters.framing_errors == 1
    assert counters.discarded_bytes == 10_000
    assert "8 bytes" in counters.last_error


def test_a_line_in_one_huge_piece_is_bounded_too() -> None:
    counters = FrameCounters()
    cut = LineFramer(counters, b"\n", 512)
    assert cut.feed(bytes(1_000_000)) == []
    assert cut.pending == 512
    cut.reset()
    assert cut.pending == 0
    assert counters.discarded_bytes == 1_000_000


@pytest.mark.parametrize("size", [1, 2, 3])
def test_frames_arrive_in_pieces_of_any_size(size: int) -> None:
    cut = framer(FrameCounters())
    stream = GOOD * 7
    frames = [f for at in range(0, len(stream), size) for f in cut.feed(stream[at : at + size])]
    assert frames == [GOOD] * 7
