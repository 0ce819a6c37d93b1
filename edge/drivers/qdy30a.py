"""QDY30A submersible level probe: holding register 4, signed, in a unit that must be read.

Sources: bench capture of sunrise-labs/farmers-iot-toolkit (unit codes 0x11 to 0x15), Home Assistant
community threads 688694, 698712, 739638 (unit codes 0 to 6 of another variant). The overload rule
is this project's: the maker publishes no code for it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Options, Value
from edge.drivers.modbus_device import Memory, ModbusDriver, NoValueError
from edge.drivers.stream import bad, beyond, check_names, number
from edge.modbus import Reply, Request
from edge.modbus_reader import Shapes

_LEVEL_REGISTER = 4
_IDENTITY_WORDS = 7
_IDENTITY_BYTES = 2 * _IDENTITY_WORDS
# Millimetres of water in one of each unit. Pressure: water of 1000 kg/m3, g = 9.80665 m/s2.
_MM_OF = {
    "mm": 1.0,
    "cm": 10.0,
    "m": 1000.0,
    "Pa": 0.101972,
    "kPa": 101.972,
    "MPa": 101972.0,
    "bar": 10197.2,
    "psi": 703.07,
}
_UNIT_CODES = {
    0x11: "cm",
    0x12: "m",
    0x13: "kPa",
    0x14: "bar",
    0x15: "psi",
    1: "cm",
    2: "mm",
    3: "MPa",
    4: "Pa",
    5: "kPa",
}
_CODE_OF = {
    "cm": 0x11,
    "m": 0x12,
    "kPa": 0x13,
    "bar": 0x14,
    "psi": 0x15,
    "mm": 2,
    "MPa": 3,
    "Pa": 4,
}
_MOST_DECIMALS = 4
# Above full scale by this share the number means nothing but "at least full scale".
_OVERLOAD = 1.1
# The zero may be off by 2 % of full scale; five times that below zero is a broken probe.
_LEAST = -0.1
_LEVEL = Field("level", "mm", Quantity.WATER_LEVEL, -1000, 10_000, 1, 0)
_NAMES = ("level", "address", "baud_code", "unit_code", "decimals", "zero", "full_scale")


class _Scale(NamedTuple):
    """How register counts become mm of water."""

    unit: str
    decimals: int

    def mm(self, count: int) -> float:
        value = count * _MM_OF[self.unit] / float(10**self.decimals)
        return int(value) if value.is_integer() else round(value, 4)

    def count(self, mm: float) -> int:
        scaled = mm * float(10**self.decimals) / _MM_OF[self.unit]
        return round(max(-32768.0, min(32767.0, scaled)))


class Qdy30a(ModbusDriver):
    """Depth above the probe in mm; above full scale it is "at least full scale".

    The first request reads registers 0 to 6 (unit, decimals, full scale); so does the first one
    after an unanswered request, because a probe that lost power forgets unsaved settings. A probe
    that refuses that block is believed only as *uncertain*, unless the entry's options name unit
    and decimals, or switch `identify` off.
    """

    FACTS = DriverFacts(
        name="qdy30a",
        title="QDY30A submersible level probe",
        mode=Mode.POLL,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=1.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.WATER_LEVEL,),
        source="capture of sunrise-labs/farmers-iot-toolkit, bench note 02",
        fields=(_LEVEL,),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "identify": Option(True, "read unit, decimals and full scale from the probe"),
        "unit": Option("cm", "unit of the level register where not read", choices=tuple(_MM_OF)),
        "decimals": Option(1, "decimals of the level register where not read", 0, _MOST_DECIMALS),
        "full_scale_mm": Option(10_000, "full scale in mm of water where not read", 100, 200_000),
        "function": Option(3, "function code of the read", 3, 4),
        "register": Option(_LEVEL_REGISTER, "level register on the wire", 0, 0xFFFF),
    }

    __slots__ = ("_full_scale_mm", "_identified", "_refused", "_scale")

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self._scale: _Scale | None = self._configured
        self._full_scale_mm = self.settings.number("full_scale_mm")
        self._identified = False
        self._refused = False

    @property
    def _configured(self) -> _Scale:
        return _Scale(self.settings.text("unit"), self.settings.whole("decimals"))

    def block(self) -> Request:
        """Return the level register, or the whole identity where it must be read."""
        function = self.settings.whole("function")
        if self.settings.flag("identify") and not self._identified:
            return Request(self.address, function, 0, _IDENTITY_WORDS)
        return self.usual_block()

    def request(self) -> bytes:
        """Return the next request; after an unanswered one the identity is read again."""
        if self._reader.awaiting and not self._refused:
            self._identified = False
        return super().request()

    def shapes(self) -> Shapes:
        """Return the level alone and the identity block."""
        return {self.settings.whole("function"): frozenset({2, _IDENTITY_BYTES})}

    def measure(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        """Return the level; with the identity block also what the probe says of itself."""
        del asked
        if len(reply.data) == _IDENTITY_BYTES:
            return self._identity(reply.data)
        return (self._level(struct.unpack(">h", reply.data)[0]),)

    def refused(self, reply: Reply) -> None:
        """Fall back to the configured unit where the probe does not give its identity."""
        if not self._identified and reply.exception in (1, 2, 3):
            self._identified = True
            self._refused = True

    def _identity(self, data: bytes) -> tuple[Measurement, ...]:
        address, baud, code, decimals, level, zero, full = struct.unpack(">4HhhH", data)
        unit = _UNIT_CODES.get(code)
        known = unit is not None and decimals <= _MOST_DECIMALS
        self._scale = _Scale(unit, decimals) if unit is not None and known else None
        self._identified = True
        self._refused = False
        scale = self._scale
        if scale is not None and full:
            self._full_scale_mm = scale.mm(full)
        quality, why = (Quality.GOOD, ()) if known else (Quality.BAD, (Reason.CONFIGURATION,))
        return (
            Measurement("address", None, address, "1"),
            Measurement("baud_code", None, baud, "1"),
            Measurement("unit_code", None, code, "1", quality, why),
            Measurement("decimals", None, decimals, "1", quality, why),
            self._level(level),
            Measurement("zero", None, zero, "raw"),
            Measurement("full_scale", None, scale.mm(full) if scale else None, "mm", quality, why),
        )

    def _level(self, count: int) -> Measurement:
        name, quantity, unit = "level", Quantity.WATER_LEVEL, "mm"
        scale, full = self._scale, self._full_scale_mm
        if scale is None:
            return bad(name, quantity, unit, Reason.CONFIGURATION)
        level = scale.mm(count)
        if level > full * _OVERLOAD or count == 0x7FFF:
            return beyond(name, quantity, unit, min(full, level))
        if level < full * _LEAST:
            return bad(name, quantity, unit, Reason.RANGE)
        if level > full:
            return beyond(name, quantity, unit, full, value=level)
        if self._refused and not {"unit", "decimals"} <= self.options.keys():
            why = (Reason.CONFIGURATION,)
            return Measurement(name, quantity, level, unit, Quality.UNCERTAIN, why)
        return Measurement(name, quantity, level, unit)

    def memory(self, function: int, values: Mapping[str, Value]) -> Memory | None:
        """Return registers 0 to 6 of a probe that is set up as the options say."""
        check_names(self.FACTS.name, values, _NAMES)
        if function != self.settings.whole("function"):
            return None
        scale = self._configured
        level = values.get("level", 0)
        if level is None:
            raise NoValueError
        count = scale.count(number(self.FACTS.name, "level", level)) & 0xFFFF
        full = scale.count(self.settings.number("full_scale_mm")) & 0xFFFF
        identity = {
            0: self.address,
            1: 3,
            2: _CODE_OF[scale.unit],
            3: scale.decimals,
            4: count,
            5: 0,
            6: full,
        }
        return identity | {self.settings.whole("register"): count}

    def usual_block(self) -> Request:
        """Return the request for the level alone."""
        function, register = self.settings.whole("function"), self.settings.whole("register")
        return Request(self.address, function, register, 1)
