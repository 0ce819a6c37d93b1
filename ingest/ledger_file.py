"""The file `ledger.db`: how it is opened, its tables, and an account as rows of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ingest.account import Absent, BootAccount

SCHEMA = """
CREATE TABLE IF NOT EXISTS boot (
    id INTEGER PRIMARY KEY, station TEXT NOT NULL, boot TEXT NOT NULL, floor INTEGER NOT NULL,
    top INTEGER NOT NULL, made INTEGER NOT NULL, announced INTEGER NOT NULL,
    stored INTEGER NOT NULL, quarantined INTEGER NOT NULL, lost INTEGER NOT NULL,
    unknown INTEGER NOT NULL, said INTEGER NOT NULL, seen_ms INTEGER NOT NULL, recent BLOB NOT NULL,
    UNIQUE (station, boot));
CREATE TABLE IF NOT EXISTS absent (
    boot INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    since_ms INTEGER NOT NULL, gone INTEGER NOT NULL, PRIMARY KEY (boot, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS station (
    station TEXT PRIMARY KEY, apart_stored INTEGER NOT NULL DEFAULT 0,
    apart_quarantined INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS boot_clock (
    station TEXT NOT NULL, boot TEXT NOT NULL, offset_ms INTEGER NOT NULL, exact INTEGER NOT NULL,
    PRIMARY KEY (station, boot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL, station TEXT NOT NULL,
    boot TEXT, seq INTEGER, position INTEGER, readings INTEGER NOT NULL, reason TEXT NOT NULL,
    bytes INTEGER NOT NULL, raw BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS quarantine_pack ON quarantine(station, boot, seq);
CREATE TABLE IF NOT EXISTS outbound (
    id INTEGER PRIMARY KEY, readings INTEGER NOT NULL, lines BLOB NOT NULL);
"""
SELECT_BOOT = (
    "SELECT station, boot, id, floor, top, made, announced, stored, quarantined, lost, unknown,"
    " said, seen_ms, recent FROM boot"
)
# A ledger holds still for readers and the courier at most this long.
_BUSY_MS = 15_000
_RECENT = msgspec.msgpack.Decoder(list[tuple[int, int, int]])


class LedgerError(RuntimeError):
    """The ledger can't be used; the message says what to mend."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a SQLite file in WAL mode with explicit transactions; waits for other writers."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    return connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a ledger for reading alone; any process may, while ingest writes.

    Gives None without a file, or before ingest has made its tables: there is nothing yet.

    Raises:
        LedgerError: It is not a ledger, or it is damaged.
    """
    if not path.exists():
        yield None
        return
    try:
        with closing(connect(path)) as connection:
            connection.execute("PRAGMA query_only=ON")
            yield connection if _has_tables(connection) else None
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"ledger {path}: can't be read: {error}") from error


def _has_tables(connection: sqlite3.Connection) -> bool:
    """Tell whether ingest has made its tables, of which `outbound` is the last."""
    made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbound'").fetchone()
    return made is not None


def account_of(row: tuple[Any, ...], absent: list[Absent]) -> BootAccount:
    """Return the account of a row of `SELECT_BOOT`: columns stand in the order of the fields."""
    account = BootAccount(*row[:11])
    account.said, account.seen_ms = bool(row[11]), row[12]
    account.recent, account.absent = _RECENT.decode(row[13]), absent
    return account


def holes_of(connection: sqlite3.Connection, boot: int) -> list[Absent]:
    """Return what is missing of the boot with this row, in order."""
    return [
        hole_of(*row)
        for row in connection.execute(
            "SELECT first, last, since_ms, gone FROM absent WHERE boot = ? ORDER BY first", (boot,)
        )
    ]


def hole_of(first: int, last: int, since_ms: int, gone: int) -> Absent:
    """Return a row of `absent` without its boot."""
    return Absent(first, last, since_ms, bool(gone))


def write_account(connection: sqlite3.Connection, account: BootAccount) -> None:
    """Write an account, and its holes if they have changed, into the open transaction."""
    values = (
        account.floor,
        account.top,
        account.made,
        account.announced,
        account.stored,
        account.quarantined,
        account.lost,
        account.unknown,
        account.said,
        account.seen_ms,
        msgspec.msgpack.encode(account.recent),
    )
    if account.row:
        connection.execute(
            "UPDATE boot SET floor = ?, top = ?, made = ?, announced = ?, stored = ?,"
            " quarantined = ?, lost = ?, unknown = ?, said = ?, seen_ms = ?, recent = ?"
            " WHERE id = ?",
            (*values, account.row),
        )
    else:
        account.row = (
            connection.execute(
                "INSERT INTO boot (station, boot, floor, top, made, announced, stored, quarantined,"
                " lost, unknown, said, seen_ms, recent)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (account.station, account.boot, *values),
            ).lastrowid
            or 0
        )
    if account.absent_changed:
        connection.execute("DELETE FROM absent WHERE boot = ?", (account.row,))
        connection.executemany(
            "INSERT INTO absent VALUES (?, ?, ?, ?, ?)",
            [(account.row, *hole) for hole in account.absent],
        )
        account.absent_changed = False
