"""The journal: append-only, one chain of SHA-256 hashes over every entry of every incident.

`hash = SHA-256(prev + body)`, where body is the canonical JSON (sorted keys, no blanks) of the
entry's number in the chain, its incident and its event. A changed, removed or inserted entry breaks
the chain; a cut-off tail shows against a head hash that left the house (each webhook carries one).
"""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import Connection, insert, select

from alerts import tables
from alerts.fold import apply
from alerts.incident import Event, Incident

GENESIS = "0" * 64


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is hashed: one event of one incident (0: of the site), with its place in the chain."""

    seq: int
    incident: int
    event: Event


class Head(msgspec.Struct, frozen=True):
    """The end of the chain: number of entries and last hash. Keep one elsewhere as an anchor."""

    seq: int
    hash: str


class JournalError(RuntimeError):
    """The chain is broken: somebody changed the journal, or the disk did. No retry helps."""


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Entry)


def head(connection: Connection) -> Head:
    """Return the end of the chain."""
    row = connection.execute(
        select(tables.journal.c.seq, tables.journal.c.hash)
        .order_by(tables.journal.c.seq.desc())
        .limit(1)
    ).first()
    return Head(row.seq, row.hash) if row else Head(0, GENESIS)


def append(connection: Connection, entries: list[tuple[int, Event]]) -> Head:
    """Append (incident or 0, event) pairs within a writing transaction; return the new end."""
    end = head(connection)
    rows = []
    for number, event in entries:
        body = _ENCODER.encode(Entry(seq=end.seq + 1, incident=number, event=event)).decode()
        digest = _digest(end.hash, body)
        rows.append(
            {
                "seq": end.seq + 1,
                "incident": number or None,
                "body": body,
                "prev": end.hash,
                "hash": digest,
            }
        )
        end = Head(end.seq + 1, digest)
    if rows:
        connection.execute(insert(tables.journal), rows)
    return end


def events_of(connection: Connection, number: int) -> list[Event]:
    """Return the events of one incident (0: of the site), oldest first."""
    own = tables.journal.c.incident
    bodies = connection.execute(
        select(tables.journal.c.body)
        .where(own == number if number else own.is_(None))
        .order_by(tables.journal.c.seq)
    ).scalars()
    return [_DECODER.decode(body).event for body in bodies]


def fold(events: list[Event], number: int) -> Incident:
    """Return the incident that these events make."""
    state = apply(None, events[0], number)
    for event in events[1:]:
        state = apply(state, event)
    return state


def check(end: Head, seq: int, number: int | None, body: str, prev: str, digest: str) -> None:
    """Check one row against the end of the chain before it.

    Raises:
        JournalError: It does not fit; the message says how.
    """
    if seq != end.seq + 1:
        raise JournalError(f"journal: entry {seq} follows {end.seq}: something is missing")
    if prev != end.hash or digest != _digest(prev, body):
        raise JournalError(f"journal: entry {seq} does not fit the chain: it was changed")
    try:
        entry = _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise JournalError(f"journal: entry {seq} can't be read: {error}") from error
    if (entry.seq, entry.incident) != (seq, number or 0):
        raise JournalError(f"journal: entry {seq} was moved to another place or incident")


def _digest(prev: str, body: str) -> str:
    return hashlib.sha256((prev + body).encode()).hexdigest()
