"""The watch: findings come in, incidents open, rise, fall, clear and close. One lock, no threads.

What is decided here is written in one transaction by the store; memory holds only the board and a
copy of the open incidents.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from alerts.board import Board, Key, subject_of
from alerts.chatter import Chatters
from alerts.decisions import Patience, acknowledge, announcement, observe, opening, tick
from alerts.escalation import due_at, next_call, rung, untold_call
from alerts.grading import Judgement, all_known, judge
from alerts.incident import Event, Happening, Incident, Kind
from alerts.outbox import Times
from alerts.standing import Standing
from alerts.store import Kept, StaleError, Store
from alerts.views import IncidentError
from alerts.withholding import Withholding
from core.act import LocalAct
from core.clock import Clock
from core.community import Community
from core.finding import Condition, Finding, Hazard, ZoneGrade
from core.grade import Grade
from core.topics import RETAINED_EXPIRY_S

# Attempts when another program changes the same incident at the same time.
_TRIES = 5


@dataclass(slots=True)
class Changes:
    """What a step changed: incidents by number, and keys whose grade is to be published."""

    numbers: set[int] = field(default_factory=set)
    keys: set[Key] = field(default_factory=set)


class Watch:
    """Keeps the incidents of one site.

    Args:
        store: Where they are.
        community: The profile.
        clock: Clock of the run.
        patience: How long to wait with what is not urgent.
        drill: Id of the drill whose incidents it keeps; "" keeps the actual ones. A watch sees no
            incident of another kind than its own.
    """

    def __init__(
        self,
        store: Store,
        community: Community,
        clock: Clock,
        patience: Patience,
        drill: str = "",
    ) -> None:
        self._store = store
        self._community = community
        self._clock = clock
        self._patience = patience
        self._drill = drill
        self._board = Board()
        self._lock = threading.RLock()
        self._open: dict[Key, Kept] = {}
        self._dirty: set[Key] = set()
        self._explained: frozenset[str] = frozenset()
        self._standing = Standing()
        self._changes = Changes()
        self._chatters = Chatters()
        self._withholdings: tuple[Withholding, ...] = ()
        # Until then a finding that has not come (yet) means nothing: retained ones are under way.
        self._grace_until_s = clock.monotonic_s() + RETAINED_EXPIRY_S
        self._in_grace = True
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

    def take(self, finding: Finding, remaining_s: float | None) -> bool:
        """Take one finding; False if the board is full.

        Raises:
            SQLAlchemyError: It could not be written; `retry` does it again.
        """
        with self._lock:
            key = self._board.put(finding, self._clock.monotonic_s(), remaining_s)
            if key is None:
                return False
            self._chatters.take(key, finding)
            self._mark({key})
            self.retry()
            return True

    def retry(self) -> None:
        """Judge what is marked; what fails stays marked and holds up nothing else.

        Raises:
            SQLAlchemyError: The database failed.
            Exception: Any other failure, once everything else has been judged.
        """
        with self._lock:
            failure: Exception | None = None
            for key in list(self._dirty):
                try:
                    self._judge(key)
                    self._dirty.discard(key)
                except SQLAlchemyError:
                    raise
                except Exception as error:  # noqa: BLE001  # raised below, after the others
                    failure = error
            if failure is not None:
                raise failure

    def tick(self) -> None:
        """Let time pass: findings run out, falls are told, ladders are climbed, incidents close.

        Raises:
            SQLAlchemyError: The database failed; the next tick does it again.
        """
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._mark(self._board.expire(now_s))
            if self._in_grace and now_s >= self._grace_until_s:
                self._in_grace = False
                self._mark(set(self._open))
            self.retry()
            times = self.times()
            for kept in list(self._open.values()):
                if events := tick(kept.incident, times.now, self._patience):
                    self._commit(kept, events, times)
                elif call := next_call(kept.incident, times.now, times.speed):
                    self._commit(kept, list(call.events), times, everybody=call.everybody)

    def remind(self) -> None:
        """Tell everybody what nobody could be told: the last announcement reached no one."""
        if not self._store.can_tell():
            return
        with self._lock:
            times = self.times()
            for kept in list(self._open.values()):
                incident = kept.incident
                call = untold_call(incident, times.now, times.speed, self._patience)
                if call is not None and self._store.untold(incident.number, incident.seq):
                    self._commit(kept, list(call.events), times, everybody=call.everybody)

    def resume(self, number: int, why: str) -> None:
        """Set a ladder going again that stands still although its next rung is overdue."""
        with self._lock:
            self.reload()
            times = self.times()
            for kept in list(self._open.values()):
                incident = kept.incident
                due = due_at(incident, times.speed)
                if incident.number != number or due is None or due > times.now:
                    continue
                found = Event(at=times.now, what=Happening.RESUMED, detail=why)
                self._commit(kept, [found, rung(incident, times.now)], times)

    def acknowledge(self, number: int, who: str, how: str) -> Incident:
        """Write that *who* (an id) has taken an incident over.

        Raises:
            IncidentError: No such incident, or it is over.
        """
        return self.change(number, lambda incident, now: acknowledge(incident, who, how, now))

    def change(self, number: int, decide: Callable[[Incident, int], list[Event]]) -> Incident:
        """Write what somebody does with an incident.

        Args:
            number: Which.
            decide: Returns the events, out of its state and the run time (ms). It is asked again if
                another program was faster.

        Raises:
            IncidentError: No such incident, or *decide* refuses.
            StaleError: Another program was faster again and again.
        """
        with self._lock:
            for _ in range(_TRIES):
                kept = self._store.kept(number)
                if kept is None or kept.incident.drill != self._drill:
                    raise IncidentError(f"incident {number}: there is none")
                times = self.times()
                events = decide(kept.incident, times.now)
                if not events or self._commit(kept, events, times):
                    current = self._store.kept(number)
                    return current.incident if current else kept.incident
            raise StaleError(f"incident {number} is being changed by another program; try again")

    def end_drill(self, how: str, detail: str) -> None:
        """Tell everybody who was told that the drill has ended, and close its incidents.

        Args:
            how: finished or aborted.
            detail: Number of the actual incident that broke it off, or "".

        Raises:
            SQLAlchemyError: The database failed; doing it again ends what is still open.
        """
        with self._lock:
            for _ in range(_TRIES):
                times = self.times()
                for kept in list(self._open.values()):
                    told = announcement(kept.incident, Kind.DRILL_END, Grade.GREEN, times.now)
                    told = msgspec.structs.replace(told, how=how, detail=detail)
                    ended = Event(what=Happening.DRILL_ENDED, at=times.now, how=how, detail=detail)
                    self._commit(kept, [told, ended], times)
                if not self._open:
                    return
            raise StaleError("an incident of the drill is being changed by another program")

    def withhold(self, withholdings: Sequence[Withholding]) -> None:
        """Take what people are not told of from now on, and judge everything again.

        Raises:
            SQLAlchemyError: It could not be written; `retry` does it again.
        """
        with self._lock:
            if tuple(withholdings) == self._withholdings:
                return
            self._withholdings = tuple(withholdings)
            self._mark(set(self._open) | set(self._board.keys))
            self.retry()

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

    def tell_act(self, key: Key, station: str, act: LocalAct) -> bool:
        """Write into the open incident what a station did; False if there is none (any more)."""
        with self._lock:
            for _ in range(_TRIES):
                kept = self._open.get(key)
                if kept is None:
                    return False
                now = self._clock.now_ms()
                event = Event(at=now, what=Happening.ACTED, station=station, act=act)
                if self._commit(kept, [event], self.times()):
                    return True
            return False

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

    def changes(self) -> Changes:
        """Return what has changed since the last call."""
        with self._lock:
            changes, self._changes = self._changes, Changes()
            return changes

    @property
    def size(self) -> int:
        """How many findings are on the board."""
        return len(self._board)

    def _mark(self, keys: set[Key]) -> None:
        explained = self._board.explained()
        if explained != self._explained:
            self._explained = explained
            keys = keys | {key for key in self._board.keys if key.hazard is Hazard.EQUIPMENT}
        self._dirty |= keys
        self._changes.keys |= keys

    def _judge(self, key: Key) -> None:
        for _ in range(_TRIES):
            kept = self._open.get(key)
            holders = kept.incident.judgement.holders if kept else {}
            judgement = self._judged(key, holders)
            present = set(self._board.of(key))
            if kept is not None and self._too_early(kept.incident, judgement, present):
                return
            now = self._clock.now_ms()
            events = (
                observe(kept.incident, judgement, now)
                if kept
                else opening(key.zone, key.hazard, judgement, now, self._drill)
            )
            events += self._chatters.events(key, kept.incident if kept else None, now)
            if not events or self._commit(kept, events, self.times()):
                self._chatters.written(key)
                return
        raise StaleError(f"incident of {key} is being changed by another program")

    def _judged(self, key: Key, holders: Mapping[str, Grade]) -> Judgement:
        return judge(
            self._board.of(key),
            holders,
            self._explained,
            self._community,
            key,
            self._withholdings,
        )

    def _too_early(self, incident: Incident, judgement: Judgement, present: set[str]) -> bool:
        """Just started, and not every finding that held the incident has come again."""
        missing = set(incident.judgement.holders) - present
        return self._in_grace and bool(missing) and judgement.grade <= incident.grade

    def _commit(
        self, kept: Kept | None, events: list[Event], times: Times, *, everybody: bool = False
    ) -> bool:
        """Write; False if somebody was faster and the open incidents were read again."""
        try:
            fresh = self._store.commit(kept, events, times, everybody=everybody)
        except StaleError:
            self.reload()
            return False
        if fresh.incident.open:
            self._open[fresh.key] = fresh
        elif kept is not None and self._number_open(fresh.key) == fresh.incident.number:
            del self._open[fresh.key]  # a newer one of the same place stays
        self._changes.numbers.add(fresh.incident.number)
        self._changes.keys.add(fresh.key)
        return True

    def _number_open(self, key: Key) -> int:
        kept = self._open.get(key)
        return kept.incident.number if kept else 0
