"""The spool's file: opened durable, checked, set aside when broken, held by one process, read."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import sqlite3
from pathlib import Path
from typing import IO, NamedTuple

from edge.pack_books import read_totals, read_waiting
from edge.pack_store import PackStore
from edge.pack_tables import UNUSABLE, bounded
from edge.salvage import Salvage

LOG = logging.getLogger(__name__)

_BUSY_MS = 5000
_DONE = "-done"
# Broken files that wait to be taken over: a card that breaks one after the other must not fill.
_MOST_OPEN = 2
# What a file says that is no spool of ours any more; SQLITE_ERROR: its tables are other ones.
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


class SpoolBusyError(RuntimeError):
    """Another station process holds this spool; stop it first."""


class SpoolTotals(NamedTuple):
    """The books of a spool, over all boots.

    Attributes:
        produced: Readings that left sampling, and those declared unknown (they count on both
            sides of the ledger).
        waiting_packs, waiting_readings: Not yet receipted.
        thinned, gone: Declared lost.
        unknown: Upper bound of what killed boots lost in memory.
        boots: How often the program was started.
    """

    produced: int
    waiting_packs: int
    waiting_readings: int
    thinned: int
    gone: int
    unknown: int
    boots: int

    @property
    def lost(self) -> int:
        """Readings that were given up to make room."""
        return self.thinned + self.gone


class OpenedStore(NamedTuple):
    """A spool's file in use.

    Attributes:
        store: Its packs.
        set_aside: True if there is a broken file that was not taken over yet.
        salvages: Those of them that can be read.
    """

    store: PackStore
    set_aside: bool = False
    salvages: tuple[Salvage, ...] = ()


def open_store(path: Path, max_bytes: int, boot: str, at_risk: int) -> OpenedStore:
    """Open a spool's file.

    A broken file is renamed to `*.corrupt-<boot>`. What can be read of it is taken over by the
    steps of a `Salvage`, then `put_away` calls it `*.corrupt-<boot>-done`. Only the newest such
    file is kept.

    Raises:
        sqlite3.Error, OSError: The disk can't be used now.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        store = _open_checked(path, max_bytes)
    except UNUSABLE as error:
        # The lowest byte is the kind of error, the others are its details.
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _BROKEN:
            raise
        LOG.error("spool %s: %s; set aside", path, error)  # noqa: TRY400  # no stack trace reaches an operator
        _set_aside(path, boot)
        store = _open_checked(path, max_bytes)
    # One is also there if a station ended before it had taken over all of it.
    broken = _set_aside_files(path)
    begun = [_begin_salvage(file, store, at_risk) for file in reversed(broken)]
    salvages = tuple(one for one in begun if one is not None)
    return OpenedStore(store, set_aside=bool(broken), salvages=salvages)


def put_away(salvage: Salvage) -> None:
    """Note that all that can be read of a broken file was taken over.

    Raises:
        OSError: The disk can't be used now.
    """
    broken = salvage.broken
    LOG.warning("spool: %d packs taken over from %s", salvage.packs, broken.name)
    for suffix in ("-wal", "-shm"):
        Path(f"{broken}{suffix}").unlink(missing_ok=True)
    broken.rename(f"{broken}{_DONE}")


def _set_aside_files(path: Path) -> list[Path]:
    """Return broken files of which there may be more to take over, the newest one last."""
    found = path.parent.glob(f"{path.name}.corrupt-*")
    kept = [file for file in found if not file.name.endswith((_DONE, "-wal", "-shm"))]
    return sorted(kept, key=lambda file: file.stat().st_mtime)


def _begin_salvage(broken: Path, store: PackStore, at_risk: int) -> Salvage | None:
    try:
        return store.salvage(broken, at_risk)
    except (*UNUSABLE, OSError) as error:
        LOG.error("spool: %s can't be taken over now: %s", broken.name, error)  # noqa: TRY400  # no stack trace reaches an operator
        return None


def _set_aside(path: Path, boot: str) -> None:
    """Rename a broken file; of earlier ones only those that were not read to their end stay."""
    kept = [file.name for file in _set_aside_files(path)[-_MOST_OPEN:]]
    for old in path.parent.glob(f"{path.name}.corrupt-*"):
        if old.name.removesuffix("-wal").removesuffix("-shm") not in kept:
            old.unlink()
    broken = Path(f"{path}.corrupt-{boot}")
    while broken.exists():  # the second one of this boot, before the first was taken over
        broken = Path(f"{broken}-again")
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{broken}{suffix}")


def read_spool(path: Path) -> SpoolTotals:
    """Return the books of a spool, of a running station, too.

    Raises:
        OSError: There is no such file, or it can't be read now.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no spool")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            database.execute("BEGIN")
            totals, waiting = read_totals(database), read_waiting(database)
    except sqlite3.Error as error:
        raise OSError(f"{path}: can't be read: {error}") from error
    return SpoolTotals(
        produced=totals.produced + totals.unknown,
        waiting_packs=waiting.packs,
        waiting_readings=waiting.readings,
        thinned=totals.thinned,
        gone=totals.gone,
        unknown=totals.unknown,
        boots=totals.boots,
    )


def _open_checked(path: Path, max_bytes: int) -> PackStore:
    database = connect(str(path))
    try:
        verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            broken = sqlite3.DatabaseError(f"quick_check: {verdict}")
            broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise broken
        return PackStore(database, max_bytes)
    except UNUSABLE:
        database.close()
        raise


def connect(path: str) -> sqlite3.Connection:
    """Open a database of one thread at a time; durable on every commit."""
    database = bounded(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
    try:
        for pragma in (
            f"busy_timeout={_BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "journal_size_limit=4194304",
            "cache_size=-1024",
        ):
            database.execute(f"PRAGMA {pragma}")
    except UNUSABLE:
        database.close()
        raise
    return database


def lock_spool(path: Path) -> IO[bytes] | None:
    """Hold the spool for this process; None where no lock file can be made (a failed disk).

    Raises:
        SpoolBusyError: Another process holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = Path(f"{path}.lock").open("ab")  # noqa: SIM115  # held until the process ends
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise SpoolBusyError(
            f"{path}: another station process holds this spool; stop it first"
        ) from error
    return handle
