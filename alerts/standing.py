"""Since when each (zone, hazard) has stood as it stands: what is published and shown as its grade.

Not thread-safe by itself: the watch calls it under its lock.
"""

from __future__ import annotations

from alerts.board import Key
from alerts.incident import Incident
from core.finding import Condition, ZoneGrade
from core.grade import Grade


class Standing:
    """Remembers when a grade or condition began."""

    def __init__(self) -> None:
        self._since: dict[Key, tuple[Grade, Condition, int]] = {}

    def grade(self, key: Key, incident: Incident | None, now: int, *, known: bool) -> ZoneGrade:
        """Return the grade of one (zone, hazard).

        Args:
            key: Which.
            incident: Its open incident, if there is one.
            now: Run time (ms).
            known: False if a finding of it is unknown or missing; then green is not green.
        """
        grade, condition, number = Grade.GREEN, Condition.CLEARED, 0
        if incident is not None:
            grade, condition, number = incident.grade, incident.condition, incident.number
        if condition is Condition.CLEARED and not known:
            condition = Condition.UNKNOWN
        before = self._since.get(key)
        if before is None or before[:2] != (grade, condition):
            began = incident.grade_at if incident is not None and before is None else now
            self._since[key] = before = (grade, condition, began)
        return ZoneGrade(
            zone=key.zone, hazard=key.hazard, grade=grade, condition=condition,
            since=before[2], at=now, incident=number,
        )  # fmt: skip
