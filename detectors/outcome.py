"""What the bank stated after each reading of a replay, kept small, told as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from core.grade import Grade
from core.quality import Reason
from detectors.bank import Bank
from detectors.batch import NO_REASON, REASON_CODES, REASONS
from detectors.explanation import because, fault_of, score
from detectors.limit_lane import Bytes, Ints
from detectors.panels import Panels

_NONE = np.int8(127)
# Score of a reading that is quiet by itself.
_STILL = 0.49
_NO_WHY: dict[str, Any] = {"detector": "", "because": {}}
_NEIGHBOURS = REASON_CODES[Reason.NEIGHBOURS]
_CONTRADICTED: dict[str, Any] = {"detector": "neighbours", "because": {"rule": "neighbours"}}
_QUIET = {"score": 0.0, "grade": Grade.GREEN.word, **_NO_WHY}


class Outcomes:
    """One statement a (stream, row): the worst rule, with its reasons where it is not green.

    Args:
        bank: The bank that judges.
        sizes: Rows of each of its series.
        panels: What is stated of several series together; it raises the grade of those concerned.

    Attributes:
        slot_of: Slot of each stream that was judged.
    """

    def __init__(self, bank: Bank, sizes: Sequence[int], panels: Panels | None = None) -> None:
        self._bank = bank
        self._panels = panels if panels is not None and panels.rules else None
        width = max((len(plan.rules) for plan in bank.plans), default=0)
        self._rows = np.full((len(bank.plans), max(width, 1)), -1, np.int64)
        starts = np.searchsorted(bank.row_slot, np.arange(len(bank.plans)))
        for slot, plan in enumerate(bank.plans):
            self._rows[slot, : len(plan.rules)] = starts[slot] + np.arange(len(plan.rules))
        # Rules that speak of the sensor give the fault its word, and never touch the grade.
        of_sensor = np.array([rule.of_sensor for rule in bank.rules] + [False], np.bool_)
        self._blank = (self._rows < 0) | of_sensor[self._rows]
        word = [
            REASON_CODES[Reason(fault_of(rule))] if rule.of_sensor else NO_REASON
            for rule in bank.rules
        ]
        self._word = np.array([*word, NO_REASON], np.int8)
        self._watched = bool(of_sensor.any())
        self._start = np.concatenate(([0], np.cumsum(np.asarray(sizes, np.int64))))
        size = int(self._start[-1])
        self._grade = np.zeros(size, np.int8)
        self._fault = np.full(size, NO_REASON, np.int8)
        self._score = np.zeros(size, np.float32)
        self._judged = np.zeros(size, np.bool_)
        self._why: dict[int, dict[str, Any]] = {}
        self._held: dict[int, Ints] = {}
        self.slot_of: dict[int, int] = {}

    def note(self, slots: Ints, rows: Ints) -> None:
        """Keep what the bank states now of *slots*, which have just judged *rows*."""
        bank = self._bank
        of_slot = self._rows[slots]
        grades = np.where(self._blank[slots], -1, bank.stated[of_slot])
        grade = np.maximum(grades.max(axis=1), 0)
        found = self._found(of_slot)
        own = bank.reason[slots]
        # Of several faults the one first in the list is told: a jump is over sooner than the rest.
        first = np.where(found == NO_REASON, _NONE, found).min(axis=1)
        first = np.where(first == _NONE, NO_REASON, first).astype(np.int8)
        fault = np.where(own == NO_REASON, first, own)
        cells = self._start[slots] + rows
        self._judged[cells] = True
        lowest = bank.lane.kinds.lowest[bank.lane.kind[of_slot[:, 0]]]
        share = bank.lane.value[of_slot[:, 0]] / np.where(lowest > 0, lowest, np.inf)
        # A rule that can't judge yet has no number: that is quiet, too.
        self._score[cells] = np.clip(np.nan_to_num(0.5 * share), 0.0, _STILL)
        noted = np.flatnonzero((grade > 0) | (fault != NO_REASON))
        if noted.size:
            self._explain(noted, of_slot, cells, (grades, grade), (found, fault))
        if self._panels is not None and self._panels.grade[slots].any():
            self._raise(slots, cells, grade.astype(np.int8))

    def _explain(
        self,
        noted: Ints,
        of_slot: Ints,
        cells: Ints,
        graded: tuple[Bytes, Bytes],
        faulty: tuple[Bytes, Bytes],
    ) -> None:
        """Keep grade, fault and reasons of the *noted* places."""
        (grades, grade), (found, fault) = graded, faulty
        self._grade[cells] = grade
        self._fault[cells] = fault
        # Why: the worst rule of the danger; of a green one, what is wrong with the sensor.
        ranked = np.where((grade > 0)[:, None], grades, found == fault[:, None])
        best = of_slot[noted, ranked[noted].argmax(axis=1)]
        for cell, row, worst in zip(cells[noted], best, grade[noted], strict=True):
            self._keep(int(cell), int(row), Grade(int(worst)))
        for cell in cells[noted[(fault[noted] == _NEIGHBOURS) & (grade[noted] == 0)]].tolist():
            self._why[cell] = _CONTRADICTED

    def _raise(self, slots: Ints, cells: Ints, grade: Bytes) -> None:
        """Raise what panels state to be worse than each series by itself."""
        panels = self._panels
        assert panels is not None
        worse = panels.grade[slots] > grade
        worse &= (grade > 0) | panels.spreads[slots]
        for place in np.flatnonzero(worse).tolist():
            row, cell = int(panels.why_row[slots[place]]), int(cells[place])
            stated = Grade(int(panels.stated[row]))
            self._grade[cell] = stated
            self._score[cell] = score(panels.lane, row, stated)
            since = np.datetime64(int(panels.stated_since[row]), "ms")
            name = panels.rules[row].name
            self._why[cell] = {
                "detector": name,
                "because": {
                    "rule": name,
                    "since": f"{np.datetime_as_string(since, unit='s')}Z",
                    **msgspec.to_builtins(panels.because(row)),
                },
            }

    def _found(self, of_slot: Ints) -> Bytes:
        """Return the word of each rule that speaks of a fault of the sensor now."""
        if not self._watched:
            return np.full(of_slot.shape, NO_REASON, np.int8)
        return np.where(self._bank.stated[of_slot] > 0, self._word[of_slot], np.int8(NO_REASON))

    def _keep(self, cell: int, best: int, grade: Grade) -> None:
        bank = self._bank
        lane = bank.lane
        told = score(lane, best, grade)
        detector = bank.rules[best].detector
        if detector is not None and detector.momentary and not self._begins(cell, best):
            told = min(told, _STILL)
        self._score[cell] = told
        why = because(bank, best, (lane, best), grade)
        since = np.datetime64(int(bank.stated_since[best]), "ms")
        self._why[cell] = {
            "detector": bank.rules[best].name,
            "because": {
                "rule": bank.rules[best].name,
                "since": f"{np.datetime_as_string(since, unit='s')}Z",
                **msgspec.to_builtins(why),
            },
        }

    def _begins(self, cell: int, row: int) -> bool:
        """Tell whether the reading of *cell* is the one that began what *row* states."""
        first = cell in self._start or self._grade[cell - 1] == Grade.GREEN
        return bool(first and self._bank.stated_since[row] == self._bank.lane.last_at[row])

    def worth_telling(self, slots: Sequence[int]) -> Ints:
        """Return the rows at which one of *slots* is not green or has a fault."""
        found = [
            np.flatnonzero((self._grade[cells] > 0) | (self._fault[cells] != NO_REASON))
            for cells in (self._lasting(slot) for slot in slots)
        ]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def _lasting(self, slot: int) -> Ints:
        """Return for each row of *slot* the cell whose judgement holds: the last one judged."""
        if slot not in self._held:
            start, end = int(self._start[slot]), int(self._start[slot + 1])
            cells = np.arange(start, end)
            judged = np.where(self._judged[start:end], cells, start)
            self._held[slot] = np.maximum.accumulate(judged) if judged.size else judged
        return self._held[slot]

    def line(self, slots: Sequence[int], row: int, *, missing: bool) -> dict[str, Any]:
        """Return score, grade, fault, detector and because of a channel's *slots* at *row*."""
        if not slots:
            return {**_QUIET, "fault": Reason.MISSING.value if missing else None}
        cells = [int(self._lasting(slot)[row]) for slot in slots]
        fault = max(int(self._fault[one]) for one in cells)
        cell = max(
            cells, key=lambda one: (self._grade[one], self._fault[one] == fault, self._score[one])
        )
        word = REASONS[fault].value if fault != NO_REASON else None
        return {
            "score": round(float(self._score[cell]), 4),
            "grade": Grade(int(self._grade[cell])).word,
            "fault": Reason.MISSING.value if missing else word,
            **self._why.get(cell, _NO_WHY),
        }
