"""The database of alerts: SQLite (WAL, synchronous FULL) or PostgreSQL, migrated at start.

On SQLite a writing transaction begins with BEGIN IMMEDIATE, so it can't fail half-way for want of
the lock; a reading one does not wait for writers (WAL).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from alerts.turns import Turns

# How long a writer waits for another one before the transaction fails, in seconds.
BUSY_S = 10
# How long who asks whether the program is ready waits for its turn, and then for the lock: a
# monitor gives up after some 10 s and could not tell why.
READY_S = 3
# One number for the whole program: who holds this advisory lock may write (PostgreSQL).
_ADVISORY_LOCK = 0x5AFE_E7E0
_TAKE_LOCK = text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
_MIGRATIONS = Path(__file__).parent / "migrations"


class DatabaseError(RuntimeError):
    """The database can't be opened or brought up to date; the message says what to look at."""


class Database:
    """An engine with the two ways in: `read` and `write`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(writing=True)
        self._turns = Turns()
        self._local = threading.local()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; within `together` the one that writes."""
        if (outer := self._outer()) is not None:
            yield outer
            return
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; one at a time, so that the journal is one chain."""
        if (outer := self._outer()) is not None:
            with outer.begin_nested():  # what fails is undone alone
                yield outer
            return
        with self._turns.turn(BUSY_S), self._writer.begin() as connection:
            if self.dialect == "postgresql":
                connection.execute(_TAKE_LOCK)
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all that this thread writes in the block be one transaction: one sync of the disk."""
        with self.write() as connection:
            self._local.connection = connection
            try:
                yield
            finally:
                self._local.connection = None

    def _outer(self) -> Connection | None:
        return getattr(self._local, "connection", None)

    def writable(self) -> bool:
        """Tell whether a writing transaction can begin within `READY_S`."""
        prompt = self._writer.execution_options(busy_ms=READY_S * 1000)
        try:
            with self._turns.turn(READY_S), prompt.begin() as connection:
                if self.dialect == "postgresql":
                    connection.execute(text(f"SET LOCAL lock_timeout = '{READY_S}s'"))
                    connection.execute(_TAKE_LOCK)
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open the database and bring its tables up to date.

    Args:
        url: `sqlite:///file.db` or `postgresql://user@host/name` (psycopg 3).

    Raises:
        DatabaseError: It can't be reached, or is newer than this program.
    """
    engine = create_engine(_with_driver(url), pool_pre_ping=True, pool_size=8, max_overflow=8)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name != "postgresql":
        raise DatabaseError(f"state url: {engine.dialect.name} is neither sqlite nor postgresql")
    database = Database(engine)
    try:
        with database.write() as connection:
            upgrade(connection)
    except Exception as error:
        database.close()
        where = engine.url.render_as_string(hide_password=True)
        raise DatabaseError(f"state database {where}: {error}") from error
    return database


def open_as_it_is(url: str) -> Database:
    """Open a database without changing anything, for an audit.

    Args:
        url: As for `open_database`.

    Raises:
        DatabaseError: It is not there, can't be reached, or is of another version.
    """
    try:
        parsed = make_url(_with_driver(url))
        known = parsed.get_backend_name() in ("sqlite", "postgresql")
    except SQLAlchemyError as error:
        raise DatabaseError(f"state url {url[:90]!r}: {error}") from error
    if not known:
        raise DatabaseError(f"state url: {parsed.drivername} is neither sqlite nor postgresql")
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise DatabaseError(f"state database {parsed.database}: there is no such file")
    engine = create_engine(parsed, pool_pre_ping=True)
    database = Database(engine)
    where = engine.url.render_as_string(hide_password=True)
    try:
        with database.read() as connection:
            there = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        database.close()
        raise DatabaseError(f"state database {where}: {error}") from error
    ours = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    if there != ours:
        database.close()
        raise DatabaseError(
            f"state database {where} is of version {there or 'none'}, this program of {ours}: "
            "let the hub of the same version start once"
        )
    return database


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of *connection*."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _with_driver(url: str) -> str:
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed.render_as_string(hide_password=False)


def _prepare_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    writing, busy_ms = options.get("writing", False), options.get("busy_ms", BUSY_S * 1000)
    # Straight to the driver: this is done for every transaction.
    connection.connection.cursor().execute(f"PRAGMA busy_timeout = {busy_ms}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
