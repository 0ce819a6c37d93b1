"""The tables of a spool, and the words for what stands in them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from core.pack import Gone, Unknown

# What a pack costs in the file besides its payload (row, index, page share), bytes.
ROW_BYTES = 160

SCHEMA = """
CREATE TABLE IF NOT EXISTS boot(
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    boot TEXT NOT NULL UNIQUE,
    ended INTEGER NOT NULL DEFAULT 0,     -- 1 clean stop, 2 killed and declared
    at_risk INTEGER NOT NULL DEFAULT 0,   -- readings that may be in memory between two commits
    produced INTEGER NOT NULL DEFAULT 0,
    thinned INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0    -- declared for this boot by a later one
);
CREATE TABLE IF NOT EXISTS pack(
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    boot TEXT NOT NULL,
    seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    thinned INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,      -- 1: the hub may have it
    level INTEGER NOT NULL DEFAULT 0,     -- 1: thinned
    payload BLOB NOT NULL,
    alarm INTEGER NOT NULL DEFAULT 0,     -- 1: holds something urgent, kept longest
    newest_ms INTEGER,                    -- of its readings; NULL without a trusted clock
    UNIQUE (boot, seq)
);
CREATE TABLE IF NOT EXISTS declaration(
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,                   -- gone | unknown
    boot TEXT NOT NULL,
    first INTEGER NOT NULL DEFAULT 0,
    last INTEGER NOT NULL DEFAULT 0,
    readings INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    carrier_boot TEXT,                    -- the pack that carries it
    carrier_seq INTEGER
);
CREATE INDEX IF NOT EXISTS pack_to_drop ON pack(alarm, ordinal) WHERE sent = 0;
CREATE INDEX IF NOT EXISTS pack_to_thin ON pack(alarm, ordinal) WHERE sent = 0 AND level = 0;
CREATE INDEX IF NOT EXISTS pack_alarm ON pack(ordinal) WHERE alarm = 1;
"""
MIGRATION = (
    "ALTER TABLE pack ADD COLUMN alarm INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE pack ADD COLUMN newest_ms INTEGER",
    "DROP INDEX IF EXISTS pack_unsent",
    "DROP INDEX IF EXISTS pack_whole",
)
# How a boot ended.
CLEAN, DECLARED = 1, 2


class PackId(NamedTuple):
    """Identity of a pack within its station."""

    boot: str
    seq: int


@dataclass(frozen=True, slots=True)
class StoredPack:
    """A pack as it waits and as it is sent.

    Attributes:
        id: Its identity.
        count: Readings that it holds.
        payload: Its bytes.
        thinned: Readings that were taken out of it.
        alarm: True if something urgent lies in it.
        newest_ms: Run time of its newest reading; None without one, or without a trusted clock.
    """

    id: PackId
    count: int
    payload: bytes
    thinned: int = 0
    alarm: bool = False
    newest_ms: int | None = None


class Declaration(NamedTuple):
    """A loss that the hub has to hear of."""

    ordinal: int
    label: Gone | Unknown


class Waiting(NamedTuple):
    """What waits for receipts."""

    packs: int
    readings: int
    size: int


class BookTotals(NamedTuple):
    """Sums over all boots; `produced` without what was declared unknown."""

    boots: int
    produced: int
    thinned: int
    gone: int
    unknown: int


def read_waiting(database: sqlite3.Connection) -> Waiting:
    """Return how much waits in a spool's database."""
    row = database.execute(
        "SELECT count(*), coalesce(sum(count), 0), coalesce(sum(length(payload)), 0) FROM pack"
    ).fetchone()
    return Waiting(row[0], row[1], row[2] + ROW_BYTES * row[0])


def read_totals(database: sqlite3.Connection) -> BookTotals:
    """Return the books of all boots of a spool's database."""
    row = database.execute(
        "SELECT count(*), coalesce(sum(produced), 0), coalesce(sum(thinned), 0),"
        " coalesce(sum(gone), 0), coalesce(sum(unknown), 0) FROM boot"
    ).fetchone()
    return BookTotals(*row)
