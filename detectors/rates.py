"""How fast is too fast: rate-of-rise and time-to-limit rules by quantity, with their sources.

A rate alone never grades above yellow. Where a source says so it lifts the grade of the limit by
one while it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.grade import Grade
from core.limits import Level, LimitRule
from core.quantity import Quantity


@dataclass(frozen=True, slots=True)
class RateFacts:
    """What is known of the rise of one quantity.

    Attributes:
        tau_s: Memory of the line in seconds.
        noise: Standard deviation of a quiet sensor, canonical unit.
        grades: Grade and rate in canonical units per hour, lowest first.
        lift_from: Lowest grade of the limit that the rate lifts by one; None: it never does.
        lift_cap: Highest grade that a lift may reach.
        horizon_s: Time to limit that is worth a warning, in seconds; 0: none.
        base_tau_s: How fast the quiet level is followed upwards, in seconds.
        source: Where the numbers come from.
    """

    tau_s: float
    noise: float
    grades: tuple[tuple[Grade, float], ...]
    lift_from: Grade | None
    lift_cap: Grade
    horizon_s: float
    base_tau_s: float
    source: str


_DAY_S = 86_400.0
RATES: dict[Quantity, RateFacts] = {
    Quantity.WATER_LEVEL: RateFacts(
        tau_s=300.0,
        noise=0.005,
        grades=((Grade.BLUE, 0.30),),
        lift_from=Grade.BLUE,
        # Red is left to the red limit itself: who reads red must be able to trust that line.
        lift_cap=Grade.ORANGE,
        horizon_s=3600.0,
        base_tau_s=30 * _DAY_S,
        source="underpass practice of this project: a rise of 5 cm in 10 min lifts the level by "
        "one, up to orange; noise: ultrasonic gauges of 5 mm",
    ),
    Quantity.TEMPERATURE: RateFacts(
        tau_s=60.0,
        noise=0.1,
        grades=((Grade.BLUE, 240.0), (Grade.YELLOW, 480.0)),
        lift_from=Grade.YELLOW,
        lift_cap=Grade.ORANGE,
        horizon_s=300.0,
        base_tau_s=_DAY_S,
        source="a commercial class A1 heat detector alarms at 46 Cel when rising faster than "
        "4 Cel/min; 8 Cel/min: rate set point of heat detectors (15 F/min)",
    ),
    Quantity.CARBON_MONOXIDE: RateFacts(
        tau_s=120.0,
        noise=0.5,
        grades=((Grade.YELLOW, 600.0),),
        lift_from=None,
        lift_cap=Grade.YELLOW,
        horizon_s=300.0,
        base_tau_s=_DAY_S,
        source="10 ppm/min, choice of this project; a rise of CO is the earliest sign common to "
        "smouldering and flaming fires (Cestari et al. 2005)",
    ),
    Quantity.SMOKE_OBSCURATION: RateFacts(
        tau_s=60.0,
        noise=0.005,
        grades=((Grade.BLUE, 3.0), (Grade.YELLOW, 9.0)),
        lift_from=None,
        lift_cap=Grade.YELLOW,
        horizon_s=300.0,
        base_tau_s=_DAY_S,
        source="choice of this project: from clean air to the lowest response of EN 54-7 "
        "(0.05 dB/m) or of GB 4715-2024 type B (0.15 dB/m) within a minute; smoke that was dense "
        "within a minute of clean air is orange by itself (`growth_lane`)",
    ),
    Quantity.SMOKE_INDEX: RateFacts(
        tau_s=120.0,
        noise=5.0,
        grades=((Grade.BLUE, 6_000.0), (Grade.YELLOW, 18_000.0)),
        lift_from=None,
        lift_cap=Grade.YELLOW,
        horizon_s=300.0,
        base_tau_s=_DAY_S,
        source="choice of this project: the advisory (100) or the warning (300) value of such "
        "transmitters within a minute",
    ),
    Quantity.PM2_5: RateFacts(
        tau_s=300.0,
        noise=3.0,
        grades=((Grade.BLUE, 1_200.0),),
        lift_from=None,
        lift_cap=Grade.BLUE,
        horizon_s=0.0,
        base_tau_s=_DAY_S,
        source="choice of this project: 100 ug/m3 in 5 min indoors is smoke rather than weather",
    ),
}

# A slope must fall below half of a rate's lowest grade before it may clear.
_RELEASE = 0.5
# Where an insignificant slope is put: inside the deadband, so that it neither raises nor clears.
HELD = 0.75
# Records that must agree: two in a row, after the spike gate.
_SAMPLES = 2
# Intervals of the series that the horizon covers at least; a slow gauge is warned by its own pace.
_HORIZON_INTERVALS = 16
# A lead that means "never": far beyond any horizon, in seconds.
NO_LEAD_S = 1e9
# The way from base to limit that must be covered before a lead counts; it removes alarms at quiet
# levels.
LEAD_FLOOR = 0.5


def tau_of(facts: RateFacts, interval_s: float) -> float:
    """Return the memory of the line: at least four intervals, else no line can be drawn."""
    return max(facts.tau_s, 4.0 * interval_s)


def rise_rule(facts: RateFacts, interval_s: float, gap_ms: int) -> LimitRule:
    """Return the limits on the slope, in canonical units per hour."""
    down_ms = round(tau_of(facts, interval_s) * 1000)
    levels = tuple(Level(grade, rate, 0, _SAMPLES, down_ms) for grade, rate in facts.grades)
    return LimitRule(levels, True, _RELEASE * facts.grades[0][1], gap_ms, facts.source)


def lead_rule(facts: RateFacts, interval_s: float, gap_ms: int) -> LimitRule:
    """Return the limits on the time to the limit, in seconds: blue early, yellow at half of it."""
    horizon = max(facts.horizon_s, min(_HORIZON_INTERVALS * interval_s, 6 * 3600.0))
    down_ms = round(2000 * tau_of(facts, interval_s))
    levels = (
        Level(Grade.BLUE, horizon, 0, _SAMPLES, down_ms),
        Level(Grade.YELLOW, horizon / 2, 0, _SAMPLES, down_ms),
    )
    return LimitRule(levels, False, horizon, gap_ms, "reaches the limit within the horizon")
