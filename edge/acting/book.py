"""The book of local acts: durable until the hub has them, and the nonces of accepted commands.

Used by one thread. The file is small and separate from the spool: an act is rare, and a full spool
must not be able to push it out. When the disk fails the same tables live in memory.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from core.act import ActEvent, LocalAct
from edge.spool_file import connect

LOG = logging.getLogger(__name__)

# Acts that wait for the hub at most; then the oldest goes, counted. A siren that goes on and off
# every ten minutes for a fortnight makes as many.
MOST_ACTS = 4_000
# Nonces that are remembered: more commands than anybody sends while one of them still lives.
MOST_NONCES = 2_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS act(
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS running(output TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS nonce(
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    nonce TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS given_up(one INTEGER PRIMARY KEY CHECK (one = 1), acts INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS memory(one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
"""
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(LocalAct)


class ActBook:
    """Acts that the hub does not have yet.

    Args:
        path: The file; made if it is missing, set aside if it is broken.
        most: How many acts it keeps.

    Attributes:
        error: Why it is kept in memory, empty if it is on disk.
        remembers: False if what earlier starts have noted could not be read, or was never there.
    """

    def __init__(self, path: Path, most: int = MOST_ACTS) -> None:
        self._path = path
        self._most = most
        self.error = ""
        self.remembers = path.exists()
        try:
            self._db, whole = _open(path)
            self.remembers &= whole
        except (sqlite3.Error, OSError) as error:
            self._db = _in_memory()
            self.remembers &= _read_into(self._db, path)
            self._failed(error)
        self._nonces = {str(row[0]) for row in self._db.execute("SELECT nonce FROM nonce")}

    @property
    def nonces(self) -> frozenset[str]:
        """Nonces of commands that were accepted."""
        return frozenset(self._nonces)

    def note(self, acts: Sequence[LocalAct]) -> None:
        """Keep acts, in one durable commit; each `on` is running until its `off`."""
        self._change(lambda db: _note(db, acts, self._most))

    def confirmed(self, ids: Iterable[str]) -> None:
        """The hub has these."""
        rows = [(one,) for one in ids]
        self._change(lambda db: db.executemany("DELETE FROM act WHERE id = ?", rows))

    def waiting(self, limit: int) -> tuple[LocalAct, ...]:
        """Return the oldest acts that wait."""
        rows = self._db.execute("SELECT body FROM act ORDER BY ordinal LIMIT ?", (limit,))
        return tuple(_DECODER.decode(row[0]) for row in rows.fetchall())

    def count(self) -> int:
        """Return how many acts wait."""
        return int(self._db.execute("SELECT count(*) FROM act").fetchone()[0])

    def dropped(self) -> int:
        """Return how many acts had to be given up."""
        row = self._db.execute("SELECT acts FROM given_up").fetchone()
        return int(row[0]) if row else 0

    def running(self) -> list[LocalAct]:
        """Return every `on` whose `off` was never written: the program was killed meanwhile."""
        rows = self._db.execute("SELECT body FROM running ORDER BY output").fetchall()
        return [_DECODER.decode(row[0]) for row in rows]

    def memory(self) -> bytes:
        """Return what was remembered last; empty if nothing was."""
        row = self._db.execute("SELECT body FROM memory").fetchone()
        return bytes(row[0]) if row else b""

    def remember(self, body: bytes) -> None:
        """Keep what a restart must not forget."""
        self._change(lambda db: db.execute("INSERT OR REPLACE INTO memory VALUES (1, ?)", (body,)))

    def spend(self, nonce: str) -> None:
        """Remember a nonce, before its command is carried out."""
        self._nonces.add(nonce)
        self._change(
            lambda db: (
                db.execute("INSERT OR IGNORE INTO nonce(nonce) VALUES (?)", (nonce,)),
                db.execute(
                    "DELETE FROM nonce WHERE ordinal <= (SELECT max(ordinal) FROM nonce) - ?",
                    (MOST_NONCES,),
                ),
            )
        )

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def _change(self, action: object) -> None:
        assert callable(action)
        try:
            _transact(self._db, action)
        except sqlite3.Error as error:
            self._move_to_memory(error)
            _transact(self._db, action)

    def _move_to_memory(self, error: sqlite3.Error) -> None:
        """Go on in memory with all that can still be read."""
        memory = _in_memory()
        _copy(self._db, memory)
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._db = memory
        self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.error = str(error)
        LOG.error("acts %s: %s; kept in memory until the next start", self._path, error)


def _copy(source: sqlite3.Connection, memory: sqlite3.Connection) -> bool:
    """Copy all tables; False if one can't be read."""
    whole = True
    for table in ("act", "running", "nonce", "given_up", "memory"):
        try:
            rows = source.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  # our own names
        except sqlite3.Error:
            whole = False
            continue
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            memory.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608  # same
    return whole


def _read_into(memory: sqlite3.Connection, path: Path) -> bool:
    """Copy what a file holds that can be read only (a disk that is read-only); False if not all.

    With its log where one is left; without one the file is read as it lies there.
    """
    for mode in ("mode=ro", "immutable=1"):
        try:
            source = sqlite3.connect(f"file:{path}?{mode}", uri=True)
        except sqlite3.Error:
            continue
        with contextlib.closing(source), contextlib.suppress(sqlite3.Error):
            source.execute("SELECT 1 FROM nonce").fetchone()
            return _copy(source, memory)
    return False


def _transact(database: sqlite3.Connection, action: object) -> None:
    assert callable(action)
    database.execute("BEGIN IMMEDIATE")
    try:
        action(database)
        database.execute("COMMIT")
    except sqlite3.Error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _note(database: sqlite3.Connection, acts: Sequence[LocalAct], most: int) -> None:
    for act in acts:
        body = _ENCODER.encode(act)
        database.execute("INSERT OR IGNORE INTO act(id, body) VALUES (?, ?)", (act.id, body))
        if act.event is ActEvent.ON:
            database.execute(
                "INSERT OR REPLACE INTO running(output, body) VALUES (?, ?)", (act.output, body)
            )
        elif act.event is ActEvent.OFF:
            database.execute("DELETE FROM running WHERE output = ?", (act.output,))
    over = database.execute("SELECT count(*) FROM act").fetchone()[0] - most
    if over > 0:
        database.execute(
            "DELETE FROM act WHERE ordinal IN (SELECT ordinal FROM act ORDER BY ordinal LIMIT ?)",
            (over,),
        )
        database.execute(
            "INSERT INTO given_up VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET acts = acts + ?",
            (over, over),
        )


def _open(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Return the database, and False if a broken one had to be set aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _prepared(str(path)), True
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) not in (
            sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
        ):  # fmt: skip
            raise
        LOG.error("acts %s: %s; set aside", path, error)  # noqa: TRY400  # one line for the installer
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{path}.corrupt{suffix}")
    return _prepared(str(path)), False


def _prepared(path: str) -> sqlite3.Connection:
    database = connect(path)
    try:
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _in_memory() -> sqlite3.Connection:
    return _prepared(":memory:")
