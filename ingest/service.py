"""The ingest program: MQTT in, history and ledger out, receipts back.

The order within a batch is what makes a kill harmless: history, then ledger, then receipts and
acknowledgements. Whatever happens between two of them, the packs come again, the history takes them
as the same rows, and the ledger, which alone counts, has either counted them or not.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core import topics
from core.broker import Broker, BrokerAddress, Message
from core.clock import Clock
from core.community import Community
from core.status import encode_receipt
from ingest.batch import Batch
from ingest.courier import backoff_s
from ingest.exercise import Exercise
from ingest.history import HistorySettings, HistoryUnavailableError
from ingest.inbox import Delivery, Inbox
from ingest.intake import Intake
from ingest.keeper import Keeper, open_keeper
from ingest.ledger import Ledger
from ingest.quarantine import trim_quarantine, write_quarantine

log = logging.getLogger(__name__)
# Housekeeping and the look for holes, wall seconds.
_TEND_S = 5.0
# A missing pack is said loudly after this many run ms: a station sends again within a minute.
_HOLE_MS = 300_000


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """How ingest runs.

    Attributes:
        state: Directory of `ledger.db`; it is made if it is missing.
        history: Where readings go.
        commit_interval_s: For how long messages are collected before a commit, wall seconds.
            0.1 suits a disk; 1.0 spares an SD card.
        batch: Messages in one commit at most.
        receive_maximum: Messages that the broker may have under way to us.
        spool_max_mb: Disk that lines for a remote history may take.
        quarantine_rows: Rows whose bytes are kept.
    """

    state: Path
    history: HistorySettings = field(default_factory=HistorySettings)
    commit_interval_s: float = 0.1
    batch: int = 200
    receive_maximum: int = 1000
    spool_max_mb: int = 2048
    quarantine_rows: int = 100_000


@dataclass(slots=True)
class IngestCounters:
    """What ingest has done since its start.

    Attributes:
        messages, packs, duplicates, readings, quarantined: As they say; quarantined counts rows.
        commits: Batches that are on disk.
        trouble: Why nothing can be committed at present, "" if all is well.
    """

    messages: int = 0
    packs: int = 0
    duplicates: int = 0
    readings: int = 0
    quarantined: int = 0
    commits: int = 0
    trouble: str = ""


class Ingest:
    """The program.

    Args:
        settings: How it runs.
        community: Who may send what.
        broker: Where the broker is.
        clock: The run's clock.
    """

    def __init__(
        self, settings: IngestSettings, community: Community, broker: BrokerAddress, clock: Clock
    ) -> None:
        self._settings = settings
        self._community = community
        self._site = community.site.id
        self._clock = clock
        self._inbox = Inbox(
            2 * settings.receive_maximum, settings.batch, settings.commit_interval_s
        )
        self._broker = Broker(
            broker,
            f"safety-eye-ingest-{self._site}",
            on_message=self._receive,
            manual_acknowledge=True,
            receive_maximum=settings.receive_maximum,
        )
        self._keeper: Keeper | None = None
        self._exercise: Exercise | None = None
        self._tended_s = 0.0
        self._holes: frozenset[str] = frozenset()
        self.counters = IngestCounters()

    def run(self, stop: threading.Event) -> None:
        """Run until *stop*; what is not committed then stays with the broker and the stations.

        Raises:
            LedgerError: The ledger can't be used, or another ingest uses it.
            HistoryUnavailableError: The embedded history can't be opened.
        """
        self._settings.state.mkdir(parents=True, exist_ok=True)
        ledger = Ledger(self._settings.state / "ledger.db")
        try:
            keeper = open_keeper(
                self._settings.history,
                ledger,
                self._clock,
                self._site,
                self._settings.spool_max_mb * 1_000_000,
            )
            self._keeper = keeper
            try:
                self._serve(ledger, keeper, stop)
            finally:
                keeper.close()
        finally:
            ledger.close()

    @property
    def waiting(self) -> int:
        """Messages that came and are not committed yet."""
        return len(self._inbox)

    @property
    def undelivered_bytes(self) -> int:
        """Bytes that are receipted and wait for a remote history; 0 with the embedded one."""
        return self._keeper.waiting_bytes if self._keeper is not None else 0

    def _serve(self, ledger: Ledger, keeper: Keeper, stop: threading.Event) -> None:
        intake = Intake(self._community, ledger)
        self._exercise = intake.exercise
        self._broker.subscribe(intake.filters)
        self._broker.start()
        log.info("ingest of %s is running", self._site)
        try:
            while not stop.is_set():
                deliveries = self._inbox.take(stop)
                if deliveries:
                    self._keep(deliveries, intake, ledger, keeper, stop)
                self._tend(ledger, keeper)
        finally:
            self._broker.stop()

    def _receive(self, message: Message) -> None:
        """Take a message from the network thread."""
        self._inbox.put(Delivery(message, self._clock.now_ms(), self._broker.reconnects))

    def _keep(
        self,
        deliveries: Sequence[Delivery],
        intake: Intake,
        ledger: Ledger,
        keeper: Keeper,
        stop: threading.Event,
    ) -> None:
        """Commit a batch, however long the disk or the spool refuses; acknowledge it then."""
        failures = 0
        while True:
            try:
                batch = intake.take(deliveries)
                keeper.before(batch)
                ledger.begin()
                keeper.within(batch)
                write_quarantine(ledger.connection, batch.quarantined)
                ledger.commit()
            except (sqlite3.Error, HistoryUnavailableError, OSError) as error:
                failures += 1
                self._abandon(intake, error)
                if stop.wait(min(backoff_s(failures, None), 5.0)):
                    return
                continue
            keeper.after(batch)
            self._committed(batch, deliveries)
            return

    def _abandon(self, intake: Intake, error: Exception) -> None:
        try:
            intake.forget()
        except sqlite3.Error:
            log.exception("the ledger can't be rolled back")
        if not self.counters.trouble:
            log.error(
                "nothing can be stored: %s. Nothing is acknowledged: broker and stations keep"
                " their data. It is tried again by itself",
                error,
            )
        self.counters.trouble = str(error)

    def _committed(self, batch: Batch, deliveries: Sequence[Delivery]) -> None:
        counters = self.counters
        if counters.trouble:
            log.warning("storing again after: %s", counters.trouble)
            counters.trouble = ""
        counters.commits += 1
        counters.messages += len(deliveries)
        counters.packs += batch.packs
        counters.duplicates += batch.duplicates
        counters.readings += len(batch.points)
        counters.quarantined += len(batch.quarantined)
        for station, receipt in batch.receipts_of():
            # Refused while there is no link: the station then sends the pack again.
            self._broker.publish(topics.stored(self._site, station), encode_receipt(receipt))
        self._join_drill()
        connection = self._broker.reconnects
        for delivery in deliveries:
            # An acknowledgement belongs to the connection on which its message came.
            if delivery.connection == connection:
                self._broker.acknowledge(delivery.message)

    def _join_drill(self) -> None:
        """Say that a drill that was just announced may begin."""
        exercise = self._exercise
        if exercise is None or not exercise.unanswered:
            return
        topic = topics.drill_ready(self._site, "ingest")
        if self._broker.publish(topic, exercise.unanswered.encode()).ok:
            exercise.unanswered = ""

    def _tend(self, ledger: Ledger, keeper: Keeper) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._tended_s < _TEND_S:
            return
        self._tended_s = now_s
        try:
            keeper.maintain(self._clock.now_ms())
            trim_quarantine(ledger.connection, self._settings.quarantine_rows)
            ledger.shorten(self._clock.now_ms())
            self._tell_holes(ledger)
        except (sqlite3.Error, HistoryUnavailableError) as error:
            log.warning("housekeeping failed, it is tried again: %s", error)

    def _tell_holes(self, ledger: Ledger) -> None:
        """Say once of each station that packs are missing for too long."""
        now_ms = self._clock.now_ms()
        late = [hole for hole in ledger.holes() if now_ms - hole[2] >= _HOLE_MS]
        for station, packs, since_ms in late:
            if station not in self._holes:
                log.error(
                    "station %s: %d packs are missing for %.0f s; it should have sent them again",
                    station,
                    packs,
                    (now_ms - since_ms) / 1000,
                )
        self._holes = frozenset(station for station, _, _ in late)
