"""The tables of a spool in use: transactions, running sums, and the words for what is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from core.pack import Gone
from edge.pack_books import MIGRATION, SCHEMA, PackId, StoredPack, Waiting, read_waiting
from edge.pack_code import expand

# What a database that can't be used raises. A broken one quotes itself in its messages, and Python
# can't always decode that; or it claims content for which there is no memory.
UNUSABLE = (sqlite3.Error, UnicodeDecodeError, MemoryError)
# Longest content that is read, bytes: a pack is 64 kB at most, a broken page may claim gigabytes
# that a small machine would look for in vain.
MOST_CONTENT = 1_000_000


def bounded(database: sqlite3.Connection) -> sqlite3.Connection:
    """Return the connection; it refuses content that no pack can have."""
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_CONTENT)
    return database


class PackTables:
    """An open database with the tables of `SCHEMA`.

    Args:
        database: A connection of its own, in autocommit mode.

    Attributes:
        database: The same.

    Raises:
        sqlite3.Error: The database can't be used (also from every method).
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self._waiting: Waiting | None = None
        with self.transaction():
            self._migrate()
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    database.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Change the tables as a whole or not at all."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            self._waiting = None
            raise
        try:
            self.database.execute("COMMIT")
        except sqlite3.Error:
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            self._waiting = None
            raise

    def waiting(self) -> Waiting:
        """Return how much waits."""
        if self._waiting is None:
            self._waiting = read_waiting(self.database)
        return self._waiting

    def recount(self) -> None:
        """Ask the table for its sums at the next use; something changed them unseen."""
        self._waiting = None

    def count(self, packs: int, readings: int, size: int) -> None:
        """Keep the sums without asking the whole table; arguments are what changed."""
        now = self.waiting()
        self._waiting = Waiting(now.packs + packs, now.readings + readings, now.size + size)

    def load(self, wanted: Iterable[PackId]) -> list[StoredPack]:
        """Return packs with their payloads; those that are not there are left out."""
        packs = []
        for name in wanted:
            row = self.database.execute(
                "SELECT count, payload, thinned, alarm, newest_ms FROM pack"
                " WHERE boot = ? AND seq = ?",
                name,
            ).fetchone()
            if row is not None:
                count, kept, *rest = row
                packs.append(StoredPack(name, count, expand(kept), *rest))
        return packs

    def declare_gone(self, gone: Gone) -> None:
        """Note that packs are gone, for the hub to hear; within a transaction."""
        self.database.execute(
            "UPDATE boot SET gone = gone + ? WHERE boot = ?", (gone.readings, gone.boot)
        )
        # One declaration for a gap that grows, as long as nobody has heard of it.
        grown = self.database.execute(
            "UPDATE declaration SET last = ?, readings = readings + ? WHERE kind = 'gone'"
            " AND carrier_boot IS NULL AND boot = ? AND reason = ? AND last = ?",
            (gone.last, gone.readings, gone.boot, gone.reason, gone.first - 1),
        )
        if not grown.rowcount:
            self.declare("gone", gone.boot, gone.first, gone.last, gone.readings, gone.reason)

    def declare(
        self,
        kind: str,
        boot: str,
        first: int = 0,
        last: int = 0,
        readings: int = 0,
        reason: str = "",
    ) -> None:
        """Note any loss, for the hub to hear; within a transaction."""
        self.database.execute(
            "INSERT INTO declaration(kind, boot, first, last, readings, reason)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (kind, boot, first, last, readings, reason),
        )

    def _migrate(self) -> None:
        """Bring the tables of an earlier version up to date."""
        columns = {row[1] for row in self.database.execute("PRAGMA table_info(pack)")}
        if columns and "alarm" not in columns:
            for statement in MIGRATION:
                self.database.execute(statement)
