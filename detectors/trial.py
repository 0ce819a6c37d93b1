"""A profile on trial: history runs through the production detectors; what would they have said?

Silence and links are not part of a trial: they depend on arrival, which history does not keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.community import Community
from core.finding import Condition, Finding, Hazard
from core.grade import Grade
from core.reading import Reading
from detectors.bank import Bank
from detectors.batch import batch_of
from detectors.limit_lane import NEVER, Ints
from detectors.panel import PanelRule
from detectors.panels import IN_TRIAL, Panels
from detectors.plan import RulePlan, plan_of

# Alerts of one zone closer than this are one.
MERGE_MS = 3_600_000
# Readings of this much time are judged as one micro-batch.
_BATCH_MS = 60_000

Place = tuple[str, Hazard]


@dataclass(slots=True)
class Alert:
    """One alert of a zone: from green to green.

    Attributes:
        zone, hazard: Where and what.
        start, end: Event time in milliseconds; `end` of an open one is the end of the trial.
        peak: Worst grade.
        reached: When each grade was reached first.
        rules: Rules that held it, in the order in which they came.
    """

    zone: str
    hazard: Hazard
    start: int
    end: int
    peak: Grade
    reached: dict[Grade, int]
    rules: list[str]


@dataclass(frozen=True, slots=True)
class Episode:
    """One stretch in which a learned detector spoke of one subject, in milliseconds."""

    rule: str
    subject: str
    zone: str
    start: int
    end: int


@dataclass(slots=True)
class _Held:
    """What holds the grade of one place."""

    grades: dict[str, Grade] = field(default_factory=dict)
    alert: Alert | None = None


class Trial:
    """One profile, fed with history.

    Args:
        community: The profile.
        allowed: Learned detectors that count for the grades of zones; the others are only watched.

    Attributes:
        alerts: Alerts of all zones, finished ones first.
        dangers: The same, of limits alone and of orange or worse: what there was to be warned of.
        episodes: What learned detectors said.
        judged: How many readings were judged.
        learned_rows: Places of learned detectors in `rules`.
        first_judged: When each of them had its first number, NEVER if it had none.
    """

    def __init__(self, community: Community, allowed: frozenset[str] = frozenset()) -> None:
        plans = plan_of(community)
        self.community = community
        self.bank = Bank(plans)
        self.panels = Panels(community, plans, IN_TRIAL)
        self.rules: tuple[RulePlan | PanelRule, ...] = (*self.bank.rules, *self.panels.rules)
        self._learned = frozenset(rule.name for rule in self.rules if rule.learned)
        self._muted = self._learned - allowed
        self.alerts: list[Alert] = []
        self.dangers: list[Alert] = []
        self.episodes: list[Episode] = []
        self.judged = 0
        self._held: dict[Place, _Held] = {}
        self._danger: dict[Place, _Held] = {}
        self._speaking: dict[tuple[str, str, str], int] = {}
        self.learned_rows = np.array(
            [row for row, rule in enumerate(self.rules) if rule.learned], np.int64
        )
        self.first_judged: Ints = np.full(self.learned_rows.size, NEVER, np.int64)
        self.last_at = NEVER

    def feed(self, readings: Sequence[Reading]) -> None:
        """Judge *readings*, in the order of time, as if each had come at once."""
        known = [reading for reading in readings if reading.series in self.bank.slots]
        start = 0
        while start < len(known):
            until = known[start].at + _BATCH_MS
            end = start + 1
            while end < len(known) and known[end].at < until:
                end += 1
            self._judge(known[start:end])
            start = end

    def _judge(self, readings: Sequence[Reading]) -> None:
        now_ms = readings[-1].at
        batch = batch_of(readings, self.bank.slots)
        found = self.bank.update(self.panels.gate(batch), now_ms)
        found += self.panels.update(self.bank, batch, now_ms)
        self.judged += len(readings)
        self.last_at = now_ms
        every = np.concatenate((self.bank.lane.last_at, self.panels.lane.last_at))
        heard = every[self.learned_rows]
        new = (self.first_judged == NEVER) & (heard != NEVER)
        self.first_judged[new] = heard[new]
        for finding in sorted(found, key=lambda one: one.at):
            self._take(finding)

    def _take(self, finding: Finding) -> None:
        if finding.condition is Condition.UNKNOWN:
            return  # unknown neither raises nor clears
        if finding.rule in self._learned:
            self._watch(finding)
        if finding.rule in self._muted:
            return
        _follow(self._held, self.alerts, finding, finding.grade)
        measured = finding.rule.startswith("limit") or finding.rule == "exposure"
        if measured and finding.hazard is not Hazard.EQUIPMENT:
            severe = finding.grade if finding.grade >= Grade.ORANGE else Grade.GREEN
            _follow(self._danger, self.dangers, finding, severe)

    def _watch(self, finding: Finding) -> None:
        key = (finding.rule, finding.subject, finding.zone)
        if finding.grade > Grade.GREEN:
            self._speaking.setdefault(key, finding.at)
        elif key in self._speaking:
            self.episodes.append(Episode(*key, self._speaking.pop(key), finding.at))

    def finish(self) -> None:
        """Close what is still open at the end of history."""
        for held, alerts in ((self._held, self.alerts), (self._danger, self.dangers)):
            for place in held.values():
                if place.alert is not None:
                    place.alert.end = self.last_at
                    alerts.append(place.alert)
                    place.alert = None
            alerts[:] = merged(alerts)
        for key, start in self._speaking.items():
            self.episodes.append(Episode(*key, start, self.last_at))
        self._speaking.clear()


def _follow(held: dict[Place, _Held], alerts: list[Alert], finding: Finding, grade: Grade) -> None:
    """Advance the alert of a finding's place by what it says now."""
    place = held.setdefault((finding.zone, finding.hazard), _Held())
    name = f"{finding.subject}/{finding.rule}"
    if grade > Grade.GREEN:
        place.grades[name] = grade
    else:
        place.grades.pop(name, None)
    worst = max(place.grades.values(), default=Grade.GREEN)
    alert = place.alert
    if alert is None and worst > Grade.GREEN:
        alert = place.alert = Alert(
            finding.zone, finding.hazard, finding.at, finding.at, worst, {}, []
        )
    if alert is None:
        return
    alert.end = finding.at
    if worst is Grade.GREEN:
        alerts.append(alert)
        place.alert = None
        return
    for reached in Grade:
        if Grade.GREEN < reached <= worst:
            alert.reached.setdefault(reached, finding.at)
    alert.peak = max(alert.peak, worst)
    if grade > Grade.GREEN and finding.rule not in alert.rules:
        alert.rules.append(finding.rule)


def merged(alerts: Iterable[Alert]) -> list[Alert]:
    """Return *alerts* by time, those of one place that nearly touch made one."""
    made: list[Alert] = []
    last: dict[Place, Alert] = {}
    for alert in sorted(alerts, key=lambda one: one.start):
        before = last.get((alert.zone, alert.hazard))
        if before is not None and alert.start - before.end < MERGE_MS:
            before.end = max(before.end, alert.end)
            before.peak = max(before.peak, alert.peak)
            before.reached = alert.reached | before.reached
            before.rules += [rule for rule in alert.rules if rule not in before.rules]
            continue
        made.append(alert)
        last[alert.zone, alert.hazard] = alert
    return made
