"""The registers in the database: volunteers (who they are stands in `person`) and supplies."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, insert, select, update

from alerts import people_tables, tables
from alerts.database import Database
from alerts.register import Volunteer
from alerts.register_file import Registers
from alerts.response import Supply
from core.refusal import RefusalError

_v = people_tables.volunteer.c
_s = people_tables.supply.c
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Supply)


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import has done.

    Attributes:
        volunteers, supplies: How many were written.
        erased: How many volunteers were left out because they had been erased.
    """

    volunteers: int
    supplies: int
    erased: int = 0


class RegisterError(RefusalError):
    """There is no such entry, or it can't be changed like this; no retry helps."""


def _no_volunteer(volunteer: str) -> RegisterError:
    return RegisterError(f"volunteer {volunteer!r}: there is none", f"没有志愿者 {volunteer!r}")


class RegisterStore:
    """The registers of one site.

    Args:
        database: Open and up to date.
        site: Whose.
    """

    def __init__(self, database: Database, site: str) -> None:
        self._database = database
        self._site = site

    def take(self, registers: Registers, now: int = 0, by: str = "import") -> Taken:
        """Write entries, replacing those with the same id; who was erased stays erased."""
        erased = 0
        with self._database.write() as connection:
            for volunteer in registers.volunteer:
                erased += not self._keep(connection, volunteer)
            for supply in registers.supply:
                self._stock(connection, supply, now, by)
        return Taken(len(registers.volunteer) - erased, len(registers.supply), erased)

    def begin_with(self, supplies: tuple[Supply, ...], now: int) -> None:
        """Write the stocks that the register does not know yet; the others have their own life."""
        with self._database.write() as connection:
            known = set(connection.execute(select(_s.id).where(_s.site == self._site)).scalars())
            for supply in supplies:
                if supply.id not in known:
                    self._stock(connection, supply, now, "response.toml")

    def volunteers(self) -> list[Volunteer]:
        """Return the volunteers who have agreed, by id; nobody else exists here."""
        query = (
            select(people_tables.volunteer, tables.person.c.name, tables.person.c.phone)
            .join(tables.person, tables.person.c.id == _v.person)
            .where(_v.site == self._site, _v.consent != "")
            .order_by(_v.id)
        )
        with self._database.read() as connection:
            return [
                Volunteer(
                    id=row.id,
                    name=row.name,
                    phone=row.phone,
                    skills=tuple(row.skills.split()),
                    hours=row.hours,
                    zones=tuple(row.zones.split()),
                    consent=dt.date.fromisoformat(row.consent),
                )
                for row in connection.execute(query)
            ]

    def person_of(self, volunteer: str) -> str:
        """Return the id in `person` behind a volunteer, for export and erasure.

        Raises:
            RegisterError: No such volunteer.
        """
        with self._database.read() as connection:
            found = connection.execute(
                select(_v.person).where(_v.site == self._site, _v.id == volunteer)
            ).scalar()
        if not found:
            raise _no_volunteer(volunteer)
        return str(found)

    def withdraw(self, volunteer: str) -> None:
        """Take the consent back: they are not shown and not asked any more.

        Raises:
            RegisterError: No such volunteer.
        """
        with self._database.write() as connection:
            done = connection.execute(
                update(people_tables.volunteer)
                .where(_v.site == self._site, _v.id == volunteer)
                .values(consent="")
            )
            if not done.rowcount:
                raise _no_volunteer(volunteer)

    def supplies(self) -> list[Supply]:
        """Return every stock, by id."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(_s.body, _s.quantity).where(_s.site == self._site).order_by(_s.id)
            )
            return [
                msgspec.structs.replace(_DECODER.decode(row.body), quantity=row.quantity)
                for row in rows
            ]

    def count(self, supply: str, quantity: float, now: int, by: str) -> Supply:
        """Write how much of a stock there is now.

        Raises:
            RegisterError: No such stock, or not a quantity.
        """
        if not 0 <= quantity < 1e9:  # written so that NaN is refused, too
            raise RegisterError(f"quantity {quantity}: expected 0 or more", "数量须为 0 或更大的数")
        with self._database.write() as connection:
            done = connection.execute(
                update(people_tables.supply)
                .where(_s.site == self._site, _s.id == supply)
                .values(quantity=quantity, changed_at=now, changed_by=by)
            )
            if not done.rowcount:
                raise RegisterError(f"supply {supply!r}: there is none", f"没有物资 {supply!r}")
        return next(one for one in self.supplies() if one.id == supply)

    def _keep(self, connection: Connection, volunteer: Volunteer) -> bool:
        """Write one volunteer; False if they were erased."""
        mine = (_v.site == self._site) & (_v.id == volunteer.id)
        known = connection.execute(select(_v.person).where(mine)).scalar()
        values = {
            "skills": " ".join(volunteer.skills),
            "hours": volunteer.hours,
            "zones": " ".join(volunteer.zones),
            "consent": volunteer.consent.isoformat() if volunteer.consent else "",
        }
        person = {"name": volunteer.name, "phone": volunteer.phone}
        if known is None:
            fresh = f"person-{secrets.token_hex(4)}"
            connection.execute(insert(tables.person).values(id=fresh, **person))
            row = {"site": self._site, "id": volunteer.id, "person": fresh, **values}
            connection.execute(insert(people_tables.volunteer).values(row))
            return True
        done = connection.execute(
            update(tables.person).where(tables.person.c.id == known).values(person)
        )
        if not done.rowcount:
            return False
        connection.execute(update(people_tables.volunteer).where(mine).values(values))
        return True

    def _stock(self, connection: Connection, supply: Supply, now: int, by: str) -> None:
        mine = (_s.site == self._site) & (_s.id == supply.id)
        values = {
            "quantity": supply.quantity,
            "changed_at": now,
            "changed_by": by,
            "body": _ENCODER.encode(supply).decode(),
        }
        done = connection.execute(update(people_tables.supply).where(mine).values(values))
        if not done.rowcount:
            row = {"site": self._site, "id": supply.id, **values}
            connection.execute(insert(people_tables.supply).values(row))
