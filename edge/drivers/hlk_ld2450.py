"""HLK-LD2450 radar: up to three targets, 30 bytes `AA FF 03 00 … 55 CC`, ten times a second.

Source: Hi-Link LD2450 serial protocol. No checksum: header, length and tail must all be right.
Numbers are sign and magnitude with the top bit set for positive. It follows at most three people,
so 3 means "three or more": presence, not a crowd counter.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Value
from edge.drivers.stream import StreamDriver, bad, check_names, doubted, number
from edge.framing import Rejection

_HEADER, _TAIL = b"\xaa\xff\x03\x00", b"\x55\xcc"
_TARGETS = 3
_SLOT = struct.Struct("<4H")
_POSITIVE, _MOST = 0x8000, 0x7FFF
# Where a simulated person stands who has no position: 2 m in front, gates of 360 mm.
_USUAL = {"x": 0.0, "y": 2000.0, "speed": 0.0, "resolution": 360.0}
_UNITS = {"x": "mm", "y": "mm", "speed": "cm/s", "resolution": "mm"}
# The radar sees about 6 m, never behind itself. A frame has no checksum: what stands farther away
# is noise or a damaged frame (a third more than the range, mm; more than a sprinter, cm/s).
_BELIEVABLE = {"x": 8000, "y": 8000, "speed": 1500}
_COUNT = Field("target_count", "1", None, 0, _TARGETS, 1, 0)
_NAMES = (
    "target_count",
    *(f"t{slot}_{part}" for slot in range(1, _TARGETS + 1) for part in _UNITS),
)


class HlkLd2450(StreamDriver):
    """Number of targets, and position and speed of each."""

    FACTS = DriverFacts(
        name="hlk_ld2450",
        title="HLK-LD2450 tracking radar",
        mode=Mode.STREAM,
        baud=256000,
        check=Check.NONE,
        warm_up_s=0.0,
        interval_s=0.1,
        verified=True,
        quantities=(Quantity.OTHER,),
        source="Hi-Link HLK-LD2450 serial protocol",
        fields=(
            _COUNT,
            Field("t1_x", "mm", None, -6000, 6000, 1, 0),
            Field("t1_y", "mm", None, 0, 6000, 1, 2000),
            Field("t1_speed", "cm/s", None, -500, 500, 1, 0),
        ),
    )
    HEADERS = (_HEADER,)
    SIZE = 30

    __slots__ = ()

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the tail."""
        return None if raw.endswith(_TAIL) else Rejection(checksum=False, why="wrong tail")

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the targets; a slot of zeros holds none."""
        found: list[Measurement] = []
        seen = 0
        for slot in range(1, _TARGETS + 1):
            words = _SLOT.unpack_from(raw, 4 + 8 * (slot - 1))
            if not any(words):
                continue
            seen += 1
            values = (*(_signed(word) for word in words[:3]), words[3])
            for (part, unit), value in zip(_UNITS.items(), values, strict=True):
                name, most = f"t{slot}_{part}", _BELIEVABLE.get(part, _MOST)
                if abs(value) <= most and (part != "y" or value >= 0):
                    found.append(Measurement(name, None, value, unit))
                else:
                    found.append(bad(name, None, unit, Reason.RANGE))
        return doubted((Measurement("target_count", None, seen, "1"), *found))

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the report; slots are used as far as they are named or counted."""
        check_names(self.FACTS.name, values, _NAMES)
        wanted = values.get("target_count", 0)
        people = round(number(self.FACTS.name, "target_count", 0 if wanted is None else wanted))
        slots = []
        for slot in range(1, _TARGETS + 1):
            named = any(f"t{slot}_{part}" in values for part in _UNITS)
            slots.append(self._slot(slot, values) if named or slot <= people else bytes(8))
        return _HEADER + b"".join(slots) + _TAIL

    def _slot(self, slot: int, values: Mapping[str, Value]) -> bytes:
        parts = []
        for part, usual in _USUAL.items():
            given = values.get(f"t{slot}_{part}", usual)
            parts.append(usual if given is None else number(self.FACTS.name, part, given))
        x, y, speed, resolution = parts
        return _SLOT.pack(
            _magnitude(x), _magnitude(y), _magnitude(speed), round(max(1, min(_MOST, resolution)))
        )


def _signed(word: int) -> int:
    return word - _POSITIVE if word & _POSITIVE else -word


def _magnitude(value: float) -> int:
    whole = round(max(-_MOST, min(_MOST, value)))
    return _POSITIVE + whole if whole >= 0 else -whole
