"""Sending lines to a server that rejects some of them: halve, bisect, and tell what will never go.

Knows nothing of HTTP: a sink is given a function that sends one body and raises what the server
said. Rewriting a line is harmless (same series and time overwrite each other), so bisecting is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ingest.history.base import Refusal
from ingest.history.line_protocol import station_of

# Lines in one request; 1,000 to 5,000 is where InfluxDB is at its best.
MAX_LINES = 5_000
# A batch is bisected through at most this many rejections; what is rejected then is refused as it
# stands, so that a batch of nothing but bad lines cannot hold up the queue behind it.
MAX_REJECTIONS = 200
_RAW_BYTES = 4_096


class LinesRejectedError(Exception):
    """The server refuses some or all lines of a body; the same bytes will be refused again."""


class BodyTooLargeError(Exception):
    """The server wants smaller bodies."""


def deliver(body: bytes, send: Callable[[bytes], None]) -> list[Refusal]:
    """Send all lines of *body* and return what was refused for good.

    Raises:
        HistoryUnavailableError: Out of `send`: try the whole body again later.
    """
    lines = body.splitlines(keepends=True)
    refused: list[Refusal] = []
    for start in range(0, len(lines), MAX_LINES):
        _Delivery(send, refused).deliver(lines[start : start + MAX_LINES])
    return refused


class _Delivery:
    """One batch on its way; counts how often it was rejected."""

    def __init__(self, send: Callable[[bytes], None], refused: list[Refusal]) -> None:
        self._send = send
        self._refused = refused
        self._rejections = 0

    def deliver(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        try:
            self._send(b"".join(lines))
        except BodyTooLargeError as error:
            self._halve(lines, str(error))
        except LinesRejectedError as error:
            self._rejections += 1
            if len(lines) > 1 and self._rejections < MAX_REJECTIONS:
                self._halve(lines, str(error))
            else:
                self._refuse(lines, str(error))

    def _halve(self, lines: Sequence[bytes], reason: str) -> None:
        if len(lines) == 1:
            self._refuse(lines, reason)
            return
        middle = len(lines) // 2
        self.deliver(lines[:middle])
        self.deliver(lines[middle:])

    def _refuse(self, lines: Sequence[bytes], reason: str) -> None:
        stations = Counter(name for name in map(station_of, lines) if name)
        raw = b"".join(lines)[:_RAW_BYTES]
        self._refused.append(Refusal(raw, f"history refused it: {reason}", dict(stations)))
