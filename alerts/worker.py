"""The outbox worker: one thread claims and settles, the threads of `alerts.senders` send.

Claiming and settling share transactions: while sends are under way their outcomes pile up, and one
commit writes them all down and leases the next ones. A crash loses no row: what was leased is
released at the next start and sent again with the same id.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from alerts import dispatch, journal, outbox
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
    ) -> None:
        self._database = database
        self._channels = dict(channels)
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._told = told
        self._health = health
        self._inbox: queue.SimpleQueue[_Done | None] = queue.SimpleQueue()
        self._unsettled: list[_Done] = []
        self._busy: dict[str, int] = dict.fromkeys(channels, 0)
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
            events = self._settle(connection, settled, times)
            events += self._give_up(connection, times)
            claimed = self._claim(connection, times) if claim else []
            due = None if claimed else dispatch.next_due(connection)
            journal.append(connection, events)
        del self._unsettled[: len(settled)]
        for row in claimed:
            self._busy[row.channel] += 1
            self._senders.submit(row)
        changed = {number for number, _ in events} | {row.note.incident for row in claimed}
        if changed:
            self._told(changed)
        return self._wait_s(due, times)

    def _give_up(self, connection: Connection, times: Times) -> list[tuple[int, Event]]:
        """Fail what is too old, and what waits for a channel that can't send any more."""
        events: list[tuple[int, Event]] = []
        now_s = self._clock.monotonic_s()
        if now_s >= self._expire_s:
            self._expire_s = now_s + EXPIRE_S
            events += outbox.expire(connection, times)
        usable = frozenset(self._channels) - self._disabled
        if usable != self._swept or self._disabled:
            self._swept = usable
            events += outbox.abandon(connection, usable, times)
        return events

    def _wait_s(self, due: int | None, times: Times) -> float:
        if due is None or due <= times.now:  # nothing, or it waits for room: an outcome wakes us
            return IDLE_S
        return min(IDLE_S, (due - times.now) / 1000 / times.speed)

    def _claim(self, connection: Connection, times: Times) -> list[Claimed]:
        rooms = {
            name: Room(
                channel.concurrency * LEASED_PER_THREAD - self._busy[name], channel.per_minute
            )
            for name, channel in self._channels.items()
            if name not in self._disabled
        }
        free = sum(max(room.slots, 0) for room in rooms.values())
        return dispatch.claim(connection, self._owner, rooms, free, times) if free else []

    def _settle(
        self, connection: Connection, done: Sequence[_Done], times: Times
    ) -> list[tuple[int, Event]]:
        accepted = [item for item in done if item.outcome.kind is OutcomeKind.ACCEPTED]
        events = dispatch.accept(
            connection, [(item.claimed, item.outcome) for item in accepted], times
        )
        for item in done:
            if item.outcome.kind is not OutcomeKind.ACCEPTED:
                channel = self._channels[item.claimed.channel]
                resend = channel.idempotent or item.claimed.urgency >= Grade.ORANGE
                events += dispatch.settle(
                    connection, item.claimed, item.outcome, resend_unknown=resend, times=times
                )
        return events

    def _send(self, row: Claimed) -> None:
        channel = self._channels[row.channel]
        began_s = self._clock.monotonic_s()
        try:
            outcome = channel.send(row.note, self._clock.wall_ms() // 1000)
        except Exception as error:  # noqa: BLE001  # a broken channel must not stop the others
            # The class alone: the text may hold a key.
            outcome = Outcome(
                OutcomeKind.RETRY, vendor_code=type(error).__name__, detail="channel failed"
            )
            log.error(  # noqa: TRY400  # a traceback may hold the URL, and with it a key
                "a channel failed",
                channel=row.channel,
                error=type(error).__name__,
            )
        self._metrics.attempt_seconds.labels(row.channel).observe(
            self._clock.monotonic_s() - began_s
        )
        self._metrics.notify.labels(row.channel, row.note.grade.word, str(outcome.kind)).inc()
        if outcome.disable:
            self._disabled.add(row.channel)
        if outcome.kind in (OutcomeKind.PERMANENT, OutcomeKind.MISCONFIGURED):
            log.error(
                "a notification was refused", channel=row.channel, code=outcome.vendor_code,
                detail=outcome.detail, incident=row.note.incident,
            )  # fmt: skip
        self._inbox.put(_Done(row, outcome))
        self._health(row.channel, outcome)
