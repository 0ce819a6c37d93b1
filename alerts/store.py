"""Incidents in the database: state, journal and outbox rows change in one transaction, or not.

The row of an incident is a cache of the fold over its journal. Writers name the version they saw;
a writer that saw an older one gets `StaleError`, reads again and decides again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts import journal, outbox, tables
from alerts.announcer import ANNOUNCING, Announcer
from alerts.audit import audit
from alerts.board import Key
from alerts.database import Database
from alerts.delivery import Delivery
from alerts.fold import apply
from alerts.impersonal import has_free_text, impersonal_event
from alerts.incident import Event, Happening, Incident
from alerts.outbox import Times
from alerts.records import Records, typed_names
from alerts.report_store import told_report
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


class Store(Records):
    """The incidents of one site.

    Args:
        database: Open and up to date.
        community: For contacts and names.
        base_url: Of the console, for links.
        configured: Names of the channels that can send.
        delivery: Ladders, digest and quiet hours; the defaults if None.
    """

    def __init__(
        self,
        database: Database,
        community: Community,
        base_url: str,
        configured: Collection[str],
        delivery: Delivery | None = None,
    ) -> None:
        super().__init__(database, community)
        self.community = community
        self.announcer = Announcer(community, base_url, configured, delivery or Delivery())

    @property
    def site(self) -> str:
        """Whose incidents these are."""
        return self.community.site.id

    def open_incidents(self, drill: str | None = "") -> list[Kept]:
        """Return the incidents that are not over: actual ones, those of a drill, or (None) all."""
        query = select(tables.incident.c.state, tables.incident.c.version).where(
            tables.incident.c.site == self.site, tables.incident.c.over_at == 0
        )
        if drill is not None:
            query = query.where(tables.incident.c.drill == drill)
        with self.database.read() as connection:
            rows = connection.execute(query)
            return [Kept(_DECODER.decode(row.state), row.version) for row in rows]

    def under_review(self) -> list[Incident]:
        """Return every actual incident that is over but not closed."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(tables.incident.c.state).where(
                    tables.incident.c.site == self.site,
                    tables.incident.c.over_at > 0,
                    tables.incident.c.closed_at == 0,
                    tables.incident.c.drill == "",
                )
            ).scalars()
            return [_DECODER.decode(row) for row in rows]

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
        free = any(has_free_text(event) for event in events)
        known = self._known(connection) if free else {}
        events = self.announcer.arm([impersonal_event(event, known) for event in events])
        for event in events:
            state = apply(state, event, number)
            if event.what in ANNOUNCING:
                announced.append((state, event))
            elif event.what is Happening.ACTED and event.act is not None:
                self._told(connection, number, event.station, event.act.id)
            elif event.what is Happening.REPORTED:
                told_report(connection, event.report, number)
        assert state is not None
        end = journal.append(connection, [(number, event) for event in events])
        version = kept.version + 1 if kept else 1
        self._update(connection, state, version)
        undone: list[tuple[int, Event]] = []
        for then, event in announced:
            undone += self.announcer.write(connection, then, event, end, times, everybody=everybody)
        journal.append(connection, undone)
        return Kept(state, version)

    def _known(self, connection: Connection) -> dict[str, str]:
        """Return the names of people, each with the id that stands for it in the journal."""
        staff = {contact.name: contact.id for contact in self.community.contact}
        return typed_names(connection) | staff

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
                over_at=0,
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
                over_at=state.over_at,
                closed_at=state.closed_at,
                state=_ENCODER.encode(state).decode(),
            )
        )
        if result.rowcount != 1:
            raise StaleError(f"incident {state.number} was changed meanwhile")

    def untold(self, number: int, seq: int) -> bool:
        """Tell whether nobody was told an announcement, and nobody will be by what still waits.

        A siren that has sounded and residents who were told could not take it over.
        """
        with self.database.read() as connection:
            states = set(
                connection.execute(
                    select(_o.state).where(
                        _o.incident == number,
                        _o.seq == seq,
                        _o.state != outbox.SUPERSEDED,
                        _o.contact.notin_(self.announcer.bystanders),
                    )
                ).scalars()
            )
        return bool(states) and states <= {outbox.FAILED, outbox.DEAD}

    def can_tell(self) -> bool:
        """Tell whether any contact has a channel that is configured."""
        return self.announcer.can_tell()

    def verify_journal(self, anchor: journal.Head | None = None) -> journal.Head:
        """Check the hash chain, and that every incident is the fold of its journal.

        Raises:
            journal.JournalError: It is broken; the message says where.
        """
        with self.database.read() as connection:
            report = audit(connection, anchor)
        if report.problems:
            raise journal.JournalError(report.problems[0])
        return report.head
