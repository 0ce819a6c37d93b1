"""What all drivers of binary serial devices share: a framer, a decoder, counters.

A subclass names its header, its length and its check, and turns one accepted frame into
measurements. Nothing else is left to it.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import (
    Driver,
    DriverError,
    DriverFacts,
    Field,
    Frame,
    FrameCounters,
    Measurement,
    Mode,
    Option,
    Options,
    Value,
)
from edge.drivers.options import Settings, read_options
from edge.framing import NOT_A_FRAME, BinaryFramer, Find, Rejection

_POLLED = {
    "polled": Option(False, "the device was set to speak only when asked: send its read command")
}


class StreamDriver(Driver):
    """A device whose frames have a header, a length and mostly a checksum.

    Attributes:
        FACTS: What is known of the device.
        HEADERS: First bytes of a frame; several where the device has several kinds of frames.
        SIZE: Whole length of a frame in bytes; 0 where `size` must read it from the frame.
        READ: Command that asks for one reading, for devices that speak by themselves but can be
            set to wait for it; the option `polled` sends it. Setting the device is for people.
        READ_ADDRESS: The address that `READ` names, as the device is shipped; 0 for none.
    """

    FACTS: ClassVar[DriverFacts]
    HEADERS: ClassVar[tuple[bytes, ...]]
    SIZE: ClassVar[int] = 0
    READ: ClassVar[bytes] = b""
    READ_ADDRESS: ClassVar[int] = 0

    __slots__ = ("_framer", "settings")

    settings: Settings

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options or {})
        known = {**self.OPTIONS, **(_POLLED if self.READ else {})}
        self.settings = read_options(self.FACTS.name, known, self.options)
        self._framer = BinaryFramer(
            self.HEADERS[0] if len(self.HEADERS) == 1 else _finder(self.HEADERS),
            self.SIZE or self.size,
            self.judge,
            self.counters,
            lead=max(map(len, self.HEADERS)),
        )

    @property
    def facts(self) -> DriverFacts:
        """What is known of the device; it is asked where the options say so."""
        return replace(self.FACTS, mode=Mode.POLL) if self._polled else self.FACTS

    @property
    def _polled(self) -> bool:
        return bool(self.READ) and self.settings.flag("polled")

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return self._framer.pending

    def size(self, buffer: bytearray, at: int) -> int:
        """Return the whole length of the frame at a position, for devices without a fixed one.

        `edge.framing.UNKNOWN_YET` where more bytes are needed, `NOT_A_FRAME` to go on searching.
        """
        del buffer, at
        return NOT_A_FRAME

    @abstractmethod
    def judge(self, raw: bytes) -> Rejection | None:
        """Return why *raw* is not a frame of the device, or None if it is one."""

    @abstractmethod
    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return what one accepted frame says; empty for acknowledgements."""

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece of the stream; return the frames that it completes."""
        return [self._frame(raw) for raw in self._framer.feed(data)]

    def flush(self) -> list[Frame]:
        """Give up on a partial frame; return complete ones that stand behind its start."""
        return [self._frame(raw) for raw in self._framer.flush()]

    def reset(self) -> None:
        """Forget a partial frame."""
        self._framer.reset()

    def request(self) -> bytes:
        """Return the read command where the device waits for it."""
        return self.READ if self._polled else b""

    def respond(self, request: bytes, values: Mapping[str, Value]) -> bytes:
        """Answer the read command where the device waits for it; silent to anything else."""
        return self.answer(values) if self._polled and request == self.READ else b""

    def answer(self, values: Mapping[str, Value]) -> bytes:
        """Return the frame that answers the read command; the usual one for most devices."""
        return self.encode(values)

    def _frame(self, raw: bytes) -> Frame:
        measurements = self.decode(raw)
        self.counters.good += 1
        count_faults(self.counters, measurements)
        return Frame(measurements, raw)


def _finder(headers: tuple[bytes, ...]) -> Find:
    """Return a function that finds the next of several headers."""
    pattern = re.compile(b"|".join(map(re.escape, headers)))

    def find(buffer: bytearray, at: int) -> int:
        found = pattern.search(buffer, at)
        return -1 if found is None else found.start()

    return find


def count_faults(counters: FrameCounters, measurements: tuple[Measurement, ...]) -> None:
    """Count a frame in which the device reports its own fault."""
    for measurement in measurements:
        if measurement.reasons and Reason.DEVICE_FAULT in measurement.reasons:
            counters.faults += 1
            return


def bad(
    name: str, quantity: Quantity | None, unit: str, reason: Reason, value: Value = None
) -> Measurement:
    """Return a measurement that is none, with its reason."""
    return Measurement(name, quantity, value, unit, Quality.BAD, (reason,))


def uncertain(
    name: str, quantity: Quantity | None, unit: str, reason: Reason, value: Value
) -> Measurement:
    """Return a measurement that must not be trusted to be low."""
    return Measurement(name, quantity, value, unit, Quality.UNCERTAIN, (reason,))


def beyond(
    name: str,
    quantity: Quantity | None,
    unit: str,
    limit: float,
    reason: Reason = Reason.SATURATED,
    value: Value = None,
) -> Measurement:
    """Return "at least this bad": outside of the device's range in the danger direction."""
    return Measurement(name, quantity, value, unit, Quality.UNCERTAIN, (reason,), limit)


def doubted(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Return what one frame says together; beside an impossible number nothing stays good.

    For frames without a checksum: what is impossible shows that they were damaged.
    """
    if all(one.quality is Quality.GOOD for one in measurements):
        return tuple(measurements)
    return tuple(
        uncertain(one.name, one.quantity, one.unit, Reason.RANGE, one.value)
        if one.quality is Quality.GOOD
        else one
        for one in measurements
    )


def unordered(masses: Sequence[float]) -> frozenset[int]:
    """Return the positions of masses that contradict "finer particles are part of coarser ones".

    Args:
        masses: From the finest to the coarsest class, as PM1, PM2.5, PM10.

    >>> sorted(unordered([5, 90, 20]))
    [1, 2]
    """
    odd = set()
    for finer, (low, high) in enumerate(pairwise(masses)):
        if low > high:
            odd |= {finer, finer + 1}
    return frozenset(odd)


def filled_masses(
    driver: str, values: Mapping[str, Value], fields: Sequence[Field]
) -> list[float] | None:
    """Return what a simulated particle sensor says, from the finest class to the coarsest.

    Classes that are not given keep their usual ratio to those that are, and never contradict them.
    None where a value is None.
    """
    given: list[float | None] = []
    for field in fields:
        value = values.get(field.name)
        if value is None and field.name in values:
            return None
        given.append(None if value is None else number(driver, field.name, value))
    known = [
        (value, field.idle) for value, field in zip(given, fields, strict=True) if value is not None
    ]
    ratio = known[0][0] / known[0][1] if known else 1.0
    filled = []
    for at, (value, field) in enumerate(zip(given, fields, strict=True)):
        least = max((one for one in given[:at] if one is not None), default=0.0)
        most = min((one for one in given[at:] if one is not None), default=float("inf"))
        usual = max(least, min(most, field.idle * ratio))
        filled.append(usual if value is None else value)
    return filled


def mass(field: Field, value: float, *, odd: bool, broken: bool = False) -> Measurement:
    """Return a particle mass with what speaks against it; above the range the number is kept."""
    if value < 0:
        return bad(field.name, field.quantity, field.unit, Reason.RANGE)
    reasons: tuple[Reason, ...] = (Reason.DEVICE_FAULT,) if broken else ()
    reasons += (Reason.SATURATED,) if value > field.high else ()
    reasons += (Reason.IMPLAUSIBLE_PAIR,) if odd else ()
    quality = Quality.UNCERTAIN if reasons else Quality.GOOD
    return Measurement(field.name, field.quantity, value, field.unit, quality, reasons)


# From the finest to the coarsest class of particles.
_DUST = (Quantity.PM1, Quantity.PM2_5, Quantity.PM10)


def paired(measurements: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
    """Return measurements with dust that contradicts itself (PM2.5 above PM10) marked uncertain.

    For devices whose values are free to choose: bridges and register profiles.
    """
    dust = [
        (one.value, at)
        for quantity in _DUST
        for at, one in enumerate(measurements)
        if one.quantity is quantity
        and one.quality is Quality.GOOD
        and isinstance(one.value, int | float)
    ]
    if len({measurements[at].unit for _, at in dust}) != 1:
        return measurements
    odd = {dust[place][1] for place in unordered([value for value, _ in dust])}
    if not odd:
        return measurements
    return tuple(
        uncertain(one.name, one.quantity, one.unit, Reason.IMPLAUSIBLE_PAIR, one.value)
        if at in odd
        else one
        for at, one in enumerate(measurements)
    )


def check_names(driver: str, values: Mapping[str, Value], known: tuple[str, ...]) -> None:
    """Refuse values that the device does not have.

    Raises:
        DriverError: With the names that it has.
    """
    for name in values:
        if name not in known:
            raise DriverError(
                f"driver {driver}: sends no {name!r}; expected one of {', '.join(known)}"
            )


def number(driver: str, name: str, value: Value) -> float:
    """Return a value as a number.

    Raises:
        DriverError: It is none.
    """
    if isinstance(value, int | float):
        return float(value)
    raise DriverError(f"driver {driver}: {name} = {value!r}: expected a number")


def counts(driver: str, values: Mapping[str, Value], field: Field, most: int) -> int | None:
    """Return how many wire counts a value is, clamped to 0 to *most*; None where it is None.

    A name that is missing gets the field's idle value.
    """
    value = values.get(field.name, field.idle)
    if value is None:
        return None
    scaled = number(driver, field.name, value) / field.step
    return max(0, min(most, round(max(-1e9, min(1e9, scaled)))))


def twos_complement(data: bytes) -> int:
    """Return the 8-bit two's complement of the sum (Winsen frames: over bytes 1 to 7).

    >>> hex(twos_complement(bytes.fromhex("04 03 01 00 25 13 88")))
    '0x38'
    """
    return -sum(data) & 0xFF
