"""Settling rows of the outbox: what became of an attempt, and when the next one is due.

All functions work within the caller's transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import Connection, and_, bindparam, select, update

from alerts import tables
from alerts.breaker import MAX_RETRY_AFTER_S
from alerts.channels.base import Outcome, OutcomeKind
from alerts.dispatch import Claimed
from alerts.impersonal import impersonal, storable
from alerts.incident import Event, Happening, Kind
from alerts.outbox import ACCEPTED, DEAD, FAILED, PENDING, SUPERSEDED, Times, consequences
from core.grade import Grade

# Full-jitter exponential back-off in run seconds (channels reference 2.2): base, cap.
BACKOFF_RED_S = (1.0, 30.0)
BACKOFF_S = (5.0, 300.0)
# However fast the run is, one row isn't tried more often than this, wall milliseconds.
MIN_BACKOFF_WALL_MS = 50
_DICE = secrets.SystemRandom()
_o = tables.outbox.c


def accept(
    connection: Connection, done: Sequence[tuple[Claimed, Outcome]], times: Times
) -> list[tuple[int, Event]]:
    """Write down what was accepted, all at once; return the journal events.

    An acceptance is a fact, even of a row that was given up meanwhile.
    """
    if not done:
        return []
    connection.execute(
        update(tables.outbox)
        .where(_o.row == bindparam("which"))
        .values(
            state=ACCEPTED,
            lease_until_wall=0,
            changed_at=times.now,
            vendor_id=bindparam("their_id"),
            vendor_code=bindparam("their_code"),
            detail=bindparam("their_detail"),  # which of several recipients was not reached
        ),
        [
            {
                "which": claimed.row,
                "their_id": storable(outcome.vendor_id, 200),
                "their_code": storable(outcome.vendor_code, 40),
                "their_detail": storable(outcome.detail, 500),
            }
            for claimed, outcome in done
        ],
    )
    return [
        (number, _told(claimed, grade, times.now))
        for claimed, _ in done
        for number, grade in _about(claimed)
    ]


def _about(claimed: Claimed) -> list[tuple[int, Grade]]:
    """Return which incidents a message tells of, at which grade."""
    note = claimed.note
    if note.kind is Kind.DIGEST:
        return [(item.incident, item.peak) for item in note.items]
    return [(note.incident, note.grade)] if note.incident else []


def _told(claimed: Claimed, grade: Grade, now: int) -> Event:
    return Event(
        at=now,
        what=Happening.TOLD,
        grade=grade,
        kind=claimed.note.kind,
        seq=claimed.note.seq,
        notification=claimed.note.id,
        contact=claimed.note.contact,
        channel=claimed.channel,
    )


def settle(
    connection: Connection,
    claimed: Claimed,
    outcome: Outcome,
    *,
    resend_unknown: bool,
    times: Times,
) -> list[tuple[int, Event]]:
    """Write down what became of an attempt that was not accepted; return the journal events.

    Args:
        connection: The writing transaction.
        claimed: The row.
        outcome: What the channel said.
        resend_unknown: True if a message of unknown fate may be sent again.
        times: The clocks.
    """
    values: dict[str, object] = {
        "lease_until_wall": 0,
        "changed_at": times.now,
        "vendor_id": storable(outcome.vendor_id, 200),
        "vendor_code": storable(outcome.vendor_code, 40),
        "detail": impersonal(storable(outcome.detail, 500)),
    }
    again = outcome.kind is OutcomeKind.RETRY or (
        outcome.kind is OutcomeKind.UNKNOWN and resend_unknown
    )
    if not again:
        values["state"] = FAILED
    elif _hand_over(connection, claimed):
        values["state"] = SUPERSEDED
    else:
        due = next_try(claimed, outcome, times)
        values["next_at"] = due
        if due > claimed.deadline_at:
            values["state"] = DEAD
    written = connection.execute(
        update(tables.outbox).where(_o.row == claimed.row, _o.state == PENDING).values(**values)
    )
    if not written.rowcount:
        return []  # its fate was settled meanwhile: accepted, or given up
    return consequences(connection, claimed.row, str(values.get("state", PENDING)), times)


def next_try(claimed: Claimed, outcome: Outcome, times: Times) -> int:
    """Return when (run ms) the row is due again: full jitter, not before the vendor wants it.

    A vendor that asks for no wait at all (Retry-After: 0, or a date that has passed) is not called
    twenty times a second.
    """
    base, cap = BACKOFF_RED_S if claimed.urgency is Grade.RED else BACKOFF_S
    wait_s = _DICE.uniform(0, min(cap, base * 2 ** min(claimed.attempts - 1, 16)))
    asked_s = min(max(outcome.retry_after_s or 0.0, 0.0), MAX_RETRY_AFTER_S)
    wait_s = max(wait_s, asked_s * times.speed)
    return times.now + max(round(wait_s * 1000), round(MIN_BACKOFF_WALL_MS * times.speed))


def _hand_over(connection: Connection, claimed: Claimed) -> bool:
    """Leave it to a newer announcement that waits for the same recipient, with our urgency."""
    note = claimed.note
    newer = and_(
        _o.incident == note.incident,
        _o.contact == note.contact,
        _o.channel == claimed.channel,
        _o.state == PENDING,
        _o.seq > note.seq,
    )
    lifted = connection.execute(
        update(tables.outbox)
        .where(newer, _o.urgency < claimed.urgency)
        .values(urgency=int(claimed.urgency))
    )
    if lifted.rowcount:
        return True
    return connection.execute(select(_o.row).where(newer)).first() is not None
