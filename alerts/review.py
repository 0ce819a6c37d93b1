"""The draft of a review, out of the journal alone: timeline, latencies, and what was missed. Pure.

A person reads it, corrects it in own words and signs it; the draft itself is never evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from alerts import stages
from alerts.cycle_wording import need_words
from alerts.evidence import Need
from alerts.incident import Event, Happening, Incident
from alerts.journal_words import journal_text
from core.community import Name
from core.finding import Condition
from core.wording import duration, grade_words


class Latency(msgspec.Struct, frozen=True):
    """How long one leg took.

    Attributes:
        key: Slug: detect, notify, take-over, decide, act, recover, verify, end.
        name: For people.
        seconds: Seconds of run time; None if it never happened.
    """

    key: str
    name: Name
    seconds: float | None


class ReviewDraft(msgspec.Struct, frozen=True):
    """What the journal says about how it went.

    Attributes:
        latencies: How long each leg took.
        missed: What was missed, each in both languages.
        text: The whole draft, in both languages.
    """

    latencies: tuple[Latency, ...]
    missed: tuple[Name, ...]
    text: Name


_LEGS = {
    "detect": ("从出现到发现", "from its beginning to detection"),
    "notify": ("从发现到首条通知送达", "from detection to the first notification accepted"),
    "take-over": ("从发现到有人接手", "from detection to somebody taking it over"),
    "decide": ("从接手到决定", "from taking over to the decision"),
    "act": ("从决定到最后一个步骤", "from the decision to the last step of the plan"),
    "recover": ("从发现到读数恢复", "from detection to readings back to normal"),
    "verify": ("从读数恢复到现场确认", "from there to the word of a person on site"),
    "end": ("从发现到处置结束", "from detection to the end"),
}


# What a reader of the review wants to see in its order; notifications are in the latencies.
_MARKS = frozenset(
    {
        Happening.OPENED, Happening.RAISED, Happening.LOWERED, Happening.UNKNOWN, Happening.KNOWN,
        Happening.CLEARED, Happening.VOIDED, Happening.LAPSED, Happening.ACKNOWLEDGED,
        Happening.DECIDED, Happening.STEP_DONE, Happening.LOOKED, Happening.ACTED,
        Happening.HIDDEN, Happening.SHOWN, Happening.ENDED,
    }
)  # fmt: skip
# With the longest notes this stays within what a signed review may hold.
_MOST_MARKS = 30


def draft_review(incident: Incident, events: Sequence[Event]) -> ReviewDraft:
    """Return the draft of an incident's review.

    Args:
        incident: Its state.
        events: Its journal, oldest first.
    """
    latencies = _latencies(incident, events)
    missed = tuple(_missed(incident, events))
    return ReviewDraft(
        latencies,
        missed,
        Name(
            zh=_text(incident, events, latencies, missed, "zh"),
            en=_text(incident, events, latencies, missed, "en"),
        ),
    )


def _latencies(incident: Incident, events: Sequence[Event]) -> tuple[Latency, ...]:
    opened = events[0]
    began = opened.judgement.since if opened.judgement is not None else 0
    told = _first(events, Happening.TOLD)
    taken = _first(events, Happening.ACKNOWLEDGED)
    decided = _first(events, Happening.DECIDED)
    acted = _last(events, Happening.STEP_DONE)
    safe = _last(events, Happening.LOOKED, _verifies)
    cleared = incident.cleared_at or None
    spans: dict[str, tuple[int | None, int | None]] = {
        "detect": (began or None, opened.at),
        "notify": (opened.at, told),
        "take-over": (opened.at, taken),
        "decide": (taken, decided),
        "act": (decided, acted),
        "recover": (opened.at, cleared),
        "verify": (cleared, safe),
        "end": (opened.at, incident.over_at or None),
    }
    return tuple(
        Latency(
            key,
            Name(*_LEGS[key]),
            None if start is None or end is None else max(end - start, 0) / 1000,
        )
        for key, (start, end) in spans.items()
    )


def _first(events: Sequence[Event], what: Happening) -> int | None:
    return next((event.at for event in events if event.what is what), None)


def _last(
    events: Sequence[Event], what: Happening, fits: Callable[[Event], bool] = lambda _event: True
) -> int | None:
    found = [event.at for event in events if event.what is what and fits(event)]
    return found[-1] if found else None


def _verifies(event: Event) -> bool:
    seen = event.on_site
    return seen is not None and seen.safe and not seen.early


def _timeline(events: Sequence[Event], language: str) -> list[str]:
    """Return what mattered, after how long; the page beside it has every entry."""
    marks = [event for event in events if event.what in _MARKS]
    lines = []
    for event in marks[:_MOST_MARKS]:
        after = duration(max(event.at - events[0].at, 0) / 1000, language)
        lines.append(f"- +{after} {journal_text(event).in_language(language)}")
    more = len(marks) - len(lines)
    if more > 0:
        lines.append(f"- 另有 {more} 条" if language == "zh" else f"- {more} more")
    return lines


def _missed(incident: Incident, events: Sequence[Event]) -> list[Name]:
    found = [_lacked(need) for need in stages.unmet(incident)]
    refused = [event for event in events if event.what is Happening.UNDELIVERED]
    if refused:
        whom = ", ".join(sorted({f"{event.contact} ({event.channel})" for event in refused}))
        found.append(Name(f"未送达的通知：{whom}", f"notifications that did not arrive: {whom}"))
    for what, zh, en in _COUNTED:
        count = sum(event.what is what for event in events)
        if count:
            found.append(Name(zh.format(count), en.format(count)))
    found += _late_steps(incident)
    blind_s = _blind_s(events)
    if blind_s:
        found.append(
            Name(
                f"数据中断、状态未知共 {duration(blind_s, 'zh')}",
                f"its state was unknown for {duration(blind_s, 'en')}",
            )
        )
    return found


_COUNTED = (
    (Happening.VOIDED, "升级使接手失效 {} 次", "a rise voided the take-over {} times"),
    (Happening.HIDDEN, "部分依据被暂停通知 {} 次", "part of it was withheld {} times"),
    (Happening.CHATTERING, "抖动 {} 次", "it chattered {} times"),
)


def _lacked(need: Need) -> Name:
    return Name(f"缺少：{need_words(need, 'zh')}", f"lacking: {need_words(need, 'en')}")


def _late_steps(incident: Incident) -> list[Name]:
    found = []
    began = incident.steps_from
    for step in incident.steps:
        done = incident.done.get(step.id)
        if done is None:
            continue  # said already: steps are lacking
        words = step.text
        if done.skipped:
            found.append(
                Name(
                    f"跳过步骤“{words.in_language('zh')}”：{done.note}",
                    f"step skipped: {words.in_language('en')}: {done.note}",
                )
            )
        elif step.within_s and (done.at - began) / 1000 > step.within_s:
            late_s = (done.at - began) / 1000 - step.within_s
            found.append(
                Name(
                    f"步骤“{words.in_language('zh')}”晚了 {duration(late_s, 'zh')}",
                    f"step late by {duration(late_s, 'en')}: {words.in_language('en')}",
                )
            )
    return found


def _blind_s(events: Sequence[Event]) -> float:
    """Return for how long its condition was unknown, in seconds."""
    total, since = 0, 0
    for event in events:
        if event.judgement is None:
            continue
        unknown = event.judgement.condition is Condition.UNKNOWN
        if unknown and not since:
            since = event.at
        elif not unknown and since:
            total, since = total + event.at - since, 0
    return (total + (events[-1].at - since if since else 0)) / 1000


def _text(
    incident: Incident,
    events: Sequence[Event],
    latencies: Sequence[Latency],
    missed: Sequence[Name],
    language: str,
) -> str:
    zh = language == "zh"
    peak = grade_words(incident.peak, language)
    headline = incident.judgement.headline.in_language(language)
    lines = [f"最高 {peak}。{headline}" if zh else f"It reached {peak}. {headline}"]
    lines.append("经过：" if zh else "What happened:")
    lines += _timeline(events, language)
    lines.append("用时：" if zh else "How long it took:")
    for leg in latencies:
        took = duration(leg.seconds, language) if leg.seconds is not None else "—"
        lines.append(
            f"{leg.name.in_language(language)}：{took}"
            if zh
            else f"{leg.name.in_language(language)}: {took}"
        )
    lines.append(
        ("不足：" if zh else "Missed:") if missed else ("无明显不足" if zh else "Nothing.")
    )
    lines += [f"- {entry.in_language(language)}" for entry in missed]
    return "\n".join(lines)
