"""What is printed of a drill, and stands in its report, in both languages."""

from __future__ import annotations

from alerts.drill import PROGRAMS, Drill
from alerts.drill_calendar import Line
from alerts.drill_score import Measure
from alerts.journal_words import spoken
from core.community import Community, Name
from core.finding import Hazard
from core.grade import Grade
from core.wording import HAZARDS, grade_words

_STATES = {
    "preparing": Name(
        zh="准备中：等待各程序就绪", en="preparing: every program is asked to take part"
    ),
    "running": Name(zh="开始", en="begins"),
    "finished": Name(zh="结束", en="has come to its end"),
    "aborted": Name(zh="中止", en="was broken off"),
}
_WHY = {
    "actual": Name(zh="出现真实警情 #{number}", en="actual incident #{number}"),
    "asked": Name(zh="人工停止", en="somebody stopped it"),
    "runner": Name(zh="演练程序失去联系", en="the program that plays it is gone"),
    "time": Name(zh="超过最长时间", en="it took too long"),
    "programs": Name(zh="未能开始：{missing} 没有参加", en="it could not begin without {missing}"),
    "twins": Name(
        zh="未能开始：虚拟传感器没有启动",
        en="it could not begin: the virtual sensors did not start",
    ),
}
MEASURES = {
    "played": Name(zh="演练完整进行", en="played to its end"),
    "detected": Name(zh="发现（限值到达后）", en="found, after the limit was reached"),
    "grade": Name(zh="达到等级", en="grade reached"),
    "notified": Name(zh="首条消息送达", en="first message accepted"),
    "taken-over": Name(zh="有人接手", en="somebody took over"),
    "reached": Name(zh="通知到的人数", en="people reached"),
    "steps": Name(zh="完成的预案步骤", en="steps of the plan done"),
    "marked": Name(zh="未标注演练的消息", en="messages without the mark"),
    "ledger": Name(zh="数据账目平衡", en="readings all accounted for"),
}
_OF = frozenset({"reached", "steps"})
_SECONDS = frozenset({"detected", "notified", "taken-over"})


def state_line(drill: Drill, language: str) -> str:
    """Return how a drill stands, in one line."""
    text = _STATES[drill.state].in_language(language)
    why = why_words(drill, language)
    mark = "演练" if language == "zh" else "drill "
    return f"{mark}{text}{f' ({why})' if why else ''}"


def why_words(drill: Drill, language: str) -> str:
    """Return why it was broken off, "" if it was not."""
    if not drill.why:
        return ""
    missing = ", ".join(sorted(PROGRAMS - set(drill.ready)))
    return _WHY[drill.why].in_language(language).format(number=drill.blocked_by, missing=missing)


def measure_line(
    measure: Measure, drill: Drill, language: str, community: Community | None = None
) -> str:
    """Return one measure in one line: what, how much, of how much, by whom."""
    name = MEASURES[measure.what].in_language(language)
    who = who_words(measure, language, community)
    return f"{name}: {value_words(measure, drill, language)}{f' ({who})' if who else ''}"


def who_words(measure: Measure, language: str, community: Community | None = None) -> str:
    """Return who did it and how, or who was not reached; "" where that is not known.

    Args:
        measure: Of a drill.
        language: zh or en.
        community: For names; None leaves the ids.
    """
    if measure.what not in ("notified", "taken-over", "reached") or not measure.detail:
        return ""
    named = [community.contact_name(one) if community else one for one in measure.detail]
    if measure.what == "reached":
        return f"未通知到：{'、'.join(named)}" if language == "zh" else f"not: {', '.join(named)}"
    return ", ".join((named[0], *(spoken(one, language) for one in measure.detail[1:])))


def value_words(measure: Measure, drill: Drill, language: str) -> str:
    """Return the figure of a measure as people read it."""
    if measure.what == "played":
        return state_line(drill, language)
    if measure.what == "grade":
        return grade_words(Grade(int(measure.value or 0)), language)
    if measure.value is None:
        return "无" if language == "zh" else "never"
    if measure.what in _SECONDS:
        return _seconds(measure.value, language)
    of = f"/{measure.target:g}" if measure.what in _OF and measure.target is not None else ""
    return f"{measure.value:g}{of}"


def target_words(measure: Measure, language: str) -> str:
    """Return what was aimed at, "" if nothing was."""
    if measure.target is None:
        return ""
    if measure.what == "grade":
        return f"≥ {grade_words(Grade(int(measure.target)), language)}"
    if measure.what in _SECONDS:
        return f"≤ {_seconds(measure.target, language)}"
    return f"= {measure.target:g}"


def _seconds(value: float, language: str) -> str:
    """Return a time; a negative one was before what it is measured from."""
    if value < 0:
        early = _seconds(-value, language)
        return f"提前 {early}" if language == "zh" else f"{early} early"
    return f"{value:.1f} 秒" if language == "zh" else f"{value:.1f} s"


COVERAGE = {
    "entries": Name(zh="演练计划", en="calendar"),
    "hazards": Name(zh="按灾种", en="by hazard"),
    "watches": Name(zh="按班次", en="by watch"),
    "channels": Name(zh="按通道", en="by channel"),
}
# Watches of a place without a roster.
WATCH_TITLES = {
    "night-watch": Name(zh="夜班 0-8 时", en="night, 0 to 8 h"),
    "day-watch": Name(zh="白班 8-16 时", en="day, 8 to 16 h"),
    "evening-watch": Name(zh="晚班 16-24 时", en="evening, 16 to 24 h"),
}


def line_name(line: Line, language: str) -> str:
    """Return what a line of the coverage is about."""
    hazard = next((one for one in Hazard if one == line.name), None)
    word = HAZARDS[hazard][0 if language == "zh" else 1] if hazard else line.name
    return line.title.in_language(language) or word


def line_words(line: Line, now: int, language: str) -> str:
    """Return one line of the coverage: how often, when last, and whether it is due."""
    zh = language == "zh"
    if line.last is None:
        last = "从未演练" if zh else "never drilled"
    else:
        days = max(now - line.last.at, 0) / 86_400_000
        last = f"上次 {days:.0f} 天前" if zh else f"last {days:.0f} days ago"
    mark = ("！到期" if zh else "! due") if line.due else "✓"
    count = f"{line.passed}/{line.count}"
    return f"{mark}  {line_name(line, language)}: {count}, {last}"
