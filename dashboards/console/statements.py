"""What was said and for how long it holds: link states of stations, findings, grades. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from core.finding import Finding, ZoneGrade
from core.status import Link, StationStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StationState:
    """What is known of one station.

    Attributes:
        id: Slug of the station.
        link: online, offline (the broker lost it), stopped (it said goodbye), quiet (online, but
            nothing comes), never (nothing was ever heard).
        since: Run time (ms) at which this link state was first seen, 0 if never.
        heard_at: Run time (ms) at which anything live came from it, 0 if never.
        status: Its last statement, None if there was none.
        packs, refused: Packs read and payloads that could not be read since this program started.
    """

    id: str
    link: str = "never"
    since: int = 0
    heard_at: int = 0
    status: StationStatus | None = None
    packs: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """A statement with the instant (monotonic, s) after which it is not said any more."""

    said: T
    until_s: float


def began(status: StationStatus, now: int, retained: bool) -> int:
    """Return since when a link state holds, 0 if that can't be known.

    A will bears the time of the connect, and a retained one may be old.
    """
    if status.link is Link.OFFLINE:
        return 0 if retained else now
    return status.at or (0 if retained else now)


def same_finding(old: Finding, new: Finding) -> bool:
    """Tell whether the newer finding says nothing that a page would show differently."""
    return (old.grade, old.condition, old.since, old.because.note) == (
        new.grade,
        new.condition,
        new.since,
        new.because.note,
    )


def same_grade(old: ZoneGrade, new: ZoneGrade) -> bool:
    """Tell whether the newer grade says nothing that a page would show differently."""
    return (old.grade, old.condition, old.since, old.incident) == (
        new.grade,
        new.condition,
        new.since,
        new.incident,
    )
