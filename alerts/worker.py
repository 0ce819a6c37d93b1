"""The outbox worker: one thread claims and settles, the threads of `alerts.senders` send.

Claiming and settling share transactions: while sends are under way their outcomes pile up, and one
commit writes them all down and leases the next ones. A crash loses no row: what was leased is
released at the next start and sent again with the same id.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from alerts import breaker, dispatch, journal, outbox, settling
from alerts.attempt import Attempts
from alerts.breaker import Breaker
from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.database import Database
from alerts.dispatch import Claimed, Room
from alerts.incident import Event
from alerts.metrics import Metrics
from alerts.outbox import Times
from alerts.senders import Senders
from core.clock import Clock
from core.grade import Grade

log = structlog.get_logger()

# How many rows a channel may have leased for each of its threads: enough that no thread waits for a
# commit, few enough that a lease outlives the wait (channel time-out 15 s, at most 30 s).
LEASED_PER_THREAD = 4
# While rows are leased ahead, outcomes are collected for so long before they are written down.
LINGER_S = 0.02
# How often deadlines are looked at, wall seconds.
EXPIRE_S = 1.0
# Longest sleep of the loop: how late a row that another process wrote may be noticed, wall seconds.
IDLE_S = 0.5
# Rest after the database failed, wall seconds.
ERROR_REST_S = 1.0


# Something that is looked after every second, in the worker's transaction; returns journal events.
Chore = Callable[[Connection, Times], list[tuple[int, Event]]]


@dataclass(frozen=True, slots=True)
class _Done:
    claimed: Claimed
    outcome: Outcome


class Worker:
    """Sends what the outbox holds.

    Args:
        database: State of alerts.
        channels: By name.
        clock: Clock of the run.
        metrics: Counters.
        owner: Name of this worker; two workers on one database need two names.
        told: Called with the incident numbers whose notifications changed, on the worker's thread.
        health: Called with a channel's name and each outcome, on a sender's thread.
        take_url: Signs a row's one-time link.
        chores: What else is to be written every second: digests, self-tests.
        rested: Called every second with the channels that have trouble.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        clock: Clock,
        metrics: Metrics,
        *,
        owner: str,
        told: Callable[[set[int]], None],
        health: Callable[[str, Outcome], None],
        take_url: Callable[[Claimed], str] = lambda _row: "",
        chores: Sequence[Chore] = (),
        rested: Callable[[Sequence[Breaker]], None] = lambda _breakers: None,
    ) -> None:
        self._database = database
        self._channels = dict(channels)
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._told = told
        self._health = health
        self._attempts = Attempts(self._channels, clock, metrics, take_url)
        self._chores = tuple(chores)
        self._rested = rested
        self._inbox: queue.SimpleQueue[_Done | None] = queue.SimpleQueue()
        self._unsettled: list[_Done] = []
        self._busy: dict[str, int] = dict.fromkeys(channels, 0)
        self._leases: dict[int, int] = {}  # row -> until when (wall ms) we hold it
        self._threads = sum(channel.concurrency for channel in channels.values())
        self._disabled: set[str] = set()
        self._swept: frozenset[str] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._senders = Senders(self._channels, self._send)
        self._expire_s = clock.monotonic_s()
        self.alive_s = clock.monotonic_s()

    def start(self) -> None:
        """Begin sending; first release what an earlier life of this worker held."""
        self._senders.start()
        self._thread.start()

    def wake(self) -> None:
        """Look into the outbox now."""
        self._inbox.put(None)

    def stop(self, timeout_s: float = 10.0) -> None:
        """Let the sends that are under way end, settle them, and stop."""
        self._stop.set()
        self.wake()
        self._thread.join(timeout_s)

    def times(self) -> Times:
        """Return the clocks now."""
        return Times(self._clock.now_ms(), self._clock.wall_ms(), self._clock.speed)

    def _run(self) -> None:
        self._until_done(self._release)
        while not self._stop.is_set():
            self._step_safely()
        for row in self._senders.stop():  # not begun: the next start finds them leased by us
            self._busy[row.channel] -= 1
            self._leases.pop(row.row, None)
        for _ in range(20):  # the sends under way end within their time-outs; wait a little
            if not any(self._busy.values()) and not self._unsettled:
                break
            self._collect(IDLE_S)
            self._step_safely(claim=False, wait_s=0.0)

    def _until_done(self, step: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                step()
            except SQLAlchemyError as error:
                self._failed("start", error)
            else:
                return

    def _release(self) -> None:
        with self._database.write() as connection:
            dispatch.release(connection, self._owner)

    def _step_safely(self, *, claim: bool = True, wait_s: float | None = None) -> None:
        try:
            due_s = self._step(claim=claim)
        except SQLAlchemyError as error:
            self._failed("outbox", error)
            return
        except Exception:
            # A bug must not end the one thread that tells people; the auditor sees that it fails.
            self._metrics.errors.labels("bug").inc()
            log.exception("a step of the outbox failed; trying again")
            self._stop.wait(ERROR_REST_S)
            return
        self.alive_s = self._clock.monotonic_s()
        self._collect(due_s if wait_s is None else wait_s)

    def _failed(self, step: str, error: SQLAlchemyError) -> None:
        self._metrics.errors.labels(step).inc()
        log.error("the outbox database failed; trying again", error=str(error)[:300])
        self._stop.wait(ERROR_REST_S)

    def _collect(self, timeout_s: float) -> None:
        """Wait for an outcome or a wake-up, then take everything that is there."""
        try:
            item = self._inbox.get(timeout=timeout_s) if timeout_s > 0 else self._inbox.get_nowait()
            if item is not None and sum(self._busy.values()) > self._threads:
                self._stop.wait(LINGER_S)
            while True:
                if item is not None:
                    self._busy[item.claimed.channel] -= 1
                    self._unsettled.append(item)
                item = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _step(self, *, claim: bool) -> float:
        """Settle what came back and lease what is next; return for how long nothing is due."""
        times = self.times()
        settled = list(self._unsettled)
        with self._database.write() as connection:
            known = breaker.read(connection).items()
            # Not those of channels that hub.toml no longer has: nothing would ever end their rest.
            breakers = {name: one for name, one in known if name in self._channels}
            events = self._settle(connection, settled, times)
            held = self._hold(connection, {item.claimed.row for item in settled}, times)
            self._judge(connection, breakers, settled, times.wall)
            events += self._give_up(connection, breakers, times)
            claimed = self._claim(connection, breakers, times) if claim else []
            due = None if claimed else dispatch.next_due(connection)
            events = [(number, event) for number, event in events if number]
            journal.append(connection, events)
        self._leases |= held
        del self._unsettled[: len(settled)]
        for item in settled:
            self._leases.pop(item.claimed.row, None)
        for row in claimed:
            self._leases[row.row] = times.wall + dispatch.LEASE_MS
            self._busy[row.channel] += 1
            self._senders.submit(row)
        changed = {number for number, _ in events}
        changed |= {row.note.incident for row in claimed if row.note.incident}
        if changed:
            self._told(changed)
        return self._wait_s(due, times)

    def _hold(self, connection: Connection, settled: set[int], times: Times) -> dict[int, int]:
        """Renew the leases of what is still under way before they run out; return which, and until.

        A slow channel, a machine that slept or a clock that was put forward must not make us send
        a message again while we are sending it.
        """
        ends = times.wall + dispatch.LEASE_MS
        old = [
            row
            for row, until in self._leases.items()
            if row not in settled and not ends - dispatch.LEASE_MS // 2 < until <= ends
        ]
        if old:
            dispatch.renew(connection, old, times)
        return dict.fromkeys(old, ends)

    def _judge(
        self,
        connection: Connection,
        breakers: dict[str, Breaker],
        settled: Sequence[_Done],
        wall: int,
    ) -> None:
        """Let the outcomes open and close the breakers."""
        for item in settled:
            name = item.claimed.channel
            before = breakers.get(name)
            now = breaker.after(before, name, item.outcome, wall)
            breaker.write(connection, before, now)
            if now is None:
                breakers.pop(name, None)
            else:
                breakers[name] = now

    def _give_up(
        self, connection: Connection, breakers: Mapping[str, Breaker], times: Times
    ) -> list[tuple[int, Event]]:
        """Fail what is too old, and what waits for a channel that can't send any more."""
        events: list[tuple[int, Event]] = []
        now_s = self._clock.monotonic_s()
        if now_s >= self._expire_s:
            self._expire_s = now_s + EXPIRE_S
            dispatch.follow_clock(connection, times)
            events += outbox.expire(connection, times)
            for chore in self._chores:
                events += self._do(chore, connection, times)
            self._show(breakers, times.wall)
        usable = frozenset(self._channels) - self._disabled
        if usable != self._swept or self._disabled:
            self._swept = usable
            events += outbox.abandon(connection, usable, times)
        resting = {
            name for name, one in breakers.items() if one.state(times.wall) is breaker.State.OPEN
        }
        return events + outbox.step_aside(connection, resting, usable - resting, times)

    def _do(self, chore: Chore, connection: Connection, times: Times) -> list[tuple[int, Event]]:
        """Do a chore; one that fails is undone alone and holds up no message."""
        try:
            with connection.begin_nested():
                return chore(connection, times)
        except Exception:
            self._metrics.errors.labels("chore").inc()
            log.exception("a chore of the outbox failed; trying again")
            return []

    def _show(self, breakers: Mapping[str, Breaker], wall: int) -> None:
        for name in self._channels:
            one = breakers.get(name)
            state = one.state(wall) if one is not None else breaker.State.CLOSED
            self._metrics.breaker.labels(name).set(list(breaker.State).index(state))
        self._rested([one for one in breakers.values() if one.opened_wall])

    def _wait_s(self, due: int | None, times: Times) -> float:
        if due is None or due <= times.now:  # nothing, or it waits for room: an outcome wakes us
            return IDLE_S
        return min(IDLE_S, (due - times.now) / 1000 / times.speed)

    def _claim(
        self, connection: Connection, breakers: Mapping[str, Breaker], times: Times
    ) -> list[Claimed]:
        rooms = {}
        for name, channel in self._channels.items():
            slots = channel.concurrency * LEASED_PER_THREAD - self._busy[name]
            if name in breakers:
                slots = breakers[name].slots(times.wall, slots)
            if name not in self._disabled:
                rooms[name] = Room(slots, channel.per_minute, channel.per_second)
        free = sum(max(room.slots, 0) for room in rooms.values())
        claimed = dispatch.claim(connection, self._owner, rooms, free, times) if free else []
        for name in {row.channel for row in claimed}:
            one = breakers.get(name)
            if one is not None and one.opened_wall:
                probe = replace(one, probe_until_wall=times.wall + dispatch.LEASE_MS)
                breaker.write(connection, one, probe)
        return claimed

    def _settle(
        self, connection: Connection, done: Sequence[_Done], times: Times
    ) -> list[tuple[int, Event]]:
        """Write down what came back; an outcome that can't be written holds up no other.

        Its row is sent again once its lease has run out.
        """
        if not done:
            return []
        try:
            with connection.begin_nested():
                return self._settle_together(connection, done, times)
        except (OperationalError, InterfaceError):  # the database, not the outcome
            raise
        except Exception:
            if len(done) == 1:
                self._metrics.errors.labels("outcome").inc()
                log.exception("an outcome could not be written down")
                return []
        return [event for item in done for event in self._settle(connection, [item], times)]

    def _settle_together(
        self, connection: Connection, done: Sequence[_Done], times: Times
    ) -> list[tuple[int, Event]]:
        accepted = [item for item in done if item.outcome.kind is OutcomeKind.ACCEPTED]
        events = settling.accept(
            connection, [(item.claimed, item.outcome) for item in accepted], times
        )
        for item in done:
            if item.outcome.kind is not OutcomeKind.ACCEPTED:
                channel = self._channels[item.claimed.channel]
                resend = channel.idempotent or item.claimed.urgency >= Grade.ORANGE
                events += settling.settle(
                    connection, item.claimed, item.outcome, resend_unknown=resend, times=times
                )
        return events

    def _send(self, row: Claimed) -> None:
        outcome = Outcome(OutcomeKind.UNKNOWN, vendor_code="bug", detail="the attempt failed")
        try:
            outcome = self._attempts.send(row)
        finally:  # whatever happened, the row is not ours any more
            if outcome.disable:
                self._disabled.add(row.channel)
            self._inbox.put(_Done(row, outcome))
        self._health(row.channel, outcome)
