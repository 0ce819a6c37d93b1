"""Words of the parts of resilience: how each is told, zh-CN and English. Pure."""

from __future__ import annotations

from alerts.resilience import Part
from core.community import Community
from core.finding import Hazard
from core.quantity import Quantity
from core.wording import HAZARDS, QUANTITIES, duration


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


def evidence_words(part: Part, community: Community, language: str) -> str:
    """Return what a part rests on, and what is missing, by the names of the profile."""
    zh = language == "zh"
    if part.value is None:
        return part.unknown.in_language(language)
    if part.unit == "s":
        return f"{part.of} 次报警中 {part.n} 次有人接手" if zh else f"{part.n} of {part.of} alarms"
    text = f"{part.of} 中 {part.n}" if zh else f"{part.n} of {part.of}"
    if part.missing:
        missing = (missing_words(part.name, one, community, language) for one in part.missing)
        names = ("、" if zh else ", ").join(missing)
        text += f"；缺：{names}" if zh else f"; missing: {names}"
    return text


def missing_words(part: str, missing: str, community: Community, language: str) -> str:
    """Return one missing thing as people call it: ids are for programs.

    What has no other name (a channel, a plan, the number of an incident) keeps its id.
    """
    if part == "drilled":
        return _word(HAZARDS[Hazard(missing)], language)
    if part == "two-ways":
        return community.contact_name(missing)
    if part == "reporting":
        sensor, _, quantity = missing.partition(".")
        entry = community.sensor_of(sensor)
        name = entry.name.in_language(language) if entry is not None else ""
        if name and entry is not None and len(entry.quantities) == 1:
            return name
        return f"{name or sensor} {_word(QUANTITIES[Quantity(quantity)], language)}"
    if part == "limits":
        zone, quantity, side = missing.split("/")
        place = community.place(zone, language)
        lower = _word(("（下限）", " (lower limit)"), language) if side == "low" else ""
        return f"{place} {_word(QUANTITIES[Quantity(quantity)], language)}{lower}"
    return missing


def _word(pair: tuple[str, str], language: str) -> str:
    return pair[0] if language == "zh" else pair[1]
