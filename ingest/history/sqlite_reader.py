"""Reads the embedded history from any process while ingest writes it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from core.identity import SeriesId
from core.reading import Reading
from ingest.history.base import (
    BUCKET_MS,
    QUALITIES,
    Bucket,
    HistoryUnavailableError,
    bucket_width_ms,
    reasons_of,
)
from ingest.history.settings import HistorySettings
from ingest.history.sqlite import connect

_SERIES = "(SELECT id FROM series WHERE sensor = :sensor AND quantity = :quantity)"
_COLUMNS = "at, value, flags, low, high, n"
_RAW = f"""
SELECT (at - :start) / :width AS place,
       avg(value) FILTER (WHERE flags & 3 < 2),
       min(coalesce(low, value)) FILTER (WHERE flags & 3 < 2),
       max(coalesce(high, value)) FILTER (WHERE flags & 3 < 2),
       count(value) FILTER (WHERE flags & 3 < 2), max(flags & 3)
FROM reading WHERE series = {_SERIES} AND at >= :start AND at < :end GROUP BY place ORDER BY place
"""  # noqa: S608  # built of constants
# Roll-ups where they are up to date, raw rows where they are not yet.
_ROLLED = f"""
WITH part AS (
    SELECT bucket * {BUCKET_MS} AS at, mean, low, high, n, worst FROM rollup
    WHERE series = {_SERIES} AND bucket >= :first AND bucket <= :last
      AND (series, bucket) NOT IN (SELECT series, bucket FROM stale)
    UNION ALL
    SELECT s.bucket * {BUCKET_MS}, avg(value) FILTER (WHERE flags & 3 < 2),
           min(coalesce(low, value)) FILTER (WHERE flags & 3 < 2),
           max(coalesce(high, value)) FILTER (WHERE flags & 3 < 2),
           count(value) FILTER (WHERE flags & 3 < 2), max(flags & 3)
    FROM stale AS s JOIN reading AS r ON r.series = s.series
      AND r.at >= s.bucket * {BUCKET_MS} AND r.at < (s.bucket + 1) * {BUCKET_MS}
    WHERE s.series = {_SERIES} AND s.bucket >= :first AND s.bucket <= :last GROUP BY s.bucket)
SELECT max(at - :start, 0) / :width AS place, sum(mean * n) / sum(n), min(low), max(high), sum(n),
       max(worst)
FROM part WHERE at < :end GROUP BY place ORDER BY place
"""  # noqa: S608  # built of constants


class SqliteReader:
    """Gives back what `SqliteWriter` keeps; empty until there is a file."""

    def __init__(self, settings: HistorySettings) -> None:
        self._path = Path(settings.path)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def range(
        self, series: SeriesId, start_ms: int, end_ms: int, limit: int = 10_000
    ) -> list[Reading]:
        """Readings with start <= at < end, oldest first, at most *limit*."""
        rows = self._query(
            f"SELECT {_COLUMNS} FROM reading WHERE series = {_SERIES}"  # noqa: S608  # constants
            " AND at >= :start AND at < :end ORDER BY at LIMIT :limit",
            {**_named(series), "start": start_ms, "end": end_ms, "limit": limit},
        )
        return [_reading(series, row) for row in rows]

    def last(self, series: SeriesId) -> Reading | None:
        """The newest reading."""
        rows = self._query(
            f"SELECT {_COLUMNS} FROM reading WHERE series = {_SERIES}"  # noqa: S608  # constants
            " ORDER BY at DESC LIMIT 1",
            _named(series),
        )
        return _reading(series, rows[0]) if rows else None

    def downsampled(
        self, series: SeriesId, start_ms: int, end_ms: int, buckets: int
    ) -> list[Bucket]:
        """At most *buckets* stretches of equal width; wide ones are made of roll-ups."""
        width = bucket_width_ms(start_ms, end_ms, buckets)
        names = {**_named(series), "start": start_ms, "end": end_ms, "width": width}
        if width >= BUCKET_MS:
            names |= {"first": start_ms // BUCKET_MS, "last": (end_ms - 1) // BUCKET_MS}
        rows = self._query(_ROLLED if width >= BUCKET_MS else _RAW, names)
        return [
            Bucket(start_ms + place * width, mean, low, high, count or 0, QUALITIES[worst])
            for place, mean, low, high, count, worst in rows
        ]

    def grades(self, zone: str, hazard: Hazard, start_ms: int, end_ms: int) -> list[ZoneGrade]:
        """Grades of one zone and hazard with start <= at < end, oldest first."""
        rows = self._query(
            "SELECT at, grade, condition, incident FROM grade WHERE zone = :zone"
            " AND hazard = :hazard AND at >= :start AND at < :end ORDER BY at",
            {"zone": zone, "hazard": str(hazard), "start": start_ms, "end": end_ms},
        )
        return [
            ZoneGrade(
                zone=zone,
                hazard=hazard,
                grade=Grade(grade),
                condition=Condition(condition),
                since=at,
                at=at,
                incident=incident,
            )
            for at, grade, condition, incident in rows
        ]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _query(self, sql: str, names: dict[str, object]) -> list[tuple[Any, ...]]:
        """Return what the file says; nothing until there is one.

        Raises:
            HistoryUnavailableError: It can't be read.
        """
        with self._lock:
            try:
                if self._connection is None:
                    if not self._path.exists():
                        return []
                    self._connection = connect(self._path)
                    self._connection.execute("PRAGMA query_only=ON")
                return self._connection.execute(sql, names).fetchall()
            except sqlite3.Error as error:
                if "no such table" in str(error):
                    return []  # ingest is just creating the tables
                raise HistoryUnavailableError(f"history {self._path}: {error}") from error


def _named(series: SeriesId) -> dict[str, object]:
    return {"sensor": series.sensor, "quantity": str(series.quantity)}


def _reading(series: SeriesId, row: tuple[Any, ...]) -> Reading:
    at, value, flags, low, high, count = row
    bits = int(flags)
    return Reading(
        series.sensor,
        series.quantity,
        at,
        value,
        QUALITIES[bits & 3],
        reasons_of(bits >> 2),
        low,
        high,
        count or 1,
    )
