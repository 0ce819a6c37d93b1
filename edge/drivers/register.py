"""One register of a Modbus device: content to measurement, and back for the simulator."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Literal

import msgspec

from core.quality import Quality, Reason
from core.quantity import FACTS, Quantity, UnknownUnitError, factor_to_canonical
from edge.drivers.base import Field, Measurement, Value
from edge.drivers.modbus_device import NoValueError
from edge.drivers.stream import bad, beyond, number
from edge.modbus import Function, WordOrder, arrange

# struct codes by the name of a register type, big-endian.
_CODES = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "f32": ">f"}
_BITS = (Function.READ_COILS, Function.READ_DISCRETE_INPUTS)
# A 32-bit float carries seven decimal digits; what follows them is not the device's.
_FLOAT_DIGITS = 7
# A 32-bit float that is not 0 and below its smallest normal number is no measurement: it is what a
# number with few digits, as 0.25, becomes where the words are in another order.
_LEAST_FLOAT = 2.0**-126
# Scaled values are rounded to this many decimals, so that 214 x 0.1 is 21.4.
_DECIMALS = 9
# Units that FACTS can't convert and `selection` can.
_KNOWN_UNITS = frozenset({"", "1", "bool", "count", "%/ft", "%/m"})


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value of a device's table.

    Attributes:
        name, unit, quantity: As in the measurement.
        function: Function code of the read, 1 to 4.
        register: First register (or the bit, for functions 1 and 2), as on the wire.
        type: u16, s16, u32, s32, f32, or bool (any bit of `mask`; a bit of functions 1 and 2).
        word_order: How a 32-bit content stands in its two registers.
        scale, offset: Value = content x scale + offset.
        mask: Which bits of a whole 16-bit content count.
        invert: True where 0 means true (bool).
        low, high: Believable range in `unit`, both included.
        saturates: Above `high` is the danger: "at least `high`" instead of no value.
        sentinels: Contents that are no number, and why: `{ "0xFFFF" = "device-fault" }`.
        spoils: The reason that all other values get where this bool is true (a fault or a test
            register). Of a test their numbers stay visible, of a fault they don't.
        spared: Names of the values that `spoils` leaves alone.
        idle: What a simulated device holds when nothing happens.
    """

    name: str
    register: int
    quantity: Quantity | None = None
    unit: str = "1"
    function: int = Function.READ_HOLDING_REGISTERS
    type: Literal["u16", "s16", "u32", "s32", "f32", "bool"] = "u16"
    word_order: WordOrder = WordOrder.ABCD
    scale: float = 1.0
    offset: float = 0.0
    mask: int = 0xFFFF
    invert: bool = False
    low: float = -math.inf
    high: float = math.inf
    saturates: bool = False
    sentinels: dict[str, Reason] = {}
    spoils: Literal["", "device-fault", "test"] = ""
    spared: tuple[str, ...] = ()
    idle: float = 0.0

    @property
    def words(self) -> int:
        """How many registers (or bits) the value takes."""
        return 2 if self.type in ("u32", "s32", "f32") else 1

    def read(self, data: bytes) -> Measurement:
        """Return the value that *data*, its own registers, holds."""
        content = int.from_bytes(data, "big") & (self.mask if len(data) == 2 else -1)
        if self.type == "bool":
            return Measurement(self.name, self.quantity, bool(content) != self.invert, self.unit)
        if len(data) == 4:
            content = int.from_bytes(arrange(data, self.word_order), "big")
        for sentinel, reason in self.sentinels.items():
            if content == int(sentinel, 0):
                return bad(self.name, self.quantity, self.unit, reason)
        raw = content.to_bytes(len(data), "big")
        value: float = struct.unpack(_CODES[self.type], raw)[0]
        if not math.isfinite(value):
            return bad(self.name, self.quantity, self.unit, Reason.DEVICE_FAULT)
        if self.type == "f32" and 0 < abs(value) < _LEAST_FLOAT:
            return bad(self.name, self.quantity, self.unit, Reason.CONFIGURATION)
        return self._judged(self._scaled(value))

    def _scaled(self, content: float) -> float:
        if self.type == "f32" and content:
            content = round(content, _FLOAT_DIGITS - 1 - math.floor(math.log10(abs(content))))
        if self.scale == 1 and not self.offset:
            return content
        return round(content * self.scale + self.offset, _DECIMALS)

    def _judged(self, value: float) -> Measurement:
        if not math.isfinite(value):  # a scale that leaves what a number can hold
            return bad(self.name, self.quantity, self.unit, Reason.RANGE)
        if self.low <= value <= self.high:
            return Measurement(self.name, self.quantity, value, self.unit)
        if value > self.high and self.saturates:
            return beyond(self.name, self.quantity, self.unit, self.high)
        return bad(self.name, self.quantity, self.unit, Reason.RANGE)

    def write(self, driver: str, value: Value) -> dict[int, int]:
        """Return the registers that hold a value, clamped to what they can hold.

        Raises:
            NoValueError: It is None, and no content says so.
        """
        if self.type == "bool":
            if value is None:
                raise NoValueError
            wanted = bool(value) != self.invert
            content = self.mask & -self.mask if wanted else 0
            return {self.register: int(wanted) if self.function in _BITS else content}
        raw = struct.pack(_CODES[self.type], self._content(driver, value))
        if self.words == 1:
            return {self.register: int.from_bytes(raw, "big")}
        high_word, low_word = struct.unpack(">HH", arrange(raw, self.word_order))
        return {self.register: high_word, self.register + 1: low_word}

    def _content(self, driver: str, value: Value) -> float:
        """Return the content of a value; a sentinel or NaN for None where there is one."""
        if value is None:
            if self.type == "f32":
                return math.nan
            if not self.sentinels:
                raise NoValueError
            raw = int(next(iter(self.sentinels)), 0).to_bytes(2 * self.words, "big")
            return int(struct.unpack(_CODES[self.type], raw)[0])
        content = (number(driver, self.name, value) - self.offset) / self.scale
        if self.type == "f32":
            return content if abs(content) >= _LEAST_FLOAT else 0.0
        low, high = self._limits
        return round(max(low, min(high, content)))

    @property
    def _limits(self) -> tuple[int, int]:
        bits = 16 * self.words
        low = -(1 << (bits - 1)) if self.type.startswith("s") else 0
        return low, low + (1 << bits) - 1

    @property
    def field(self) -> Field:
        """The same for people, the simulator and tests."""
        low, high, step = self.low, self.high, abs(self.scale)
        if self.type in ("f32", "bool"):
            step = 1.0 if self.type == "bool" else 0.0
            low, high = (0.0, 1.0) if self.type == "bool" else (low, high)
        else:
            ends = sorted(end * self.scale + self.offset for end in self._limits)
            low, high = max(low, ends[0]), min(high, ends[1])
        return Field(self.name, self.unit, self.quantity, low, high, step, self.idle)

    def problems(self) -> list[str]:
        """Return what is wrong with the entry, in words."""
        where = f"value {self.name!r}"
        rules = (
            (bool(self.name), "name: expected a word"),
            (self.function in (1, 2, 3, 4), f"function {self.function}: expected 1 to 4"),
            (
                0 <= self.register <= 0x10000 - self.words,
                f"register {self.register}: expected 0 to 65535",
            ),
            (
                self.function > 2 or self.type == "bool",
                f"type {self.type}: functions 1 and 2 read bits; expected bool",
            ),
            (
                math.isfinite(self.scale) and self.scale != 0,
                f"scale {self.scale}: expected a number other than 0",
            ),
            (math.isfinite(self.offset), f"offset {self.offset}: expected a number"),
            (0 < self.mask <= 0xFFFF, f"mask {self.mask}: expected 1 to 65535"),
            (self.low < self.high, f"low {self.low} and high {self.high}: expected low below high"),
            (
                not self.saturates or math.isfinite(self.high),
                "saturates: expected a high, the end of the range",
            ),
            (not self.spoils or self.type == "bool", f"spoils: expected a bool, not {self.type}"),
            (self._unit_fits(), f"unit {self.unit!r}: can't become a {self.quantity}"),
        )
        found = [f"{where}: {why}" for holds, why in rules if not holds]
        return found + [
            f"{where}: sentinel {sentinel!r}: expected a content like 0xFFFF"
            for sentinel in self.sentinels
            if not _is_content(sentinel, self.words)
        ]

    def _unit_fits(self) -> bool:
        if self.quantity is None or self.unit in _KNOWN_UNITS:
            return True
        try:
            factor_to_canonical(self.quantity, self.unit)
        except UnknownUnitError:
            return self.unit == FACTS[self.quantity].unit
        return True


def _is_content(text: str, words: int) -> bool:
    try:
        return 0 <= int(text, 0) < 1 << (16 * words)
    except ValueError:
        return False


def spoil(measurement: Measurement, reason: Reason, *, keep: bool = False) -> Measurement:
    """Return a measurement that another value of the same device makes worthless."""
    value = measurement.value if keep else None
    return bad(measurement.name, measurement.quantity, measurement.unit, reason, value)


def spoiled(
    measurements: tuple[Measurement, ...], active: Iterable[Register]
) -> tuple[Measurement, ...]:
    """Return the values of a device with what its active fault and test registers say of them.

    Its other states (bools without a quantity) stay visible, as evidence. A set alarm bit is never
    overruled by a fault: it raises, but it does not clear.
    """
    rows = sorted(active, key=lambda row: row.spoils)  # a fault comes before a test
    spared = {row.name for row in rows}
    return tuple(
        next(
            (
                _touched(one, row)
                for row in rows
                if one.name not in spared and one.name not in row.spared
            ),
            one,
        )
        for one in measurements
    )


def _touched(measurement: Measurement, row: Register) -> Measurement:
    reason = Reason(row.spoils)
    alarm = measurement.quantity is Quantity.ALARM_INPUT and measurement.value is True
    if alarm and reason is Reason.DEVICE_FAULT:
        return msgspec.structs.replace(measurement, quality=Quality.UNCERTAIN, reasons=(reason,))
    keep = reason is Reason.TEST or measurement.quantity is None
    return spoil(measurement, reason, keep=keep)
