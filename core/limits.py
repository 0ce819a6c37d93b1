"""The limit step: the grade of a value with hysteresis and dwell, one reading at a time.

Stations use it alone (local limits, urgent lane); the detector bank is contract-tested against it.
Each grade is a level of its own with its own on-delay and off-delay (ISA-18.2), and the grade of
the value is the highest level that is on. A value that sinks therefore steps down grade by grade.

Rules (interfaces, Quality and Time):

* good: counts towards both delays;
* uncertain: raises and holds, never clears; "at least" readings count as their value;
* bad: freezes everything and makes the condition unknown;
* durations count *observed* time: a gap longer than `gap_ms` counts as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, isfinite

from core.grade import WARNING_GRADES, Grade
from core.quality import Quality
from core.quantity import FACTS, Quantity


@dataclass(frozen=True, slots=True)
class Level:
    """When one grade is reached and when it is left.

    Attributes:
        grade: The grade.
        limit: Reached at this value (at or above for side high, at or below for side low).
        dwell_up_ms: On-delay: how long the condition must have been observed.
        samples: How many consecutive readings must agree, too.
        dwell_down_ms: Off-delay: how long the value must have been beyond the deadband.
        hysteresis: Deadband of this level in the canonical unit; None for that of the rule.
    """

    grade: Grade
    limit: float
    dwell_up_ms: int = 0
    samples: int = 1
    dwell_down_ms: int = 0
    hysteresis: float | None = None


@dataclass(frozen=True, slots=True)
class LimitRule:
    """The limits of one series on one side.

    Attributes:
        levels: Lowest grade first, each grade at most once.
        high: True if large values are dangerous.
        hysteresis: Deadband in the canonical unit: how far back before a level may be left.
        gap_ms: A longer silence between two readings counts as no observed time.
        reason: Why these limits, here.
    """

    levels: tuple[Level, ...]
    high: bool = True
    hysteresis: float = 0.0
    gap_ms: int = 30_000
    reason: str = ""

    def deadband(self, level: Level) -> float:
        """Return how far back from its limit *level* may be left, in the canonical unit."""
        return self.hysteresis if level.hysteresis is None else level.hysteresis

    def limit_of(self, grade: Grade) -> float | None:
        """Return the limit of *grade*, or None if this rule has none."""
        return next((level.limit for level in self.levels if level.grade is grade), None)


def default_rule(quantity: Quantity, gap_ms: int = 30_000) -> LimitRule | None:
    """Return the rule of the quantity table, or None where it has no default.

    >>> default_rule(Quantity.CARBON_MONOXIDE).limit_of(Grade.RED)
    300.0
    """
    facts = FACTS[quantity]
    if not facts.defaults:
        return None
    levels = tuple(
        Level(
            step.grade,
            step.limit,
            dwell_up_ms=round(step.dwell_up_s * 1000),
            samples=step.samples,
            dwell_down_ms=DEFAULT_DWELL_DOWN_MS,
        )
        for step in facts.defaults
    )
    return LimitRule(levels, hysteresis=facts.hysteresis, gap_ms=gap_ms, reason=facts.source)


# Off-delay where nobody chose one: 300 s, the usual setting of process alarms for levels and gas.
DEFAULT_DWELL_DOWN_MS = 300_000


@dataclass(slots=True)
class LimitState:
    """What the step remembers of one series under one rule. Lists run parallel to the levels.

    Attributes:
        grade: Current grade.
        since: When the current grade began (milliseconds), None before the first reading.
        unknown: True after a bad reading, until the next usable one.
        last_at: Time of the last usable reading.
    """

    on: list[bool]
    up_ms: list[int]
    up_samples: list[int]
    down_ms: list[int]
    grade: Grade = Grade.GREEN
    since: int | None = None
    unknown: bool = False
    last_at: int | None = None
    breach: list[bool] = field(default_factory=list)
    clear: list[bool] = field(default_factory=list)


def fresh_state(rule: LimitRule) -> LimitState:
    """Return the state before any reading."""
    size = len(rule.levels)
    return LimitState(
        [False] * size,
        [0] * size,
        [0] * size,
        [0] * size,
        breach=[False] * size,
        clear=[False] * size,
    )


def step(
    rule: LimitRule,
    state: LimitState,
    at: int,
    value: float | None,
    quality: Quality = Quality.GOOD,
) -> Grade:
    """Judge one reading and return the grade; *state* is updated in place.

    Observed time counts between two consecutive readings that both met the condition.
    A reading that is not later than the last one is ignored (duplicate or late).

    >>> rule = LimitRule((Level(Grade.BLUE, 0.05), Level(Grade.RED, 0.27)), hysteresis=0.02)
    >>> state = fresh_state(rule)
    >>> [step(rule, state, t, v).word for t, v in ((0, 0.0), (1000, 0.3), (2000, 0.26))]
    ['green', 'red', 'red']
    """
    if state.last_at is not None and at <= state.last_at:
        return state.grade
    if quality is Quality.BAD or value is None or not isfinite(value):
        state.unknown = True
        return state.grade
    gap = at - state.last_at if state.last_at is not None else inf
    seen_ms = int(gap) if gap <= rule.gap_ms else 0
    may_clear = quality is Quality.GOOD
    signed = value if rule.high else -value
    highest = Grade.GREEN
    for index, level in enumerate(rule.levels):
        _step_level(rule, state, index, signed, seen_ms, may_clear=may_clear)
        if state.on[index]:
            highest = level.grade
    state.last_at = at
    state.unknown = False
    if highest is not state.grade or state.since is None:
        state.since = at
    state.grade = highest
    return highest


def _step_level(
    rule: LimitRule,
    state: LimitState,
    index: int,
    signed: float,
    seen_ms: int,
    *,
    may_clear: bool,
) -> None:
    """Advance the on-delay and the off-delay of one level by one usable reading."""
    level = rule.levels[index]
    limit = level.limit if rule.high else -level.limit
    breach = signed >= limit
    clear = may_clear and signed < limit - rule.deadband(level)
    if breach:
        state.up_samples[index] += 1
        state.up_ms[index] += seen_ms if state.breach[index] else 0
        if state.up_samples[index] >= level.samples and state.up_ms[index] >= level.dwell_up_ms:
            state.on[index] = True
    elif may_clear:
        state.up_samples[index] = 0
        state.up_ms[index] = 0
    if clear:
        state.down_ms[index] += seen_ms if state.clear[index] else 0
        if state.on[index] and state.down_ms[index] >= level.dwell_down_ms:
            state.on[index] = False
    else:
        state.down_ms[index] = 0
    state.breach[index] = breach
    state.clear[index] = clear


def rule_from_limits(
    limits: dict[Grade, float],
    *,
    high: bool = True,
    hysteresis: float = 0.0,
    dwell_up_ms: int = 0,
    dwell_down_ms: int = DEFAULT_DWELL_DOWN_MS,
    gap_ms: int = 30_000,
    reason: str = "",
) -> LimitRule:
    """Build a rule from one limit a grade.

    Raises:
        ValueError: A worse grade has a less dangerous limit, there is none, or one is not finite.

    >>> rule_from_limits({Grade.YELLOW: 2.5, Grade.RED: 5.0}).levels[0].grade.word
    'yellow'
    """
    levels = tuple(
        Level(grade, limits[grade], dwell_up_ms, 1, dwell_down_ms)
        for grade in WARNING_GRADES
        if grade in limits
    )
    if not levels:
        raise ValueError("a limit needs at least one of blue, yellow, orange, red")
    signed = [level.limit if high else -level.limit for level in levels]
    if not all(isfinite(value) for value in signed):
        raise ValueError("limits must be finite numbers")
    if any(low > up for low, up in pairwise(signed)):
        side = "rise" if high else "fall"
        raise ValueError(f"limits must {side} from blue to red")
    return LimitRule(levels, high, hysteresis, gap_ms, reason)
