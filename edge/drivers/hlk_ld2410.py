"""HLK-LD2410 presence radar: reports `F4 F3 F2 F1 … F8 F7 F6 F5`, ten times a second.

Sources: Hi-Link LD2410 serial protocol, tests of `morian/aio-ld2410`. No checksum: header, length
and both tails must be right. Replies to configuration commands (`FD FC FB FA …`) come in between.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Value
from edge.drivers.stream import StreamDriver, bad, check_names, counts, doubted
from edge.framing import NOT_A_FRAME, UNKNOWN_YET, Rejection

_REPORT, _REPORT_TAIL = b"\xf4\xf3\xf2\xf1", b"\xf8\xf7\xf6\xf5"
_REPLY, _REPLY_TAIL = b"\xfd\xfc\xfb\xfa", b"\x04\x03\x02\x01"
_ENGINEERING, _BASIC = 0x01, 0x02
_BASIC_LENGTH, _LONGEST = 13, 64
# States 4 to 6: the radar measures its background, and nothing else means anything.
_LAST_CALIBRATION = 6
# Nine gates of 75 cm end at 675 cm; a distance beyond that is no report of this radar.
_SLACK = {"cm": 75}
_STATES = ("none", "moving", "static", "moving+static")
_TARGET = struct.Struct("<BHBHBH")
_MOVING = Field("moving_distance", "cm", None, 0, 600, 1, 0)
_STATIC = Field("static_distance", "cm", None, 0, 600, 1, 0)
_MOVING_ENERGY = Field("moving_energy", "%", None, 0, 100, 1, 0)
_STATIC_ENERGY = Field("static_energy", "%", None, 0, 100, 1, 0)
_DETECTION = Field("detection_distance", "cm", None, 0, 600, 1, 0)
_FIELDS = (_MOVING, _MOVING_ENERGY, _STATIC, _STATIC_ENERGY, _DETECTION)


class HlkLd2410(StreamDriver):
    """Whether somebody is there, moving or still, and how far away."""

    FACTS = DriverFacts(
        name="hlk_ld2410",
        title="HLK-LD2410 presence radar",
        mode=Mode.STREAM,
        baud=256000,
        check=Check.NONE,
        warm_up_s=0.0,
        interval_s=0.1,
        verified=True,
        quantities=(Quantity.OTHER,),
        source="Hi-Link HLK-LD2410 serial protocol; tests of morian/aio-ld2410",
        fields=_FIELDS,
    )
    HEADERS = (_REPORT, _REPLY)

    __slots__ = ()

    def size(self, buffer: bytearray, at: int) -> int:
        """Read the length field, low byte first."""
        if len(buffer) - at < 6:
            return UNKNOWN_YET
        length = buffer[at + 4] | buffer[at + 5] << 8
        return length + 10 if length <= _LONGEST else NOT_A_FRAME

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the tails, and that a report has the layout of its kind."""
        if raw.startswith(_REPLY):
            good = raw.endswith(_REPLY_TAIL)
        else:
            good = raw.endswith(_REPORT_TAIL) and _is_report(raw[6:-4])
        return None if good else Rejection(checksum=False, why="wrong tail or layout")

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the report; nothing for a reply to a command."""
        if raw.startswith(_REPLY):
            return ()
        state, *numbers = _TARGET.unpack_from(raw, 8)
        if state >= len(_STATES):
            why = Reason.WARMING_UP if state <= _LAST_CALIBRATION else Reason.DEVICE_FAULT
            fields = ((field.name, field.unit) for field in _FIELDS)
            return tuple(bad(name, None, unit, why) for name, unit in (("state", "enum"), *fields))
        found = [Measurement("state", None, _STATES[state], "enum")]
        for field, value in zip(_FIELDS, numbers, strict=True):
            if value > field.high + _SLACK.get(field.unit, 0):
                found.append(bad(field.name, None, field.unit, Reason.RANGE))
            else:
                found.append(Measurement(field.name, None, value, field.unit))
        gates = _gates(raw[17:-6]) if raw[6] == _ENGINEERING else ()
        return doubted((*found, *gates))

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the basic report; the state follows the energies where it is not given."""
        check_names(self.FACTS.name, values, ("state", *(field.name for field in _FIELDS)))
        words = [
            counts(self.FACTS.name, values, field, round(field.high)) or 0 for field in _FIELDS
        ]
        state = values.get("state")
        code = (words[1] > 0) + 2 * (words[3] > 0)
        if isinstance(state, str) and state in _STATES:
            code = _STATES.index(state)
        body = bytes((_BASIC, 0xAA)) + _TARGET.pack(code, *words) + b"\x55\x00"
        return _REPORT + len(body).to_bytes(2, "little") + body + _REPORT_TAIL


def _is_report(body: bytes) -> bool:
    """Return whether the bytes between length and tail are a basic or an engineering report."""
    if len(body) < _BASIC_LENGTH or body[1] != 0xAA or not body.endswith(b"\x55\x00"):
        return False
    if body[0] == _BASIC:
        return len(body) == _BASIC_LENGTH
    # Two gate numbers, one energy per gate (0 to n) of both kinds, light and output pin.
    return body[0] == _ENGINEERING and len(body) == _BASIC_LENGTH + 6 + body[11] + body[12]


def _gates(extra: bytes) -> tuple[Measurement, ...]:
    """Return what an engineering report says besides."""
    moving, static = extra[0] + 1, extra[1] + 1
    energies = extra[2 : 2 + moving + static]
    light, pin = extra[2 + moving + static : 4 + moving + static]
    return (
        Measurement("moving_gates", None, list(energies[:moving]), "%"),
        Measurement("static_gates", None, list(energies[moving:]), "%"),
        Measurement("light", None, light, "1"),
        Measurement("out_pin", None, bool(pin), "bool"),
    )
