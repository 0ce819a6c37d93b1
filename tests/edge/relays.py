"""A Modbus relay module for tests: coils that can be written, read, timed, broken."""

from __future__ import annotations

import threading

from core.clock import RunClock
from edge.modbus import Function, exception_frame, parse_request, with_crc
from tests.edge.lines import Background, Line

PULSE_COIL = 512


class RelayModule:
    """Answers at one address of a line.

    Attributes:
        writes: (coil, value) of every write.
        deaf: True while it answers nothing.
        stuck: True while its relays do not move.
        echo: True if the adapter sends back what was asked, too.
        refuses: Exception code of every write, 0 for none.
    """

    def __init__(self, line: Line, address: int = 1, *, echo: bool = False) -> None:
        self.writes: list[tuple[int, int]] = []
        self.deaf = self.stuck = False
        self.echo = echo
        self.refuses = 0
        self._line = line
        self._address = address
        self._until_s: dict[int, float] = {}
        self._lock = threading.Lock()
        self._background = Background(self._answer, 0.0)

    def is_on(self, coil: int) -> bool:
        with self._lock:
            return self._until_s.get(coil, 0.0) > RunClock().monotonic_s()

    def close(self) -> None:
        self._background.close()

    def _answer(self) -> None:
        raw = self._line.read(0.1)
        request = parse_request(raw)
        if request is None or request[0] != self._address or self.deaf:
            return
        answer = self._carry_out(raw, request[1], request[2], request[3])
        self._line.write((raw if self.echo else b"") + answer)

    def _carry_out(self, raw: bytes, function: int, coil: int, value: int) -> bytes:
        if function == Function.READ_COILS:
            return with_crc(bytes((self._address, function, 1, self.is_on(coil))))
        self.writes.append((coil, value))
        if self.refuses:
            return exception_frame(self._address, function, self.refuses)
        now_s = RunClock().monotonic_s()
        with self._lock:
            if self.stuck:
                pass
            elif coil >= PULSE_COIL:
                self._until_s[coil - PULSE_COIL] = now_s + value / 10
            else:
                self._until_s[coil] = float("inf") if value else 0.0
        return raw
