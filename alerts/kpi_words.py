"""Words of the alarm figures: their names, targets and units, zh-CN and English. Pure."""

from __future__ import annotations

from alerts.kpi import Figure
from core.community import Name
from core.wording import duration

NAMES: dict[str, Name] = {
    "alarms": Name("报警次数", "alarms"),
    "rate": Name("平均报警率", "average alarm rate"),
    "daily": Name("每天报警次数", "alarms a day"),
    "busy-periods": Name("超过 10 次的 10 分钟时段", "10-minute periods with more than 10"),
    "peak": Name("任意 10 分钟内最多", "most in any 10 minutes"),
    "floods": Name("报警洪泛次数", "alarm floods"),
    "flooded": Name("处于洪泛的时间", "time in flood"),
    "share-low": Name("蓝色和黄色占比", "share of blue and yellow"),
    "share-orange": Name("橙色占比", "share of orange"),
    "share-red": Name("红色占比", "share of red"),
    "top-ten": Name("最多的十个来源占比", "share of the ten most frequent sources"),
    "chattering": Name("抖动的来源", "chattering sources"),
    "fleeting": Name("一闪而过的报警", "fleeting alarms"),
    "stale": Name("持续超过 24 小时", "active for more than 24 h"),
    "ack-median": Name("接手用时（中位数）", "time to take over (median)"),
    "ack-p95": Name("接手用时（95% 以内）", "time to take over (95th percentile)"),
    "unattended": Name("无人接手", "never taken over"),
    "accepted-median": Name("首次送达通道用时（中位数）", "time to first accepted (median)"),
    "accepted-p95": Name(
        "首次送达通道用时（95% 以内）", "time to first accepted (95th percentile)"
    ),
    "untold": Name("没有任何通道接受", "accepted by no channel"),
}
# Figure, and the mark of where it comes from: channels reference 3.4.
TARGETS: dict[str, Name] = {
    "rate": Name("≤ 1（2 为上限）[T]", "≤ 1 (2 is the most) [T]"),
    "daily": Name("≤ 150（300 为上限）[T]", "≤ 150 (300 is the most) [T]"),
    "busy-periods": Name("< 1 % [T]", "< 1 % [T]"),
    "peak": Name("≤ 10 [K]", "≤ 10 [K]"),
    "share-low": Name("约 80 % [T]", "about 80 % [T]"),
    "share-orange": Name("约 15 % [T]", "about 15 % [T]"),
    "share-red": Name("约 5 % [T]", "about 5 % [T]"),
    "top-ten": Name("≤ 5 % [T]（来源多于 10 个时）", "≤ 5 % [T] (of more than 10 sources)"),
    "chattering": Name("0 [T]；1 分钟 3 次 [K]", "0 [T]; 3 in 1 min [K]"),
    "fleeting": Name("0 [T]；1 分钟内自行消失 [K]", "0 [T]; gone by itself within 1 min [K]"),
    "stale": Name("< 5 [T]", "< 5 [T]"),
    "unattended": Name("0", "0"),
    "untold": Name("0", "0"),
}


def value_words(figure: Figure, language: str) -> str:
    """Return the value of a figure as people read it.

    >>> value_words(Figure(name="ack-median", value=95.0, unit="s", n=3), "en")
    '95 s'
    >>> value_words(Figure(name="top-ten", value=None, unit="share", n=0), "zh")
    '无数据'
    """
    zh = language == "zh"
    if figure.value is None:
        return "无数据" if zh else "no data"
    if figure.unit == "s":
        return duration(figure.value, language)
    if figure.unit == "share":
        return f"{100 * figure.value:.1f} %"
    if figure.unit == "per-10-min":
        return f"{figure.value:.2g} 次 / 10 分钟" if zh else f"{figure.value:.2g} in 10 min"
    if figure.unit == "per-day":
        return f"{figure.value:.3g} 次 / 天" if zh else f"{figure.value:.3g} a day"
    return f"{figure.value:.0f}"


def target_words(figure: Figure, language: str) -> str:
    """Return the target of a figure, "" without one."""
    return TARGETS[figure.name].in_language(language) if figure.name in TARGETS else ""


def verdict_words(figure: Figure, language: str) -> str:
    """Return whether the target is met, in one word; "" where nothing can be said."""
    zh = language == "zh"
    if figure.within is None:
        return ""
    if figure.within:
        return "达标" if zh else "met"
    return "未达标" if zh else "missed"
