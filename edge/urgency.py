"""Which reading can't wait for the next pack: the urgent lane.

Twice per series, with the limit step that the hub uses, too:

* every frame against the bare limits, so that a crossing leaves although its interval is not over;
* every reading that leaves against the full rule, so that the one which ends the dwell travels at
  once: it is the one on which the hub raises.

Both are urgent once a rise. A device with a weak frame check must cross with two frames in a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.grade import Grade
from core.limits import LimitRule, LimitState, fresh_state, step
from core.quality import Quality
from core.quantity import FACTS, Quantity
from edge.quality import Verdict

_WEAK_SAMPLES = 2


class Urgency:
    """Judges one series.

    Args:
        quantity: What it measures.
        rules: The local limits, or the defaults of the quantity.
        weak: True if one frame of the device is not proof enough.
    """

    def __init__(self, quantity: Quantity, rules: Iterable[LimitRule], *, weak: bool) -> None:
        # Limits of cumulative counters are meant for what was counted in an interval.
        usable = [] if FACTS[quantity].cumulative else list(rules)
        least = _WEAK_SAMPLES if weak else 1
        self._full = [_Step(_agreeing(rule, least)) for rule in usable]
        self._bare = [_Step(_bare(rule, least)) for rule in usable]
        self._is_alarm = quantity is Quantity.ALARM_INPUT
        self._weak = weak
        self._confirmed: float | None = None
        self._seen: float | None = None

    @property
    def calm(self) -> bool:
        """True while no limit is reached: the last frame crosses none of the bare limits."""
        return all(one.grade is Grade.GREEN for one in self._bare)

    def crosses(self, verdict: Verdict, elapsed_ms: int) -> bool:
        """Tell whether this frame crosses a limit, or changes an alarm bit, for the first time."""
        rises = [step.rises(verdict, elapsed_ms) for step in self._bare]
        return self._alarm_changes(verdict) or any(rises)

    def raises(self, verdict: Verdict, elapsed_ms: int) -> bool:
        """Tell whether this reading, which leaves now, raises the local grade."""
        rises = [step.rises(verdict, elapsed_ms) for step in self._full]
        return any(rises)

    def _alarm_changes(self, verdict: Verdict) -> bool:
        value = verdict.value
        if not self._is_alarm or value is None or verdict.quality is Quality.BAD:
            return False
        agrees = not self._weak or value == self._seen
        self._seen = value
        if not agrees or value == self._confirmed:
            return False
        first = self._confirmed is None
        self._confirmed = value
        return not first or value > 0


class _Step:
    """One rule and what it remembers."""

    def __init__(self, rule: LimitRule) -> None:
        self._rule = rule
        self._state: LimitState = fresh_state(rule)

    @property
    def grade(self) -> Grade:
        """The grade that it has reached."""
        return self._state.grade

    def rises(self, verdict: Verdict, elapsed_ms: int) -> bool:
        state = self._state
        before = state.grade
        # Two frames of one read have the same millisecond; the step wants growing times.
        at = elapsed_ms if state.last_at is None else max(elapsed_ms, state.last_at + 1)
        return step(self._rule, state, at, verdict.value, verdict.quality) > before


def _agreeing(rule: LimitRule, least: int) -> LimitRule:
    """Return the rule with at least so many readings in a row."""
    levels = tuple(replace(level, samples=max(level.samples, least)) for level in rule.levels)
    return replace(rule, levels=levels)


def _bare(rule: LimitRule, samples: int) -> LimitRule:
    """Return the rule without its on-delays."""
    levels = tuple(replace(level, dwell_up_ms=0, samples=samples) for level in rule.levels)
    return replace(rule, levels=levels)
