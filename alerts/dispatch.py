"""Leasing and settling rows of the outbox: worst first, in order, within each channel's limits.

A row that is being sent holds a lease (wall time). All functions work within the caller's
transaction, so that one commit settles what came back and leases what goes out next.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from alerts import tables
from alerts.channels.base import Outcome, OutcomeKind
from alerts.incident import Event, Happening
from alerts.message import Notification
from alerts.outbox import ACCEPTED, DEAD, FAILED, PENDING, SUPERSEDED, Times, consequences
from core.grade import Grade

# A lease outlives the wait for a thread and the longest attempt, wall milliseconds.
LEASE_MS = 180_000
# Window of the vendors' rate limits, wall milliseconds, with a second for clock differences.
WINDOW_MS = 61_000
# Grades below red may use this part of a channel's budget, red may drain it (reference 2.2).
LOWER_SHARE = 0.6
# Full-jitter exponential back-off in run seconds (channels reference 2.2): base, cap.
BACKOFF_RED_S = (1.0, 30.0)
BACKOFF_S = (5.0, 300.0)
# However fast the run is, one row isn't tried more often than this, wall milliseconds.
MIN_BACKOFF_WALL_MS = 50
# Longest wait that a vendor's Retry-After may ask for, wall seconds.
MAX_RETRY_AFTER_S = 3600.0


_DICE = secrets.SystemRandom()
_NOTE = msgspec.json.Decoder(Notification)
_o = tables.outbox.c


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that this worker holds the lease of."""

    row: int
    channel: str
    urgency: Grade
    attempts: int
    deadline_at: int
    note: Notification


@dataclass(frozen=True, slots=True)
class Room:
    """How much one channel may take now.

    Attributes:
        slots: Further concurrent sends.
        per_minute: Vendor's limit as we use it, None if there is none.
    """

    slots: int
    per_minute: int | None = None


def claim(
    connection: Connection, owner: str, rooms: Mapping[str, Room], limit: int, times: Times
) -> list[Claimed]:
    """Lease the rows to send now: worst first, within each channel's slots and rate budget.

    A row waits while an older one of the same incident and recipient is under way. A message of a
    drill goes after every actual one, and never into the reserve for red.
    """
    slots, lower, top = _budgets(connection, rooms, times)
    blocked = [name for name in rooms if slots[name] <= 0 or top[name] <= 0]
    only_red = [name for name in rooms if lower[name] <= 0]
    sibling = tables.outbox.alias("sibling")
    query = (
        select(tables.outbox)
        .where(
            _o.state == PENDING,
            _o.next_at <= times.now,
            _o.lease_until_wall <= times.wall,
            _o.channel.in_([name for name in rooms if name not in blocked]),
            or_(
                _o.channel.notin_(only_red),
                and_(_o.urgency == int(Grade.RED), _o.exercise == 0),
            ),
            ~exists().where(
                sibling.c.incident == _o.incident,
                sibling.c.contact == _o.contact,
                sibling.c.channel == _o.channel,
                sibling.c.state == PENDING,
                sibling.c.row < _o.row,
            ),
        )
        .order_by(_o.exercise, _o.urgency.desc(), _o.row)
        .limit(limit * 2)
    )
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True, of=tables.outbox)
    taken: list[RowMapping] = []
    for row in connection.execute(query).mappings():
        channel = row["channel"]
        budget = top if row["urgency"] == Grade.RED and not row["exercise"] else lower
        if len(taken) >= limit or slots[channel] <= 0 or budget[channel] <= 0:
            continue
        slots[channel] -= 1
        top[channel] -= 1
        lower[channel] -= 1
        taken.append(row)
    _lease(connection, owner, taken, rooms, times)
    return [_claimed(row) for row in taken]


def _budgets(
    connection: Connection, rooms: Mapping[str, Room], times: Times
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    slots = {name: room.slots for name, room in rooms.items()}
    endless = 1 << 30
    lower, top = dict.fromkeys(rooms, endless), dict.fromkeys(rooms, endless)
    limited = [name for name, room in rooms.items() if room.per_minute is not None]
    if not limited:
        return slots, lower, top
    since = times.wall - WINDOW_MS
    connection.execute(delete(tables.spent).where(tables.spent.c.at_wall <= since))
    query = (
        select(tables.spent.c.channel, func.count())
        .where(tables.spent.c.channel.in_(limited))
        .group_by(tables.spent.c.channel)
    )
    used: dict[str, int] = dict(connection.execute(query).all())
    for name in limited:
        size = rooms[name].per_minute or 0
        top[name] = size - used.get(name, 0)
        lower[name] = int(size * LOWER_SHARE) - used.get(name, 0)
    return slots, lower, top


def _lease(
    connection: Connection,
    owner: str,
    rows: Sequence[RowMapping],
    rooms: Mapping[str, Room],
    times: Times,
) -> None:
    if not rows:
        return
    connection.execute(
        update(tables.outbox)
        .where(_o.row.in_([row["row"] for row in rows]))
        .values(
            lease_until_wall=times.wall + LEASE_MS,
            owner=owner,
            attempts=_o.attempts + 1,
            changed_at=times.now,
        )
    )
    spent = [
        {"channel": row["channel"], "at_wall": times.wall}
        for row in rows
        if rooms[row["channel"]].per_minute is not None
    ]
    if spent:
        connection.execute(insert(tables.spent), spent)


def _claimed(row: RowMapping) -> Claimed:
    return Claimed(
        row["row"],
        row["channel"],
        Grade(row["urgency"]),
        row["attempts"] + 1,
        row["deadline_at"],
        _NOTE.decode(row["payload"]),
    )


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
            detail="",
        ),
        [
            {
                "which": claimed.row,
                "their_id": outcome.vendor_id[:200],
                "their_code": outcome.vendor_code[:40],
            }
            for claimed, outcome in done
        ],
    )
    return [
        (
            claimed.note.incident,
            Event(
                at=times.now,
                what=Happening.TOLD,
                grade=claimed.note.grade,
                kind=claimed.note.kind,
                seq=claimed.note.seq,
                notification=claimed.note.id,
                contact=claimed.note.contact,
                channel=claimed.channel,
            ),
        )
        for claimed, _ in done
    ]


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
        "vendor_id": outcome.vendor_id[:200],
        "vendor_code": outcome.vendor_code[:40],
        "detail": outcome.detail[:500],
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
    connection.execute(
        update(tables.outbox).where(_o.row == claimed.row, _o.state == PENDING).values(**values)
    )
    return consequences(connection, claimed.row, str(values.get("state", PENDING)), times)


def next_try(claimed: Claimed, outcome: Outcome, times: Times) -> int:
    """Return when (run ms) the row is due again: what the vendor asked for, else full jitter."""
    if outcome.retry_after_s is not None:
        wait_s = min(max(outcome.retry_after_s, 0.0), MAX_RETRY_AFTER_S) * times.speed
    else:
        base, cap = BACKOFF_RED_S if claimed.urgency is Grade.RED else BACKOFF_S
        wait_s = _DICE.uniform(0, min(cap, base * 2 ** min(claimed.attempts - 1, 16)))
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


def release(connection: Connection, owner: str) -> None:
    """Give back the leases that an earlier life of this worker held when it was killed."""
    connection.execute(
        update(tables.outbox)
        .where(_o.state == PENDING, _o.owner == owner, _o.lease_until_wall > 0)
        .values(lease_until_wall=0)
    )


def next_due(connection: Connection) -> int | None:
    """Return when (run ms) the next row is due; None if nothing waits."""
    due = connection.execute(select(func.min(_o.next_at)).where(_o.state == PENDING)).scalar()
    return None if due is None else int(due)
