"""Carries spooled lines to a remote history, in order, until the server has taken them.

What ingest has receipted lies in the ledger's file until then: an outage of the server costs disk,
never data. A line that the server refuses for good goes to the quarantine, in the same transaction
that takes it out of the spool, and the ledger moves it from stored to quarantined.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
from pathlib import Path

from core.clock import Clock
from ingest.history.base import HistoryUnavailableError, Refusal, RemoteHistoryWriter
from ingest.ledger_file import connect
from ingest.quarantine import Quarantined, write_quarantine

log = logging.getLogger(__name__)

# What is read from the spool for one request.
_BODY_BYTES = 700_000
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 60.0
_IDLE_S = 1.0


class Spool:
    """The lines that wait, in the ledger's file; written within the ledger's transaction.

    Args:
        connection: The ledger's.
        limit_bytes: Beyond this nothing more is taken in: stations keep their packs.
    """

    def __init__(self, connection: sqlite3.Connection, limit_bytes: int) -> None:
        self._connection = connection
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._bytes = int(
            connection.execute("SELECT coalesce(sum(length(lines)), 0) FROM outbound").fetchone()[0]
        )

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait."""
        return self._bytes

    def add(self, lines: bytes, readings: int) -> None:
        """Put lines into the open transaction.

        Raises:
            HistoryUnavailableError: The spool is full.
        """
        if not lines:
            return
        if self._bytes + len(lines) > self._limit:
            raise HistoryUnavailableError(
                f"the spool for the history is full ({self._bytes} bytes); stations keep their"
                " packs until the server takes some",
                needs_attention=True,
            )
        self._connection.execute(
            "INSERT INTO outbound (readings, lines) VALUES (?, ?)", (readings, lines)
        )

    def count(self, change: int) -> None:
        """Note bytes that were committed (positive) or delivered (negative)."""
        with self._lock:
            self._bytes += change


class Courier:
    """A thread that empties the spool.

    Args:
        path: The ledger.
        spool: To be told of what has gone.
        taker: The remote history.
        clock: Run time for quarantine rows.
    """

    def __init__(self, path: Path, spool: Spool, taker: RemoteHistoryWriter, clock: Clock) -> None:
        self._path = path
        self._spool = spool
        self._taker = taker
        self._clock = clock
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self.trouble = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Something was committed to the spool."""
        self._wake.set()

    def stop(self, timeout_s: float = 15.0) -> None:
        """End after the request under way; what is left waits on disk."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        failures = 0
        while not self._stop.is_set():
            pause_s = 0.0
            try:
                if connection is None:
                    connection = connect(self._path)
                    connection.execute("PRAGMA synchronous=NORMAL")
                if not self._carry(connection):
                    pause_s = _IDLE_S
                failures = 0
                self._say("")
            except (HistoryUnavailableError, sqlite3.Error) as error:
                failures += 1
                pause_s = backoff_s(failures, getattr(error, "retry_after_s", None))
                self._say(str(error))
            except Exception:
                # A thread that ends silently would fill the spool for ever.
                log.exception("the courier failed; it tries again")
                failures += 1
                pause_s = backoff_s(failures, None)
            if failures:
                self._stop.wait(pause_s)
            elif pause_s:
                self._wake.wait(pause_s)
                self._wake.clear()
        if connection is not None:
            connection.close()

    def _carry(self, connection: sqlite3.Connection) -> bool:
        """Deliver one body; False if nothing waits."""
        rows: list[tuple[int, bytes]] = []
        size = 0
        for number, lines in connection.execute("SELECT id, lines FROM outbound ORDER BY id"):
            rows.append((number, lines))
            size += len(lines)
            if size >= _BODY_BYTES:
                break
        if not rows:
            return False
        refusals = self._taker.write_lines(b"".join(lines for _, lines in rows))
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("DELETE FROM outbound WHERE id <= ?", (rows[-1][0],))
            self._refuse(connection, refusals)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._spool.count(-size)
        for refusal in refusals:
            log.error("%s; its lines are in the quarantine", refusal.reason)
        return True

    def _refuse(self, connection: sqlite3.Connection, refusals: list[Refusal]) -> None:
        now_ms = self._clock.now_ms()
        for refusal in refusals:
            parts = refusal.stations or {"": 0}
            write_quarantine(
                connection,
                [
                    Quarantined(
                        now_ms,
                        station,
                        None,
                        None,
                        None,
                        readings,
                        refusal.reason,
                        len(refusal.raw),
                        refusal.raw,
                    )
                    for station, readings in parts.items()
                ],
            )
            connection.executemany(
                "INSERT INTO station (station, refused) VALUES (?, ?) ON CONFLICT (station)"
                " DO UPDATE SET refused = refused + excluded.refused",
                list(refusal.stations.items()),
            )

    def _say(self, trouble: str) -> None:
        """Log a change of state, not every attempt."""
        if trouble and not self.trouble:
            log.error("%s; its data waits in %s", trouble, self._path)
        elif self.trouble and not trouble:
            log.warning("the history takes data again")
        self.trouble = trouble


def backoff_s(failures: int, retry_after_s: float | None) -> float:
    """Return how long to wait after so many failures in a row, wall seconds, with jitter."""
    if retry_after_s is not None:
        return min(retry_after_s, 10 * _LONGEST_BACKOFF_S)
    longest_s = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * float(1 << min(failures - 1, 16)))
    return longest_s * secrets.SystemRandom().uniform(0.5, 1.0)
