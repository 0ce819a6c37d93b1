"""What shifts leave each other, in the database: hand-overs, who stands in, and the roll-call."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, func, insert, select, update

from alerts import people_tables
from alerts.database import Database
from alerts.roster import Away
from core.finding import Condition, Hazard
from core.grade import Grade
from core.refusal import RefusalError

_h = people_tables.hand_over.c
_a = people_tables.absence.c
_c = people_tables.roll_call.c
# Doors of a roll-call: nobody has been there, or what was found.
DOOR_STATES = ("found", "absent", "needs-help")


class DutyError(RefusalError):
    """There is no such entry, or this can't be done with it; no retry helps."""


class OpenThen(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as it stood when the shift was handed over."""

    number: int
    zone: str
    hazard: Hazard
    grade: Grade
    condition: Condition
    stage: str
    taken_by: str = ""
    steps_left: int = 0


class HandOver(msgspec.Struct, frozen=True, kw_only=True):
    """What one shift leaves the next. Times are run time (ms).

    Attributes:
        number: Rises.
        at, by: When, and the id of who wrote it.
        shift: Id of the shift that ended, "" without a roster.
        text: In their own words.
        incidents: What was open then, worst first.
        taken_at, taken_by: Who of the next shift has read it, and when; 0 and "" for nobody yet.
    """

    number: int
    at: int
    by: str
    shift: str
    text: str
    incidents: tuple[OpenThen, ...] = ()
    taken_at: int = 0
    taken_by: str = ""


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """What was found behind one door."""

    zone: str
    door: str
    state: str
    at: int
    by: str


_INCIDENTS = msgspec.json.Decoder(tuple[OpenThen, ...])


class DutyStore:
    """Hand-overs, stand-ins and roll-calls of one site.

    Args:
        database: Open and up to date.
        site: Whose.
    """

    def __init__(self, database: Database, site: str) -> None:
        self._database = database
        self._site = site

    def hand_over(
        self, by: str, shift: str, text: str, incidents: Sequence[OpenThen], now: int
    ) -> HandOver:
        """Write what one shift leaves the next."""
        with self._database.write() as connection:
            result = connection.execute(
                insert(people_tables.hand_over).values(
                    site=self._site, at=now, by=by, shift=shift, text=text,
                    incidents=msgspec.json.encode(tuple(incidents)).decode(),
                    taken_at=0, taken_by="",
                )
            )  # fmt: skip
            key = result.inserted_primary_key
            assert key is not None
        return self._hand_over(int(key[0]))

    def take_over(self, number: int, by: str, now: int) -> HandOver:
        """Note that the next shift has read it; the first who does counts.

        Raises:
            DutyError: There is no such hand-over.
        """
        with self._database.write() as connection:
            connection.execute(
                update(people_tables.hand_over)
                .where(_h.site == self._site, _h.row == number, _h.taken_at == 0)
                .values(taken_at=now, taken_by=by)
            )
        return self._hand_over(number)

    def hand_overs(self, limit: int = 20) -> list[HandOver]:
        """Return the newest ones, newest first."""
        query = select(people_tables.hand_over).where(_h.site == self._site)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_h.row.desc()).limit(limit))
            return [
                HandOver(
                    number=row.row, at=row.at, by=row.by, shift=row.shift, text=row.text,
                    incidents=_INCIDENTS.decode(row.incidents),
                    taken_at=row.taken_at, taken_by=row.taken_by,
                )
                for row in rows
            ]  # fmt: skip

    def note_absence(self, away: Away, by: str, now: int) -> None:
        """Write that somebody is away, and who stands in."""
        with self._database.write() as connection:
            connection.execute(
                insert(people_tables.absence).values(
                    site=self._site, contact=away.contact, stand_in=away.stand_in,
                    begin=away.begin, end=away.end, noted_at=now, noted_by=by,
                )
            )  # fmt: skip

    def absences(self, since: int) -> list[Away]:
        """Return who was or will be away after *since* (ms), in the order of being noted."""
        query = select(people_tables.absence).where(_a.site == self._site, _a.end > since)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_a.row))
            return [Away(row.contact, row.begin, row.end, row.stand_in) for row in rows]

    def absence_count(self) -> int:
        """Return how many were ever noted: tells whether there is a new one."""
        with self._database.read() as connection:
            return int(
                connection.execute(select(func.count()).where(_a.site == self._site)).scalar_one()
            )

    def tick_door(self, incident: int, door: Door) -> None:
        """Write what was found behind a door; an empty state takes the tick away again.

        Raises:
            DutyError: The state is not one of `DOOR_STATES`.
        """
        if door.state and door.state not in DOOR_STATES:
            raise DutyError(
                f"state {door.state[:20]!r}: expected {', '.join(DOOR_STATES)}",
                f"没有敲门结果 {door.state[:20]!r}，应为 {'、'.join(DOOR_STATES)} 之一",
            )
        same = (_c.incident == incident) & (_c.zone == door.zone) & (_c.door == door.door)
        with self._database.write() as connection:
            connection.execute(delete(people_tables.roll_call).where(same))
            if door.state:
                connection.execute(
                    insert(people_tables.roll_call).values(
                        incident=incident, zone=door.zone, door=door.door, state=door.state,
                        at=door.at, by=door.by,
                    )
                )  # fmt: skip

    def doors(self, incident: int) -> list[Door]:
        """Return what was found in an incident, door by door."""
        query = select(people_tables.roll_call).where(_c.incident == incident)
        with self._database.read() as connection:
            return [
                Door(zone=row.zone, door=row.door, state=row.state, at=row.at, by=row.by)
                for row in connection.execute(query)
            ]

    def _hand_over(self, number: int) -> HandOver:
        found = [one for one in self.hand_overs(1000) if one.number == number]
        if not found:
            raise DutyError(f"hand-over {number}: there is none", f"没有编号 {number} 的交班记录")
        return found[0]
