"""Modbus devices that are a table: which register holds what, in which unit, over which range.

A device of this kind is a profile and one line in the registry; see `sonbest_sm7571b.py`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import Field, Measurement, Option, Value
from edge.drivers.modbus_device import Memory, ModbusDriver, NoValueError
from edge.drivers.stream import bad, beyond, check_names, number
from edge.modbus import Function, Reply, Request, WordOrder, arrange
from edge.modbus_reader import Shapes

# struct codes by the name of a register type, big-endian.
_CODES = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "f32": ">f"}


@dataclass(frozen=True, slots=True)
class Register:
    """One value of a register table.

    Attributes:
        name, unit, quantity: As in the measurement.
        offset: First register of the value, counted from the first register of the block.
        kind: u16, s16, u32, s32, f32 or bool (one register, 0 or not).
        divisor: Value = content / divisor.
        low, high: Believable range in `unit`, both included.
        saturates: Above `high` is the danger: "at least `high`" instead of no value.
        idle: What a simulated device holds when nothing happens.
    """

    name: str
    unit: str
    quantity: Quantity | None
    offset: int = 0
    kind: str = "u16"
    divisor: int = 1
    low: float = -math.inf
    high: float = math.inf
    saturates: bool = False
    idle: float = 0.0

    @property
    def words(self) -> int:
        """How many registers the value takes."""
        return 2 if self.kind in ("u32", "s32", "f32") else 1

    def read(self, data: bytes, order: WordOrder) -> Measurement:
        """Return the value that stands in the data bytes of a block."""
        raw = data[2 * self.offset : 2 * (self.offset + self.words)]
        if self.kind == "bool":
            return Measurement(self.name, self.quantity, any(raw), self.unit)
        ordered = arrange(raw, order) if self.words == 2 else raw
        content = struct.unpack(_CODES[self.kind], ordered)[0]
        if not math.isfinite(content):
            return bad(self.name, self.quantity, self.unit, Reason.DEVICE_FAULT)
        value = content if self.divisor == 1 else content / self.divisor
        if self.low <= value <= self.high:
            return Measurement(self.name, self.quantity, value, self.unit)
        if value > self.high and self.saturates:
            return beyond(self.name, self.quantity, self.unit, self.high)
        return bad(self.name, self.quantity, self.unit, Reason.RANGE)

    def write(self, driver: str, value: Value, order: WordOrder) -> dict[int, int]:
        """Return the registers (by offset) that hold a value, clamped to what they can hold."""
        if self.kind == "bool":
            return {self.offset: int(bool(value))}
        raw = struct.pack(_CODES[self.kind], self._content(driver, value))
        if self.words == 1:
            return {self.offset: int.from_bytes(raw, "big")}
        high_word, low_word = struct.unpack(">HH", arrange(raw, order))
        return {self.offset: high_word, self.offset + 1: low_word}

    def _content(self, driver: str, value: Value) -> float:
        """Return what the registers hold for a value; NaN for None where they can."""
        if value is None:
            if self.kind == "f32":
                return math.nan
            raise NoValueError
        content = number(driver, self.name, value) * self.divisor
        if self.kind == "f32":
            return content
        bits = 16 * self.words
        low = -(1 << (bits - 1)) if self.kind.startswith("s") else 0
        return round(max(low, min(low + (1 << bits) - 1, content)))

    @property
    def field(self) -> Field:
        """The same for people, the simulator and tests."""
        return Field(
            self.name, self.unit, self.quantity, self.low, self.high, 1 / self.divisor, self.idle
        )


class RegisterDriver(ModbusDriver):
    """A device that is fully described by a table of registers.

    Attributes:
        FUNCTION: Function code of the read.
        REGISTER: First register of the block, as on the wire.
        TABLE: Its values.
    """

    FUNCTION: ClassVar[int] = Function.READ_HOLDING_REGISTERS
    REGISTER: ClassVar[int] = 0
    TABLE: ClassVar[tuple[Register, ...]]
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "function": Option(0, "function code of the read; 0 = as the device's sheet says", 0, 4),
        "register": Option(-1, "first register on the wire; -1 = as the sheet says", -1, 0xFFFF),
        "word_order": Option(
            "ABCD", "order of the bytes of a 32-bit value", choices=tuple(WordOrder)
        ),
    }

    __slots__ = ()

    @property
    def order(self) -> WordOrder:
        """How 32-bit values stand in two registers."""
        return WordOrder(self.settings.text("word_order"))

    def block(self) -> Request:
        """Return the one block that holds the whole table."""
        register = self.settings.whole("register")
        return Request(
            self.address,
            self.settings.whole("function") or self.FUNCTION,
            self.REGISTER if register < 0 else register,
            max(row.offset + row.words for row in self.TABLE),
        )

    def shapes(self) -> Shapes:
        """Return the one reply of the device."""
        block = self.block()
        return {block.function: frozenset({block.byte_count})}

    def measure(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        """Return every value of the table."""
        del asked
        order = self.order
        return self.review(tuple(row.read(reply.data, order) for row in self.TABLE))

    def review(self, measurements: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
        """Judge values by each other (fault bits, status words); as they are for most devices."""
        return measurements

    def memory(self, function: int, values: Mapping[str, Value]) -> Memory | None:
        """Return the registers of the table."""
        check_names(self.FACTS.name, values, tuple(row.name for row in self.TABLE))
        block = self.block()
        if function != block.function:
            return None
        memory: dict[int, int] = {}
        for row in self.TABLE:
            content = row.write(self.FACTS.name, values.get(row.name, row.idle), self.order)
            memory |= {block.register + offset: word for offset, word in content.items()}
        return memory


def spoil(measurement: Measurement, reason: Reason, *, keep: bool = False) -> Measurement:
    """Return a measurement that another value of the same frame makes worthless."""
    return Measurement(
        measurement.name,
        measurement.quantity,
        measurement.value if keep else None,
        measurement.unit,
        Quality.BAD,
        (reason,),
    )
