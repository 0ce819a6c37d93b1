"""Terabee TeraRanger Evo people counter: 15 bytes `PC …` on each event, `DD` distances in between.

Source: Terabee manual, pages 18 and 19 (binary output, CRC-8 with polynomial 07); byte order
and the contents that are no distance as in a published sample (`EvoPeopleCounter`). Counters start
at zero after a loss of power.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import ClassVar

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Value
from edge.drivers.stream import StreamDriver, bad, check_names, counts, number
from edge.framing import BAD_CHECKSUM, Rejection

_COUNTS, _DISTANCES = b"PC", b"DD"
_COUNTS_BYTES, _DISTANCES_BYTES, _ID_BYTES = 15, 7, 4
# Nearer than it can measure, not able to measure, nothing within its range.
_NO_DISTANCE = {0: Reason.BLIND_ZONE, 1: Reason.NO_TARGET, 0xFFFF: Reason.NO_TARGET}
_BODY = struct.Struct(">iHH")  # behind the id, where there is one
_IN = Field("count_in", "1", Quantity.PEOPLE_IN, 0, 0xFFFF, 1, 0)
_OUT = Field("count_out", "1", Quantity.PEOPLE_OUT, 0, 0xFFFF, 1, 0)


def _crc8_table() -> bytes:
    table = bytearray()
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1 & 0xFF
        table.append(crc)
    return bytes(table)


_CRC8 = _crc8_table()


def crc8(data: bytes) -> int:
    """Return the CRC-8 with polynomial 07.

    >>> hex(crc8(b"123456789"))
    '0xf4'
    """
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


class TerabeeEvoPeopleCounter(StreamDriver):
    """People in and out since power-up, and their difference."""

    FACTS = DriverFacts(
        name="terabee_evo_people_counter",
        title="Terabee TeraRanger Evo people counter",
        mode=Mode.STREAM,
        baud=115200,
        check=Check.WEAK,
        warm_up_s=0.0,
        interval_s=60.0,
        verified=False,
        quantities=(Quantity.PEOPLE_IN, Quantity.PEOPLE_OUT),
        source="Terabee manual, pages 18 and 19",
        fields=(_IN, _OUT),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "with_id": Option(True, "false for the Swipe Plus, whose frames carry no device id"),
    }
    HEADERS = (_COUNTS, _DISTANCES)

    __slots__ = ()

    def size(self, buffer: bytearray, at: int) -> int:
        """Tell the two frames by their header."""
        if buffer[at] != _COUNTS[0]:
            return _DISTANCES_BYTES
        return _COUNTS_BYTES if self.settings.flag("with_id") else _COUNTS_BYTES - _ID_BYTES

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the CRC-8."""
        return None if crc8(raw[:-1]) == raw[-1] else BAD_CHECKSUM

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the counters, or the two beam distances (diagnostics)."""
        if raw.startswith(_DISTANCES):
            first, second = struct.unpack_from(">2H", raw, 2)
            return (_distance("distance1", first), _distance("distance2", second))
        net, inward, outward = _BODY.unpack(raw[-1 - _BODY.size : -1])
        return (
            Measurement("net", None, net, "1"),
            Measurement("count_in", Quantity.PEOPLE_IN, inward, "1"),
            Measurement("count_out", Quantity.PEOPLE_OUT, outward, "1"),
        )

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the counter frame; None for a counter is silence (no frame says it)."""
        check_names(self.FACTS.name, values, ("count_in", "count_out", "net"))
        inward = counts(self.FACTS.name, values, _IN, 0xFFFF)
        outward = counts(self.FACTS.name, values, _OUT, 0xFFFF)
        if inward is None or outward is None:
            return b""
        given = values.get("net")
        net = inward - outward if given is None else number(self.FACTS.name, "net", given)
        number_of_device = (1).to_bytes(_ID_BYTES, "big") if self.settings.flag("with_id") else b""
        body = (
            _COUNTS
            + number_of_device
            + _BODY.pack(round(max(-(2**31), min(2**31 - 1, net))), inward, outward)
        )
        return body + bytes((crc8(body),))


def _distance(name: str, content: int) -> Measurement:
    if content in _NO_DISTANCE:
        return bad(name, None, "mm", _NO_DISTANCE[content])
    return Measurement(name, None, content, "mm")
