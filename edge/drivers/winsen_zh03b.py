"""Winsen ZH03B: particles, 24 bytes `42 4D 00 14 …` by itself, or 9 bytes `FF 86 …` when asked.

Sources: ZH03B manual as used by PyPMS `sensors/winsen`; the active layout is not confirmed by a
capture. The two frames put the masses in a DIFFERENT order.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Value
from edge.drivers.stream import (
    StreamDriver,
    check_names,
    filled_masses,
    mass,
    twos_complement,
    unordered,
)
from edge.framing import BAD_CHECKSUM, Rejection

_ACTIVE, _ANSWER = b"\x42\x4d\x00\x14", b"\xff\x86"
_ACTIVE_BYTES, _ANSWER_BYTES = 24, 9
_RANGE_UGM3 = 1000
_FIELDS = tuple(
    Field(name, "ug/m3", quantity, 0, _RANGE_UGM3, 1, idle)
    for name, quantity, idle in (
        ("pm1", Quantity.PM1, 6),
        ("pm25", Quantity.PM2_5, 8),
        ("pm10", Quantity.PM10, 10),
    )
)


class WinsenZh03b(StreamDriver):
    """PM1, PM2.5, PM10 in ug/m3."""

    FACTS = DriverFacts(
        name="winsen_zh03b",
        title="Winsen ZH03B particles",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.WEAK,
        warm_up_s=60.0,
        interval_s=1.0,
        verified=False,
        quantities=(Quantity.PM2_5, Quantity.PM10, Quantity.PM1),
        source="ZH03B manual as used by PyPMS",
        fields=_FIELDS,
    )
    HEADERS = (_ACTIVE, _ANSWER)

    __slots__ = ()

    def size(self, buffer: bytearray, at: int) -> int:
        """Tell the two frames by their header."""
        return _ANSWER_BYTES if buffer[at] == _ANSWER[0] else _ACTIVE_BYTES

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the sum of 16 bits, or the two's complement of the short frame."""
        if len(raw) == _ANSWER_BYTES:
            return None if twos_complement(raw[1:8]) == raw[8] else BAD_CHECKSUM
        return None if sum(raw[:-2]) == raw[-2] << 8 | raw[-1] else BAD_CHECKSUM

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the three masses."""
        if len(raw) == _ANSWER_BYTES:
            fine, coarse, finest = struct.unpack_from(">3H", raw, 2)
        else:
            finest, fine, coarse = struct.unpack_from(">3H", raw, 10)
        masses = (finest, fine, coarse)
        odd = unordered(masses)
        return tuple(
            mass(field, value, odd=at in odd)
            for at, (field, value) in enumerate(zip(_FIELDS, masses, strict=True))
        )

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the active frame; None for a mass is silence (no frame says it)."""
        check_names(self.FACTS.name, values, tuple(field.name for field in _FIELDS))
        usual = filled_masses(self.FACTS.name, values, _FIELDS)
        if usual is None:
            return b""
        masses = [round(max(0, min(0xFFFF, value))) for value in usual]
        body = _ACTIVE + struct.pack(">6x3H6x", *masses)
        return body + sum(body).to_bytes(2, "big")
