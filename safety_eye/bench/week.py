"""Does a station grow? Its inner parts live through simulated days, as fast as they can.

Real frames, drivers, quality, sampling, tray and spool on disk; the clock is moved by hand, and a
hub receipts each pack with the next one, but for fifteen minutes without a link every six hours. In
a process of its own, so that its memory is that of a station and nothing else.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from core.broker import BrokerAddress
from core.clock import ManualClock
from core.community import SensorEntry
from core.finding import Hazard
from core.quantity import Quantity
from edge.chronometer import Chronometer
from edge.configuration import PortEntry, StationConfig, StationEntry
from edge.health import resident_mb
from edge.instruments import Instrument, instruments_on
from edge.intake import Intake
from edge.spool import Spool
from edge.tray import Tray

PACK_S, DAY_S = 10, 86_400
CYCLE_S, OUTAGE_S = 6 * 3_600, 15 * 60
PORTS = 4
_TIMEOUT_S = 3_600


def grow(directory: Path, days: float) -> dict[str, float]:
    """Run the simulation in a process of its own and return what it measured."""
    done = subprocess.run(  # noqa: S603  # our own program, our own arguments
        [sys.executable, "-m", "safety_eye.bench.week", str(directory), str(days)],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def simulate(directory: Path, days: float) -> dict[str, float]:
    """Let a station live for so many days.

    Returns:
        Resident memory in MB (10^6 bytes) after the first tenth and at the end, and the largest
        size of the spool's files in the first cycle of outage and link, and in the last one.
    """
    clock, tray = ManualClock(), Tray()
    config = _config(directory)
    intake = Intake(config, Chronometer(clock, trusted=True), tray)
    instruments = [instruments_on(port.id, config.sensor)[0] for port in config.port]
    spool = Spool(config.spool_path, "week", clock, max_bytes=100_000_000, at_risk=1)
    seconds = round(days * DAY_S)
    early_mb = 0.0
    first = last = 0
    for second in range(seconds):
        clock.advance(1)
        for instrument, frame_bytes in _frames(instruments, second):
            for frame in instrument.driver.feed(frame_bytes):
                intake.frame(instrument, frame)
        if second % PACK_S == 0:
            _commit(tray, spool, linked=second % CYCLE_S >= OUTAGE_S)
            size = sum(part.stat().st_size for part in directory.glob("spool.db*"))
            first = max(first, size if second < CYCLE_S else 0)
            last = max(last, size if second >= seconds - CYCLE_S else 0)
        if second == seconds // 10:
            early_mb = resident_mb() or 0.0
    late_mb = resident_mb() or 0.0
    produced = intake.counters.produced
    spool.close()
    return {
        "days": days,
        "readings": produced,
        "memory_early_mb": early_mb,
        "memory_late_mb": late_mb,
        "memory_growth_mb": round(late_mb - early_mb, 2),
        "spool_growth_mb": round((last - first) / 1e6, 2),
    }


def _config(directory: Path) -> StationConfig:
    def sensor(port: int, quantity: Quantity, measure: str) -> SensorEntry:
        return SensorEntry(
            f"{measure}-{port}", "s1", "zone", "ndjson_bridge", quantity, Hazard.FIRE,
            port=f"p{port}", measure=measure,
        )  # fmt: skip

    return StationConfig(
        StationEntry("s1", "week", str(directory / "spool.db")),
        BrokerAddress(),
        tuple(PortEntry(f"p{port}", f"/dev/none-{port}") for port in range(PORTS)),
        tuple(
            sensor(port, quantity, measure)
            for port in range(PORTS)
            for quantity, measure in (
                (Quantity.SMOKE_OBSCURATION, "smoke"),
                (Quantity.TEMPERATURE, "temp"),
            )
        ),
    )


def _frames(instruments: list[Instrument], second: int) -> Iterator[tuple[Instrument, bytes]]:
    """Yield a frame of each bridge; its values move like those of a day."""
    phase = 2 * math.pi * second / DAY_S
    for number, instrument in enumerate(instruments):
        celsius = 20 + 4 * math.sin(phase) + number + 0.01 * (second * 7919 % 13)
        smoke = 0.01 + 0.0001 * (second * 104_729 % 17)
        yield instrument, instrument.driver.encode({"smoke": smoke, "temp": round(celsius, 2)})


def _commit(tray: Tray, spool: Spool, *, linked: bool) -> None:
    """Do what the publisher does each pack interval; the hub has receipted what was sent before."""
    if linked:
        spool.receipt([pack.id for pack in spool.oldest(50, ())])
    batches, _ = tray.take()
    for batch in batches:
        spool.commit(batch.readings, sync=batch.sync, sent=linked, alarm=batch.alarm)


if __name__ == "__main__":
    print(json.dumps(simulate(Path(sys.argv[1]), float(sys.argv[2]))))
