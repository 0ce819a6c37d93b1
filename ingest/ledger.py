"""The ledger on disk: what every station produced and where it ended. One writer, many readers.

SQLite in WAL mode with `synchronous=FULL`: what is committed survives a power cut. The writer keeps
the accounts in memory, marks those that a batch has touched, and writes them with the batch's
quarantine rows and (for remote histories) its spooled lines in one transaction. A batch that can't
be committed leaves no trace: the accounts are read again.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from core.pack import Gone, Unknown
from ingest.account import BootAccount
from ingest.ledger_file import (
    SCHEMA,
    SELECT_BOOT,
    LedgerError,
    account_of,
    connect,
    holes_of,
    write_account,
)

# Accounts kept in memory; a boot that is silent for 30 days needs its single packs no more.
_CACHED_BOOTS = 5_000
_SILENT_MS = 30 * 86_400_000


class Ledger:
    """The one writer of a ledger.

    Args:
        path: File; its directory must exist.

    Raises:
        LedgerError: Another ingest writes this ledger, or it is not a ledger.
    """

    def __init__(self, path: Path) -> None:
        self._lock = _locked(path)
        try:
            self.connection = connect(path)
            self.connection.execute("PRAGMA synchronous=FULL")
            self.connection.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            self._lock.close()
            raise LedgerError(f"ledger {path}: can't be used: {error}") from error
        self.path = path
        self._accounts: dict[tuple[str, str], BootAccount] = {}
        self._touched: dict[tuple[str, str], BootAccount] = {}
        self._apart: dict[str, list[int]] = {}

    def account(self, station: str, boot: str) -> BootAccount:
        """Return the account of a boot for changing; it is written at the next commit."""
        account = self._known(station, boot)
        self._touched[station, boot] = account
        return account

    def declare(
        self, station: str, gone: Iterable[Gone], unknown: Iterable[Unknown], now_ms: int
    ) -> None:
        """Count what a pack that came for the first time declares as lost or unknown."""
        for item in gone:
            account = self.account(station, item.boot)
            account.declare_gone(item.first, item.last, item.readings, now_ms)
        for killed in unknown:
            account = self.account(station, killed.boot)
            account.unknown = max(account.unknown, killed.readings)
            account.seen_ms = now_ms

    def close_earlier(self, station: str, boot: str, made: Mapping[str, int], now_ms: int) -> None:
        """Close the boots of a station before *boot*; nothing of them waits there any more.

        Args:
            station: Who says so.
            boot: Its present boot.
            made: What some of them had produced, by boot.
            now_ms: Run time in milliseconds.
        """
        unheard = {boot for boot, count in made.items() if count > self._known(station, boot).made}
        for name in unheard:
            account = self.account(station, name)
            account.announced = max(account.announced, made[name])
        open_boots = self.connection.execute(
            "SELECT boot FROM boot WHERE station = ? AND boot != ? AND (announced > made OR EXISTS"
            " (SELECT 1 FROM absent WHERE absent.boot = boot.id AND gone = 0))",
            (station, boot),
        )
        for name in {*unheard, *(row[0] for row in open_boots.fetchall())}:
            self.account(station, name).close(now_ms)

    def count_apart(self, station: str, stored: int, quarantined: int) -> None:
        """Count readings that carry no boot and seq."""
        counts = self._apart.setdefault(station, [0, 0])
        counts[0] += stored
        counts[1] += quarantined

    def begin(self) -> None:
        """Open the transaction that `commit` ends; waits while the courier writes.

        Raises:
            sqlite3.Error: The file is locked for too long, or can't be written.
        """
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Write everything that was touched, and whatever else is in the open transaction.

        Raises:
            sqlite3.Error: It could not be written (full disk); call `rollback`, then do it again.
        """
        connection = self.connection
        if not connection.in_transaction:
            self.begin()
        for account in self._touched.values():
            write_account(connection, account)
        connection.executemany(
            "INSERT INTO station (station, apart_stored, apart_quarantined) VALUES (?, ?, ?)"
            " ON CONFLICT (station) DO UPDATE SET apart_stored = apart_stored +"
            " excluded.apart_stored, apart_quarantined = apart_quarantined +"
            " excluded.apart_quarantined",
            [(station, *counts) for station, counts in self._apart.items()],
        )
        connection.execute("COMMIT")
        self._touched.clear()
        self._apart.clear()
        if len(self._accounts) > _CACHED_BOOTS:
            self._accounts.clear()

    def holes(self) -> list[tuple[str, int, int]]:
        """Return (station, packs that are missing, since when in run milliseconds)."""
        return self.connection.execute(
            "SELECT boot.station, sum(last - first + 1), min(since_ms) FROM absent"
            " JOIN boot ON boot.id = absent.boot WHERE gone = 0 GROUP BY boot.station"
        ).fetchall()

    def shorten(self, now_ms: int) -> None:
        """Forget the single packs of boots that have been silent for long; their counts stay."""
        self.connection.execute(
            "UPDATE boot SET recent = ? WHERE seen_ms < ? AND length(recent) > 1",
            (msgspec.msgpack.encode([]), now_ms - _SILENT_MS),
        )

    def rollback(self) -> None:
        """Forget everything since the last commit."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self._accounts.clear()
        self._touched.clear()
        self._apart.clear()

    def close(self) -> None:
        """Close without committing."""
        self.connection.close()
        self._lock.close()

    def _known(self, station: str, boot: str) -> BootAccount:
        """Return the account of a boot for reading."""
        key = (station, boot)
        account = self._touched.get(key) or self._accounts.get(key) or self._load(station, boot)
        self._accounts[key] = account
        return account

    def _load(self, station: str, boot: str) -> BootAccount:
        row = self.connection.execute(
            f"{SELECT_BOOT} WHERE station = ? AND boot = ?", (station, boot)
        ).fetchone()
        if row is None:
            return BootAccount(station, boot)
        return account_of(row, holes_of(self.connection, row[2]))


def _locked(path: Path) -> IO[bytes]:
    """Take the lock file; the kernel frees it with the process, however that ends."""
    lock = path.with_name(path.name + ".lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise LedgerError(f"ledger {path}: another ingest is writing it; stop that one") from error
    return lock
