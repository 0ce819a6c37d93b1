"""Reports of residents in the database: what they saw, and what the duty made of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping

from alerts import people_tables, tables
from alerts.database import Database
from core.finding import Hazard
from core.grade import Grade
from core.refusal import RefusalError

_r = people_tables.report.c
# Waits for a person; seen and believed; over; not believed.
OPEN, CONFIRMED, ENDED, DISMISSED = "open", "confirmed", "ended", "dismissed"


class ReportError(RefusalError):
    """There is no such report, or this can't be done with it; no retry helps."""


class Saying(msgspec.Struct, frozen=True, kw_only=True):
    """What a resident sends.

    Attributes:
        nonce: Of the form: the same one twice is one report.
        zone, hazard: Where and what.
        text: In their own words.
        name, phone: Who, if they want to be asked; erasable.
        client: Says only whether two reports come from one place.
    """

    nonce: str
    zone: str
    hazard: Hazard
    text: str
    name: str = ""
    phone: str = ""
    client: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report as the duty sees it. Times are run time (ms).

    Attributes:
        number: For speech: `R12`.
        at: When it came.
        zone, hazard, text: What was said; the text is "" once it is erased.
        person: Id of who said it, "" for nobody; `name` and `phone` while they are not erased.
        client: Says only whether two reports come from one place.
        state: open, confirmed, ended or dismissed.
        incident: Number of the incident that it was told in, 0 for none (yet).
        decided_at, decided_by, grade, reason: What the duty made of it.
    """

    number: int
    at: int
    zone: str
    hazard: Hazard
    text: str
    person: str = ""
    name: str = ""
    phone: str = ""
    client: str = ""
    state: str = OPEN
    incident: int = 0
    decided_at: int = 0
    decided_by: str = ""
    grade: Grade = Grade.GREEN
    reason: str = ""


class ReportStore:
    """The reports of one site.

    Args:
        database: Open and up to date.
        site: Whose.
    """

    def __init__(self, database: Database, site: str) -> None:
        self._database = database
        self._site = site

    def keep(self, saying: Saying, now: int) -> tuple[int, bool]:
        """Write a report; return its number, and whether it is new: a form sent twice is not."""
        with self._database.write() as connection:
            person = _person(connection, saying)
            kind = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
            row = kind(people_tables.report).values(
                site=self._site, nonce=saying.nonce, at=now, zone=saying.zone,
                hazard=str(saying.hazard), text=saying.text, person=person, client=saying.client,
                state=OPEN, decided_at=0, decided_by="", grade=0, reason="",
            )  # fmt: skip
            once = row.on_conflict_do_nothing(index_elements=["nonce"]).returning(_r.row)
            fresh = connection.execute(once).scalar()
            if fresh is not None:
                return int(fresh), True
            if person:
                connection.execute(tables.person.delete().where(tables.person.c.id == person))
            known = connection.execute(select(_r.row).where(_r.nonce == saying.nonce)).scalar_one()
            return int(known), False

    def report(self, number: int) -> Report:
        """Return one report.

        Raises:
            ReportError: There is none.
        """
        found = self._select(_r.row == number)
        if not found:
            raise ReportError(f"report {number}: there is none", f"没有编号 {number} 的上报")
        return found[0]

    def standing(self) -> list[Report]:
        """Return those that wait for a person, and those that were confirmed and are not over."""
        return self._select(_r.state.in_((OPEN, CONFIRMED)))

    def untold(self) -> list[Report]:
        """Return open reports that stand in no incident yet, oldest first."""
        return [one for one in self._select(_r.state == OPEN) if not one.incident]

    def latest(self, limit: int) -> list[Report]:
        """Return the newest reports, newest first."""
        return self._select(_r.row > 0, newest=limit)

    def decide(
        self, number: int, state: str, *, by: str, now: int, grade: Grade, reason: str
    ) -> Report:
        """Write what the duty made of a report.

        Raises:
            ReportError: There is none, or it was decided already.
        """
        before = (CONFIRMED,) if state == ENDED else (OPEN,)
        with self._database.write() as connection:
            done = connection.execute(
                update(people_tables.report)
                .where(_r.site == self._site, _r.row == number, _r.state.in_(before))
                .values(state=state, decided_at=now, decided_by=by, grade=int(grade), reason=reason)
            )
        report = self.report(number)
        if not done.rowcount:
            raise ReportError(
                f"report {number} is {report.state} already", f"上报 {number} 已经处理过，不能再改"
            )
        return report

    def erase(self, number: int) -> None:
        """Forget what was said and by whom; that something was said, and what came of it, stays.

        Raises:
            ReportError: There is none.
        """
        person = self.report(number).person
        with self._database.write() as connection:
            connection.execute(
                update(people_tables.report).where(_r.row == number).values(text="", person="")
            )
            if person:
                connection.execute(tables.person.delete().where(tables.person.c.id == person))

    def _select(self, condition: object, newest: int = 0) -> list[Report]:
        query = (
            select(people_tables.report, tables.person.c.name, tables.person.c.phone)
            .outerjoin(tables.person, tables.person.c.id == _r.person)
            .where(_r.site == self._site, condition)  # type: ignore[arg-type]  # a column expression
            .order_by(_r.row.desc() if newest else _r.row)
        )
        with self._database.read() as connection:
            rows = connection.execute(query.limit(newest) if newest else query).mappings()
            return [_report(row) for row in rows]


def told_report(connection: Connection, number: int, incident: int) -> None:
    """Note in which incident a report was told: in the transaction that tells it, so it is once."""
    connection.execute(
        update(people_tables.report).where(_r.row == number).values(incident=incident)
    )


def _person(connection: Connection, saying: Saying) -> str:
    """Write who said it; a person of their own each time: nobody is recognised by a name."""
    if not (saying.name or saying.phone):
        return ""
    fresh = f"resident-{secrets.token_hex(4)}"
    connection.execute(insert(tables.person).values(id=fresh, name=saying.name, phone=saying.phone))
    return fresh


def _report(row: RowMapping) -> Report:
    return Report(
        number=row["row"],
        at=row["at"],
        zone=row["zone"],
        hazard=Hazard(row["hazard"]),
        text=row["text"],
        person=row["person"],
        name=row["name"] or "",
        phone=row["phone"] or "",
        client=row["client"],
        state=row["state"],
        incident=row["incident"] or 0,
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        grade=Grade(row["grade"]),
        reason=row["reason"],
    )


def clients(reports: Sequence[Report]) -> int:
    """Return from how many places reports come."""
    return len({report.client for report in reports})
