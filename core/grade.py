"""Grades: how bad it is, in the four colours that Chinese duty staff know, plus normal.

Green < blue (IV) < yellow (III) < orange (II) < red (I). A grade is never shown by colour alone:
word, numeral and shape go with it (ISO 22324 asks for the same).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Grade(IntEnum):
    """How bad a condition is. Ordered: a larger grade is worse."""

    GREEN = 0
    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4

    @property
    def word(self) -> str:
        """The lower-case English word, used on the wire and in JSON.

        >>> Grade.ORANGE.word
        'orange'
        """
        return self.name.lower()


WARNING_GRADES = (Grade.BLUE, Grade.YELLOW, Grade.ORANGE, Grade.RED)


@dataclass(frozen=True, slots=True)
class GradeFacts:
    """How a grade is written, drawn and translated to CAP 1.2.

    Attributes:
        numeral: I is the worst, as in the Emergency Response Law.
        zh: Chinese word.
        shape: Shape of the mark on pages.
        cap_severity: CAP 1.2 severity (design page, Grading and incidents).
    """

    numeral: str
    zh: str
    shape: str
    cap_severity: str


GRADE_FACTS: dict[Grade, GradeFacts] = {
    Grade.GREEN: GradeFacts("", "正常", "ring", "Unknown"),
    Grade.BLUE: GradeFacts("IV", "蓝色", "square", "Minor"),
    Grade.YELLOW: GradeFacts("III", "黄色", "triangle", "Moderate"),
    Grade.ORANGE: GradeFacts("II", "橙色", "diamond", "Severe"),
    Grade.RED: GradeFacts("I", "红色", "octagon", "Extreme"),
}


def grade_named(word: str) -> Grade:
    """Return the grade of an English word.

    Raises:
        ValueError: The word is not one of green, blue, yellow, orange, red.

    >>> grade_named("red") is Grade.RED
    True
    """
    try:
        return Grade[word.upper()]
    except KeyError as error:
        raise ValueError(f"grade {word!r}: expected green, blue, yellow, orange or red") from error
