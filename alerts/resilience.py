"""How resilient the community is, by evidence: parts, each with what it rests on. Pure.

There is no total: a single number out of unlike parts would be made up, and would hide the weakest
one. A part without evidence has no value; it is unknown, not zero and not fine.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from alerts.incident import Incident
from alerts.kpi import Kpis
from alerts.routing import channel_name
from core.community import Community, Name
from core.finding import Condition, Hazard

# Windows of the evidence, days. Our choices: a channel is tested daily, so a week shows it; a
# drill each half year and a review each year are usual in community plans [K].
CHANNEL_DAYS, TAKE_OVER_DAYS, DRILL_DAYS, REVIEW_DAYS = 7, 90, 182, 365


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of resilience.

    Attributes:
        name: Slug; `WORDS` has its words.
        value: None where nobody knows.
        unit: `share`, `s` or `days`.
        n, of: What it rests on: so many out of so many.
        missing: What is missing, as ids (sensors, channels, hazards, plans); at most 20.
        unknown: Why there is no value, in both languages.
    """

    name: str
    value: float | None
    unit: str = "share"
    n: int = 0
    of: int = 0
    missing: tuple[str, ...] = ()
    unknown: Name = Name()


class Practised(msgspec.Struct, frozen=True):
    """A drill that came to its end: of which hazard, when (run ms)."""

    hazard: str
    ended_at: int


WORDS: dict[str, Name] = {
    "reporting": Name("正在上报的传感器", "sensors that report now"),
    "channels": Name("近 7 天证明可用的通知通道", "channels proven within 7 days"),
    "two-ways": Name("有两条以上通道的值班人员", "duty contacts with two channels or more"),
    "take-over": Name("近 90 天接手用时（中位数）", "time to take over, median of 90 days"),
    "taken-over": Name("近 90 天有人接手的报警", "alarms taken over within 90 days"),
    "drilled": Name("近半年演练过的灾种", "hazards drilled within half a year"),
    "reviewed": Name("近一年已复盘的事件", "incidents reviewed within a year"),
    "lessons": Name("近一年已批准或否决的改进", "lessons of a year that were decided"),
    "limits": Name("一年内复核过的限值", "limits reviewed within a year"),
    "plans": Name("一年内复核过的预案", "plans reviewed within a year"),
}
_NOTHING = Name("没有记录", "nothing is on record")
_MOST_MISSING = 20


def _share(
    name: str, good: Collection[str], everything: Iterable[str], unknown: Name = _NOTHING
) -> Part:
    names = sorted(set(everything))
    if not names:
        return Part(name=name, value=None, unknown=unknown)
    missing = tuple(one for one in names if one not in good)
    n = len(names) - len(missing)
    return Part(
        name=name, value=n / len(names), n=n, of=len(names), missing=missing[:_MOST_MISSING]
    )


def reporting(community: Community, silence: Mapping[str, Condition] | None) -> Part:
    """Return which registered series report: the detectors say so now, and it is known.

    Args:
        community: The profile.
        silence: What the rule `silence` says of each series; None where nobody can be asked.
    """
    everything = {f"{series.sensor}.{series.quantity}" for series in community.series()}
    if silence is None or not set(silence) & everything:
        why = Name("检测程序没有给出状态", "detectors don't say")
        return Part(name="reporting", value=None, of=len(everything), unknown=why)
    well = {name for name, condition in silence.items() if condition is Condition.CLEARED}
    return _share("reporting", well, everything)


def channels(community: Community, proven: Collection[str]) -> list[Part]:
    """Return which channels have accepted something lately, and who can be reached by two."""
    named = {channel_name(text) for contact in community.contact for text in contact.channels}
    duty = {
        contact.id: {channel_name(text) for text in contact.channels}
        for contact in community.contact
        if contact.role == "duty"
    }
    nobody = Name("没有值班人员", "nobody is on duty")
    return [
        _share("channels", proven, named, Name("没有配置通道", "no channel is configured")),
        _share("two-ways", {who for who, ways in duty.items() if len(ways) > 1}, duty, nobody),
    ]


def take_over(figures: Kpis) -> list[Part]:
    """Return how long it took until somebody had it, and how often nobody did."""
    wait, left = figures.figure("ack-median"), figures.figure("unattended")
    none = Name("近 90 天没有报警", "no alarm in 90 days")
    if not left.n:
        return [
            Part(name="take-over", value=None, unit="s", unknown=none),
            Part(name="taken-over", value=None, unknown=none),
        ]
    nobody = Name("没有人接手过", "nobody took any over")
    return [
        Part(
            name="take-over", value=wait.value, unit="s", n=wait.n, of=left.n,
            unknown=Name() if wait.n else nobody,
        ),
        Part(name="taken-over", value=wait.n / left.n, n=wait.n, of=left.n),
    ]  # fmt: skip


def drilled(community: Community, drills: Iterable[Practised], now: int) -> Part:
    """Return which hazards of this place were drilled to the end lately."""
    hazards = {str(sensor.hazard) for sensor in community.sensor} - {str(Hazard.EQUIPMENT)}
    since = now - DRILL_DAYS * 86_400_000
    done = {drill.hazard for drill in drills if drill.ended_at >= since}
    return _share("drilled", done, hazards, Name("没有灾种", "no hazard is watched"))


def learned(incidents: Sequence[Incident], now: int) -> list[Part]:
    """Return how many incidents were reviewed, and how many lessons were decided."""
    since = now - REVIEW_DAYS * 86_400_000
    over = [one for one in incidents if one.over_at >= since and not one.exercise and one.over_at]
    lessons = {
        f"{one.number}/{lesson.id}": lesson.state.value != "proposed"
        for one in over
        for lesson in one.lessons.values()
    }
    return [
        _share(
            "reviewed",
            {str(one.number) for one in over if one.review is not None},
            (str(one.number) for one in over),
            Name("近一年没有结束的事件", "no incident ended within a year"),
        ),
        _share(
            "lessons",
            {name for name, decided in lessons.items() if decided},
            lessons,
            Name("近一年没有提出改进", "no lesson was proposed within a year"),
        ),
    ]


def reviewed_limits(community: Community, today: dt.date) -> Part:
    """Return which limits somebody has looked at within a year."""
    dates = {
        f"{limit.zone}/{limit.quantity}/{limit.side}": limit.reviewed for limit in community.limit
    }
    none = Name("没有本地限值，使用默认值", "no limit of its own: defaults hold")
    return reviewed_dates("limits", dates, today, none)


def reviewed_dates(
    name: str, dates: Mapping[str, dt.date | None], today: dt.date, none: Name
) -> Part:
    """Return which of several things were reviewed within a year."""
    fresh = {
        key
        for key, date in dates.items()
        if date is not None and 0 <= (today - date).days <= REVIEW_DAYS
    }
    return _share(name, fresh, dates, none)
