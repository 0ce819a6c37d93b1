"""Sensors that should agree: one that stands alone is a fault of the sensor, not a danger.

Smog lies over all stations of a place. When one of at least four reads far above the highest of the
others, and unlike its own usual difference to them, its reading is not believed: it becomes *bad*
with the reason `neighbours`, so that it neither raises nor clears, and an equipment finding says
so. The same differences, averaged over days, show a sensor that drifts; of two alone (a twin)
nobody knows which is wrong, and only the drift is told.

Only sensors that the community names as neighbours are compared, and only for hazards of the air or
of equipment: next to one smoke detector there may be the fire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from core.community import Community
from core.finding import Because, Certainty, Hazard
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quality import Reason
from core.quantity import FACTS, Quantity
from detectors.batch import REASON_CODES, Batch
from detectors.limit_lane import BAD, GOOD, NEVER, Ints
from detectors.panel import Fed, Memory, PanelRule, key_of
from detectors.plan import SeriesPlan

if TYPE_CHECKING:
    from detectors.bank import Bank


@dataclass(frozen=True, slots=True)
class Scale:
    """How differences of one quantity are measured.

    Attributes:
        soft: Compared as ln(value + soft); 0 compares the values themselves.
        floor: Smallest usual deviation of the difference, in that scale.
        least: Nothing less than this above the highest neighbour counts, canonical unit.
        jump: Rise beyond that of the highest neighbour, in that scale.
        drift: Difference over days that is worth a look, in that scale.
    """

    soft: float
    floor: float
    least: float
    jump: float
    drift: float


# Chosen on the Beijing stations of 2013 (README.md, Neighbours); other quantities are set by the
# accuracy in the data sheets of the drivers' devices, choices of this project.
SCALES: dict[Quantity, Scale] = {
    Quantity.PM1: Scale(20.0, 0.25, 75.0, 0.5, 0.3),
    Quantity.PM2_5: Scale(20.0, 0.25, 75.0, 0.5, 0.3),
    Quantity.PM10: Scale(30.0, 0.25, 110.0, 0.5, 0.3),
    Quantity.CARBON_DIOXIDE: Scale(0.0, 100.0, 500.0, 500.0, 150.0),
    Quantity.CARBON_MONOXIDE: Scale(0.0, 3.0, 20.0, 20.0, 10.0),
    Quantity.TEMPERATURE: Scale(0.0, 1.0, 6.0, 6.0, 2.0),
    Quantity.HUMIDITY: Scale(0.0, 5.0, 25.0, 25.0, 8.0),
    Quantity.WATER_LEVEL: Scale(0.0, 0.02, 0.2, 0.2, 0.04),
    Quantity.RAIN_RATE: Scale(0.0, 3.0, 30.0, 30.0, 5.0),
}
# Usual deviations of the difference beyond which a reading stands alone.
_ALONE = 4.0
# Others that must be there to say which one is wrong.
_OTHERS = 3
# For this long a reading may be held against the last one that was believed.
_PATIENCE_MS = 12 * 3_600_000
# A neighbour counts while its last reading is at most this many intervals old.
_FRESH = 2.0
# Memory of the usual difference, and time before it is known.
_TAU_MS = 14 * 86_400_000
_WARM_MS = 7 * 86_400_000
# Memory of the difference of these days, and of the season, for drift.
_DAYS_MS = 3 * 86_400_000
_SEASON_MS = 60 * 86_400_000
_DRIFT_WARM_MS = 30 * 86_400_000
_DRIFT_TIMES = 2.0
_HAZARDS = (Hazard.AIR, Hazard.EQUIPMENT)
_NEIGHBOURS = REASON_CODES[Reason.NEIGHBOURS]
_STATE = (
    "last_at",
    "value",
    "first_at",
    "mean",
    "variance",
    "days",
    "season",
    "sway",
    "alone",
    "drift",
    "usual",
    "believed_at",
    "believed",
    "highest",
)


class NeighboursPanel:
    """Differences of each sensor to the middle of its neighbours.

    Groups are small and compared by plain arithmetic, reading by reading.

    Attributes:
        mean, variance: Usual difference and its variance, one a member.
        alone: How far the last reading stands alone, 1 = not believed.
        drift: How far the days have drifted, 1 = worth a look.
        usual: What the neighbours let expect, canonical unit.
    """

    def __init__(self, plans: Sequence[SeriesPlan], groups: Sequence[Sequence[int]]) -> None:
        self._slots = [slot for group in groups for slot in group]
        size = len(self._slots)
        self._plans = [plans[slot] for slot in self._slots]
        self._line_of = {slot: line for line, slot in enumerate(self._slots)}
        self._others: list[list[int]] = []
        for group in groups:
            lines = [self._line_of[slot] for slot in group]
            self._others += [[other for other in lines if other != line] for line in lines]
        self._scales = [SCALES[plan.series.quantity] for plan in self._plans]
        self._gates = [
            plan.hazard in _HAZARDS and len(others) >= _OTHERS
            for plan, others in zip(self._plans, self._others, strict=True)
        ]
        self._watched = np.zeros(len(plans), np.bool_)
        self._watched[self._slots] = True
        self.rules = tuple(
            rule
            for line in range(size)
            for rule in _rules(self._plans[line], self._slots[line], len(self._others[line]))
        )
        keys = tuple(
            key_of(plan.series, [self._plans[other].series for other in others])
            for plan, others in zip(self._plans, self._others, strict=True)
        )
        self.memory: tuple[Memory, ...] = ((keys, _STATE),)
        self.last_at: Ints = np.full(size, NEVER, np.int64)
        self.first_at: Ints = np.full(size, NEVER, np.int64)
        self.value, self.usual = np.full(size, np.nan), np.full(size, np.nan)
        self.mean, self.variance = np.zeros(size), np.zeros(size)
        self.days, self.season, self.sway = np.zeros(size), np.zeros(size), np.zeros(size)
        self.believed_at: Ints = np.full(size, NEVER, np.int64)
        self.believed, self.highest = np.zeros(size), np.zeros(size)
        self.alone, self.drift = np.zeros(size), np.full(size, np.nan)

    def gate(self, batch: Batch) -> Batch:
        """Return *batch* with the readings that neighbours contradict made bad."""
        usable = self._watched[batch.slot] & (batch.quality == GOOD) & ~batch.late
        mine = np.flatnonzero(usable & np.isfinite(batch.value))
        if not mine.size:
            return batch
        mine = mine[np.argsort(batch.at[mine], kind="stable")]
        doubted: list[int] = []
        start = 0
        while start < mine.size:
            at = int(batch.at[mine[start]])
            end = start + int(np.searchsorted(batch.at[mine[start:]], at, side="right"))
            # Those that read at the same instant are compared with each other.
            places = mine[start:end].tolist()
            lines = [self._line_of[int(batch.slot[place])] for place in places]
            newer = [at > self.last_at[line] for line in lines]
            for place, line, new in zip(places, lines, newer, strict=True):
                if new:
                    self._take(line, at, float(batch.value[place]))
            for place, line, new in zip(places, lines, newer, strict=True):
                if new and self._judge(line, at):
                    doubted.append(place)
            start = end
        if not doubted:
            return batch
        quality, reason = batch.quality.copy(), batch.reason.copy()
        quality[doubted], reason[doubted] = BAD, _NEIGHBOURS
        return replace(batch, quality=quality, reason=reason)

    def _take(self, line: int, at: int, value: float) -> None:
        self.value[line] = value
        if self.first_at[line] == NEVER:
            self.first_at[line] = at
        self.last_at[line] = at

    def _judge(self, line: int, at: int) -> bool:
        """Judge, then learn the newest reading of *line*; True if it stands alone."""
        fresh_ms = 1000.0 * _FRESH * self._plans[line].interval_s
        there = sorted(
            float(self.value[other])
            for other in self._others[line]
            if at - int(self.last_at[other]) <= fresh_ms
        )
        if not there:
            self.alone[line] = 0.0
            return False
        scale, value = self._scales[line], float(self.value[line])
        half = len(there) // 2
        middle = there[half] if len(there) % 2 else (there[half - 1] + there[half]) / 2
        difference = _on(scale, value) - _on(scale, middle)
        known = at - int(self.first_at[line]) >= _WARM_MS
        mean = float(self.mean[line])
        deviation = sqrt(float(self.variance[line]) + scale.floor**2)
        self.usual[line] = _back(scale, _on(scale, middle) + mean)
        alone = 0.0
        high = known and len(there) >= _OTHERS and value - there[-1] >= scale.least
        if high and self._gates[line]:
            usual = (difference - mean) / deviation / _ALONE
            alone = max(usual, self._jump(line, at, there[-1]) / scale.jump, 0.0)
        self.alone[line] = alone
        if alone < 1.0:
            self.believed_at[line] = at
            self.believed[line], self.highest[line] = value, there[-1]
        self._learn(line, at, difference, deviation)
        return alone >= 1.0

    def _jump(self, line: int, at: int, highest: float) -> float:
        """Return how much more *line* has risen than the highest of its neighbours.

        Counted from the last reading that was believed, for as long as one is remembered.
        """
        if at - int(self.believed_at[line]) > _PATIENCE_MS:
            return 0.0
        scale = self._scales[line]
        own = _on(scale, float(self.value[line])) - _on(scale, float(self.believed[line]))
        return own - (_on(scale, highest) - _on(scale, float(self.highest[line])))

    def _learn(self, line: int, at: int, difference: float, deviation: float) -> None:
        step_ms = 1000.0 * self._plans[line].interval_s
        lived = max(float(at - int(self.first_at[line])), step_ms)
        gain = max(step_ms / lived, step_ms / _TAU_MS)
        miss = difference - float(self.mean[line])
        clipped = min(max(miss, -4.0 * deviation), 4.0 * deviation)
        self.mean[line] += gain * clipped
        self.variance[line] += gain * (clipped * clipped - float(self.variance[line]))
        self.days[line] += max(step_ms / lived, step_ms / _DAYS_MS) * (
            difference - float(self.days[line])
        )
        season = max(step_ms / lived, step_ms / _SEASON_MS)
        self.season[line] += season * (difference - float(self.season[line]))
        away = float(self.days[line] - self.season[line])
        if lived >= _DRIFT_WARM_MS:
            usual = max(self._scales[line].drift, _DRIFT_TIMES * sqrt(float(self.sway[line])))
            self.drift[line] = abs(away) / usual
        most = self._scales[line].drift / 2.0  # what is a drift must not become the usual sway
        self.sway[line] += season * (min(away * away, most * most) - float(self.sway[line]))

    def step(self, _bank: Bank, part: Batch) -> Fed:
        """Tell what the gate has found of each member that was heard."""
        lines = [self._line_of[slot] for slot in part.slot.tolist() if slot in self._line_of]
        times = part.at[self._watched[part.slot]]
        rows = [row for line in lines for row in (2 * line, 2 * line + 1)]
        numbers = [number for line in lines for number in (self.alone[line], self.drift[line])]
        return (
            np.array(rows, np.int64),
            np.repeat(times, 2),
            np.array(numbers, np.float64),
        )

    def why(self, row: int, told: Because) -> Because:
        """Tell the value, what the neighbours let expect, and who they are."""
        line = row // 2
        members = tuple(self._plans[other].series.subject for other in self._others[line])
        usual = float(self.usual[line])
        return msgspec.structs.replace(
            told,
            value=float(self.value[line]),
            usual=usual if abs(usual) < inf else None,
            limit=None,
            limit_grade="",
            members=members,
        )


def _on(scale: Scale, value: float) -> float:
    return log(max(value, 0.0) + scale.soft) if scale.soft else value


def _back(scale: Scale, number: float) -> float:
    return exp(min(number, 50.0)) - scale.soft if scale.soft else number


def _rules(plan: SeriesPlan, slot: int, others: int) -> tuple[PanelRule, PanelRule]:
    gap = round(3000 * plan.interval_s)
    blue = (Level(Grade.BLUE, 1.0),)
    alone = LimitRule(blue, True, 0.5, gap, "far above the highest of its neighbours")
    drift = LimitRule(blue, True, 0.25, gap, "days differ from the season, seen by neighbours")
    made = PanelRule(
        plan.series.subject,
        "neighbours",
        plan.zone,
        Hazard.EQUIPMENT,
        alone,
        FACTS[plan.series.quantity].unit,
        (slot,),
        fault=Reason.NEIGHBOURS.value,
    )
    possible = Certainty.LIKELY if others >= _OTHERS else Certainty.POSSIBLE
    return made, replace(
        made, name="drift", limits=drift, fault=Reason.DRIFT.value, certainty=possible
    )


def make(community: Community | None, plans: Sequence[SeriesPlan]) -> NeighboursPanel | None:
    """Return the panel of the neighbours that the community names, None if it names none."""
    if community is None:
        return None
    slot_of = {(plan.series.sensor, plan.series.quantity): n for n, plan in enumerate(plans)}
    groups = [
        [
            slot_of[sensor, entry.quantity]
            for sensor in entry.sensors
            if (sensor, entry.quantity) in slot_of
        ]
        for entry in community.neighbours
        if entry.quantity in SCALES
    ]
    groups = [group for group in groups if len(group) >= 2]
    return NeighboursPanel(plans, groups) if groups else None


def together(plans: Sequence[SeriesPlan]) -> NeighboursPanel | None:
    """Return the panel of recordings that are sensors of one site, by quantity of the air."""
    groups: dict[Quantity, list[int]] = {}
    for slot, plan in enumerate(plans):
        if plan.series.quantity in (Quantity.PM1, Quantity.PM2_5, Quantity.PM10):
            groups.setdefault(plan.series.quantity, []).append(slot)
    made = [group for group in groups.values() if len(group) >= 2]
    return NeighboursPanel(plans, made) if made else None
