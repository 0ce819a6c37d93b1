"""Packs in one SQLite database: what is waiting for its receipt, and the books of every boot.

Every change is one transaction. The store knows nothing of time, threads or the network; `Spool`
puts one on disk and, when the disk fails, one in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby

from core.pack import Gone, Unknown, decode_pack
from edge.pack_books import (
    CLEAN,
    DECLARED,
    ROW_BYTES,
    SCHEMA,
    BookTotals,
    Declaration,
    PackId,
    StoredPack,
    Waiting,
    read_totals,
    read_waiting,
)
from edge.thinning import Thinned, thin

# How many packs are thinned or dropped together: one declaration for all of them.
BATCH_PACKS = 64
# Why a pack is gone: the spool was full, or memory was before it came to a pack.
OVERFLOW = "overflow"
MEMORY = "memory"


class PackStore:
    """The tables, in an open database.

    Args:
        database: A connection of its own, in autocommit mode.
        max_bytes: Upper bound of what waits.

    Raises:
        sqlite3.Error: The database can't be used (also from every method).
    """

    def __init__(self, database: sqlite3.Connection, max_bytes: int) -> None:
        self._db = database
        self._max_bytes = max_bytes
        with self._transaction():
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    database.execute(statement)
        self._waiting: Waiting | None = None

    def open_boot(self, boot: str, at_risk: int) -> int:
        """Begin a boot; declare what killed boots may have lost. Return how many those were."""
        with self._transaction():
            dead = self._db.execute(
                "SELECT boot, at_risk FROM boot WHERE ended = 0 AND boot != ? ORDER BY ordinal",
                (boot,),
            ).fetchall()
            for name, readings in dead:
                self._db.execute(
                    "UPDATE boot SET ended = ?, unknown = ? WHERE boot = ?",
                    (DECLARED, readings, name),
                )
                if readings:
                    self._declare("unknown", name, readings=readings)
            self._db.execute(
                "INSERT INTO boot(boot, at_risk) VALUES (?, ?)"
                " ON CONFLICT(boot) DO UPDATE SET at_risk = excluded.at_risk",
                (boot, at_risk),
            )
        return len(dead)

    def close_boot(self, boot: str) -> None:
        """Note that the boot ended with nothing left in memory."""
        with self._transaction():
            self._db.execute("UPDATE boot SET ended = ? WHERE boot = ?", (CLEAN, boot))

    def add(
        self,
        packs: Collection[StoredPack],
        *,
        boot: str,
        made: int,
        sent: bool,
        receipts: Collection[PackId] = (),
        carried: Iterable[tuple[int, PackId]] = (),
    ) -> None:
        """Put packs in and set the boot's produced counter, in one transaction.

        The same transaction takes receipted packs out, makes room, and notes which declarations
        the new packs carry.
        """
        with self._transaction():
            self._remove(receipts)
            needed = sum(len(pack.payload) + ROW_BYTES for pack in packs)
            self._make_room(needed)
            self._count(len(packs), sum(pack.count for pack in packs), needed)
            self._db.executemany(
                "INSERT INTO pack(boot, seq, count, thinned, sent, payload)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(*pack.id, pack.count, pack.thinned, int(sent), pack.payload) for pack in packs],
            )
            self._db.execute("UPDATE boot SET produced = ? WHERE boot = ?", (made, boot))
            self._carry(carried)

    def remove(self, receipts: Collection[PackId]) -> None:
        """Take receipted packs out, and the declarations that they carried."""
        with self._transaction():
            self._remove(receipts)

    def declare_gone(self, gone: Gone) -> None:
        """Note that a pack never came to be: its readings were dropped before."""
        with self._transaction():
            self._declare_gone(gone)

    def oldest(self, limit: int, skip: Collection[PackId] = ()) -> list[StoredPack]:
        """Return the oldest packs that are not in *skip*, marked as sent."""
        rows = self._db.execute(
            "SELECT boot, seq FROM pack ORDER BY ordinal LIMIT ?", (limit + len(skip),)
        ).fetchall()
        wanted = [PackId(*row) for row in rows if PackId(*row) not in skip][:limit]
        return self._sending(wanted)

    def newest(self, limit: int, skip: Collection[PackId] = ()) -> list[StoredPack]:
        """Return the newest packs that are not in *skip*, oldest of them first, marked as sent."""
        rows = self._db.execute(
            "SELECT boot, seq FROM pack ORDER BY ordinal DESC LIMIT ?", (limit,)
        ).fetchall()
        return self._sending([PackId(*row) for row in reversed(rows) if PackId(*row) not in skip])

    def ended_unsynced(self, boot: str, limit: int) -> dict[str, int]:
        """Return when the newest other boots without a trusted clock made their last reading.

        Milliseconds after the start of each; only those of which packs wait.
        """
        rows = self._db.execute(
            "SELECT boot, payload FROM pack WHERE ordinal IN (SELECT max(ordinal) FROM pack"
            " WHERE boot != ? AND count > 0 GROUP BY boot) ORDER BY ordinal DESC LIMIT ?",
            (boot, limit),
        ).fetchall()
        packs = [(name, decode_pack(payload)) for name, payload in rows]
        return {
            name: max(reading.at for reading in pack.readings)
            for name, pack in packs
            if not pack.sync and pack.readings
        }

    def declarations(self, limit: int) -> list[Declaration]:
        """Return declarations that no pack carries yet, oldest first."""
        rows = self._db.execute(
            "SELECT ordinal, kind, boot, first, last, readings, reason FROM declaration"
            " WHERE carrier_boot IS NULL ORDER BY ordinal LIMIT ?",
            (limit,),
        ).fetchall()
        return [
            Declaration(
                ordinal,
                Gone(boot, first, last, readings, reason)
                if kind == "gone"
                else Unknown(boot, readings),
            )
            for ordinal, kind, boot, first, last, readings, reason in rows
        ]

    def waiting(self) -> Waiting:
        """Return how much waits."""
        if self._waiting is None:
            self._waiting = read_waiting(self._db)
        return self._waiting

    def totals(self) -> BookTotals:
        """Return the books of all boots."""
        return read_totals(self._db)

    def adopt(
        self, other: PackStore, boot: str, made: int, carried: Iterable[tuple[int, PackId]] = ()
    ) -> None:
        """Take everything that *other* holds of *boot* (a failed disk is back).

        *carried* tells which declarations of this store went out in packs of the other one.
        """
        totals = other.totals()
        packs = other._db.execute(
            "SELECT boot, seq, count, thinned, sent, level, payload FROM pack ORDER BY ordinal"
        ).fetchall()
        told = other._db.execute(
            "SELECT kind, boot, first, last, readings, reason, carrier_boot, carrier_seq"
            " FROM declaration ORDER BY ordinal"
        ).fetchall()
        with self._transaction():
            needed = sum(len(row[6]) + ROW_BYTES for row in packs)
            self._make_room(needed)
            self._db.executemany(
                "INSERT OR REPLACE INTO pack(boot, seq, count, thinned, sent, level, payload)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                packs,
            )
            self._db.executemany(
                "INSERT INTO declaration(kind, boot, first, last, readings, reason,"
                " carrier_boot, carrier_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                told,
            )
            self._db.execute(
                "UPDATE boot SET produced = ?, thinned = thinned + ?, gone = gone + ?"
                " WHERE boot = ?",
                (made, totals.thinned, totals.gone, boot),
            )
            self._carry(carried)
            self._waiting = None

    def clear(self) -> None:
        """Forget packs, declarations and losses; another store has them."""
        with self._transaction():
            self._db.execute("DELETE FROM pack")
            self._db.execute("DELETE FROM declaration")
            self._db.execute("UPDATE boot SET thinned = 0, gone = 0")
            self._waiting = None

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._waiting = None
            raise
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._waiting = None
            raise

    def _load(self, wanted: Iterable[PackId]) -> list[StoredPack]:
        packs = []
        for name in wanted:
            row = self._db.execute(
                "SELECT count, payload, thinned FROM pack WHERE boot = ? AND seq = ?", name
            ).fetchone()
            if row is not None:
                packs.append(StoredPack(name, *row))
        return packs

    def _sending(self, wanted: list[PackId]) -> list[StoredPack]:
        """Load packs and mark those that may soon be at the hub: they are never changed again."""
        unmarked = [
            name
            for name in wanted
            if self._db.execute(
                "SELECT 1 FROM pack WHERE boot = ? AND seq = ? AND sent = 0", name
            ).fetchone()
        ]
        if unmarked:
            with self._transaction():
                self._db.executemany(
                    "UPDATE pack SET sent = 1 WHERE boot = ? AND seq = ?", unmarked
                )
        return self._load(wanted)

    def _remove(self, receipts: Collection[PackId]) -> None:
        if not receipts:
            return
        for name in receipts:
            row = self._db.execute(
                "DELETE FROM pack WHERE boot = ? AND seq = ? RETURNING count, length(payload)",
                name,
            ).fetchone()
            if row is not None:
                self._count(-1, -row[0], -row[1] - ROW_BYTES)
        self._db.executemany(
            "DELETE FROM declaration WHERE carrier_boot = ? AND carrier_seq = ?", receipts
        )

    def _count(self, packs: int, readings: int, size: int) -> None:
        """Keep the sums without asking the whole table."""
        now = self.waiting()
        self._waiting = Waiting(now.packs + packs, now.readings + readings, now.size + size)

    def _carry(self, carried: Iterable[tuple[int, PackId]]) -> None:
        self._db.executemany(
            "UPDATE declaration SET carrier_boot = ?, carrier_seq = ? WHERE ordinal = ?",
            [(*carrier, ordinal) for ordinal, carrier in carried],
        )

    def _make_room(self, needed: int) -> None:
        """Thin, then drop, the oldest packs until *needed* bytes fit; declare what goes."""
        while self.waiting().size + needed > self._max_bytes:
            if not (self._thin_some() or self._drop_some()):
                return

    def _thin_some(self) -> bool:
        rows = self._db.execute(
            "SELECT boot, seq FROM pack WHERE sent = 0 AND level = 0 ORDER BY ordinal LIMIT ?",
            (BATCH_PACKS,),
        ).fetchall()
        packs = self._load(PackId(*row) for row in rows)
        for pack, result in zip(packs, thin(pack.payload for pack in packs), strict=True):
            self._replace(pack, result)
        return bool(packs)

    def _replace(self, pack: StoredPack, result: Thinned) -> None:
        self._db.execute(
            "UPDATE pack SET payload = ?, count = ?, thinned = thinned + ?, level = 1"
            " WHERE boot = ? AND seq = ?",
            (result.payload, result.count, result.taken, *pack.id),
        )
        self._count(0, result.count - pack.count, len(result.payload) - len(pack.payload))
        self._db.execute(
            "UPDATE boot SET thinned = thinned + ? WHERE boot = ?", (result.taken, pack.id.boot)
        )

    def _drop_some(self) -> bool:
        """Drop the oldest packs; those that the hub can't have go first."""
        columns = "SELECT boot, seq, count, thinned, length(payload) FROM pack"
        order = "ORDER BY ordinal LIMIT ?"
        rows = (
            self._db.execute(f"{columns} WHERE sent = 0 {order}", (BATCH_PACKS,)).fetchall()
            or self._db.execute(f"{columns} {order}", (BATCH_PACKS,)).fetchall()
        )
        rows.sort(key=lambda row: (row[0], row[1]))
        runs = groupby(enumerate(rows), key=lambda item: (item[1][0], item[1][1] - item[0]))
        for (boot, _), run in runs:
            packs = [row for _, row in run]
            thinned = sum(row[3] for row in packs)
            readings = sum(row[2] for row in packs) + thinned
            self._db.executemany(
                "DELETE FROM pack WHERE boot = ? AND seq = ?", [row[:2] for row in packs]
            )
            self._db.executemany(
                "UPDATE declaration SET carrier_boot = NULL, carrier_seq = NULL"
                " WHERE carrier_boot = ? AND carrier_seq = ?",
                [row[:2] for row in packs],
            )
            self._db.execute(
                "UPDATE boot SET thinned = thinned - ? WHERE boot = ?", (thinned, boot)
            )
            self._declare_gone(Gone(boot, packs[0][1], packs[-1][1], readings, OVERFLOW))
            size = sum(row[4] for row in packs) + ROW_BYTES * len(packs)
            self._count(-len(packs), thinned - readings, -size)
        return bool(rows)

    def _declare_gone(self, gone: Gone) -> None:
        self._db.execute(
            "UPDATE boot SET gone = gone + ? WHERE boot = ?", (gone.readings, gone.boot)
        )
        # One declaration for a gap that grows, as long as nobody has heard of it.
        grown = self._db.execute(
            "UPDATE declaration SET last = ?, readings = readings + ? WHERE kind = 'gone'"
            " AND carrier_boot IS NULL AND boot = ? AND reason = ? AND last = ?",
            (gone.last, gone.readings, gone.boot, gone.reason, gone.first - 1),
        )
        if not grown.rowcount:
            self._declare("gone", gone.boot, gone.first, gone.last, gone.readings, gone.reason)

    def _declare(
        self,
        kind: str,
        boot: str,
        first: int = 0,
        last: int = 0,
        readings: int = 0,
        reason: str = "",
    ) -> None:
        self._db.execute(
            "INSERT INTO declaration(kind, boot, first, last, readings, reason)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (kind, boot, first, last, readings, reason),
        )
