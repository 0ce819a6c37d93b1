"""Faults of a sensor, told against faults that a technician marked: by event, not by reading."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from core.quality import Reason
from detectors.limit_lane import Ints

# Words that speak of the level of a reading; noise and standstill are other faults.
LEVEL_WORDS = frozenset({Reason.RATE.value})
# Alarms closer than this are one visit of one technician; choice of this project.
JOIN_MS = 4 * 3_600_000
# An alarm may begin this long before or after the marked stretch: a spike is told when it is over.
TOLERANCE_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch that a technician marked.

    Attributes:
        start, end: Event time in milliseconds, both included.
        counts: True if it must be found; False where finding it is neither right nor wrong (long
            stretches of ice, estimates).
    """

    start: int
    end: int
    counts: bool = True


@dataclass(frozen=True, slots=True)
class FaultEvents:
    """What became of marks and alarms.

    Attributes:
        marked, found: Marks that count, and those of them that an alarm met.
        right, wrong: Alarms that met a mark that counts, and those that met none at all.
        apart: Alarms that only met marks that don't count.
        others, others_found: Marks that don't count, and those of them that an alarm met.
        false_at: When the wrong alarms began, in milliseconds.
    """

    marked: int = 0
    found: int = 0
    right: int = 0
    wrong: int = 0
    apart: int = 0
    others: int = 0
    others_found: int = 0
    false_at: tuple[int, ...] = ()

    def __add__(self, other: FaultEvents) -> FaultEvents:
        """Return both together, for many recordings."""
        return FaultEvents(
            self.marked + other.marked,
            self.found + other.found,
            self.right + other.right,
            self.wrong + other.wrong,
            self.apart + other.apart,
            self.others + other.others,
            self.others_found + other.others_found,
            self.false_at + other.false_at,
        )

    @property
    def precision(self) -> float | None:
        """Share of alarms that are right; None without an alarm."""
        told = self.right + self.wrong
        return self.right / told if told else None

    @property
    def recall(self) -> float | None:
        """Share of the marks that were found; None without a mark."""
        return self.found / self.marked if self.marked else None


def fault_events(
    at: Ints,
    faults: Sequence[str | None],
    marks: Sequence[Mark],
    *,
    words: Collection[str] = LEVEL_WORDS,
    join_ms: int = JOIN_MS,
    tolerance_ms: int = TOLERANCE_MS,
) -> FaultEvents:
    """Hold the faults that were told, one word a row, against marked stretches.

    An alarm is met by its beginning only: one that lasts for a day finds nothing that comes later.

    Args:
        at: Event time of each row in milliseconds, ascending.
        faults: Fault word of each row, None where there is none (as `replay` prints it).
        marks: What a technician marked.
        words: Fault words that count as alarms.
        join_ms: Rows closer than this are one alarm.
        tolerance_ms: How far outside a mark an alarm may begin.

    >>> rows = np.arange(6) * 900_000
    >>> told = fault_events(rows, [None, "rate", None, None, None, None], [Mark(900_000, 900_000)])
    >>> told.precision, told.recall
    (1.0, 1.0)
    """
    begun = _beginnings(at, faults, words, join_ms)
    met = [
        [mark.start - tolerance_ms <= one <= mark.end + tolerance_ms for one in begun]
        for mark in marks
    ]
    counting = [hits for mark, hits in zip(marks, met, strict=True) if mark.counts]
    others = [hits for mark, hits in zip(marks, met, strict=True) if not mark.counts]
    right = [any(hits[place] for hits in counting) for place in range(len(begun))]
    apart = [
        not right[place] and any(hits[place] for hits in others) for place in range(len(begun))
    ]
    wrong = tuple(
        one
        for one, is_right, is_apart in zip(begun, right, apart, strict=True)
        if not is_right and not is_apart
    )
    return FaultEvents(
        marked=len(counting),
        found=sum(map(any, counting)),
        right=sum(right),
        wrong=len(wrong),
        apart=sum(apart),
        others=len(others),
        others_found=sum(map(any, others)),
        false_at=wrong,
    )


def _beginnings(
    at: Ints, faults: Sequence[str | None], words: Collection[str], join_ms: int
) -> list[int]:
    """Return when alarms begin."""
    told = at[np.array([word in words for word in faults], np.bool_)]
    if not told.size:
        return []
    return [int(told[0]), *told[1:][np.diff(told) > join_ms].tolist()]
