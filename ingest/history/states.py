"""Grades and station states in the embedded history: their changes, and a sign of life.

Both are said again and again: a grade every minute, a station's health every ten seconds. Kept as
they come, ten stations would take more room in a year than all readings. What differs from the row
before is always kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from core.finding import ZoneGrade
from ingest.history.base import StationState

SCHEMA = """
CREATE TABLE IF NOT EXISTS grade (
    zone TEXT NOT NULL, hazard TEXT NOT NULL, at INTEGER NOT NULL, grade INTEGER NOT NULL,
    condition TEXT NOT NULL, incident INTEGER NOT NULL,
    PRIMARY KEY (zone, hazard, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS station (
    station TEXT NOT NULL, at INTEGER NOT NULL, online INTEGER NOT NULL, health TEXT NOT NULL,
    PRIMARY KEY (station, at)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grade_at ON grade(at);
CREATE INDEX IF NOT EXISTS station_at ON station(at);
"""
# An unchanged grade and an unchanged link are kept once in so many run milliseconds.
_GRADE_EVERY_MS = 3_600_000
_STATION_EVERY_MS = 60_000
# One piece of housekeeping holds the file for a few tens of milliseconds at most.
_ROWS_A_TURN = 5_000
# Names come from messages: a bounded number is remembered.
_MOST_NAMES = 10_000


class States:
    """Writes grades and station states; transactions are the writer's business.

    Args:
        connection: The writer's.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # What was written last: name -> (time, what must not differ).
        self._last: dict[tuple[str, ...], tuple[int, tuple[object, ...]]] = {}

    def write(self, grades: Sequence[ZoneGrade], stations: Sequence[StationState]) -> None:
        """Keep what is new."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO grade VALUES (?, ?, ?, ?, ?, ?)",
            [
                (g.zone, str(g.hazard), g.at, int(g.grade), str(g.condition), g.incident)
                for g in grades
                if self._is_news(
                    (g.zone, str(g.hazard)),
                    g.at,
                    (g.grade, g.condition, g.incident),
                    _GRADE_EVERY_MS,
                )
            ],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO station VALUES (?, ?, ?, ?)",
            [
                (s.station, s.at, s.online, msgspec.json.encode(s.health).decode())
                for s in stations
                if self._is_news((s.station,), s.at, (s.online,), _STATION_EVERY_MS)
            ],
        )

    def abandoned(self) -> None:
        """The transaction was rolled back: what was written last is not known."""
        self._last.clear()

    def let_go(self, oldest_grade_ms: int, oldest_station_ms: int) -> None:
        """Delete old rows, a bounded number at a time."""
        self._connection.execute(
            "DELETE FROM grade WHERE (zone, hazard, at) IN"
            " (SELECT zone, hazard, at FROM grade WHERE at < ? ORDER BY at LIMIT ?)",
            (oldest_grade_ms, _ROWS_A_TURN),
        )
        self._connection.execute(
            "DELETE FROM station WHERE (station, at) IN"
            " (SELECT station, at FROM station WHERE at < ? ORDER BY at LIMIT ?)",
            (oldest_station_ms, _ROWS_A_TURN),
        )

    def _is_news(
        self, name: tuple[str, ...], at_ms: int, what: tuple[object, ...], every_ms: int
    ) -> bool:
        last = self._last.get(name)
        if last is not None and last[1] == what and 0 <= at_ms - last[0] < every_ms:
            return False
        if len(self._last) > _MOST_NAMES:
            self._last.clear()
        self._last[name] = at_ms, what
        return True
