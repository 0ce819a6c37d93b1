"""A reading: one value of one quantity of one sensor at one instant, with its quality."""

from __future__ import annotations

import msgspec

from core.identity import SeriesId
from core.quality import AT_LEAST, Quality, Reason
from core.quantity import Quantity


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value, or the honest statement that there is none.

    Attributes:
        sensor: Slug of the sensor, unique within the site.
        quantity: What was measured.
        at: Milliseconds since the epoch (milliseconds since boot in a pack without a trusted
            clock), set once at the station, strictly increasing per series.
        value: In the canonical unit; None only with quality bad.
        quality: How far it may be believed.
        reasons: Why it is not good; empty when it is.
        minimum, maximum: Extremes of an aggregate, else None.
        count: How many samples the aggregate holds; 1 for a single sample.
    """

    sensor: str
    quantity: Quantity
    at: int
    value: float | None
    quality: Quality = Quality.GOOD
    reasons: tuple[Reason, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    count: int = 1

    @property
    def series(self) -> SeriesId:
        """The stream this reading belongs to."""
        return SeriesId(self.sensor, self.quantity)

    @property
    def at_least(self) -> bool:
        """True when the true value is at least this bad (saturated, blind zone)."""
        return any(reason in AT_LEAST for reason in self.reasons)
