"""Leasing rows of the outbox: worst first, in order, within each channel's limits.

A row that is being sent holds a lease (wall time). All functions work within the caller's
transaction, so that one commit settles what came back (`alerts.settling`) and leases what is next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from alerts import tables
from alerts.notification import Notification
from alerts.outbox import FAILED, PENDING, Times
from core.grade import Grade

# A lease outlives the wait for a thread and the longest attempt, wall milliseconds.
LEASE_MS = 180_000
# Window of the vendors' rate limits, wall milliseconds, with a second for clock differences.
WINDOW_MS = 61_000
# The same for limits of a second.
SECOND_MS = 1_100
# Grades below red may use this part of a channel's budget, red may drain it (reference 2.2).
LOWER_SHARE = 0.6
# A row that was written later than this from now was written before the clock was set back; wall
# milliseconds.
AHEAD_MS = 60_000
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
        per_second: The same for any second; red has no reserve in it.
    """

    slots: int
    per_minute: int | None = None
    per_second: int | None = None


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
    claimed = _readable(connection, taken, times)
    good = {one.row for one in claimed}
    _lease(connection, owner, [row for row in taken if row["row"] in good], rooms, times)
    return claimed


def _readable(connection: Connection, rows: Sequence[RowMapping], times: Times) -> list[Claimed]:
    """Read rows; what can't be read (of another version) must hold up nobody."""
    good: list[Claimed] = []
    bad: list[int] = []
    for row in rows:
        try:
            good.append(_claimed(row))
        except msgspec.MsgspecError:
            bad.append(row["row"])
    if bad:
        connection.execute(
            update(tables.outbox)
            .where(_o.row.in_(bad))
            .values(state=FAILED, changed_at=times.now, detail="can't be read by this version")
        )
    return good


def _budgets(
    connection: Connection, rooms: Mapping[str, Room], times: Times
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    slots = {name: room.slots for name, room in rooms.items()}
    endless = 1 << 30
    lower, top = dict.fromkeys(rooms, endless), dict.fromkeys(rooms, endless)
    limited = [name for name, room in rooms.items() if room.per_minute is not None]
    if not limited:
        return slots, lower, top
    at_wall = tables.spent.c.at_wall
    # What lies further ahead than a window was spent before the clock was set back.
    past = or_(at_wall <= times.wall - WINDOW_MS, at_wall > times.wall + WINDOW_MS)
    connection.execute(delete(tables.spent).where(past))
    used = _used(connection, limited, times.wall - WINDOW_MS)
    fast = [name for name in limited if rooms[name].per_second is not None]
    lately = _used(connection, fast, times.wall - SECOND_MS) if fast else {}
    for name in limited:
        size = rooms[name].per_minute or 0
        top[name] = size - used.get(name, 0)
        lower[name] = max(int(size * LOWER_SHARE), 1) - used.get(name, 0)
        each_second = rooms[name].per_second
        if each_second is not None:
            now = each_second - lately.get(name, 0)
            top[name], lower[name] = min(top[name], now), min(lower[name], now)
    return slots, lower, top


def _used(connection: Connection, channels: Sequence[str], since_wall: int) -> dict[str, int]:
    query = (
        select(tables.spent.c.channel, func.count())
        .where(tables.spent.c.channel.in_(channels), tables.spent.c.at_wall > since_wall)
        .group_by(tables.spent.c.channel)
    )
    return dict(connection.execute(query).all())


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


def renew(connection: Connection, rows: Collection[int], times: Times) -> None:
    """Hold on to rows that are still being sent: nobody else may take them, nor we ourselves.

    Not past their deadline: an attempt that never ends must not keep the next channel waiting.
    """
    connection.execute(
        update(tables.outbox)
        .where(_o.row.in_(rows), _o.state == PENDING, _o.deadline_at >= times.now)
        .values(lease_until_wall=times.wall + LEASE_MS)
    )


def follow_clock(connection: Connection, times: Times) -> None:
    """Let what waits move with a clock that was set back: else it would wait until it caught up.

    Times stand as far from the moment in which the row was written as before; no lease is longer
    than a lease.
    """
    ahead = _o.changed_at - times.now
    connection.execute(
        update(tables.outbox)
        .where(
            or_(_o.state == PENDING, _o.digest_at > 0),  # both have an index; what was told has not
            _o.changed_at > times.now + round(AHEAD_MS * times.speed),
        )
        .values(
            next_at=_o.next_at - ahead,
            deadline_at=_o.deadline_at - ahead,
            digest_at=case((_o.digest_at > 0, _o.digest_at - ahead), else_=0),
            lease_until_wall=case((_o.lease_until_wall > 0, times.wall + LEASE_MS), else_=0),
            changed_at=times.now,
        )
    )


def release(connection: Connection, owner: str) -> None:
    """Give back the leases that an earlier life of this worker held when it was killed."""
    connection.execute(
        update(tables.outbox)
        .where(_o.state == PENDING, _o.owner == owner, _o.lease_until_wall > 0)
        .values(lease_until_wall=0)
    )
    connection.execute(update(tables.breaker).values(probe_until_wall=0))


def next_due(connection: Connection) -> int | None:
    """Return when (run ms) the next row is due; None if nothing waits."""
    due = connection.execute(select(func.min(_o.next_at)).where(_o.state == PENDING)).scalar()
    return None if due is None else int(due)
