"""Marked sensor faults as cases, and every case of one replayed recording."""

from __future__ import annotations

from collections.abc import Sequence

from core.quantity import Quantity
from detectors import faults
from detectors.faults import fault_events
from safety_eye.score.baselines import fixed_threshold, rolling_z
from safety_eye.score.marks import Mark
from safety_eye.score.measure import FIXED, OURS, ROLLING, Case, Extra, Job, hazard_cases, tally_of
from safety_eye.score.sections import FAULT, LEVEL_LABELS, visible
from safety_eye.score.track import Played, Track


def cases_of(played: Played) -> list[Case]:
    """Return every case of a recording: of its hazards, and of its sensors' faults."""
    return hazard_cases(played) + _fault_cases(played)


def _fault_cases(played: Played) -> list[Case]:
    """Return one case a channel for marked sensor faults, where no limits are published."""
    cases = []
    limited = any(track.limits for track in played.tracks)
    for track in played.tracks:
        marks = tuple(
            mark
            for mark in played.marks.faults
            if mark.concerns(track.channel) and visible(mark.label)
        )
        if not marks or limited:
            continue
        onsets = tuple(mark.start_ms for mark in marks)
        job = Job(played, FAULT, (track,), marks, onsets)
        tallies = {
            OURS: tally_of(job, track.fault),
            FIXED: tally_of(job, fixed_threshold(track.values, [], Quantity.OTHER)),
            ROLLING: tally_of(job, rolling_z(track.values, Quantity.OTHER)),
        }
        extra: Extra = {}
        for mark, lead in zip(marks, tallies[OURS].leads_s, strict=True):
            extra[f"{mark.label}: marked"] = int(extra.get(f"{mark.label}: marked") or 0) + 1
            extra[f"{mark.label}: found"] = int(extra.get(f"{mark.label}: found") or 0) + (
                lead is not None
            )
        extra |= _level_faults(played, track, marks)
        cases.append(Case(played.name, (track.channel,), FAULT.name, tallies, extra, onsets))
    return cases


def _level_faults(played: Played, track: Track, marks: Sequence[Mark]) -> Extra:
    """Return how faults of the level fared by event, where technicians marked such."""
    if not any(mark.label in LEVEL_LABELS for mark in marks):
        return {}
    told = fault_events(
        played.at,
        [track.words.get(row) for row in range(played.at.size)],
        [faults.Mark(one.start_ms, one.end_ms, one.label in LEVEL_LABELS) for one in marks],
    )
    return {
        "level_marked": told.marked,
        "level_found": told.found,
        "level_right": told.right,
        "level_wrong": told.wrong,
    }
