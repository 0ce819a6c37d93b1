"""The quarantine: what could not be believed, with its reason and its bytes, for people to look at.

The ledger holds the counts for ever; the bytes are kept for the newest rows only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ingest.ledger_file import reading

# Bytes kept of one payload or record. A pack's labels and first records fit.
MAX_RAW_BYTES = 4_096
# Rows kept of one pack; the rest of it is summed up in one more row.
MAX_ROWS_A_PACK = 20
MAX_REASON_CHARS = 500


class Quarantined(NamedTuple):
    """One row of the quarantine.

    Attributes:
        received_ms: Run time (ms) of arrival.
        station: Slug of the station, "" where there is none.
        boot, seq: The pack, None where it has none.
        position: Place of the record in the pack, from 0; None for a whole payload.
        readings: How many readings it stands for.
        reason: Why, for people.
        size: Bytes of the whole.
        raw: Its first bytes.
    """

    received_ms: int
    station: str
    boot: str | None
    seq: int | None
    position: int | None
    readings: int
    reason: str
    size: int
    raw: bytes


def write_quarantine(connection: sqlite3.Connection, rows: Sequence[Quarantined]) -> None:
    """Add rows within the open transaction."""
    connection.executemany(
        "INSERT INTO quarantine (received_ms, station, boot, seq, position, readings, reason,"
        " bytes, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*row[:6], row.reason[:MAX_REASON_CHARS], row.size, row.raw[:MAX_RAW_BYTES])
            for row in rows
        ],
    )


def trim_quarantine(connection: sqlite3.Connection, keep_rows: int) -> None:
    """Delete all but the newest rows."""
    connection.execute(
        "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (keep_rows,)
    )


def read_quarantine(path: Path, limit: int = 100, station: str = "") -> list[Quarantined]:
    """Return the newest rows of a ledger's quarantine, newest first; any process may ask.

    Args:
        path: The ledger. Without a file, or before ingest has made it, the list is empty.
        limit: How many rows at most.
        station: Of this station alone; "" for all of them.

    Raises:
        LedgerError: It can't be read.
    """
    with reading(path) as connection:
        if connection is None:
            return []
        rows = connection.execute(
            "SELECT received_ms, station, boot, seq, position, readings, reason, bytes, raw"
            " FROM quarantine WHERE ? IN ('', station) ORDER BY id DESC LIMIT ?",
            (station, limit),
        ).fetchall()
    return [Quarantined(*row) for row in rows]
