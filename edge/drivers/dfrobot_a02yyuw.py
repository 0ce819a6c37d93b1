"""DFRobot A02YYUW: ultrasonic distance to the water, 4 bytes `FF H L S`.

Sources: DFRobot wiki SEN0311 (frame, range, "30 mm and less is invalid" in the sample code); the
same framing is used by A01NYUB (option `max_mm` 7500) and ME007YS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Value
from edge.drivers.stream import StreamDriver, bad, beyond, check_names, counts
from edge.framing import BAD_CHECKSUM, Rejection

# At and below this distance the sensor hears its own pulse (DFRobot sample code, mm).
BLIND_ZONE_MM = 30
MAX_MM = 4500
_DISTANCE = Field("distance", "mm", Quantity.DISTANCE, BLIND_ZONE_MM + 1, MAX_MM, 1, 1500)


class DfrobotA02yyuw(StreamDriver):
    """Distance in mm; 0 means no echo, up to 30 mm means blind zone."""

    FACTS = DriverFacts(
        name="dfrobot_a02yyuw",
        title="DFRobot A02YYUW ultrasonic distance (SEN0311)",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.WEAK,
        warm_up_s=0.0,
        interval_s=0.3,
        verified=True,
        quantities=(Quantity.DISTANCE, Quantity.WATER_LEVEL),
        source="wiki.dfrobot.com/sen0311/docs/21651",
        fields=(_DISTANCE,),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "max_mm": Option(MAX_MM, "end of the range in mm: A02YYUW 4500, A01NYUB 7500", 100, 20000),
    }
    HEADER = b"\xff"
    SIZE = 4

    __slots__ = ()

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the 8-bit sum of the first three bytes."""
        return None if (raw[0] + raw[1] + raw[2]) & 0xFF == raw[3] else BAD_CHECKSUM

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the distance."""
        distance = raw[1] << 8 | raw[2]
        if BLIND_ZONE_MM < distance <= self.settings.number("max_mm"):
            return (Measurement("distance", Quantity.DISTANCE, distance, "mm"),)
        if distance == 0:
            return (bad("distance", Quantity.DISTANCE, "mm", Reason.NO_TARGET),)
        if distance <= BLIND_ZONE_MM:
            return (beyond("distance", Quantity.DISTANCE, "mm", BLIND_ZONE_MM, Reason.BLIND_ZONE),)
        return (bad("distance", Quantity.DISTANCE, "mm", Reason.RANGE),)

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the frame for `distance` in mm; None is "no echo"."""
        check_names(self.FACTS.name, values, ("distance",))
        distance = counts(self.FACTS.name, values, _DISTANCE, 0xFFFF) or 0
        body = bytes((0xFF, distance >> 8, distance & 0xFF))
        return body + bytes((sum(body) & 0xFF,))
