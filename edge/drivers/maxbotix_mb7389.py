"""MaxBotix MB7389 and family: ultrasonic distance as text, `R` + four digits in mm + CR.

Source: MaxBotix HRXL-MaxSonar-WR data sheet PD11500. 300 means anything up to 300 mm, the maximum
(5000 or 9999 by model) means no target. There is no checksum: a line must be exactly right, and a
station needs two that agree before it acts. The maker states that these sensors are not for
personal safety: never the only witness of a danger to life.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import (
    Check,
    Driver,
    DriverFacts,
    Field,
    Frame,
    Measurement,
    Mode,
    Option,
    Options,
    Value,
)
from edge.drivers.options import Settings, read_options
from edge.drivers.stream import bad, beyond, check_names, counts
from edge.framing import LineFramer

_BLIND_MM, _MAX_MM = 300, 5000
_XL_MAX_MM = 7650  # XL models say R765 without a target (XL-MaxSonar-WR data sheet)
_LINE_BYTES = 64
# Four digits are mm; XL models send three digits in cm. A stray FF before the R occurs, and HRUSB
# models put a space before the CR.
_LINE = re.compile(rb"\xff*R(\d{3,4}) ?")
_DISTANCE = Field("distance", "mm", Quantity.DISTANCE, _BLIND_MM + 1, _MAX_MM - 1, 1, 1500)


class MaxbotixMb7389(Driver):
    """Distance in mm; at most 300 is blind zone, the maximum is no target."""

    FACTS = DriverFacts(
        name="maxbotix_mb7389",
        title="MaxBotix HRXL-MaxSonar-WR ultrasonic distance",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.NONE,
        warm_up_s=0.0,
        interval_s=0.15,
        verified=True,
        quantities=(Quantity.DISTANCE, Quantity.WATER_LEVEL),
        source="MaxBotix data sheet PD11500",
        fields=(_DISTANCE,),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "max_mm": Option(
            _MAX_MM, "what the model reports without a target, mm; XL models: 7650", 1000, 9999
        ),
        "digits": Option(4, "4 = mm, 3 = cm (XL models), 0 = either (only by hand)", 0, 4),
    }

    __slots__ = ("_framer", "settings")

    settings: Settings

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options or {})
        self.settings = read_options(self.FACTS.name, self.OPTIONS, self.options)
        self._framer = LineFramer(self.counters, b"\r", _LINE_BYTES)

    @property
    def facts(self) -> DriverFacts:
        """What is known of the device."""
        return self.FACTS

    @property
    def pending(self) -> int:
        """How many bytes wait for the end of their line."""
        return self._framer.pending

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece of the stream; return the lines that it completes."""
        return [
            Frame((measurement,), line + b"\r")
            for line in self._framer.feed(data)
            if (measurement := self._read(line)) is not None
        ]

    def reset(self) -> None:
        """Forget a partial line."""
        self._framer.reset()

    def _read(self, line: bytes) -> Measurement | None:
        match = _LINE.fullmatch(line)
        digits = self.settings.whole("digits")
        if match is None or digits not in (0, len(match[1])):
            if line.strip():
                self.counters.framing_errors += 1
                self.counters.discarded_bytes += len(line) + 1
                self.counters.last_error = "a line that is not R and the configured digits"
            return None
        self.counters.good += 1
        distance = int(match[1]) * (10 if len(match[1]) == 3 else 1)
        if distance >= self._max_mm(len(match[1])):
            return bad("distance", Quantity.DISTANCE, "mm", Reason.NO_TARGET)
        if distance <= _BLIND_MM:
            return beyond("distance", Quantity.DISTANCE, "mm", _BLIND_MM, Reason.BLIND_ZONE)
        return Measurement("distance", Quantity.DISTANCE, distance, "mm")

    def _max_mm(self, digits: int) -> int:
        if digits == 3 and "max_mm" not in self.options:
            return _XL_MAX_MM
        return self.settings.whole("max_mm")

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the line for `distance` in mm; None is the maximum."""
        check_names(self.FACTS.name, values, ("distance",))
        most = self._max_mm(self.settings.whole("digits"))
        distance = counts(self.FACTS.name, values, _DISTANCE, most)
        shown = max(_BLIND_MM, most if distance is None else distance)
        if self.settings.whole("digits") == 3:
            return b"R%03d\r" % min(999, round(shown / 10))
        return b"R%04d\r" % shown
