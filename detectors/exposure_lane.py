"""Carbon monoxide as a running exposure: how much of what makes a certified alarm sound is used up.

EN 50291-1 tells after which times an alarm must not yet and must sound at 50, 100 and 300 ppm. Each
moment uses up dt / T(c) of the dose, where T(c) is that time, drawn as straight lines in log-log.
A concentration that wobbles about a limit, or comes in bouts, so counts for what it does to people;
the limits beside it judge the concentration itself, with their own delays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from core.community import gap_ms
from core.finding import Because, Certainty, Hazard
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quantity import Quantity
from detectors.lane import Choice, Detector
from detectors.limit_lane import NEVER, Floats, Ints

if TYPE_CHECKING:
    from detectors.plan import SeriesPlan

STATE = ("dose", "last_at", "last_ppm", "last_rate")

# Earliest alarm of EN 50291-1: 60 min at 50 ppm, 10 min at 100 ppm; at 300 ppm it must sound within
# 3 min: half of that. Below 30 ppm, where it must not sound within 2 h, nothing is used up.
_PPM = (50.0, 100.0, 300.0)
_ALARM_S = (3600.0, 600.0, 90.0)
_LOWEST_PPM = 30.0
# Below that the dose goes back at half the pace of 50 ppm (detection practice: timers fall at half
# of the speed at which they rise).
_RECOVERY_PER_S = 0.5 / _ALARM_S[0]
_LOG_PPM = np.log(_PPM)
_LOG_S = np.log(_ALARM_S)
# The first line goes on below its first point, the last one above its last.
_LOW_SLOPE = (_LOG_S[1] - _LOG_S[0]) / (_LOG_PPM[1] - _LOG_PPM[0])
_HIGH_SLOPE = (_LOG_S[2] - _LOG_S[1]) / (_LOG_PPM[2] - _LOG_PPM[1])
# More than this is no longer told apart; it also bounds the way back.
_MOST = 8.0


@dataclass(frozen=True, slots=True)
class ExposureRule:
    """How one series is watched.

    Attributes:
        gap_ms: A longer silence between two readings is not observed: nothing is added or taken.
    """

    gap_ms: int


def rate_of(ppm: Floats) -> Floats:
    """Return the share of the dose that a second at *ppm* uses up; negative: it goes back.

    >>> (1 / rate_of(np.array([50.0, 100.0, 300.0])) / 60).round(2).tolist()
    [60.0, 10.0, 1.5]
    """
    log = np.log(np.maximum(ppm, _LOWEST_PPM))
    low = _LOG_S[0] + _LOW_SLOPE * (log - _LOG_PPM[0])
    high = _LOG_S[1] + _HIGH_SLOPE * (log - _LOG_PPM[1])
    alarm_s = np.exp(np.where(log < _LOG_PPM[1], low, high))
    return np.where(ppm >= _LOWEST_PPM, 1.0 / alarm_s, -_RECOVERY_PER_S)


class ExposureLane:
    """Doses of many series.

    The number of a reading is the dose so far, 1 = a certified alarm may sound.

    >>> lane = ExposureLane([ExposureRule(120_000)])
    >>> numbers = [
    ...     lane.step(np.array([0]), np.array([60_000 * n]), np.array([100.0])).item()
    ...     for n in range(11)
    ... ]
    >>> [round(number, 2) for number in numbers[::5]]
    [0.0, 0.5, 1.0]

    Attributes:
        dose: Of each series, never negative.
        last_ppm, last_rate: Of the last reading.
    """

    def __init__(self, rules: Sequence[ExposureRule]) -> None:
        size = len(rules)
        self.gap_ms = np.array([rule.gap_ms for rule in rules], np.int64)
        self.dose = np.zeros(size)
        self.last_at = np.full(size, NEVER, np.int64)
        self.last_ppm = np.zeros(size)
        self.last_rate = np.zeros(size)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Return the dose with each reading (see `detectors.lane`)."""
        gap = at - self.last_at[lines]
        seen_s = np.where(gap <= self.gap_ms[lines], gap, 0) / 1000.0
        rate = rate_of(value)
        added = 0.5 * seen_s * (rate + self.last_rate[lines])
        dose = np.clip(self.dose[lines] + added, 0.0, _MOST)
        self.dose[lines] = dose
        self.last_at[lines] = at
        self.last_ppm[lines] = value
        self.last_rate[lines] = rate
        return dose


def choose(plan: SeriesPlan) -> Choice | None:
    """Watch carbon monoxide, wherever it is measured."""
    if plan.series.quantity is not Quantity.CARBON_MONOXIDE:
        return None
    gap = gap_ms(plan.interval_s)
    levels = (Level(Grade.BLUE, 0.5), Level(Grade.YELLOW, 1.0), Level(Grade.ORANGE, 2.0))
    limits = LimitRule(levels, True, 0.25, gap, "exposure after EN 50291-1; red is left to 300 ppm")
    return Choice(ExposureRule(gap), limits)


def why(lane: ExposureLane, line: int, told: Because) -> Because:
    """Tell the concentration now and how much of the dose is used up."""
    return replace(told, value=float(lane.last_ppm[line]), share=float(lane.dose[line]))


DETECTOR = Detector(
    "exposure",
    ExposureLane,
    STATE,
    choose,
    why,
    hazards=frozenset({Hazard.FIRE, Hazard.AIR}),
    cap=Grade.ORANGE,
    certainty=Certainty.OBSERVED,
)
