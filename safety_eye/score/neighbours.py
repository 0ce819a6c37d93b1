"""Stations of one city replayed together: a spike that only one of them saw is a sensor fault."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from core.grade import Grade
from detectors.recording import read_recording
from safety_eye.score.sections import AIR, section_of, visible
from safety_eye.score.track import Played, play

# Hours around a marked reading in which a verdict on it is looked for: the reading and the next.
_AFTER_ROWS = 1


class Spikes(msgspec.Struct, frozen=True):
    """How single-station spikes were judged.

    Attributes:
        recordings: The stations.
        marked: Spikes that are marked.
        called_fault: Of these, those whose reading was called faulty.
        called_smog: Of these, those at which the station's grade rose to yellow or higher.
        faults_elsewhere: Readings called faulty outside of the marks, all stations.
        readings: Present readings of all stations.
    """

    recordings: tuple[str, ...]
    marked: int
    called_fault: int
    called_smog: int
    faults_elsewhere: int
    readings: int


def groups_of(paths: Sequence[Path]) -> list[list[Path]]:
    """Return networks: same time zone, interval, quantity and span; three stations at least."""
    groups: dict[tuple[object, ...], list[Path]] = {}
    for path in paths:
        recording = read_recording(path)
        facts = recording.facts
        if facts.kind != "air" or len(recording.channels) != 1 or facts.timezone is None:
            continue
        span = (int(recording.at[0]), int(recording.at[-1])) if recording.at.size else ()
        key = (facts.timezone, facts.interval_s, recording.channels[0].quantity, span)
        groups.setdefault(key, []).append(path)
    return [group for group in groups.values() if len(group) > 2]


def judge_spikes(paths: Sequence[Path]) -> Spikes:
    """Replay stations together and count how their marked spikes were judged."""
    stations = play(paths, together=True)
    marked = fault = smog = elsewhere = readings = 0
    for played in stations:
        track = played.tracks[0]
        excused = np.zeros(played.at.size, np.bool_)
        for mark in played.marks.faults:
            if not visible(mark.label):
                continue
            rows = slice(
                int(np.searchsorted(played.at, mark.start_ms)),
                int(np.searchsorted(played.at, mark.end_ms, "right")) + _AFTER_ROWS,
            )
            marked += 1
            excused[rows] = True
            fault += bool(track.fault[rows].any())
            smog += _rose(played, rows)
        elsewhere += int((track.fault & ~excused).sum())
        readings += int(np.isfinite(track.values).sum())
    names = tuple(played.name for played in stations)
    return Spikes(names, marked, fault, smog, elsewhere, readings)


def _rose(played: Played, rows: slice) -> bool:
    """Tell whether the grade rose to yellow within *rows*."""
    grade = played.tracks[0].grade
    before = int(grade[rows.start - 1]) if rows.start else 0
    section = section_of(played, played.tracks[0])
    counts = section.counts if section is not None else AIR.counts
    return before < counts and bool((grade[rows] >= max(counts, Grade.YELLOW)).any())
