"""The auditor: looks from outside whether people are still being called, every quarter of a minute.

It reads the database, not the memory of the watch: an open incident whose next rung is overdue has
a ladder that is stuck; a row that was leased and never settled, or a red one that nobody sends, has
an outbox that is stuck. It raises a finding of our own, sets the ladder going again, and calls the
watchdog outside only while everything turns: if this program hangs, those calls stop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from alerts import tables
from alerts.breaker import read as read_breakers
from alerts.escalation import due_at
from alerts.health import OwnHealth
from alerts.metrics import Metrics
from alerts.outbox import PENDING, Times
from alerts.store import StaleError, Store
from alerts.watch import Watch
from alerts.watchdog import Watchdog
from core.clock import Clock
from core.grade import Grade

log = structlog.get_logger()
# Between two audits, wall seconds.
AUDIT_S = 15.0
# How late something may be before it counts as stuck, wall seconds: the watch turns five times a
# second and the longest attempt takes half a minute.
GRACE_S = 60.0
# A red message that nobody tries for so long is stuck, whatever the budget of its channel.
UNSENT_S = 120.0
_o = tables.outbox.c


class Auditor:
    """Audits on a thread of its own, from `start` to `stop`.

    Args:
        store: What is in the database.
        watch: Whose ladders are set going again.
        clock: Clock of the run.
        turning: What must turn so that people are told.
        health: Where findings of our own go.
        metrics: Counters.
        watchdog: Whom to call while all is well.
    """

    def __init__(
        self,
        store: Store,
        watch: Watch,
        clock: Clock,
        *,
        turning: Callable[[], Mapping[str, bool]],
        health: OwnHealth,
        metrics: Metrics,
        watchdog: Watchdog,
    ) -> None:
        self._store = store
        self._watch = watch
        self._clock = clock
        self._turning = turning
        self._health = health
        self._metrics = metrics
        self._watchdog = watchdog
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="auditor", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(15)
        self._watchdog.close()

    def audit(self) -> list[str]:
        """Look once; return what is wrong, in words."""
        times = self._watch.times()
        stuck = self._stuck_ladders(times)
        for number, why in stuck.items():
            log.error("a ladder was stuck; going on", incident=number, why=why)
            self._metrics.errors.labels("ladder").inc()
            self._watch.resume(number, why)
        unsent = self._stuck_rows(times)
        self._health.note("program.escalation", "audit", "ladder", active=bool(stuck))
        self._health.note("program.outbox", "audit", "outbox", active=bool(unsent))
        still = [name for name, turns in self._turning().items() if not turns]
        return [*stuck.values(), *unsent, *(f"{name} stands still" for name in still)]

    def _run(self) -> None:
        while not self._stop.wait(AUDIT_S):
            try:
                problems = self.audit()
            except (SQLAlchemyError, StaleError) as error:
                log.error("the audit failed", error=str(error)[:300])  # noqa: TRY400 - no flood
                continue
            except Exception:
                # The watchdog outside is not called, so somebody hears of it; the next audit may
                # find what this one could not read.
                self._metrics.errors.labels("audit").inc()
                log.exception("the audit failed")
                continue
            for problem in problems:
                log.error("the audit found something", problem=problem)
            if not problems:
                self._watchdog.call()
                self._health.note(
                    "program.watchdog", "outside", "outside", active=self._watchdog.lost
                )

    def _stuck_ladders(self, times: Times) -> dict[int, str]:
        found = {}
        for kept in self._store.open_incidents():
            due = due_at(kept.incident, times.speed)
            late_s = (times.now - due) / 1000 / times.speed if due is not None else 0.0
            if late_s > GRACE_S:
                number = kept.incident.number
                found[number] = f"incident {number}: next step overdue by {late_s:.0f} s"
        return found

    def _stuck_rows(self, times: Times) -> list[str]:
        lost = times.wall - round(GRACE_S * 1000)
        unsent = times.now - round(UNSENT_S * 1000 * times.speed)
        with self._store.database.read() as connection:
            resting = [name for name, one in read_breakers(connection).items() if one.opened_wall]
            leased = connection.execute(
                select(func.count()).where(
                    _o.state == PENDING, _o.lease_until_wall > 0, _o.lease_until_wall < lost
                )
            ).scalar_one()
            red = connection.execute(
                select(func.count()).where(
                    _o.state == PENDING,
                    _o.urgency == int(Grade.RED),
                    _o.lease_until_wall == 0,
                    _o.next_at < unsent,
                    or_(_o.channel.notin_(resting), _o.channel == ""),
                )
            ).scalar_one()
        words = []
        if leased:
            words.append(f"{leased} messages were taken and neither sent nor given back")
        if red:
            words.append(f"{red} red messages have been waiting for {UNSENT_S:.0f} s")
        return words
