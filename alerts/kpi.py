"""Alarm figures as EEMUA 191 and ISA-18.2 name them, out of the journal of a period. Pure.

What an alarm is, `alerts.kpi_facts` says. Targets and their marks are those of channels reference
3.4: T = from a secondary text, K = general knowledge; the standards themselves are behind a
paywall, so these figures support a claim of conformance, they don't make one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from alerts.kpi_facts import Alarm, Facts, Story, facts_of
from core.finding import Hazard
from core.grade import WARNING_GRADES, Grade
from core.refusal import RefusalError

TEN_MINUTES_MS = 600_000
# A flood begins with more than 10 alarms in 10 minutes and ends with fewer than 5 [T].
FLOOD_ABOVE, FLOOD_BELOW = 10, 5
# Three onsets of one alarm within a minute are chattering [K].
CHATTER_ONSETS, CHATTER_MS = 3, 60_000
_DAY_MS = 86_400_000
# Of fewer alarms than this even one is more than 5 %: no share is judged.
FEWEST = 20


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure with what it rests on.

    Attributes:
        name: Slug; `alerts.kpi_words` has its words and its target.
        value: None where there is nothing to measure.
        unit: Slug of the unit: count, per-10-min, per-day, share, s.
        n: How many things it rests on.
        within: Whether it meets its target; None without a target, or without a value.
    """

    name: str
    value: float | None
    unit: str
    n: int
    within: bool | None = None


class Flood(msgspec.Struct, frozen=True):
    """An alarm flood, in whole ten-minute periods (run ms)."""

    began_at: int
    ended_at: int
    alarms: int
    peak: int


class Source(msgspec.Struct, frozen=True):
    """How many of the alarms come from one (zone, hazard)."""

    zone: str
    hazard: Hazard
    alarms: int
    share: float


class Load(msgspec.Struct, frozen=True):
    """What one contact was told: distinct alarms and calls up the ladder that a channel took."""

    contact: str
    told: int
    per_10_min: float
    busiest_10_min: int


class ChannelFigures(msgspec.Struct, frozen=True):
    """What became of notifications over one channel."""

    channel: str
    accepted: int
    failed: int
    share: float


class Kpis(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of one period. Times are run ms."""

    since: int
    until: int
    figures: tuple[Figure, ...]
    grades: dict[str, int]
    sources: tuple[Source, ...]
    floods: tuple[Flood, ...]
    operators: tuple[Load, ...]
    channels: tuple[ChannelFigures, ...]

    def figure(self, name: str) -> Figure:
        """Return the figure of this name."""
        return next(one for one in self.figures if one.name == name)


def kpis(stories: Iterable[Story], since: int, until: int) -> Kpis:
    """Return the figures of a period.

    Args:
        stories: Every actual incident that lived in it, whole.
        since: Begin of the period (run ms).
        until: Its end, left out.

    Raises:
        RefusalError: The period is empty.
    """
    if until <= since:
        raise RefusalError("the period ends before it begins", "时段的结束早于开始")
    facts = facts_of(stories, since, until)
    periods = [0] * math.ceil((until - since) / TEN_MINUTES_MS)
    for alarm in facts.alarms:
        periods[(alarm.at - since) // TEN_MINUTES_MS] += 1
    floods = _floods(periods, since)
    sources = _sources(facts.alarms)
    grades = Counter(alarm.grade for alarm in facts.alarms)
    return Kpis(
        since=since,
        until=until,
        figures=(
            *_rates(facts.alarms, periods, floods, until - since),
            *_priorities(grades, len(facts.alarms)),
            *_nuisances(facts, sources, (until - since) / _DAY_MS),
            *_answers(facts),
        ),
        grades={grade.word: grades[grade] for grade in WARNING_GRADES},
        sources=sources[:10],
        floods=floods,
        operators=_loads(facts, until - since),
        channels=_channels(facts),
    )


def _rates(
    alarms: Sequence[Alarm], periods: Sequence[int], floods: Sequence[Flood], length_ms: int
) -> list[Figure]:
    busy = sum(count > FLOOD_ABOVE for count in periods)
    flooded = sum(flood.ended_at - flood.began_at for flood in floods)
    rate = len(alarms) / (length_ms / TEN_MINUTES_MS)
    times = [alarm.at for alarm in alarms]
    peak = _busiest(times)
    n = len(alarms)
    return [
        Figure(name="alarms", value=float(n), unit="count", n=n),
        Figure(name="rate", value=rate, unit="per-10-min", n=n, within=rate <= 1),
        Figure(
            name="daily", value=n / (length_ms / _DAY_MS), unit="per-day", n=n,
            within=n / (length_ms / _DAY_MS) <= 150,
        ),
        Figure(
            name="busy-periods", value=busy / len(periods), unit="share", n=len(periods),
            within=busy / len(periods) < 0.01,
        ),
        Figure(name="peak", value=float(peak), unit="count", n=n, within=peak <= 10),
        Figure(name="floods", value=float(len(floods)), unit="count", n=len(periods)),
        Figure(name="flooded", value=flooded / length_ms, unit="share", n=len(periods)),
    ]  # fmt: skip


def _priorities(grades: Counter[Grade], n: int) -> list[Figure]:
    """The split is about 80/15/5 [T]: red and orange lose their meaning where they are common."""
    low = grades[Grade.BLUE] + grades[Grade.YELLOW]
    parts = (
        ("share-low", low, lambda share: share >= 0.8),
        ("share-orange", grades[Grade.ORANGE], lambda share: share <= 0.15),
        ("share-red", grades[Grade.RED], lambda share: share <= 0.05),
    )
    return [_share(name, count, n, fits) for name, count, fits in parts]


def _share(name: str, count: int, n: int, fits: Callable[[float], bool] | None = None) -> Figure:
    if not n:
        return Figure(name=name, value=None, unit="share", n=0)
    within = fits(count / n) if fits and n >= FEWEST else None
    return Figure(name=name, value=count / n, unit="share", n=n, within=within)


def _nuisances(facts: Facts, sources: Sequence[Source], days: float) -> list[Figure]:
    top = sum(source.alarms for source in sources[:10])
    n = len(facts.alarms)
    chattering = sum(_chatters(onsets) for onsets in facts.onsets.values())
    stale = facts.stale / max(days, 1.0)
    # With ten sources or fewer their share is 100 % whatever they do: no judgement.
    fits = (lambda share: share <= 0.05) if len(sources) > 10 else None
    return [
        _share("top-ten", top, n, fits),
        Figure(
            name="chattering", value=float(chattering), unit="count", n=len(facts.onsets),
            within=not chattering,
        ),
        Figure(
            name="fleeting", value=float(facts.fleeting), unit="count", n=facts.opened,
            within=not facts.fleeting,
        ),
        Figure(name="stale", value=stale, unit="per-day", n=facts.stale, within=stale < 5),
    ]  # fmt: skip


def _answers(facts: Facts) -> list[Figure]:
    waits = sorted(facts.waits_s)
    accepted = sorted(
        (alarm.accepted_at - alarm.at) / 1000
        for alarm in facts.alarms
        if alarm.accepted_at is not None
    )
    untold = sum(alarm.accepted_at is None for alarm in facts.alarms)
    n = len(facts.alarms)
    return [
        Figure(name="ack-median", value=quantile(waits, 0.5), unit="s", n=len(waits)),
        Figure(name="ack-p95", value=quantile(waits, 0.95), unit="s", n=len(waits)),
        Figure(
            name="unattended", value=float(facts.unattended), unit="count",
            n=len(waits) + facts.unattended, within=not facts.unattended,
        ),
        Figure(name="accepted-median", value=quantile(accepted, 0.5), unit="s", n=len(accepted)),
        Figure(name="accepted-p95", value=quantile(accepted, 0.95), unit="s", n=len(accepted)),
        Figure(name="untold", value=float(untold), unit="count", n=n, within=not untold),
    ]  # fmt: skip


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return a value out of sorted ones (nearest rank); None of none.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5), quantile([1.0, 2.0, 3.0, 4.0], 0.95), quantile([], 0.5)
    (2.0, 4.0, None)
    """
    return values[max(math.ceil(share * len(values)) - 1, 0)] if values else None


def _busiest(times: Sequence[int]) -> int:
    """Return the most alarms in any ten minutes."""
    most = begin = 0
    for end, at in enumerate(times):
        while times[begin] <= at - TEN_MINUTES_MS:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def _floods(periods: Sequence[int], since: int) -> tuple[Flood, ...]:
    found = []
    begin: int | None = None
    for number, count in enumerate((*periods, 0)):
        if begin is None and count > FLOOD_ABOVE:
            begin = number
        elif begin is not None and (count < FLOOD_BELOW or number == len(periods)):
            part = periods[begin:number]
            found.append(
                Flood(
                    since + begin * TEN_MINUTES_MS, since + number * TEN_MINUTES_MS,
                    sum(part), max(part),
                )
            )  # fmt: skip
            begin = None
    return tuple(found)


def _chatters(onsets: Sequence[int]) -> bool:
    times = sorted(onsets)
    last = CHATTER_ONSETS - 1
    return any(
        times[number + last] - times[number] <= CHATTER_MS for number in range(len(times) - last)
    )


def _sources(alarms: Sequence[Alarm]) -> tuple[Source, ...]:
    counts = Counter(alarm.key for alarm in alarms)
    return tuple(
        Source(zone, hazard, count, count / len(alarms))
        for (zone, hazard), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _loads(facts: Facts, length_ms: int) -> tuple[Load, ...]:
    loads = [
        Load(
            contact, len(told), len(told) / (length_ms / TEN_MINUTES_MS),
            _busiest(sorted(told.values())),
        )
        for contact, told in facts.told.items()
    ]  # fmt: skip
    return tuple(sorted(loads, key=lambda load: (-load.told, load.contact)))


def _channels(facts: Facts) -> tuple[ChannelFigures, ...]:
    return tuple(
        ChannelFigures(name, counts[True], counts[False], counts[True] / counts.total())
        for name, counts in sorted(facts.channels.items())
    )
