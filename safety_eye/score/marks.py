"""What is known of a recording besides its readings: events, faults, published results.

Only the scorer reads this; the replay never does (`detectors.recording.Facts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from detectors.recording import json_bytes, moment_ms, naming


class _RawMark(msgspec.Struct, frozen=True):
    start: str
    end: str
    channels: tuple[str, ...] = ()
    label: str = ""
    source: str = ""


class _RawMarks(msgspec.Struct, frozen=True):
    events: tuple[_RawMark, ...] = ()
    faults: tuple[_RawMark, ...] = ()
    reference: dict[str, object] = {}


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked stretch of a recording, both ends inclusive.

    Attributes:
        start_ms, end_ms: Milliseconds since the epoch.
        channels: Which columns it concerns; empty: all of them.
        label, source: As written in the recording's JSON.
    """

    start_ms: int
    end_ms: int
    channels: tuple[str, ...] = ()
    label: str = ""
    source: str = ""

    def concerns(self, channel: str) -> bool:
        """Tell whether *channel* is meant."""
        return not self.channels or channel in self.channels


@dataclass(frozen=True, slots=True)
class Marks:
    """Everything that is known of one recording.

    Attributes:
        events: What should be warned of, by time.
        faults: Sensor faults and quality codes, by time.
        reference: Published results of the same experiment.
    """

    events: tuple[Mark, ...]
    faults: tuple[Mark, ...]
    reference: dict[str, object]


def read_marks(facts_path: Path) -> Marks:
    """Read the marks of a recording from its `NAME.json`.

    Raises:
        ValueError: The file is not a recording's JSON, or can't be read.
    """
    with naming(facts_path):
        raw = msgspec.json.decode(json_bytes(facts_path), type=_RawMarks)
        return Marks(_ordered(raw.events), _ordered(raw.faults), raw.reference)


def _ordered(raw: tuple[_RawMark, ...]) -> tuple[Mark, ...]:
    marks = (
        Mark(moment_ms(one.start), moment_ms(one.end), one.channels, one.label, one.source)
        for one in raw
    )
    return tuple(sorted(marks, key=lambda mark: (mark.start_ms, mark.end_ms)))
