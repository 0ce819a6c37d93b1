"""Campbell SR50A sonic ranger: text between STX and ETX with a two-digit checksum.

`STX addr;distance;quality;diag;CC CR LF ETX`: CC is the two's complement of the sum of all other
bytes. Source: Campbell SR50A manual, page 28 (its printed example gives 2C). -999 or 0 is no
reading; quality numbers of 162 to 600 go from good to poor, above 300 the distance is uncertain
(manual, 3.1); of the diagnostics the first digit is the ROM, the second the watchdog.

It sends by itself, or (`polled`) when asked with `p`, its two-digit address (33 as shipped) and a
carriage return, within about a second (manual, 3.7.2; manual of its sibling SR50AT, D.4.3 and
D.5.2); only then several of them may share an RS-485 line. Read is its text with quality and
diagnostics in mm; with other settings its packets are refused. SDI-12 is another wire and needs an
adapter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Value
from edge.drivers.stream import StreamDriver, bad, beyond, check_names, counts, twos_complement
from edge.framing import BAD_CHECKSUM, NOT_A_FRAME, UNKNOWN_YET, Rejection

_LONGEST = 48
_BLIND_MM, _MAX_MM = 500, 10_000
# Above it "there is a degree of uncertainty in the measurement" (manual, 3.1; poorest: 600).
_POOR_QUALITY = 300
_ANSWER_S = 1.5  # "typically within 1 second", with a margin
_TEXT = re.compile(rb"\x02(\d{1,3});(-?\d{1,5});(\d{1,3});([01]{5});([0-9A-F]{2})\r\n\x03")
_DISTANCE = Field("distance", "mm", Quantity.DISTANCE, _BLIND_MM, _MAX_MM, 1, 2000)


class CampbellSr50a(StreamDriver):
    """Distance in mm, with the ranger's own statement on its quality."""

    FACTS = DriverFacts(
        name="campbell_sr50a",
        title="Campbell SR50A sonic ranger",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.WEAK,
        warm_up_s=0.0,
        interval_s=10.0,
        verified=False,
        quantities=(Quantity.DISTANCE, Quantity.WATER_LEVEL),
        source="Campbell SR50A manual, page 28",
        fields=(_DISTANCE,),
        answer_s=_ANSWER_S,
    )
    READ = b"p33\r"
    READ_ADDRESS = 33
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "max_mm": Option(_MAX_MM, "end of the range in mm", 1000, 20_000),
    }
    HEADERS = (b"\x02",)

    __slots__ = ()

    def size(self, buffer: bytearray, at: int) -> int:
        """Look for the ETX."""
        end = buffer.find(b"\x03", at, at + _LONGEST)
        if end >= 0:
            return end + 1 - at
        return UNKNOWN_YET if len(buffer) - at < _LONGEST else NOT_A_FRAME

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the form, then the checksum over everything but itself."""
        match = _TEXT.fullmatch(raw)
        if match is None:
            return Rejection(checksum=False, why="not addr;distance;quality;diagnostics;CC")
        start, end = match.span(5)
        if int(match[5], 16) != twos_complement(raw[:start] + raw[end:]):
            return BAD_CHECKSUM
        if self._polled and int(match[1]) != self._address:
            return Rejection(checksum=False, why=f"a packet of address {int(match[1])}")
        return None

    @property
    def _address(self) -> int:
        return self.settings.whole("address")

    def request(self) -> bytes:
        """Return the poll command where it waits for one."""
        return b"p%02d\r" % self._address if self._polled else b""

    def respond(self, request: bytes, values: Mapping[str, Value]) -> bytes:
        """Answer a poll of this address; silent to anything else."""
        asked = self.request()
        return self.encode(values) if asked and request == asked else b""

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return distance, quality number and diagnostics."""
        match = _TEXT.fullmatch(raw)
        assert match is not None
        distance, grade, state = int(match[2]), int(match[3]), match[4].decode()
        broken = "0" in state[:2]
        return (
            self._distance(distance, grade, broken=broken),
            Measurement("quality", None, grade, "1"),
            bad("diagnostics", None, "1", Reason.DEVICE_FAULT, state)
            if broken
            else Measurement("diagnostics", None, state, "1"),
        )

    def _distance(self, distance: int, grade: int, *, broken: bool) -> Measurement:
        name, quantity, unit = "distance", Quantity.DISTANCE, "mm"
        if broken:
            return bad(name, quantity, unit, Reason.DEVICE_FAULT)
        if distance <= 0 or grade == 0:
            return bad(name, quantity, unit, Reason.NO_TARGET)
        if distance < _BLIND_MM:
            return beyond(name, quantity, unit, _BLIND_MM, Reason.BLIND_ZONE)
        if distance > self.settings.whole("max_mm"):
            return bad(name, quantity, unit, Reason.RANGE)
        if grade > _POOR_QUALITY:
            poor = (Reason.NOISE,)
            return Measurement(name, quantity, distance, unit, Quality.UNCERTAIN, poor)
        return Measurement(name, quantity, distance, unit)

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the packet; None is -999 with quality 0."""
        check_names(self.FACTS.name, values, ("distance",))
        distance = counts(self.FACTS.name, values, _DISTANCE, 99_999)
        middle = b"-999;000" if distance is None else b"%d;180" % distance
        head, tail = b"\x02%d;%b;11011;" % (self._address, middle), b"\r\n\x03"
        return head + b"%02X" % twos_complement(head + tail) + tail
