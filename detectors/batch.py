"""A micro-batch of readings as arrays, and how repeats of a series in it are taken in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from core.identity import SeriesId
from core.quality import Quality, Reason
from core.reading import Reading
from detectors.limit_lane import BAD, GOOD, UNCERTAIN, Bytes, Flags, Floats, Ints

_CODES = {Quality.GOOD: GOOD, Quality.UNCERTAIN: UNCERTAIN, Quality.BAD: BAD}
REASONS = tuple(Reason)
REASON_CODES = {reason: index for index, reason in enumerate(REASONS)}
NO_REASON = -1
# Reasons that say something of the time or the way of a reading and nothing of its value: alone
# they never block a limit (interfaces, Quality).
_HARMLESS = frozenset({Reason.CLOCK, Reason.LATE})


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings of one arrival, one array a column.

    Attributes:
        slot: Which series.
        at: Event time in milliseconds.
        value: Canonical unit; NaN where there is none.
        quality: 0 good, 1 uncertain, 2 bad.
        reason: Index of the first reason in `REASONS`, -1 for none.
        late: True where the reading was late on arrival.
    """

    slot: Ints
    at: Ints
    value: Floats
    quality: Bytes
    reason: Bytes
    late: Flags

    @property
    def size(self) -> int:
        """How many readings."""
        return int(self.slot.size)

    def take(self, which: Ints) -> Batch:
        """Return the readings at these positions."""
        return Batch(
            self.slot[which],
            self.at[which],
            self.value[which],
            self.quality[which],
            self.reason[which],
            self.late[which],
        )


def batch_of(
    readings: Sequence[Reading],
    slots: Mapping[SeriesId, int],
    late: Sequence[bool] | None = None,
) -> Batch:
    """Return *readings* as arrays; every one of them must have a slot."""
    size = len(readings)
    nan = float("nan")
    return Batch(
        np.fromiter((slots[reading.series] for reading in readings), np.int64, size),
        np.fromiter((reading.at for reading in readings), np.int64, size),
        np.fromiter(
            (nan if reading.value is None else reading.value for reading in readings),
            np.float64,
            size,
        ),
        np.fromiter((quality_code(reading) for reading in readings), np.int8, size),
        np.fromiter((_reason_code(reading) for reading in readings), np.int8, size),
        np.zeros(size, np.bool_) if late is None else np.fromiter(late, np.bool_, size),
    )


def quality_code(reading: Reading) -> int:
    """Return the code under which a reading is judged.

    An uncertain reading whose only reasons are its clock or its lateness is judged as good; a bad
    one with a value as uncertain.
    """
    code = _CODES[reading.quality]
    if (
        code
        and reading.value is not None
        and reading.reasons
        and _HARMLESS.issuperset(reading.reasons)
    ):
        return code - 1
    return code


def _reason_code(reading: Reading) -> int:
    return REASON_CODES[reading.reasons[0]] if reading.reasons else NO_REASON


def rounds(batch: Batch) -> Iterator[Batch]:
    """Split a batch so that each part names every series at most once, in time order."""
    if batch.size <= 1:
        yield batch
        return
    order = np.lexsort((batch.at, batch.slot))
    slot = batch.slot[order]
    starts = np.empty(slot.size, np.bool_)
    starts[0] = True
    np.not_equal(slot[1:], slot[:-1], out=starts[1:])
    if starts.all():
        yield batch
        return
    place = np.arange(slot.size)
    turn = place - np.maximum.accumulate(np.where(starts, place, 0))
    order = order[np.argsort(turn, kind="stable")]
    edges = np.concatenate(([0], np.cumsum(np.bincount(turn))))
    for start, end in pairwise(edges.tolist()):
        yield batch.take(order[start:end])
