"""`safety-eye probe PORT`: which of the known devices is this?

```
listen at each usual baud rate ─ something heard ─▶ which driver explains it?     (nothing is sent)
          └─ silence ─▶ harmless reads at each baud rate ─▶ who answers, and does it make sense?
```

Nothing is ever written that could change a device: the commands below ask for a reading, and Modbus
requests are the four read functions (`edge.modbus.Request` refuses any other). Where traffic is
heard nothing is sent at all: somebody else is the master of that line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.clock import Clock
from edge.bus import reply_timeout_s, silence_s
from edge.configuration import PortEntry
from edge.drivers import DRIVERS, make_driver
from edge.drivers.base import Driver, Frame, Mode
from edge.drivers.modbus_device import ModbusDriver
from edge.drivers.sensirion_sps30 import READ_REQUEST as SPS30_READ_REQUEST
from edge.drivers.stream import StreamDriver
from edge.drivers.winsen_mhz19b import READ_REQUEST
from edge.modbus import Function, Request
from edge.port_worker import OpenPort
from edge.ports import BytePort, open_serial
from edge.recognition import (
    Candidate,
    Confidence,
    is_sensible,
    modbus_replies,
    recognise,
    streaming_drivers,
)

# What to listen at: the usual rates of devices that speak by themselves, the commonest first, and
# two to which such devices are sometimes set.
LISTEN_BAUDS = (9600, 115200, 256000, 4800, 19200)
# Modbus slaves are asked at these (hardware notes, section 0 and 2.4), TTL devices at their own.
MODBUS_BAUDS = (9600, 4800, 19200, 115200)
# Factory addresses: 1 for most, 250 (SONBEST), 254 (Senseair), 255 (novabo); and the first ones
# that an installer gives.
ADDRESSES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 250, 254, 255)
# The slowest sender that is no mere event counter says something every 2.3 s (Plantower).
LISTEN_S = 3.0
LATENCY_S = 0.15
_MOST_BYTES = 32_768

# Commands that ask for a reading and change nothing: bytes, baud rate, and devices beyond those
# whose driver knows the command. SPS30: its read, never its start.
_OTHERS: tuple[tuple[bytes, int, tuple[str, ...]], ...] = (
    (READ_REQUEST, 9600, ("winsen_mhz19b", "winsen_ze07_co")),
    (SPS30_READ_REQUEST, 115200, ("sensirion_sps30",)),
)


def _reads() -> list[tuple[bytes, int, list[str]]]:
    """Return every harmless read command, its baud rate, and who may answer it."""
    found: dict[tuple[bytes, int], list[str]] = {}
    for command, baud, names in _OTHERS:
        found[command, baud] = list(names)
    for name in streaming_drivers():
        driver = make_driver(name)
        if isinstance(driver, StreamDriver) and driver.READ:
            found.setdefault((driver.READ, driver.facts.baud), []).append(name)
    return [(command, baud, names) for (command, baud), names in found.items()]


# Registers that say who the device is; several of them together are no accident.
_TELLING_REGISTERS = 4


@dataclass(slots=True)
class Report:
    """What a probe has seen.

    Attributes:
        heard: Bytes by baud rate, as far as it was listened.
        candidates: The devices that it may be, the best one first.
        asked: How many harmless reads were sent.
        slaves: Modbus addresses that answered, with their baud rate.
        notes: What else is worth knowing, for people.
    """

    heard: dict[int, bytes] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    asked: int = 0
    slaves: dict[int, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """How to probe.

    Attributes:
        entry: The port.
        bauds: Rates to listen and ask at; empty for all that are usual.
        addresses: Modbus addresses to ask.
        listen_s: Seconds to listen at each rate.
        passive: Only listen.
    """

    entry: PortEntry
    bauds: tuple[int, ...] = ()
    addresses: tuple[int, ...] = ADDRESSES
    listen_s: float = LISTEN_S
    passive: bool = False

    def chosen(self, usual: Sequence[int]) -> tuple[int, ...]:
        """Return the rates that were asked for, else the usual ones."""
        return self.bauds or tuple(usual)


def probe(
    plan: ProbePlan,
    clock: Clock,
    *,
    open_port: OpenPort = open_serial,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Find out what hangs on a port; *say* hears each step as it begins.

    Raises:
        PortLostError: The port can't be opened, or went away.
    """
    report = Report()
    for baud in plan.chosen(LISTEN_BAUDS):
        say(f"listening at {baud} baud for {plan.listen_s:g} s")
        data = _heard(plan, baud, clock, open_port)
        report.heard[baud] = data
        if data and _recognised(report, data, baud):
            return report
    if any(report.heard.values()):
        report.notes += _on_riddles(report.heard)
        return report
    if plan.passive:
        report.notes.append("nothing was heard; without --passive harmless reads would be tried")
        return report
    _ask_all(plan, report, clock, open_port, say)
    if not report.candidates and not report.slaves:
        report.notes.append(
            "silence: check power, then swap A and B (or RX and TX), then ground and termination"
        )
    return report


def _heard(plan: ProbePlan, baud: int, clock: Clock, open_port: OpenPort) -> bytes:
    port = open_port(plan.entry, baud)
    data = bytearray()
    try:
        end_s = clock.monotonic_s() + plan.listen_s
        while (left_s := end_s - clock.monotonic_s()) > 0 and len(data) < _MOST_BYTES:
            data += port.read(left_s)
    finally:
        port.close()
    return bytes(data)


def _recognised(report: Report, data: bytes, baud: int) -> bool:
    """Look for a device in what was heard: first among those with this rate, then among all."""
    replies = modbus_replies(data)
    if replies:
        slaves = sorted({reply.address for reply in replies})
        report.slaves |= dict.fromkeys(slaves, baud)
        report.notes.append(
            f"a Modbus master asks slaves {', '.join(map(str, slaves))} here: nothing was sent"
        )
        return True
    report.candidates = recognise(data, streaming_drivers(baud), baud)
    if not any(one.confidence is not Confidence.POSSIBLE for one in report.candidates):
        others = recognise(data, streaming_drivers(), baud)
        report.candidates = others or report.candidates
    return any(one.confidence is not Confidence.POSSIBLE for one in report.candidates)


def _on_riddles(heard: Mapping[int, bytes]) -> list[str]:
    """Say what bytes look like that no driver explains."""
    notes = []
    for baud, data in heard.items():
        if data:
            begin = data[:24].hex(" ").upper()
            notes.append(f"at {baud} baud {len(data)} bytes that no known device sends: {begin}")
    notes.append(
        "somebody speaks: nothing was sent. Another baud rate, parity, or an unknown device"
    )
    return notes


def _ask_all(
    plan: ProbePlan,
    report: Report,
    clock: Clock,
    open_port: OpenPort,
    say: Callable[[str], None],
) -> None:
    """Send harmless reads until somebody answers."""
    rates = plan.chosen(tuple(dict.fromkeys((*MODBUS_BAUDS, *(baud for _, baud, _ in _reads())))))
    for baud in rates:
        say(f"asking at {baud} baud (reads only)")
        port = open_port(plan.entry, baud)
        try:
            asker = _Asker(port, baud, clock, report)
            for command, usual, names in _reads():
                if usual == baud or plan.bauds:
                    report.candidates += asker.read_of(command, names)
            if report.candidates:
                return
            if baud in MODBUS_BAUDS or plan.bauds:
                for address in plan.addresses:
                    report.candidates += asker.slave(address)
            if report.candidates or report.slaves:
                return
        finally:
            port.close()


class _Asker:
    """Asks on one open port, at one rate."""

    def __init__(self, port: BytePort, baud: int, clock: Clock, report: Report) -> None:
        self._port = port
        self._baud = baud
        self._clock = clock
        self._report = report

    def read_of(self, request: bytes, names: Sequence[str]) -> list[Candidate]:
        """Ask for a reading; return whoever of *names* would answer like this."""
        drivers = [make_driver(name) for name in names]
        thinks_s = max(LATENCY_S, *(driver.facts.answer_s for driver in drivers))
        answer = b"".join(self._answer(request, thinks_s))
        found = []
        for name, driver in zip(names, drivers, strict=True):
            frames = driver.feed(answer) + driver.flush()
            if not driver.counters.good:
                continue
            told = [frame for frame in frames if frame.measurements]
            sensible = any(map(is_sensible, told)) or not told
            found.append(
                Candidate(
                    name,
                    Confidence.LIKELY if sensible else Confidence.POSSIBLE,
                    _why_read(driver),
                    len(frames),
                    sum(len(frame.raw) for frame in frames) / len(answer),
                    frames[-1],
                    self._baud,
                    driver.READ_ADDRESS if isinstance(driver, StreamDriver) else 0,
                )
            )
        found = [one for one in found if one.confidence is Confidence.LIKELY] or found
        if len(found) > 1:
            found = [replace(one, confidence=Confidence.POSSIBLE) for one in found]
        return found

    def slave(self, address: int) -> list[Candidate]:
        """Look for a Modbus slave; return whoever it may be."""
        hello = Request(address, Function.READ_HOLDING_REGISTERS, 0, 1)
        if not _answers(b"".join(self._answer(hello.frame)), hello):
            other = Request(address, Function.READ_DISCRETE_INPUTS, 0, 1)
            if not _answers(b"".join(self._answer(other.frame)), other):
                return []
        self._report.slaves[address] = self._baud
        found = [one for name in _modbus_names() if (one := self._identified(name, address))]
        certain = [one for one in found if one.confidence is Confidence.CERTAIN]
        if certain:
            return certain
        return sorted(found, key=lambda one: one.confidence is Confidence.POSSIBLE)

    def _identified(self, name: str, address: int) -> Candidate | None:
        driver = make_driver(name, {"address": address})
        assert isinstance(driver, ModbusDriver)
        block = driver.block()
        frames = self._asked(driver)
        if not frames or not is_sensible(frames[-1]):
            return None
        confidence, why = Confidence.POSSIBLE, "its register holds a plausible value"
        if block.count >= _TELLING_REGISTERS:
            confidence, why = Confidence.LIKELY, f"{block.count} registers make sense together"
        said = {one.name: one.value for one in frames[-1].measurements}
        if said.get("address") == address and "unit_code" in said:
            confidence, why = Confidence.CERTAIN, "it knows its own address, unit and decimals"
        return Candidate(name, confidence, why, len(frames), 1.0, frames[-1], self._baud, address)

    def _asked(self, driver: Driver) -> list[Frame]:
        for data in self._answer(driver.request()):
            frames = driver.feed(data)
            if frames:
                return [frame for frame in frames if frame.measurements]
        return driver.flush()

    def _answer(self, request: bytes, thinks_s: float = LATENCY_S) -> Iterator[bytes]:
        """Send a request; yield what comes back until the time is over."""
        self._clock_pause()
        self._report.asked += 1
        self._port.write(request)
        end_s = self._clock.monotonic_s() + reply_timeout_s(request, self._baud, thinks_s)
        while (left_s := end_s - self._clock.monotonic_s()) > 0:
            data = self._port.read(left_s)
            if data:
                # The rest of a frame follows at once; silence after it ends the answer.
                end_s = min(end_s, self._clock.monotonic_s() + LATENCY_S)
                yield data

    def _clock_pause(self) -> None:
        """Let the line rest, and throw away what comes late."""
        end_s = self._clock.monotonic_s() + silence_s(self._baud)
        while (left_s := end_s - self._clock.monotonic_s()) > 0:
            self._port.read(left_s)


def _why_read(driver: Driver) -> str:
    if driver.facts.mode is Mode.STREAM and isinstance(driver, StreamDriver):
        address = f", address = {driver.READ_ADDRESS}" if driver.READ_ADDRESS else ""
        return (
            "answers its read command, and says nothing by itself: options = { polled = true }"
            + address
        )
    return "answers its read command"


def _answers(data: bytes, request: Request) -> bool:
    """Tell whether *data* holds the slave's answer or refusal, not only an echo of the request."""
    rest = data.removeprefix(request.frame)
    refusal = bytes((request.address, request.function | 0x80))
    return any(
        reply.address == request.address for reply in modbus_replies(rest)
    ) or rest.startswith(refusal)


def _modbus_names() -> list[str]:
    """Return the known Modbus devices; the driver of any register knows none."""
    return [
        name
        for name in DRIVERS
        if name != "modbus_registers" and isinstance(make_driver(name), ModbusDriver)
    ]
