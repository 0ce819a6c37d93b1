"""The outbox: what is to be told, in the same database and transaction as why it is told.

At-least-once is the contract: a crash between sending and settling repeats a message with the same
id. A row moves pending -> accepted | failed | dead | superseded; while a worker sends it, it holds a
lease (wall time). All functions work within the caller's transaction.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
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
from alerts.incident import Event, Happening, Kind
from alerts.message import Notification
from alerts.routing import Address, deadline
from core.grade import Grade

PENDING, ACCEPTED, FAILED = "pending", "accepted", "failed"
DEAD, SUPERSEDED = "dead", "superseded"
# A lease outlives the longest attempt (name look-up plus 20 s of HTTP), wall milliseconds.
LEASE_MS = 60_000
# Window of the vendors' rate limits, wall milliseconds, with a second for clock differences.
WINDOW_MS = 61_000
# Grades below red may use this part of a channel's budget; red may drain it (channels reference 2.2).
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


@dataclass(frozen=True, slots=True)
class Times:
    """The three clocks of one step: run ms, wall ms, and the speed between them."""

    now: int
    wall: int
    speed: float


def enqueue(
    connection: Connection,
    note: Notification,
    addresses: Sequence[Address],
    configured: Collection[str],
    times: Times,
) -> list[tuple[int, Event]]:
    """Write one row for each address; return journal events of those that can't be sent.

    Unsent older rows of the same incident and recipient are superseded: the new one tells what they
    would have told, with their urgency.
    """
    rows, events = [], []
    for address in addresses:
        worst, until = _supersede(connection, note, address, times)
        urgency = max(note.grade, worst)
        row = _row(note, address, urgency, times)
        row["deadline_at"] = max(until, deadline(urgency, times.now, times.speed))
        usable = [name for name in (address.channel, *address.fallback) if name in configured]
        if usable:
            row["channel"] = usable[0]
            row["dedup"] = _dedup(note, usable[0], address.contact)
            row["fallback"] = json.dumps(usable[1:])
        else:
            row |= {"state": FAILED, "detail": "channel is not configured"}
            events.append(undelivered(row, times.now))
        rows.append(row)
    if rows:
        connection.execute(insert(tables.outbox), rows)
    return events


def _row(note: Notification, address: Address, urgency: Grade, times: Times) -> dict[str, object]:
    own = msgspec.structs.replace(note, id=uuid.uuid4().hex, contact=address.contact)
    return {
        "id": own.id,
        "dedup": _dedup(note, address.channel, address.contact),
        "incident": note.incident,
        "seq": note.seq,
        "grade": int(note.grade),
        "urgency": int(urgency),
        "channel": address.channel,
        "contact": address.contact,
        "kind": str(note.kind),
        "payload": msgspec.json.encode(own).decode(),
        "fallback": json.dumps(address.fallback),
        "state": PENDING,
        "created_at": times.now,
        "changed_at": times.now,
        "next_at": times.now,
        "deadline_at": deadline(urgency, times.now, times.speed),
        "lease_until_wall": 0,
        "owner": "",
        "attempts": 0,
        "vendor_id": "",
        "vendor_code": "",
        "detail": "",
    }


def _dedup(note: Notification, channel: str, contact: str) -> str:
    return f"{note.incident}:{note.seq}:{note.kind}:{channel}:{contact}"


def _supersede(
    connection: Connection, note: Notification, address: Address, times: Times
) -> tuple[Grade, int]:
    """Supersede unsent older rows; return the worst grade and latest deadline among them."""
    older = and_(
        _o.incident == note.incident,
        _o.contact == address.contact,
        _o.channel.in_((address.channel, *address.fallback)),
        _o.state == PENDING,
        _o.lease_until_wall <= times.wall,
        _o.seq < note.seq,
    )
    worst, until = connection.execute(
        select(func.max(_o.urgency), func.max(_o.deadline_at)).where(older)
    ).one()
    if worst is None:
        return Grade.GREEN, 0
    connection.execute(
        update(tables.outbox)
        .where(older)
        .values(state=SUPERSEDED, changed_at=times.now, detail=f"told by announcement {note.seq}")
    )
    return Grade(worst), int(until)


def claim(
    connection: Connection, owner: str, rooms: Mapping[str, Room], limit: int, times: Times
) -> list[Claimed]:
    """Lease the rows to send now: worst first, within each channel's slots and rate budget.

    A row waits while an older one of the same incident and recipient is under way.
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
            or_(_o.channel.notin_(only_red), _o.urgency == int(Grade.RED)),
            ~exists().where(
                sibling.c.incident == _o.incident,
                sibling.c.contact == _o.contact,
                sibling.c.channel == _o.channel,
                sibling.c.state == PENDING,
                sibling.c.row < _o.row,
            ),
        )
        .order_by(_o.urgency.desc(), _o.row)
        .limit(limit * 2)
    )
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True, of=tables.outbox)
    taken: list[RowMapping] = []
    for row in connection.execute(query).mappings():
        channel = row["channel"]
        budget = top if row["urgency"] == Grade.RED else lower
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
    used = {
        name: count
        for name, count in connection.execute(
            select(tables.spent.c.channel, func.count())
            .where(tables.spent.c.channel.in_(limited))
            .group_by(tables.spent.c.channel)
        ).tuples()
    }
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


def settle(
    connection: Connection,
    claimed: Claimed,
    outcome: Outcome,
    *,
    resend_unknown: bool,
    times: Times,
) -> list[tuple[int, Event]]:
    """Write down what became of one attempt; return the journal events that it makes.

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
    if outcome.kind is OutcomeKind.ACCEPTED:
        values["state"] = ACCEPTED
    elif not again:
        values["state"] = FAILED
    elif _newer_exists(connection, claimed):
        values["state"] = SUPERSEDED
    else:
        due = next_try(claimed, outcome, times)
        values["next_at"] = due
        if due > claimed.deadline_at:
            values["state"] = DEAD
    connection.execute(
        update(tables.outbox).where(_o.row == claimed.row, _o.state == PENDING).values(**values)
    )
    return _consequences(connection, claimed.row, str(values.get("state", PENDING)), times)


def next_try(claimed: Claimed, outcome: Outcome, times: Times) -> int:
    """Return when (run ms) the row is due again: what the vendor asked for, else full jitter."""
    if outcome.retry_after_s is not None:
        wait_s = min(max(outcome.retry_after_s, 0.0), MAX_RETRY_AFTER_S) * times.speed
    else:
        base, cap = BACKOFF_RED_S if claimed.urgency is Grade.RED else BACKOFF_S
        wait_s = _DICE.uniform(0, min(cap, base * 2 ** min(claimed.attempts - 1, 16)))
    return times.now + max(round(wait_s * 1000), round(MIN_BACKOFF_WALL_MS * times.speed))


def expire(connection: Connection, times: Times) -> list[tuple[int, Event]]:
    """Give up on rows whose deadline has passed; return the journal events."""
    late = connection.execute(
        select(_o.row).where(
            _o.state == PENDING, _o.deadline_at < times.now, _o.lease_until_wall <= times.wall
        )
    ).scalars()
    return fail(connection, list(late), DEAD, "deadline passed", times)


def abandon(
    connection: Connection, usable: Collection[str], times: Times
) -> list[tuple[int, Event]]:
    """Fail what waits for a channel that can't send any more, so that the next one is tried now."""
    rows = connection.execute(
        select(_o.row).where(
            _o.state == PENDING,
            _o.channel.notin_(list(usable)),
            _o.lease_until_wall <= times.wall,
        )
    ).scalars()
    return fail(connection, list(rows), FAILED, "channel is switched off or not configured", times)


def fail(
    connection: Connection, rows: Sequence[int], state: str, detail: str, times: Times
) -> list[tuple[int, Event]]:
    """End rows without an attempt; return the journal events."""
    events: list[tuple[int, Event]] = []
    for row in rows:
        connection.execute(
            update(tables.outbox)
            .where(_o.row == row)
            .values(state=state, changed_at=times.now, detail=detail)
        )
        events += _consequences(connection, row, state, times)
    return events


def _consequences(
    connection: Connection, number: int, state: str, times: Times
) -> list[tuple[int, Event]]:
    if state in (PENDING, SUPERSEDED):
        return []
    row = dict(connection.execute(select(tables.outbox).where(_o.row == number)).mappings().one())
    if state == ACCEPTED:
        return [_event(row, Happening.TOLD, times.now)]
    _fall_back(connection, row, times)
    return [undelivered(row, times.now)]


def _fall_back(connection: Connection, row: dict[str, object], times: Times) -> None:
    """Write the row for the next channel of the same contact, at once."""
    rest = json.loads(str(row["fallback"]))
    if not rest:
        return
    note = _NOTE.decode(str(row["payload"]))
    address = Address(note.contact, rest[0], tuple(rest[1:]))
    fresh = _row(note, address, Grade(int(str(row["urgency"]))), times)
    known = connection.execute(select(_o.row).where(_o.dedup == fresh["dedup"])).first()
    if known is None:
        connection.execute(insert(tables.outbox), [fresh])


def undelivered(row: Mapping[str, object], now: int) -> tuple[int, Event]:
    """Return the journal event of a row that has failed for good."""
    return _event(row, Happening.UNDELIVERED, now)


def _event(row: Mapping[str, object], what: Happening, now: int) -> tuple[int, Event]:
    number = int(str(row["incident"]))
    return number, Event(
        at=now,
        what=what,
        grade=Grade(int(str(row["grade"]))),
        kind=Kind(str(row["kind"])),
        seq=int(str(row["seq"])),
        notification=str(row["id"]),
        contact=str(row["contact"]),
        channel=str(row["channel"]),
        detail=str(row["detail"]),
    )


def _newer_exists(connection: Connection, claimed: Claimed) -> bool:
    note = claimed.note
    return (
        connection.execute(
            select(_o.row).where(
                _o.incident == note.incident,
                _o.contact == note.contact,
                _o.channel == claimed.channel,
                _o.seq > note.seq,
            )
        ).first()
        is not None
    )


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
