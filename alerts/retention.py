"""How long what is personal or bulky is kept, and the purge that sees to it. The journal stays.

The journal holds ids only and its hash chain must stay whole, so nothing is ever taken out of it.
"""

from __future__ import annotations

import re
import threading

import msgspec
import structlog
from sqlalchemy import Connection, Select, Table, delete, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from alerts import outbox, tables
from alerts.database import Database
from alerts.privacy import table_of
from alerts.standards_tables import erasure, hook_alert, upstream
from core.clock import Clock

log = structlog.get_logger()
_DAY_MS = 86_400_000
# How often the purge looks, wall seconds, and how many rows go in one transaction: it must never
# hold up a warning.
EVERY_S = 3600.0
BATCH = 500


class _At(msgspec.Struct):
    at: int


class _Entry(msgspec.Struct):
    """What of an entry of the journal is needed here: when it was."""

    event: _At


_AT = msgspec.json.Decoder(_Entry)
_TYPED = re.compile(r"person-[0-9a-f]{8}")
_SETTLED = (outbox.ACCEPTED, outbox.FAILED, outbox.DEAD, outbox.SUPERSEDED)


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[retention]` of hub.toml, days; 0 keeps for ever. All are choices of this project.

    Attributes:
        outbox: Notifications that are settled, of incidents that are closed.
        report: What residents wrote (their words are emptied, the report stays).
        upstream: CAP messages of others, after they expired.
        hook: Alerts of other systems, after they were resolved.
        person: Names that somebody typed and that no entry of the journal has named since.
    """

    outbox: int = 180
    report: int = 180
    upstream: int = 90
    hook: int = 90
    person: int = 730


def retention_problems(settings: RetentionSettings) -> list[str]:
    """Return what is wrong with `[retention]`."""
    return [
        f"retention.{name} {getattr(settings, name)}: expected 0 (for ever) or 7 days and more"
        for name in settings.__struct_fields__
        if getattr(settings, name) != 0 and getattr(settings, name) < 7
    ]


class Retention:
    """Purges what is old, once an hour.

    Args:
        database: Open and up to date.
        settings: How long what is kept.
        clock: Clock of the run.
    """

    def __init__(self, database: Database, settings: RetentionSettings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def purge(self) -> dict[str, int]:
        """Purge everything that is old now; return how many rows of each kind went."""
        done = {
            "outbox": self._in_batches(tables.outbox, self._outbox()),
            "upstream": self._in_batches(upstream, self._upstream()),
            "hook": self._in_batches(hook_alert, self._hooks()),
            "report": self._reports(),
            "person": self._people(),
        }
        return {kind: count for kind, count in done.items() if count}

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                if done := self.purge():
                    log.info("what was kept long enough is gone", **done)
            except SQLAlchemyError as error:
                log.error(  # noqa: TRY400  # the next hour does it again
                    "the purge failed; trying again in an hour", error=str(error)[:300]
                )

    def _before(self, days: int) -> int:
        """Return the run time before which a kind is old; before all time where it is kept."""
        return self._clock.now_ms() - days * _DAY_MS if days else -1

    def _outbox(self) -> Select[tuple[int]]:
        o, i = tables.outbox.c, tables.incident.c
        closed = select(i.number).where(i.closed_at > 0)
        return select(o.row).where(
            o.state.in_(_SETTLED),
            o.changed_at < self._before(self._settings.outbox),
            or_(o.incident.is_(None), o.incident.in_(closed)),
        )

    def _upstream(self) -> Select[tuple[int]]:
        return select(upstream.c.row).where(
            upstream.c.expires_at < self._before(self._settings.upstream)
        )

    def _hooks(self) -> Select[tuple[int]]:
        return select(hook_alert.c.row).where(
            hook_alert.c.firing == 0, hook_alert.c.heard_at < self._before(self._settings.hook)
        )

    def _in_batches(self, table: Table, old: Select[tuple[int]]) -> int:
        gone = 0
        while not self._stop.is_set():
            with self._database.write() as connection:
                rows = list(connection.execute(old.limit(BATCH)).scalars())
                if rows:
                    connection.execute(delete(table).where(table.c.row.in_(rows)))
            gone += len(rows)
            if len(rows) < BATCH:
                break
        return gone

    def _reports(self) -> int:
        """Empty what residents wrote, and forget who they are; what came of it stays."""
        with self._database.write() as connection:
            report = table_of(connection, "report")
            if report is None:
                return 0
            old = report.c.at < self._before(self._settings.report)
            said = old & or_(report.c.text != "", report.c.person != "")
            whose = select(report.c.person).where(said, report.c.person != "")
            connection.execute(delete(tables.person).where(tables.person.c.id.in_(whose)))
            done = connection.execute(update(report).where(said).values(text="", person=""))
            return done.rowcount

    def _people(self) -> int:
        """Erase names that somebody typed and that nothing has named for long."""
        if not self._settings.person:
            return 0
        with self._database.read() as connection:
            known = set(connection.execute(select(tables.person.c.id)).scalars())
            typed = {name for name in known if _TYPED.fullmatch(name)}
            unused = typed - self._registered(connection) - self._named(connection)
        if not unused:
            return 0
        now = self._clock.now_ms()
        with self._database.write() as connection:
            for person in sorted(unused):
                connection.execute(delete(tables.person).where(tables.person.c.id == person))
                text = '{"why":"retention"}'
                connection.execute(insert(erasure).values(person=person, at=now, statement=text))
        return len(unused)

    def _registered(self, connection: Connection) -> set[str]:
        """Return the ids that a register or a report holds: those have rules of their own."""
        found: set[str] = set()
        for name in ("volunteer", "report"):
            table = table_of(connection, name)
            if table is not None:
                found |= set(connection.execute(select(table.c.person)).scalars())
        return found

    def _named(self, connection: Connection) -> set[str]:
        """Return the ids that the journal has named since; newest entries first, then it stops."""
        since = self._before(self._settings.person)
        columns = tables.journal.c
        query = select(columns.body).order_by(columns.seq.desc())
        found: set[str] = set()
        with connection.execution_options(yield_per=1000).execute(query) as rows:
            for body in rows.scalars():
                if _AT.decode(body).event.at < since:
                    break
                found |= set(_TYPED.findall(body))
        return found
