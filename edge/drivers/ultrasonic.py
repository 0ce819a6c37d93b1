"""What the 4-byte ultrasonic sensors share: `FF H L S`, distance in mm.

Water that rises into the blind zone is reported as the minimum or as nothing: near the minimum a
driver says "at most this distance" (blind zone), and what it means is judged with the trend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Options, Value
from edge.drivers.stream import StreamDriver, bad, beyond, check_names, counts
from edge.framing import BAD_CHECKSUM, Rejection


def ultrasonic_facts(
    name: str,
    title: str,
    source: str,
    *,
    blind_mm: int,
    max_mm: int,
    baud: int = 9600,
    interval_s: float = 0.1,
    verified: bool = True,
) -> DriverFacts:
    """Return the facts of an ultrasonic sensor with this range."""
    return DriverFacts(
        name=name,
        title=title,
        mode=Mode.STREAM,
        baud=baud,
        check=Check.WEAK,
        warm_up_s=0.0,
        interval_s=interval_s,
        verified=verified,
        quantities=(Quantity.DISTANCE, Quantity.WATER_LEVEL),
        source=source,
        fields=(Field("distance", "mm", Quantity.DISTANCE, blind_mm + 1, max_mm, 1, 1500),),
    )


def range_option(max_mm: int, meaning: str = "end of the range in mm") -> dict[str, Option]:
    """Return the option that sets another end of the range."""
    return {"max_mm": Option(max_mm, meaning, 100, 20_000)}


class UltrasonicDriver(StreamDriver):
    """Distance in mm; 0 means no echo.

    Attributes:
        BLIND_MM: At and below this distance the sensor hears itself.
        SENTINELS: Contents that are no distance, with their reason.
        SUM_FROM: First byte that the checksum counts (0 with the header, 1 without).
    """

    BLIND_MM: ClassVar[int]
    SENTINELS: ClassVar[Mapping[int, Reason]] = {}
    SUM_FROM: ClassVar[int] = 0
    HEADERS = (b"\xff",)
    SIZE = 4

    __slots__ = ("_max_mm",)

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self._max_mm = self.settings.number("max_mm")

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the 8-bit sum."""
        return None if sum(raw[self.SUM_FROM : 3]) & 0xFF == raw[3] else BAD_CHECKSUM

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the distance."""
        distance = raw[1] << 8 | raw[2]
        if self.BLIND_MM < distance <= self._max_mm:
            return (Measurement("distance", Quantity.DISTANCE, distance, "mm"),)
        if distance in self.SENTINELS:
            return (bad("distance", Quantity.DISTANCE, "mm", self.SENTINELS[distance]),)
        if distance == 0:
            return (bad("distance", Quantity.DISTANCE, "mm", Reason.NO_TARGET),)
        if distance <= self.BLIND_MM:
            limit, reason = self.BLIND_MM, Reason.BLIND_ZONE
            return (beyond("distance", Quantity.DISTANCE, "mm", limit, reason),)
        return (bad("distance", Quantity.DISTANCE, "mm", Reason.RANGE),)

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the frame for `distance` in mm; None is "no echo"."""
        check_names(self.FACTS.name, values, ("distance",))
        distance = counts(self.FACTS.name, values, self.FACTS.fields[0], 0xFFFF) or 0
        body = bytes((0xFF, distance >> 8, distance & 0xFF))
        return body + bytes((sum(body[self.SUM_FROM :]) & 0xFF,))
