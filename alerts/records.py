"""What else the database of alerts holds: names that people typed, and the rows of the outbox."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from sqlalchemy import Connection, func, insert, select

from alerts import outbox, tables
from alerts.database import Database
from core.community import Community

_o = tables.outbox.c


class Records:
    """Reads names and notifications.

    Args:
        database: Open and up to date.
        community: For contacts.
    """

    def __init__(self, database: Database, community: Community) -> None:
        self.database = database
        self._contacts = community.contact

    def person_id(self, who: str) -> str:
        """Return the id of *who* for the journal: a contact's, or one made for a name."""
        for contact in self._contacts:
            if who in (contact.id, contact.name):
                return contact.id
        with self.database.write() as connection:
            known = connection.execute(
                # Staff and volunteers; a resident who reported something is nobody else.
                select(tables.person.c.id).where(
                    tables.person.c.name == who, tables.person.c.id.like("person-%")
                )
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


def typed_names(connection: Connection) -> dict[str, str]:
    """Return the names in the erasable table, each with the id that stands for it elsewhere."""
    columns = tables.person.c
    rows = connection.execute(select(columns.name, columns.id)).all()
    return {name: person for name, person in rows if name}
