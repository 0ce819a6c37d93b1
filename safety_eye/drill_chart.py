"""The charts of a drill: the danger and when it was met, and the times beside their targets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alerts.drill_score import Measure
from core.grade import WARNING_GRADES, Grade
from core.limits import LimitRule
from core.wording import grade_words

# Colours that stay apart for colour-blind readers (Okabe & Ito 2008); each line has its word, too.
COLOURS = {
    Grade.BLUE: "#0072B2",
    Grade.YELLOW: "#B8A900",
    Grade.ORANGE: "#E69F00",
    Grade.RED: "#D55E00",
}
_LINE, _MARK = "#222222", "#009E73"
# Fonts that have Chinese signs, in the order of preference; without one the charts speak English.
_CHINESE = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "Noto Serif CJK SC")


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, in minutes of the run since the start, with a word for it."""

    minute: float
    word: str


@dataclass(frozen=True, slots=True)
class Course:
    """What really happened to the twin that matters most.

    Attributes:
        minutes, values: Its true values by minutes of the run since the start.
        label: Of the axis, with the unit.
        rules: The limits of the place.
        moments: What people and programs did.
        language: Of the words, zh or en.
    """

    minutes: Sequence[float]
    values: Sequence[float]
    label: str
    rules: Sequence[LimitRule]
    moments: Sequence[Moment]
    language: str


def chinese_font() -> str:
    """Return a font with Chinese signs, "" if this machine has none."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _CHINESE if name in known), "")


def draw_drill(
    course: Course, times: Sequence[tuple[str, Measure]], title: str, axis: str
) -> bytes:
    """Draw a drill; return the PNG.

    Args:
        course: What happened.
        times: Measures in seconds with their names, top to bottom.
        title: Above the chart.
        axis: Words for the time axis.
    """
    drawn = io.BytesIO()
    font = chinese_font()
    families = [font, "DejaVu Sans"] if font else ["DejaVu Sans"]
    with mpl.rc_context({"font.size": 9, "font.family": families}):
        figure = Figure(figsize=(10, 6.2), layout="constrained")
        top, bottom = figure.subplots(2, 1, height_ratios=[3, 1])
        _draw_course(top, course, axis)
        _draw_times(bottom, times)
        figure.suptitle(title)
        figure.savefig(drawn, dpi=120)
    return drawn.getvalue()


def _draw_course(axes: Axes, course: Course, axis: str) -> None:
    axes.plot(course.minutes, course.values, color=_LINE, linewidth=1.4)
    for rule in course.rules:
        for number, grade in enumerate(WARNING_GRADES):
            limit = rule.limit_of(grade)
            if limit is not None:
                axes.axhline(limit, color=COLOURS[grade], linewidth=1, linestyle="--")
                axes.annotate(
                    f"{grade_words(grade, course.language)} {limit:g}",
                    (1.0 - 0.12 * number, limit),  # where limits are close, side by side
                    xycoords=("axes fraction", "data"), xytext=(-4, 1),
                    textcoords="offset points", ha="right", va="bottom", color=_LINE, fontsize=8,
                )  # fmt: skip
    _, high = axes.get_ylim()
    for number, moment in enumerate(course.moments):
        axes.axvline(moment.minute, color=_MARK, linewidth=1)
        axes.annotate(
            moment.word, (moment.minute, high), xytext=(3, -10 - 12 * number),
            textcoords="offset points", color=_MARK, fontsize=8,
        )  # fmt: skip
    axes.set_ylabel(course.label)
    axes.set_xlabel(axis)
    axes.grid(visible=True, linewidth=0.3)


def _draw_times(axes: Axes, times: Sequence[tuple[str, Measure]]) -> None:
    """Draw each time as a bar, hatched where it missed its target, and the target as a line."""
    rows = list(reversed(times))
    for row, (_, measure) in enumerate(rows):
        late = measure.passed is False
        axes.barh(
            row, max(measure.value or 0.0, 0.0), height=0.55, hatch="//" if late else "",
            color=COLOURS[Grade.RED] if late else _MARK,
        )  # fmt: skip
        if measure.target is not None:
            axes.plot([measure.target] * 2, [row - 0.4, row + 0.4], color=_LINE, linewidth=2)
        words = "–" if measure.value is None else f"{measure.value:.1f} s"
        axes.annotate(
            words, (max(measure.value or 0.0, 0.0), row), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_xlabel("s")
    axes.grid(visible=True, axis="x", linewidth=0.3)
