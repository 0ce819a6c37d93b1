"""What all Modbus RTU drivers share: asking, finding the reply, answering as a slave would.

A subclass says what it asks (`block`), what the data bytes mean (`measure`) and what its registers
or bits hold (`memory`, for the simulator). A driver that has not asked yet listens: it takes any
reply of the shapes that it understands, from any address.
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from edge.drivers.base import (
    Driver,
    DriverFacts,
    Frame,
    Measurement,
    Options,
    Value,
)
from edge.drivers.options import Settings, read_options
from edge.drivers.stream import count_faults
from edge.modbus import (
    EXCEPTIONS,
    READS,
    Function,
    ModbusError,
    Reply,
    Request,
    exception_frame,
    pack_bits,
    parse_request,
    reply_frame,
)
from edge.modbus_reader import ReplyReader, Shapes

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _DEVICE_FAILURE = 1, 2, 3, 4
_BROADCAST = 0
_BIT_READS = (Function.READ_COILS, Function.READ_DISCRETE_INPUTS)


class NoValueError(Exception):
    """A simulated device was told to have no value: it answers "device failure" (exception 4)."""


# What a simulated slave holds: register or bit number -> content.
Memory = Mapping[int, int]


class ModbusDriver(Driver):
    """A slave on an RS-485 bus.

    Attributes:
        FACTS: What is known of the device.
    """

    FACTS: ClassVar[DriverFacts]

    __slots__ = ("_asked", "_reader", "settings")

    settings: Settings
    _asked: Request | None

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options or {})
        self.settings = read_options(self.FACTS.name, self.OPTIONS, self.options)
        self._asked = None
        self.prepare()
        self._reader = ReplyReader(self.counters, self.shapes())

    @property
    def facts(self) -> DriverFacts:
        """What is known of the device."""
        return self.FACTS

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return self._reader.pending

    @property
    def address(self) -> int:
        """The slave's address."""
        return self.settings.whole("address")

    def prepare(self) -> None:
        """Make ready what `shapes` needs, from the settings; nothing to do for most devices."""

    @abstractmethod
    def block(self) -> Request:
        """Return what to ask next."""

    @abstractmethod
    def shapes(self) -> Shapes:
        """Return the replies that make sense without a request: function -> data byte counts."""

    @abstractmethod
    def measure(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        """Return what the data bytes of a good reply say; *asked* is None for a bare reply."""

    @abstractmethod
    def memory(self, function: int, values: Mapping[str, Value]) -> Memory | None:
        """Return what the device holds for a function, or None where it does not know it.

        Raises:
            DriverError: A name that the device does not have.
            NoValueError: A value is None and the device has no content that says so.
        """

    def refused(self, reply: Reply) -> None:
        """Take note of an exception reply; nothing to do for most devices."""

    def request(self) -> bytes:
        """Return the request for one reading."""
        self._asked = self.block()
        return self._reader.expect(self._asked)

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece of the line; return the reply if it is complete."""
        return self._frames(self._reader.feed(data))

    def flush(self) -> list[Frame]:
        """Give up on a partial reply; return a complete one that stands behind its start."""
        return self._frames(self._reader.flush())

    def reset(self) -> None:
        """Forget partial bytes. The last request stays asked: a slow device may still answer."""
        self._reader.reset()

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the reply to the driver's usual request; for None the "device failure"."""
        return self.reply_to(self.usual_block(), values)

    def usual_block(self) -> Request:
        """Return what is asked most of the time."""
        return self.block()

    def respond(self, request: bytes, values: Mapping[str, Value]) -> bytes:
        """Answer as the slave would: a reply, an exception, or silence for other addresses."""
        parsed = parse_request(request)
        if parsed is None:
            return b""
        address, function, register, count = parsed
        if address != self.address or address == _BROADCAST:
            return b""
        if function not in READS:
            return exception_frame(address, function, _ILLEGAL_FUNCTION)
        try:
            block = Request(address, function, register, count)
        except ModbusError:
            return exception_frame(address, function, _ILLEGAL_VALUE)
        return self.reply_to(block, values)

    def reply_to(self, block: Request, values: Mapping[str, Value]) -> bytes:
        """Return the reply or the refusal of a device that holds *values*."""
        try:
            memory = self.memory(block.function, values)
        except NoValueError:
            return exception_frame(block.address, block.function, _DEVICE_FAILURE)
        if memory is None:
            return exception_frame(block.address, block.function, _ILLEGAL_FUNCTION)
        wanted = range(block.register, block.register + block.count)
        if any(register not in memory for register in wanted):
            return exception_frame(block.address, block.function, _ILLEGAL_ADDRESS)
        words = [memory[register] for register in wanted]
        if block.function in _BIT_READS:
            return reply_frame(block, pack_bits([bool(word) for word in words]))
        return reply_frame(block, struct.pack(f">{len(words)}H", *words))

    def _frames(self, replies: list[Reply]) -> list[Frame]:
        frames = []
        for reply in replies:
            if reply.exception:
                self._refuse(reply)
                continue
            measurements = self.measure(reply, self._asked)
            self.counters.good += 1
            count_faults(self.counters, measurements)
            frames.append(Frame(measurements, reply.raw))
        return frames

    def _refuse(self, reply: Reply) -> None:
        facts = EXCEPTIONS.get(reply.exception)
        meaning = facts.meaning if facts else "not in the standard; see the device's manual"
        self.counters.exceptions += 1
        self.counters.last_error = (
            f"slave {reply.address} refused function {reply.function}: exception "
            f"{reply.exception}, {meaning}"
        )
        self.refused(reply)
