"""What the production detectors said of recordings, as arrays beside what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.finding import Hazard
from core.grade import Grade
from core.quality import Reason
from core.quantity import Quantity
from detectors.limit_lane import Bytes, Flags, Floats, Ints
from detectors.profiles import MEAN_SUFFIX, hazard_of
from detectors.recording import Recording, read_recording
from detectors.replay import day_means, replay
from safety_eye.score.marks import Marks, read_marks

_GRADES = {grade.word: int(grade) for grade in Grade}


@dataclass(frozen=True, slots=True)
class Track:
    """One channel: its readings and what was said of each.

    Attributes:
        channel, quantity, hazard: What it is.
        values: What the published limits are about (readings, or their trailing 24 h mean), one a
            row, canonical unit, NaN missing.
        limits: Published limits, canonical unit, lowest first.
        mean: True where the limits are about the 24 h mean.
        grade, score: As replayed, one a row.
        fault: True where a reading was called faulty; a missing one is not.
        words: What it was called there, by row.
    """

    channel: str
    quantity: Quantity
    hazard: Hazard
    values: Floats
    limits: tuple[float, ...]
    mean: bool
    grade: Bytes
    score: Floats
    fault: Flags
    words: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Played:
    """A recording after its replay.

    Attributes:
        name, kind, interval_s, timezone: Of its JSON.
        at: Milliseconds since the epoch, one a row.
        tracks: Its channels.
        marks: What is known besides; never shown to the replay.
    """

    name: str
    kind: str
    interval_s: float
    timezone: str | None
    at: Ints
    tracks: tuple[Track, ...]
    marks: Marks


def find_recordings(directory: Path) -> list[Path]:
    """Return every `NAME.csv.gz` or `NAME.csv` below *directory*, with its `NAME.json` or without.

    One without is refused by name when it is read; it must not go missing from the tables unsaid.
    """
    return sorted([*directory.rglob("*.csv.gz"), *directory.rglob("*.csv")])


def facts_path(path: Path) -> Path:
    """Return the `NAME.json` beside a recording."""
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".csv") + ".json")


def play(paths: Sequence[Path], *, together: bool = False) -> list[Played]:
    """Replay recordings with the production detectors and an empty calendar of holidays.

    Raises:
        ValueError: A file is not a recording, or its rows don't come in the order of time.
    """
    recordings = [_in_order(path) for path in paths]
    if not together and len({one.facts.name for one in recordings}) < len(recordings):
        # The lines of a replay tell recordings apart by their names only.
        return [one for path in paths for one in play([path])]
    # Scores of quiet rows are asked for only where they are scored: of general recordings.
    every = any(one.facts.kind == "general" for one in recordings)
    blank = {one.facts.name: _Blank(one) for one in recordings}
    for line in replay(paths, together=together, every=every):
        blank[line["recording"]].note(line)
    return [
        Played(
            one.facts.name,
            one.facts.kind,
            one.facts.interval_s,
            one.facts.timezone,
            one.at,
            blank[one.facts.name].tracks(),
            read_marks(facts_path(path)),
        )
        for one, path in zip(recordings, paths, strict=True)
    ]


def _in_order(path: Path) -> Recording:
    """Read a recording that is to be scored: what is marked is looked up by time."""
    recording = read_recording(path)
    back = np.flatnonzero(np.diff(recording.at) < 0)
    if back.size:
        raise ValueError(f"{path}: reading {back[0] + 2} is older than the one before it")
    return recording


class _Blank:
    """Arrays of one recording that the lines of its replay fill."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._row = {text: row for row, text in enumerate(recording.texts)}
        self._channel = {one.name: number for number, one in enumerate(recording.channels)}
        shape = (len(recording.channels), recording.at.size)
        self._grade = np.zeros(shape, np.int8)
        self._score = np.zeros(shape)
        self._fault = np.zeros(shape, np.bool_)
        self._words: list[dict[int, str]] = [{} for _ in recording.channels]

    def note(self, line: dict[str, object]) -> None:
        where = self._channel[str(line["channel"])], self._row[str(line["at"])]
        self._grade[where] = _GRADES[str(line["grade"])]
        self._score[where] = float(str(line["score"]))
        if line["fault"] not in (None, Reason.MISSING.value):
            self._fault[where] = True
            self._words[where[0]][where[1]] = str(line["fault"])

    def tracks(self) -> tuple[Track, ...]:
        recording = self._recording
        told = []
        for number, channel in enumerate(recording.channels):
            mean = any(name.endswith(MEAN_SUFFIX) for name in channel.limits)
            limits = [
                limit
                for name, limit in channel.limits.items()
                if name.endswith(MEAN_SUFFIX) is mean
            ]
            values = channel.values
            if mean:
                values = day_means(recording.at, values, recording.facts.interval_s)
            told.append(
                Track(
                    channel.name,
                    channel.quantity,
                    hazard_of(channel.quantity, recording.facts.kind),
                    values,
                    tuple(sorted(limits)),
                    mean,
                    self._lasting(number, channel.values),
                    self._score[number],
                    self._fault[number],
                    self._words[number],
                )
            )
        return tuple(told)

    def _lasting(self, number: int, values: Floats) -> Bytes:
        """Return the grades with those of missing cells kept from before, as the replay does."""
        rows = np.where(np.isnan(values), 0, np.arange(values.size))
        held: Bytes = (
            self._grade[number][np.maximum.accumulate(rows)] if rows.size else rows.astype(np.int8)
        )
        return held
