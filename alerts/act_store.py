"""Local acts in the database: each is taken once, and belongs to an incident or to none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from alerts import tables
from alerts.database import Database
from core.act import ActEvent, LocalAct

_a = tables.local_act.c
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(LocalAct)

# An act waits for the incident it belongs to, then it is told in one, or it needs none.
WAITS, TOLD, APART = "waits", "told", "apart"


@dataclass(frozen=True, slots=True)
class KeptAct:
    """One act of one station.

    Attributes:
        station: Whose.
        act: What; `at` is run time of the hub, and `sync` tells whether it is exact.
        received_at: Run time (ms) at which it came.
        incident: Number of its incident, 0 for none.
    """

    station: str
    act: LocalAct
    received_at: int
    incident: int = 0


class ActStore:
    """The acts of one site.

    Args:
        database: Open and up to date.
        site: Whose.
    """

    def __init__(self, database: Database, site: str) -> None:
        self._database = database
        self._site = site

    def keep(self, station: str, acts: Sequence[LocalAct], now: int) -> list[KeptAct]:
        """Write those that are new, in one transaction; return them."""
        fresh = []
        with self._database.write() as connection:
            insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
            for act in acts:
                began = act.event is ActEvent.ON
                row = insert(tables.local_act).values(
                    site=self._site,
                    station=station,
                    id=act.id,
                    run=act.run,
                    state=WAITS if _belongs(act) else APART,
                    running=int(began),
                    received_at=now,
                    body=_ENCODER.encode(act).decode(),
                )
                once = row.on_conflict_do_nothing(index_elements=["site", "station", "id"])
                # Not by the row count: PostgreSQL's driver does not tell it for an insert.
                if connection.execute(once.returning(_a.row)).first() is None:
                    continue
                fresh.append(KeptAct(station, act, now))
                if act.event is ActEvent.OFF and act.run:
                    connection.execute(
                        update(tables.local_act)
                        .where(_a.site == self._site, _a.station == station, _a.id == act.run)
                        .values(running=0)
                    )
        return fresh

    def waiting(self) -> list[KeptAct]:
        """Return the acts that wait for their incident, oldest first."""
        return self._select(_a.state == WAITS)

    def running(self) -> list[KeptAct]:
        """Return what is on now, as far as the stations have said."""
        return self._select(_a.running == 1)

    def latest(self, limit: int, station: str | None = None) -> list[KeptAct]:
        """Return the newest acts, newest first."""
        query = select(tables.local_act).where(_a.site == self._site)
        if station is not None:
            query = query.where(_a.station == station)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_a.row.desc()).limit(limit)).mappings()
            return [_kept(dict(row)) for row in rows]

    def _select(self, condition: object) -> list[KeptAct]:
        query = select(tables.local_act).where(_a.site == self._site, condition)  # type: ignore[arg-type]  # a column expression
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_a.row)).mappings()
            return [_kept(dict(row)) for row in rows]


def _belongs(act: LocalAct) -> bool:
    """Tell whether an act says something about a danger: tests and answers do not."""
    return bool(act.zone) and act.hazard is not None


def _kept(row: dict[str, object]) -> KeptAct:
    return KeptAct(
        station=str(row["station"]),
        act=_DECODER.decode(str(row["body"])),
        received_at=int(str(row["received_at"])),
        incident=int(str(row["incident"] or 0)),
    )
