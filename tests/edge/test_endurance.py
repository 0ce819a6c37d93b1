"""Three days without a hub, and a week of life: a station's disk and memory stay within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.broker import BrokerAddress
from core.clock import RunClock
from edge import read_spool
from edge.chronometer import Chronometer
from edge.configuration import StationConfig, StationEntry
from edge.publisher import Publisher
from edge.spool import Spool
from edge.tray import Tray
from safety_eye.bench.outage import OUTAGE_S, fill, outage_mb
from safety_eye.bench.week import grow
from tests.edge.lines import Hub
from tests.servers import Mosquitto, wait_until

OUTAGE_MB = 200
DRAIN_READINGS_PER_S = 2_000


def test_three_days_of_eight_sensors_fit_into_200_mb(tmp_path: Path) -> None:
    assert outage_mb(tmp_path, 1_200) < OUTAGE_MB / 1.5


def send_all(address: BrokerAddress, file: Path, site: str) -> float:
    """Drain a spool with a real publisher; return how many seconds it took."""
    clock, tray = RunClock(), Tray()
    config = StationConfig(StationEntry("s1", site, str(file)), address)
    spool = Spool(file, "drain", clock, max_bytes=256_000_000, at_risk=0)
    publisher = Publisher(
        config, spool, tray, Chronometer(clock, trusted=True), clock, lambda _spool, _broker: {}
    )
    begun_s = clock.monotonic_s()
    publisher.start()
    try:
        wait_until(lambda: not read_spool(file).waiting_packs, 3_600)
        return clock.monotonic_s() - begun_s
    finally:
        publisher.hurry()
        publisher.join(20)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_72_hours_are_kept_whole_and_drain_at_2000_readings_a_second(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    file = tmp_path / "spool.db"
    spool = Spool(file, "outage", RunClock(), max_bytes=256_000_000, at_risk=0)
    fill(spool, OUTAGE_S)
    assert sum(part.stat().st_size for part in tmp_path.glob("spool.db*")) < OUTAGE_MB * 1e6
    spool.close()
    held = read_spool(file)
    assert (held.waiting_readings, held.lost) == (8 * OUTAGE_S, 0)
    hub = Hub(mosquitto.address, "outage", "s1")
    try:
        passed_s = send_all(mosquitto.address, file, "outage")
        assert 8 * OUTAGE_S / passed_s > DRAIN_READINGS_PER_S
        assert len(hub.messages) >= OUTAGE_S
    finally:
        hub.close()


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_station_does_not_grow_in_a_simulated_week(tmp_path: Path) -> None:
    figures = grow(tmp_path, 7)
    assert figures["readings"] > 4_000_000
    assert figures["memory_growth_mb"] < 1.0
    assert figures["spool_growth_mb"] < 0.5
