"""Senseair S8 carbon dioxide: input registers 1 (meter status) to 4 (CO2).

Sources: Senseair S8 Modbus note; drivers of ESPHome and jcomas/S8_UART. Status and value are read
in one block: a real faulty unit has sent 8899 ppm with a correct CRC. The device answers to its own
address and to 254 ("any"), so the sensor's entry needs `address = 254` where it is alone on its
line. Background calibration and ABC settings are never written.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Value
from edge.drivers.modbus_device import Memory, ModbusDriver, NoValueError
from edge.drivers.stream import bad, beyond, check_names, counts, uncertain
from edge.modbus import Function, Reply, Request
from edge.modbus_reader import Shapes

_BLOCK_WORDS, _BLOCK_BYTES = 4, 8
RANGE_PPM = 2000
# The widest range of the S8 family (extended range of the sensor's note), ppm; and about the least
# that free air can hold (420 ppm), less the meter's tolerance.
WIDEST_RANGE_PPM = 10_000
_LEAST_BELIEVABLE_PPM = 300
# Bits of the meter status; "out of range" is a statement on the value, the others on the device.
_OUT_OF_RANGE = 1 << 5
_CO2 = Field("co2", "ppm", Quantity.CARBON_DIOXIDE, _LEAST_BELIEVABLE_PPM, RANGE_PPM, 1, 450)


class SenseairS8(ModbusDriver):
    """Carbon dioxide in ppm; above 2000 it is "at least 2000"."""

    FACTS = DriverFacts(
        name="senseair_s8",
        title="Senseair S8 carbon dioxide",
        mode=Mode.POLL,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=30.0,
        interval_s=4.0,
        verified=True,
        quantities=(Quantity.CARBON_DIOXIDE,),
        source="Senseair S8 Modbus note; esphome/components/senseair",
        fields=(_CO2,),
    )

    __slots__ = ()

    def block(self) -> Request:
        """Return status and value in one block."""
        return Request(self.address, Function.READ_INPUT_REGISTERS, 0, _BLOCK_WORDS)

    def shapes(self) -> Shapes:
        """Return the block, and the value alone."""
        return {Function.READ_INPUT_REGISTERS: frozenset({2, _BLOCK_BYTES})}

    def measure(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        """Return the value, and the meter status where it was read."""
        del asked
        if len(reply.data) < _BLOCK_BYTES:
            return (_judged(0, struct.unpack(">H", reply.data)[0]),)
        status, _, _, ppm = struct.unpack(">4H", reply.data)
        text = f"0x{status:04X}"
        meter = Measurement("meter_status", None, text, "1")
        if status:
            meter = bad("meter_status", None, "1", Reason.DEVICE_FAULT, text)
        return (meter, _judged(status, ppm))

    def memory(self, function: int, values: Mapping[str, Value]) -> Memory | None:
        """Return the four input registers."""
        check_names(self.FACTS.name, values, ("co2", "meter_status"))
        if function != Function.READ_INPUT_REGISTERS:
            return None
        ppm = counts(self.FACTS.name, values, _CO2, 0xFFFF)
        if ppm is None:
            raise NoValueError
        status = values.get("meter_status", 0)
        word = int(status, 16) if isinstance(status, str) else int(bool(status))
        return {0: word & 0xFFFF, 1: 0, 2: 0, 3: ppm}


def _judged(status: int, ppm: int) -> Measurement:
    quantity = Quantity.CARBON_DIOXIDE
    if status & ~_OUT_OF_RANGE:
        return bad("co2", quantity, "ppm", Reason.DEVICE_FAULT)
    if ppm == 0:
        return bad("co2", quantity, "ppm", Reason.WARMING_UP)
    if status:
        # The meter says "out of range": which end, its value tells.
        if ppm > RANGE_PPM // 2:
            return beyond("co2", quantity, "ppm", RANGE_PPM)
        return bad("co2", quantity, "ppm", Reason.RANGE)
    return _by_range(ppm)


def _by_range(ppm: int) -> Measurement:
    quantity = Quantity.CARBON_DIOXIDE
    if ppm > WIDEST_RANGE_PPM:
        return bad("co2", quantity, "ppm", Reason.RANGE)
    if ppm > RANGE_PPM:
        return beyond("co2", quantity, "ppm", RANGE_PPM, value=ppm)
    if ppm < _LEAST_BELIEVABLE_PPM:
        return uncertain("co2", quantity, "ppm", Reason.RANGE, ppm)
    return Measurement("co2", quantity, ppm, "ppm")
