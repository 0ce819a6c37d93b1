"""From alarms to episodes, from episodes to what was found, how early, and what was false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.limit_lane import Flags, Ints
from safety_eye.score.marks import Mark


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of alarms in which no pause is as long as the merge time.

    Attributes:
        start_ms, end_ms: First and last alarmed reading, both inclusive.
    """

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a detector achieved on one sensor.

    Attributes:
        leads_ms: One an event: milliseconds from the first alarm to the event's onset, negative
            where the alarm came later, None where there was none.
        false: Episodes that belong to no event.
    """

    leads_ms: tuple[int | None, ...]
    false: tuple[Episode, ...]

    @property
    def found(self) -> int:
        """Events with an alarm."""
        return sum(lead is not None for lead in self.leads_ms)


def episodes_of(at: Ints, alarm: Flags, merge_ms: int) -> list[Episode]:
    """Return the episodes of *alarm*; pauses up to *merge_ms* do not end one.

    >>> at = np.array([0, 10, 20, 30, 90])
    >>> alarm = np.array([True, False, True, False, True])
    >>> [(one.start_ms, one.end_ms) for one in episodes_of(at, alarm, 30)]
    [(0, 20), (90, 90)]
    """
    times = at[alarm]
    if not times.size:
        return []
    breaks = np.flatnonzero(np.diff(times) > merge_ms)
    starts = times[np.concatenate(([0], breaks + 1))]
    ends = times[np.concatenate((breaks, [times.size - 1]))]
    return [Episode(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]


def match(
    episodes: Sequence[Episode],
    events: Sequence[Mark],
    onsets_ms: Sequence[int],
    *,
    reach_ms: int,
    credit_ms: int,
    excused: Sequence[Mark] = (),
) -> Verdict:
    """Say which events were warned of, how early, and which episodes were false.

    An episode belongs to an event that it overlaps, or before which it ended by at most *reach_ms*.

    Args:
        episodes: By time.
        events: What should be found.
        onsets_ms: When each event becomes real (start, or first reading at its limit).
        reach_ms: How long before an event an episode may have ended and still be its warning.
        credit_ms: The longest lead that is credited: who warns a week ahead has said nothing.
        excused: Marks besides in which an alarm is neither asked for nor false.
    """
    leads: list[int | None] = []
    for event, onset in zip(events, onsets_ms, strict=True):
        mine = [one for one in episodes if _belongs(one, event, reach_ms)]
        first = min((one.start_ms for one in mine), default=None)
        leads.append(None if first is None else min(onset - first, credit_ms))
    known = (*events, *excused)
    false = [one for one in episodes if not any(_belongs(one, mark, reach_ms) for mark in known)]
    return Verdict(tuple(leads), tuple(false))


def _belongs(episode: Episode, mark: Mark, reach_ms: int) -> bool:
    return episode.start_ms <= mark.end_ms and episode.end_ms >= mark.start_ms - reach_ms
