"""Can the hub be reached, and what did it last warn of? Pure: monotonic wall seconds come in.

The hub is reached while the broker answers *and* alerts is heard: a broker without anybody behind
it tells nobody. Retained messages prove nothing; they may be from an hour ago.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from core.heartbeat import HEARTBEAT_S
from core.topics import REFRESH_S

# Three beats may be missing (wall s) before the hub counts as silent. A hub that has no heartbeat
# is heard by its grades only, once a minute.
SILENT_AFTER_S = 3 * HEARTBEAT_S
GRADES_ONLY_S = 2.5 * REFRESH_S
# Stations remember so many warnings at most: zones times hazards of a large site.
_MOST_WARNINGS = 1_000


class HubContact:
    """Follows the signs of life of the hub.

    Args:
        now_s: Monotonic wall seconds of the start: from then on the hub is waited for.
        speed: Run seconds in a wall second.
    """

    def __init__(self, now_s: float, speed: float) -> None:
        self._speed = speed
        self._sign_s = now_s
        self._linked = False
        self._beats = False
        self._heard = False
        self._reached_s: float | None = None
        self._began_s = now_s
        self._before_s = now_s

    def recall(self, sign_s: float) -> None:
        """The hub has been silent since then, before the program was started anew.

        That counts once it has had the time to be heard again.
        """
        self._before_s = sign_s

    def link(self, *, linked: bool) -> None:
        """The broker answers, or does not."""
        self._linked = linked

    def beat(self, now_s: float, *, judging: bool) -> None:
        """A heartbeat came."""
        self._beats = True
        if judging:
            self._sign(now_s)

    def grade(self, now_s: float) -> None:
        """A grade came that was published just now."""
        if not self._beats:
            self._sign(now_s)

    def reachable(self, now_s: float) -> bool:
        """Tell whether the hub can be reached."""
        patience_s = SILENT_AFTER_S if self._beats else GRADES_ONLY_S
        return self._linked and self._heard and now_s - self._sign_s <= patience_s

    def has_settled(self, now_s: float) -> bool:
        """Tell whether the hub was reachable for so long that it has said every grade."""
        if not self.reachable(now_s):
            self._reached_s = None
            return False
        if self._reached_s is None:
            self._reached_s = now_s
        return now_s - self._reached_s >= GRADES_ONLY_S

    def silent_ms(self, now_s: float) -> int:
        """Return for how many run ms the hub has not been heard; 0 while it can be reached."""
        since_s = self.silent_since_s(now_s)
        return 0 if since_s is None else max(round((now_s - since_s) * self._speed * 1000), 1)

    def silent_since_s(self, now_s: float) -> float | None:
        """Return since when the hub has not been heard; None while it can be reached."""
        if self.reachable(now_s):
            return None
        if not self._heard and now_s - self._began_s >= SILENT_AFTER_S:
            return self._before_s
        return self._sign_s

    def _sign(self, now_s: float) -> None:
        self._sign_s, self._heard = now_s, True


class HubWarning(NamedTuple):
    """One warning of the hub."""

    zone: str
    hazard: Hazard
    grade: Grade


class HubWarnings:
    """What the hub last said of each zone and hazard; retained grades count, too."""

    def __init__(self) -> None:
        self._grades: dict[tuple[str, Hazard], Grade] = {}
        self._known: dict[tuple[str, Hazard], Grade] = {}
        self._recalled: set[tuple[str, Hazard]] = set()

    def said(self) -> dict[tuple[str, Hazard], tuple[Grade, Grade]]:
        """Return every warning, and up to which grade a person has it."""
        return {
            key: (grade, self._known.get(key, Grade.GREEN)) for key, grade in self._grades.items()
        }

    def recall(self, said: Mapping[tuple[str, Hazard], tuple[Grade, Grade]]) -> None:
        """Take back what was said before the program was started anew."""
        for key, (grade, known) in said.items():
            self._grades[key] = grade
            if known > Grade.GREEN:
                self._known[key] = known
            self._recalled.add(key)

    def drop_recalled(self) -> None:
        """The hub has been heard for a while: what it has not said again it does not say."""
        for key in self._recalled:
            self._grades.pop(key, None)
            self._known.pop(key, None)
        self._recalled.clear()

    def take(self, said: ZoneGrade) -> None:
        """Note a grade. What has cleared is over; what is unknown goes on as it was."""
        key = (said.zone, said.hazard)
        self._recalled.discard(key)
        if said.condition is Condition.CLEARED or said.grade is Grade.GREEN:
            self._grades.pop(key, None)
            self._known.pop(key, None)
        elif key in self._grades or len(self._grades) < _MOST_WARNINGS:
            self._grades[key] = said.grade

    def acknowledge(self) -> None:
        """A person has what is warned of now; what becomes worse is news again."""
        self._known = dict(self._grades)

    def worst(self, zone: str, least: Grade) -> HubWarning | None:
        """Return the worst warning of a zone from *least* on that nobody has acknowledged."""
        found = [
            HubWarning(zone, hazard, grade)
            for (place, hazard), grade in self._grades.items()
            if place == zone
            and grade >= least
            and grade > self._known.get((place, hazard), Grade.GREEN)
        ]
        return max(found, key=lambda warning: warning.grade, default=None)
