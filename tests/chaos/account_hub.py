"""Ingest's own intake and ledger, without a broker: what the hub counts of one station."""

from __future__ import annotations

import itertools
from pathlib import Path

from core import topics
from core.broker import Message
from core.status import Link, StationStatus, encode_status
from edge.pack_books import StoredPack
from edge.spool import Spool
from ingest.inbox import Delivery
from ingest.intake import Intake
from ingest.ledger import Ledger
from ingest.station_ledger import StationLedger, read_ledger
from tests.station_probe import community

SITE, STATION = "crash", "one"
START_MS = 1_764_500_000_000


class AccountHub:
    """Takes packs and statuses as ingest does, and commits each at once."""

    def __init__(self, ledger: Path) -> None:
        self.path = ledger
        self._ledger = Ledger(ledger)
        self._intake = Intake(community(SITE, (STATION,)), self._ledger)
        self._number = itertools.count(1)
        self.duplicates = 0

    def take(self, pack: StoredPack) -> None:
        user = {"boot": pack.id.boot, "seq": str(pack.id.seq), "count": str(pack.count)}
        self._deliver(topics.readings(SITE, STATION), pack.payload, user)

    def hear(self, spool: Spool) -> None:
        """Take the status that the publisher would send now."""
        self.hear_status(encode_status(status_of(spool)))

    def hear_status(self, payload: bytes) -> None:
        self._deliver(topics.status(SITE, STATION), payload, {})

    def drain(self, spool: Spool) -> None:
        """Take everything that the station has, and its declarations, and receipt it."""
        spool.commit([], sync=True, sent=True)
        while packs := spool.oldest(50, ()):
            for pack in packs:
                self.take(pack)
            spool.receipt([pack.id for pack in packs])
            spool.settle()
            if not spool.waiting.packs and spool.has_declarations:
                spool.commit([], sync=True, sent=True)
        self.hear(spool)

    def account(self) -> StationLedger:
        return read_ledger(self.path)[0]

    def close(self) -> None:
        self._ledger.close()

    def _deliver(self, topic: str, payload: bytes, user: dict[str, str]) -> None:
        message = Message(topic, payload, False, user, None, next(self._number), 1)
        batch = self._intake.take([Delivery(message, START_MS + 10**9, 1)])
        assert not batch.quarantined, batch.quarantined
        self.duplicates += batch.duplicates
        self._ledger.commit()


def status_of(spool: Spool) -> StationStatus:
    return StationStatus(
        link=Link.ONLINE,
        boot=spool.boot,
        at=START_MS,
        made=spool.made,
        spooled=spool.waiting.packs,
        ended=spool.ended,
        closed=spool.closed,
    )
