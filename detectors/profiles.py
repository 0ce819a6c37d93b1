"""Limits for a place of which little is published: grades are derived from what there is.

Published limits sort in the danger direction: the highest is red, the next orange, and so on. The
grades below the lowest of them are derived by the profile of the hazard:

* flood: shares of the way from the water's own quiet level to that limit. A river stands at a
  quarter of its flood limit on a dry day, a street at zero; the quiet level is followed slowly.
* fire, air, crowd: shares of the limit itself.

Besides, rate of rise and time to limit apply as everywhere (`detectors.rates`).
"""

from __future__ import annotations

from dataclasses import replace

from core.community import gap_ms
from core.finding import Hazard
from core.grade import Grade
from core.limits import Level, LimitRule, default_rule
from core.quantity import FACTS, PLACE_DECIDES, Quantity
from detectors.plan import RulePlan, SeriesPlan, Source, with_rates
from detectors.rates import RATES, RateFacts, lead_rule
from detectors.slope_lane import SlopeRule

# Share at which each grade below the lowest published limit begins. Flood: chosen on the gauges
# named in README.md (Profiles). Air: HJ 633 puts 75 and 115 before its 150. Fire and crowd: halves
# and quarters, choice of this project.
SHARES: dict[Hazard, dict[Grade, float]] = {
    Hazard.FLOOD: {Grade.BLUE: 0.5, Grade.YELLOW: 0.64, Grade.ORANGE: 0.85},
    Hazard.FIRE: {Grade.BLUE: 0.25, Grade.YELLOW: 0.5, Grade.ORANGE: 0.75},
    Hazard.AIR: {Grade.BLUE: 0.5, Grade.YELLOW: 0.77, Grade.ORANGE: 0.9},
    Hazard.CROWD: {Grade.BLUE: 0.6, Grade.YELLOW: 0.75, Grade.ORANGE: 0.9},
}
MEAN_SUFFIX = "-24h-mean"
_SHARE_HYSTERESIS = 0.05
# Deadband of published limits: this share of the limit, at least the quantity's own.
_HYSTERESIS = 0.02
# Of water no more than that share of a stage of 10 m: a limit of 312 m counts from the sea.
_WATER_HYSTERESIS_M = 0.20
# Readings faster than this must agree three times; slower ones are means already.
_FAST_S = 60.0
_DOWN_MS = 300_000
_MEAN_RATE = RateFacts(
    tau_s=4 * 3600.0,
    noise=0.5,
    grades=(),
    lift_from=None,
    lift_cap=Grade.YELLOW,
    horizon_s=6 * 3600.0,
    base_tau_s=30 * 86_400.0,
    source="a 24 h mean is smooth enough to be foreseen for a quarter of a day",
)


def hazard_of(quantity: Quantity, kind: str) -> Hazard:
    """Return which hazard a recorded quantity speaks of."""
    if quantity in (Quantity.WATER_LEVEL, Quantity.RAIN_RATE):
        return Hazard.FLOOD
    if quantity in (Quantity.SMOKE_OBSCURATION, Quantity.SMOKE_INDEX, Quantity.ALARM_INPUT):
        return Hazard.FIRE
    if quantity in (Quantity.CARBON_MONOXIDE, Quantity.TEMPERATURE):
        return Hazard.FIRE if kind == "smoke" else Hazard.AIR
    if quantity.value.startswith("p") and quantity not in (
        Quantity.PM1,
        Quantity.PM2_5,
        Quantity.PM10,
    ):
        return Hazard.CROWD
    if quantity is Quantity.OTHER:
        return Hazard.EQUIPMENT
    return Hazard.CROWD if quantity is Quantity.OCCUPANCY else Hazard.AIR


def published_rule(limits: list[float], quantity: Quantity, interval_s: float) -> LimitRule:
    """Return the rule of published limits: the highest is red, the next orange, and so on."""
    ordered = sorted(set(limits), reverse=True)[: len(Grade) - 1]
    samples = 3 if interval_s < _FAST_S else 1
    grades = sorted(Grade, reverse=True)
    levels = tuple(
        Level(grade, limit, 0, samples, _DOWN_MS)
        for grade, limit in zip(grades, ordered, strict=False)
    )[::-1]
    share = _HYSTERESIS * abs(ordered[-1])
    if quantity is Quantity.WATER_LEVEL:
        share = min(share, _WATER_HYSTERESIS_M)
    hysteresis = max(FACTS[quantity].hysteresis, share)
    return LimitRule(levels, True, hysteresis, gap_ms(interval_s), "published with the recording")


def approach_rule(rule: LimitRule, hazard: Hazard) -> LimitRule | None:
    """Return the limits, as shares of the way, for the grades below the lowest limit of *rule*."""
    lowest = rule.levels[0]
    levels = tuple(
        Level(grade, share, 0, lowest.samples, _DOWN_MS)
        for grade, share in SHARES.get(hazard, {}).items()
        if grade < lowest.grade
    )
    if not levels:
        return None
    return LimitRule(levels, True, _SHARE_HYSTERESIS, rule.gap_ms, f"{hazard} profile")


def of_limit(shares: LimitRule, limit: float) -> LimitRule:
    """Return *shares* as shares of *limit* itself."""
    levels = tuple(replace(level, limit=level.limit * limit) for level in shares.levels)
    return replace(shares, levels=levels, hysteresis=shares.hysteresis * abs(limit))


def published_plan(plan: SeriesPlan, limits: list[float]) -> SeriesPlan:
    """Return *plan* judged by published limits and what its hazard's profile derives from them."""
    quantity = plan.series.quantity
    rule = published_rule(limits, quantity, plan.interval_s)
    lowest = rule.levels[0].limit
    rules: tuple[RulePlan, ...] = (RulePlan("limit-high", Source.VALUE, rule),)
    shares = approach_rule(rule, plan.hazard)
    watched = plan.hazard is Hazard.FLOOD and quantity in RATES
    if shares is not None and watched:
        rules += (RulePlan("approach", Source.SHARE, shares),)
    elif shares is not None:
        rules += (RulePlan("approach", Source.VALUE, of_limit(shares, lowest)),)
    judged = replace(plan, rules=rules)
    return replace(with_rates(judged), target=lowest) if watched else judged


def mean_plan(plan: SeriesPlan, limits: list[float]) -> SeriesPlan:
    """Return *plan* of a trailing 24 h mean: published limits, shares of them, time to limit."""
    judged = published_plan(replace(plan, hazard=Hazard.AIR), limits)
    gap = gap_ms(plan.interval_s)
    tau_s = max(_MEAN_RATE.tau_s, 4 * plan.interval_s)
    slope = SlopeRule(tau_s, _MEAN_RATE.noise, 5 * gap, _MEAN_RATE.base_tau_s)
    lead = RulePlan("time-to-limit", Source.LEAD, lead_rule(_MEAN_RATE, plan.interval_s, gap))
    return replace(judged, slope=slope, rules=(*judged.rules, lead), target=max(limits))


def default_plan(plan: SeriesPlan) -> SeriesPlan:
    """Return *plan* judged by its quantity's defaults, unless the place has to decide."""
    quantity = plan.series.quantity
    if quantity in PLACE_DECIDES:
        return plan
    rule = default_rule(quantity, gap_ms(plan.interval_s))
    if rule is None:
        return plan
    judged = replace(plan, rules=(RulePlan("limit-high", Source.VALUE, rule),))
    heat = quantity is Quantity.TEMPERATURE and plan.hazard is not Hazard.FIRE
    return with_rates(judged) if quantity in RATES and not heat else judged
