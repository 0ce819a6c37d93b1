"""A back-test in words, zh-CN and English, and as data."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable
from typing import Any

import msgspec

from core.community import Community
from core.finding import Hazard
from core.grade import Grade
from core.wording import HAZARDS, duration, grade_words
from detectors.comparison import Change
from detectors.trial import Alert
from safety_eye.backtest import Report

_VERDICTS = {
    "better": ("更好", "better"),
    "worse": ("更差", "worse"),
    "mixed": ("有得有失", "mixed"),
    "same": ("没有变化", "no change"),
    "nothing": ("没有历史数据，无法判断", "no history: nothing can be said"),
}
_LESSONS = {
    "passed": ("通过，可以发言", "passed: it may speak"),
    "too-short": ("历史太短，继续静默", "too little history: it stays silent"),
    "too-often": ("报得太频繁，继续静默", "speaks too often: it stays silent"),
    "too-long": ("持续时间太长，继续静默", "speaks for too long: it stays silent"),
}


def lines(report: Report, community: Community, language: str) -> list[str]:
    """Return the report for people."""
    zh = language == "zh"
    word: Callable[[tuple[str, str]], str] = lambda pair: pair[0 if zh else 1]  # noqa: E731
    told = [
        (
            f"回放 {report.readings} 个读数（其中 {report.rolled} 个为 10 分钟汇总）"
            if zh
            else f"{report.readings} readings replayed ({report.rolled} of them 10-minute roll-ups)"
        )
    ]
    for change in report.changes:
        told += _change_lines(change, community, language)
    for lesson in report.lessons:
        told.append(
            f"{lesson.rule}: {word(_LESSONS[lesson.why])}（{lesson.days:.0f} 天，"
            f"每月每路 {lesson.episodes:.2f} 次）"
            if zh
            else f"{lesson.rule}: {word(_LESSONS[lesson.why])} ({lesson.days:.0f} days, "
            f"{lesson.episodes:.2f} episodes a month and series)"
        )
    told.append(("结论：" if zh else "verdict: ") + word(_VERDICTS[report.verdict]))
    return told


def _change_lines(change: Change, community: Community, language: str) -> list[str]:
    zh = language == "zh"
    place = community.place(change.zone, language)
    hazard = HAZARDS[Hazard(change.hazard)][0 if zh else 1]
    old_lead, new_lead = _lead(change.old_lead_s, language), _lead(change.new_lead_s, language)
    verdict = _VERDICTS[change.verdict][0 if zh else 1]
    if zh:
        text = (
            f"{place} {hazard}：险情 {change.dangers} 次，预警 {change.old_found} → "
            f"{change.new_found}，提前量 {old_lead} → {new_lead}，误报 {change.old_false} → "
            f"{change.new_false}：{verdict}"
        )
    else:
        text = (
            f"{place}, {hazard}: {change.dangers} dangers, warned of {change.old_found} → "
            f"{change.new_found}, lead {old_lead} → {new_lead}, false alarms {change.old_false} → "
            f"{change.new_false}: {verdict}"
        )
    zone = zoneinfo.ZoneInfo(community.site.timezone)
    told = [text, *(f"  + {_alert(alert, zone, language)}" for alert in change.gained)]
    told += [f"  - {_alert(alert, zone, language)}" for alert in change.lost]
    return told


def _lead(lead_s: float | None, language: str) -> str:
    return "–" if lead_s is None else duration(lead_s, language)


def _alert(alert: Alert, zone: zoneinfo.ZoneInfo, language: str) -> str:
    begun = dt.datetime.fromtimestamp(alert.start / 1000, zone)
    lasted = duration((alert.end - alert.start) / 1000, language)
    words = grade_words(alert.peak, language)
    return f"{begun:%Y-%m-%d %H:%M} {words}, {lasted} ({', '.join(alert.rules)})"


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as data; grades by their words."""

    def plain(value: object) -> object:
        if isinstance(value, Grade):
            return value.word
        if isinstance(value, dict):
            return {
                (key.word if isinstance(key, Grade) else key): plain(each)
                for key, each in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [plain(each) for each in value]
        if hasattr(value, "__dataclass_fields__"):
            return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
        return msgspec.to_builtins(value)

    made = plain(report)
    assert isinstance(made, dict)
    return made
