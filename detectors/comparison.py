"""Two trials over the same history compared, and what each learned detector has shown in one.

Which alerts a new profile gains and loses, how much earlier or later it warns, and how often it
warns of nothing. A danger is what a limit of orange or worse has measured under either profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from core.finding import Hazard
from core.grade import Grade
from detectors.limit_lane import NEVER
from detectors.trial import MERGE_MS, Alert, Episode, Place, Trial, merged

# An alert this long before a danger warns of it.
_WARNS_MS = 24 * 3_600_000
_MONTH_MS = 30.44 * 86_400_000
# More false alerts a month and zone than before by this much is worse; so is a shorter median lead.
_MORE_FALSE, _LESS_LEAD = 0.25, 0.9
# A learned detector passes with at least this many judged days, at most so many unexplained
# episodes a month and series, and if it is silent most of the time. Choices of this project.
PASS_DAYS, PASS_EPISODES, PASS_SHARE = 28.0, 2.0, 0.1


@dataclass(frozen=True, slots=True)
class Change:
    """What a new profile would have changed in one zone, for one hazard.

    Attributes:
        zone, hazard: Where and what.
        dangers: How often a limit of orange or worse was reached, under either profile.
        old_found, new_found: Dangers of which each profile warned no later than they began.
        old_lead_s, new_lead_s: Median warning time of those found, None if there is none.
        old_false, new_false: Alerts of yellow or worse that had nothing to do with a danger.
        gained, lost: Alerts that only the new, only the old profile gave.
        verdict: `better`, `worse`, `mixed` or `same`.
        old_worst, new_worst: How many alerts had which worst grade under each profile.
    """

    zone: str
    hazard: Hazard
    dangers: int
    old_found: int
    new_found: int
    old_lead_s: float | None
    new_lead_s: float | None
    old_false: int
    new_false: int
    gained: tuple[Alert, ...]
    lost: tuple[Alert, ...]
    verdict: str
    old_worst: dict[Grade, int]
    new_worst: dict[Grade, int]


@dataclass(frozen=True, slots=True)
class Occasion:
    """What both profiles would have told of something that really happened.

    Attributes:
        danger_at: When a limit of orange or worse was first reached in it under either profile, in
            milliseconds; None if none was.
        old_reached, new_reached: When each grade was reached first, in milliseconds.
    """

    danger_at: int | None
    old_reached: dict[Grade, int]
    new_reached: dict[Grade, int]


def occasion(old: Trial, new: Trial, place: Place, start_ms: int, end_ms: int) -> Occasion:
    """Return what two finished trials tell of one place between two instants.

    An alert that ended up to an hour before belongs to it: alerts so close are one (`Trial`).
    """

    def reached(alerts: Iterable[Alert]) -> dict[Grade, int]:
        first: dict[Grade, int] = {}
        for alert in alerts:
            if (alert.zone, alert.hazard) != place or alert.start > end_ms:
                continue
            if alert.end >= start_ms - MERGE_MS:
                for grade, at in alert.reached.items():
                    first[grade] = min(at, first.get(grade, at))
        return first

    dangers = [*reached(old.dangers).values(), *reached(new.dangers).values()]
    return Occasion(min(dangers, default=None), reached(old.alerts), reached(new.alerts))


def compare(old: Trial, new: Trial, start_ms: int, end_ms: int) -> list[Change]:
    """Return the changes from *old* to *new*, one a zone and hazard in which anything was told.

    Args:
        old: Finished trial of the profile that is in use.
        new: Finished trial of the other one, over the same history.
        start_ms: Begin of the stretch that counts; what ended before it was warming up.
        end_ms: Its end.
    """
    months = max((end_ms - start_ms) / _MONTH_MS, 1e-9)
    told = [alert for alert in (*old.alerts, *new.alerts) if alert.end >= start_ms]
    places = sorted({(alert.zone, alert.hazard) for alert in told})
    return [_change(place, old, new, start_ms, months) for place in places]


def _change(place: Place, old: Trial, new: Trial, start_ms: int, months: float) -> Change:
    def here(alerts: Iterable[Alert]) -> list[Alert]:
        return [a for a in alerts if (a.zone, a.hazard) == place and a.end >= start_ms]

    dangers = merged([_copy(alert) for alert in here((*old.dangers, *new.dangers))])
    before, after = here(old.alerts), here(new.alerts)
    old_leads, new_leads = _leads(before, dangers), _leads(after, dangers)
    old_false, new_false = _false(before, dangers), _false(after, dangers)
    gained = tuple(alert for alert in after if not _met(alert, before))
    lost = tuple(alert for alert in before if not _met(alert, after))
    old_lead = median(old_leads) if old_leads else None
    new_lead = median(new_leads) if new_leads else None
    worse = len(new_leads) < len(old_leads) or (new_false - old_false) / months > _MORE_FALSE
    better = len(new_leads) > len(old_leads) or (old_false - new_false) / months > _MORE_FALSE
    if old_lead is not None and new_lead is not None:
        worse |= new_lead < _LESS_LEAD * old_lead
        better |= old_lead < _LESS_LEAD * new_lead
    words = {(True, False): "better", (False, True): "worse", (True, True): "mixed"}
    return Change(
        *place,
        len(dangers),
        len(old_leads),
        len(new_leads),
        old_lead,
        new_lead,
        old_false,
        new_false,
        gained,
        lost,
        words.get((better, worse), "same"),
        _worst(before),
        _worst(after),
    )


def _worst(alerts: Iterable[Alert]) -> dict[Grade, int]:
    counted = Counter(alert.peak for alert in alerts)
    return {grade: counted[grade] for grade in sorted(counted)}


def _copy(alert: Alert) -> Alert:
    return Alert(
        alert.zone,
        alert.hazard,
        alert.start,
        alert.end,
        alert.peak,
        dict(alert.reached),
        list(alert.rules),
    )


def _leads(alerts: Sequence[Alert], dangers: Sequence[Alert]) -> list[float]:
    """Return the warning time in seconds of each danger that was warned of in time."""
    leads = []
    for danger in dangers:
        first = [
            alert.reached[Grade.BLUE]
            for alert in alerts
            if Grade.BLUE in alert.reached
            and alert.reached[Grade.BLUE] <= danger.start
            and alert.end >= danger.start - _WARNS_MS
        ]
        if first:
            leads.append(min(danger.start - min(first), _WARNS_MS) / 1000.0)
    return leads


def _false(alerts: Sequence[Alert], dangers: Sequence[Alert]) -> int:
    return sum(
        alert.peak >= Grade.YELLOW
        and not any(
            danger.start - _WARNS_MS <= alert.end and alert.start <= danger.end
            for danger in dangers
        )
        for alert in alerts
    )


def _met(alert: Alert, others: Sequence[Alert]) -> bool:
    return any(
        other.start <= alert.end and alert.start <= other.end and other.peak >= alert.peak
        for other in others
    )


@dataclass(frozen=True, slots=True)
class Lesson:
    """How a learned detector did in a trial.

    Attributes:
        rule: Its name.
        series: How many series it watches.
        days: Days that it judged, of the series that it judged longest.
        episodes: How often it spoke without any other alert of its zone, a month and series.
        share: Share of the judged time in which it spoke.
        passed: Whether it may speak.
        why: What decided: `too-short`, `too-often`, `too-long` or `passed`.
    """

    rule: str
    series: int
    days: float
    episodes: float
    share: float
    passed: bool
    why: str


def lessons(trial: Trial) -> list[Lesson]:
    """Return how each learned detector did in a finished trial."""
    names = sorted({trial.rules[int(row)].name for row in trial.learned_rows})
    return [_lesson(trial, name) for name in names]


def _lesson(trial: Trial, name: str) -> Lesson:
    mine = [
        place for place, row in enumerate(trial.learned_rows) if trial.rules[int(row)].name == name
    ]
    began = trial.first_judged[mine]
    spans = np.where(began == NEVER, 0, trial.last_at - began)
    total = float(spans.sum())
    spoke = [episode for episode in trial.episodes if episode.rule == name]
    alone = sum(not _explained(episode, trial) for episode in spoke)
    held = float(sum(episode.end - episode.start for episode in spoke))
    days = float(spans.max(initial=0)) / 86_400_000
    often = alone / max(total / _MONTH_MS, 1e-9) if total else 0.0
    share = held / total if total else 0.0
    why = "passed"
    if days < PASS_DAYS:
        why = "too-short"
    elif often > PASS_EPISODES:
        why = "too-often"
    elif share > PASS_SHARE:
        why = "too-long"
    return Lesson(name, len(mine), days, often, share, why == "passed", why)


def _explained(episode: Episode, trial: Trial) -> bool:
    return any(
        alert.zone == episode.zone
        and any(rule != episode.rule for rule in alert.rules)
        and alert.start <= episode.end
        and episode.start <= alert.end
        for alert in trial.alerts
    )
