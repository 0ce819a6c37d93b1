"""The general detector on the benchmark: label-free, by the benchmark's protocol, and nested.

What is scored are the alarms of the product: an alarm is the first reading of an episode, which
ends when 25 intervals were quiet. No file is treated apart, and none of its own future is seen.

Three figures are told apart. *Budget*: the chance of 1 in 1000 as shipped, no label was used.
*Protocol*: settings and threshold that are best on all files, as the benchmark does. *Nested*: each
file is scored with the settings and the threshold that are best on the files of the other folds.
The views themselves were taken from work that knew this corpus; no figure is free of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import msgspec
import numpy as np

from detectors.anomaly_lane import BUDGET, HOUR_TAU_S, SHORT_TAU_S, AnomalyLane, AnomalyRule
from detectors.limit_lane import Floats, Ints
from detectors.recording import read_recording
from safety_eye.score.marks import read_marks
from safety_eye.score.track import facts_path
from safety_eye.score_nab import (
    PROFILES,
    STANDARD,
    Labels,
    Profile,
    labels_of,
    normalise,
    steps,
)

# Memories that the cross-validation may choose between, in seconds: the hour's (the shipped one,
# and an hour), and the half-day mean's (a quarter, half, one day). Kept small: more settings only
# fit the corpus.
HOUR_TAUS_S = (HOUR_TAU_S, 3600.0)
SHORT_TAUS_S = (6 * 3600.0, SHORT_TAU_S, 24 * 3600.0)
THRESHOLDS = tuple(round(2.5 + 0.1 * step, 1) for step in range(16))
QUIET_INTERVALS = 25
FOLDS = 10
REPEATS = 10
# A cross-validation of fewer files says nothing.
FEWEST = 20


class GeneralFigure(msgspec.Struct, frozen=True):
    """One profile of the benchmark, 0 = silence, 100 = perfect.

    Attributes:
        budget: As shipped, at one quiet reading in 1000; no label was used.
        protocol: Setting and threshold that are best on all files, with their labels.
        nested, nested_deviation: Cross-validated by file, and its deviation over repeats.
    """

    budget: float
    protocol: float
    nested: float
    nested_deviation: float


class GeneralScore(msgspec.Struct, frozen=True):
    """The general detector on a benchmark.

    Attributes:
        files, windows: How many.
        profiles: By profile.
        quiet_share: Nominal chance, as -log10, and the share of quiet readings below it.
    """

    files: int
    windows: int
    profiles: dict[str, GeneralFigure]
    quiet_share: dict[str, float]


@dataclass(frozen=True, slots=True)
class Corpus:
    """One file of the benchmark.

    Attributes:
        interval_s: Usual seconds between rows.
        at, value: Its rows, times in ms.
        labels: Its windows.
    """

    interval_s: float
    at: Ints
    value: Floats
    labels: Labels


def numbers(files: Sequence[Corpus], hour_tau_s: float, short_tau_s: float) -> list[Floats]:
    """Return the lane's number of every row of every file, all files stepping side by side."""
    rules = [
        AnomalyRule(file.interval_s, hour_tau_s=hour_tau_s, short_tau_s=short_tau_s)
        for file in files
    ]
    lane = AnomalyLane(rules)
    sizes = np.array([file.at.size for file in files])
    longest = int(sizes.max(initial=0))
    told = np.full((len(files), longest), np.nan)
    at, value = np.zeros((len(files), longest), np.int64), np.full(told.shape, np.nan)
    for line, file in enumerate(files):
        at[line, : file.at.size], value[line, : file.at.size] = file.at, file.value
    for row in range(longest):
        lines = np.flatnonzero((sizes > row) & np.isfinite(value[:, row]))
        told[lines, row] = lane.step(lines, at[lines, row], value[lines, row])
    return [told[line, :size] for line, size in enumerate(sizes)]


def alarms(number: Floats, at: Ints, interval_s: float, threshold: float) -> Floats:
    """Return 1 at the first row of each episode at or above *threshold*, else 0."""
    found = np.zeros(number.size)
    beyond = np.flatnonzero(np.nan_to_num(number) >= threshold)
    if beyond.size:
        quiet = np.diff(at[beyond]) > 1000.0 * QUIET_INTERVALS * interval_s
        found[beyond[np.concatenate(([True], quiet))]] = 1.0
    return found


def raw_table(
    files: Sequence[Corpus], told: Sequence[Floats], profile: Profile = STANDARD
) -> Floats:
    """Return the raw score of each file (rows) at each of `THRESHOLDS` (columns)."""
    return np.array(
        [
            [
                steps(
                    alarms(number, file.at, file.interval_s, threshold), file.labels, profile
                ).raw(0.5)
                for threshold in THRESHOLDS
            ]
            for file, number in zip(files, told, strict=True)
        ]
    )


def budget_column() -> int:
    """Return the column of the shipped threshold."""
    return THRESHOLDS.index(BUDGET)


def protocol(tables: Floats, labels: Sequence[Labels], profile: Profile = STANDARD) -> float:
    """Return the score at the setting and threshold that are best on all files.

    Args:
        tables: Raw scores, setting × file × threshold.
        labels: Of the files.
        profile: Whose weights.
    """
    return normalise(float(tables.sum(axis=1).max()), labels, profile)


def nested(
    tables: Floats, labels: Sequence[Labels], profile: Profile = STANDARD, seed: int = 0
) -> tuple[float, float]:
    """Return mean and deviation over repeats of the nested cross-validation by file.

    Args:
        tables: Raw scores, setting × file × threshold.
        labels: Of the files.
        profile: Whose weights.
        seed: Of the folds.
    """
    chance = np.random.default_rng(seed)
    whole = tables.sum(axis=1)
    scores = []
    for _ in range(REPEATS):
        raw = 0.0
        for fold in np.array_split(chance.permutation(len(labels)), min(FOLDS, len(labels))):
            others = whole - tables[:, fold].sum(axis=1)
            setting, column = np.unravel_index(int(others.argmax()), others.shape)
            raw += float(tables[setting, fold, column].sum())
        scores.append(normalise(raw, labels, profile))
    return float(np.mean(scores)), float(np.std(scores))


def quiet_share(files: Sequence[Corpus], told: Sequence[Floats], threshold: float) -> float:
    """Return the share of rows beyond probation and outside windows that reach *threshold*."""
    rows = fired = 0
    for file, number in zip(files, told, strict=True):
        quiet = np.arange(number.size) >= file.labels.probation
        for first, last in file.labels.windows:
            quiet[first : last + 1] = False
        rows += int(quiet.sum())
        fired += int((np.nan_to_num(number[quiet]) >= threshold).sum())
    return fired / rows if rows else 0.0


def read_corpus(paths: Sequence[Path]) -> list[Corpus]:
    """Return the general recordings of one channel among *paths* that tell of windows or of none.

    One that can't be read is left out: it is refused where it is replayed.
    """
    files = []
    for path in paths:
        try:
            recording = read_recording(path)
            events = read_marks(facts_path(path)).events
        except (ValueError, OSError):
            continue
        if recording.facts.kind != "general" or len(recording.channels) != 1:
            continue
        windows = [(mark.start_ms, mark.end_ms) for mark in events]
        files.append(
            Corpus(
                recording.facts.interval_s,
                recording.at,
                recording.channels[0].values,
                labels_of(recording.at, windows),
            )
        )
    return files


def score_general(paths: Sequence[Path]) -> GeneralScore | None:
    """Score the lane on the general recordings of *paths*; None where they are too few."""
    files = read_corpus(paths)
    if len(files) < FEWEST:
        return None
    labels = [file.labels for file in files]
    tables: dict[str, list[Floats]] = {profile.name: [] for profile in PROFILES}
    settings = list(product(HOUR_TAUS_S, SHORT_TAUS_S))
    shipped = settings.index((HOUR_TAU_S, SHORT_TAU_S))
    share: dict[str, float] = {}
    for number, setting in enumerate(settings):
        told = numbers(files, *setting)
        for profile in PROFILES:
            tables[profile.name].append(raw_table(files, told, profile))
        if number == shipped:
            share = {f"{order}": quiet_share(files, told, order) for order in (2.0, 3.0, 4.0)}
    figures = {}
    for profile in PROFILES:
        table = np.array(tables[profile.name])
        mean, deviation = nested(table, labels, profile)
        budget = float(table[shipped, :, budget_column()].sum())
        figures[profile.name] = GeneralFigure(
            normalise(budget, labels, profile), protocol(table, labels, profile), mean, deviation
        )
    windows = sum(len(one.windows) for one in labels)
    return GeneralScore(len(files), windows, figures, share)
