"""The detector bank: many series, one update a micro-batch, findings where something changed.

State is a structure of arrays: one slot a series, one row a rule. A reading becomes what each rule
of its series looks at (value, count per interval, slope, lead, share), one limit step judges all
rows at once, and rows whose grade or condition changed become findings.

Three states are kept apart for each row: what the step says (`lane`), what is stated as true *now*
(`stated_*`: late readings never touch it), and what was last told of the past (`told_late`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from core.finding import Finding
from core.grade import Grade
from detectors.batch import NO_REASON, Batch, rounds
from detectors.counter_lane import CounterLane
from detectors.explanation import explain
from detectors.feed import Feed, feeds_of
from detectors.kinds import Places
from detectors.limit_lane import BAD, GOOD, NEVER, Bytes, Flags, Floats, Ints, LimitLane
from detectors.plan import RulePlan, SeriesPlan, Source
from detectors.rates import HELD, LEAD_FLOOR, NO_LEAD_S
from detectors.single import FEW, is_plain, judge_one
from detectors.slope_lane import SIGNIFICANT, SlopeLane

CLEARED, ACTIVE, UNKNOWN = 0, 1, 2
Keys = npt.NDArray[np.bytes_]
STATE = ("stated", "stated_since", "condition", "told_late", "absent", "reason", "fed_at")


class Bank:
    """State of all rules of all series.

    Args:
        plans: The series, in the order of their slots.

    Attributes:
        slots: Slot of each series.
        rules: Rule of each row; `row_slot` its series.
        slope_of, counter_of: Line of each series in `lines` and in `counters`, -1 without one.
        stated: Grade that is stated as true now, one a row.
        condition: 0 cleared, 1 active, 2 unknown, one a row.
        absent: True for each series that is silent or whose station is lost.
        feeds: Registered detectors that somebody asked for, each with its lane.
        fed_at: Time of the newest good reading that they have learned, one a series.
    """

    def __init__(self, plans: Sequence[SeriesPlan]) -> None:
        self.plans = tuple(plans)
        self.slots = {plan.series: slot for slot, plan in enumerate(self.plans)}
        self.rules: tuple[RulePlan, ...] = tuple(rule for plan in self.plans for rule in plan.rules)
        sizes = [len(plan.rules) for plan in self.plans]
        self.row_slot: Places = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        self.lane = LimitLane([rule.limits for rule in self.rules])
        self.lines = SlopeLane([plan.slope for plan in self.plans if plan.slope is not None])
        self.slope_of = _numbered([plan.slope is not None for plan in self.plans])
        self.counters = CounterLane([plan.interval_s for plan in self.plans if plan.counter])
        self.counter_of = _numbered([plan.counter for plan in self.plans])
        self.of_sensor = np.array([rule.of_sensor for rule in self.rules], np.bool_)
        self.target = np.array([plan.target for plan in self.plans], np.float64)
        self.first_row: Places = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        self.columns = {source: self._columns_of(source) for source in Source}
        self._map_lifts()
        self.feeds: tuple[Feed, ...] = feeds_of(self.rules, self.row_slot, len(self.plans))
        self.fed_at: Ints = np.full(len(self.plans), NEVER, np.int64)
        size = self.lane.size
        self.stated: Bytes = np.zeros(size, np.int8)
        self.stated_since: Ints = np.full(size, NEVER, np.int64)
        self.condition: Bytes = np.full(size, UNKNOWN, np.int8)
        self.told_late: Bytes = np.zeros(size, np.int8)
        self.absent: Flags = np.zeros(len(self.plans), np.bool_)
        self.reason: Bytes = np.full(len(self.plans), NO_REASON, np.int8)

    @cached_property
    def axes(self) -> dict[str, Keys]:
        """Identities along each axis of the state; it is resumed under the same ones only."""
        rules = [plan.rule_key(rule) for plan in self.plans for rule in plan.rules]
        axes = {"slot": np.array([plan.key for plan in self.plans], "S16")}
        axes["row"] = np.array(rules, "S16")
        axes["line"] = axes["slot"][self.slope_of >= 0]
        axes["counter"] = axes["slot"][self.counter_of >= 0]
        for feed in self.feeds:
            learned = [
                self.plans[self.row_slot.item(row)].lane_key(self.rules[row]) for row in feed.row_of
            ]
            axes[f"lane-{feed.detector.name}"] = np.array(learned, "S16")
        return axes

    def _columns_of(self, source: Source) -> list[Places]:
        """Return maps from slot to row (-1: none), one for each such rule of a series."""
        columns: list[Places] = []
        used = np.zeros(len(self.plans), np.int64)
        for row, rule in enumerate(self.rules):
            if rule.source is not source:
                continue
            slot = int(self.row_slot[row])
            if used[slot] == len(columns):
                columns.append(np.full(len(self.plans), -1, np.int32))
            columns[used[slot]][slot] = row
            used[slot] += 1
        return columns

    def _map_lifts(self) -> None:
        size = len(self.rules)
        self.lift_row: Places = np.full(size, -1, np.int32)
        self.lift_from = np.full(size, len(Grade), np.int8)
        self.lift_cap = np.zeros(size, np.int8)
        high = next(iter(self.columns[Source.VALUE]), np.zeros(0, np.int32))
        for row, rule in enumerate(self.rules):
            target = high[self.row_slot[row]] if high.size else -1
            if rule.lift_from is not None and target >= 0 and self.rules[target].limits.high:
                self.lift_row[row] = target
                self.lift_from[row], self.lift_cap[row] = rule.lift_from, rule.lift_cap

    def rows_of(self, slot: int) -> range:
        """Return the rows of one series."""
        return range(self.first_row.item(slot), self.first_row.item(slot + 1))

    def line_of(self, row: int) -> tuple[Feed, int]:
        """Return the feed of a registered detector's *row*, and the line of its lane."""
        name = self.rules[row].name
        feed = next(feed for feed in self.feeds if feed.detector.name == name)
        return feed, feed.line_of.item(self.row_slot.item(row))

    def advance(self, batch: Batch) -> None:
        """Judge a micro-batch of present readings without telling what changed (for replays)."""
        for part in rounds(batch):
            if self._takes_short_way(part):
                for place in range(part.size):
                    slot, at_ms = part.slot.item(place), part.at.item(place)
                    judge_one(self, slot, at_ms, part.value.item(place))
                continue
            rows, at, value, quality, _late = self._feed(part)
            if rows.size:
                self.lane.step(rows, at, value, quality)
                self._changed(rows, at)

    def update(self, batch: Batch, now_ms: int) -> list[Finding]:
        """Judge a micro-batch and return what changed, in the order in which it changed.

        Args:
            batch: Readings; a series may occur more than once.
            now_ms: Run time at which they are judged.
        """
        found: list[Finding] = []
        for part in rounds(batch):
            found += self._judge(part, now_ms)
        return found

    def _judge(self, batch: Batch, now_ms: int) -> list[Finding]:
        """Judge a batch in which every series occurs once."""
        if self._takes_short_way(batch):
            moved = [
                row
                for place in range(batch.size)
                for row in judge_one(
                    self, batch.slot.item(place), batch.at.item(place), batch.value.item(place)
                )
            ]
            return [explain(self, row, now_ms) for row in moved]
        rows, at, value, quality, late = self._feed(batch)
        if not rows.size:
            return []
        self.lane.step(rows, at, value, quality)
        if not late.any():
            return self._state(rows, at, now_ms)
        found = self._state(rows[~late], at[~late], now_ms)
        return self._tell_late(rows[late], now_ms) + found

    def _takes_short_way(self, batch: Batch) -> bool:
        return batch.size <= FEW and all(is_plain(self, batch, n) for n in range(batch.size))

    def _feed(self, batch: Batch) -> tuple[Ints, Ints, Floats, Bytes, Flags]:
        """Return rows and what they are fed with: rule by rule, the numbers of one reading each."""
        slot, value = batch.slot, batch.value
        bad = (batch.quality >= BAD) | ~np.isfinite(value)
        self.reason[slot] = np.where(bad | (batch.quality > GOOD), batch.reason, NO_REASON)
        self.absent[slot] &= batch.late
        judged = np.ones(slot.size, np.bool_)
        if (self.counter_of[slot] >= 0).any():
            value, judged = self._counts(batch, bad)
        fed = [(column[slot], value, judged) for column in self.columns[Source.VALUE]]
        if (self.slope_of[slot] >= 0).any():
            fed += self._derived(batch, bad)
        if self.feeds:
            fed += self._detected(batch, value, bad, judged)
        if not fed:
            none = np.zeros(0, np.int64)
            return none, none, none.astype(np.float64), none.astype(np.int8), none.astype(np.bool_)
        times = len(fed)
        rows = np.concatenate([part[0] for part in fed]).astype(np.int64)
        keep = np.concatenate([part[2] for part in fed]) & (rows >= 0)
        every = (
            rows,
            np.concatenate([batch.at] * times),
            np.concatenate([part[1] for part in fed]),
            np.concatenate([batch.quality] * times),
            np.concatenate([batch.late] * times),
        )
        if keep.all():
            return every
        rows, at, value, quality, late = every
        return rows[keep], at[keep], value[keep], quality[keep], late[keep]

    def _counts(self, batch: Batch, bad: Flags) -> tuple[Floats, Flags]:
        """Return counts per interval for counters, values for the rest, and what may be judged."""
        value = batch.value.copy()
        line = self.counter_of[batch.slot].astype(np.int64)
        counted = np.flatnonzero((line >= 0) & ~bad)
        value[counted] = self.counters.step(line[counted], batch.at[counted], value[counted])
        judged = np.ones(batch.size, np.bool_)
        judged[counted] = np.isfinite(value[counted])
        return value, judged

    def _detected(
        self, batch: Batch, value: Floats, bad: Flags, judged: Flags
    ) -> list[tuple[Places, Floats, Flags]]:
        """Return what registered detectors say: they learn good, newer readings only."""
        slot, at = batch.slot, batch.at
        learns = judged & ~bad & (batch.quality == GOOD) & (at > self.fed_at[slot])
        self.fed_at[slot[learns]] = at[learns]
        fed: list[tuple[Places, Floats, Flags]] = []
        for feed in self.feeds:
            line = feed.line_of[slot]
            which = np.flatnonzero(learns & (line >= 0))
            lines = line[which].astype(np.int64)
            number = np.full(slot.size, np.nan)
            number[which] = feed.lane.step(lines, at[which], value[which])
            fed.append((feed.row_at[slot], number, bad | np.isfinite(number)))
        return fed

    def _derived(self, batch: Batch, bad: Flags) -> list[tuple[Places, Floats, Flags]]:
        """Return what slopes, leads and shares are fed with: good readings only, bad as bad."""
        slot = batch.slot
        # Series without a line see that of another one here; they have no row to be fed with it.
        of = self.slope_of[slot].astype(np.int64)
        line = of >= 0
        learn = line & (batch.at > self.lines.last_at[of]) & (batch.quality == GOOD) & ~bad
        which = np.flatnonzero(learn)
        told = np.zeros(batch.size, np.bool_)
        told[which] = self.lines.step(of[which], batch.at[which], batch.value[which])
        slope = self.lines.slope[of]
        climbs = slope > SIGNIFICANT * self.lines.error[of]
        spoilt = line & bad
        nan: Floats | float = 0.0
        if spoilt.any():
            told |= spoilt
            nan = np.where(bad, np.nan, 0.0)
        based = np.isfinite(self.lines.base[of])
        fed: list[tuple[Places, Floats, Flags]] = []
        for column in self.columns[Source.SLOPE]:
            rows = column[slot]
            hourly = slope * 3600.0
            held = HELD * self.lane.kinds.lowest[self.lane.kind[rows]]
            fed.append((rows, np.where(climbs, hourly, np.minimum(hourly, held)) + nan, told))
        fed += [
            (column[slot], self._lead(slot, of, slope, climbs) + nan, told)
            for column in self.columns[Source.LEAD]
        ]
        fed += [
            (column[slot], self._share(slot, of, batch.value) + nan, line & (based | bad))
            for column in self.columns[Source.SHARE]
        ]
        return fed

    def _lead(self, slot: Ints, of: Ints, slope: Floats, climbs: Flags) -> Floats:
        """Return the seconds until each series reaches its target at its slope; many if never."""
        if not climbs.any():
            return np.full(slot.size, NO_LEAD_S)
        target, base, level = self.target[slot], self.lines.base[of], self.lines.level[of]
        near = climbs & (slope > 0.0) & (level > base + LEAD_FLOOR * (target - base))
        distance = np.maximum(target - level, 0.0)
        lead = np.minimum(distance / np.where(near, slope, 1.0), NO_LEAD_S)
        return np.where(near, lead, NO_LEAD_S)

    def _share(self, slot: Ints, of: Ints, value: Floats) -> Floats:
        """Return how much of the way from base to target each value has covered."""
        base = self.lines.base[of]
        way = self.target[slot] - base
        return np.where(way > 0.0, (value - base) / np.where(way > 0.0, way, 1.0), 1.0)

    def _state(self, rows: Ints, at: Ints, now_ms: int) -> list[Finding]:
        """State what is true now for *rows*, and return findings for those that changed."""
        moved = self._changed(rows, at)
        return [explain(self, int(row), now_ms) for row in moved[~self.untold[moved]]]

    @property
    def untold(self) -> Flags:
        """True for each rule of a sensor's own faults that has never been able to judge.

        That nobody can tell yet whether a sensor scatters more than usual is no reason to call its
        place unknown: whether it reports at all is told by silence.
        """
        untold: Flags = self.of_sensor & (self.lane.last_at == NEVER)
        return untold

    def _changed(self, rows: Ints, at: Ints) -> Ints:
        """State what is true now for *rows*, and return those whose grade or condition changed."""
        unknown = self.lane.unknown[rows] | self.absent[self.row_slot[rows]]
        was = self.stated[rows]
        grade = np.where(unknown, was, self._lifted(rows))
        known = np.where(grade > 0, ACTIVE, CLEARED)
        condition = np.where(unknown, UNKNOWN, known).astype(np.int8)
        regraded = (grade != was) | (self.stated_since[rows] == NEVER)
        changed = regraded | (condition != self.condition[rows])
        self.told_late[rows] = 0
        if not changed.any():
            return rows[:0]
        begun = self.lane.since[rows]
        begun = np.where((grade == self.lane.grade[rows]) & (begun != NEVER), begun, at)
        since = np.where(regraded, begun, self.stated_since[rows])
        self.stated_since[rows] = since
        self.stated[rows] = grade
        self.condition[rows] = condition
        moved: Ints = rows[changed]
        return moved

    def _lifted(self, rows: Ints) -> Bytes:
        """Return the grade of *rows*; a rate that is on lifts the grade of its limit by one."""
        grade = self.lane.grade[rows]
        limit_row = self.lift_row[rows]
        rises = (limit_row >= 0) & (grade > 0)
        if not rises.any():
            return grade
        base = self.lane.grade[limit_row]
        lifted = np.minimum(base + 1, self.lift_cap[rows])
        lifts = rises & (base >= self.lift_from[rows])
        return np.where(lifts, np.maximum(grade, lifted), grade).astype(np.int8)

    def _tell_late(self, rows: Ints, now_ms: int) -> list[Finding]:
        """Return what late readings show of the past, once for each grade that they reach."""
        grade = self.lane.grade[rows]
        worse = grade > np.maximum(self.stated[rows], self.told_late[rows])
        self.told_late[rows[worse]] = grade[worse]
        return [explain(self, int(row), now_ms, late=True) for row in rows[worse]]

    def review(self, batch: Batch, now_ms: int) -> list[Finding]:
        """Judge readings of the past that come after newer ones: they can only be told as late.

        Each call is a stretch of time of its own: nothing is carried over from earlier ones.
        """
        found: list[Finding] = []
        slots = np.unique(batch.slot)
        for column in self.columns[Source.VALUE]:
            known = slots[(column[slots] >= 0) & (self.counter_of[slots] < 0)]
            past = LimitLane([self.rules[int(row)].limits for row in column[known]])
            for part in rounds(batch):
                place = np.searchsorted(known, part.slot)
                here = np.flatnonzero(np.isin(part.slot, known))
                place, rows = place[here], column[part.slot[here]]
                past.step(place, part.at[here], part.value[here], part.quality[here])
                grade = past.grade[place]
                worse = grade > np.maximum(self.stated[rows], self.told_late[rows])
                self.told_late[rows[worse]] = grade[worse]
                found += [
                    explain(self, int(row), now_ms, late=True, past=(past, int(at)))
                    for row, at in zip(rows[worse], place[worse], strict=True)
                ]
        return found

    def set_absent(self, absent: Flags, now_ms: int) -> list[Finding]:
        """Take over which series are silent or lost; their rules become unknown, grades frozen."""
        self.absent = absent.copy()
        rows = np.flatnonzero(absent[self.row_slot] & (self.condition != UNKNOWN))
        self.condition[rows] = UNKNOWN
        return [explain(self, int(row), now_ms) for row in rows]

    def finding(self, row: int, now_ms: int) -> Finding:
        """Return what is stated now under one rule."""
        return explain(self, row, now_ms)

    def findings(self, now_ms: int) -> list[Finding]:
        """Return what is stated now of every rule."""
        return [self.finding(row, now_ms) for row in range(self.lane.size)]

    def past_of(self, slot: int) -> int | None:
        """Return the time of the newest reading that a rule of *slot* has judged."""
        newest = self.lane.last_at[self.row_slot == slot].max(initial=NEVER)
        return None if newest == NEVER else int(newest)


def _numbered(has: Sequence[bool]) -> Places:
    """Return the running number of each True, -1 for each False."""
    there = np.array(has, np.bool_)
    return np.where(there, np.cumsum(there) - 1, -1).astype(np.int32)
