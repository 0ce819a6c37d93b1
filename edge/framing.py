"""Finds frames and lines in a byte stream that starts anywhere and may hold anything.

Two framers, both bounded: whatever is fed, they keep less than one frame (or line) of it.

* `BinaryFramer`: header, length and checksum together make a frame. On a failed check ONE byte is
  dropped and the search goes on behind it, so that a good frame that follows a stray header byte
  is found (`FF FF 07 A1 A7` holds 1953 mm).
* `LineFramer`: text lines; of an overlong line the end is kept, because a lost line feed glues the
  rest of one line to the whole next one.

What was thrown away is counted: a rising number of discarded bytes is the earliest sign of a bad
cable, a wrong baud rate or a second reader on the port.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

# No buffer here ever holds more than this many bytes.
BUFFER_BYTES = 4096


class Tally(Protocol):
    """Where a framer counts; `edge.drivers.base.FrameCounters` is one."""

    checksum_errors: int
    framing_errors: int
    discarded_bytes: int
    last_error: str


class Rejection(NamedTuple):
    """Why a candidate is not a frame.

    Attributes:
        checksum: True where the check failed, False where the form is wrong.
        why: For people.
    """

    checksum: bool
    why: str


BAD_CHECKSUM = Rejection(checksum=True, why="checksum does not match")

# Position of the next candidate at or after a position, or -1.
Find = Callable[[bytearray, int], int]
# Whole length of the candidate at a position; 0: needs more bytes to know; -1: not a frame.
Size = Callable[[bytearray, int], int]
# None to accept a complete candidate.
Judge = Callable[[bytes], Rejection | None]

NOT_A_FRAME = -1
UNKNOWN_YET = 0


class BinaryFramer:
    """Cuts frames out of a byte stream, and resynchronises byte by byte.

    Args:
        header: The bytes that each frame starts with, or a function that finds candidates.
        size: Length of a whole frame in bytes, or a function of the buffer and a position.
        judge: Accepts or rejects a complete candidate.
        tally: Where to count.
        lead: With a finding function: how many bytes it needs to recognise a candidate.
    """

    __slots__ = ("_buffer", "_find", "_header", "_judge", "_lead", "_size", "_size_of", "_tally")

    def __init__(
        self, header: bytes | Find, size: int | Size, judge: Judge, tally: Tally, lead: int = 1
    ) -> None:
        self._buffer = bytearray()
        self._header = header if isinstance(header, bytes) else b""
        self._find = None if isinstance(header, bytes) else header
        self._lead = lead
        self._size = size if isinstance(size, int) else 0
        self._size_of = None if isinstance(size, int) else size
        self._judge = judge
        self._tally = tally

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._buffer)

    def reset(self) -> None:
        """Forget a partial frame."""
        self._tally.discarded_bytes += len(self._buffer)
        self._buffer.clear()

    def feed(self, data: bytes) -> list[bytes]:
        """Take a piece of the stream; return the frames that it completes, in order."""
        if len(data) <= BUFFER_BYTES // 2:
            self._buffer += data
            return self._scan()
        frames: list[bytes] = []
        for at in range(0, len(data), BUFFER_BYTES // 2):
            self._buffer += data[at : at + BUFFER_BYTES // 2]
            frames += self._scan()
        return frames

    def flush(self) -> list[bytes]:
        """Give up on the partial frame: return complete frames that stand behind its first byte.

        For the end of the input, or an idle line: a false header must not hide a good frame.
        """
        frames: list[bytes] = []
        while self._buffer:
            del self._buffer[0]
            self._tally.discarded_bytes += 1
            frames += self._scan()
        return frames

    def _scan(self) -> list[bytes]:
        """Take every complete frame off the front of the buffer."""
        buffer, header, judge = self._buffer, self._header, self._judge
        find, size_of, size = self._find, self._size_of, self._size
        frames: list[bytes] = []
        at, end, discarded = 0, len(buffer), 0
        while at < end:
            start = buffer.find(header, at) if find is None else find(buffer, at)
            if start < 0:
                start = max(at, end - self._tail())
                discarded += start - at
                at = start
                break
            discarded += start - at
            at = start
            if size_of is not None:
                size = size_of(buffer, at)
                if size == UNKNOWN_YET:
                    break
            if size > 0:
                if end - at < size:
                    break
                raw = bytes(buffer[at : at + size])
                rejection = judge(raw)
                if rejection is None:
                    frames.append(raw)
                    at += size
                    continue
                self._reject(rejection)
            else:
                self._tally.framing_errors += 1
                self._tally.last_error = "length field is not one of the device"
            at += 1
            discarded += 1
        del buffer[:at]
        self._tally.discarded_bytes += discarded
        return frames

    def _tail(self) -> int:
        """Return how many bytes at the end may be the start of a header."""
        if self._find is not None:
            return self._lead - 1
        header = self._header
        for size in range(len(header) - 1, 0, -1):
            if self._buffer.endswith(header[:size]):
                return size
        return 0

    def _reject(self, rejection: Rejection) -> None:
        if rejection.checksum:
            self._tally.checksum_errors += 1
        else:
            self._tally.framing_errors += 1
        self._tally.last_error = rejection.why


class LineFramer:
    """Cuts lines out of a byte stream.

    Args:
        tally: Where to count.
        end: The byte that ends a line.
        limit: Longest line in bytes without its end. Of a longer one the last `limit` bytes are
            kept, the rest is discarded and counted as one framing error.
    """

    __slots__ = ("_buffer", "_end", "_limit", "_overlong", "_tally")

    def __init__(self, tally: Tally, end: bytes = b"\n", limit: int = 512) -> None:
        self._buffer = bytearray()
        self._tally = tally
        self._end = end
        self._limit = limit
        self._overlong = False

    @property
    def pending(self) -> int:
        """How many bytes wait for the end of their line."""
        return len(self._buffer)

    def reset(self) -> None:
        """Forget a partial line."""
        self._tally.discarded_bytes += len(self._buffer)
        self._buffer.clear()
        self._overlong = False

    def take(self) -> bytes:
        """Return the partial line and forget it, without counting it as discarded."""
        line = bytes(self._buffer)
        self._buffer.clear()
        self._overlong = False
        return line

    def feed(self, data: bytes) -> list[bytes]:
        """Take a piece of the stream; return the lines that it completes, without their end."""
        first, *rest = data.split(self._end)
        self._keep(first)
        lines: list[bytes] = []
        for piece in rest:
            lines.append(bytes(self._buffer))
            self._buffer.clear()
            self._overlong = False
            self._keep(piece)
        return lines

    def _keep(self, piece: bytes) -> None:
        self._buffer += piece
        excess = len(self._buffer) - self._limit
        if excess <= 0:
            return
        del self._buffer[:excess]
        self._tally.discarded_bytes += excess
        if not self._overlong:
            self._overlong = True
            self._tally.framing_errors += 1
            self._tally.last_error = f"line longer than {self._limit} bytes"
