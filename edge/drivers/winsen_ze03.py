"""Winsen ZE03-CO: carbon monoxide, 9 bytes `FF 86 Hi Lo 00 00 00 00 CS`.

Source: published ZE03 sketches. The resolution of the CO module (1 ppm) and its range (1000 ppm)
are not confirmed: options. The acknowledgement `FF 78 01 …` has the same length and is no value; a
frame whose spare bytes are not zero belongs to another module (an MH-Z19 has its temperature
there).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Value
from edge.drivers.stream import StreamDriver, beyond, check_names, counts, twos_complement
from edge.framing import BAD_CHECKSUM, Rejection

_READ, _MODE = 0x86, 0x78
_RANGE_PPM = 1000
_CO = Field("co", "ppm", Quantity.CARBON_MONOXIDE, 0, _RANGE_PPM - 1, 1, 0)


class WinsenZe03(StreamDriver):
    """Carbon monoxide in ppm; at the end of the range it is "at least" that."""

    FACTS = DriverFacts(
        name="winsen_ze03",
        title="Winsen ZE03-CO carbon monoxide",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.WEAK,
        warm_up_s=300.0,
        interval_s=1.0,
        verified=False,
        quantities=(Quantity.CARBON_MONOXIDE,),
        source="published ZE03 sketches",
        fields=(_CO,),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "divisor": Option(1, "content of the field at 1 ppm", 1, 10),
        "range_ppm": Option(_RANGE_PPM, "end of the range in ppm", 10, 65_535),
    }
    HEADERS = (b"\xff",)
    SIZE = 9
    READ = bytes.fromhex("FF 01 86 00 00 00 00 00 79")

    __slots__ = ()

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the checksum, then that it is a reading or an acknowledgement."""
        if twos_complement(raw[1:8]) != raw[8]:
            return BAD_CHECKSUM
        if raw[1] == _MODE or (raw[1] == _READ and not any(raw[4:8])):
            return None
        return Rejection(checksum=False, why=f"kind {raw[1]:#04x}: another module, or a command")

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the concentration; nothing for an acknowledgement."""
        if raw[1] == _MODE:
            return ()
        content, divisor = raw[2] << 8 | raw[3], self.settings.whole("divisor")
        ppm = content if divisor == 1 else content / divisor
        limit = self.settings.whole("range_ppm")
        if ppm >= limit:
            return (beyond("co", Quantity.CARBON_MONOXIDE, "ppm", limit, value=ppm),)
        return (Measurement("co", Quantity.CARBON_MONOXIDE, ppm, "ppm"),)

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the frame, clamped at the range; None is silence (no frame says it)."""
        check_names(self.FACTS.name, values, ("co",))
        ppm = counts(self.FACTS.name, values, _CO, self.settings.whole("range_ppm"))
        if ppm is None:
            return b""
        content = min(0xFFFF, ppm * self.settings.whole("divisor"))
        body = bytes((_READ,)) + content.to_bytes(2, "big") + bytes(4)
        return b"\xff" + body + bytes((twos_complement(body),))
