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

from safety_eye.score.measure import Case, cases_of
from safety_eye.score.neighbours import groups_of, judge_spikes
from safety_eye.score.report import Report, print_report, report_of
from safety_eye.score.track import find_recordings, play

# More processes than this only compete: two cores are what the hub of a community has.
_PROCESSES = 2
# The tables need this many columns; a narrower terminal wraps them, a pipe has no width of its own.
_WIDTH = 190


class ScoreError(ValueError):
    """There is nothing to score, or a chart can't be drawn; the message says why."""


def score_directory(directory: Path, plots: Path | None = None) -> Report:
    """Replay and score every recording below *directory*.

    Args:
        directory: Searched with all of its subdirectories.
        plots: Where to draw one chart a recording; None draws none.

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
        jobs = [(path, pool.submit(_score_one, path, plots)) for path in _largest_first(paths)]
        scored: dict[Path, list[Case]] = {}
        for path, job in jobs:
            try:
                scored[path] = job.result()
            except (ValueError, OSError) as error:
                refused[str(path)] = str(error)
        good = [path for path in paths if path in scored]
        cases = [case for path in good for case in scored[path]]
        together = list(pool.map(judge_spikes, groups_of(good)))
    return report_of(str(directory), cases, together, refused)


def _largest_first(paths: Sequence[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_size, reverse=True)


def _score_one(path: Path, plots: Path | None) -> list[Case]:
    played = play([path])[0]
    if plots is not None:
        from safety_eye.score.plot import draw  # noqa: PLC0415  # an extra of its own

        draw(played, plots / f"{played.name}.png")
    return cases_of(played)


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


def run_score(directory: Path, plots: Path | None, *, as_json: bool) -> bool:
    """Score *directory* and print the result; returns whether every recording could be scored."""
    report = score_directory(directory, plots)
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        console = Console(highlight=False)
        console.width = max(console.width, _WIDTH)
        print_report(report, console)
    return not report.refused
