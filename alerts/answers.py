"""What comes back over a channel after a message went out: a takeover, a delivery report, a fault.

Channels that can listen (modem, voice, sounders) are given this once at the start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from alerts import breaker, journal, outbox, reply_code, tables
from alerts.breaker import Breaker
from alerts.channels.base import Outcome, OutcomeKind
from alerts.database import Database
from alerts.impersonal import storable
from alerts.message import Notification
from alerts.outbox import Times
from alerts.reply_code import Said
from alerts.views import IncidentError
from core.clock import Clock
from core.grade import Grade

log = structlog.get_logger()
# A report that came too early comes again after so long, so often; wall seconds.
AGAIN_S, TRIES = 1.0, 5
# Stands for the vendor's code once the recipient is known to have it.
DELIVERED = "delivered"
_o = tables.outbox.c


class Answers:
    """Takes what channels hear. Safe to call from any thread; never raises for a busy database.

    Args:
        database: State of alerts.
        clock: Clock of the run.
        acknowledge: (incident, contact, how) writes a takeover.
        grade_of: Present grade of an open incident, None if it is closed or there is none.
        changed: Called with incidents whose notifications changed.
        health: Called with a channel's name and what it makes of itself.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        acknowledge: Callable[[int, str, str], object],
        grade_of: Callable[[int], Grade | None],
        changed: Callable[[set[int]], None],
        health: Callable[[str, Outcome], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._acknowledge = acknowledge
        self._grade_of = grade_of
        self._changed = changed
        self._health = health

    def code(self, note: Notification, channel: str, *, digits: int = 4) -> str:
        """Return the code that takes this over, "" if there is nothing to take over."""
        if not reply_code.wanted(note):
            return ""
        try:
            with self._database.write() as connection:
                now = self._clock.now_ms()
                return reply_code.issue(connection, note, channel, now, digits=digits)
        except SQLAlchemyError as error:
            # The message matters more than the comfort of its answer.
            log.error("no reply code could be written", error=str(error)[:200])  # noqa: TRY400
            return ""

    def take(
        self, channel: str, contacts: Collection[str], code: str, how: str
    ) -> tuple[Said, int]:
        """Somebody sent a code; return what became of it, and of which incident (0 if unknown).

        Raises:
            SQLAlchemyError: The state can't be written now; the same code may be taken again.
        """
        now = self._clock.now_ms()
        with self._database.write() as connection:
            known = reply_code.find(connection, channel, contacts, code, now)
        if known is None:
            return Said.WRONG, 0
        if known.used:
            return Said.USED, known.incident
        grade = self._grade_of(known.incident)
        if grade is None:
            return Said.CLOSED, known.incident
        if grade > known.grade:
            return Said.WORSE, known.incident
        try:
            self._acknowledge(known.incident, known.contact, how)
        except IncidentError:
            return Said.CLOSED, known.incident
        with self._database.write() as connection:
            reply_code.use(connection, known.row, now)
        return Said.TAKEN, known.incident

    def exercise(self, incident: int) -> bool:
        """Tell whether an incident is a drill's: whatever is said of it says so."""
        with self._database.read() as connection:
            told = select(_o.exercise).where(_o.incident == incident).limit(1)
            return bool(connection.execute(told).scalar())

    def delivered(self, notification: str, detail: str) -> None:
        """The recipient has it: written beside the acceptance."""
        self._later(notification, outbox.ACCEPTED, detail)

    def undelivered(self, notification: str, detail: str) -> None:
        """It was accepted and has not arrived: the next channel is tried now."""
        self._later(notification, outbox.FAILED, detail)

    def health(self, channel: str, outcome: Outcome) -> None:
        """A channel says by itself that it can't send, or can again: then it need not rest."""
        self._health(channel, outcome)
        if outcome.kind is not OutcomeKind.ACCEPTED:
            return
        try:
            with self._database.write() as connection:
                breaker.write(connection, Breaker(channel), None)
        except SQLAlchemyError as error:
            log.error("a channel's rest was not ended", error=str(error)[:200])  # noqa: TRY400

    def _later(self, notification: str, state: str, detail: str, tries: int = TRIES) -> None:
        """Write what became of a row after it was accepted; it changes its fate only once.

        A report can overtake the note that the message was accepted: then it comes again.
        """
        times = Times(self._clock.now_ms(), self._clock.wall_ms(), self._clock.speed)
        arrived = {"vendor_code": DELIVERED} if state == outbox.ACCEPTED else {}
        try:
            with self._database.write() as connection:
                found = connection.execute(
                    select(_o.row, _o.incident, _o.state, _o.vendor_code).where(
                        _o.id == notification
                    )
                ).first()
                if found is None or found.state not in (outbox.ACCEPTED, outbox.PENDING):
                    return
                if found.state == outbox.PENDING:
                    self._again(notification, state, detail, tries - 1)
                    return
                if state == outbox.FAILED and found.vendor_code == DELIVERED:
                    return  # another number of this contact has it: reached on one is reached
                connection.execute(
                    update(tables.outbox)
                    .where(_o.row == found.row)
                    .values(
                        state=state, detail=storable(detail, 500), changed_at=times.now, **arrived
                    )
                )
                if state == outbox.FAILED:
                    events = outbox.consequences(connection, found.row, state, times)
                    journal.append(connection, events)
        except SQLAlchemyError as error:
            log.error("a delivery report was lost", error=str(error)[:200])  # noqa: TRY400
            return
        self._changed({found.incident} if found.incident else set())

    def _again(self, notification: str, state: str, detail: str, tries: int) -> None:
        if tries <= 0:
            return
        timer = threading.Timer(AGAIN_S, self._later, (notification, state, detail, tries))
        timer.daemon = True
        timer.start()
