"""`safety-eye score DIR`: replays every recording below a directory, scores it, reports."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
from rich.console import Console

from detectors.recording import json_bytes
from safety_eye.score.cases import cases_of
from safety_eye.score.fires import FireScore, score_fires
from safety_eye.score.general import GeneralScore, score_general
from safety_eye.score.measure import Case
from safety_eye.score.neighbours import groups_of, judge_spikes
from safety_eye.score.nuisance import score_nuisance
from safety_eye.score.printing import print_report
from safety_eye.score.report import Report, report_of
from safety_eye.score.track import facts_path, find_recordings, play

# More processes than this only compete: two cores are what the hub of a community has.
_PROCESSES = 2
# Recordings that are replayed by one bank: its numpy calls cost the same for one as for a dozen.
_SIDE_BY_SIDE = 12
# The tables need this many columns; a narrower terminal wraps them, a pipe has no width of its own.
_WIDTH = 190


class _Kind(msgspec.Struct):
    kind: str = ""


class ScoreError(ValueError):
    """There is nothing to score, or a chart can't be drawn; the message says why."""


def score_directory(directory: Path, plots: Path | None = None, nuisance_hours: int = 0) -> Report:
    """Replay and score every recording below *directory*.

    Args:
        directory: Searched with all of its subdirectories.
        plots: Where to draw one chart a recording; None draws none.
        nuisance_hours: Hours of nuisance to simulate and score besides; 0: none.

    Raises:
        ScoreError: No recording is there, or the library for charts is not installed.
    """
    paths = find_recordings(directory)
    if not paths:
        raise ScoreError(f"{directory}: no recording (NAME.csv.gz with NAME.json beside it)")
    if plots is not None:
        _check_plots(plots)
    cases: list[Case] = []
    refused: dict[str, str] = {}
    workers = min(_PROCESSES, os.cpu_count() or 1, len(paths))
    # Fresh processes: a fork would copy the threads' locks of whoever calls.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context) as pool:
        simulated = pool.submit(score_nuisance, nuisance_hours) if nuisance_hours else None
        benchmark = pool.submit(_score_benchmark, paths)
        jobs = [pool.submit(_score_group, group, plots) for group in _groups(paths)]
        scored: dict[Path, list[Case]] = {}
        for job in jobs:
            for path, told in job.result():
                if isinstance(told, str):
                    refused[str(path)] = told
                else:
                    scored[path] = told
        good = [path for path in paths if path in scored]
        fires = pool.submit(score_fires, good)
        cases = [case for path in good for case in scored[path]]
        together = list(pool.map(judge_spikes, groups_of(good)))
        nuisance = simulated.result() if simulated else None
        general = benchmark.result()
        burnt: list[FireScore] = fires.result()
    return report_of(str(directory), cases, together, refused, nuisance, general, burnt)


def _score_benchmark(paths: Sequence[Path]) -> GeneralScore | None:
    """Score the general detector; a recording that can't be read is refused by its own group."""
    readable = []
    for path in paths:
        try:
            kind = msgspec.json.decode(json_bytes(facts_path(path)), type=_Kind).kind
        except (ValueError, OSError):
            continue
        if kind == "general":
            readable.append(path)
    return score_general(readable)


def _groups(paths: Sequence[Path]) -> list[list[Path]]:
    """Return *paths* in groups of like size, largest first; a group advances side by side."""
    ordered = sorted(paths, key=lambda path: path.stat().st_size, reverse=True)
    # The largest go alone, so that both cores are busy until the end.
    alone, rest = ordered[:_PROCESSES], ordered[_PROCESSES:]
    groups = [rest[first : first + _SIDE_BY_SIDE] for first in range(0, len(rest), _SIDE_BY_SIDE)]
    return [[path] for path in alone] + groups


def _score_group(paths: Sequence[Path], plots: Path | None) -> list[tuple[Path, list[Case] | str]]:
    """Return the cases of each recording, or why it can't be scored."""
    try:
        played = play(paths)
    except (ValueError, OSError) as error:
        if len(paths) == 1:
            return [(paths[0], str(error))]
        # One is broken: the others are scored nevertheless.
        return [told for path in paths for told in _score_group([path], plots)]
    if plots is not None:
        from safety_eye.score.plot import draw  # noqa: PLC0415  # an extra of its own

        for one in played:
            draw(one, plots / f"{one.name}.png")
    return [(path, cases_of(one)) for path, one in zip(paths, played, strict=True)]


def _check_plots(plots: Path) -> None:
    try:
        import matplotlib as _  # noqa: F401, ICN001, PLC0415  # an extra of its own
    except ImportError as error:
        raise ScoreError(
            "--plot needs matplotlib: install it with `pip install safety-eye[score]`"
        ) from error
    try:
        plots.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScoreError(f"--plot {plots}: {error.strerror or error}") from error


def run_score(directory: Path, plots: Path | None, nuisance_hours: int, *, as_json: bool) -> bool:
    """Score *directory* and print the result; returns whether every recording could be scored."""
    report = score_directory(directory, plots, nuisance_hours)
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        console = Console(highlight=False)
        console.width = max(console.width, _WIDTH)
        print_report(report, console)
    return not report.refused
