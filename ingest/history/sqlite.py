"""The embedded history: one SQLite file that a small machine can keep for years.

A reading is one row of a clustered table (series, at): about thirty bytes, found without an index.
Writing it twice leaves one. Ten-minute roll-ups are computed again from the raw rows whenever a
bucket has changed, so that late data needs no special case.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from core.finding import ZoneGrade
from core.quality import Quality
from ingest.history.base import (
    BUCKET_MS,
    QUALITY_CODES,
    Capabilities,
    HistoryUnavailableError,
    Point,
    Refusal,
    Series,
    StationState,
    reason_bits,
)
from ingest.history.rollups import Rollups
from ingest.history.settings import HistorySettings
from ingest.history.states import SCHEMA as STATES
from ingest.history.states import States

SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, sensor TEXT NOT NULL, quantity TEXT NOT NULL,
    station TEXT NOT NULL, zone TEXT NOT NULL, UNIQUE (sensor, quantity));
CREATE TABLE IF NOT EXISTS reading (
    series INTEGER NOT NULL, at INTEGER NOT NULL, value REAL, flags INTEGER NOT NULL,
    low REAL, high REAL, n INTEGER, PRIMARY KEY (series, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollup (
    series INTEGER NOT NULL, bucket INTEGER NOT NULL, mean REAL, low REAL, high REAL,
    n INTEGER NOT NULL, worst INTEGER NOT NULL, PRIMARY KEY (series, bucket)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stale (
    series INTEGER NOT NULL, bucket INTEGER NOT NULL, PRIMARY KEY (series, bucket)) WITHOUT ROWID;
"""
_BUSY_MS = 15_000
_ROWS_A_STATEMENT = 100
_ONE = "INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)"
_ONE_PLAIN = "INSERT OR REPLACE INTO reading (series, at, value, flags) VALUES (?, ?, ?, 0)"
_MANY_PLAIN = _ONE_PLAIN + ", (?, ?, ?, 0)" * (_ROWS_A_STATEMENT - 1)
_Row = tuple[int, int, float | None, int, float | None, float | None, int | None]


class SqliteWriter:
    """Writes the embedded history; the only writer of its file.

    Args:
        settings: `path`, `raw_days` and `rollup_days` are used.

    Raises:
        HistoryUnavailableError: The file can't be opened.
    """

    capabilities = Capabilities(
        reads=True, idempotent=True, reports_refusals=True, remote=False, proven=True
    )

    def __init__(self, settings: HistorySettings) -> None:
        try:
            self._connection = connect(Path(settings.path))
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(SCHEMA + STATES)
        except sqlite3.Error as error:
            raise HistoryUnavailableError(
                f"history {settings.path}: can't be opened: {error}", needs_attention=True
            ) from error
        self._path = settings.path
        self._ids: dict[Series, int] = {}
        self._rollups = Rollups(self._connection, settings.raw_days, settings.rollup_days)
        self._states = States(self._connection)

    def write(
        self,
        points: Sequence[Point],
        grades: Sequence[ZoneGrade] = (),
        stations: Sequence[StationState] = (),
        site: str = "",
    ) -> list[Refusal]:
        """Store everything in one transaction; nothing is ever refused.

        Raises:
            HistoryUnavailableError: The disk is full or the file is locked; nothing was stored.
        """
        del site  # one file holds one site
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._write_points(points)
            self._states.write(grades, stations)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon()
            raise HistoryUnavailableError(f"history {self._path}: {error}") from error
        self._rollups.committed()
        return []

    def maintain(self, now_ms: int) -> None:
        """Roll up closed buckets and let old rows go, a bounded piece at a time."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            kept = self._rollups.turn(now_ms)
            if kept is not None:
                raw_ms, rolled_ms = kept
                self._states.let_go(rolled_ms, raw_ms)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon()
            raise HistoryUnavailableError(f"history {self._path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _write_points(self, points: Sequence[Point]) -> None:
        """Write readings. The hot loop of ingest.

        Most readings are good single samples: three numbers each, written many to a statement: a
        third of the cost of a statement for each (measured). The others take the long way.
        """
        plain: list[float | int | None] = []
        rows: list[_Row] = []
        ids, stale, good = self._ids, self._rollups.known, Quality.GOOD
        for series, reading in points:
            number = ids.get(series) or self._identify(series)
            at = reading.at
            if (number, at // BUCKET_MS) not in stale:
                self._rollups.touch(number, at)
            if reading.quality is good and reading.count == 1:
                plain += (number, at, reading.value)
            else:
                flags = QUALITY_CODES[reading.quality] | reason_bits(reading.reasons) << 2
                count = reading.count if reading.count != 1 else None
                rows.append(
                    (number, at, reading.value, flags, reading.minimum, reading.maximum, count)
                )
        execute = self._connection.execute
        whole = len(plain) - len(plain) % (3 * _ROWS_A_STATEMENT)
        for start in range(0, whole, 3 * _ROWS_A_STATEMENT):
            execute(_MANY_PLAIN, plain[start : start + 3 * _ROWS_A_STATEMENT])
        rest = plain[whole:]
        self._connection.executemany(
            _ONE_PLAIN, zip(rest[::3], rest[1::3], rest[2::3], strict=True)
        )
        self._connection.executemany(_ONE, rows)

    def _identify(self, series: Series) -> int:
        key = (series.sensor, str(series.quantity))
        self._connection.execute(
            "INSERT INTO series (sensor, quantity, station, zone) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (sensor, quantity) DO UPDATE SET"
            " station = excluded.station, zone = excluded.zone",
            (*key, series.station, series.zone),
        )
        number = self._connection.execute(
            "SELECT id FROM series WHERE sensor = ? AND quantity = ?", key
        ).fetchone()[0]
        self._ids[series] = number
        return int(number)

    def _abandon(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._ids.clear()
        self._rollups.abandoned()
        self._states.abandoned()


def connect(path: Path) -> sqlite3.Connection:
    """Open a history file in WAL mode with explicit transactions."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA cache_size=-16000")
    return connection
