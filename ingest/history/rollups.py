"""Roll-ups and retention of the embedded history.

A write marks the 10-minute buckets that it touches as stale, in its own transaction. A closed stale
bucket is computed again from its raw rows; raw rows go once they are old and rolled up. Data that
arrives after its raw rows have gone is merged into what the roll-up already knows.
"""

from __future__ import annotations

import sqlite3

from ingest.history.base import BUCKET_MS

DAY_MS = 86_400_000
# One piece of housekeeping holds the file for a few tens of milliseconds at most.
_BUCKETS_A_TURN = 200
_ROWS_A_TURN = 20_000

_COMPUTE = """
SELECT avg(value) FILTER (WHERE flags & 3 < 2),
       min(coalesce(low, value)) FILTER (WHERE flags & 3 < 2),
       max(coalesce(high, value)) FILTER (WHERE flags & 3 < 2),
       count(value) FILTER (WHERE flags & 3 < 2), max(flags & 3), count(*)
FROM reading WHERE series = ? AND at >= ? AND at < ?
"""
_Summary = tuple[float | None, float | None, float | None, int, int]


class Rollups:
    """Keeps the roll-ups of one history file.

    Args:
        connection: The writer's connection; transactions are the writer's business.
        raw_days: For how long raw rows stay.
        rollup_days: For how long roll-ups stay.

    Attributes:
        known: Buckets that are marked stale already, as (series, bucket).
    """

    def __init__(self, connection: sqlite3.Connection, raw_days: int, rollup_days: int) -> None:
        self._connection = connection
        self._raw_ms = raw_days * DAY_MS
        self._rollup_ms = rollup_days * DAY_MS
        self.known: set[tuple[int, int]] = set(self._marked())
        self._fresh: list[tuple[int, int]] = []

    def touch(self, series: int, at_ms: int) -> None:
        """Mark the bucket of a reading that is being written."""
        key = (series, at_ms // BUCKET_MS)
        self._connection.execute("INSERT OR IGNORE INTO stale VALUES (?, ?)", key)
        self.known.add(key)
        self._fresh.append(key)

    def committed(self) -> None:
        """The marks of this transaction are on disk."""
        self._fresh.clear()

    def abandoned(self) -> None:
        """The transaction was rolled back."""
        self.known = set(self._marked())
        self._fresh.clear()

    def turn(self, now_ms: int) -> tuple[int, int] | None:
        """Roll up closed stale buckets, then let old rows go; a bounded piece of work.

        Returns the beginning of what raw rows and what roll-ups keep, None without readings.
        Retention counts back from the newest reading if that is earlier than now: a hub whose clock
        has jumped into the future must not erase the past.
        """
        newest = self._newest()
        if newest is None:
            return None
        today = min(now_ms, newest)
        horizon = self._raw_horizon(today)
        oldest = today - self._rollup_ms
        self._roll_up(now_ms, horizon)
        self._let_go(oldest, horizon)
        return horizon, oldest

    def _roll_up(self, now_ms: int, raw_horizon_ms: int) -> None:
        closed = self._connection.execute(
            "SELECT series, bucket FROM stale WHERE bucket < ? ORDER BY bucket LIMIT ?",
            (now_ms // BUCKET_MS, _BUCKETS_A_TURN),
        ).fetchall()
        for series, bucket in closed:
            self._compute(series, bucket, raw_horizon_ms)
            self._connection.execute(
                "DELETE FROM stale WHERE series = ? AND bucket = ?", (series, bucket)
            )
            self.known.discard((series, bucket))

    def _let_go(self, oldest_ms: int, raw_horizon_ms: int) -> None:
        for (series,) in self._connection.execute("SELECT id FROM series").fetchall():
            self._let_readings_go(series, raw_horizon_ms)
            self._connection.execute(
                "DELETE FROM rollup WHERE series = ? AND bucket < ?",
                (series, oldest_ms // BUCKET_MS),
            )

    def _newest(self) -> int | None:
        row = self._connection.execute(
            "SELECT max(newest) FROM (SELECT (SELECT max(at) FROM reading WHERE series = s.id)"
            " AS newest FROM series AS s)"
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def _raw_horizon(self, now_ms: int) -> int:
        """Return the beginning of the oldest bucket whose raw rows stay."""
        return (now_ms - self._raw_ms) // BUCKET_MS * BUCKET_MS

    def _let_readings_go(self, series: int, horizon_ms: int) -> None:
        row = self._connection.execute(
            "SELECT min(at) FROM (SELECT at FROM reading WHERE series = ? AND at < ?"
            " ORDER BY at LIMIT -1 OFFSET ?)",
            (series, horizon_ms, _ROWS_A_TURN),
        ).fetchone()
        until = horizon_ms if row[0] is None else row[0]
        self._connection.execute(
            "DELETE FROM reading WHERE series = ? AND at < ? AND NOT EXISTS (SELECT 1 FROM stale"
            " WHERE stale.series = reading.series AND stale.bucket = reading.at / ?)",
            (series, until, BUCKET_MS),
        )

    def _compute(self, series: int, bucket: int, raw_horizon_ms: int) -> None:
        start = bucket * BUCKET_MS
        *summary, rows = self._connection.execute(
            _COMPUTE, (series, start, start + BUCKET_MS)
        ).fetchone()
        if not rows:
            return
        fresh: _Summary = tuple(summary)
        if start < raw_horizon_ms:
            fresh = self._merged(series, bucket, fresh)
        self._connection.execute(
            "INSERT OR REPLACE INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?)", (series, bucket, *fresh)
        )

    def _merged(self, series: int, bucket: int, fresh: _Summary) -> _Summary:
        """Add to a roll-up whose raw rows have gone; the rows just seen go at the next turn."""
        old = self._connection.execute(
            "SELECT mean, low, high, n, worst FROM rollup WHERE series = ? AND bucket = ?",
            (series, bucket),
        ).fetchone()
        return fresh if old is None else merge(old, fresh)

    def _marked(self) -> list[tuple[int, int]]:
        return self._connection.execute("SELECT series, bucket FROM stale").fetchall()


def merge(one: _Summary, other: _Summary) -> _Summary:
    """Return the summary of two disjoint sets of readings.

    >>> merge((1.0, 1.0, 1.0, 1, 0), (4.0, 2.0, 6.0, 2, 1))
    (3.0, 1.0, 6.0, 3, 1)
    """
    if other[0] is None or one[0] is None:
        kept = one if other[0] is None else other
        return (*kept[:4], max(one[4], other[4]))
    count = one[3] + other[3]
    mean = (one[0] * one[3] + other[0] * other[3]) / count
    low = min(x for x in (one[1], other[1]) if x is not None)
    high = max(x for x in (one[2], other[2]) if x is not None)
    return (mean, low, high, count, max(one[4], other[4]))
