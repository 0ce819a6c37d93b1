"""Incidents in the database: state, journal and outbox rows change in one transaction, or not.

The row of an incident is a cache of the fold over its journal. Writers name the version they saw;
a writer that saw an older one gets `StaleError`, reads again and decides again.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts import journal, outbox, tables
from alerts.board import Key
from alerts.database import Database
from alerts.incident import Event, Happening, Incident, apply
from alerts.message import notification
from alerts.outbox import Times
from alerts.routing import addresses
from core.community import Community

_o = tables.outbox.c
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Incident)


class StaleError(RuntimeError):
    """Somebody else changed the incident meanwhile; read it again and decide again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An incident as it is in the database."""

    incident: Incident
    version: int

    @property
    def key(self) -> Key:
        """Which (zone, hazard) it is of."""
        return Key(self.incident.zone, self.incident.hazard)


class Store:
    """The incidents of one site.

    Args:
        database: Open and up to date.
        community: For contacts and names.
        base_url: Of the console, for links.
        configured: Names of the channels that can send.
    """

    def __init__(
        self, database: Database, community: Community, base_url: str, configured: Collection[str]
    ) -> None:
        self.database = database
        self._community = community
        self._base_url = base_url
        self._configured = frozenset(configured)

    @property
    def site(self) -> str:
        """Whose incidents these are."""
        return self._community.site.id

    def open_incidents(self, drill: str | None = "") -> list[Kept]:
        """Return the open incidents: actual ones, those of a drill, or (None) all."""
        query = select(tables.incident.c.state, tables.incident.c.version).where(
            tables.incident.c.site == self.site, tables.incident.c.closed_at == 0
        )
        if drill is not None:
            query = query.where(tables.incident.c.drill == drill)
        with self.database.read() as connection:
            rows = connection.execute(query)
            return [Kept(_DECODER.decode(row.state), row.version) for row in rows]

    def kept(self, number: int) -> Kept | None:
        """Return one incident."""
        with self.database.read() as connection:
            row = connection.execute(
                select(tables.incident.c.state, tables.incident.c.version).where(
                    tables.incident.c.site == self.site, tables.incident.c.number == number
                )
            ).first()
            return Kept(_DECODER.decode(row.state), row.version) if row else None

    def latest(self, limit: int, before: int | None) -> list[Incident]:
        """Return incidents by number, newest first."""
        query = select(tables.incident.c.state).where(tables.incident.c.site == self.site)
        if before is not None:
            query = query.where(tables.incident.c.number < before)
        query = query.order_by(tables.incident.c.number.desc()).limit(limit)
        with self.database.read() as connection:
            return [_DECODER.decode(text) for text in connection.execute(query).scalars()]

    def of_drill(self, drill: str) -> list[Incident]:
        """Return every incident of a drill, oldest first."""
        query = select(tables.incident.c.state).where(
            tables.incident.c.site == self.site, tables.incident.c.drill == drill
        )
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(tables.incident.c.number)).scalars()
            return [_DECODER.decode(text) for text in rows]

    def events(self, number: int) -> list[Event]:
        """Return the journal of one incident, oldest first."""
        with self.database.read() as connection:
            return journal.events_of(connection, number)

    def commit(
        self, kept: Kept | None, events: Sequence[Event], times: Times, *, everybody: bool = False
    ) -> Kept:
        """Write events, the state that they make, and the notifications that they ask for.

        Args:
            kept: The incident as it was read; None opens a new one.
            events: At least one.
            times: The clocks.
            everybody: True if an announcement goes to all contacts, whatever their role.

        Raises:
            StaleError: Somebody was faster.
        """
        try:
            with self.database.write() as connection:
                return self._commit(connection, kept, list(events), times, everybody=everybody)
        except IntegrityError as error:
            raise StaleError("an incident of this zone and hazard was opened meanwhile") from error

    def _commit(
        self,
        connection: Connection,
        kept: Kept | None,
        events: list[Event],
        times: Times,
        *,
        everybody: bool,
    ) -> Kept:
        number = kept.incident.number if kept else self._new(connection, events[0])
        state = kept.incident if kept else None
        announced: list[tuple[Incident, Event]] = []
        for event in events:
            state = apply(state, event, number)
            if event.what is Happening.ANNOUNCED:
                announced.append((state, event))
            elif event.what is Happening.ACTED and event.act is not None:
                self._told(connection, number, event.station, event.act.id)
        assert state is not None
        end = journal.append(connection, [(number, event) for event in events])
        version = kept.version + 1 if kept else 1
        self._update(connection, state, version)
        undone: list[tuple[int, Event]] = []
        for then, event in announced:
            undone += self._announce(connection, then, event, end, times, everybody=everybody)
        journal.append(connection, undone)
        return Kept(state, version)

    def _told(self, connection: Connection, number: int, station: str, act: str) -> None:
        """An act belongs to this incident: in the same transaction, so it is told once."""
        columns = tables.local_act.c
        connection.execute(
            update(tables.local_act)
            .where(columns.site == self.site, columns.station == station, columns.id == act)
            .values(incident=number, state="told")
        )

    def _new(self, connection: Connection, event: Event) -> int:
        result = connection.execute(
            insert(tables.incident).values(
                site=self.site,
                zone=event.zone,
                hazard=str(event.hazard),
                drill=event.drill,
                version=0,
                grade=0,
                opened_at=event.at,
                closed_at=0,
                state="",
            )
        )
        key = result.inserted_primary_key
        assert key is not None
        return int(key[0])

    def _update(self, connection: Connection, state: Incident, version: int) -> None:
        result = connection.execute(
            update(tables.incident)
            .where(
                tables.incident.c.number == state.number, tables.incident.c.version == version - 1
            )
            .values(
                version=version,
                grade=int(state.grade),
                closed_at=state.closed_at,
                state=_ENCODER.encode(state).decode(),
            )
        )
        if result.rowcount != 1:
            raise StaleError(f"incident {state.number} was changed meanwhile")

    def _announce(
        self,
        connection: Connection,
        incident: Incident,
        event: Event,
        end: journal.Head,
        times: Times,
        *,
        everybody: bool,
    ) -> list[tuple[int, Event]]:
        assert event.kind is not None
        assert event.grade is not None
        note = notification(
            incident, event, community=self._community, base_url=self._base_url, journal=end
        )
        whom = addresses(
            event.kind, event.grade, incident.peak, self._community, everybody=everybody
        )
        return outbox.enqueue(connection, note, whom, self._configured, times)

    def untold(self, number: int, seq: int) -> bool:
        """Tell whether nobody was told an announcement, and nobody will be by what still waits."""
        with self.database.read() as connection:
            states = set(
                connection.execute(
                    select(_o.state).where(_o.incident == number, _o.seq == seq)
                ).scalars()
            )
        return bool(states) and states <= {outbox.FAILED, outbox.DEAD}

    def can_tell(self) -> bool:
        """Tell whether any contact has a channel that is configured."""
        everyone = {name for contact in self._community.contact for name in contact.channels}
        return any(name.partition(":")[0] in self._configured for name in everyone)

    def verify_journal(self, anchor: journal.Head | None = None) -> journal.Head:
        """Check the hash chain, and that every incident is the fold of its journal.

        Raises:
            journal.JournalError: It is broken; the message says where.
        """
        with self.database.read() as connection:
            end = journal.verify(connection, anchor)
            rows = connection.execute(
                select(tables.incident.c.number, tables.incident.c.state)
            ).all()
            for number, text in rows:
                if journal.fold(journal.events_of(connection, number), number) != _DECODER.decode(
                    text
                ):
                    raise journal.JournalError(
                        f"incident {number} is not what its journal says: its row was changed"
                    )
            return end

    # --- people ---

    def person_id(self, who: str) -> str:
        """Return the id of *who* for the journal: a contact's, or one made for a name."""
        for contact in self._community.contact:
            if who in (contact.id, contact.name):
                return contact.id
        with self.database.write() as connection:
            known = connection.execute(
                select(tables.person.c.id).where(tables.person.c.name == who)
            ).scalar()
            if known is not None:
                return str(known)
            fresh = f"person-{secrets.token_hex(4)}"
            connection.execute(insert(tables.person).values(id=fresh, name=who))
            return fresh

    def names(self) -> dict[str, str]:
        """Return the names that people typed, by id."""
        with self.database.read() as connection:
            return dict(connection.execute(select(tables.person.c.id, tables.person.c.name)).all())

    def erase_person(self, person: str) -> bool:
        """Forget a name; the journal keeps the bare id. True if it was known."""
        with self.database.write() as connection:
            result = connection.execute(tables.person.delete().where(tables.person.c.id == person))
            return bool(result.rowcount)

    # --- notifications ---

    def notified(self, numbers: Collection[int]) -> dict[int, list[dict[str, object]]]:
        """Return the outbox rows of some incidents, newest first."""
        found: dict[int, list[dict[str, object]]] = {number: [] for number in numbers}
        if not numbers:
            return found
        with self.database.read() as connection:
            rows = connection.execute(
                select(tables.outbox).where(_o.incident.in_(numbers)).order_by(_o.row.desc())
            ).mappings()
            for row in rows:
                found[row["incident"]].append(dict(row))
        return found

    def outbox_counts(self) -> tuple[dict[str, int], int | None]:
        """Return how many rows are in each state, and when the oldest pending one was written."""
        with self.database.read() as connection:
            counts: dict[str, int] = dict(
                connection.execute(select(_o.state, func.count()).group_by(_o.state)).all()
            )
            oldest = connection.execute(
                select(func.min(_o.created_at)).where(_o.state == outbox.PENDING)
            ).scalar()
        return counts, oldest
