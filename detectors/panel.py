"""The seam of a panel: a detector that looks at several series of a zone together.

Panels come after the bank: they see the same readings and what the bank states of them. Each yields
one number a rule, and the limit step judges that number as it judges everything else. Their
findings are of `zone.<zone>`, or of a series that its neighbours contradict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from core.community import Community
from core.finding import Because, Certainty, Hazard
from core.limits import LimitRule
from detectors.batch import Batch
from detectors.limit_lane import Floats, Ints
from detectors.plan import SeriesPlan

if TYPE_CHECKING:
    from detectors.bank import Bank

# Identities of the entries of arrays, and the names of those arrays.
Memory = tuple[tuple[str, ...], tuple[str, ...]]
# Rows of the panel, event time, and the number to be judged of each.
Fed = tuple[Ints, Ints, Floats]


@dataclass(frozen=True, slots=True)
class PanelRule:
    """One thing that a panel states.

    Attributes:
        subject: `zone.<zone>` or `<sensor>.<quantity>`.
        name: Rule of its findings, a slug; `core.finding_wording` has its words.
        zone, hazard: Where they belong.
        limits: Limits on the panel's number.
        unit: Of the value that its reasons tell.
        slots: The series that it looks at.
        certainty: Of its findings.
        fault: Word of the fault if it speaks of a sensor rather than of the world, else "".
        spreads: True if its grade is that of every series it looks at, False if only of those
            that are not green themselves.
        learned: True if it must stay silent until its back-test has passed.
        version: Raised when a learned one says something else than before: it is tested anew.
        setting: Everything else that makes its memory worthless when it changes.
    """

    subject: str
    name: str
    zone: str
    hazard: Hazard
    limits: LimitRule
    unit: str
    slots: tuple[int, ...]
    certainty: Certainty = Certainty.LIKELY
    fault: str = ""
    spreads: bool = True
    learned: bool = False
    version: int = field(default=1, repr=False)  # state is resumed by `repr`, whatever the version
    setting: Any = None


class Panel(Protocol):
    """State of one kind of panel, for every zone or group of a site."""

    @property
    def rules(self) -> tuple[PanelRule, ...]:
        """What it states."""

    @property
    def memory(self) -> tuple[Memory, ...]:
        """Its arrays that a snapshot holds."""

    def step(self, bank: Bank, part: Batch) -> Fed:
        """Judge, then learn present, good readings, each series at most once.

        Returns:
            Rows (positions in `rules`, distinct), the event time and the number of each; NaN is
            unknown.
        """

    def why(self, row: int, told: Because) -> Because:
        """Add to *told* why rule *row* says what it says."""


Maker = Callable[[Community | None, Sequence[SeriesPlan]], Panel | None]


def key_of(*parts: object) -> str:
    """Return an identity under which state is resumed."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
