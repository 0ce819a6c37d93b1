"""The outbox: what is to be told, in the same database and transaction as why it is told.

At-least-once is the contract: a crash between sending and settling repeats a message with the same
id. A row moves from pending to accepted, failed, dead or superseded; `alerts.dispatch` leases and
settles it. All functions work within the caller's transaction.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, and_, func, insert, select, update

from alerts import tables
from alerts.impersonal import impersonal
from alerts.incident import Event, Happening, Kind
from alerts.notification import Audience, Notification
from alerts.routing import Address, deadline
from alerts.waiting import Held
from core.grade import Grade

PENDING, ACCEPTED, FAILED = "pending", "accepted", "failed"
DEAD, SUPERSEDED, SUPPRESSED = "dead", "superseded", "suppressed"
# (transaction, note, contact, urgency, run ms) -> why it waits for a digest, or None.
Withhold = Callable[[Connection, Notification, str, Grade, int], Held | None]
# A digest that no channel took is told by another one after so long, run milliseconds, as long as
# what it tells is not older than this. Our choice: a channel is mended in half an hour or tomorrow.
HELD_AGAIN_MS, LONGEST_HELD_MS = 1_800_000, 86_400_000
_NOTE = msgspec.json.Decoder(Notification)
_KINDS = frozenset(str(kind) for kind in Kind)
_o = tables.outbox.c


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
    *,
    audiences: Mapping[str, Audience] | None = None,
    withhold: Withhold | None = None,
    shared: Collection[str] = (),
) -> list[tuple[int, Event]]:
    """Write one row for each address; return journal events of those that are not sent.

    Unsent older rows of the same incident and recipient are superseded: the new one tells what they
    would have told, with their urgency.

    Args:
        connection: The writing transaction.
        note: What is told; id, contact and audience are filled in.
        addresses: Whom, over what.
        configured: Names of the channels that can send.
        times: The clocks.
        audiences: For whom the text is written, by contact.
        withhold: Decides what waits for a digest.
        shared: Channels that several contacts read together: one message is enough for all of them.
    """
    leads: dict[tuple[object, Audience], dict[str, object]] = {}
    rows: list[dict[str, object]] = []
    events: list[tuple[int, Event]] = []
    for address in addresses:
        worst, until = _supersede(connection, note, address, times)
        # The end of a drill never hurries, whatever it overtakes: an actual message goes first.
        urgency = note.grade if note.kind is Kind.DRILL_END else max(note.grade, worst)
        audience = (audiences or {}).get(address.contact, note.audience)
        row = new_row(msgspec.structs.replace(note, audience=audience), address, urgency, times)
        row["deadline_at"] = max(until, deadline(urgency, times.now, times.speed))
        usable = [name for name in (address.channel, *address.fallback) if name in configured]
        if usable:
            row["channel"] = usable[0]
            row["dedup"] = _dedup(note, usable[0], address.contact)
            row["fallback"] = json.dumps(usable[1:])
        else:
            row |= {"state": FAILED, "detail": "channel is not configured"}
            events.append(undelivered(row, times.now))
        held = withhold(connection, note, address.contact, urgency, times.now) if withhold else None
        if held is not None and usable:
            row |= {"state": SUPPRESSED, "detail": held.reason, "digest_at": held.until}
            events.append(_event(row, Happening.HELD, times.now))
        if row["state"] == PENDING and row["channel"] in shared:
            _read_together(leads.setdefault((row["channel"], audience), row), row)
        rows.append(row)
    if rows:
        connection.execute(insert(tables.outbox), rows)
    return [(number, event) for number, event in events if number]  # a notice has no journal


def _read_together(lead: dict[str, object], row: dict[str, object]) -> None:
    """Let the first message to a group stand for the others; if it fails, each falls back."""
    if lead is not row:
        detail = f"read in the group with the message to {lead['contact']}"
        row |= {"state": SUPERSEDED, "digest": lead["id"], "detail": detail}
        lead["urgency"] = max(int(str(lead["urgency"])), int(str(row["urgency"])))


def new_row(
    note: Notification, address: Address, urgency: Grade, times: Times
) -> dict[str, object]:
    """Return the row of one message to one address, to be inserted."""
    own = msgspec.structs.replace(note, id=uuid.uuid4().hex, contact=address.contact)
    return {
        "id": own.id,
        "dedup": _dedup(note, address.channel, address.contact),
        "incident": note.incident or None,
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
        "exercise": int(note.exercise),
        "digest_at": 0,
        "digest": "",
        "used_at": 0,
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


def step_aside(
    connection: Connection, resting: Collection[str], well: Collection[str], times: Times
) -> list[tuple[int, Event]]:
    """Hand what waits for a resting channel to the next one of the same contact that is well."""
    if not resting:
        return []
    rows = connection.execute(
        select(_o.row, _o.fallback).where(
            _o.state == PENDING,
            _o.channel.in_(list(resting)),
            _o.fallback != "[]",
            _o.lease_until_wall <= times.wall,
        )
    )
    found = [row.row for row in rows if not set(json.loads(row.fallback)).isdisjoint(well)]
    return fail(connection, found, FAILED, "channel rests: it did not answer", times)


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
        events += consequences(connection, row, state, times)
    return events


def consequences(
    connection: Connection, number: int, state: str, times: Times
) -> list[tuple[int, Event]]:
    """Return the journal events of a row that has come to *state*; a failed one falls back."""
    if state in (PENDING, SUPERSEDED):
        return []
    row = dict(connection.execute(select(tables.outbox).where(_o.row == number)).mappings().one())
    goes_on = _fall_back(connection, row, times)
    with_it = select(tables.outbox).where(_o.digest == row["id"], _o.state == SUPERSEDED)
    for member in connection.execute(with_it).mappings().all():
        _fall_back(connection, dict(member), times)
    if row["kind"] == Kind.DIGEST and not goes_on:
        _hold_again(connection, str(row["id"]), times)
    return [undelivered(row, times.now)] if row["kind"] in _KINDS else []


def _fall_back(connection: Connection, row: dict[str, object], times: Times) -> bool:
    """Write the row for the next channel of the same contact, at once; False if there is none."""
    rest = json.loads(str(row["fallback"]))
    if not rest:
        return False
    try:
        note = _NOTE.decode(str(row["payload"]))
    except msgspec.MsgspecError:  # of another version: it must hold up nobody
        return False
    if _told_newer(connection, note, rest, Grade(int(str(row["urgency"])))):
        return True
    address = Address(note.contact, rest[0], tuple(rest[1:]))
    fresh = new_row(note, address, Grade(int(str(row["urgency"]))), times)
    if not note.incident:  # a digest: nothing but its row tells it from yesterday's
        fresh["dedup"] = f"{row['id']}:{rest[0]}"
    if connection.execute(select(_o.row).where(_o.dedup == fresh["dedup"])).first() is None:
        connection.execute(insert(tables.outbox), [fresh])
        if not note.incident:  # it is this one now that tells them
            held = update(tables.outbox).where(_o.digest == row["id"], _o.state == SUPPRESSED)
            connection.execute(held.values(digest=fresh["id"]))
    return True


def _hold_again(connection: Connection, digest: str, times: Times) -> None:
    """Let the next digest tell what no channel took; what is a day old nobody waits for."""
    connection.execute(
        update(tables.outbox)
        .where(
            _o.digest == digest, _o.state == SUPPRESSED, _o.created_at > times.now - LONGEST_HELD_MS
        )
        .values(digest="", digest_at=times.now + HELD_AGAIN_MS, changed_at=times.now)
    )


def _told_newer(
    connection: Connection, note: Notification, rest: Sequence[str], urgency: Grade
) -> bool:
    """Tell whether this contact has a newer announcement, or gets one over the channels left.

    The older one would come after it, as if it were news: a danger after its all-clear.
    """
    newer = and_(_o.incident == note.incident, _o.contact == note.contact, _o.seq > note.seq)
    if connection.execute(select(_o.row).where(newer, _o.state == ACCEPTED)).first() is not None:
        return True
    waiting = connection.execute(
        select(_o.row, _o.urgency, _o.channel, _o.fallback).where(newer, _o.state == PENDING)
    ).all()
    heirs = [
        row for row in waiting if not {row.channel, *json.loads(row.fallback)}.isdisjoint(rest)
    ]
    lifted = [row.row for row in heirs if row.urgency < urgency]
    if lifted:
        connection.execute(
            update(tables.outbox).where(_o.row.in_(lifted)).values(urgency=int(urgency))
        )
    return bool(heirs)


def undelivered(row: Mapping[str, object], now: int) -> tuple[int, Event]:
    """Return the journal event of a row that has failed for good."""
    return _event(row, Happening.UNDELIVERED, now)


def _event(row: Mapping[str, object], what: Happening, now: int) -> tuple[int, Event]:
    number = int(str(row["incident"] or 0))
    return number, Event(
        at=now,
        what=what,
        grade=Grade(int(str(row["grade"]))),
        kind=Kind(str(row["kind"])),
        seq=int(str(row["seq"])),
        notification=str(row["id"]),
        contact=str(row["contact"]),
        channel=str(row["channel"]),
        detail=impersonal(str(row["detail"])),
    )
