"""Fire tests: how soon each grade came, beside the commercial alarms of the same test.

The files begin at ignition, and a detector that has just been started is not the one that hangs in
a stairwell: so every test is also replayed with clean air before it. Where an alarm of the test
rang before anything could be seen in any channel that was recorded, no detector of these channels
can be in time; `visible_s` says from when on one could.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from core.grade import Grade
from core.quantity import Quantity
from detectors.limit_lane import Floats, Ints
from detectors.rates import RATES
from detectors.recording import Recording, read_recording
from safety_eye.score.marks import Marks, read_marks
from safety_eye.score.track import Track, facts_path, play

# Minutes of clean air: longer than any memory of the fire rules.
CLEAN_S = 600.0
# What stays above its past for this long is something that was seen; readers know it afterwards.
_LASTING_MS = 30_000
# What fire rules look at.
_JUDGED = (Quantity.SMOKE_OBSCURATION, Quantity.CARBON_MONOXIDE, Quantity.TEMPERATURE)
# Scatter of the meters of a test hall before ignition, a tenth of what a quiet sensor is given.
_SCATTER = 0.1
# The rest of a channel is the lowest of so many first readings.
_FIRST_ROWS = 3
_SEED = 20_260_401
_GRADES = (Grade.YELLOW, Grade.ORANGE, Grade.RED)


class FireScore(msgspec.Struct, frozen=True):
    """One fire test. Times are seconds after ignition; None: never.

    Attributes:
        recording: Its name.
        first_alarm_s, median_ion_s: The published alarms of the same test.
        visible_s: From when on any judged channel stood above its own past for 30 s; it is known
            afterwards only, so no detector of these channels can be earlier by right.
        recorded: Grade to its time, from the file as it is.
        clean: The same with ten minutes of clean air before.
        false_before: Highest grade within those minutes.
    """

    recording: str
    first_alarm_s: float | None
    median_ion_s: float | None
    visible_s: float | None
    recorded: dict[str, float | None]
    clean: dict[str, float | None]
    false_before: str


def grade_times(at: Ints, tracks: Sequence[Track], ignition_ms: int) -> dict[str, float | None]:
    """Return the seconds after ignition at which each warning grade was first stated."""
    grades = np.maximum.reduce([track.grade for track in tracks])
    told: dict[str, float | None] = {}
    for grade in _GRADES:
        rows = np.flatnonzero((grades >= grade) & (at >= ignition_ms))
        # A plain number: JSON knows none of numpy's.
        told[grade.word] = (int(at[rows[0]]) - ignition_ms) / 1000 if rows.size else None
    return told


def published(marks: Marks, name: str) -> float | None:
    """Return a published time of the test, in seconds after ignition."""
    told = marks.reference.get(name)
    return float(told) if isinstance(told, int | float) else None


def visible_s(recording: Recording, ignition_ms: int) -> float | None:
    """Return from when on a judged channel stood above all of its past for half a minute."""
    first: list[int] = []
    for channel in recording.channels:
        if channel.quantity not in _JUDGED:
            continue
        noise, values = RATES[channel.quantity].noise, channel.values
        for row in range(1, values.size):
            here = slice(row, int(np.searchsorted(recording.at, recording.at[row] + _LASTING_MS)))
            if np.fmin.reduce(values[here]) > np.fmax.reduce(values[:row]) + noise:
                first.append(int(recording.at[row]))
                break
    return (min(first) - ignition_ms) / 1000 if first else None


def score_fires(paths: Sequence[Path]) -> list[FireScore]:
    """Score every fire test among *paths* in which commercial alarms rang, too.

    Raises:
        ValueError: A file is not a recording.
        OSError: It can't be read.
    """
    tests = [path for path in paths if _has_alarms(path) and _begins(path)]
    if not tests:
        return []
    with TemporaryDirectory() as scratch:
        airy = [write_clean_air(path, Path(scratch)) for path in tests]
        played, clean = play(tests), play(airy)
    told = []
    for path, one, other in zip(tests, played, clean, strict=True):
        ignition = one.marks.events[0].start_ms
        grades = np.maximum.reduce([track.grade for track in other.tracks])
        before = grades[other.at < min(ignition, int(one.at[0]))]
        told.append(
            FireScore(
                one.name,
                published(one.marks, "first_alarm_s"),
                published(one.marks, "median_ion_s"),
                visible_s(read_recording(path), ignition),
                grade_times(one.at, one.tracks, ignition),
                grade_times(other.at, other.tracks, ignition),
                Grade(int(before.max(initial=0))).word,
            )
        )
    return told


def _has_alarms(path: Path) -> bool:
    marks = read_marks(facts_path(path))
    return bool(marks.events) and published(marks, "first_alarm_s") is not None


def _begins(path: Path) -> bool:
    """Tell whether every channel reads something at the start: there clean air is put before."""
    channels = read_recording(path).channels
    return bool(channels) and all(
        np.isfinite(channel.values[:_FIRST_ROWS]).any() for channel in channels
    )


def write_clean_air(path: Path, directory: Path) -> Path:
    """Write a fire test with clean air before it, and return the path.

    Each channel scatters about the lowest of its first three readings. A smoke meter that reads
    something in clean air is set to zero over the whole test, as a certified detector does itself.
    """
    recording = read_recording(path)
    chance = np.random.default_rng(_SEED)
    step_ms = round(1000 * recording.facts.interval_s)
    rows = round(1000 * CLEAN_S / step_ms)
    at = np.concatenate(
        (recording.at[0] - step_ms * np.arange(rows, 0, -1, dtype=np.int64), recording.at)
    )
    columns: list[Floats] = []
    for channel in recording.channels:
        rest = float(np.nanmin(channel.values[:_FIRST_ROWS]))
        noise = RATES[channel.quantity].noise if channel.quantity in RATES else 0.0
        before = rest + _SCATTER * noise * chance.standard_normal(rows)
        values = np.concatenate((before, channel.values))
        zeroed = channel.quantity is Quantity.SMOKE_OBSCURATION
        columns.append((values - rest if zeroed else values) / channel.factor)
    made = directory / path.name
    names = [channel.name for channel in recording.channels]
    with gzip.open(made, "wt", encoding="utf-8", newline="", compresslevel=1) as file:
        writer = csv.writer(file)
        writer.writerow(["at", *names])
        for place, when in enumerate(at.astype("datetime64[ms]")):
            cells = [float(column[place]) for column in columns]
            writer.writerow([f"{when}Z", *("" if np.isnan(one) else one for one in cells)])
    facts_path(made).write_bytes(facts_path(path).read_bytes())
    return made
