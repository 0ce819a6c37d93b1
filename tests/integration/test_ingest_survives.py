"""Ingest as a real process through kills, full disks, lost brokers and lost databases."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from core.broker import BrokerAddress
from core.clock import RunClock
from core.identity import SeriesId
from core.pack import Pack
from core.quantity import Quantity
from core.reading import Reading
from ingest.history import HistorySettings, open_reader
from ingest.quarantine import read_quarantine
from ingest.station_ledger import StationLedger, read_ledger
from tests.servers import InfluxDB, Mosquitto, wait_until
from tests.station_probe import Station, community, community_text, level, running_ingest

SERIES = SeriesId("one-0", Quantity.WATER_LEVEL)


@pytest.fixture
def site() -> str:
    return f"s-{uuid.uuid4().hex[:12]}"


class IngestProcess:
    """`python -m ingest`, to be killed."""

    def __init__(
        self, state: Path, site: str, broker: BrokerAddress, history: str = "sqlite"
    ) -> None:
        state.mkdir(exist_ok=True)
        (state / "community.toml").write_text(community_text(site))
        self.state = state
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ingest"),
                *("--community", str(state / "community.toml")),
                *("--state", str(state), "--broker", f"{broker.host}:{broker.port}"),
                *("--history", history),
            ],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: self.said("is running") or self.ended, what="ingest's start")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def limit_files(self, size: int) -> None:
        """Let no file grow beyond *size* bytes: what a full disk does to SQLite."""
        hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        if not self.ended:
            self._process.send_signal(how)
        code = self._process.wait(20)
        self._reader.join(5)
        if self._process.stderr is not None:
            self._process.stderr.close()
        return code

    def _read(self) -> None:
        assert self._process.stderr is not None
        self.lines.extend(iter(self._process.stderr.readline, ""))


Starter = Callable[..., IngestProcess]


@pytest.fixture
def start_ingest() -> Iterator[Starter]:
    """Starts ingest; whatever a test leaves running is killed."""
    started: list[IngestProcess] = []

    def start(
        state: Path, site: str, broker: BrokerAddress, history: str = "sqlite"
    ) -> IngestProcess:
        started.append(IngestProcess(state, site, broker, history))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def read_lines(process: IngestProcess) -> str:
    return "".join(process.lines)


class Keeping(Station):
    """A station that keeps each pack until it is receipted, and sends again what is not."""

    def __init__(self, site: str, broker: BrokerAddress) -> None:
        super().__init__(site, "one", broker)
        self.kept: dict[int, Pack] = {}

    def produce(self, packs: int, at_ms: int) -> None:
        """Make and send packs of five readings."""
        for _ in range(packs):
            start = at_ms + self.seq * 1000
            readings = [level("one-0", start + n * 100) for n in range(5)]
            pack = self.pack(readings)
            self.kept[pack.seq or 0] = pack
            self._try(pack)

    def drain(self, timeout_s: float = 30.0) -> None:
        """Send again until everything is receipted."""

        def empty() -> bool:
            for _, seq in list(self.receipts):
                self.kept.pop(seq, None)
            for pack in list(self.kept.values())[:50]:
                self._try(pack)
            pause.wait(0.2)
            return not self.kept

        pause = threading.Event()
        wait_until(empty, timeout_s, "receipts of all packs")

    def _try(self, pack: Pack) -> None:
        try:
            self.send(pack)
        except AssertionError:
            return  # no link: it is kept


def ledger_of(state: Path) -> StationLedger:
    [entry] = read_ledger(state / "ledger.db")
    return entry


def stored(state: Path) -> list[Reading]:
    reader = open_reader(HistorySettings(path=str(state / "history.db")))
    try:
        return reader.range(SERIES, 0, 2**53, limit=100_000)
    finally:
        reader.close()


@pytest.fixture
def station(mosquitto: Mosquitto, site: str) -> Iterator[Keeping]:
    probe = Keeping(site, mosquitto.address)
    yield probe
    probe.stop()


def test_a_killed_ingest_loses_nothing_and_counts_nothing_twice(
    mosquitto: Mosquitto, site: str, station: Keeping, tmp_path: Path, start_ingest: Starter
) -> None:
    start = RunClock().now_ms() - 600_000
    for _ in range(3):
        process = start_ingest(tmp_path, site, mosquitto.address)
        station.produce(60, start)
        process.kill()
        station.produce(10, start)
    process = start_ingest(tmp_path, site, mosquitto.address)
    station.drain()
    assert process.end() == 0
    ledger = ledger_of(tmp_path)
    assert (ledger.produced, ledger.stored) == (210 * 5, 210 * 5)
    assert (ledger.holes, ledger.pending) == (0, 0)
    assert len(stored(tmp_path)) == 210 * 5


def test_a_full_disk_stops_the_receipts_says_so_and_heals(
    mosquitto: Mosquitto, site: str, station: Keeping, tmp_path: Path, start_ingest: Starter
) -> None:
    start = RunClock().now_ms() - 600_000
    process = start_ingest(tmp_path, site, mosquitto.address)
    try:
        station.produce(5, start)
        station.drain()
        process.limit_files(1)
        station.produce(5, start)
        wait_until(lambda: process.said("nothing can be stored"), what="the complaint")
        assert not {("b1", seq) for seq in range(6, 11)} & station.receipts
        process.limit_files(2**40)
        station.wait_receipt(10)
        wait_until(lambda: process.said("storing again"), what="the good news")
    finally:
        process.end()
    assert ledger_of(tmp_path).balanced
    assert len(stored(tmp_path)) == 50


def test_what_is_not_committed_stays_with_the_broker_through_a_kill(
    mosquitto: Mosquitto, site: str, station: Keeping, tmp_path: Path, start_ingest: Starter
) -> None:
    start = RunClock().now_ms() - 600_000
    process = start_ingest(tmp_path, site, mosquitto.address)
    station.produce(1, start)
    station.drain()
    process.limit_files(1)
    station.produce(5, start)
    wait_until(lambda: process.said("nothing can be stored"), what="the complaint")
    process.kill()
    process = start_ingest(tmp_path, site, mosquitto.address)
    for seq in range(2, 7):
        station.wait_receipt(seq)  # the station has sent each of these packs once only
    assert process.end() == 0
    assert ledger_of(tmp_path).stored == 30


def test_what_is_committed_is_acknowledged_and_does_not_come_again(
    mosquitto: Mosquitto, site: str, station: Keeping, tmp_path: Path
) -> None:
    start = RunClock().now_ms() - 600_000
    with running_ingest(tmp_path, community(site), mosquitto.address):
        station.produce(5, start)
        station.wait_receipt(5)
    with running_ingest(tmp_path, community(site), mosquitto.address) as again:
        station.produce(1, start)
        station.wait_receipt(6)
        assert (again.counters.packs, again.counters.duplicates) == (1, 0)


def test_a_killed_broker_costs_nothing(own_mosquitto: Mosquitto, site: str, tmp_path: Path) -> None:
    start = RunClock().now_ms() - 600_000
    station = Keeping(site, own_mosquitto.address)
    with running_ingest(tmp_path, community(site), own_mosquitto.address):
        station.produce(20, start)
        own_mosquitto.kill()
        wait_until(lambda: not station.broker.linked, what="the station's loss")
        station.produce(20, start)
        own_mosquitto.start()
        assert station.broker.wait_linked(20)
        station.produce(5, start)
        station.drain()
    station.stop()
    assert ledger_of(tmp_path).balanced
    assert len(stored(tmp_path)) == 45 * 5


def test_a_lost_influxdb_costs_disk_never_data(
    mosquitto: Mosquitto,
    own_influxdb: InfluxDB,
    site: str,
    station: Keeping,
    tmp_path: Path,
    start_ingest: Starter,
) -> None:
    start = RunClock().now_ms() - 600_000
    database = own_influxdb.create("house")
    where = f"influx-v1={own_influxdb.url}/{database}"
    process = start_ingest(tmp_path, site, mosquitto.address, where)
    station.produce(10, start)
    station.drain()
    own_influxdb.stop()
    station.produce(10, start)
    station.drain()
    wait_until(lambda: process.said("its data waits"), what="the complaint")
    process.kill()
    process = start_ingest(tmp_path, site, mosquitto.address, where)
    station.produce(10, start)
    station.drain()
    own_influxdb.start()
    settings = HistorySettings(kind="influx-v1", url=own_influxdb.url, database=database)
    reader = open_reader(settings)
    wait_until(lambda: len(reader.range(SERIES, 0, 2**53)) == 150, 40, "150 readings in InfluxDB")
    reader.close()
    assert process.end() == 0
    ledger = ledger_of(tmp_path)
    assert (ledger.produced, ledger.stored) == (150, 150)


def test_what_influxdb_refuses_moves_from_stored_to_quarantined(
    mosquitto: Mosquitto, influxdb: InfluxDB, site: str, station: Keeping, tmp_path: Path
) -> None:
    now = RunClock().now_ms()
    database = influxdb.create(f"d{uuid.uuid4().hex}")
    conflict = f'reading,sensor=x min="a string for ever" {now}000000'
    url = f"{influxdb.url}/write"
    httpx.post(url, params={"db": database}, content=conflict).raise_for_status()
    history = HistorySettings(kind="influx-v1", url=influxdb.url, database=database)
    wide = Reading("one-0", Quantity.WATER_LEVEL, now + 1, 0.5, minimum=0.1, count=4)
    with running_ingest(tmp_path, community(site), mosquitto.address, history=history) as ingest:
        station.send(station.pack([level("one-0", now), wide, level("one-0", now + 2)]))
        station.wait_receipt(1)
        wait_until(lambda: ledger_of(tmp_path).quarantined == 1)
        wait_until(lambda: ingest.undelivered_bytes == 0)
    ledger = ledger_of(tmp_path)
    assert (ledger.produced, ledger.stored, ledger.quarantined) == (3, 2, 1)
    [row] = read_quarantine(tmp_path / "ledger.db")
    assert "field type conflict" in row.reason
    assert b"min=0.1" in row.raw


def test_ingest_that_cannot_start_says_why_and_ends_with_2(
    mosquitto: Mosquitto, site: str, tmp_path: Path, start_ingest: Starter
) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database at all, but of some length" * 100)
    process = start_ingest(tmp_path, site, mosquitto.address)
    assert process.end() == 2
    assert "ledger.db: can't be used" in read_lines(process)
