"""Scores one replayed recording: its channels as cases, each beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np

from core.grade import Grade
from core.quantity import FACTS, Quantity
from detectors.limit_lane import Flags, Floats, Ints
from safety_eye.score.baselines import fixed_threshold, rolling_z
from safety_eye.score.choices import alarms_of
from safety_eye.score.episodes import Verdict, episodes_of, match
from safety_eye.score.fires import grade_times, published
from safety_eye.score.marks import Mark
from safety_eye.score.profile import Counted, count, probation
from safety_eye.score.sections import (
    FIRE,
    FLOOD,
    GENERAL,
    QUIET,
    STREET,
    Section,
    section_of,
)
from safety_eye.score.tally import Tally
from safety_eye.score.track import Played, Track

OURS, FIXED, ROLLING = "safety-eye", "fixed-threshold", "rolling-z"
DETECTORS = (OURS, FIXED, ROLLING)
# Blue begins here on a street: half of the lowest published limit.
MINOR_M = 0.05
# Shares of the flood limit that the constant alternative may choose from.
FRACTIONS = tuple(round(0.30 + 0.01 * step, 2) for step in range(70))
Extra = dict[str, float | int | str | bool | None]


class Case(msgspec.Struct, frozen=True):
    """One sensor (or the channels that share their marks) under one section.

    Attributes:
        recording, channels, section: What was scored, and how.
        tallies: One a detector.
        extra: Figures that only this hazard has.
        onsets_ms: When its events became real.
        fractions: Tally of each constant share of the limit (floods only), by `FRACTIONS`.
        choices: Tally of each choice of our own parameters (floods only), by `choices.CHOICES`.
    """

    recording: str
    channels: tuple[str, ...]
    section: str
    tallies: dict[str, Tally]
    extra: Extra = {}
    onsets_ms: tuple[int, ...] = ()
    fractions: tuple[Tally, ...] = ()
    choices: tuple[Tally, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A case before it is scored: events with their onsets, and what is excused besides."""

    played: Played
    section: Section
    tracks: tuple[Track, ...]
    events: tuple[Mark, ...]
    onsets: tuple[int, ...]
    excused: tuple[Mark, ...] = ()


def hazard_cases(played: Played) -> list[Case]:
    """Return the cases of a recording's hazards."""
    return [_score(job) for job in _jobs(played)]


def _jobs(played: Played) -> Iterator[Job]:
    by_section: dict[str, tuple[Section, list[Track]]] = {}
    for track in played.tracks:
        section = section_of(played, track)
        if section is not None:
            by_section.setdefault(section.name, (section, []))[1].append(track)
    events = played.marks.events
    shared = bool(events) and all(len(event.channels) != 1 for event in events)
    for section, tracks in by_section.values():
        if shared or section is QUIET:
            yield _job(played, section, tuple(tracks))
        else:
            for track in tracks:
                yield _job(played, section, (track,))


def _job(played: Played, section: Section, tracks: tuple[Track, ...]) -> Job:
    events = tuple(
        event
        for event in played.marks.events
        if any(event.concerns(track.channel) for track in tracks)
    )
    if section is QUIET:
        return Job(played, section, tracks, (), ())
    if section not in (FLOOD, STREET):
        return Job(played, section, tracks, events, tuple(event.start_ms for event in events))
    limit = tracks[0].limits[0]
    onsets = [_crossing(played.at, tracks[0].values, event, limit) for event in events]
    pairs = zip(events, onsets, strict=True)
    severe = [(event, onset) for event, onset in pairs if onset is not None]
    return Job(
        played,
        section,
        tracks,
        tuple(event for event, _ in severe),
        tuple(onset for _, onset in severe),
        tuple(event for event, onset in zip(events, onsets, strict=True) if onset is None),
    )


def _crossing(at: Ints, values: Floats, event: Mark, limit: float) -> int | None:
    """Return when a reading first was at *limit* within *event*, or None if none was."""
    here = _rows_of(at, event.start_ms, event.end_ms)
    above = np.flatnonzero(np.nan_to_num(values[here], nan=-np.inf) >= limit)
    return int(at[here][above[0]]) if above.size else None


def _rows_of(at: Ints, start_ms: int, end_ms: int) -> slice:
    return slice(int(np.searchsorted(at, start_ms)), int(np.searchsorted(at, end_ms, "right")))


def _score(job: Job) -> Case:
    tallies = {
        OURS: tally_of(job, _any(job.tracks, lambda track: _alarm(job, track))),
        FIXED: tally_of(job, _any(job.tracks, lambda track: _fixed(job.section, track))),
        ROLLING: tally_of(
            job, _any(job.tracks, lambda track: rolling_z(track.values, track.quantity))
        ),
    }
    names = tuple(track.channel for track in job.tracks)
    fractions: tuple[Tally, ...] = ()
    choices: tuple[Tally, ...] = ()
    if job.section is FLOOD:
        track, at, interval_s = job.tracks[0], job.played.at, job.played.interval_s
        readings = np.nan_to_num(track.values, nan=-np.inf)
        fractions = tuple(tally_of(job, readings >= f * track.limits[0]) for f in FRACTIONS)
        alarms = alarms_of(at, track.values, track.limits[0], interval_s)
        choices = tuple(tally_of(job, alarm) for alarm in alarms)
    return Case(
        job.played.name,
        names,
        job.section.name,
        tallies,
        _extra(job),
        job.onsets,
        fractions,
        choices,
    )


def _alarm(job: Job, track: Track) -> Flags:
    if job.section is GENERAL:
        return track.score >= 0.5
    return track.grade >= job.section.counts


def _fixed(section: Section, track: Track) -> Flags:
    defaults = () if track.quantity is Quantity.OTHER else FACTS[track.quantity].defaults
    floor = next((step.limit for step in defaults if step.grade >= section.counts), None)
    return fixed_threshold(track.values, list(track.limits), track.quantity, floor=floor)


def _any(tracks: Sequence[Track], alarm: Callable[[Track], Flags]) -> Flags:
    found: Flags = np.logical_or.reduce([alarm(track) for track in tracks])
    return found


def tally_of(job: Job, alarm: Flags) -> Tally:
    """Return what *alarm* achieves on a case."""
    section, at = job.section, job.played.at
    episodes = episodes_of(at, alarm, max(section.merge_ms, round(1500 * job.played.interval_s)))
    verdict = match(
        episodes,
        job.events,
        job.onsets,
        reach_ms=section.reach_ms,
        credit_ms=section.credit_ms,
        excused=job.excused,
    )
    if section is GENERAL:
        counted = count(alarm, _windows(job, 0), probation(alarm.size))
    else:
        counted = _counted(job, verdict)
    leads = tuple(None if lead is None else lead / 1000 for lead in verdict.leads_ms)
    return Tally(leads, len(verdict.false), observed_s(at, job.played.interval_s), counted)


def _counted(job: Job, verdict: Verdict) -> Counted:
    """Count one row for each event that was found and for each false episode."""
    if not job.events:
        return Counted()
    at = job.played.at
    windows = _windows(job, job.section.credit_ms)
    starts = [one.start_ms for one in verdict.false]
    fires = np.zeros(at.size, np.bool_)
    fires[np.searchsorted(at, starts)] = True
    # A false episode inside of a widened window warned of nothing: it must not count as its hit.
    for first, last in windows:
        fires[first : last + 1] = False
    for lead, onset in zip(verdict.leads_ms, job.onsets, strict=True):
        if lead is not None:
            fires[min(int(np.searchsorted(at, onset - lead)), at.size - 1)] = True
    return count(fires, windows)


def observed_s(at: Ints, interval_s: float) -> float:
    """Return the observed seconds: gaps count as one interval.

    >>> observed_s(np.array([0, 60_000, 120_000, 9_000_000]), 60.0)
    240.0
    """
    if not at.size:
        return 0.0
    return float(np.minimum(np.diff(at) / 1000, interval_s).sum() + interval_s)


def _windows(job: Job, credit_ms: int) -> list[tuple[int, int]]:
    """Return the rows of each event, widened by what lead is credited, clear of each other."""
    windows: list[tuple[int, int]] = []
    edge = -1
    for event in job.events:
        here = _rows_of(job.played.at, event.start_ms - credit_ms, event.end_ms)
        first, last = max(here.start, edge + 1), here.stop - 1
        if last >= first:
            windows.append((first, last))
            edge = last
    return windows


def _extra(job: Job) -> Extra:
    if job.section is FIRE:
        return _fire_extra(job)
    if job.section is STREET:
        return _street_extra(job)
    merge = job.section.merge_ms
    at = job.played.at
    grades = np.maximum.reduce([track.grade for track in job.tracks])
    told: Extra = {}
    if job.section in (QUIET, FLOOD):
        for grade in (Grade.BLUE, Grade.YELLOW, Grade.ORANGE, Grade.RED):
            episodes = episodes_of(at, grades >= grade, merge)
            false = match(
                episodes, job.events, job.onsets, reach_ms=job.section.reach_ms, credit_ms=0
            ).false
            told[f"false_{grade.word}"] = len(false)
    return told


def _fire_extra(job: Job) -> Extra:
    """Return seconds from ignition to each grade, and the published alarms of the same test."""
    ignition = job.onsets[0] if job.onsets else int(job.played.at[0])
    reached = grade_times(job.played.at, job.tracks, ignition)
    told: Extra = {f"{word}_s": seconds for word, seconds in reached.items()}
    for word, name in (("yellow", "first_alarm_s"), ("orange", "median_ion_s")):
        bound = published(job.played.marks, name)
        if bound is None:
            continue
        told[name] = bound
        seconds = reached[word]
        told[f"{word}_in_time"] = seconds is not None and seconds <= bound
    return told


def _street_extra(job: Job) -> Extra:
    """Return the delay in samples, and how the events below the lowest limit fared under blue."""
    at, track = job.played.at, job.tracks[0]
    blue = track.grade >= Grade.BLUE
    minor = found = 0
    for event in job.excused:
        here = _rows_of(at, event.start_ms, event.end_ms)
        peak = float(np.nan_to_num(track.values[here], nan=0.0).max(initial=0.0))
        if peak >= MINOR_M:
            minor += 1
            found += bool(blue[here].any())
    return {"minor_events": minor, "minor_found_by_blue": found}


def storms_of(onsets_ms: Sequence[int], apart_ms: int) -> list[list[int]]:
    """Return the events that one storm made: positions whose onsets follow within *apart_ms*.

    >>> storms_of([0, 500, 90, 80], 100)
    [[0, 3, 2], [1]]
    """
    order = sorted(range(len(onsets_ms)), key=lambda place: onsets_ms[place])
    storms = [[place] for place in order[:1]]
    for before, place in pairwise(order):
        if onsets_ms[place] - onsets_ms[before] <= apart_ms:
            storms[-1].append(place)
        else:
            storms.append([place])
    return storms
