"""The archive seam: what a history backend takes, gives back, and says about itself.

A backend is a module in this package and one line in `ingest/history/__init__.py`; the contract
suite `tests/contracts/test_history.py` then runs on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from core.finding import ZoneGrade
from core.identity import SeriesId
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading

# How the store numbers qualities: the larger, the worse.
QUALITY_CODES: dict[Quality, int] = {Quality.GOOD: 0, Quality.UNCERTAIN: 1, Quality.BAD: 2}
QUALITIES = tuple(QUALITY_CODES)
# Bit of each reason in the store. Append only: files on disk hold these numbers.
REASON_BITS: tuple[Reason, ...] = (
    Reason.RANGE,
    Reason.SATURATED,
    Reason.BLIND_ZONE,
    Reason.NO_TARGET,
    Reason.RATE,
    Reason.WARMING_UP,
    Reason.DEVICE_FAULT,
    Reason.CLOCK,
    Reason.LATE,
    Reason.MANUAL,
    Reason.STUCK,
    Reason.IMPLAUSIBLE_PAIR,
    Reason.CONFIGURATION,
    Reason.NO_CHECKSUM,
    Reason.MISSING,
    Reason.TEST,
    Reason.UNCOMPENSATED,
    Reason.NOISE,
    Reason.SHIFT,
    Reason.NEIGHBOURS,
    Reason.DRIFT,
)
_BIT_OF = {reason: 1 << place for place, reason in enumerate(REASON_BITS)}
# Width of a roll-up bucket: 10 minutes.
BUCKET_MS = 600_000


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A stream of readings with the tags it is stored under; compared by identity for speed."""

    site: str
    station: str
    zone: str
    sensor: str
    quantity: Quantity

    @property
    def id(self) -> SeriesId:
        """How readers ask for it."""
        return SeriesId(self.sensor, self.quantity)


class StationState(msgspec.Struct, frozen=True, kw_only=True):
    """A station's link and health at one instant (run time in milliseconds)."""

    station: str
    at: int
    online: bool
    health: dict[str, float] = {}


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """What a chart needs of a stretch of time.

    Attributes:
        at: Its beginning, milliseconds since the epoch.
        mean, minimum, maximum: Of the readings that are not bad; None if there is none.
        count: How many readings those are.
        worst: Worst quality of all readings in it, the bad ones included.
    """

    at: int
    mean: float | None
    minimum: float | None
    maximum: float | None
    count: int
    worst: Quality


class Refusal(NamedTuple):
    """Something that a backend will never take.

    Attributes:
        raw: The bytes it refused, bounded.
        reason: What it said.
        stations: How many readings of which station they held.
    """

    raw: bytes
    reason: str
    stations: dict[str, int]


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend can do; others must ask before they rely on it.

    Attributes:
        reads: It can be read through a `HistoryReader`.
        idempotent: Writing the same reading twice leaves one.
        reports_refusals: It says which data it did not take; otherwise they vanish silently.
        remote: Reached over the network: written through the spool, not within the commit.
        proven: Tested against the real server.
    """

    reads: bool
    idempotent: bool
    reports_refusals: bool
    remote: bool
    proven: bool


class HistoryUnavailableError(Exception):
    """The backend can't take it now; the same data will be taken later.

    Attributes:
        retry_after_s: When to try again if the backend has said so, in seconds.
        needs_attention: True if waiting alone won't help (credentials, missing database).
    """

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, needs_attention: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.needs_attention = needs_attention


class HistoryUnreadableError(ValueError):
    """This kind of history can't be read back through Safety Eye; a retry won't help."""


Point = tuple[Series, Reading]


class HistoryWriter(Protocol):
    """Takes readings, grades and station states. Everything is idempotent where the backend is."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def write(
        self,
        points: Sequence[Point],
        grades: Sequence[ZoneGrade] = (),
        stations: Sequence[StationState] = (),
        site: str = "",
    ) -> list[Refusal]:
        """Store everything durably; returns what will never be taken.

        Raises:
            HistoryUnavailableError: Nothing or only a part was taken; write the same again later.
        """

    def maintain(self, now_ms: int) -> None:
        """Do a bounded piece of housekeeping (roll-ups, retention)."""

    def close(self) -> None:
        """Release what it holds."""


@runtime_checkable
class RemoteHistoryWriter(HistoryWriter, Protocol):
    """A history over the network: takes encoded lines out of the spool."""

    def write_lines(self, body: bytes) -> list[Refusal]:
        """Send lines; returns what will never be taken.

        Raises:
            HistoryUnavailableError: Nothing or only a part was taken; send the same again later.
        """


class HistoryReader(Protocol):
    """Gives readings back. Safe to call from any thread; empty where nothing is stored."""

    def range(
        self, series: SeriesId, start_ms: int, end_ms: int, limit: int = 10_000
    ) -> list[Reading]:
        """Readings with start <= at < end, oldest first, at most *limit*."""

    def last(self, series: SeriesId) -> Reading | None:
        """The newest reading."""

    def downsampled(
        self, series: SeriesId, start_ms: int, end_ms: int, buckets: int
    ) -> list[Bucket]:
        """At most *buckets* stretches of equal width between start and end; empty ones left out."""

    def close(self) -> None:
        """Release what it holds."""


def reason_bits(reasons: Sequence[Reason]) -> int:
    """Return the reasons as a number for the store.

    >>> reason_bits((Reason.RANGE, Reason.CLOCK))
    129
    """
    bits = 0
    for reason in reasons:
        bits |= _BIT_OF[reason]
    return bits


def reasons_of(bits: int) -> tuple[Reason, ...]:
    """Return the reasons of a stored number, in the order of the table.

    >>> [str(reason) for reason in reasons_of(129)]
    ['range', 'clock']
    """
    return tuple(reason for place, reason in enumerate(REASON_BITS) if bits >> place & 1)


def bucket_width_ms(start_ms: int, end_ms: int, buckets: int) -> int:
    """Return the width of *buckets* stretches between two instants, at least 1 ms.

    >>> bucket_width_ms(0, 1000, 3)
    334
    """
    return max(1, -(-(end_ms - start_ms) // max(1, buckets)))
