"""How many people are inside: in minus out, with the drift of the counters taken off.

Door counters miss people, and their errors add up for ever. Each night, in the quietest hours and
after half an hour without anybody passing, the estimate is put back to what is usual at rest: none,
or the residents where the zone has households. What was left over teaches how much the counters
lose for each passage, and that is taken off from then on.

From the estimate follow `occupancy` (the community's own limits), `density` (persons a square
metre) and `imbalance` (counters that contradict each other).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from core.community import Community, gap_ms
from core.finding import Because, Hazard
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quality import Reason
from core.quantity import Quantity
from detectors.batch import Batch
from detectors.counter_lane import passages
from detectors.limit_lane import NEVER, Floats, Ints
from detectors.local_time import LocalCalendar
from detectors.panel import Fed, Memory, PanelRule, key_of
from detectors.plan import SeriesPlan

if TYPE_CHECKING:
    from detectors.bank import Bank

# Share of passages that a counter misses or doubles, as a standard deviation (detection.md, 3.15).
_MISCOUNT = 0.03
# Half an hour without a passage between two and five in the night is rest (detection.md, 3.15).
_REST_HOURS = (2, 3, 4)
_REST_MS = 1_800_000
_NIGHT_MS = 12 * 3_600_000
# How much of a night's lesson is taken over, and the largest loss that is believed.
_GAIN, _MOST_LOSS = 0.3, 0.1
# Residents of a household: seventh national census of China, 2020.
PER_HOUSEHOLD = 2.62
# Persons a square metre. Blue: a walkway at level of service F begins, flow breaks down (Fruin
# 1971, 0.46 m2 a person). Yellow: a queue at level E, nobody can move by himself (Fruin, 0.28 m2).
# Orange: upper limit of a moving crowd (Still 2014). Red: most that a standing terrace may hold
# (Guide to Safety at Sports Grounds, 47 on 10 m2).
DENSITY = {Grade.BLUE: 2.15, Grade.YELLOW: 3.6, Grade.ORANGE: 4.0, Grade.RED: 4.7}
_DENSITY_SOURCE = "Fruin 1971; Still 2014; Guide to Safety at Sports Grounds"
_DENSITY_BACK, _DENSITY_DOWN_MS = 0.3, 300_000
# More than this many deviations between in and out that no crowd explains (detection.md, 3.15).
_IMBALANCE = 4.0
_OF_ZONE = (
    "inside",
    "variance",
    "loss",
    "passed",
    "deficit",
    "passed_at",
    "rested_at",
    "heard_at",
)
_FLOWS = (Quantity.PEOPLE_IN, Quantity.PEOPLE_OUT)


class BalancePanel:
    """Estimates of every zone whose doors are counted.

    Attributes:
        inside, variance: Persons inside, and how uncertain that is; one a zone.
        loss: Persons that a passage loses on average, learned at rest.
        passed: Passages since the last rest.
        deficit: Persons who left without having come since then, or were left over at rest.
        passed_at, rested_at: When the last passage, and the last rest, was.
    """

    def __init__(
        self,
        community: Community,
        plans: Sequence[SeriesPlan],
        zones: dict[str, list[int]],
        rules: Sequence[PanelRule],
    ) -> None:
        self.rules = tuple(rules)
        self.zones = tuple(zones)
        self._rows_of = {
            zone: [row for row, rule in enumerate(rules) if rule.zone == zone] for zone in zones
        }
        size = len(zones)
        homes = [community.zone_of(zone) for zone in zones]
        self.rest = np.array(
            [PER_HOUSEHOLD * (home.households or 0) if home else 0.0 for home in homes]
        )
        self.area = np.array([home.area_m2 or np.nan if home else np.nan for home in homes])
        self._calendar = LocalCalendar(community.site.timezone)
        self.sign = np.zeros(len(plans))
        self.zone_of = np.full(len(plans), -1, np.int64)
        for number, slots in enumerate(zones.values()):
            for slot in slots:
                entering = plans[slot].series.quantity is Quantity.PEOPLE_IN
                self.sign[slot] = 1.0 if entering else -1.0
                self.zone_of[slot] = number
        of_zone = tuple(
            key_of(zone, [plans[slot].series for slot in slots]) for zone, slots in zones.items()
        )
        of_slot = tuple(key_of(plan.series) for plan in plans)
        self.memory: tuple[Memory, ...] = ((of_zone, _OF_ZONE), (of_slot, ("last_value",)))
        self.last_value = np.full(len(plans), np.nan)
        self.inside, self.variance = self.rest.copy(), np.zeros(size)
        self.loss, self.passed, self.deficit = np.zeros(size), np.zeros(size), np.zeros(size)
        self.passed_at: Ints = np.full(size, NEVER, np.int64)
        self.rested_at: Ints = np.full(size, NEVER, np.int64)
        self.heard_at: Ints = np.full(size, NEVER, np.int64)

    def step(self, _bank: Bank, part: Batch) -> Fed:
        """Count passages, look for rest, and tell each zone that was heard."""
        mine = np.flatnonzero(self.zone_of[part.slot] >= 0)
        if not mine.size:
            none = np.zeros(0, np.int64)
            return none, none, none.astype(np.float64)
        slot, at, value = part.slot[mine], part.at[mine], part.value[mine]
        passed = passages(self.last_value[slot], value)
        self.last_value[slot] = value
        zone = self.zone_of[slot]
        size = len(self.zones)
        traffic: Floats = np.bincount(zone, passed, size).astype(np.float64)
        balance: Floats = np.bincount(zone, passed * self.sign[slot], size).astype(np.float64)
        heard = np.unique(zone)
        np.maximum.at(self.heard_at, zone, at)
        now = self.heard_at[heard]
        self._count(heard, now, traffic[heard], balance[heard])
        self._look_for_rest(heard, now)
        return self._numbers(heard)

    def _count(self, zones: Ints, now: Ints, traffic: Floats, balance: Floats) -> None:
        inside = self.inside[zones] + balance - self.loss[zones] * traffic
        self.deficit[zones] += np.maximum(-inside, 0.0)
        self.inside[zones] = np.maximum(inside, 0.0)
        self.variance[zones] += _MISCOUNT**2 * traffic
        self.passed[zones] += traffic
        moved = (traffic > 0.0) | (self.passed_at[zones] == NEVER)
        self.passed_at[zones] = np.where(moved, now, self.passed_at[zones])

    def _look_for_rest(self, zones: Ints, now: Ints) -> None:
        """At rest the estimate is put right, and what was wrong with it is learned."""
        hour = self._calendar.cells(now) % 24
        rests = np.isin(hour, _REST_HOURS) & (now - self.passed_at[zones] >= _REST_MS)
        rests &= now - np.maximum(self.rested_at[zones], now - 2 * _NIGHT_MS) >= _NIGHT_MS
        zones, now = zones[rests], now[rests]
        if not zones.size:
            return
        over = self.inside[zones] - self.rest[zones] - self.deficit[zones]
        taught = self.passed[zones] > 0.0
        lesson = over / np.maximum(self.passed[zones], 1.0)
        loss = self.loss[zones] + np.where(taught, _GAIN * lesson, 0.0)
        self.loss[zones] = np.clip(loss, -_MOST_LOSS, _MOST_LOSS)
        self.inside[zones] = self.rest[zones]
        self.variance[zones] = self.passed[zones] = self.deficit[zones] = 0.0
        self.rested_at[zones] = now

    def _numbers(self, zones: Ints) -> Fed:
        rows, times, numbers = [], [], []
        for zone in zones.tolist():
            for row in self._rows_of[self.zones[zone]]:
                rows.append(row)
                times.append(int(self.heard_at[zone]))
                numbers.append(self._number(self.rules[row].name, zone))
        return np.array(rows, np.int64), np.array(times, np.int64), np.array(numbers, np.float64)

    def _number(self, name: str, zone: int) -> float:
        if name == "occupancy":
            return float(self.inside[zone])
        if name == "density":
            return float(self.inside[zone] / self.area[zone])
        passed = float(self.passed[zone])
        return float(self.deficit[zone] / (np.sqrt(passed + 1.0) + _MISCOUNT * passed))

    def why(self, row: int, told: Because) -> Because:
        """Tell the estimate with its standard deviation."""
        rule = self.rules[row]
        zone = self.zones.index(rule.zone)
        area = float(self.area[zone]) if rule.name == "density" else 1.0
        if rule.name == "imbalance":
            return replace(told, value=float(self.deficit[zone]), samples=int(self.passed[zone]))
        deviation = float(np.sqrt(self.variance[zone]))
        return replace(told, value=float(self.inside[zone]) / area, scatter=deviation / area)


def make(community: Community | None, plans: Sequence[SeriesPlan]) -> BalancePanel | None:
    """Return the panel of every enclosed zone whose doors are counted, None if there is none."""
    if community is None:
        return None
    flows: dict[str, list[int]] = {}
    for slot, plan in enumerate(plans):
        if plan.series.quantity in _FLOWS:
            flows.setdefault(plan.zone, []).append(slot)
    zones = {
        zone: slots
        for zone, slots in flows.items()
        if {plans[slot].series.quantity for slot in slots} == {*_FLOWS}
        and _is_enclosed(community, zone)
    }
    rules: list[PanelRule] = []
    for zone, slots in zones.items():
        gap = max(gap_ms(plans[slot].interval_s) for slot in slots)
        rules += _rules(community, zone, tuple(slots), gap)
    return BalancePanel(community, plans, zones, rules) if rules else None


def _is_enclosed(community: Community, zone: str) -> bool:
    """Tell whether those inside are meant to be counted: through a gate people only pass."""
    place = community.zone_of(zone)
    limited = any(
        limit.zone == zone and limit.quantity is Quantity.OCCUPANCY for limit in community.limit
    )
    return limited or (place is not None and place.enclosed)


def _rules(community: Community, zone: str, slots: tuple[int, ...], gap: int) -> list[PanelRule]:
    rules = [
        PanelRule(
            f"zone.{zone}", "occupancy", zone, Hazard.CROWD, limit.rule(gap), "{person}", slots
        )
        for limit in community.limit
        if limit.zone == zone and limit.quantity is Quantity.OCCUPANCY and limit.side == "high"
    ]
    place = community.zone_of(zone)
    if place is not None and place.area_m2:
        levels = tuple(
            Level(grade, persons, 0, 1, _DENSITY_DOWN_MS) for grade, persons in DENSITY.items()
        )
        limits = LimitRule(levels, True, _DENSITY_BACK, gap, _DENSITY_SOURCE)
        rules.append(
            PanelRule(f"zone.{zone}", "density", zone, Hazard.CROWD, limits, "{person}/m2", slots)
        )
    limits = LimitRule((Level(Grade.BLUE, _IMBALANCE),), True, 1.0, gap, "in and out contradict")
    fault = Reason.IMPLAUSIBLE_PAIR.value
    rules.append(
        PanelRule(
            f"zone.{zone}",
            "imbalance",
            zone,
            Hazard.EQUIPMENT,
            limits,
            "{person}",
            slots,
            fault=fault,
        )
    )
    return rules
