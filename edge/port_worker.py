"""The thread of one serial port: opens it, listens or asks, and keeps doing so.

```
closed ─open─▶ open ─bytes─▶ driver ─frames─▶ sink
   ▲             │ unplugged, taken, dead line
   └──back-off───┘
```
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Protocol

from core.clock import Clock
from edge.acting.line_jobs import LineJobs
from edge.bus import OwedAnswers, Turn, next_turn, reply_timeout_s, silence_s, turns_of
from edge.configuration import PortEntry
from edge.drivers.base import Frame, FrameCounters
from edge.instruments import Instrument
from edge.modbus import EXCEPTIONS
from edge.ports import Backoff, BytePort, PortLostError, is_present, open_serial

LOG = logging.getLogger(__name__)

# No byte for so long ends a partial frame: a hundred times the gap inside any frame, and what
# other hosts use for the slowest sender (hardware notes 1.2).
IDLE_GAP_S = 0.5
# Longest wait without a sign of life; the station calls a worker stuck much later.
_LOOK_S = 1.0

OpenPort = Callable[[PortEntry, int], BytePort]


class FrameSink(Protocol):
    """Who takes the frames of all ports; called on the port's thread."""

    def powered(self, instrument: Instrument) -> None:
        """The port was opened: the device may just have got its power."""

    def frame(self, instrument: Instrument, frame: Frame) -> None:
        """A frame is complete, just now."""


@dataclass(slots=True)
class PortCounters:
    """What a port has seen since the station started; outlives a restarted worker."""

    opens: int = 0
    losses: int = 0
    timeouts: int = 0
    restarts: int = 0
    discarded_bytes: int = 0
    frames: FrameCounters = field(default_factory=FrameCounters)
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class PortPlan:
    """What a worker has to do.

    Attributes:
        entry: The port.
        baud: Bits per second.
        instruments: Makes the port's instruments anew, for each worker its own.
        jobs: What else is done on this line (relay modules); None if nothing is.
    """

    entry: PortEntry
    baud: int
    instruments: Callable[[], list[Instrument]]
    jobs: LineJobs | None = None


class PortWorker(threading.Thread):
    """Serves one port until it is told to stop.

    Args:
        plan: The port and its instruments.
        sink: Who takes the frames.
        clock: For the speed of the run and for waiting.
        counters: Where to count.
        open_port: Opens the port; tests replace it.
        backoff: Pauses between attempts to open.
    """

    def __init__(
        self,
        plan: PortPlan,
        sink: FrameSink,
        clock: Clock,
        counters: PortCounters,
        *,
        open_port: OpenPort = open_serial,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(name=f"port-{plan.entry.id}", daemon=True)
        self._plan = plan
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._open_port = open_port
        self._backoff = backoff or Backoff()
        self._stopping = threading.Event()
        self._instruments = plan.instruments()
        self._turns: list[Turn] = []
        self._owed = OwedAnswers()
        self._port: BytePort | None = None
        self.beat_s = clock.monotonic_s()

    @property
    def is_open(self) -> bool:
        """True while the port is open."""
        return self._port is not None

    def stop(self) -> None:
        """Ask it to end; it does so within a second unless it is stuck."""
        self._stopping.set()
        if self._plan.jobs is not None:
            self._plan.jobs.wake.set()

    def run(self) -> None:
        """Open, serve, lose, open again."""
        try:
            while not self._stopping.is_set():
                self._beat()
                try:
                    self._serve()
                except PortLostError as error:
                    self._note_loss(error)
                    self._wait_for_port()
        except (
            Exception
        ) as error:  # a fault of ours: said once, and the station starts a new worker
            self._counters.last_error = f"{type(error).__name__}: {error}"
            LOG.exception("port %s: its thread ends", self._plan.entry.id)
        finally:
            self._close()

    def _serve(self) -> None:
        port = self._open_port(self._plan.entry, self._plan.baud)
        self._port = port
        self._counters.opens += 1
        self._counters.last_error = ""
        LOG.info("port %s: open (%s)", self._plan.entry.id, self._plan.entry.path)
        try:
            for instrument in self._instruments:
                instrument.driver.reset()
                self._sink.powered(instrument)
            if not self._instruments or self._instruments[0].polled:
                self._turns = turns_of(self._instruments, self._clock.speed)
                while not self._stopping.is_set():
                    self._ask(port)
            else:
                while not self._stopping.is_set():
                    self._listen(port)
        finally:
            self._close()

    def _listen(self, port: BytePort) -> None:
        self._beat()
        data = port.read(IDLE_GAP_S)
        if data:
            self._backoff.reset()
        for instrument in self._instruments:
            frames = instrument.driver.feed(data) if data else instrument.driver.flush()
            self._deliver(instrument, frames)
        self._tally()

    def _ask(self, port: BytePort) -> None:
        self._beat()
        jobs = self._plan.jobs
        if jobs is not None and jobs.serve(port):
            return
        turn = next_turn(self._turns) if self._turns else None
        wait_s = turn.due_s - self._clock.monotonic_s() if turn is not None else _LOOK_S
        if turn is None or wait_s > 0:
            (self._stopping if jobs is None else jobs.wake).wait(min(wait_s, _LOOK_S))
            return
        self._stopping.wait(silence_s(self._plan.baud))
        # What comes before the request is a late answer or noise, never the answer.
        self._counters.discarded_bytes += port.discard_input()
        driver = turn.instrument.driver
        refused = driver.counters.exceptions
        request = driver.request()
        if self._owed.must_wait(request, self._clock.monotonic_s()):
            self._let_pass(port, request, turn.instrument)
        port.write(request)
        frames, raw = self._await_answer(port, turn.instrument, request)
        now_s = self._clock.monotonic_s()
        if frames:
            self._backoff.reset()
            turn.answered(now_s, empty=not any(frame.measurements for frame in frames))
        elif driver.counters.exceptions > refused:
            self._backoff.reset()
            turn.refused(now_s, retry=may_retry(request, raw))
            self._note_refusal(turn)
        else:
            self._counters.timeouts += 1
            self._owed.missed(request, now_s)
            turn.missed(now_s)
            self._note_silence(turn)
        self._tally()

    def _let_pass(self, port: BytePort, request: bytes, instrument: Instrument) -> None:
        """Wait as long as an answer may take, and throw away what comes: it is an old one."""
        end_s = self._clock.monotonic_s() + self._timeout_s(request, instrument)
        while (left_s := end_s - self._clock.monotonic_s()) > 0 and not self._stopping.is_set():
            self._counters.discarded_bytes += len(port.read(left_s))

    def _timeout_s(self, request: bytes, instrument: Instrument) -> float:
        thinks_s = max(self._plan.entry.latency_ms / 1000, instrument.driver.facts.answer_s)
        return reply_timeout_s(request, self._plan.baud, thinks_s)

    def _await_answer(
        self, port: BytePort, instrument: Instrument, request: bytes
    ) -> tuple[list[Frame], bytes]:
        """Return the frames that came, and all bytes that came, within the time-out."""
        driver = instrument.driver
        refused = driver.counters.exceptions
        end_s = self._clock.monotonic_s() + self._timeout_s(request, instrument)
        raw = b""
        while (left_s := end_s - self._clock.monotonic_s()) > 0 and not self._stopping.is_set():
            data = port.read(left_s)
            raw += data
            frames = driver.feed(data)
            if frames:
                self._deliver(instrument, frames)
                return frames, raw
            if driver.counters.exceptions > refused:
                return [], raw
        frames = driver.flush()
        self._deliver(instrument, frames)
        return frames, raw

    def _deliver(self, instrument: Instrument, frames: list[Frame]) -> None:
        if self._stopping.is_set():
            return
        for frame in frames:
            self._sink.frame(instrument, frame)

    def _tally(self) -> None:
        """Move what the drivers have counted to the port's counters."""
        total = self._counters.frames
        for instrument in self._instruments:
            seen = instrument.driver.counters
            for name in _COUNTER_NAMES:
                value = getattr(seen, name)
                if value:
                    setattr(total, name, getattr(total, name) + value)
                    setattr(seen, name, 0)
            if seen.last_error:
                total.last_error = seen.last_error

    def _note_loss(self, error: PortLostError) -> None:
        self._counters.losses += 1
        # Said once for each distinct trouble: a missing adapter must not fill the log.
        if str(error) != self._counters.last_error:
            LOG.warning("%s; trying again", error)
        self._counters.last_error = str(error)

    def _note_silence(self, turn: Turn) -> None:
        if turn.misses == _SAY_AFTER_MISSES:
            LOG.warning("port %s: %s does not answer", self._plan.entry.id, turn.instrument.name)

    def _note_refusal(self, turn: Turn) -> None:
        if turn.refusals == 1:
            said = turn.instrument.driver.counters.last_error
            LOG.warning("port %s: %s: %s", self._plan.entry.id, turn.instrument.name, said)

    def _wait_for_port(self) -> None:
        """Pause, but not longer than until the device file comes back."""
        end_s = self._clock.monotonic_s() + self._backoff.pause_s()
        was_present = is_present(self._plan.entry.path)
        while (left_s := end_s - self._clock.monotonic_s()) > 0:
            self._beat()
            if self._stopping.wait(min(left_s, _LOOK_S)):
                return
            present = is_present(self._plan.entry.path)
            if present and not was_present:
                return
            was_present = present

    def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _beat(self) -> None:
        self.beat_s = self._clock.monotonic_s()


_SAY_AFTER_MISSES = 3
_COUNTER_NAMES = tuple(entry.name for entry in fields(FrameCounters) if entry.name != "last_error")


def may_retry(request: bytes, raw: bytes) -> bool:
    """Tell whether asking again may help, from the exception in *raw* that answers *request*.

    >>> may_retry(bytes.fromhex("010300040001c5cb"), bytes.fromhex("018302c0f1"))
    False
    """
    at = raw.find(bytes((request[0], request[1] | 0x80)))
    if at < 0 or len(raw) < at + 3:
        return True
    facts = EXCEPTIONS.get(raw[at + 2])
    return facts is None or facts.retry
