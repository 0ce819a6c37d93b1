"""What three days without a hub take on a station's disk: 8 sensors at 1 Hz, a pack a second."""

from __future__ import annotations

import random
from pathlib import Path

from core.clock import ManualClock
from core.quantity import Quantity
from core.reading import Reading
from edge.spool import Spool

OUTAGE_S = 72 * 3600
SENSORS = (
    ("gauge-1", Quantity.WATER_LEVEL),
    ("gauge-2", Quantity.WATER_LEVEL),
    ("smoke-1", Quantity.SMOKE_OBSCURATION),
    ("co-1", Quantity.CARBON_MONOXIDE),
    ("heat-1", Quantity.TEMPERATURE),
    ("damp-1", Quantity.HUMIDITY),
    ("air-1", Quantity.PM2_5),
    ("people-1", Quantity.PEOPLE_IN),
)


def readings_at(second: int, chance: random.Random) -> list[Reading]:
    """Return one second of readings, none of which can be guessed from the one before."""
    at = 1_764_500_000_000 + 1000 * second
    return [
        Reading(sensor, quantity, at + chance.randrange(1000), round(chance.uniform(0, 100), 3))
        for sensor, quantity in SENSORS
    ]


def fill(spool: Spool, seconds: int) -> None:
    """Put so many seconds without a link into a spool."""
    chance = random.Random(1)  # noqa: S311  # not for secrets
    for second in range(seconds):
        spool.commit(readings_at(second, chance), sync=True, sent=False)


def outage_mb(directory: Path, seconds: int = 3600) -> float:
    """Return what 72 h would take, in MB (10^6 bytes), by the file that *seconds* have made."""
    path = directory / "outage.db"
    spool = Spool(path, "0123456789ab", ManualClock(), max_bytes=256_000_000, at_risk=1)
    fill(spool, seconds)
    spool.close()
    return round(path.stat().st_size / seconds * OUTAGE_S / 1e6, 1)
