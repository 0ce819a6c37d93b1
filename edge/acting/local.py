"""The local grade of each series that an act depends on: the hub's own limit step, on the station.

Judged are the readings that leave sampling, as the hub judges them, so that both come to the same
grade. Called on the threads of the ports; what changes goes to a bounded queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from core.community import LimitEntry, SensorEntry, rules_for
from core.finding import Hazard
from core.grade import Grade
from core.limits import LimitRule, LimitState, fresh_state, step
from core.quality import Quality
from core.quantity import FACTS, Quantity

# Frames that must agree where the device's frame check is weak (interfaces, Quality).
_WEAK_SAMPLES = 2
# What waits for the acting thread at most; it looks five times a second.
_MOST_WAITING = 10_000

SeriesKey = tuple[str, Quantity]


class LocalGrade(NamedTuple):
    """A series has another local grade than before, or the same with a newer value."""

    sensor: str
    quantity: Quantity
    zone: str
    hazard: Hazard
    grade: Grade
    value: float
    limit: float | None


class InputValue(NamedTuple):
    """A feedback or a button has this usable value."""

    sensor: str
    quantity: Quantity
    value: float


@dataclass(slots=True)
class _Judge:
    entry: SensorEntry
    rules: tuple[tuple[LimitRule, LimitState], ...]
    grade: Grade = Grade.GREEN


class LocalLimits:
    """Judges what matters to the acts of a station.

    Args:
        watched: Zone and quantity of every act.
        inputs: Series of feedbacks and buttons.
        sensors, limits: Of the station's file.
        weak: Sensors whose device has a weak frame check.
    """

    def __init__(
        self,
        watched: Iterable[tuple[str, Quantity]],
        inputs: Iterable[SeriesKey],
        sensors: Sequence[SensorEntry],
        limits: Sequence[LimitEntry],
        weak: Iterable[str],
    ) -> None:
        wanted, frail = {*watched}, {*weak}
        self._inputs = {*inputs}
        self._news: deque[LocalGrade | InputValue] = deque(maxlen=_MOST_WAITING)
        self._judges: dict[SeriesKey, _Judge] = {}
        for entry in sensors:
            for quantity in entry.quantities:
                if (entry.zone, quantity) in wanted and not FACTS[quantity].cumulative:
                    rules = rules_for(limits, entry, quantity)
                    if entry.id in frail:
                        rules = tuple(_agreeing(rule) for rule in rules)
                    held = tuple((rule, fresh_state(rule)) for rule in rules)
                    self._judges[entry.id, quantity] = _Judge(entry, held)

    def take(
        self,
        sensor: str,
        quantity: Quantity,
        value: float | None,
        quality: Quality,
        elapsed_ms: int,
    ) -> bool:
        """Take a reading that leaves; True if the acting thread has something to look at now."""
        key = (sensor, quantity)
        urgent = False
        if key in self._inputs and value is not None and quality is not Quality.BAD:
            self._news.append(InputValue(sensor, quantity, value))
            urgent = True
        judge = self._judges.get(key)
        if judge is not None and value is not None:
            urgent |= self._judge(judge, quantity, value, quality, elapsed_ms)
        return urgent

    def news(self) -> list[LocalGrade | InputValue]:
        """Take what has changed since the last call."""
        found = []
        while self._news:
            found.append(self._news.popleft())
        return found

    def _judge(
        self, judge: _Judge, quantity: Quantity, value: float, quality: Quality, elapsed_ms: int
    ) -> bool:
        worst, limit = Grade.GREEN, None
        for rule, state in judge.rules:
            at = elapsed_ms if state.last_at is None else max(elapsed_ms, state.last_at + 1)
            grade = step(rule, state, at, value, quality)
            if grade > worst:
                worst, limit = grade, rule.limit_of(grade)
        changed = worst is not judge.grade
        if changed or (worst > Grade.GREEN and quality is not Quality.BAD):
            entry = judge.entry
            self._news.append(
                LocalGrade(entry.id, quantity, entry.zone, entry.hazard, worst, value, limit)
            )
        judge.grade = worst
        return changed


def _agreeing(rule: LimitRule) -> LimitRule:
    levels = tuple(
        replace(level, samples=max(level.samples, _WEAK_SAMPLES)) for level in rule.levels
    )
    return replace(rule, levels=levels)
