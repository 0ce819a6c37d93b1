"""How fast ingest takes what waits in the broker: packs of 50, and packs of one reading.

Everything is real: a broker (Mosquitto if it is installed, else the embedded one), ingest with its
ledger and receipts, SQLite with every commit on disk, InfluxDB where it is installed. The messages
are published first into ingest's persistent session, so that only ingest is measured.

Baselines of the same run: the same readings written to InfluxDB as ready-made line protocol by one
connection; the same one-reading packs taken by a bare paho subscriber that does nothing.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from core import topics
from core.broker import Broker, BrokerAddress
from core.clock import RunClock
from core.community import Community, Name, SensorEntry, Site, Zone
from core.finding import Hazard
from core.pack import encode_pack
from core.quantity import Quantity
from ingest.history import HistorySettings
from ingest.history.line_protocol import LineEncoder
from ingest.service import Ingest, IngestSettings
from ingest.station_ledger import read_ledger
from ingest.validation import Registry
from safety_eye.bench.wire import sample_pack
from safety_eye.embedded_broker import broker_program, free_port

PACKS_OF_50 = 600
PACKS_OF_1 = 2000
# The median of so many rounds, each beside its baseline: others may share the machine.
ROUNDS = 3
_WAIT_S = 60.0
_SBIN = "/usr/sbin:/usr/local/sbin:/sbin"
# What a subscriber costs that only counts: paho alone, automatic acknowledgement.
_BARE = """
import sys, time, paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes
port, client_id, wanted = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
seen, start = 0, 0.0
def take(client, userdata, message):
    global seen, start
    seen += 1
    if seen == 1:
        start = time.perf_counter()
    if seen == wanted:
        print(wanted / (time.perf_counter() - start), flush=True)
        client.disconnect()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
client.on_message = take
properties = Properties(PacketTypes.CONNECT)
properties.SessionExpiryInterval = 3600
properties.ReceiveMaximum = 1000
client.connect("127.0.0.1", port, clean_start=False, properties=properties)
client.loop_forever()
"""


def run() -> dict[str, Any]:
    """Measure; rates in readings a second."""
    with tempfile.TemporaryDirectory(prefix="safety-eye-bench-") as directory:
        root = Path(directory)
        kind = "mosquitto" if _installed("mosquitto") else "embedded"
        with _broker(root, kind) as address:
            bench = _Bench(root, address)
            result: dict[str, Any] = {"broker": kind}
            result |= bench.packs_of_50()
            result |= bench.packs_of_1()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result["peak_memory_mb"] = round(usage.ru_maxrss / 1024, 1)
    return result


@dataclass(slots=True)
class _Bench:
    root: Path
    address: BrokerAddress
    runs: int = 0

    def packs_of_50(self) -> dict[str, Any]:
        """Into SQLite, into InfluxDB, and the raw writes that both are compared with."""
        result: dict[str, Any] = {"readings": PACKS_OF_50 * 50}
        if not _installed("influxd"):
            drains = [self._drain(PACKS_OF_50, 50, None) for _ in range(ROUNDS)]
            rate, cpu_s = sorted(drains)[ROUNDS // 2]
            result |= {"sqlite_per_s": round(rate), "sqlite_cpu_s": cpu_s, "sqlite_ratio": None}
            return result | {"baseline": "influxd is not installed"}
        rates: list[tuple[float, float, float]] = []
        cpu: list[tuple[float, float]] = []
        with _influxdb(self.root / "influxdb") as url:
            history = HistorySettings(kind="influx-v1", url=url, database="bench")
            for number in range(ROUNDS):
                raw = _raw_lines(url, f"raw{number}")
                local, local_cpu_s = self._drain(PACKS_OF_50, 50, None)
                remote, remote_cpu_s = self._drain(PACKS_OF_50, 50, history)
                rates.append((raw, local, remote))
                cpu.append((local_cpu_s, remote_cpu_s))
        raw, local, remote = (median(column) for column in zip(*rates, strict=True))
        return result | {
            "sqlite_per_s": round(local),
            "sqlite_cpu_s": min(local_s for local_s, _ in cpu),
            "influxdb_per_s": round(remote),
            "influxdb_cpu_s": min(remote_s for _, remote_s in cpu),
            "baseline_raw_lines_per_s": round(raw),
            "sqlite_ratio": round(local / raw, 3),
            "influxdb_ratio": round(remote / raw, 3),
        }

    def packs_of_1(self) -> dict[str, Any]:
        """One reading a pack, against a subscriber that does nothing."""
        rates: list[tuple[float, float, float]] = []
        for _ in range(ROUNDS):
            rate, cpu_s = self._drain(PACKS_OF_1, 1, None, bare=f"bare-bench-{self.runs + 1}")
            command = [
                sys.executable,
                "-c",
                _BARE,
                str(self.address.port),
                f"bare-bench-{self.runs}",
            ]
            bare = subprocess.run(  # noqa: S603  # our own interpreter
                [*command, str(PACKS_OF_1)], capture_output=True, check=True, timeout=_WAIT_S
            )
            rates.append((rate, cpu_s, float(bare.stdout)))
        single, baseline = median(r[0] for r in rates), median(r[2] for r in rates)
        return {
            "single_per_s": round(single),
            "single_cpu_s": min(r[1] for r in rates),
            "baseline_bare_subscriber_per_s": round(baseline),
            "single_ratio": round(single / baseline, 3),
        }

    def _drain(
        self, packs: int, readings: int, history: HistorySettings | None, bare: str = ""
    ) -> tuple[float, float]:
        """Return readings a second from the first message to the last commit, and CPU seconds.

        The session *bare* gets the same messages, for a comparison afterwards.
        """
        self.runs += 1
        site = f"bench-{self.runs}"
        state = self.root / site
        sessions = [f"safety-eye-ingest-{site}", *([bare] if bare else [])]
        self._fill(site, sessions, packs, readings)
        settings = IngestSettings(state, history or HistorySettings(path=str(state / "history.db")))
        ingest = Ingest(settings, community(site), self.address, RunClock())
        stop = threading.Event()
        thread = threading.Thread(target=ingest.run, args=(stop,))
        clock, cpu_s = RunClock(), _cpu_s()
        thread.start()
        _until(lambda: ingest.waiting or ingest.counters.packs)
        start = clock.monotonic_s()
        _until(lambda: ingest.counters.packs >= packs and not ingest.undelivered_bytes)
        taken_s = clock.monotonic_s() - start
        used_s = round(_cpu_s() - cpu_s, 2)
        stop.set()
        thread.join(20)
        [account] = read_ledger(state / "ledger.db")
        if not account.balanced or account.stored != packs * readings:
            raise RuntimeError(f"the bench lost readings: {account}")
        return packs * readings / taken_s, used_s

    def _fill(self, site: str, sessions: list[str], packs: int, readings: int) -> None:
        """Leave packs for sessions in the broker."""
        for session in sessions:
            sleeper = Broker(self.address, session)
            sleeper.subscribe([topics.all_stations(site, "readings")])
            sleeper.start()
            _until(lambda sleeper=sleeper: sleeper.linked)  # type: ignore[misc]  # bound default
            # A round trip: the subscription stands before anything is published.
            sleeper.publish(f"{session}/ready", b"").wait(10)
            sleeper.stop()
        sender = Broker(self.address, f"sender-{site}", session_expiry_s=0)
        sender.start()
        _until(lambda: sender.linked)
        at_ms = RunClock().now_ms() - packs * 1000
        for seq in range(1, packs + 1):
            payload = encode_pack(sample_pack(seq, readings, "one", at_ms + seq * 1000))
            user = {"boot": "bench", "seq": str(seq), "count": str(readings)}
            sent = sender.publish(topics.readings(site, "one"), payload, user=user)
            if seq % 100 == 0 or seq == packs:
                sent.wait(10)
        sender.stop()


def community(site: str) -> Community:
    """Return a place with one station of five sensors."""
    sensors = tuple(
        SensorEntry(f"one-{n}", "one", "cellar", "bench", Quantity.WATER_LEVEL, Hazard.FLOOD)
        for n in range(5)
    )
    return Community(Site(site, Name(en="Bench")), (Zone("cellar", Name(en="Cellar")),), sensors)


def _raw_lines(url: str, database: str) -> float:
    """Return readings a second of ready-made lines, 5,000 a request, over one connection."""
    registry, encoder, clock = Registry(community("raw")), LineEncoder(), RunClock()
    now_ms = clock.now_ms()
    lines: list[bytes] = []
    for seq in range(1, PACKS_OF_50 + 1):
        pack = sample_pack(seq, 50, "one", now_ms - PACKS_OF_50 * 1000 + seq * 1000)
        points = registry.judge("one", pack, now_ms).points
        lines += encoder.encode(points).splitlines(keepends=True)
    bodies = [b"".join(lines[at : at + 5000]) for at in range(0, len(lines), 5000)]
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        client.post("/query", params={"q": "CREATE DATABASE bench"}).raise_for_status()
        client.post("/query", params={"q": f"CREATE DATABASE {database}"}).raise_for_status()
        start = clock.monotonic_s()
        for body in bodies:
            answer = client.post("/write", params={"db": database, "precision": "ns"}, content=body)
            answer.raise_for_status()
        return len(lines) / (clock.monotonic_s() - start)


@contextmanager
def _broker(root: Path, kind: str) -> Iterator[BrokerAddress]:
    address = BrokerAddress(port=free_port())
    program = broker_program(kind, address, root)
    with _running(list(program.argv), root / "broker.log"):
        probe = Broker(address, "probe", session_expiry_s=0)
        probe.start()
        _until(lambda: probe.linked)
        probe.stop()
        yield address


@contextmanager
def _influxdb(directory: Path) -> Iterator[str]:
    directory.mkdir()
    url = f"http://127.0.0.1:{free_port()}"
    configuration = directory / "influxdb.conf"
    configuration.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{free_port()}"\n'
        f'[meta]\ndir = "{directory}/meta"\n'
        f'[data]\ndir = "{directory}/data"\nwal-dir = "{directory}/wal"\n'
        f'[http]\nbind-address = "{url.removeprefix("http://")}"\nlog-enabled = false\n'
        "[monitor]\nstore-enabled = false\n"
    )
    command = [_installed("influxd"), "-config", str(configuration)]
    with _running(command, directory / "log"):
        _until(lambda: _answers(url))
        yield url


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)  # noqa: S603  # our own
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def _installed(name: str) -> str:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":" + _SBIN) or ""


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ping", timeout=1, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _until(condition: Callable[[], object]) -> None:
    pause, clock = threading.Event(), RunClock()
    end = clock.monotonic_s() + _WAIT_S
    while not condition():
        if clock.monotonic_s() > end:
            raise TimeoutError("bench: a part did not get ready in time")
        pause.wait(0.005)
