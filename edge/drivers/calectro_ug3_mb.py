"""Calectro UG-3-O/MB duct smoke detector: four discrete inputs of a certified optical head.

Source: Calectro Uniguard Superflow UG-3-O/MB manual, page 5 (1 = head mounted, 2 = service alarm,
3 = smoke alarm, 4 = relay; wire address assumed to be the document number minus one). A missing
head is a fault, never "no smoke". Resetting the alarm is left to people on site.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Value
from edge.drivers.modbus_device import Memory, ModbusDriver, NoValueError
from edge.drivers.stream import check_names
from edge.modbus import Function, Reply, Request, unpack_bits
from edge.modbus_reader import Shapes

_NAMES = ("detector_mounted", "service_alarm", "smoke_alarm", "relay")
_SMOKE = Field("smoke_alarm", "bool", Quantity.ALARM_INPUT, 0, 1, 1, 0)


class CalectroUg3Mb(ModbusDriver):
    """The detector's own alarm bit, its service alarm and whether its head is there."""

    FACTS = DriverFacts(
        name="calectro_ug3_mb",
        title="Calectro UG-3-O/MB duct smoke detector",
        mode=Mode.POLL,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=0.0,
        interval_s=1.0,
        verified=False,
        quantities=(Quantity.ALARM_INPUT,),
        source="Calectro Uniguard Superflow UG-3-O/MB manual, page 5",
        fields=(_SMOKE,),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "register": Option(0, "first input on the wire", 0, 0xFFFF),
    }

    __slots__ = ()

    def block(self) -> Request:
        """Return the four inputs."""
        register = self.settings.whole("register")
        return Request(self.address, Function.READ_DISCRETE_INPUTS, register, len(_NAMES))

    def shapes(self) -> Shapes:
        """Return one byte of inputs."""
        return {Function.READ_DISCRETE_INPUTS: frozenset({1})}

    def measure(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        """Return the four bits; without a head only a set alarm bit still counts."""
        del asked
        bits = dict(zip(_NAMES, unpack_bits(reply.data, len(_NAMES)), strict=True))
        headless = not bits["detector_mounted"]
        found = []
        for name, bit in bits.items():
            quantity = Quantity.ALARM_INPUT if name == "smoke_alarm" else None
            if not headless:
                found.append(Measurement(name, quantity, bit, "bool"))
                continue
            alarm = name == "smoke_alarm" and bit
            quality = Quality.UNCERTAIN if alarm else Quality.BAD
            found.append(Measurement(name, quantity, bit, "bool", quality, (Reason.DEVICE_FAULT,)))
        return tuple(found)

    def memory(self, function: int, values: Mapping[str, Value]) -> Memory | None:
        """Return the four inputs; the head is there unless it is told otherwise."""
        check_names(self.FACTS.name, values, _NAMES)
        if function != Function.READ_DISCRETE_INPUTS:
            return None
        state = {"detector_mounted": True, **values}
        if any(value is None for value in state.values()):
            raise NoValueError
        register = self.settings.whole("register")
        return {register + at: int(bool(state.get(name, 0))) for at, name in enumerate(_NAMES)}
