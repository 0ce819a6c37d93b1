"""What a person reads: the few lines of a notification, and its shortest form. Pure.

The text is short because it is read on a phone at night: grade (word and numeral), place, what,
since when, what to do first, link, why, how sure. It starts with what matters, so that cutting it
off costs the least. Duty staff, the street office and residents read different texts.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo

from alerts.incident import Kind
from alerts.notification import Audience, Notification, audience_of, notification
from alerts.text_length import cut, harmless, truncate_utf8, ucs2
from core.finding import Certainty
from core.grade import WARNING_GRADES, Grade
from core.wording import duration, grade_words

# Channels find words, data and what makes them fit here.
__all__ = [
    "Audience",
    "Notification",
    "audience_of",
    "cut",
    "drill_mark",
    "harmless",
    "kind_words",
    "lines",
    "local_time",
    "notification",
    "short",
    "title",
    "truncate_utf8",
    "ucs2",
]
# One SMS segment holds 70 UCS-2 code units (channels reference 1.14).
SMS_UNITS = 70
# A digest names so many incidents; the console has the rest.
MAX_ITEMS = 20
_SURE = {
    Certainty.OBSERVED: ("已测得", "measured"),
    Certainty.LIKELY: ("很可能", "likely"),
    Certainty.POSSIBLE: ("可能", "possible"),
}


# After these nobody is asked to do anything any more.
_OVER = (Kind.CLEAR, Kind.DRILL_END)
# A title is one line on a phone; a headline comes from outside.
_TITLE_BYTES = 300


def title(note: Notification, language: str) -> str:
    """Return the first line: grade, hazard and place; a drill says so before anything else."""
    return drill_mark(note, language) + _title(note, language)


def drill_mark(note: Notification, language: str) -> str:
    """Return what stands before every text of a drill; "" for the real thing."""
    return exercise_mark(language) if note.exercise else ""


def exercise_mark(language: str) -> str:
    """Return the mark of a drill."""
    return "【演练】" if language == "zh" else "[DRILL] "


def _title(note: Notification, language: str) -> str:
    zh = language == "zh"
    if note.kind is Kind.TEST:
        return "【通道测试】平安眼" if zh else "[channel test] Safety Eye"
    if note.kind is Kind.NOTICE:
        headline = truncate_utf8(note.headline.in_language(language), _TITLE_BYTES)
        return f"【请处理】{headline}" if zh else f"[please see to it] {headline}"
    if note.kind is Kind.DIGEST:
        return f"【汇总】{_counts(note, language)}" if zh else f"[digest] {_counts(note, language)}"
    place, hazard = note.place.in_language(language), note.hazard_name.in_language(language)
    mark = kind_words(note, language)
    return f"【{mark}】{place} {hazard}" if zh else f"[{mark}] {place}: {hazard}"


def kind_words(note: Notification, language: str) -> str:
    """Return the words that stand for the whole message, without the mark of a drill."""
    grade, zh = grade_words(note.grade, language), language == "zh"
    if note.audience is not Audience.DUTY and note.grade is not Grade.GREEN:
        # They get warnings of authorities, too: this is a level of the site.
        grade = f"本点位{grade}" if zh else f"site level {grade}"
    if note.kind is Kind.DRILL_END:
        over = note.ending == "finished"
        return ("结束" if over else "中止") if zh else ("over" if over else "broken off")
    words = {
        Kind.CLEAR: ("解除", "all clear"),
        Kind.UPDATE: (f"降为{grade}", f"down to {grade}"),
        Kind.ESCALATION: (f"{grade}·无人接手", f"{grade}, nobody has it"),
        Kind.REMINDER: (f"{grade}·还在处理吗", f"{grade}, still on it?"),
    }
    if note.kind is Kind.ESCALATION and note.audience is not Audience.DUTY:
        return grade
    return words.get(note.kind, (grade, grade))[0 if zh else 1]


def _counts(note: Notification, language: str) -> str:
    zh = language == "zh"
    peaks = [item.peak for item in note.items]
    parts = [
        f"{peaks.count(grade)} 个{grade_words(grade, language)}"
        if zh
        else f"{peaks.count(grade)} {grade_words(grade, language)}"
        for grade in reversed(WARNING_GRADES)
        if grade in peaks
    ]
    return ("、" if zh else ", ").join(parts)


def lines(note: Notification, language: str) -> list[str]:
    """Return the whole text, most important line first."""
    if note.kind in (Kind.TEST, Kind.NOTICE, Kind.DIGEST):
        return [title(note, language), *_of_no_incident(note, language)]
    if note.audience is Audience.RESIDENT:
        return _resident(note, language)
    text = [title(note, language), *_asked(note, language)]
    text += _what(note, language)
    if note.audience is Audience.STREET_OFFICE:
        return text if note.kind in _OVER else [*text, _handled(note, language)]
    if note.kind not in _OVER and (first := note.first.in_language(language)):
        text.append(f"先做：{first}" if language == "zh" else f"First: {first}")
    return text + _links(note, language) + _why(note, language)


def _of_no_incident(note: Notification, language: str) -> list[str]:
    """Return what stands below the title of a self-test, a notice or a digest."""
    if note.kind is Kind.TEST:
        return [note.why.in_language(language)]
    if note.kind is Kind.NOTICE:
        return [note.why.in_language(language), *_links(note, language)]
    if note.audience is Audience.RESIDENT:
        return _public_items(note, language)
    return _item_lines(note, language)


def _what(note: Notification, language: str) -> list[str]:
    """Return what is known: the fact, its worst, since when, and its number."""
    zh = language == "zh"
    text = []
    if note.kind is Kind.CLEAR:
        text.append("险情已解除" if zh else "The danger is over.")
    elif note.headline.in_language(language):
        text.append(note.headline.in_language(language))
    if note.kind in (Kind.UPDATE, Kind.CLEAR) or note.peak > note.grade:
        peak = grade_words(note.peak, language)
        text.append(f"曾达最高等级：{peak}" if zh else f"It had reached {peak}.")
    number = f"#{note.incident}-{note.seq}"
    since = local_time(note.since, note.timezone, language)
    if since:
        text.append(f"自 {since} 起 {number}" if zh else f"Since {since} {number}")
    else:
        text.append(number)
    return text


def _asked(note: Notification, language: str) -> list[str]:
    """Return what is asked of the reader: why this comes again."""
    zh = language == "zh"
    if note.audience is not Audience.DUTY:
        return []
    if note.kind is Kind.ESCALATION:
        waited = duration(note.waited_s, language)
        return [
            f"已 {waited}无人接手，请你接手" if zh else f"Nobody for {waited}: please take over"
        ]
    if note.kind is Kind.REMINDER:
        left = duration(note.lapse_s, language)
        return [
            f"{left}内不确认，将重新呼叫其他人"
            if zh
            else f"Without your answer others are called in {left}"
        ]
    return []


def _links(note: Notification, language: str) -> list[str]:
    zh = language == "zh"
    url = note.take_url if note.kind not in _OVER else ""
    if not (url or note.url):
        return []
    if note.kind in _OVER:
        return [f"详情：{note.url}" if zh else f"Details: {note.url}"]
    return [f"处置：{url or note.url}" if zh else f"Take over: {url or note.url}"]


def _why(note: Notification, language: str) -> list[str]:
    why = note.why.in_language(language)
    if not why or note.kind in _OVER:
        return []
    sure = _SURE[note.certainty][0 if language == "zh" else 1]
    return [f"依据：{why}（{sure}）" if language == "zh" else f"Why ({sure}): {why}"]


def _handled(note: Notification, language: str) -> str:
    if language == "zh":
        return "现场已有人负责处置" if note.taken else "尚无人接手，社区正在逐级呼叫"
    return "Somebody has taken it over." if note.taken else "Nobody has it yet; people are called."


def _resident(note: Notification, language: str) -> list[str]:
    zh = language == "zh"
    text = [title(note, language)]
    if note.kind is Kind.CLEAR:
        return [*text, "险情已解除，谢谢配合" if zh else "The danger is over. Thank you."]
    if note.kind is Kind.DRILL_END:
        return [*text, note.headline.in_language(language)]
    if public := _asked_of_residents(note, language):
        text.append(public)
    return [*text, _unofficial(language)]


def _asked_of_residents(note: Notification, language: str) -> str:
    """Return what residents are asked to do: as the plan says, and to go on with it in a fall."""
    if note.kind is not Kind.UPDATE:
        return note.public.in_language(language)
    if language == "zh":
        return "险情有所缓解；收到解除通知前，请继续按此前的要求做"
    return "It is easing. Until the all-clear go on as you were asked."


def _public_items(note: Notification, language: str) -> list[str]:
    """Return a digest as residents read it: which places, how bad; no numbers and no link."""
    zh = language == "zh"
    text = []
    for item in note.items:
        state = ("（已结束）" if zh else " (over)") if item.over else ""
        grade = grade_words(item.peak, language)
        level = f"本点位{grade}" if zh else f"site level {grade}"
        since = local_time(item.since, note.timezone, language)
        text.append(f"{item.place.in_language(language)} {level} {since}{state}")
    told = list(dict.fromkeys(text))
    if more := len(told[MAX_ITEMS:]):
        told[MAX_ITEMS:] = [f"另有 {more} 处" if zh else f"and {more} more"]
    return [*told, _unofficial(language)]


def _unofficial(language: str) -> str:
    if language == "zh":
        return "来自本社区，非官方预警"
    return "From your community; no official warning."


def _item_lines(note: Notification, language: str) -> list[str]:
    zh = language == "zh"
    text = []
    for item in note.items[:MAX_ITEMS]:
        state = ("（已结束）" if zh else " (over)") if item.over else ""
        what = item.headline.in_language(language) or item.place.in_language(language)
        since = local_time(item.since, note.timezone, language)
        grade = grade_words(item.peak, language)
        text.append(f"#{item.incident} {grade} {what} {since}{state}")
    if len(note.items) > MAX_ITEMS:
        more = len(note.items) - MAX_ITEMS
        text.append(f"另有 {more} 个，见控制台" if zh else f"and {more} more, see the console")
    return text + ([note.url] if note.url else [])


def short(note: Notification, language: str, units: int = SMS_UNITS) -> str:
    """Return the shortest useful text, for one SMS: what fits into *units* UTF-16 code units.

    Grade, place and fact come first; the link to take it over, its number, the first thing to do
    and since when follow where they fit, each whole or not at all.
    """
    zh = language == "zh"
    if note.kind is Kind.TEST:
        return cut("\n".join(lines(note, language)), units)
    if note.kind in (Kind.DIGEST, Kind.NOTICE):
        return cut(title(note, language), units)
    # Residents need no measurements: what it is, where, and what they are asked to do.
    resident = note.audience is Audience.RESIDENT
    what = "" if resident else note.headline.in_language(language)
    if what and note.kind in (Kind.ALERT, Kind.ESCALATION, Kind.REMINDER):
        mark = kind_words(note, language)
        # Chinese needs no blanks around numbers, and each costs a character of the link.
        told = f"【{mark}】{what}".replace(" ", "") if zh else f"[{mark}] {what}"
        text = drill_mark(note, language) + told
    elif note.kind is Kind.DRILL_END:
        text = f"{title(note, language)} {note.headline.in_language(language)}"
    else:
        text = title(note, language)
    for part in _short_parts(note, language):
        if part and ucs2(f"{text} {part}") <= units:
            text = f"{text} {part}"
    return cut(text, units)


def _short_parts(note: Notification, language: str) -> list[str]:
    """Return what follows the fact where it fits. What is over asks for nothing."""
    zh, over = language == "zh", note.kind in _OVER
    if note.audience is Audience.RESIDENT:
        return [] if over else [_asked_of_residents(note, language), _unofficial(language)]
    since = local_time(note.since, note.timezone, language)
    parts = [f"#{note.incident}-{note.seq}"]
    if note.audience is Audience.STREET_OFFICE:  # is informed; the steps are not theirs
        parts += [] if over else [_handled(note, language)]
    elif not over:
        parts = [note.take_url, *parts, note.first.in_language(language)]
    return [*parts, f"自{since}" if zh and since else since]


def local_time(at_ms: int, timezone: str, language: str) -> str:
    """Return a time as people of the place write it; "" where there is none to tell.

    >>> local_time(1_764_500_000_000, "Asia/Shanghai", "zh")
    '11月30日 18:53'
    """
    try:
        when = dt.datetime.fromtimestamp(at_ms / 1000, zoneinfo.ZoneInfo(timezone))
    except (OverflowError, OSError, ValueError):
        return ""
    if at_ms <= 0:
        return ""
    if language == "zh":
        return f"{when.month}月{when.day}日 {when:%H:%M}"
    return f"{when:%d %b %H:%M}"
