"""Words of the parts of resilience: how each is told, zh-CN and English. Pure."""

from __future__ import annotations

from alerts.resilience import Part
from core.wording import duration


def part_words(part: Part, language: str) -> str:
    """Return the value of a part as people read it, unknown where nobody knows.

    >>> part_words(Part(name="channels", value=0.5, n=1, of=2), "en")
    '50 %'
    >>> part_words(Part(name="channels", value=None), "zh")
    '未知'
    """
    if part.value is None:
        return "未知" if language == "zh" else "unknown"
    if part.unit == "s":
        return duration(part.value, language)
    return f"{100 * part.value:.0f} %"


def evidence_words(part: Part, language: str) -> str:
    """Return what a part rests on, and what is missing.

    >>> evidence_words(Part(name="channels", value=0.5, n=1, of=2, missing=("sms",)), "en")
    '1 of 2; missing: sms'
    """
    zh = language == "zh"
    if part.value is None:
        return part.unknown.in_language(language)
    if part.unit == "s":
        return f"{part.of} 次报警中 {part.n} 次有人接手" if zh else f"{part.n} of {part.of} alarms"
    text = f"{part.of} 中 {part.n}" if zh else f"{part.n} of {part.of}"
    if part.missing:
        names = ("、" if zh else ", ").join(part.missing)
        text += f"；缺：{names}" if zh else f"; missing: {names}"
    return text
