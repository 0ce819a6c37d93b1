"""One chart a recording: readings and limits, what was known, what was said, the baselines."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.grade import Grade
from detectors.limit_lane import Flags
from safety_eye.score.baselines import fixed_threshold, rolling_z
from safety_eye.score.track import Played, Track

# Colours that stay apart for colour-blind readers (Okabe & Ito 2008); grades also have a height.
_COLOURS = {
    Grade.BLUE: "#0072B2",
    Grade.YELLOW: "#F0E442",
    Grade.ORANGE: "#E69F00",
    Grade.RED: "#D55E00",
}
_EVENT, _FAULT, _LINE = "#009E73", "#999999", "#222222"
# A chart of more channels than this is not read by anybody.
_MOST_CHANNELS = 6


def draw(played: Played, path: Path) -> None:
    """Draw *played* as a PNG at *path*.

    Raises:
        OSError: The file can't be written.
    """
    tracks = played.tracks[:_MOST_CHANNELS]
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(12, 1.2 + 2.4 * len(tracks)), layout="constrained")
        rows = figure.subplots(
            2 * len(tracks), 1, sharex=True, squeeze=False, height_ratios=[3, 1] * len(tracks)
        )[:, 0]
        for number, track in enumerate(tracks):
            _draw_values(rows[2 * number], played, track)
            _draw_grades(rows[2 * number + 1], played, track)
        left = len(played.tracks) - len(tracks)
        more = f" ({left} more channels not drawn)" if left else ""
        figure.suptitle(f"{played.name}{more}")
        figure.savefig(path, dpi=100)


def _draw_values(axes: Axes, played: Played, track: Track) -> None:
    at = played.at.astype("datetime64[ms]")
    # A line across a gap would show readings that nobody took.
    gaps = np.flatnonzero(np.diff(played.at) > 5000 * played.interval_s) + 1
    axes.plot(
        np.insert(at, gaps, at[gaps]),
        np.insert(track.values, gaps, np.nan),
        color=_LINE,
        linewidth=0.7,
        rasterized=True,
    )
    for limit in track.limits:
        axes.axhline(limit, color=_COLOURS[Grade.RED], linewidth=0.8, linestyle="--")
    for marks, colour in ((played.marks.events, _EVENT), (played.marks.faults, _FAULT)):
        for mark in marks:
            if mark.concerns(track.channel):
                start, end = np.array([mark.start_ms, mark.end_ms], "datetime64[ms]")
                axes.axvspan(start, end, color=colour, alpha=0.25, linewidth=0.5)
    axes.set_ylabel(f"{track.channel}\n24 h mean" if track.mean else track.channel)


def _draw_grades(axes: Axes, played: Played, track: Track) -> None:
    at = played.at.astype("datetime64[ms]")
    for grade, colour in _COLOURS.items():
        axes.fill_between(
            at, 0, int(grade), where=track.grade >= grade, step="post", color=colour, linewidth=0.4
        )
    baselines: list[tuple[str, Flags]] = [
        ("fixed", fixed_threshold(track.values, list(track.limits), track.quantity)),
        ("rolling z", rolling_z(track.values, track.quantity)),
    ]
    for place, (_name, alarm) in enumerate(baselines):
        axes.plot(
            at[alarm], np.full(int(alarm.sum()), -1.0 - place), "|", color=_LINE, markersize=5
        )
    axes.set_ylim(-2.8, 4.4)
    axes.set_yticks(
        [-2, -1, 1, 2, 3, 4], ["rolling z", "fixed", "blue", "yellow", "orange", "red"], fontsize=6
    )
