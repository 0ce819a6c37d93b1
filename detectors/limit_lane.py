"""The limit step of `core.limits`, for many rules at once: one row a rule, four levels a row.

Row by row it does what `core.limits.step` does (`tests/contracts/test_detector_bank.py` holds the
two together), except that off-delays are counted only while a level is on: of a quiet row below all
of its limits nothing needs to be touched, and most rows are quiet. Rules on slopes, lead times and
shares use the same step: only what is fed differs, so that every warning has the same hysteresis,
delays and treatment of quality.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.limits import LimitRule
from detectors.kinds import Places, kinds_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

LEVELS = 4
# Delays count up to 24 days, which no dwell reaches: they fit four bytes. Readings in a row count
# up to this many; a level that asked for more would come on here.
MOST_MS = 2**31 - 1
MOST_SAMPLES = 2**16 - 1
# Bits of what is true of a level: it is on; the last reading was beyond its limit, or clear of it.
ON, BREACH, CLEAR = 1, 2, 4
# "No reading yet": so long ago that any gap to it is unobserved time, and differences still fit.
NEVER = -(2**61)
GOOD, UNCERTAIN, BAD = 0, 1, 2

# What has to survive a restart, by attribute name.
STATE = (
    "busy",
    "flags",
    "up_samples",
    "held_ms",
    "grade",
    "since",
    "unknown",
    "last_at",
    "value",
    "quality",
)


class _Kinds:
    """Parameters of distinct rules, one a row, four levels a row."""

    def __init__(self, rules: Sequence[LimitRule]) -> None:
        shape = (len(rules), LEVELS)
        self.limit = np.full(shape, np.inf)
        self.release = np.full(shape, -np.inf)
        self.dwell_up_ms = np.zeros(shape, np.int64)
        self.dwell_down_ms = np.zeros(shape, np.int64)
        self.samples = np.ones(shape, np.int64)
        self.grade_of = np.zeros(shape, np.int8)
        self.sign = np.ones(len(rules))
        self.gap_ms = np.zeros(len(rules), np.int64)
        for row, rule in enumerate(rules):
            self._set_rule(row, rule)
        self.lowest = self.limit.min(axis=1, initial=np.inf)

    def _set_rule(self, row: int, rule: LimitRule) -> None:
        if len(rule.levels) > LEVELS:
            raise ValueError(f"a rule has {len(rule.levels)} levels; at most {LEVELS} grades exist")
        sign = 1.0 if rule.high else -1.0
        self.sign[row] = sign
        self.gap_ms[row] = rule.gap_ms
        for index, level in enumerate(rule.levels):
            self.limit[row, index] = level.limit if rule.high else -level.limit
            self.release[row, index] = self.limit[row, index] - rule.deadband(level)
            self.dwell_up_ms[row, index] = level.dwell_up_ms
            self.dwell_down_ms[row, index] = level.dwell_down_ms
            self.samples[row, index] = min(level.samples, MOST_SAMPLES)
            self.grade_of[row, index] = level.grade


class LimitLane:
    """State of many limit rules as a structure of arrays.

    Args:
        rules: One a row, each with at most four levels.

    Attributes:
        grade, since, unknown, last_at: As in `core.limits.LimitState`, one a row.
        kinds: The distinct rules; many rows share one (`kind` tells which).
        busy: True while a level of the row is on, or counts its on-delay.
        flags: `ON`, `BREACH` and `CLEAR` of each level.
        up_samples: Readings in a row beyond the limit of each level.
        held_ms: Milliseconds of each level's on-delay; below zero those of its off-delay, which
            never runs at the same time.
        value, quality: The last usable value that was fed, and its quality code.
    """

    def __init__(self, rules: Sequence[LimitRule]) -> None:
        size = len(rules)
        shape = (size, LEVELS)
        self.size = size
        distinct, self.kind = kinds_of(rules)
        self.kinds = _Kinds(distinct)
        self.busy: Flags = np.zeros(size, np.bool_)
        self.flags = np.zeros(shape, np.uint8)
        self.up_samples = np.zeros(shape, np.uint16)
        self.held_ms = np.zeros(shape, np.int32)
        self.grade: Bytes = np.zeros(size, np.int8)
        self.since: Ints = np.full(size, NEVER, np.int64)
        self.unknown: Flags = np.zeros(size, np.bool_)
        self.last_at: Ints = np.full(size, NEVER, np.int64)
        self.value: Floats = np.full(size, np.nan)
        self.quality: Bytes = np.zeros(size, np.int8)

    def step(self, rows: Ints, at: Ints, value: Floats, quality: Bytes) -> None:
        """Judge one reading for each of *rows*, which must be distinct.

        Args:
            rows: Which rules.
            at: Event time in milliseconds.
            value: In the unit of the rule's limits; not finite counts as bad.
            quality: 0 good, 1 uncertain, 2 bad.
        """
        last = self.last_at[rows]
        newer = at > last
        usable = newer & (quality < BAD) & np.isfinite(value)
        if not usable.all():
            self.unknown[rows[newer & ~usable]] = True
            rows, at, value = rows[usable], at[usable], value[usable]
            quality, last = quality[usable], last[usable]
            if not rows.size:
                return
        kind = self.kind[rows]
        signed = value * self.kinds.sign[kind]
        active = np.flatnonzero(self.busy[rows] | (signed >= self.kinds.lowest[kind]))
        if active.size:
            self._advance(rows[active], at[active], signed[active], quality[active], last[active])
        if (last == NEVER).any():
            first = rows[(last == NEVER) & (self.grade[rows] == 0)]
            self.since[first] = at[(last == NEVER) & (self.grade[rows] == 0)]
        self.last_at[rows] = at
        self.unknown[rows] = False
        self.value[rows] = value
        self.quality[rows] = quality

    def _advance(self, rows: Ints, at: Ints, signed: Floats, quality: Bytes, last: Ints) -> None:
        """Advance the levels of rows that are not quiet, and their grade."""
        kind = self.kind[rows]
        gap = at - last
        seen = np.where(gap <= self.kinds.gap_ms[kind], gap, 0)[:, None]
        self._delays(rows, kind, signed[:, None], seen, (quality == GOOD)[:, None])
        grade = ((self.flags[rows] & ON) * self.kinds.grade_of[kind]).max(axis=1)
        moved = grade != self.grade[rows]
        self.since[rows[moved]] = at[moved]
        self.grade[rows] = grade

    def _delays(self, rows: Ints, kind: Places, signed: Floats, seen: Ints, good: Flags) -> None:
        """Advance the on-delay and the off-delay of every level of *rows*."""
        kinds = self.kinds
        breach = signed >= kinds.limit[kind]
        clear = (signed < kinds.release[kind]) & good
        keep = breach | ~good
        flags, held_ms = self.flags[rows], self.held_ms[rows]
        up_samples = self.up_samples[rows].astype(np.int64) * keep + breach
        up_samples = np.minimum(up_samples, MOST_SAMPLES)
        up_ms = np.maximum(held_ms, 0) * keep + seen * (breach & ((flags & BREACH) > 0))
        down_ms = (np.maximum(-held_ms, 0) + seen * ((flags & CLEAR) > 0)) * clear
        up_ms, down_ms = np.minimum(up_ms, MOST_MS), np.minimum(down_ms, MOST_MS)
        raised = breach & (up_samples >= kinds.samples[kind]) & (up_ms >= kinds.dwell_up_ms[kind])
        left = clear & (down_ms >= kinds.dwell_down_ms[kind])
        on = (((flags & ON) > 0) | raised) & ~left
        self.flags[rows] = on * ON + breach * BREACH + clear * CLEAR
        self.up_samples[rows] = up_samples
        self.held_ms[rows] = up_ms - down_ms
        self.busy[rows] = (on | (up_samples > 0)).any(axis=1)

    def level_index(self, row: int) -> int:
        """Return the level that explains the row's grade: the one of the grade, else the lowest."""
        here = np.flatnonzero(self.kinds.grade_of[self.kind[row]] == self.grade[row])
        return int(here[0]) if here.size else 0

    def limits_of(self, row: int) -> Floats:
        """Return the limits of a row, lowest grade first, positive in the direction of danger."""
        limits: Floats = self.kinds.limit[self.kind[row]]
        return limits
