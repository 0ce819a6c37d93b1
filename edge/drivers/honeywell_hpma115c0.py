"""Honeywell HPMA115C0 (compact): particles, 32 bytes `42 4D 00 1C …`, or asked 16 `40 0D 04 …`.

Sources: Honeywell HPM series data sheet 32322550, tables 6 and 7 (after power-up it sends by
itself); jedp/PMSensor-HPMA115; PyPMS `sensors/honeywell` and its capture of answers. A Plantower
sends frames of the same head and length: one that contradicts itself as a Honeywell frame and fills
the reserved words is one of those.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Value
from edge.drivers.stream import StreamDriver, check_names, filled_masses, mass, unordered
from edge.framing import BAD_CHECKSUM, Rejection

_RANGE_UGM3 = 1000
_ANSWER, _AUTO = b"\x40\x0d\x04", b"\x42\x4d\x00\x1c"
_ANSWER_BYTES, _AUTO_BYTES = 16, 32
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
        source="Honeywell HPM series data sheet 32322550",
        fields=_FIELDS,
    )
    HEADERS = (_ANSWER, _AUTO)
    READ = bytes.fromhex("68 01 04 93")

    __slots__ = ()

    def size(self, buffer: bytearray, at: int) -> int:
        """Tell the two frames by their header."""
        return _ANSWER_BYTES if buffer[at] == _ANSWER[0] else _AUTO_BYTES

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the sum: of all bytes of an answer 0, else the 16 bits at the end."""
        if len(raw) == _ANSWER_BYTES:
            return None if sum(raw) & 0xFF == 0 else BAD_CHECKSUM
        if sum(raw[:-2]) != raw[-2] << 8 | raw[-1]:
            return BAD_CHECKSUM
        if unordered(_masses(raw)) and any(raw[12:30]):
            return Rejection(checksum=False, why="a frame of a Plantower sensor")
        return None

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the four masses."""
        masses = _masses(raw)
        odd = unordered(masses)
        return tuple(
            mass(field, value, odd=at in odd)
            for at, (field, value) in enumerate(zip(_FIELDS, masses, strict=True))
        )

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return what it sends by itself; None for a mass is silence (no frame says it)."""
        masses = self._filled(values)
        if masses is None:
            return b""
        body = _AUTO + struct.pack(">4H18x", *masses)
        return body + sum(body).to_bytes(2, "big")

    def answer(self, values: Mapping[str, Value]) -> bytes:
        """Return the answer to the read command."""
        masses = self._filled(values)
        if masses is None:
            return b""
        body = _ANSWER + struct.pack(">4H4x", *masses)
        return body + bytes((-sum(body) & 0xFF,))

    def _filled(self, values: Mapping[str, Value]) -> list[int] | None:
        check_names(self.FACTS.name, values, tuple(field.name for field in _FIELDS))
        usual = filled_masses(self.FACTS.name, values, _FIELDS)
        return None if usual is None else [round(max(0, min(0xFFFF, one))) for one in usual]


def _masses(raw: bytes) -> tuple[int, ...]:
    return struct.unpack_from(">4H", raw, 3 if len(raw) == _ANSWER_BYTES else 4)
