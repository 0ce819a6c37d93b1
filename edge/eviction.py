"""Making room in a spool: old readings are thinned, then dropped; alarms last; all is declared.

Every function works within a transaction of its caller.
"""

from __future__ import annotations

from itertools import groupby

from core.pack import Gone
from edge.pack_books import ROW_BYTES, PackId, StoredPack
from edge.pack_code import squeeze
from edge.pack_tables import PackTables
from edge.thinning import Thinned, thin

# How many packs are thinned or dropped together: one declaration for all of them.
BATCH_PACKS = 64
# Why a pack is gone: the spool was full, it was too old, memory was full before it was a pack, or
# it stood on a page that can't be read any more.
OVERFLOW = "overflow"
AGE = "age"
MEMORY = "memory"
BROKEN = "broken"
# Batches of aged packs dropped at a time: the urgent lane waits for it.
_AGED_BATCHES = 8

_COLUMNS = "SELECT boot, seq, count, thinned, length(payload) FROM pack"
_FIRST = "ORDER BY ordinal LIMIT ?"
# The order in which packs go: urgent ones last, and those first that the hub can't have.
_TO_DROP = (
    f"{_COLUMNS} WHERE alarm = 0 AND sent = 0 {_FIRST}",
    f"{_COLUMNS} WHERE alarm = 0 {_FIRST}",
    f"{_COLUMNS} WHERE alarm = 1 AND sent = 0 {_FIRST}",
    f"{_COLUMNS} WHERE alarm = 1 {_FIRST}",
)
_AGED = f"{_COLUMNS} WHERE alarm = 0 AND newest_ms < ? {_FIRST}"


def make_room(tables: PackTables, needed: int, max_bytes: int) -> None:
    """Thin, then drop, the oldest packs until *needed* bytes fit into *max_bytes*."""
    while tables.waiting().size + needed > max_bytes:
        if not (_thin_some(tables) or _drop_some(tables)):
            return


def drop_aged(tables: PackTables, oldest_ms: int) -> None:
    """Drop packs of which all readings are older than *oldest_ms*, some hundreds at a time."""
    for _ in range(_AGED_BATCHES):
        rows = tables.database.execute(_AGED, (oldest_ms, BATCH_PACKS)).fetchall()
        _drop(tables, rows, AGE)
        if not rows:
            return


def _thin_some(tables: PackTables) -> bool:
    rows = tables.database.execute(
        "SELECT boot, seq FROM pack WHERE sent = 0 AND level = 0 ORDER BY alarm, ordinal LIMIT ?",
        (BATCH_PACKS,),
    ).fetchall()
    packs = tables.load(PackId(*row) for row in rows)
    for pack, result in zip(packs, thin(pack.payload for pack in packs), strict=True):
        _replace(tables, pack, result)
    return bool(packs)


def _replace(tables: PackTables, pack: StoredPack, thinned: Thinned | None) -> None:
    result = thinned or Thinned(pack.payload, pack.count, 0)
    kept = squeeze(result.payload)
    (size,) = tables.database.execute(
        "SELECT length(payload) FROM pack WHERE boot = ? AND seq = ?", pack.id
    ).fetchone()
    tables.database.execute(
        "UPDATE pack SET payload = ?, count = ?, thinned = thinned + ?, level = 1"
        " WHERE boot = ? AND seq = ?",
        (kept, result.count, result.taken, *pack.id),
    )
    tables.count(0, result.count - pack.count, len(kept) - size)
    tables.database.execute(
        "UPDATE boot SET thinned = thinned + ? WHERE boot = ?", (result.taken, pack.id.boot)
    )


def _drop_some(tables: PackTables) -> bool:
    for query in _TO_DROP:
        rows = tables.database.execute(query, (BATCH_PACKS,)).fetchall()
        if rows:
            _drop(tables, rows, OVERFLOW)
            return True
    return False


def _drop(tables: PackTables, rows: list[tuple[str, int, int, int, int]], reason: str) -> None:
    """Drop packs (boot, seq, count, thinned, size); each run of numbers is one declaration."""
    rows.sort(key=lambda row: (row[0], row[1]))
    runs = groupby(enumerate(rows), key=lambda item: (item[1][0], item[1][1] - item[0]))
    for (boot, _), run in runs:
        packs = [row for _, row in run]
        names = [row[:2] for row in packs]
        thinned = sum(row[3] for row in packs)
        readings = sum(row[2] for row in packs) + thinned
        database = tables.database
        database.executemany("DELETE FROM pack WHERE boot = ? AND seq = ?", names)
        # What they carried waits for another carrier.
        database.executemany(
            "UPDATE declaration SET carrier_boot = NULL, carrier_seq = NULL"
            " WHERE carrier_boot = ? AND carrier_seq = ?",
            names,
        )
        database.execute("UPDATE boot SET thinned = thinned - ? WHERE boot = ?", (thinned, boot))
        tables.declare_gone(Gone(boot, packs[0][1], packs[-1][1], readings, reason))
        size = sum(row[4] for row in packs) + ROW_BYTES * len(packs)
        tables.count(-len(packs), thinned - readings, -size)
