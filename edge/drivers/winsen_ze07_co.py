"""Winsen ZE07-CO: carbon monoxide, 9 bytes `FF 04 03 decimals Hi Lo FSHi FSLo CS`, once a second.

Sources: Winsen ZE07-CO manual; its printed example ends in the checksum 25, which is wrong (38).
The layout of the question-and-answer reply differs between the manual's text, its table and the
sibling ZE07-CH2O, so active mode is the mode to use; such a reply is taken as uncertain, and only
where all the layouts agree. The wanted mode is the device's default: nothing is ever sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Value
from edge.drivers.stream import (
    StreamDriver,
    bad,
    beyond,
    check_names,
    counts,
    twos_complement,
    uncertain,
)
from edge.framing import BAD_CHECKSUM, Rejection

_GAS_CO = 0x04
_UNIT_PPM = 0x03
_READ_REPLY = 0x86
# Highest bit of the concentration: the sibling ZE15-CO says with it that its cell is broken (Winsen
# ZE15-CO manual). No concentration reaches it: full scale is 5000 counts.
_FAULT_BIT = 0x80
# The device resolves 0.1 ppm over 0 to 500 ppm; more than three decimals do not fit the field.
_MOST_DECIMALS = 3
_FULL_SCALE_COUNTS = 5000
_CO = Field("co", "ppm", Quantity.CARBON_MONOXIDE, 0.0, 499.9, 0.1, 0.0)
_FULL_SCALE = Field("full_scale", "ppm", None, 500.0, 500.0, 0.1, 500.0)


class WinsenZe07Co(StreamDriver):
    """Carbon monoxide in ppm; at full scale and above it is "at least full scale"."""

    FACTS = DriverFacts(
        name="winsen_ze07_co",
        title="Winsen ZE07-CO carbon monoxide",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.WEAK,
        warm_up_s=300.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.CARBON_MONOXIDE,),
        source="Winsen ZE07-CO manual, page 5",
        fields=(_CO, _FULL_SCALE),
    )
    HEADERS = (b"\xff",)
    SIZE = 9

    __slots__ = ()

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the checksum, then that the module measures CO in ppm."""
        if twos_complement(raw[1:8]) != raw[8]:
            return BAD_CHECKSUM
        if raw[1] == _READ_REPLY:
            return None
        if raw[1] != _GAS_CO or raw[2] != _UNIT_PPM or raw[3] > _MOST_DECIMALS:
            return Rejection(
                checksum=False,
                why=f"gas {raw[1]:#04x}, unit {raw[2]:#04x}, decimals {raw[3]}: expected CO (0x04) "
                "in ppm (0x03): another module is plugged in, or the line carries commands",
            )
        return None

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return concentration and full scale."""
        if raw[1] == _READ_REPLY:
            return (_from_read_reply(raw),)
        scale = 10 ** raw[3]
        value = (raw[4] << 8 | raw[5]) / scale
        full_scale = (raw[6] << 8 | raw[7]) / scale
        facts = Measurement("full_scale", None, full_scale, "ppm")
        if raw[4] & _FAULT_BIT:
            return (bad("co", Quantity.CARBON_MONOXIDE, "ppm", Reason.DEVICE_FAULT), facts)
        if full_scale <= 0:
            return (
                bad("co", Quantity.CARBON_MONOXIDE, "ppm", Reason.DEVICE_FAULT),
                bad("full_scale", None, "ppm", Reason.DEVICE_FAULT),
            )
        if value < full_scale:
            return (Measurement("co", Quantity.CARBON_MONOXIDE, value, "ppm"), facts)
        saturated = beyond("co", Quantity.CARBON_MONOXIDE, "ppm", full_scale, value=value)
        return (saturated, facts)

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the active frame, clamped at full scale; None is silence (no frame says it)."""
        check_names(self.FACTS.name, values, ("co", "full_scale"))
        full = counts(self.FACTS.name, values, _FULL_SCALE, 0xFFFF) or _FULL_SCALE_COUNTS
        value = counts(self.FACTS.name, values, _CO, full)
        if value is None:
            return b""
        body = bytes((_GAS_CO, _UNIT_PPM, 1)) + value.to_bytes(2, "big") + full.to_bytes(2, "big")
        return b"\xff" + body + bytes((twos_complement(body),))


def _from_read_reply(raw: bytes) -> Measurement:
    """Return CO of a question-and-answer reply: uncertain, and none where the layouts differ."""
    if (raw[2] | raw[6]) & _FAULT_BIT:
        return bad("co", Quantity.CARBON_MONOXIDE, "ppm", Reason.DEVICE_FAULT)
    first, second = raw[2] << 8 | raw[3], raw[6] << 8 | raw[7]
    if first != second:
        return bad("co", Quantity.CARBON_MONOXIDE, "ppm", Reason.CONFIGURATION)
    return uncertain("co", Quantity.CARBON_MONOXIDE, "ppm", Reason.CONFIGURATION, first / 10)
