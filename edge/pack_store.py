"""Packs in one SQLite database: what is waiting for its receipt, and the books of every boot.

Every change is one transaction. The store knows nothing of time, threads or the network; `Spool`
puts one on disk and, when the disk fails, one in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from core.pack import Gone, PackError, Unknown, decode_pack
from edge.eviction import BROKEN, drop_aged, make_room
from edge.pack_books import (
    CLEAN,
    DECLARED,
    ROW_BYTES,
    BookTotals,
    Declaration,
    PackId,
    StoredPack,
    Waiting,
    read_totals,
)
from edge.pack_code import expand, squeeze
from edge.pack_tables import PackTables
from edge.salvage import Salvage

# Packs with something urgent that go out with the newest ones after a reconnect.
MOST_URGENT = 40

_NAMES = "SELECT ordinal, boot, seq FROM pack WHERE ordinal > ?"
_OLDEST = f"{_NAMES} ORDER BY ordinal LIMIT ?"
_OLDEST_URGENT = f"{_NAMES} AND alarm = 1 ORDER BY ordinal LIMIT ?"
_NEWEST = f"{_NAMES} ORDER BY ordinal DESC LIMIT ?"
_NEWEST_URGENT = f"{_NAMES} AND alarm = 1 ORDER BY ordinal DESC LIMIT ?"


class PackStore:
    """The tables, in an open database.

    Args:
        database: A connection of its own, in autocommit mode.
        max_bytes: Upper bound of what waits.

    Attributes:
        held_up_to: Packs up to this ordinal are not sent yet: a broken file that held them is
            still being read, and only then the ends of its boots are known.

    Raises:
        sqlite3.Error: The database can't be used (also from every method).
    """

    def __init__(self, database: sqlite3.Connection, max_bytes: int) -> None:
        self.held_up_to = 0
        self._db = database
        self._max_bytes = max_bytes
        self._tables = PackTables(database)

    def salvage(self, broken: Path, at_risk: int) -> Salvage:
        """Begin to take over what can be read of a broken spool; its packs wait until the end."""
        begun = Salvage(broken, self._tables, at_risk)
        self.held_up_to = max(self.held_up_to, begun.highest)
        return begun

    def declare_holes(self, boot: str, top: int) -> None:
        """Declare gone what is not held of a boot's numbers up to *top*, readings not known.

        What the hub has of it stays; what it has not, and nothing tells of, it calls unknown.
        """
        rows = self._db.execute("SELECT seq FROM pack WHERE boot = ? ORDER BY seq", (boot,))
        before = 0
        with self._tables.transaction():
            for (seq,) in [*rows.fetchall(), (top + 1,)]:
                if seq > before + 1:
                    self._tables.declare_gone(Gone(boot, before + 1, seq - 1, 0, BROKEN))
                before = seq

    def open_boot(self, boot: str, at_risk: int) -> int:
        """Begin a boot; declare what killed boots may have lost. Return how many those were."""
        with self._tables.transaction():
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
                    self._tables.declare("unknown", name, readings=readings)
            self._db.execute(
                "INSERT INTO boot(boot, at_risk) VALUES (?, ?)"
                " ON CONFLICT(boot) DO UPDATE SET at_risk = excluded.at_risk",
                (boot, at_risk),
            )
        return len(dead)

    def close_boot(self, boot: str) -> None:
        """Note that the boot ended with nothing left in memory."""
        with self._tables.transaction():
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
        oldest_ms: int | None = None,
    ) -> None:
        """Put packs in and set the boot's produced counter, in one transaction.

        The same transaction takes receipted packs out, makes room, and notes which declarations
        the new packs carry. What has no reading as new as *oldest_ms* goes, unless it is urgent.
        """
        with self._tables.transaction():
            self._remove(receipts)
            if oldest_ms is not None:
                drop_aged(self._tables, oldest_ms)
            rows = [_row(pack, sent) for pack in packs]
            needed = sum(len(squeezed) + ROW_BYTES for *_, squeezed in rows)
            make_room(self._tables, needed, self._max_bytes)
            self._tables.count(len(packs), sum(pack.count for pack in packs), needed)
            self._db.executemany(
                "INSERT INTO pack(boot, seq, count, thinned, sent, alarm, newest_ms, payload)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._db.execute("UPDATE boot SET produced = ? WHERE boot = ?", (made, boot))
            self._carry(carried)

    def remove(self, receipts: Collection[PackId]) -> None:
        """Take receipted packs out, and the declarations that they carried."""
        with self._tables.transaction():
            self._remove(receipts)

    def declare_gone(self, gone: Gone) -> None:
        """Note that a pack never came to be: its readings were dropped before."""
        with self._tables.transaction():
            self._tables.declare_gone(gone)

    def oldest(self, limit: int, skip: Collection[PackId] = ()) -> list[StoredPack]:
        """Return packs that are not in *skip*, marked as sent, in their order.

        Those with something urgent come before all others, and then the oldest.
        """
        chosen: dict[int, PackId] = {}
        for query in (_OLDEST_URGENT, _OLDEST):
            most = limit + len(skip) + len(chosen)
            rows = self._db.execute(query, (self.held_up_to, most)).fetchall()
            for ordinal, *name in rows:
                if len(chosen) < limit and PackId(*name) not in skip:
                    chosen[ordinal] = PackId(*name)
            if len(chosen) >= limit:
                break
        return self._sending([chosen[ordinal] for ordinal in sorted(chosen)])

    def newest(self, limit: int, skip: Collection[PackId] = ()) -> list[StoredPack]:
        """Return the newest packs and the newest urgent ones that are not in *skip*.

        Marked as sent, oldest of them first; at most *limit* and `MOST_URGENT`.
        """
        rows = self._db.execute(_NEWEST, (self.held_up_to, limit)).fetchall()
        rows += self._db.execute(_NEWEST_URGENT, (self.held_up_to, MOST_URGENT)).fetchall()
        names = [PackId(*row[1:]) for row in sorted(set(rows))]
        return self._sending([name for name in names if name not in skip])

    def earlier_boots(self, boot: str, limit: int) -> dict[str, int] | None:
        """Return what the newest earlier boots had produced; None while packs of one wait.

        Packs of earlier boots stand before those of *boot*.
        """
        first = self._db.execute("SELECT boot FROM pack ORDER BY ordinal LIMIT 1").fetchone()
        if first is not None and first[0] != boot:
            return None
        rows = self._db.execute(
            "SELECT boot, produced FROM boot WHERE boot != ? ORDER BY ordinal DESC LIMIT ?",
            (boot, limit),
        )
        return dict(rows.fetchall())

    def ended_unsynced(self, boot: str, limit: int) -> dict[str, int]:
        """Return when the newest other boots without a trusted clock made their last reading.

        Milliseconds after the start of each; only those of which packs wait.
        """
        rows = self._db.execute(
            "SELECT boot, payload FROM pack WHERE ordinal IN (SELECT max(ordinal) FROM pack"
            " WHERE boot != ? AND count > 0 GROUP BY boot) ORDER BY ordinal DESC LIMIT ?",
            (boot, limit),
        ).fetchall()
        ended = {}
        for name, payload in rows:
            with suppress(PackError):
                pack = decode_pack(expand(payload))
                if not pack.sync and pack.readings:
                    ended[name] = max(reading.at for reading in pack.readings)
        return ended

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
        return self._tables.waiting()

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
            "SELECT boot, seq, count, thinned, sent, level, payload, alarm, newest_ms FROM pack"
            " ORDER BY ordinal"
        ).fetchall()
        told = other._db.execute(
            "SELECT kind, boot, first, last, readings, reason, carrier_boot, carrier_seq"
            " FROM declaration ORDER BY ordinal"
        ).fetchall()
        with self._tables.transaction():
            needed = sum(len(row[6]) + ROW_BYTES for row in packs)
            make_room(self._tables, needed, self._max_bytes)
            self._db.executemany(
                "INSERT OR REPLACE INTO pack(boot, seq, count, thinned, sent, level, payload,"
                " alarm, newest_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            self._tables.recount()

    def clear(self) -> None:
        """Forget packs, declarations and losses; another store has them."""
        with self._tables.transaction():
            self._db.execute("DELETE FROM pack")
            self._db.execute("DELETE FROM declaration")
            self._db.execute("UPDATE boot SET thinned = 0, gone = 0")
            self._tables.recount()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

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
            with self._tables.transaction():
                self._db.executemany(
                    "UPDATE pack SET sent = 1 WHERE boot = ? AND seq = ?", unmarked
                )
        return self._tables.load(wanted)

    def _remove(self, receipts: Collection[PackId]) -> None:
        if not receipts:
            return
        for name in receipts:
            row = self._db.execute(
                "DELETE FROM pack WHERE boot = ? AND seq = ? RETURNING count, length(payload)",
                name,
            ).fetchone()
            if row is not None:
                self._tables.count(-1, -row[0], -row[1] - ROW_BYTES)
        self._db.executemany(
            "DELETE FROM declaration WHERE carrier_boot = ? AND carrier_seq = ?", receipts
        )

    def _carry(self, carried: Iterable[tuple[int, PackId]]) -> None:
        self._db.executemany(
            "UPDATE declaration SET carrier_boot = ?, carrier_seq = ? WHERE ordinal = ?",
            [(*carrier, ordinal) for ordinal, carrier in carried],
        )


def _row(pack: StoredPack, sent: bool) -> tuple[*tuple[str | int | None, ...], bytes]:
    """Return a pack as it stands in the table."""
    facts = (pack.count, pack.thinned, int(sent), int(pack.alarm), pack.newest_ms)
    return (*pack.id, *facts, squeeze(pack.payload))
