"""What the bank judges: series, their rules, and where each rule's number comes from."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Any

from core.community import Community, SensorEntry, gap_ms
from core.finding import Hazard
from core.grade import Grade
from core.identity import SeriesId
from core.limits import LimitRule
from core.quantity import FACTS, Quantity
from detectors.lane import Detector
from detectors.rates import RATES, lead_rule, rise_rule, tau_of
from detectors.registry import DETECTORS, REGISTRY
from detectors.slope_lane import SlopeRule


class Source(IntEnum):
    """What number of a series a rule looks at."""

    VALUE = 0  # the reading itself (counters: the count per interval), canonical unit
    SLOPE = 1  # its rate of rise, canonical units per hour
    LEAD = 2  # seconds until it reaches the target at this rate
    SHARE = 3  # how much of the way from its base to the target it has covered, 1 = there
    LANE = 4  # the number of the registered detector of the rule's name, in its own unit


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule of one series.

    Attributes:
        name: Rule of the findings, e.g. `limit-high`.
        source: Which number is judged.
        limits: Its limits, in the unit of the source.
        lift_from, lift_cap: A rate that lifts the grade of the limit (see `detectors.rates`).
        lane: Parameters of the registered detector; None for the bank's own rules.
    """

    name: str
    source: Source
    limits: LimitRule
    lift_from: Grade | None = None
    lift_cap: Grade = Grade.YELLOW
    lane: Any = None

    @property
    def detector(self) -> Detector | None:
        """The registered detector that this rule belongs to."""
        return DETECTORS[self.name] if self.source is Source.LANE else None

    @property
    def learned(self) -> bool:
        """True if it must stay silent in a community until its back-test has passed."""
        return self.detector is not None and self.detector.learned

    @property
    def version(self) -> int:
        """Of its detector; 0 for the bank's own rules."""
        return self.detector.version if self.detector is not None else 0

    @property
    def of_sensor(self) -> bool:
        """True if it speaks of the sensor, not of the danger that the sensor watches for."""
        return self.detector is not None and self.detector.fault is not None


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """One series and everything that is asked of it.

    Attributes:
        series: Sensor and quantity; `subject` is built from it.
        station, zone, hazard: Where its findings belong.
        interval_s: Usual seconds between readings.
        unit: Unit of value and limits.
        counter: True for cumulative counters.
        slope: How its line is drawn; None where nobody asks for a slope.
        target: The limit to which lead and share are measured, canonical unit.
        rules: What is judged.
        timezone, holidays: Of the place, for what depends on daily and weekly habits.
    """

    series: SeriesId
    station: str
    zone: str
    hazard: Hazard
    interval_s: float
    unit: str
    counter: bool = False
    slope: SlopeRule | None = None
    target: float = float("nan")
    rules: tuple[RulePlan, ...] = ()
    timezone: str = ""
    holidays: tuple[dt.date, ...] = ()

    @property
    def key(self) -> str:
        """Identity of the series' own parameters: state is resumed only under the same key."""
        return _digest(self.series.subject, _digest_of((self.interval_s, self.counter, self.slope)))

    def rule_key(self, rule: RulePlan) -> str:
        """Identity of one rule: a rule whose limits were changed starts afresh."""
        return _digest(self.series.subject, _digest_of(rule), repr(self.target))

    def lane_key(self, rule: RulePlan) -> str:
        """Identity of what a detector has learned: other limits on it change nothing of that."""
        learned = (rule.name, rule.lane, rule.version, self.interval_s, self.counter)
        return _digest(self.series.subject, _digest_of(learned))


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=4096)
def _digest_of(parts: Hashable) -> str:
    """Return the digest of what many series share; spelling it out is slow."""
    return _digest(repr(parts))


def plan_of(community: Community) -> tuple[SeriesPlan, ...]:
    """Return what is judged in *community*: every registered series, judged or only heard.

    Series that are judged alike share their rules: a site has few kinds and many series.
    """
    patterns: dict[tuple[str, Quantity, Hazard, float], SeriesPlan] = {}
    plans = []
    for entry in community.sensor:
        for quantity in entry.quantities:
            kind = (entry.zone, quantity, entry.hazard, entry.interval_s)
            if kind not in patterns:
                limits = community.rules_of(entry, quantity)
                patterns[kind] = plan_series(entry, quantity, limits, community)
            series = SeriesId(entry.id, quantity)
            plans.append(replace(patterns[kind], series=series, station=entry.station))
    return tuple(plans)


def plan_series(
    entry: SensorEntry,
    quantity: Quantity,
    limits: Iterable[LimitRule],
    community: Community | None = None,
) -> SeriesPlan:
    """Return the plan of one series with these limits, and all that its hazard adds to them.

    Args:
        entry: Its sensor.
        quantity: What is measured.
        limits: Rules on the value.
        community: For the time zone and the holidays of the place.
    """
    facts = FACTS[quantity]
    rules = tuple(
        RulePlan("limit-high" if rule.high else "limit-low", Source.VALUE, rule) for rule in limits
    )
    plan = SeriesPlan(
        SeriesId(entry.id, quantity),
        entry.station,
        entry.zone,
        entry.hazard,
        entry.interval_s,
        facts.unit,
        counter=facts.cumulative,
        rules=rules,
        timezone=community.site.timezone if community else "",
        holidays=tuple(day.date for day in community.holiday) if community else (),
    )
    rated = with_rates(plan) if _rates_apply(quantity, entry.hazard) else plan
    return with_detectors(rated)


def with_detectors(plan: SeriesPlan) -> SeriesPlan:
    """Return *plan* with the registered detectors that its hazard and quantity call for."""
    added = []
    for detector in REGISTRY:
        choice = detector.choose(plan) if plan.hazard in detector.hazards else None
        if choice is not None:
            added.append(RulePlan(detector.name, Source.LANE, choice.limits, lane=choice.rule))
    return replace(plan, rules=(*plan.rules, *added))


def _rates_apply(quantity: Quantity, hazard: Hazard) -> bool:
    """Heat rates are for fire; a room that is merely warmed is not watched for its rate."""
    return quantity in RATES and (quantity is not Quantity.TEMPERATURE or hazard is Hazard.FIRE)


def with_rates(plan: SeriesPlan) -> SeriesPlan:
    """Return *plan* with its rate of rise and its time to limit."""
    facts = RATES[plan.series.quantity]
    gap = gap_ms(plan.interval_s)
    reset = max(gap, round(5000 * plan.interval_s))
    slope = SlopeRule(tau_of(facts, plan.interval_s), facts.noise, reset, facts.base_tau_s)
    rise = RulePlan(
        "rise",
        Source.SLOPE,
        rise_rule(facts, plan.interval_s, gap),
        facts.lift_from,
        facts.lift_cap,
    )
    target = _target(plan.rules)
    rules = (*plan.rules, rise)
    if facts.horizon_s and target is not None:
        lead = lead_rule(facts, plan.interval_s, gap)
        rules = (*rules, RulePlan("time-to-limit", Source.LEAD, lead))
    return replace(
        plan, slope=slope, rules=rules, target=float("nan") if target is None else target
    )


def _target(rules: Iterable[RulePlan]) -> float | None:
    """Return the limit worth foreseeing: the lowest of orange or worse, else the highest one."""
    levels = [
        level
        for rule in rules
        if rule.source is Source.VALUE and rule.limits.high
        for level in rule.limits.levels
    ]
    severe = [level.limit for level in levels if level.grade >= Grade.ORANGE]
    if severe:
        return min(severe)
    return max((level.limit for level in levels), default=None)
