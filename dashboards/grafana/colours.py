"""Grades on the wall: text and colour for each state, never colour alone."""

from __future__ import annotations

from typing import Any

from core.grade import WARNING_GRADES, Grade
from core.wording import grade_words
from dashboards.grafana.queries import CONDITION_STEP

# The tokens of the console's light theme, so that both screens show the same red.
COLOURS = {
    Grade.GREEN: "#23804b",
    Grade.BLUE: "#2360c8",
    Grade.YELLOW: "#f2b90c",
    Grade.ORANGE: "#e8650c",
    Grade.RED: "#c51f1a",
}
UNKNOWN = "#66727e"


def unknown_words(language: str) -> str:
    """Return what stands where nothing is known."""
    return "未知，不等于安全" if language == "zh" else "unknown, which is not safe"


def state_mappings(language: str) -> list[dict[str, Any]]:
    """Return the value mappings of `queries.grade_states`: every code, and what is missing."""
    unknown = unknown_words(language)
    options: dict[str, dict[str, Any]] = {}
    for grade in Grade:
        words = grade_words(grade, language)
        entry = {"text": words, "color": COLOURS[grade]}
        for condition in (0, 1):
            options[str(condition * CONDITION_STEP + grade)] = entry
        held = unknown if grade is Grade.GREEN else f"{words} · {unknown}"
        options[str(2 * CONDITION_STEP + grade)] = {"text": held, "color": UNKNOWN}
    indexed = {
        code: {**entry, "index": index}
        for index, (code, entry) in enumerate(sorted(options.items(), key=lambda it: int(it[0])))
    }
    return [{"type": "value", "options": indexed}, _missing(unknown, len(indexed))]


def grade_mappings(language: str) -> list[dict[str, Any]]:
    """Return the value mappings of a bare grade, 0 to 4."""
    options = {
        str(int(grade)): {
            "text": grade_words(grade, language),
            "color": COLOURS[grade],
            "index": int(grade),
        }
        for grade in Grade
    }
    return [{"type": "value", "options": options}, _missing(unknown_words(language), len(options))]


def _missing(text: str, index: int) -> dict[str, Any]:
    result = {"text": text, "color": UNKNOWN, "index": index}
    return {"type": "special", "options": {"match": "null+nan", "result": result}}


def threshold_steps(limits: dict[Grade, float], *, high: bool) -> list[dict[str, Any]]:
    """Return Grafana's threshold steps, lowest value first, the base step without a value.

    On the low side the colour of a step reaches up to the next milder limit.

    >>> [step["value"] for step in threshold_steps({Grade.YELLOW: 2.5, Grade.RED: 5.0}, high=True)]
    [None, 2.5, 5.0]
    """
    calm = COLOURS[Grade.GREEN]
    ordered = [grade for grade in WARNING_GRADES if grade in limits]
    if high:
        steps = [{"value": limits[grade], "color": COLOURS[grade]} for grade in ordered]
        return [{"value": None, "color": calm}, *steps]
    falling = list(reversed(ordered))
    milder = [COLOURS[grade] for grade in falling[1:]] + [calm]
    return [
        {"value": None, "color": COLOURS[falling[0]]},
        *(
            {"value": limits[grade], "color": colour}
            for grade, colour in zip(falling, milder, strict=True)
        ),
    ]
