"""Marks: how a grade is drawn. Shape, numeral and word go together; colour is never alone."""

from __future__ import annotations

from dataclasses import dataclass

from core.finding import Condition
from core.grade import GRADE_FACTS, Grade
from dashboards.console.words import Words


@dataclass(frozen=True, slots=True)
class Mark:
    """One drawn grade.

    Attributes:
        kind: CSS class: red, orange, yellow, blue, green, unknown, unjudged.
        numeral: What stands inside.
        word: What a screen reader and the text beside it say.
        held: True if the grade is held although the condition is unknown (dashed frame).
        rank: Larger is worse, for sorting and choosing; unknown ranks above normal.
    """

    kind: str
    numeral: str
    word: str
    held: bool = False
    rank: float = 0.0


def mark_of(grade: Grade, condition: Condition, words: Words) -> Mark:
    """Return the mark of a grade; a green one that is unknown is never drawn as green."""
    unknown = condition is Condition.UNKNOWN
    if grade is Grade.GREEN:
        return unknown_mark(words) if unknown else normal_mark(words)
    word = words.grade(grade)
    if unknown:
        word = f"{word} · {words('unknown_short')}"
    numeral = GRADE_FACTS[grade].numeral
    return Mark(grade.word, numeral, word, held=unknown, rank=float(grade))


def unknown_mark(words: Words) -> Mark:
    """Return the mark of what is not known."""
    return Mark("unknown", "?", words("unknown"), rank=0.5)


def normal_mark(words: Words) -> Mark:
    """Return the mark of a judged, current, normal state."""
    return Mark("green", "✓", words("normal"), rank=0.0)


def unjudged_mark(words: Words) -> Mark:
    """Return the mark of something that has no limits: shown, never called safe."""
    return Mark("unjudged", "–", words("unjudged"), rank=0.1)
