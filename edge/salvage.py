"""What can still be read of a broken spool: every whole pack, the books, the declarations.

A bad block of an SD card breaks a page or two of the file. All rows around them are read, and each
pack must decode to what its row says. What is not found was receipted before, or is lost; the hub
can tell which, once the station says that nothing more of the boot waits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from core.pack import Pack, PackError, decode_pack
from edge.pack_books import ROW_BYTES
from edge.pack_code import expand
from edge.pack_tables import UNUSABLE, PackTables, bounded

_PAGE_BYTES = 4096
# Packs copied in one transaction: bounds memory, what a kill undoes, and for how long something
# urgent waits (30 ms on a PC, 0.3 s on a small Pi with a slow card).
_PIECE_PACKS = 500
# Where boot, count and payload stand in a row.
_BOOT, _COUNT, _PAYLOAD = 1, 3, 7
# Rows in a row that can't be read, until the search is given up: more than a page of the tree above
# the packs can hide, and a second of a PC's time.
_MOST_UNREADABLE = 20_000
_PACKS = (
    "SELECT ordinal, boot, seq, count, thinned, sent, level, payload, alarm, newest_ms FROM pack"
    " WHERE ordinal > ? ORDER BY ordinal"
)
_KEEP_PACK = (
    "INSERT OR IGNORE INTO pack(ordinal, boot, seq, count, thinned, sent, level, payload, alarm,"
    " newest_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COUNT_FROM = (
    "INSERT INTO sqlite_sequence(name, seq) SELECT 'pack', ?"
    " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'pack')"
)
_COUNT_ABOVE = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'pack'"
_BOOTS = "SELECT boot, ended, at_risk, produced, thinned, gone, unknown FROM boot ORDER BY ordinal"
_KEEP_BOOT = (
    "INSERT OR IGNORE INTO boot(boot, ended, at_risk, produced, thinned, gone, unknown)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_LOSSES = (
    "SELECT kind, boot, first, last, readings, reason, carrier_boot, carrier_seq FROM declaration"
    " ORDER BY ordinal"
)
_KEEP_LOSS = (
    "INSERT INTO declaration(kind, boot, first, last, readings, reason, carrier_boot, carrier_seq)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
# A declaration whose carrier can't be read is made once more; the hub counts it once.
_FREE_LOSSES = (
    "UPDATE declaration SET carrier_boot = NULL, carrier_seq = NULL WHERE NOT EXISTS"
    " (SELECT 1 FROM pack WHERE pack.boot = carrier_boot AND pack.seq = carrier_seq)"
)


class Salvage:
    """A broken file that is being taken over, piece by piece, while the station works.

    What was copied stays copied if the process is killed; another start goes on. Packs keep their
    place in the order: the new file begins to count above all that the broken one can hold.

    Args:
        broken: The file that was set aside, with its write-ahead log beside it.
        tables: Where to keep it.
        at_risk: For boots that are known from packs only: what they may have had in memory.

    Attributes:
        broken: The file.
        highest: Packs up to this ordinal may come from it.
        packs: How many packs were copied.

    Raises:
        sqlite3.Error, OSError: The file or *tables* can't be used now (also from `step`).
    """

    def __init__(self, broken: Path, tables: PackTables, at_risk: int) -> None:
        self.broken = broken
        self.packs = 0
        self._tables = tables
        self._at_risk = at_risk
        self._newest: dict[str, bytes] = {}
        _mend_first_page(broken)
        # Opened by the thread that starts the station, used by the one that owns the spool.
        self._source = bounded(
            sqlite3.connect(
                f"file:{broken}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
        )
        self.highest = _highest(self._source)
        self._rows = _packs(self._source, self.highest)
        try:
            self._take_books()
        except BaseException:
            self.close()
            raise

    def step(self) -> bool:
        """Copy the next packs; False after the last ones, when nothing is left to do."""
        piece = list(islice(self._rows, _PIECE_PACKS))
        if not piece:
            self._finish()
            return False
        self._newest |= {row[_BOOT]: row[_PAYLOAD] for row in piece}
        tables = self._tables
        tables.waiting()  # asked before the rows are there that are counted below
        with tables.transaction():
            for row in piece:
                if tables.database.execute(_KEEP_PACK, row).rowcount:
                    self.packs += 1
                    tables.count(1, row[_COUNT], len(row[_PAYLOAD]) + ROW_BYTES)
        return True

    def close(self) -> None:
        """Let go of the broken file."""
        self._rows.close()
        self._source.close()

    def _take_books(self) -> None:
        """Take over boots and declarations, and leave the ordinals of all packs free."""
        database = self._tables.database
        with self._tables.transaction():
            database.executemany(_KEEP_BOOT, _readable(self._source, _BOOTS))
            if not database.execute("SELECT 1 FROM declaration").fetchone():
                database.executemany(_KEEP_LOSS, _readable(self._source, _LOSSES))
            database.execute(_COUNT_FROM, (self.highest,))
            database.execute(_COUNT_ABOVE, (self.highest,))

    def _finish(self) -> None:
        database = self._tables.database
        with self._tables.transaction():
            for boot, kept in self._newest.items():
                made = _decoded(kept).made or 0
                database.execute(_KEEP_BOOT, (boot, 0, self._at_risk, made, 0, 0, 0))
            database.execute(_FREE_LOSSES)
        self.close()


def _packs(source: sqlite3.Connection, ceiling: int) -> Generator[tuple[Any, ...]]:
    """Yield the rows of all packs that can be read and are what they say."""
    last, unreadable = 0, 0
    while last < ceiling and unreadable < _MOST_UNREADABLE:
        try:
            for row in source.execute(_PACKS, (last,)):
                if not last < row[0] <= ceiling:
                    break  # what this page says is not true
                last, unreadable = row[0], 0
                if _is_whole(row):
                    yield row
            else:
                return
        except UNUSABLE:
            pass
        # Python reads a row ahead: the one before a broken one was lost with it. Alone it is found.
        # Else each look begins one row further, until it begins on a page that can be read.
        alone = _next_alone(source, last)
        if alone is not None and last < alone[0] <= ceiling:
            last, unreadable = alone[0], 0
            if _is_whole(alone):
                yield alone
        else:
            last += 1
            unreadable += 1


def _next_alone(source: sqlite3.Connection, last: int) -> tuple[Any, ...] | None:
    found = _readable(source, f"{_PACKS} LIMIT 1", last)
    return found[0] if found else None


def _highest(source: sqlite3.Connection) -> int:
    """Return up to where rows are looked for."""
    tops = ("SELECT max(ordinal) FROM pack", "SELECT seq FROM sqlite_sequence WHERE name = 'pack'")
    found = [row[0] for query in tops for row in _readable(source, query)]
    # A number of a broken page may be anything; above it the new file must still be able to count.
    return max((top for top in found if isinstance(top, int) and 0 < top < 2**53), default=0)


def _is_whole(row: tuple[Any, ...]) -> bool:
    """Tell whether a pack is what its row says; squeezed ones carry a checksum of their own."""
    boot, seq, count, kept = row[_BOOT], row[_BOOT + 1], row[_COUNT], row[_PAYLOAD]
    if not (isinstance(boot, str) and isinstance(kept, bytes)):
        return False
    if not (isinstance(seq, int) and isinstance(count, int)):
        return False
    payload = expand(kept)
    if payload is not kept:
        return f'"boot":"{boot}","seq":{seq},'.encode() in payload
    pack = _decoded(payload)
    return (pack.boot, pack.seq, pack.count) == (boot, seq, count)


def _decoded(kept: bytes) -> Pack:
    try:
        return decode_pack(expand(kept))
    except PackError:
        return Pack()


def _readable(source: sqlite3.Connection, query: str, *parameters: int) -> list[tuple[Any, ...]]:
    """Return the rows before the first one that can't be read."""
    rows: list[tuple[Any, ...]] = []
    try:
        rows.extend(source.execute(query, parameters))
    except UNUSABLE:
        return rows
    return rows


def _mend_first_page(broken: Path) -> None:
    """If the first page is no page, put the one of a new spool there: the same tables, same places.

    Tables lie where the statements of `SCHEMA` put them, in every spool of one version.
    """
    with closing(sqlite3.connect(f"file:{broken}?mode=ro", uri=True)) as source:
        if _readable(source, "SELECT 1 FROM sqlite_master"):
            return
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        PackTables(database)
        page = bytearray(database.serialize()[:_PAGE_BYTES])
    # Written and read in write-ahead mode; no free pages; the size is that of the file, because
    # "version valid for" differs from the change counter (SQLite file format, 1.3).
    page[18:20] = b"\x02\x02"
    page[28:40] = bytes(12)
    page[92:96] = b"\xff\xff\xff\xff"
    with broken.open("r+b") as file:
        file.write(page)
