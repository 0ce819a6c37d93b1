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
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import msgspec

from core.pack import Gone, Unknown
from ingest.account import Absent, Balance, BootAccount

_SCHEMA = """
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
_BOOT = (
    "SELECT station, boot, id, floor, top, made, announced, stored, quarantined, lost, unknown,"
    " said, seen_ms, recent FROM boot"
)
# A ledger holds still for readers and the courier at most this long.
_BUSY_MS = 15_000
# Accounts kept in memory; a boot that is silent for 30 days needs its single packs no more.
_CACHED_BOOTS = 5_000
_SILENT_MS = 30 * 86_400_000
_RECENT = msgspec.msgpack.Decoder(list[tuple[int, int, int]])


class LedgerError(RuntimeError):
    """The ledger can't be opened; the message says what to mend."""


class StationLedger(msgspec.Struct, frozen=True, kw_only=True):
    """Where the readings of one station are.

    Attributes:
        station: Its slug.
        produced, stored, quarantined, lost, unknown, pending: Counts of readings; see `Balance`.
        holes: Packs that are missing and not declared gone.
        oldest_hole_s: Run seconds since the oldest of them was missed, None without holes.
        apart_stored, apart_quarantined: Readings without boot and seq, outside the ledger.
    """

    station: str
    produced: int = 0
    stored: int = 0
    quarantined: int = 0
    lost: int = 0
    unknown: int = 0
    pending: int = 0
    holes: int = 0
    oldest_hole_s: float | None = None
    apart_stored: int = 0
    apart_quarantined: int = 0

    @property
    def balanced(self) -> bool:
        """True if every produced reading is accounted for."""
        return self.produced == self.stored + self.quarantined + self.lost + self.unknown


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
            self.connection.executescript(_SCHEMA)
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
            _write_account(connection, account)
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
            f"{_BOOT} WHERE station = ? AND boot = ?", (station, boot)
        ).fetchone()
        if row is None:
            return BootAccount(station, boot)
        return _account(row, _absent(self.connection, row[2]))


def connect(path: Path) -> sqlite3.Connection:
    """Open a SQLite file in WAL mode with explicit transactions; waits for other writers."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    return connection


def read_ledger(path: Path, now_ms: int | None = None) -> list[StationLedger]:
    """Return where every station's readings are; any process may ask while ingest writes.

    Args:
        path: The ledger. Without a file, or before ingest has made it, the list is empty.
        now_ms: Run time for the age of holes; None takes the time of the last news.
    """
    if not path.exists():
        return []
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA query_only=ON")
        try:
            connection.execute("BEGIN")
            absent: dict[int, list[Absent]] = {}
            for boot, *hole in connection.execute("SELECT * FROM absent ORDER BY boot, first"):
                absent.setdefault(boot, []).append(_hole(*hole))
            boots = [_account(row, absent.get(row[2], [])) for row in connection.execute(_BOOT)]
            apart = connection.execute(
                "SELECT station, apart_stored, apart_quarantined, refused FROM station"
            ).fetchall()
        except sqlite3.OperationalError:
            return []  # ingest is just creating the tables
    now = now_ms if now_ms is not None else max((boot.seen_ms for boot in boots), default=0)
    names = sorted({boot.station for boot in boots} | {row[0] for row in apart})
    counts = {row[0]: row[1:] for row in apart}
    return [
        _summed(name, [boot for boot in boots if boot.station == name], counts.get(name), now)
        for name in names
    ]


def pack_fate(path: Path, station: str, boot: str, seq: int) -> str:
    """Return what became of one pack: `stored`, `quarantined`, `lost` or `missing`.

    A pack of which only some records were quarantined is `stored`.
    """
    if not path.exists():
        return "missing"
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA query_only=ON")
        row = connection.execute(
            f"{_BOOT} WHERE station = ? AND boot = ?", (station, boot)
        ).fetchone()
        if row is None or not row[3] <= seq <= row[4]:
            return "missing"
        for hole in _absent(connection, row[2]):
            if hole.first <= seq <= hole.last:
                return "lost" if hole.gone else "missing"
        whole = connection.execute(
            "SELECT 1 FROM quarantine WHERE station = ? AND boot = ? AND seq = ?"
            " AND position IS NULL",
            (station, boot, seq),
        ).fetchone()
    return "quarantined" if whole else "stored"


def _summed(
    station: str, boots: list[BootAccount], apart: tuple[int, int, int] | None, now_ms: int
) -> StationLedger:
    total = Balance()
    for boot in boots:
        part = boot.balance()
        total.produced += part.produced
        total.stored += part.stored
        total.quarantined += part.quarantined
        total.lost += part.lost
        total.unknown += part.unknown
        total.pending += part.pending
    since = [boot.missing_since_ms for boot in boots]
    oldest = min((ms for ms in since if ms is not None), default=None)
    stored_apart, quarantined_apart, refused = apart or (0, 0, 0)
    return StationLedger(
        station=station,
        produced=total.produced,
        stored=total.stored - refused,
        quarantined=total.quarantined + refused,
        lost=total.lost,
        unknown=total.unknown,
        pending=total.pending,
        holes=sum(boot.missing_packs for boot in boots),
        oldest_hole_s=None if oldest is None else max(0.0, (now_ms - oldest) / 1000),
        apart_stored=stored_apart,
        apart_quarantined=quarantined_apart,
    )


def _account(row: tuple[Any, ...], absent: list[Absent]) -> BootAccount:
    """Return the account of a row of `_BOOT`, whose columns stand in the order of the fields."""
    account = BootAccount(*row[:11])
    account.said, account.seen_ms = bool(row[11]), row[12]
    account.recent, account.absent = _RECENT.decode(row[13]), absent
    return account


def _absent(connection: sqlite3.Connection, boot: int) -> list[Absent]:
    return [
        _hole(*row)
        for row in connection.execute(
            "SELECT first, last, since_ms, gone FROM absent WHERE boot = ? ORDER BY first", (boot,)
        )
    ]


def _hole(first: int, last: int, since_ms: int, gone: int) -> Absent:
    return Absent(first, last, since_ms, bool(gone))


def _write_account(connection: sqlite3.Connection, account: BootAccount) -> None:
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


def _locked(path: Path) -> IO[bytes]:
    """Take the lock file; the kernel frees it with the process, however that ends."""
    lock = path.with_name(path.name + ".lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise LedgerError(f"ledger {path}: another ingest is writing it; stop that one") from error
    return lock
