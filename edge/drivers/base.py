"""The driver seam: bytes become measurements (pure), and values become bytes (for the simulator).

A driver does no I/O and knows no clock. One instance belongs to one sensor on one port. Ports are
byte streams: `feed` takes any piece of a stream, however it was cut.

Adding a driver is one module, one line in `edge/drivers/__init__.py`, one sample; the contract
suite `tests/contracts/test_drivers.py` then runs on it by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

import msgspec

from core.quality import Quality, Reason
from core.quantity import Quantity

Value = float | int | bool | str | list[int] | None
Options = Mapping[str, str | int | float | bool]


class Mode(StrEnum):
    """Who speaks first."""

    STREAM = "stream"  # the sensor sends by itself
    POLL = "poll"  # the host must ask


class Check(StrEnum):
    """How well a frame is protected; weak ones need two agreeing frames before urgent action."""

    STRONG = "strong"  # CRC-16 or a 16-bit sum
    WEAK = "weak"  # 8-bit sum or 8-bit CRC
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be set in a sensor's `options`.

    Attributes:
        default: Value where nothing is given; its type is the type that is expected.
        meaning: For people, with the unit.
        low, high: Bounds of a number, both included.
        choices: The words that are allowed; empty for any.
    """

    default: str | int | float | bool
    meaning: str
    low: float = float("-inf")
    high: float = float("inf")
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One value that the device puts on the wire, with its believable range.

    Attributes:
        name, unit, quantity: As in the measurement.
        low, high: The range in which the driver calls it good, device's unit.
        step: Resolution on the wire, device's unit.
        idle: What the device says when nothing happens.
    """

    name: str
    unit: str
    quantity: Quantity | None
    low: float
    high: float
    step: float
    idle: float


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """What is known of a device.

    Attributes:
        name: Device id (`vectors.json` spells it the same way).
        title: For people.
        mode: Stream or poll.
        baud: Usual baud rate; 8 data bits, no parity, 1 stop bit unless the driver says otherwise.
        check: Protection of a frame.
        warm_up_s: Seconds after power-up in which values are not to be believed.
        interval_s: Usual seconds between frames.
        verified: False where the register map is not confirmed by a document or a capture.
        quantities: What the device can contribute, canonical quantities.
        source: Where the protocol is documented.
        fields: The numbers that it sends; what the simulator may set and tests vary.
        answer_s: How long it measures before it answers, where that is longer than a port's
            `latency_ms` usually allows.
    """

    name: str
    title: str
    mode: Mode
    baud: int
    check: Check
    warm_up_s: float
    interval_s: float
    verified: bool
    quantities: tuple[Quantity, ...]
    source: str
    fields: tuple[Field, ...] = ()
    answer_s: float = 0.0


class Measurement(msgspec.Struct, frozen=True):
    """One named value of a frame, in the device's own words (names and units of `vectors.json`).

    Attributes:
        name: Name of the value (`distance`, `co`, `pm25`, `di3`…).
        quantity: The canonical quantity that it can contribute, or None for diagnostics.
        value: As decoded; None where the frame says that there is none.
        unit: Unit of `value`, spelled as in `vectors.json`.
        quality, reasons: Good unless the frame or the device's range says otherwise.
        at_least: Where the number itself means nothing but "beyond the range in the danger
            direction" does (saturated, blind zone): the limit of the range, in `unit`. It stands
            in for `value` in the reading.
    """

    name: str
    quantity: Quantity | None
    value: Value
    unit: str
    quality: Quality = Quality.GOOD
    reasons: tuple[Reason, ...] = ()
    at_least: float | None = None


class Frame(msgspec.Struct, frozen=True):
    """One accepted frame: its measurements, empty for acknowledgements and hello lines."""

    measurements: tuple[Measurement, ...]
    raw: bytes = b""
    restarted: bool = False  # the device says that it has just started (bridge boot line)


@dataclass(slots=True)
class FrameCounters:
    """What a driver has seen; exported as station health."""

    good: int = 0
    checksum_errors: int = 0
    framing_errors: int = 0
    discarded_bytes: int = 0
    exceptions: int = 0
    faults: int = 0
    missed: int = 0  # frames that the device numbered and that never arrived
    last_error: str = ""


class DriverError(ValueError):
    """A driver can't be configured or asked like this; mend the configuration."""


@dataclass(slots=True)
class Driver(ABC):
    """Base of all drivers.

    Attributes:
        OPTIONS: Every option that the driver knows; unknown ones are refused.
        options: Driver options of the sensor's entry (word order, register, model, address…).
        counters: What it has seen.
    """

    OPTIONS: ClassVar[Mapping[str, Option]] = {}

    options: Options = field(default_factory=dict)
    counters: FrameCounters = field(default_factory=FrameCounters)

    @property
    @abstractmethod
    def facts(self) -> DriverFacts:
        """What is known of the device."""

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their frame; always below 4 KiB."""
        return 0

    @property
    def requests_per_reading(self) -> int:
        """How many requests bring every value of the device once."""
        return 1

    @abstractmethod
    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece of the stream and return the frames that it completes.

        Never raises on any bytes. On a failed check one byte is dropped and the search goes on.
        Buffers are bounded (4 KiB).
        """

    @abstractmethod
    def reset(self) -> None:
        """Forget partial frames (after a reconnect, or an idle gap on the line)."""

    def flush(self) -> list[Frame]:
        """Give up on a partial frame and return the complete ones that stand behind its start.

        For the end of the input and for a line that has been idle for longer than a frame takes.
        """
        self.reset()
        return []

    def request(self) -> bytes:
        """Return what to send for one reading; empty for devices that stream."""
        return b""

    @abstractmethod
    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the bytes the device would send for these values (names as in measurements).

        For the simulator. Missing names get the device's idle value; None becomes the device's own
        way to say "no value" where it has one. A number beyond what the field can hold is clamped
        as the device would.

        Raises:
            DriverError: A name that the device does not have.
        """

    def respond(self, request: bytes, values: Mapping[str, Value]) -> bytes:
        """Return what the device answers to *request*; empty if it is not meant for it.

        For the simulator; devices that stream stay silent.
        """
        del request, values
        return b""
