"""The watch: findings come in, incidents open, rise, fall, clear and close. One lock, no threads.

What is decided here is written in one transaction by the store; memory holds only the board and a
copy of the open incidents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from alerts.board import Key
from alerts.chatter import Chatters
from alerts.decisions import Patience, acknowledge, announcement, observe, opening, tick
from alerts.escalation import due_at, next_call, rung, untold_call
from alerts.grading import Judgement
from alerts.incident import Event, Happening, Incident, Kind
from alerts.isolation import attempt_each
from alerts.outbox import Times
from alerts.sight import Sight
from alerts.store import Kept, StaleError, Store
from alerts.views import unknown_incident
from alerts.withholding import Withholding
from core.act import LocalAct
from core.clock import Clock
from core.community import Community
from core.finding import Condition, Finding, Hazard
from core.grade import Grade
from core.topics import RETAINED_EXPIRY_S

# Attempts when another program changes the same incident at the same time.
_TRIES = 5


@dataclass(slots=True)
class Changes:
    """What a step changed: incidents by number, and keys whose grade is to be published."""

    numbers: set[int] = field(default_factory=set)
    keys: set[Key] = field(default_factory=set)


class Watch(Sight):
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
        super().__init__(store, community, clock, drill)
        self._patience = patience
        self._dirty: set[Key] = set()
        self._taken: set[Key] = set()  # since the last `together` began
        self._changes = Changes()
        self._chatters = Chatters()
        # Until then a finding that has not come (yet) means nothing: retained ones are under way.
        self._grace_until_s = clock.monotonic_s() + RETAINED_EXPIRY_S
        self._in_grace = True

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
            self._taken.add(key)
            self.retry()
            return True

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what all findings taken in the block lead to in one transaction, or not at all.

        In a flood this is what keeps up: one sync of the disk for many incidents.

        Raises:
            SQLAlchemyError: It could not be written; `retry` does it again.
        """
        with self._lock:
            self._taken = set()
            try:
                with self._store.database.together():
                    yield
            except BaseException:
                self._dirty |= self._taken
                self.reload()
                raise

    def retry(self) -> None:
        """Judge what is marked; what fails stays marked and holds up nothing else.

        Raises:
            SQLAlchemyError: The database failed.
            Exception: Any other failure, once everything else has been judged.
        """
        with self._lock:
            failure = attempt_each(self._settle, list(self._dirty))
            if failure is not None:
                raise failure

    def _settle(self, key: Key) -> None:
        self._judge(key)
        self._dirty.discard(key)

    def tick(self) -> None:
        """Let time pass: findings run out, falls are told, ladders are climbed, incidents close.

        Raises:
            SQLAlchemyError: The database failed; the next tick does it again.
            Exception: Any other failure, once every other place has had its turn.
        """
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._mark(self._board.expire(now_s))
            if self._in_grace and now_s >= self._grace_until_s:
                self._in_grace = False
                self._mark(set(self._open))
            unsettled = attempt_each(self._settle, list(self._dirty))
            failure = attempt_each(self._grow_older, list(self._open.values())) or unsettled
            if failure is not None:
                raise failure

    def _grow_older(self, kept: Kept) -> None:
        times = self.times()
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
                    raise unknown_incident(number)
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

    def changes(self) -> Changes:
        """Return what has changed since the last call."""
        with self._lock:
            changes, self._changes = self._changes, Changes()
            return changes

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

    def _too_early(self, incident: Incident, judgement: Judgement, present: set[str]) -> bool:
        """Just started, and not every finding that held the incident has come again."""
        missing = set(incident.judgement.holders) - present
        as_bad = judgement.condition is Condition.ACTIVE and judgement.grade >= incident.grade
        return self._in_grace and bool(missing) and not as_bad

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
