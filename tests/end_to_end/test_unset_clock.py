"""From a station's own clock to history and detectors: a night before the clock was set."""

from __future__ import annotations

from pathlib import Path

from core.clock import ManualClock
from core.pack import decode_pack
from core.quantity import Quantity
from core.reading import Reading
from core.status import Link, StationStatus, decode_status, encode_status
from detectors.chronicle import Chronicle
from edge.chronometer import Chronometer
from edge.spool import Spool
from ingest.boot_clock import BootClocks
from ingest.ledger import Ledger

HOUR_S = 3600


def test_readings_from_before_the_clock_was_set_get_their_exact_times_everywhere(
    tmp_path: Path,
) -> None:
    clock, set_yet = ManualClock(), False
    meter = Chronometer(clock, trusted=False, synchronised=lambda: set_yet)
    spool = Spool(tmp_path / "spool.db", "b1", clock, max_bytes=10**7, at_risk=1)
    truth = []
    for _ in range(50):
        clock.advance(7.25)
        instant = meter.now()
        assert not instant.sync
        truth.append(clock.now_ms())
        reading = Reading("gauge-1", Quantity.WATER_LEVEL, instant.at, 0.5)
        spool.commit([reading], sync=False, sent=False)
    # Two hours later the uplink comes, NTP answers, and the birth goes out before the backlog.
    clock.advance(2 * HOUR_S)
    set_yet = True
    instant = meter.now()
    assert instant.sync
    birth = decode_status(
        encode_status(
            StationStatus(
                link=Link.ONLINE, boot="b1", at=instant.at, sync=True,
                monotonic_ms=instant.elapsed_ms,
            )
        )
    )  # fmt: skip
    arrived_ms = clock.now_ms() + 350
    ledger = Ledger(tmp_path / "ledger.db")
    clocks, chronicle = BootClocks(ledger.connection), Chronicle()
    clocks.hear("one", birth, arrived_ms, live=True)
    chronicle.learn("one", "b1", birth.monotonic_ms, birth.at)
    packs = [decode_pack(pack.payload) for pack in spool.oldest(100, ())]
    placed = [clocks.place("one", pack, arrived_ms).readings[0].at for pack in packs]
    judged = [chronicle.dated("one", "b1", pack.readings)[0].at for pack in packs]
    assert placed == truth
    assert judged == truth
    spool.close()
    ledger.close()
