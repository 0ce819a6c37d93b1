"""What a person is told: one notification as data, and its few lines of text. Pure.

The text is short because it is read on a phone at night: grade (word and numeral), place, what,
since when, why, link. It starts with what matters, so that cutting it off costs the least.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable

import msgspec

from alerts.grading import hazard_name, zone_name
from alerts.incident import Event, Happening, Incident, Kind
from alerts.journal import Head
from core.act_wording import act_sentence
from core.community import Community, Name
from core.finding import Certainty, Hazard
from core.grade import GRADE_FACTS, Grade
from core.wording import duration, grade_words


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one contact over one channel; the id is the same on every attempt.

    Attributes:
        id: Stable id; receivers may drop what they have seen.
        incident, seq: `#12-3` in the text is the third announcement of incident 12.
        kind: Alert (rise), update (fall) or clear.
        grade: Grade that it tells; green for a clear.
        peak: Highest grade of the incident so far.
        zone, hazard, place, hazard_name: Where and what, as ids and for people.
        headline, why: Text in both languages.
        since: Event time (ms) at which this grade began; 0 if unknown.
        at: Run time (ms) of the announcement.
        severity, urgency, certainty: CAP 1.2 words (design, Grading and incidents).
        url: Page of the incident; "" if no base URL is configured.
        timezone, language: Of the site.
        contact: Id of the contact.
        journal: End of the journal's hash chain when it was written: an anchor outside the house.
    """

    id: str
    incident: int
    seq: int
    kind: Kind
    grade: Grade
    peak: Grade
    zone: str
    hazard: Hazard
    place: Name
    hazard_name: Name
    headline: Name
    why: Name
    since: int
    at: int
    severity: str
    urgency: str
    certainty: Certainty
    url: str
    timezone: str
    language: str
    contact: str
    journal: Head


def notification(
    incident: Incident, event: Event, *, community: Community, base_url: str, journal: Head
) -> Notification:
    """Return what an announcement says; id and contact are filled in for each recipient."""
    assert event.kind is not None
    assert event.grade is not None
    judgement = incident.judgement
    worst = incident.peak if event.kind is Kind.CLEAR else event.grade
    return Notification(
        id="",
        incident=incident.number,
        seq=event.seq,
        kind=event.kind,
        grade=event.grade,
        peak=incident.peak,
        zone=incident.zone,
        hazard=incident.hazard,
        place=_both(lambda language: zone_name(incident.zone, community, language)),
        hazard_name=_both(lambda language: hazard_name(incident.hazard, language)),
        headline=judgement.headline,
        why=judgement.why,
        since=incident.cleared_at if event.kind is Kind.CLEAR else judgement.since,
        at=event.at,
        severity=GRADE_FACTS[worst].cap_severity,
        urgency=urgency(event.kind, event.grade, forecast=judgement.forecast),
        certainty=judgement.certainty,
        url=f"{base_url.rstrip('/')}/incidents/{incident.number}" if base_url else "",
        timezone=community.site.timezone,
        language=community.site.language,
        contact="",
        journal=journal,
    )


def urgency(kind: Kind, grade: Grade, *, forecast: bool) -> str:
    """Return the CAP 1.2 urgency (design, Grading and incidents).

    >>> [urgency(Kind.ALERT, Grade.RED, forecast=forecast) for forecast in (False, True)]
    ['Immediate', 'Expected']
    """
    if kind is Kind.CLEAR:
        return "Past"
    if grade is Grade.BLUE:
        return "Future"
    return "Immediate" if grade >= Grade.ORANGE and not forecast else "Expected"


def title(note: Notification, language: str) -> str:
    """Return the first line: grade, hazard and place."""
    zh = language == "zh"
    place, hazard = note.place.in_language(language), note.hazard_name.in_language(language)
    grade = grade_words(note.grade, language)
    if note.kind is Kind.CLEAR:
        return f"【解除】{place} {hazard}" if zh else f"[all clear] {place}: {hazard}"
    if note.kind is Kind.UPDATE:
        return f"【降为{grade}】{place} {hazard}" if zh else f"[down to {grade}] {place}: {hazard}"
    return f"【{grade}】{place} {hazard}" if zh else f"[{grade}] {place}: {hazard}"


def lines(note: Notification, language: str) -> list[str]:
    """Return the whole text, most important line first."""
    zh = language == "zh"
    text = [title(note, language)]
    if note.kind is Kind.CLEAR:
        text.append("险情已解除" if zh else "The danger is over.")
    elif note.headline.in_language(language):
        text.append(note.headline.in_language(language))
    if note.kind is not Kind.ALERT or note.peak > note.grade:
        peak = grade_words(note.peak, language)
        text.append(f"曾达最高等级：{peak}" if zh else f"It had reached {peak}.")
    number = f"#{note.incident}-{note.seq}"
    since = local_time(note.since, note.timezone, language)
    if since:
        text.append(f"自 {since} 起 {number}" if zh else f"Since {since} {number}")
    else:
        text.append(number)
    if note.url:
        text.append(f"处置：{note.url}" if zh else f"Take over: {note.url}")
    why = note.why.in_language(language)
    if why and note.kind is not Kind.CLEAR:
        text.append(f"依据：{why}" if zh else f"Why: {why}")
    return text


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


def truncate_utf8(text: str, limit: int) -> str:
    """Return *text* in at most *limit* bytes of UTF-8, cut between characters.

    >>> truncate_utf8("水位水位", 10), truncate_utf8("水位", 6)
    ('水位…', '水位')
    """
    data = text.encode()
    if len(data) <= limit:
        return text
    mark = "…".encode()
    if limit < len(mark):
        return ""
    return data[: limit - len(mark)].decode(errors="ignore") + "…"


def harmless(text: str) -> str:
    """Return text that mentions nobody and opens no tag: names come from outside.

    >>> harmless("<@all> 水位")
    '＜@all＞ 水位'
    """
    return text.replace("<", "＜").replace(">", "＞")


def journal_text(event: Event) -> Name:
    """Return what a journal entry says to people; ids only, no names."""
    grade = event.judgement.grade if event.judgement else event.grade
    headline = event.judgement.headline if event.judgement else Name()
    return Name(
        zh=_journal_line(event, grade, headline, "zh"),
        en=_journal_line(event, grade, headline, "en"),
    )


_JOURNAL = {
    Happening.OPENED: ("发现险情，{grade}。{headline}", "opened at {grade}. {headline}"),
    Happening.RAISED: ("升级为{grade}。{headline}", "rose to {grade}. {headline}"),
    Happening.LOWERED: ("降为{grade}", "fell to {grade}"),
    Happening.UNKNOWN: (
        "数据中断，现状未知，保持{grade}，不等于安全",
        "present state unknown, held at {grade}; this is not all clear",
    ),
    Happening.KNOWN: ("数据恢复，{grade}。{headline}", "known again, {grade}. {headline}"),
    Happening.CLEARED: ("已恢复正常", "back to normal"),
    Happening.EVIDENCE: ("依据变化，{grade}。{headline}", "other evidence, {grade}. {headline}"),
    Happening.VOIDED: (
        "已升为{grade}，{contact} 的接手失效，须重新接手",
        "rose to {grade}: taken over by {contact} no longer counts",
    ),
    Happening.ACKNOWLEDGED: (
        "{actor} 已接手（{grade}，{how}）",
        "{actor} took over ({grade}, {how})",
    ),
    Happening.ANNOUNCED: (
        "第 {seq} 次通知（{kind}，{grade}）",
        "announcement {seq} ({kind}, {grade})",
    ),
    Happening.TOLD: (
        "已送达通道 {channel}：{contact}（{grade}）",
        "{channel} accepted the message to {contact} ({grade})",
    ),
    Happening.UNDELIVERED: (
        "未能通知 {contact}（{channel}）：{detail}",
        "{contact} was not told over {channel}: {detail}",
    ),
    Happening.ACTED: ("{ago}{act}", "{ago}{act}"),
    Happening.CLOSED: ("关闭（{how}）", "closed ({how})"),
    Happening.DRILL_ENDED: ("演练{how}，本条关闭", "the drill {how}; closed with it"),
}
_WORDS = {
    "settled": ("已平稳", "settled"),
    "unattended": ("自动关闭：始终无人接手", "by itself: nobody ever took it over"),
    "finished": ("结束", "is over"),
    "aborted": ("中止", "was broken off"),
    "drill-end": ("演练结束", "end of the drill"),
    "alert": ("警报", "alert"),
    "update": ("更新", "update"),
    "clear": ("解除", "all clear"),
    "console": ("控制台", "console"),
    "api": ("接口", "API"),
    "link": ("链接", "link"),
}


def _journal_line(event: Event, grade: Grade | None, headline: Name, language: str) -> str:
    index = 0 if language == "zh" else 1

    def word(text: str) -> str:
        return _WORDS[text][index] if text in _WORDS else text

    return (
        _JOURNAL[event.what][index]
        .format(
            grade=grade_words(grade, language) if grade is not None else "",
            headline=headline.in_language(language),
            actor=event.actor,
            contact=event.contact,
            channel=event.channel,
            how=word(event.how),
            kind=word(event.kind or ""),
            seq=event.seq,
            detail=event.detail,
            act=act_sentence(event.act, event.station, language) if event.act else "",
            ago=_ago(event, language),
        )
        .strip()
    )


def _ago(event: Event, language: str) -> str:
    """Return how long before its entry an act was; what is told at once needs no such words."""
    if event.act is None:
        return ""
    passed_s = (event.at - event.act.at) / 1000
    zh = language == "zh"
    if not event.act.sync:
        return "更早（时间不详）：" if zh else "earlier, at an unknown time: "
    if passed_s < _TOLD_AT_ONCE_S:
        return ""
    text = duration(passed_s, language)
    return f"{text}前：" if zh else f"{text} before: "


# An act that was told within this time was told when it happened.
_TOLD_AT_ONCE_S = 60.0


def _both(text: Callable[[str], str]) -> Name:
    return Name(zh=text("zh"), en=text("en"))
