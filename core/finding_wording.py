"""Findings in words, zh-CN and English: what, how much, since when, why. Pure."""

from __future__ import annotations

from core.finding import Because, Finding
from core.grade import GRADE_FACTS, Grade, grade_named
from core.quantity import FACTS, Quantity
from core.wording import QUANTITIES, duration, measure

# Quantities with two states, as people say them: (off, on) in Chinese and in English.
_SWITCHES: dict[Quantity, tuple[tuple[str, str], tuple[str, str]]] = {
    Quantity.ALARM_INPUT: (("已复位", "动作"), ("back to normal", "ALARM")),
    Quantity.CONTACT: (("关闭", "打开"), ("closed", "open")),
}
# Rules that need words beside their numbers: what they mean, in Chinese and in English. Every
# registered detector has a line here.
RULES: dict[str, tuple[str, str]] = {
    "exposure": (
        "一氧化碳累积暴露（EN 50291）",
        "carbon monoxide adds up over time (EN 50291)",
    ),
    "stuck": (
        "读数长时间不变，传感器可能卡住",
        "the reading does not change: the sensor may be stuck",
    ),
    "unusual-count": (
        "近几小时人流与往常同一时段明显不同",
        "people of the last hours are unlike this hour of other weeks",
    ),
    "unusual-level": (
        "近几小时读数与往常同一时段明显不同",
        "readings of the last hours are unlike this hour of other weeks",
    ),
    "spike": ("读数突跳，传感器可能故障", "the reading jumped: the sensor may be at fault"),
    "shift": (
        "读数突变后停在新值，传感器可能被移动",
        "the level jumped and stays: the sensor may have been moved",
    ),
    "surge": (
        "按最近两次读数的速度，很快将达到限值",
        "at the pace of the last two readings the limit is near",
    ),
    "growth": (
        "烟雾在一分钟内由清洁空气变浓，增长像明火",
        "from clean air to dense smoke within a minute: it grows like flames",
    ),
    "noise": (
        "读数噪声明显变大，传感器可能故障",
        "the readings scatter: the sensor may be failing",
    ),
    "neighbours": (
        "读数与相邻传感器明显不符，疑为传感器故障或局部干扰",
        "neighbouring sensors contradict it: a fault of the sensor, or something right beside it",
    ),
    "drift": (
        "与相邻传感器的差值持续偏移，请校准",
        "it drifts away from its neighbours: calibrate it",
    ),
    "corroboration-fire": (
        "不同类型的火情传感器相互印证",
        "different kinds of fire sensors agree",
    ),
    "corroboration-flood": (
        "雨量与水位相互印证",
        "rain and water level agree",
    ),
    "occupancy": ("在场人数接近或超过限值", "people inside are near or above the limit"),
    "density": ("人群密度过高", "the crowd is dense"),
    "imbalance": (
        "进出人数相互矛盾，计数器可能故障",
        "people in and people out contradict each other: a counter may be at fault",
    ),
    "forest": (
        "该区域各传感器读数的组合与历史不同",
        "the readings of this zone together are unlike its history",
    ),
    "resident-report": (
        "居民上报，尚未核实",
        "a resident reports it; nobody has looked yet",
    ),
    "observation": (
        "现场人员目视确认",
        "somebody on the spot has seen it",
    ),
    "anomaly": (
        "与该读数以往的规律不符",
        "unlike anything this reading has shown before",
    ),
}
# The same for what others say; their rules go on with who says it and about which hazard.
_OTHERS: dict[str, tuple[str, str]] = {
    "upstream-cap-": ("上级部门的预警信号", "a warning signal from an authority"),
    "upstream-feed": (
        "上级预警源无法读取，其预警可能收不到",
        "a feed of warnings can't be read: warnings may be missed",
    ),
    "hook-": ("其他系统的告警", "an alert of another system"),
}
# What the note of a finding means: of a station, and what alerts finds wrong with itself
# (`alerts.health`, `alerts.auditor`).
_NOTES = {
    "link": (
        "站点失联，其传感器状态未知，不等于安全",
        "station lost: its sensors are unknown, which is not safe",
    ),
    "stopped": ("站点已停止，其传感器状态未知", "station stopped: its sensors are unknown"),
    "acted": ("站点独立动作，经过见时间线", "the station acted by itself, see the timeline"),
    "plans": (
        "response.toml 无法使用：没有预案、没有排班，所有值班员都会收到通知",
        "response.toml can't be used: no plans, no roster, all duty staff are told",
    ),
    "refused": (
        "通知通道拒收，须检查其配置",
        "the channel refuses notifications: its configuration must be checked",
    ),
    "resting": (
        "通知通道无应答，暂改用其他通道",
        "the channel does not answer: others are used meanwhile",
    ),
    "test-failed": (
        "通知通道未通过每日自检",
        "the channel failed its daily test",
    ),
    "ladder": (
        "逐级呼叫曾停滞，已恢复",
        "calling people had come to a standstill and was set going again",
    ),
    "outbox": (
        "有通知积压，未能送出",
        "notifications are stuck in the outbox",
    ),
    "outside": (
        "联系不上外部看门狗：外网可能中断",
        "the watchdog outside can't be reached: the internet link may be down",
    ),
}
_NEVER, _SILENT = ("从未上报", "never reported"), ("无数据", "no data")


def quantity_of(subject: str) -> Quantity | None:
    """Return the quantity that a finding's subject names, or None for zones and stations."""
    sensor, _, quantity = subject.rpartition(".")
    if not sensor or sensor in ("zone", "station"):
        return None
    try:
        return Quantity(quantity)
    except ValueError:
        return None


def headline(finding: Finding, place: str, language: str) -> str:
    """Return one line: where, what, how much, against which limit or how fast."""
    quantity = quantity_of(finding.subject)
    zh = language == "zh"
    because = finding.because
    # Chinese runs on without spaces, but not after a Latin letter or a digit.
    place += " " if zh and place[-1:].isascii() and place else ""
    if quantity is None or because.value is None:
        words = sentence(finding, language)
        return f"{place}{words}" if zh else f"{place}: {words}"
    name = QUANTITIES[quantity][0 if zh else 1]
    if quantity in _SWITCHES:
        off, on = _SWITCHES[quantity][0 if zh else 1]
        state = on if because.value >= 0.5 else off
        return f"{place}{name}{state}" if zh else f"{place}: {name} {state}"
    unit = because.unit or FACTS[quantity].unit
    value = measure(because.value, unit, language)
    text = f"{place}{name} {value}" if zh else f"{place}: {name} {value}"
    separator = "，" if zh else ", "
    if because.limit is not None and because.limit_grade:
        text += separator + _limit_words(because, finding.grade, unit, language)
    elif because.rate_per_h is not None:
        text += separator + _rate_words(because.rate_per_h, unit, language)
    for part in _opening(finding, language):
        text += separator + part
    return text


def _limit_words(because: Because, grade: Grade, unit: str, language: str) -> str:
    """Say how the value stands to the limit: beyond it, on its way to it, or on its way back."""
    assert because.limit is not None
    limit = measure(because.limit, unit, language)
    line = GRADE_FACTS[grade_named(because.limit_grade)].zh.removesuffix("色")
    low = because.side == "low"
    value = because.value if because.value is not None else because.limit
    if because.lead_s is not None:
        lead = duration(because.lead_s, language)
        zh, en = f"预计 {lead}后到", f"in about {lead} at"
    elif value <= because.limit if low else value >= because.limit:
        zh, en = ("已低于", "at or below") if low else ("已达到", "at or above")
    elif grade is Grade.GREEN:
        zh, en = "未到", "clear of"
    else:
        zh, en = "观察中，已离开", "still watched, back from"
    if language == "zh":
        return f"{zh}{line}线 {limit}"
    return f"{en} the {because.limit_grade} limit {limit}"


def _rate_words(rate_per_h: float, unit: str, language: str) -> str:
    """Return a slope in the unit of time that keeps the number readable: hour, or ten minutes.

    >>> _rate_words(0.6, "m", "en"), _rate_words(-30, "[ppm]", "zh")
    ('rising 0.10 m in 10 min', '10 分钟下降 5 ppm')
    """
    amount = measure(abs(rate_per_h) / 6, unit, language)
    if language == "zh":
        return f"10 分钟{'上升' if rate_per_h >= 0 else '下降'} {amount}"
    return f"{'rising' if rate_per_h >= 0 else 'falling'} {amount} in 10 min"


def sentence(finding: Finding, language: str) -> str:
    """Return why the finding says what it says, in one sentence without the place."""
    zh = language == "zh"
    parts = _reasons(finding, language) or [_standing(finding)[0 if zh else 1]]
    if finding.late:
        parts.append("补传数据，事后发现" if zh else "found late, from a backlog")
    return ("；" if zh else "; ").join(parts)


def _standing(finding: Finding) -> tuple[str, str]:
    """Return how things stand where nothing else explains it, in Chinese and in English."""
    because = finding.because
    if finding.grade is Grade.GREEN:
        return "恢复正常", "back to normal"
    if because.value is not None and because.limit is not None:
        beyond = because.value - because.limit
        if (beyond > 0) if because.side == "low" else (beyond < 0):
            return "已回落，持续观察后解除", "it has gone back and must stay back for a while"
    return "已达限值", "limit reached"


def _opening(finding: Finding, language: str) -> list[str]:
    """Return what the rule of a finding means, while it is not green."""
    others = (words for rule, words in _OTHERS.items() if finding.rule.startswith(rule))
    words = RULES.get(finding.rule) or next(others, None)
    if words is None or finding.grade is Grade.GREEN:
        return []
    zh = language == "zh"
    told = words[0 if zh else 1]
    if source := finding.because.source:
        told += f"（{source}）" if zh else f" ({source})"
    kinds = dict.fromkeys(quantity_of(member) for member in finding.because.members)
    named = [QUANTITIES[kind][0 if zh else 1] for kind in kinds if kind is not None]
    if named and finding.subject.startswith("zone."):
        told += f"（{'、'.join(named)}）" if zh else f" ({', '.join(named)})"
    return [told]


def _numbers(because: Because, language: str) -> list[str]:
    """Return what a detector compared: with what is usual, and how rare it is."""
    zh = language == "zh"
    parts = []
    if because.usual is not None:
        usual = measure(because.usual, because.unit, language)
        parts.append(f"通常约 {usual}" if zh else f"about {usual} expected")
    if because.scatter is not None:
        now = measure(because.scatter, because.unit, language)
        parts.append(f"离散度 {now}" if zh else f"scatter {now}")
    if because.usual_scatter is not None:
        usual = measure(because.usual_scatter, because.unit, language)
        parts.append(f"通常 ±{usual}" if zh else f"usually ±{usual}")
    if because.rarity is not None:
        often = f"{because.rarity:,.0f}"
        parts.append(f"约 {often} 次读数中一次" if zh else f"one in {often} readings")
    if because.share is not None:
        share = f"{100 * because.share:.0f} %"
        parts.append(
            f"已达报警剂量的 {share}" if zh else f"{share} of the dose that raises the alarm"
        )
    return parts


def _lead_words(because: Because, language: str) -> list[str]:
    """Return when the limit is reached, with the band where it is known."""
    if because.lead_s is None:
        return []
    zh = language == "zh"
    lead = duration(because.lead_s, language)
    text = f"预计 {lead}后到线" if zh else f"reaches the limit in about {lead}"
    if because.lead_low_s is None:
        return [text]
    low = duration(because.lead_low_s, language)
    if because.lead_high_s is None:
        return [f"{text}（{low}至更久）" if zh else f"{text} ({low} or later)"]
    high = duration(because.lead_high_s, language)
    return [f"{text}（{low}–{high}）" if zh else f"{text} ({low} to {high})"]


def _reasons(finding: Finding, language: str) -> list[str]:
    """Return what explains a finding, part by part; empty where its limit is all there is."""
    zh = language == "zh"
    because = finding.because
    parts = _opening(finding, language)
    if because.silent_s is not None:
        long = duration(because.silent_s, language)
        what = _NEVER if because.note == "never-reported" else _SILENT
        parts.append(
            f"{what[0]} {long}（不等于安全）"
            if zh
            else f"{what[1]} for {long} (not the same as safe)"
        )
    if note := _NOTES.get(because.note):
        parts.append(note[0 if zh else 1])
    if because.rate_per_h is not None:
        parts.append(_rate_words(because.rate_per_h, because.unit, language))
    parts += _lead_words(because, language) + _numbers(because, language)
    if because.held_s:
        held = duration(because.held_s, language)
        parts.append(f"已持续 {held}" if zh else f"held for {held}")
    if because.quality and because.quality != "good":
        reasons = ("、" if zh else ", ").join(because.reasons)
        parts.append(
            f"数据质量 {because.quality}（{reasons}）"
            if zh
            else f"quality {because.quality} ({reasons})"
        )
    return parts
