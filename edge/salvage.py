"""What can still be read of a broken spool: every whole pack, the books, the declarations.

A bad block of an SD card breaks a page or two of the file. All rows around them are read, and each
pack must decode to what its row says. What is not found was receipted before, or is lost; the hub
can tell which, once the station says that nothing more of the boot waits.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from core.pack import Pack, PackError, decode_pack
from edge.pack_code import expand
from edge.pack_tables import UNUSABLE, PackTables

_PAGE_BYTES = 4096
# Packs copied in one transaction: bounds memory, and what a kill undoes.
_PIECE_PACKS = 1000
# Where the payload stands in a row.
_PAYLOAD = 6
_PACKS = (
    "SELECT ordinal, boot, seq, count, thinned, sent, level, payload, alarm, newest_ms FROM pack"
    " WHERE ordinal > ? ORDER BY ordinal"
)
_KEEP_PACK = (
    "INSERT OR IGNORE INTO pack(boot, seq, count, thinned, sent, level, payload, alarm, newest_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
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


def salvage(broken: Path, tables: PackTables, at_risk: int) -> int:
    """Copy what can be read of *broken* into *tables*; return how many packs that were.

    What was copied stays copied if the process is killed; another call goes on.

    Args:
        broken: The file that was set aside, with its write-ahead log beside it.
        tables: Where to keep it.
        at_risk: For boots that are known from packs only: what they may have had in memory.

    Raises:
        sqlite3.Error: *tables* can't be written.
    """
    _mend_first_page(broken)
    source = sqlite3.connect(f"file:{broken}?mode=ro", uri=True, isolation_level=None)
    database = tables.database
    with closing(source):
        with tables.transaction():
            database.executemany(_KEEP_BOOT, _readable(source, _BOOTS))
        packs = 0
        newest: dict[str, bytes] = {}
        rows = _packs(source)
        while piece := list(islice(rows, _PIECE_PACKS)):
            newest |= {row[0]: row[_PAYLOAD] for row in piece}
            with tables.transaction():
                packs += database.executemany(_KEEP_PACK, piece).rowcount
        with tables.transaction():
            for boot, kept in newest.items():
                made = _decoded(kept).made or 0
                database.execute(_KEEP_BOOT, (boot, 0, at_risk, made, 0, 0, 0))
            if not database.execute("SELECT 1 FROM declaration").fetchone():
                database.executemany(_KEEP_LOSS, _readable(source, _LOSSES))
            database.execute(_FREE_LOSSES)
    tables.recount()
    return packs


def _packs(source: sqlite3.Connection) -> Iterator[list[Any]]:
    """Yield the rows of all packs that can be read and are what they say, without ordinals."""
    last, ceiling = 0, _highest(source)
    while last < ceiling:
        try:
            for ordinal, *row in source.execute(_PACKS, (last,)):
                if not last < ordinal <= ceiling:
                    break  # what this page says is not true
                last = ordinal
                if _is_whole(row):
                    yield row
            else:
                return
        except UNUSABLE:
            pass
        # Each look begins one row further, until it begins on a page that can be read.
        last += 1


def _highest(source: sqlite3.Connection) -> int:
    """Return up to where rows are looked for."""
    tops = ("SELECT max(ordinal) FROM pack", "SELECT seq FROM sqlite_sequence WHERE name = 'pack'")
    found = [row[0] for query in tops for row in _readable(source, query)]
    return max((top for top in found if isinstance(top, int)), default=0)


def _is_whole(row: list[Any]) -> bool:
    """Tell whether a pack is what its row says; squeezed ones carry a checksum of their own."""
    boot, seq, kept = row[0], row[1], row[_PAYLOAD]
    if not (isinstance(boot, str) and isinstance(seq, int) and isinstance(kept, bytes)):
        return False
    payload = expand(kept)
    if payload is not kept:
        return f'"boot":"{boot}","seq":{seq},'.encode() in payload
    pack = _decoded(payload)
    return (pack.boot, pack.seq, pack.count) == (boot, seq, row[2])


def _decoded(kept: bytes) -> Pack:
    try:
        return decode_pack(expand(kept))
    except PackError:
        return Pack()


def _readable(source: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    """Return the rows before the first one that can't be read."""
    rows: list[tuple[Any, ...]] = []
    try:
        rows.extend(source.execute(query))
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
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "new.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            PackTables(database)
        page = bytearray(path.read_bytes()[:_PAGE_BYTES])
    # Written and read in write-ahead mode; no free pages; the size is that of the file, because
    # "version valid for" differs from the change counter (SQLite file format, 1.3).
    page[18:20] = b"\x02\x02"
    page[28:40] = bytes(12)
    page[92:96] = b"\xff\xff\xff\xff"
    with broken.open("r+b") as file:
        file.write(page)
