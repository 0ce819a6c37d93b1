"""The register of drills in the database: at most one of a site runs, enforced by an index."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts import tables
from alerts.database import Database
from alerts.drill import Drill, unknown_drill
from core.drill import DrillError

_d = tables.drill.c
# How often a change is tried while other programs on this database are faster.
_TRIES = 5
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Drill)


class KeptDrill(msgspec.Struct, frozen=True):
    """A drill as it is in the database."""

    drill: Drill
    version: int


class DrillStore:
    """The drills of one site.

    Args:
        database: Open and up to date.
        site: Slug of the site.
    """

    def __init__(self, database: Database, site: str) -> None:
        self._database = database
        self._site = site

    def add(self, drill: Drill) -> KeptDrill:
        """Write a new drill.

        Raises:
            DrillError: Another one of this site runs.
        """
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(tables.drill).values(
                        id=drill.id,
                        site=self._site,
                        asked_at=drill.asked_at,
                        ended_at=drill.ended_at,
                        version=1,
                        state=_text(drill),
                    )
                )
        except IntegrityError as error:
            raise DrillError(
                "another drill of this site runs; one at a time", "本地已有一场演练在进行"
            ) from error
        return KeptDrill(drill, 1)

    def put(self, kept: KeptDrill, drill: Drill) -> KeptDrill | None:
        """Replace a drill; None if somebody else was faster: read it again and decide again."""
        with self._database.write() as connection:
            result = connection.execute(
                update(tables.drill)
                .where(_d.id == drill.id, _d.version == kept.version)
                .values(ended_at=drill.ended_at, version=kept.version + 1, state=_text(drill))
            )
        return KeptDrill(drill, kept.version + 1) if result.rowcount == 1 else None

    def change(self, drill: str, step: Callable[[Drill], Drill]) -> KeptDrill:
        """Write what *step* makes of a drill, whoever changes it at the same time.

        Raises:
            DrillError: It can't happen in this state, or there is no such drill.
        """
        for _ in range(_TRIES):
            kept = self.kept(drill)
            if kept is None:
                raise unknown_drill(drill)
            fresh = step(kept.drill)
            if fresh == kept.drill:
                return kept
            written = self.put(kept, fresh)
            if written is not None:
                return written
        raise DrillError(
            f"drill {drill} is being changed by another program; try again",
            f"演练 {drill} 正被另一个程序修改，请再试一次",
        )

    def running(self) -> KeptDrill | None:
        """Return the drill that prepares or runs."""
        with self._database.read() as connection:
            row = connection.execute(
                select(_d.state, _d.version).where(_d.site == self._site, _d.ended_at == 0)
            ).first()
        return KeptDrill(_DECODER.decode(row.state), row.version) if row else None

    def kept(self, drill: str) -> KeptDrill | None:
        """Return one drill."""
        with self._database.read() as connection:
            row = connection.execute(
                select(_d.state, _d.version).where(_d.site == self._site, _d.id == drill)
            ).first()
        return KeptDrill(_DECODER.decode(row.state), row.version) if row else None

    def latest(self, limit: int = 100, since: int = 0) -> list[Drill]:
        """Return drills that were asked for since a run time (ms), newest first."""
        query = (
            select(_d.state)
            .where(_d.site == self._site, _d.asked_at >= since)
            .order_by(_d.asked_at.desc(), _d.id.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [_DECODER.decode(text) for text in connection.execute(query).scalars()]


def _text(drill: Drill) -> str:
    return _ENCODER.encode(drill).decode()
