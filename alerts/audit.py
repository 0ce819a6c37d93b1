"""The audit: is the journal whole, and is everything that is kept what the journal says?

It only reads, goes on after the first problem, and names each one in words.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, func, select

from alerts import journal, tables
from alerts.incident import Incident
from alerts.journal import GENESIS, Head
from alerts.views import IncidentError
from alerts.withholding import Withholding
from alerts.withholding_fold import apply_withholding

# More problems than these tell nothing new.
MOST_PROBLEMS = 50
_INCIDENT = msgspec.json.Decoder(Incident)
_WITHHOLDING = msgspec.json.Decoder(Withholding)
_w = tables.withholding.c
_i = tables.incident.c


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        entries: How many entries the journal has.
        head: Its end, to be kept elsewhere as an anchor.
        anchored: True if an anchor was given and is in the chain.
        incidents, withholdings: How many were folded again.
        problems: Each in words; empty if all is well. At most `MOST_PROBLEMS`.
    """

    entries: int
    head: Head
    anchored: bool
    incidents: int
    withholdings: int
    problems: tuple[str, ...]


def audit(connection: Connection, anchor: Head | None = None) -> Audit:
    """Check the hash chain, and fold everything again.

    Args:
        connection: A reading transaction on an up-to-date database.
        anchor: A head of the chain that left the house earlier (each webhook carries one).
    """
    problems: list[str] = []
    entries, end, anchored = _chain(connection, anchor, problems)
    if anchor is not None and not anchored:
        problems.append(
            f"journal: the anchor {anchor.seq}:{anchor.hash} is not in the chain, which ends at "
            f"{end.seq}:{end.hash}: its end was cut off, or it was written anew"
        )
    incidents = withholdings = 0
    for problem in _incidents(connection):
        incidents += 1
        problems += [problem] if problem else []
    for problem in _withholdings(connection):
        withholdings += 1
        problems += [problem] if problem else []
    problems += _orphans(connection)
    return Audit(
        entries=entries,
        head=end,
        anchored=anchored,
        incidents=incidents,
        withholdings=withholdings,
        problems=tuple(problems[:MOST_PROBLEMS]),
    )


def _chain(
    connection: Connection, anchor: Head | None, problems: list[str]
) -> tuple[int, Head, bool]:
    end, entries = Head(0, GENESIS), 0
    found = anchor is not None and anchor == end
    query = select(tables.journal).order_by(tables.journal.c.seq)
    with connection.execution_options(yield_per=500).execute(query) as rows:
        for row in rows:
            if len(problems) < MOST_PROBLEMS:
                try:
                    journal.check(end, row.seq, row.incident, row.body, row.prev, row.hash)
                except journal.JournalError as error:
                    problems.append(str(error))
            end = Head(row.seq, row.hash)
            entries += 1
            found = found or end == anchor
    return entries, end, found


def _incidents(connection: Connection) -> Iterator[str]:
    """Yield what is wrong with each incident; "" if nothing is."""
    for row in connection.execute(select(tables.incident).order_by(_i.number)).all():
        yield _incident(connection, row.number, row.state, (row.over_at, row.closed_at))


def _incident(connection: Connection, number: int, state: str, ends: tuple[int, int]) -> str:
    try:
        events = journal.events_of(connection, number)
        if not events:
            return f"incident {number} has no journal: its entries are missing"
        folded = journal.fold(events, number)
        kept = _INCIDENT.decode(state)
    except (IncidentError, msgspec.MsgspecError) as error:
        return f"incident {number}: its journal can't be folded: {error}"
    if folded != kept or ends != (folded.over_at, folded.closed_at):
        return f"incident {number} is not what its journal says: its row was changed"
    return ""


def _withholdings(connection: Connection) -> Iterator[str]:
    """Yield what is wrong with each withholding; "" if nothing is."""
    folded: dict[int, Withholding] = {}
    broken: dict[int, str] = {}
    for event in journal.events_of(connection, 0):
        kind, _, digits = event.about.partition(".")
        if kind != "withholding":
            continue
        number = int(digits)
        try:
            folded[number] = apply_withholding(folded.get(number), event)
        except IncidentError as error:
            broken[number] = f"withholding {number}: its journal can't be folded: {error}"
    rows = connection.execute(select(_w.number, _w.state, _w.ended_at)).all()
    for row in rows:
        one = folded.pop(row.number, None)
        fits = one is not None and one.ended_at == row.ended_at and one == _decoded(row.state)
        wrong = f"withholding {row.number} is not what the journal says: its row was changed"
        yield broken.get(row.number, "" if fits else wrong)
    for number in folded:
        yield f"withholding {number} stands in the journal, but its row is missing"


def _decoded(state: str) -> Withholding | None:
    try:
        return _WITHHOLDING.decode(state)
    except msgspec.MsgspecError:
        return None


def _orphans(connection: Connection) -> list[str]:
    """Return incidents that the journal knows and the table does not."""
    known = select(_i.number)
    query = (
        select(tables.journal.c.incident, func.count())
        .where(tables.journal.c.incident.is_not(None), tables.journal.c.incident.not_in(known))
        .group_by(tables.journal.c.incident)
    )
    return [
        f"incident {number} stands in the journal ({count} entries), but its row is missing"
        for number, count in connection.execute(query).all()
    ]
