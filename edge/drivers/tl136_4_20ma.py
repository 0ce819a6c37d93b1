"""TL-136, or any 4 to 20 mA level probe, behind a Modbus analogue-input module.

level = (mA - 4) / 16 x full scale. The example module gives microamperes in one input register;
register, function and divisor differ from module to module: options. Bands after NAMUR NE 43:
4 to 20 mA value, 3.8 to 4 and 20 to 20.5 mA saturation, below 3.6 and from 21 mA a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Value
from edge.drivers.modbus_device import Memory, ModbusDriver
from edge.drivers.stream import bad, beyond, check_names, number
from edge.modbus import Reply, Request
from edge.modbus_reader import Shapes

_ZERO_MA, _SPAN_MA, _FULL_MA = 4.0, 16.0, 20.0
_BROKEN_BELOW_MA, _LEAST_MA, _BROKEN_FROM_MA = 3.6, 3.8, 21.0
# What a simulated loop carries when its wire is cut.
_CUT_WIRE_MA = 0.0
_FULL_SCALE_MM = 5000
_CURRENT = Field("current", "mA", Quantity.CURRENT, _ZERO_MA, _FULL_MA, 0.001, _ZERO_MA)
_LEVEL = Field("level", "mm", Quantity.WATER_LEVEL, -62.5, _FULL_SCALE_MM, 0.3125, 0)


class Tl136(ModbusDriver):
    """Depth in mm, and the loop current that it is made from."""

    FACTS = DriverFacts(
        name="tl136_4_20ma",
        title="TL-136 level probe, 4 to 20 mA through a Modbus module",
        mode=Mode.POLL,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=1.0,
        interval_s=1.0,
        verified=False,
        quantities=(Quantity.WATER_LEVEL, Quantity.CURRENT),
        source="NAMUR NE 43; the register map is the module's",
        fields=(_LEVEL, _CURRENT),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "function": Option(4, "function code of the read", 3, 4),
        "register": Option(0, "register of the channel on the wire", 0, 0xFFFF),
        "counts_per_ma": Option(1000, "content of the register at 1 mA", 1, 3000),
        "full_scale_mm": Option(_FULL_SCALE_MM, "depth at 20 mA in mm", 100, 200_000),
    }

    __slots__ = ()

    def block(self) -> Request:
        """Return the register of the channel."""
        function, register = self.settings.whole("function"), self.settings.whole("register")
        return Request(self.address, function, register, 1)

    def shapes(self) -> Shapes:
        """Return one register."""
        return {self.settings.whole("function"): frozenset({2})}

    def measure(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        """Return current and level."""
        del asked
        milliamperes = int.from_bytes(reply.data, "big") / self.settings.whole("counts_per_ma")
        quality, reasons = _band(milliamperes)
        current = Measurement("current", Quantity.CURRENT, milliamperes, "mA", quality, reasons)
        return (current, self._level(milliamperes, quality, reasons))

    def _level(
        self, milliamperes: float, quality: Quality, reasons: tuple[Reason, ...]
    ) -> Measurement:
        full = self.settings.whole("full_scale_mm")
        if quality is Quality.BAD:
            return bad("level", Quantity.WATER_LEVEL, "mm", reasons[0])
        if quality is Quality.UNCERTAIN:
            return beyond("level", Quantity.WATER_LEVEL, "mm", full)
        level = round((milliamperes - _ZERO_MA) / _SPAN_MA * full, 4)
        return Measurement("level", Quantity.WATER_LEVEL, level, "mm")

    def memory(self, function: int, values: Mapping[str, Value]) -> Memory | None:
        """Return the register; a value of None is a cut wire."""
        check_names(self.FACTS.name, values, ("level", "current"))
        if function != self.settings.whole("function"):
            return None
        content = self._milliamperes(values) * self.settings.whole("counts_per_ma")
        return {self.settings.whole("register"): round(max(0, min(0xFFFF, content)))}

    def _milliamperes(self, values: Mapping[str, Value]) -> float:
        if any(value is None for value in values.values()):
            return _CUT_WIRE_MA
        if "current" in values:
            return number(self.FACTS.name, "current", values["current"])
        level = number(self.FACTS.name, "level", values.get("level", 0))
        full = self.settings.whole("full_scale_mm")
        # A transmitter goes into saturation, not beyond (NE 43).
        return max(_LEAST_MA, min(20.5, _ZERO_MA + level / full * _SPAN_MA))


def _band(milliamperes: float) -> tuple[Quality, tuple[Reason, ...]]:
    """Return what NE 43 says of a current; the undefined band counts to the saturation."""
    if milliamperes < _BROKEN_BELOW_MA or milliamperes >= _BROKEN_FROM_MA:
        return Quality.BAD, (Reason.DEVICE_FAULT,)
    if milliamperes < _LEAST_MA:
        return Quality.BAD, (Reason.RANGE,)
    if milliamperes > _FULL_MA:
        return Quality.UNCERTAIN, (Reason.SATURATED,)
    return Quality.GOOD, ()
