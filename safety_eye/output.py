"""What the roof prints for people: calm, aligned, and never by colour alone."""

from __future__ import annotations

import contextlib
import datetime as dt
import locale
import zoneinfo

import typer
from rich.console import Console
from rich.text import Text

from core.grade import GRADE_FACTS, Grade
from core.wording import grade_words

# People read standard error; standard output carries only JSON (interfaces, demo).
console = Console(stderr=True, highlight=False)

_STYLES = {
    Grade.GREEN: "green",
    Grade.BLUE: "bold blue",
    Grade.YELLOW: "bold yellow",
    Grade.ORANGE: "bold dark_orange",
    Grade.RED: "bold red",
}
_SHAPES = {
    "ring": "○",
    "square": "■",
    "triangle": "▲",
    "diamond": "◆",
    "octagon": "⬣",
}


def say(text: str) -> None:
    """Print a line; nobody listening any more must not end a hub."""
    with contextlib.suppress(OSError):
        console.print(text, soft_wrap=True)


def tell(*lines: str) -> None:
    """Print lines as they are: the brackets of a unit such as [ppm] are no markup."""
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def refuse(why: object, code: int = 2) -> typer.Exit:
    """Say why nothing was done; return what ends the command with this code."""
    console.print(f"safety-eye: {why}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(code)


def reader_language() -> str:
    """Return the language of this terminal: "zh" or "en"."""
    name = locale.getlocale()[0] or ""
    return "zh" if name.lower().startswith(("zh", "chinese")) else "en"


def grade_mark(grade: Grade, language: str) -> Text:
    """Return shape, word and numeral of a grade, 14 cells wide."""
    facts = GRADE_FACTS[grade]
    text = Text(f"{_SHAPES[facts.shape]} {grade_words(grade, language)}", style=_STYLES[grade])
    text.pad_right(max(0, 14 - text.cell_len))
    return text


def clock_text(at_ms: int, timezone: str) -> str:
    """Return the time of day at the site.

    >>> clock_text(1_764_500_000_000, "Asia/Shanghai")
    '18:53:20'
    """
    zone = zoneinfo.ZoneInfo(timezone)
    return dt.datetime.fromtimestamp(at_ms / 1000, zone).strftime("%H:%M:%S")


def grade_line(at_ms: int, timezone: str, grade: Grade, headline: str, language: str) -> Text:
    """Return one line about a change of grade."""
    line = Text(clock_text(at_ms, timezone), style="dim")
    line.append("  ")
    line.append_text(grade_mark(grade, language))
    line.append("  ")
    line.append(headline)
    return line
