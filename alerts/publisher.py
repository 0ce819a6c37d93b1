"""Zone grades on MQTT: retained, on change and every minute, so that silence means something."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.board import Key
from core import topics
from core.broker import Broker
from core.clock import Clock
from core.finding import Condition, ZoneGrade, encode_zone_grade
from core.grade import Grade

# After a (re)connect retained findings need a moment; before that green would be said too early.
SETTLE_S = 2.0


class GradePublisher:
    """Publishes the grades of one site. `linked` may be called from any thread."""

    def __init__(self, broker: Broker, site: str, clock: Clock) -> None:
        self._broker = broker
        self._site = site
        self._clock = clock
        self._next_s = float("inf")
        self._said: dict[Key, tuple[Grade, Condition, int]] = {}

    def linked(self) -> None:
        """The broker has us (again): say everything soon."""
        self._next_s = self._clock.monotonic_s() + SETTLE_S

    def due(self) -> bool:
        """Tell whether it is time to say everything again."""
        return self._clock.monotonic_s() >= self._next_s

    def publish(self, grades: Sequence[ZoneGrade], *, only_new: bool = False) -> None:
        """Publish grades; with `only_new` those that differ from what was said last."""
        if not only_new:
            self._next_s = self._clock.monotonic_s() + topics.REFRESH_S
        for grade in grades:
            key = Key(grade.zone, grade.hazard)
            words = (grade.grade, grade.condition, grade.incident)
            if only_new and self._said.get(key) == words:
                continue
            publication = self._broker.publish(
                topics.grade(self._site, grade.zone, str(grade.hazard)),
                encode_zone_grade(grade),
                retain=True,
                expiry_s=topics.RETAINED_EXPIRY_S,
            )
            if publication.ok:
                self._said[key] = words
            else:  # no link: `linked` has everything said again
                self._said.pop(key, None)
