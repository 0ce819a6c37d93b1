"""Times of packs without a trusted clock, mapped while the station is live.

Such a pack counts milliseconds since the station's boot. Each arrival bounds the boot's beginning
from above; the smallest bound seen is used, so that queueing on the way moves no reading forward.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from core.reading import Reading

# Boots that are remembered of a station: the present one, and those whose packs it still sends.
MOST_BOOTS = 24


@dataclass(slots=True)
class Chronicle:
    """When each untrusted boot began, in run time (milliseconds)."""

    begun: dict[tuple[str, str], int] = field(default_factory=dict)

    def learn(self, station: str, boot: str, monotonic_ms: int, now_ms: int) -> None:
        """Take note that the boot is *monotonic_ms* old now, or was some time ago."""
        key = (station, boot)
        begun = now_ms - monotonic_ms
        self.begun[key] = min(begun, self.begun.pop(key, begun))
        for oldest in [other for other in self.begun if other[0] == station][:-MOST_BOOTS]:
            del self.begun[oldest]

    def dated(self, station: str, boot: str, readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
        """Return *readings* with times of the run's clock; empty if the boot is not known."""
        begun = self.begun.get((station, boot))
        if begun is None:
            return ()
        return tuple(replace(reading, at=reading.at + begun) for reading in readings)
