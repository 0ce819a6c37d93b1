"""A coil of a Modbus relay module: written (FC05), then read back (FC01), on a shared line.

A written coil is answered with a copy of the request, which an adapter with echo sends, too; only
what is read back proves anything. With the module's own timer (`pulse_coil`) the relay drops out by
itself when nobody renews it.

Sources: MODBUS Application Protocol V1.1b3, 6.1 and 6.5; timed switching-on ("flash on") after
Waveshare's page on its Modbus RTU Relay: FC05 to 0x0200 + relay, value in units of 0.1 s.
"""

from __future__ import annotations

import struct
import threading

from core.clock import Clock, RunClock
from edge.acting.line_jobs import LineJobs
from edge.acting.output import OutputError
from edge.acting.settings import OutputEntry
from edge.bus import reply_timeout_s, silence_s
from edge.modbus import (
    EXCEPTION_BIT,
    EXCEPTION_BYTES,
    EXCEPTIONS,
    Function,
    Request,
    intact,
    parse_reply,
    with_crc,
    write_coil,
)
from edge.ports import BytePort

# Attempts of one job: a dead module must not take the line from the sensors for long.
_ATTEMPTS = 2
# The module's timer counts tenths of a second.
_TICKS_PER_S = 10


class CoilOutput:
    """One coil.

    Args:
        entry: Its part of station.toml.
        line: The jobs of its port.
        clock: For time-outs.
    """

    def __init__(self, entry: OutputEntry, line: LineJobs, clock: Clock | None = None) -> None:
        self._entry = entry
        self._line = line
        self._clock = clock or RunClock()

    def switch(self, *, on: bool) -> None:
        """See `Output.switch`."""
        self._line.do(lambda port: self.write(port, on=on))

    def renew(self) -> None:
        """See `Output.renew`."""
        self.switch(on=True)

    def close(self) -> None:
        """See `Output.close`."""

    def _on_request(self) -> bytes:
        entry = self._entry
        if entry.pulse_coil < 0 or entry.dead_man is None:
            return write_coil(entry.address, entry.coil, True)
        ticks = round(entry.dead_man.hold_s * _TICKS_PER_S)
        return with_crc(
            struct.pack(
                ">BBHH", entry.address, Function.WRITE_COIL, entry.pulse_coil + entry.coil, ticks
            )
        )

    def write(self, port: BytePort, *, on: bool) -> None:
        """Switch it over *port*, which nobody else uses meanwhile.

        Raises:
            OutputError: It did not work.
        """
        off = write_coil(self._entry.address, self._entry.coil, False)
        request = self._on_request() if on else off
        error: OutputError | None = None
        for _ in range(_ATTEMPTS):
            try:
                self._exchange(port, request, request)
                state = self._read_back(port)
            except OutputError as failure:
                error = failure
                continue
            if state is on:
                return
            error = self._error(f"coil {self._entry.coil} reads back {'on' if state else 'off'}")
        assert error is not None
        raise error

    def _read_back(self, port: BytePort) -> bool:
        entry = self._entry
        asked = Request(entry.address, Function.READ_COILS, entry.coil, 1)
        head = bytes((entry.address, Function.READ_COILS, asked.byte_count))
        reply = parse_reply(self._exchange(port, asked.frame, head, asked.reply_bytes))
        assert reply is not None
        return bool(reply.data[0] & 1)

    def _exchange(
        self, port: BytePort, request: bytes, head: bytes, size: int | None = None
    ) -> bytes:
        """Send a request; return the intact answer that starts with *head*."""
        self._pause()
        port.discard_input()
        port.write(request)
        end_s = self._clock.monotonic_s() + reply_timeout_s(request, self._line.baud, 0.3)
        raw = b""
        refusal = bytes((request[0], request[1] | EXCEPTION_BIT))
        while (left_s := end_s - self._clock.monotonic_s()) > 0:
            raw += port.read(left_s)
            answer = _find(raw, head, len(head) if size is None else size)
            if answer is not None:
                return answer
            refused = _find(raw, refusal, EXCEPTION_BYTES)
            if refused is not None:
                facts = EXCEPTIONS.get(refused[2])
                raise self._error(facts.meaning if facts else f"exception {refused[2]}")
        raise self._error("does not answer")

    def _pause(self) -> None:
        threading.Event().wait(silence_s(self._line.baud))

    def _error(self, text: str) -> OutputError:
        return OutputError(f"relay module {self._entry.address} on {self._entry.port}: {text}")


def _find(raw: bytes, head: bytes, size: int) -> bytes | None:
    """Return the intact frame of *size* bytes in *raw* that starts with *head*."""
    at = raw.find(head)
    while at >= 0:
        frame = raw[at : at + size]
        if len(frame) == size and intact(frame):
            return frame
        at = raw.find(head, at + 1)
    return None
