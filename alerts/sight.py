"""What the watch sees: the board, the open incidents, and what they come to at this moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from alerts.board import Board, Key, subject_of
from alerts.grading import Judgement, all_known, judge
from alerts.incident import Incident
from alerts.outbox import Times
from alerts.standing import Standing
from alerts.store import Kept, Store
from alerts.withholding import Withholding
from core.clock import Clock
from core.community import Community
from core.finding import Condition, Finding, Hazard, ZoneGrade
from core.grade import Grade


class Sight:
    """Holds what is known and answers questions; `alerts.watch` changes it. One lock.

    Args:
        store: Where incidents are.
        community: The profile.
        clock: Clock of the run.
        drill: Id of the drill whose incidents are seen; "" sees the actual ones.
    """

    def __init__(self, store: Store, community: Community, clock: Clock, drill: str) -> None:
        self._store = store
        self._community = community
        self._clock = clock
        self._drill = drill
        self._board = Board()
        self._lock = threading.RLock()
        self._open: dict[Key, Kept] = {}
        self._explained: frozenset[str] = frozenset()
        self._standing = Standing()
        self._withholdings: tuple[Withholding, ...] = ()
        self.reload()

    def reload(self) -> None:
        """Read the open incidents from the database."""
        with self._lock:
            self._open = {kept.key: kept for kept in self._store.open_incidents(self._drill)}

    def times(self) -> Times:
        """Return the clocks now."""
        return Times(self._clock.now_ms(), self._clock.wall_ms(), self._clock.speed)

    def held_by_us(self) -> set[str]:
        """Return the subjects about the system itself that hold an open incident."""
        with self._lock:
            kept = self._open.get(Key(self._community.site.id, Hazard.EQUIPMENT))
            return {subject_of(name) for name in kept.incident.judgement.holders} if kept else set()

    def findings(self) -> list[Finding]:
        """Return every finding on the board."""
        with self._lock:
            return [
                entry.finding for key in self._board.keys for entry in self._board.of(key).values()
            ]

    def standing(self, key: Key) -> Incident | None:
        """Return the open incident of one (zone, hazard)."""
        with self._lock:
            kept = self._open.get(key)
            return kept.incident if kept else None

    def open_ones(self) -> list[Incident]:
        """Return every open incident."""
        with self._lock:
            return [kept.incident for kept in self._open.values()]

    def open_keys(self) -> set[Key]:
        """Return the (zone, hazard) of every open incident."""
        with self._lock:
            return set(self._open)

    def holders(self, rule: str) -> list[tuple[Key, str]]:
        """Return what holds open incidents under rules that begin with *rule*."""
        with self._lock:
            return [
                (key, name)
                for key, kept in self._open.items()
                for name in kept.incident.judgement.holders
                if name.partition(" ")[2].startswith(rule)
            ]

    def conditions(self, rule: str) -> dict[str, Condition]:
        """Return what a rule says of each subject now; unknown where it is not to be believed."""
        with self._lock:
            return {
                entry.finding.subject: entry.finding.condition if entry.known else Condition.UNKNOWN
                for key in self._board.keys
                for entry in self._board.of(key).values()
                if entry.finding.rule == rule
            }

    def grade(self, key: Key) -> ZoneGrade:
        """Return the grade of one (zone, hazard)."""
        with self._lock:
            kept = self._open.get(key)
            return self._standing.grade(
                key,
                kept.incident if kept else None,
                self._clock.now_ms(),
                known=all_known(self._board.of(key)),
            )

    def judged(self) -> list[Key]:
        """Return every (zone, hazard) that is judged: by limits of the profile, or by a finding."""
        with self._lock:
            judged = {
                Key(sensor.zone, sensor.hazard): None
                for sensor in self._community.sensor
                if any(self._community.rules_of(sensor, quantity) for quantity in sensor.quantities)
            }
            return list(judged | dict.fromkeys(self._board.keys) | dict.fromkeys(self._open))

    def live(self, incident: Incident) -> Judgement:
        """Return what the findings of an open incident say at this moment, for its headline."""
        with self._lock:
            key = Key(incident.zone, incident.hazard)
            return self._judged(key, incident.judgement.holders)

    @property
    def size(self) -> int:
        """How many findings are on the board."""
        return len(self._board)

    def _judged(self, key: Key, holders: Mapping[str, Grade]) -> Judgement:
        return judge(
            self._board.of(key),
            holders,
            self._explained,
            self._community,
            key,
            self._withholdings,
        )
