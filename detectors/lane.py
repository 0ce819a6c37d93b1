"""The seam of a series detector: a lane of many series, and what the bank must know of it.

A lane turns each good reading of its series into one number (how long it has not changed, how far
it is from what was expected, how much of a dose is used up); the limit step judges that number, so
that every detector has the same on-delays, deadbands, treatment of quality, gaps and late data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.finding import Because, Certainty, Hazard
from core.grade import Grade
from core.limits import LimitRule
from core.quality import Reason
from detectors.limit_lane import Floats, Ints

if TYPE_CHECKING:  # plans are made of what lanes choose
    from detectors.plan import SeriesPlan

EVERY_HAZARD = frozenset(Hazard)


class Lane(Protocol):
    """State of one detector for many series, as a structure of arrays: one entry a series."""

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Judge, then learn one good reading for each of *lines*.

        Args:
            lines: Which series; distinct.
            at: Event time in milliseconds, newer than the last one of the series.
            value: Canonical unit, finite; of counters the count per interval.

        Returns:
            One number a reading, in the unit of the detector's limits; NaN while there is nothing
            to say (not warm yet, after a gap).
        """


@dataclass(frozen=True, slots=True)
class Choice:
    """How a detector is set for one series.

    Attributes:
        rule: Parameters of the lane; frozen, with a `repr` that tells all of them.
        limits: Limits on the number that the lane returns.
    """

    rule: Any
    limits: LimitRule


@dataclass(frozen=True, slots=True)
class Detector:
    """One detector of single series, as the registry names it.

    Attributes:
        name: Rule of its findings, a slug; `core.finding_wording` has its words.
        lane: Makes the lane of these parameters, one a series.
        state: Attributes of the lane that a snapshot holds: arrays, first axis = series.
        choose: Sets it for a series, by what it measures, where and how often, never by its name;
            None where it does not apply to this quantity.
        why: Adds to the reasons of a finding what the lane knows of a series now.
        hazards: The hazard profiles that it belongs to.
        fault: The fault of a sensor of which it speaks; its findings then are of hazard equipment
            and never touch the grade of the danger itself. None where it speaks of the world.
        cap: Highest grade that its limits may state (learned detectors advise: yellow).
        certainty: Of its findings.
        learned: True if it speaks of what is unusual rather than of what is dangerous: such a
            detector stays silent in a community until its own back-test has passed.
        teach: Lets series that have learned nothing yet learn from hourly means of their history:
            lane, lines, times (one an hour), and values (hours x lines, NaN where there is none).
            Such a lane has `first_at`: when each series began to learn, `NEVER` before.
        momentary: It speaks of readings, not of a state that lasts: its finding stays for people to
            see, but in a replay only the reading that raised it scores 0.5 and more.
        version: Raised when the meaning of its state changes: old snapshots of it are left alone.
    """

    name: str
    lane: Callable[[Sequence[Any]], Lane]
    state: tuple[str, ...]
    choose: Callable[[SeriesPlan], Choice | None]
    why: Callable[[Any, int, Because], Because]
    hazards: frozenset[Hazard] = EVERY_HAZARD
    fault: Reason | None = None
    cap: Grade = Grade.YELLOW
    certainty: Certainty = Certainty.POSSIBLE
    learned: bool = False
    teach: Callable[[Any, Ints, Ints, Floats], None] | None = None
    momentary: bool = False
    version: int = 1
