"""All panels of a site beside its bank: what they state, found, refreshed, frozen and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.community import Community
from core.finding import Because, Condition, Finding
from core.grade import Grade
from detectors import (
    balance_panel,
    corroboration_panel,
    forest_panel,
    limit_lane,
    neighbours_panel,
)
from detectors.batch import Batch, rounds
from detectors.explanation import score
from detectors.limit_lane import GOOD, NEVER, Bytes, Flags, Ints, LimitLane
from detectors.panel import Maker, PanelRule, key_of
from detectors.plan import SeriesPlan

if TYPE_CHECKING:
    from detectors.bank import Bank

REGISTRY: tuple[Maker, ...] = (
    neighbours_panel.make,
    corroboration_panel.make,
    balance_panel.make,
    forest_panel.make,
)
# The same for a trial over history, in which nothing runs beside.
IN_TRIAL: tuple[Maker, ...] = (*REGISTRY[:-1], forest_panel.make_inline)
CLEARED, ACTIVE, UNKNOWN = 0, 1, 2
_CONDITIONS = (Condition.CLEARED, Condition.ACTIVE, Condition.UNKNOWN)
_STATE = ("stated", "stated_since", "condition")


class Panels:
    """Every panel that a site calls for.

    Args:
        community: The site; None where a replay has none.
        plans: The series, in the order of the bank's slots.
        among: Makers of the panels.

    Attributes:
        rules: What they state, one a row.
        grade, why_row: Worst grade of the danger that a row states of each series' zone, and
            which row, one a series; 0 and -1 where there is none.
        spreads: Whether that row speaks of every series it looks at.
    """

    def __init__(
        self,
        community: Community | None,
        plans: Sequence[SeriesPlan],
        among: Sequence[Maker] = REGISTRY,
    ) -> None:
        candidates = [make(community, plans) for make in among]
        made = [panel for panel in candidates if panel is not None]
        self.panels = tuple(made)
        self.rules: tuple[PanelRule, ...] = tuple(r for panel in made for r in panel.rules)
        self._first = np.cumsum([0, *(len(panel.rules) for panel in made)]).tolist()
        self.lane = LimitLane([rule.limits for rule in self.rules])
        size = len(self.rules)
        self.stated: Bytes = np.zeros(size, np.int8)
        self.stated_since: Ints = np.full(size, NEVER, np.int64)
        self.condition: Bytes = np.full(size, UNKNOWN, np.int8)
        self._plans = tuple(plans)
        self._watched: Flags = np.zeros(len(plans), np.bool_)
        for rule in self.rules:
            self._watched[list(rule.slots)] = True
        self._rows_of: dict[int, list[int]] = {}
        for row, rule in enumerate(self.rules):
            for slot in () if rule.fault else rule.slots:
                self._rows_of.setdefault(slot, []).append(row)
        self.grade: Bytes = np.zeros(len(plans), np.int8)
        self.why_row: Ints = np.full(len(plans), -1, np.int64)
        self.spreads: Flags = np.zeros(len(plans), np.bool_)

    def start(self, teach: forest_panel.Teacher | None, now_ms: int) -> None:
        """Start what works beside the warning path."""
        for panel in self.panels:
            if isinstance(panel, forest_panel.ForestPanel):
                panel.start(teach, now_ms)

    def stop(self) -> None:
        """Stop it."""
        for panel in self.panels:
            if isinstance(panel, forest_panel.ForestPanel):
                panel.stop()

    @property
    def size(self) -> int:
        """How many things are stated."""
        return len(self.rules)

    def gate(self, batch: Batch) -> Batch:
        """Return *batch* as the bank may believe it: what neighbours contradict is bad."""
        for panel in self.panels:
            if isinstance(panel, neighbours_panel.NeighboursPanel):
                return panel.gate(batch)
        return batch

    def update(self, bank: Bank, batch: Batch, now_ms: int) -> list[Finding]:
        """Judge a micro-batch that the bank has judged, and return what changed."""
        return [self.finding(row, now_ms) for row in self.advance(bank, batch)]

    def advance(self, bank: Bank, batch: Batch) -> list[int]:
        """Judge a micro-batch that the bank has judged, and return the rows that changed."""
        if not self.rules:
            return []
        keep = self._watched[batch.slot] & ~batch.late & np.isfinite(batch.value)
        keep &= batch.quality == GOOD
        if not keep.any():
            return []
        moved: list[int] = []
        part = batch if keep.all() else batch.take(np.flatnonzero(keep))
        for each in rounds(part):
            for number, panel in enumerate(self.panels):
                rows, at, value = panel.step(bank, each)
                if rows.size:
                    moved += self._state(rows + self._first[number], at, value)
        return list(dict.fromkeys(moved))

    def _state(self, rows: Ints, at: Ints, value: limit_lane.Floats) -> list[int]:
        self.lane.step(rows, at, value, np.zeros(rows.size, np.int8))
        unknown = self.lane.unknown[rows]
        was, grade = self.stated[rows], self.lane.grade[rows]
        grade = np.where(unknown, was, grade)
        condition = np.where(unknown, UNKNOWN, np.where(grade > 0, ACTIVE, CLEARED))
        regraded = (grade != was) | (self.stated_since[rows] == NEVER)
        changed = regraded | (condition != self.condition[rows])
        if not changed.any():
            return []
        self.stated_since[rows] = np.where(regraded, at, self.stated_since[rows])
        self.stated[rows], self.condition[rows] = grade, condition
        moved: list[int] = rows[changed].tolist()
        for row in moved:
            self._map(self.rules[row].slots)
        return moved

    def _map(self, slots: Sequence[int]) -> None:
        """Set the worst grade of the danger for *slots*."""
        for slot in slots:
            rows = self._rows_of.get(slot, [])
            worst = max(rows, key=lambda row: int(self.stated[row]), default=-1)
            self.grade[slot] = self.stated[worst] if worst >= 0 else 0
            self.why_row[slot] = worst
            self.spreads[slot] = worst >= 0 and self.rules[worst].spreads

    @property
    def untold(self) -> list[bool]:
        """True for each rule of sensors' faults that has never been able to judge."""
        never = (self.lane.last_at == NEVER).tolist()
        return [bool(rule.fault) and new for rule, new in zip(self.rules, never, strict=True)]

    def set_absent(self, absent: Flags, now_ms: int) -> list[Finding]:
        """Make unknown what nobody is left to speak of; grades are frozen."""
        gone = [
            row
            for row, rule in enumerate(self.rules)
            if self.condition[row] != UNKNOWN and absent[list(rule.slots)].all()
        ]
        self.condition[gone] = UNKNOWN
        return [self.finding(row, now_ms) for row in gone]

    def because(self, row: int) -> Because:
        """Return why *row* says what it says."""
        rule = self.rules[row]
        index = self.lane.level_index(row)
        level = rule.limits.levels[min(index, len(rule.limits.levels) - 1)]
        told = Because(unit=rule.unit)
        if rule.unit:
            told = Because(unit=rule.unit, limit=level.limit, limit_grade=level.grade.word)
        number = int(np.searchsorted(self._first, row, side="right")) - 1
        return self.panels[number].why(row - self._first[number], told)

    def finding(self, row: int, now_ms: int) -> Finding:
        """Return what is stated now under *row*."""
        rule = self.rules[row]
        grade, condition = Grade(int(self.stated[row])), _CONDITIONS[int(self.condition[row])]
        heard = int(self.lane.last_at[row])
        stamp = now_ms if heard == NEVER else heard
        since = int(self.stated_since[row])
        return Finding(
            subject=rule.subject,
            rule=rule.name,
            zone=rule.zone,
            hazard=rule.hazard,
            grade=grade,
            condition=condition,
            certainty=rule.certainty,
            at=stamp,
            since=stamp if since == NEVER else since,
            judged=now_ms,
            score=float(round(score(self.lane, row, grade), 4)),
            fault=rule.fault if condition is Condition.ACTIVE else "",
            because=self.because(row),
        )

    def collect(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the state as named arrays, with the identities that they run along."""
        arrays = {}
        for name, keys, owner, names in self._parts():
            arrays[f"{name}.key"] = np.array(keys, "U40")
            arrays |= {f"{name}.{each}": np.array(getattr(owner, each)) for each in names}
        return arrays

    def restore(self, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """Put back what *arrays* hold of what is still the same."""
        for name, keys, owner, names in self._parts():
            stored = {str(key): n for n, key in enumerate(arrays.get(f"{name}.key", ()))}
            pairs = [(stored[key], n) for n, key in enumerate(keys) if key in stored]
            for each in names if pairs else ():
                old = arrays.get(f"{name}.{each}")
                if old is not None:
                    getattr(owner, each)[[n for _, n in pairs]] = old[[n for n, _ in pairs]]
        self._map(range(len(self._plans)))

    def _parts(self) -> list[tuple[str, list[str], object, tuple[str, ...]]]:
        keys = [
            key_of(replace(rule, slots=()), [self._plans[slot].series for slot in rule.slots])
            for rule in self.rules
        ]
        parts: list[tuple[str, list[str], object, tuple[str, ...]]] = [
            ("panel-lane", keys, self.lane, limit_lane.STATE),
            ("panel-row", keys, self, _STATE),
        ]
        for panel in self.panels:
            for number, (entries, names) in enumerate(panel.memory):
                name = f"{type(panel).__name__.lower()}-{number}"
                parts.append((name, list(entries), panel, names))
        return parts
