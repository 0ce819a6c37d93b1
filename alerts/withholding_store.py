"""Withholdings in the database: a cache of the fold over their events in the hash chain."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, insert, select, update

from alerts import journal, tables
from alerts.database import Database
from alerts.impersonal import impersonal_event
from alerts.incident import Event, Happening
from alerts.records import typed_names
from alerts.store import StaleError
from alerts.views import IncidentError
from alerts.withholding import Withholding
from alerts.withholding_fold import apply_withholding

# Writes messages within the transaction of what they are about; returns what the journal then says.
Tell = Callable[[Connection, Withholding, journal.Head], list[tuple[int, Event]]]
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Withholding)
_w = tables.withholding.c


def about(number: int) -> str:
    """Return how events name a withholding.

    >>> about(3)
    'withholding.3'
    """
    return f"withholding.{number}"


class WithholdingStore:
    """The withholdings of one site."""

    def __init__(self, database: Database, site: str) -> None:
        self._database = database
        self._site = site

    def standing(self) -> list[Withholding]:
        """Return those that have not ended, oldest first."""
        query = select(_w.state).where(_w.site == self._site, _w.ended_at == 0)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_w.number)).scalars()
            return [_DECODER.decode(row) for row in rows]

    def latest(self, limit: int = 100) -> list[Withholding]:
        """Return all of them, newest first."""
        query = select(_w.state).where(_w.site == self._site)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_w.number.desc()).limit(limit)).scalars()
            return [_DECODER.decode(row) for row in rows]

    def begin(self, asked: Withholding, actor: str) -> Withholding:
        """Write a new one; its number is given here."""
        with self._database.write() as connection:
            result = connection.execute(
                insert(tables.withholding).values(site=self._site, ended_at=0, version=1, state="")
            )
            key = result.inserted_primary_key
            assert key is not None
            one = msgspec.structs.replace(asked, number=int(key[0]))
            event = Event(
                at=one.begun_at,
                actor=actor,
                what=Happening.WITHHELD,
                zone=self._site,
                about=about(one.number),
                withholding=one,
            )
            event = impersonal_event(event, typed_names(connection))
            one = event.withholding or one
            journal.append(connection, [(0, event)])
            connection.execute(
                update(tables.withholding)
                .where(_w.number == one.number)
                .values(state=_ENCODER.encode(one).decode())
            )
            return one

    def change(
        self, number: int, decide: Callable[[Withholding], Event | None], tell: Tell | None = None
    ) -> Withholding | None:
        """Write what *decide* says happens to one; None means nothing. Returns it as it is then.

        Args:
            number: Which.
            decide: Returns the event, out of its state.
            tell: Writes the messages that go with it, in the same transaction.

        Raises:
            IncidentError: No such withholding, or it has ended.
        """
        with self._database.write() as connection:
            row = connection.execute(
                select(_w.state, _w.version).where(_w.site == self._site, _w.number == number)
            ).first()
            if row is None:
                raise IncidentError(
                    f"withholding {number}: there is none", f"没有编号 {number} 的暂停通知"
                )
            before = _DECODER.decode(row.state)
            event = decide(before)
            if event is None:
                return None
            event = impersonal_event(event, typed_names(connection))
            after = apply_withholding(before, event)
            end = journal.append(connection, [(0, event)])
            self._update(connection, after, row.version)
            if tell is not None:
                journal.append(connection, tell(connection, after, end))
            return after

    def _update(self, connection: Connection, one: Withholding, version: int) -> None:
        result = connection.execute(
            update(tables.withholding)
            .where(_w.number == one.number, _w.version == version)
            .values(ended_at=one.ended_at, version=version + 1, state=_ENCODER.encode(one).decode())
        )
        if result.rowcount != 1:
            raise StaleError(f"withholding {one.number} was changed meanwhile")
