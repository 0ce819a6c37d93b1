"""A person's data: handed out, erased, and a statement of what remains and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    MetaData,
    Table,
    delete,
    false,
    func,
    insert,
    inspect,
    or_,
    select,
    update,
)

from alerts import tables
from alerts.database import Database
from alerts.impersonal import SHORTEST_NAME
from alerts.personal import JOURNAL_KEPT, PLACES, Place
from alerts.standards_tables import erasure
from core.clock import Clock
from core.community import Community, Name
from core.refusal import RefusalError

_j = tables.journal.c
# What stands in a text of somebody else where the name of who was erased stood.
ERASED_MARK = "[已删除 erased]"


class PersonError(RefusalError):
    """Nobody of this id is known; no retry helps."""


def _nobody(person: str) -> PersonError:
    return PersonError(
        f"person {person!r}: nothing is held about anybody of this id",
        f"{person!r}：没有此人的任何资料",
    )


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """What erasing did in one table.

    Attributes:
        table: Its name.
        rows: Rows about the person.
        erased: What was taken out: `row`, or the columns that were emptied.
        kept: Why something stays, in both languages.
    """

    table: str
    rows: int
    erased: tuple[str, ...] = ()
    kept: Name = Name()


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased of a person, and what remains and why; ids and counts only.

    Attributes:
        person: The id.
        at: When (run ms).
        touched: Table by table.
        by_hand: What somebody has to do that no program can, in both languages.
    """

    person: str
    at: int
    touched: tuple[Touched, ...]
    by_hand: tuple[Name, ...] = ()


class Privacy:
    """Finds, hands out and erases what is held about a person. Safe to call from any thread.

    Args:
        database: Open and up to date.
        community: For contacts of the profile.
        clock: Clock of the run.
    """

    def __init__(self, database: Database, community: Community, clock: Clock) -> None:
        self._database = database
        self._community = community
        self._clock = clock

    def people(self) -> list[dict[str, Any]]:
        """Return who is in the erasable table, by id."""
        with self._database.read() as connection:
            rows = connection.execute(select(tables.person).order_by(tables.person.c.id))
            return [dict(row) for row in rows.mappings()]

    def export(self, person: str) -> dict[str, Any]:
        """Return everything that is held about a person, by table.

        Raises:
            PersonError: Nothing is.
        """
        found: dict[str, Any] = {}
        with self._database.read() as connection:
            person = self._resolve(connection, person)
            names = self._names(connection, person)
            for place, table in _places(connection):
                shown = [table.c[name] for name in place.shown] or list(table.c)
                rows = connection.execute(select(*shown).where(_is(place, table, person, names)))
                if held := [dict(row) for row in rows.mappings()]:
                    found.setdefault(place.table, []).extend(held)
            if entries := self._entries(connection, person):
                found["journal"] = entries
        contact = next((one for one in self._community.contact if one.id == person), None)
        if contact is not None:
            found["community.toml"] = msgspec.to_builtins(contact)
        if not found:
            raise _nobody(person)
        return {"person": person, "held": found}

    def erase(self, person: str) -> Statement:
        """Erase a person in one transaction; what remains is the bare id.

        Raises:
            PersonError: Nothing is held about them.
        """
        now = self._clock.now_ms()
        with self._database.write() as connection:
            person = self._resolve(connection, person)
            statement = Statement(
                person=person, at=now, touched=tuple(self._touch(connection, person)),
                by_hand=self._by_hand(person),
            )  # fmt: skip
            if not statement.touched and not statement.by_hand:
                raise _nobody(person)
            text = msgspec.json.encode(statement).decode()
            connection.execute(insert(erasure).values(person=person, at=now, statement=text))
        return statement

    def _touch(self, connection: Connection, person: str) -> Iterator[Touched]:
        names = self._names(connection, person)  # before the row that knows them goes
        for place, table in _places(connection):
            where = _is(place, table, person, names)
            rows = connection.execute(select(func.count()).where(where)).scalar_one()
            if not rows:
                continue
            erased: tuple[str, ...] = place.cleared
            if place.delete:
                connection.execute(delete(table).where(where))
                erased = ("row",)
            elif place.free:
                _take_out(connection, place, table, where, names)
                erased = place.free
            elif place.cleared:
                connection.execute(
                    update(table).where(where).values(dict.fromkeys(place.cleared, ""))
                )
            yield Touched(table=place.table, rows=rows, erased=erased, kept=place.kept)
        if entries := len(self._entries(connection, person)):
            yield Touched(table="journal", rows=entries, kept=JOURNAL_KEPT)

    def _names(self, connection: Connection, person: str) -> tuple[str, ...]:
        """Return by what others may have written of them: name and number, the longest first."""
        row = connection.execute(
            select(tables.person.c.name, tables.person.c.phone).where(tables.person.c.id == person)
        ).first()
        contact = next((one for one in self._community.contact if one.id == person), None)
        known = {*(row or ()), contact.name if contact is not None else ""}
        found = [name for name in known if len(name) >= SHORTEST_NAME]
        return tuple(sorted(found, key=len, reverse=True))

    def _by_hand(self, person: str) -> tuple[Name, ...]:
        if not any(contact.id == person for contact in self._community.contact):
            return ()
        return (
            Name(
                f"community.toml 中的联系人 {person}：请手工删除姓名和号码",
                f"contact {person} of community.toml: take name and numbers out by hand",
            ),
            Name(
                "通道服务商处的发送记录须向其申请删除",
                "vendors of channels keep their own logs: ask them",
            ),
        )

    def _resolve(self, connection: Connection, person: str) -> str:
        """Return the id behind what was given: the id itself, or that of a volunteer."""
        volunteer = table_of(connection, "volunteer")
        if volunteer is None:
            return person
        known = connection.execute(
            select(volunteer.c.person).where(
                volunteer.c.site == self._community.site.id, volunteer.c.id == person
            )
        ).scalar()
        return str(known) if known else person

    def _entries(self, connection: Connection, person: str) -> list[dict[str, Any]]:
        """Return the journal's entries that name the id, wherever in the entry it stands."""
        rows = connection.execute(
            select(_j.seq, _j.incident, _j.body)
            .where(_j.body.contains(f'"{person}"', autoescape=True))
            .order_by(_j.seq)
        )
        return [
            {"seq": row.seq, "incident": row.incident, "entry": msgspec.json.decode(row.body)}
            for row in rows
        ]


def table_of(connection: Connection, name: str) -> Table | None:
    """Return a table as this database has it; None if it has none of this name."""
    if not inspect(connection).has_table(name):
        return None
    return Table(name, MetaData(), autoload_with=connection)


def _places(connection: Connection) -> Iterator[tuple[Place, Table]]:
    for place in PLACES:
        table = table_of(connection, place.table)
        if table is not None:
            yield place, table


def _is(place: Place, table: Table, person: str, names: tuple[str, ...]) -> ColumnElement[bool]:
    """Return which rows are about somebody; in free text that is told by their *names*."""
    named = [table.c[name] == person for name in place.person]
    within = [table.c[name].contains(f'"{person}"', autoescape=True) for name in place.within]
    free = [
        table.c[column].icontains(name, autoescape=True) for column in place.free for name in names
    ]
    return or_(false(), *named, *within, *free)


def _take_out(
    connection: Connection,
    place: Place,
    table: Table,
    where: ColumnElement[bool],
    names: tuple[str, ...],
) -> None:
    """Put a mark where a text of somebody else names who is erased, in whatever case."""
    named = re.compile("|".join(map(re.escape, names)), re.IGNORECASE)
    for column in (table.c[name] for name in place.free):
        for text in connection.execute(select(column).where(where).distinct()).scalars().all():
            taken_out = update(table).where(where, column == text)
            connection.execute(taken_out.values({column: named.sub(ERASED_MARK, text)}))
