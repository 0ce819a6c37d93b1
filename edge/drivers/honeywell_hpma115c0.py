"""Honeywell HPMA115C0: particles, 16 bytes `40 0D 04 …`, sent by itself once a second.

Source: PyPMS `sensors/honeywell` and its capture. The range of 0 to 1000 ug/m3 is not confirmed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Value
from edge.drivers.stream import StreamDriver, check_names, filled_masses, mass, unordered
from edge.framing import BAD_CHECKSUM, Rejection

_RANGE_UGM3 = 1000
_HEADER = b"\x40\x0d\x04"
_FIELDS = tuple(
    Field(name, "ug/m3", quantity, 0, _RANGE_UGM3, 1, idle)
    for name, quantity, idle in (
        ("pm1", Quantity.PM1, 6),
        ("pm25", Quantity.PM2_5, 8),
        ("pm4", None, 9),
        ("pm10", Quantity.PM10, 10),
    )
)


class HoneywellHpma115c0(StreamDriver):
    """PM1, PM2.5, PM4, PM10 in ug/m3."""

    FACTS = DriverFacts(
        name="honeywell_hpma115c0",
        title="Honeywell HPMA115C0 particles",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.WEAK,
        warm_up_s=30.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.PM2_5, Quantity.PM10, Quantity.PM1),
        source="PyPMS sensors/honeywell",
        fields=_FIELDS,
    )
    HEADERS = (_HEADER,)
    SIZE = 16

    __slots__ = ()

    def judge(self, raw: bytes) -> Rejection | None:
        """Check that all bytes add up to zero."""
        return None if sum(raw) & 0xFF == 0 else BAD_CHECKSUM

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the four masses."""
        masses = struct.unpack_from(">4H", raw, 3)
        odd = unordered(masses)
        return tuple(
            mass(field, value, odd=at in odd)
            for at, (field, value) in enumerate(zip(_FIELDS, masses, strict=True))
        )

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the frame; None for a mass is silence (no frame says it)."""
        check_names(self.FACTS.name, values, tuple(field.name for field in _FIELDS))
        usual = filled_masses(self.FACTS.name, values, _FIELDS)
        if usual is None:
            return b""
        masses = [round(max(0, min(0xFFFF, value))) for value in usual]
        body = _HEADER + struct.pack(">4H4x", *masses)
        return body + bytes((-sum(body) & 0xFF,))
