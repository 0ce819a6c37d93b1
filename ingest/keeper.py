"""How a batch reaches the history: at once into the embedded one, through the spool into others."""

from __future__ import annotations

from typing import Protocol

from core.clock import Clock
from ingest.batch import Batch
from ingest.courier import Courier, Spool
from ingest.history import HistorySettings, HistoryWriter, RemoteHistoryWriter, open_writer
from ingest.history.line_protocol import LineEncoder
from ingest.ledger import Ledger


class Keeper(Protocol):
    """What happens to a batch around the ledger's commit."""

    @property
    def waiting_bytes(self) -> int:
        """Bytes that are receipted and not yet with the backend."""

    def before(self, batch: Batch) -> None:
        """Store what is stored outside the ledger's transaction; it may be stored again."""

    def within(self, batch: Batch) -> None:
        """Store what is stored within the ledger's transaction."""

    def after(self, batch: Batch) -> None:
        """The ledger is committed."""

    def maintain(self, now_ms: int) -> None:
        """Do a bounded piece of housekeeping."""

    def close(self) -> None:
        """End."""


class DirectKeeper:
    """The embedded history: committed before the ledger, so that the ledger never promises more."""

    waiting_bytes = 0

    def __init__(self, writer: HistoryWriter, site: str) -> None:
        self._writer = writer
        self._site = site

    def before(self, batch: Batch) -> None:
        """Commit the batch to the history."""
        if batch.points or batch.grades or batch.stations:
            self._writer.write(batch.points, batch.grades, batch.stations, self._site)

    def within(self, batch: Batch) -> None:
        """Nothing is left to do."""

    def after(self, batch: Batch) -> None:
        """Nothing is left to do."""

    def maintain(self, now_ms: int) -> None:
        """Roll up and let go."""
        self._writer.maintain(now_ms)

    def close(self) -> None:
        """Close the history."""
        self._writer.close()


class SpooledKeeper:
    """A remote history: its lines are committed with the ledger, and a courier carries them."""

    def __init__(
        self, writer: RemoteHistoryWriter, ledger: Ledger, clock: Clock, site: str, limit_bytes: int
    ) -> None:
        self._writer = writer
        self._site = site
        self._encoder = LineEncoder()
        self._spool = Spool(ledger.connection, limit_bytes)
        self._courier = Courier(ledger.path, self._spool, writer, clock)
        self._added = 0
        self._courier.start()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that are receipted and not yet with the backend."""
        return self._spool.waiting_bytes

    def before(self, batch: Batch) -> None:
        """Nothing: everything goes with the ledger."""

    def within(self, batch: Batch) -> None:
        """Put the batch's lines into the spool."""
        lines = self._encoder.encode(batch.points, batch.grades, batch.stations, self._site)
        self._spool.add(lines, len(batch.points))
        self._added = len(lines)

    def after(self, batch: Batch) -> None:
        """Wake the courier."""
        del batch
        if self._added:
            self._spool.count(self._added)
            self._courier.wake()

    def maintain(self, now_ms: int) -> None:
        """Whatever the backend needs."""
        self._writer.maintain(now_ms)

    def close(self) -> None:
        """Stop the courier; what waits is on disk."""
        self._courier.stop()
        self._writer.close()


def open_keeper(
    settings: HistorySettings, ledger: Ledger, clock: Clock, site: str, spool_limit_bytes: int
) -> Keeper:
    """Return the keeper for a history.

    Raises:
        HistoryUnavailableError: An embedded history can't be opened.
    """
    writer = open_writer(settings)
    if isinstance(writer, RemoteHistoryWriter):
        return SpooledKeeper(writer, ledger, clock, site, spool_limit_bytes)
    return DirectKeeper(writer, site)
