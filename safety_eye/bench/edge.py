"""What a station costs, and how fast its spool is.

A real station process reads eight sensors at 1 Hz over pseudo-terminals and sends to the embedded
broker: memory, share of one core, time from start to the first pack at the hub. Then its spool and
publisher alone: durable commits a second, how fast a backlog drains through the broker, what three
days without a hub take on the disk. Last, whether its memory or its spool grow in simulated days.

Baselines of the same run: a bare SQLite loop that inserts the same payloads with the same
durability, and a bare broker connection that publishes the same payloads.
"""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
import tempfile
import threading
import tty
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from core import topics
from core.broker import Broker, BrokerAddress, Message
from core.clock import RunClock
from core.community import SensorEntry
from core.finding import Hazard
from core.quantity import Quantity
from core.reading import Reading
from core.status import Receipt, encode_receipt
from edge.chronometer import Chronometer
from edge.configuration import PortEntry, StationConfig, StationEntry
from edge.drivers import make_driver
from edge.drivers.base import Driver, Value
from edge.pack_books import StoredPack
from edge.publisher import Publisher
from edge.spool import Spool
from edge.tray import Tray
from safety_eye.bench.outage import outage_mb
from safety_eye.bench.week import grow
from safety_eye.embedded_broker import broker_program, free_port
from safety_eye.profile_text import to_toml
from safety_eye.supervisor import Supervisor

SITE, STATION = "bench", "bench-1"
SENSORS = 8
SETTLE_S, WATCH_S = 2.0, 9.0
COMMITS = 200
BACKLOG = 600
# Two cycles of outage and link; a whole week is part of `make soak`.
SIMULATED_DAYS = 0.5
_WAIT_S = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")
_CLOCK = RunClock()


def run() -> dict[str, object]:
    """Measure; memory in MB (10^6 bytes), rates in packs a second of eight readings each."""
    with tempfile.TemporaryDirectory(prefix="safety-eye-bench-") as directory:
        state = Path(directory)
        address = BrokerAddress(port=free_port())
        supervisor = Supervisor(state, _CLOCK, lambda _text: None)
        supervisor.start(broker_program("embedded", address, state))
        try:
            return {
                "station": _station(state, address),
                "spool": _spool(state),
                "drain": _drain(state, address),
                "outage": {"mb_of_72_h": outage_mb(state)},
                "growth": _growth(state),
            }
        finally:
            supervisor.stop()


class _Hub:
    """Counts what arrives, and receipts it as ingest would."""

    def __init__(self, address: BrokerAddress, *, receipts: bool = True) -> None:
        self.count = 0
        self.first_s = 0.0
        self._receipts = receipts
        self.link = Broker(address, "bench-hub", on_message=self._take, session_expiry_s=0)
        self.link.subscribe([topics.readings(SITE, STATION)])
        self.link.start()
        if not self.link.wait_linked(_WAIT_S):
            raise RuntimeError("bench edge: the broker did not come up")

    def wait_for(self, count: int) -> None:
        """Wait until so many packs came, at most a while."""
        end_s = _CLOCK.monotonic_s() + _WAIT_S
        pause = threading.Event()
        while self.count < count and _CLOCK.monotonic_s() < end_s:
            pause.wait(0.005)

    def _take(self, message: Message) -> None:
        self.first_s = self.first_s or _CLOCK.monotonic_s()
        self.count += 1
        if self._receipts:
            receipt = Receipt(message.user["boot"], (int(message.user["seq"]),))
            self.link.publish(topics.stored(SITE, STATION), encode_receipt(receipt))


class _Lines:
    """Four serial lines with eight sensors: two streams, one bridge, one bus."""

    def __init__(self) -> None:
        pairs = [pty.openpty() for _ in range(4)]
        self._masters = [master for master, _ in pairs]
        self._slaves = [slave for _, slave in pairs]
        for slave in self._slaves:
            tty.setraw(slave)
        self.paths = [os.ttyname(slave) for slave in self._slaves]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._stream), threading.Thread(target=self._bus)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the senders and close the lines."""
        self._stop.set()
        for thread in self._threads:
            thread.join(5)
        for fd in (*self._masters, *self._slaves):
            os.close(fd)

    def _stream(self) -> None:
        senders: list[tuple[Driver, Mapping[str, Value]]] = [
            (make_driver("dfrobot_a02yyuw"), {"distance": 3000}),
            (make_driver("plantower_pmsx003"), {}),
            (make_driver("ndjson_bridge"), {"smoke": 0.01, "temp": 21.0, "rh": 40.0}),
        ]
        while not self._stop.wait(1.0):
            for fd, (driver, values) in zip(self._masters, senders, strict=False):
                os.write(fd, driver.encode(values))

    def _bus(self) -> None:
        fd = self._masters[3]
        os.set_blocking(fd, False)
        probes = [make_driver("qdy30a", {"address": address}) for address in (1, 2, 3)]
        while not self._stop.wait(0.005):
            try:
                request = os.read(fd, 64)
            except BlockingIOError:
                continue
            for probe in probes:
                os.write(fd, probe.respond(request, {"level": 100}))


def _station_file(state: Path, address: BrokerAddress, paths: list[str]) -> Path:
    """Write the station's file: eight sensors on four lines, one of them with two quantities."""

    def sensor(
        name: str, driver: str, quantity: Quantity, port: str, measure: str = "", address: int = 1
    ) -> SensorEntry:
        height = 3.2 if driver == "dfrobot_a02yyuw" else None
        return SensorEntry(
            name, STATION, "zone", driver, quantity, Hazard.FLOOD,
            mount_height_m=height, port=port, measure=measure, address=address,
        )  # fmt: skip

    config = StationConfig(
        StationEntry(STATION, SITE, clock="trusted"),
        address,
        tuple(PortEntry(f"p{index}", path) for index, path in enumerate(paths)),
        (
            sensor("gauge-1", "dfrobot_a02yyuw", Quantity.WATER_LEVEL, "p0"),
            sensor("air-1", "plantower_pmsx003", Quantity.PM2_5, "p1"),
            sensor("smoke-1", "ndjson_bridge", Quantity.SMOKE_OBSCURATION, "p2", "smoke"),
            sensor("heat-1", "ndjson_bridge", Quantity.TEMPERATURE, "p2", "temp"),
            sensor("damp-1", "ndjson_bridge", Quantity.HUMIDITY, "p2", "rh"),
            sensor("probe-1", "qdy30a", Quantity.WATER_LEVEL, "p3", address=1),
            sensor("probe-2", "qdy30a", Quantity.WATER_LEVEL, "p3", address=2),
            sensor("probe-3", "qdy30a", Quantity.WATER_LEVEL, "p3", address=3),
        ),
    )
    file = state / "station.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    return file


def _station(state: Path, address: BrokerAddress) -> dict[str, object]:
    lines, hub = _Lines(), _Hub(address)
    file = _station_file(state, address, lines.paths)
    began_s = _CLOCK.monotonic_s()
    process = subprocess.Popen(  # noqa: S603  # our own program, our own arguments
        [sys.executable, "-m", "edge", str(file)],
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    pause = threading.Event()
    try:
        hub.wait_for(1)
        pause.wait(SETTLE_S)
        packs, cpu_s, at_s = hub.count, _cpu_s(process.pid), _CLOCK.monotonic_s()
        pause.wait(WATCH_S)
        watched_s = _CLOCK.monotonic_s() - at_s
        used_s = _cpu_s(process.pid) - cpu_s
        return {
            "sensors": SENSORS,
            "start_to_first_pack_s": round(hub.first_s - began_s, 2),
            "packs_per_s": round((hub.count - packs) / watched_s, 2),
            "core_share": round(used_s / watched_s, 4),
            "resident_mb": _memory_mb(process.pid, "VmRSS"),
            "peak_resident_mb": _memory_mb(process.pid, "VmHWM"),
        }
    finally:
        process.terminate()
        process.wait(_WAIT_S)
        hub.link.stop()
        lines.close()


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory_mb(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return 0.0


def _growth(state: Path) -> dict[str, float]:
    directory = state / "week"
    directory.mkdir()
    return grow(directory, SIMULATED_DAYS)


def _readings() -> list[Reading]:
    now = _CLOCK.now_ms()
    return [
        Reading(f"sensor-{index}", Quantity.TEMPERATURE, now + index, 20.5 + index)
        for index in range(SENSORS)
    ]


def _open_spool(path: Path, boot: str) -> Spool:
    return Spool(path, boot, _CLOCK, max_bytes=100_000_000, at_risk=1)


def _spool(state: Path) -> dict[str, object]:
    """Commit packs durably, and insert the same payloads with bare SQLite, by turns."""
    spool = _open_spool(state / "commits.db", "commits")
    commits_s = inserts_s = 0.0
    with closing(sqlite3.connect(state / "bare.db", isolation_level=None)) as bare:
        bare.execute("PRAGMA journal_mode=WAL")
        bare.execute("PRAGMA synchronous=FULL")
        bare.execute("CREATE TABLE pack(seq INTEGER PRIMARY KEY, payload BLOB)")
        for _ in range(COMMITS):
            readings = _readings()
            began_s = _CLOCK.monotonic_s()
            pack = spool.commit(readings, sync=True, sent=False)[0]
            done_s = _CLOCK.monotonic_s()
            bare.execute("INSERT INTO pack(payload) VALUES (?)", (pack.payload,))
            inserts_s += _CLOCK.monotonic_s() - done_s
            commits_s += done_s - began_s
    spool.close()
    return {
        "commits_per_s": round(COMMITS / commits_s),
        "baseline_inserts_per_s": round(COMMITS / inserts_s),
        "ratio": round(inserts_s / commits_s, 3),
    }


def _drain(state: Path, address: BrokerAddress) -> dict[str, object]:
    """Send a backlog and wait for every receipt; publish the same payloads without a spool."""
    packs = _fill(state)
    hub = _Hub(address)
    clock, tray = _CLOCK, Tray()
    config = StationConfig(StationEntry(STATION, SITE, str(state / "backlog.db")), address)
    publisher = Publisher(
        config,
        _open_spool(config.spool_path, "drain"),
        tray,
        Chronometer(clock, trusted=True),
        clock,
        lambda _spool, _broker: {},
    )
    began_s = clock.monotonic_s()
    publisher.start()
    hub.wait_for(BACKLOG)
    drain_s = clock.monotonic_s() - began_s
    publisher.hurry()
    publisher.join(_WAIT_S)
    hub.link.stop()
    bare_s = _publish_bare(address, packs)
    return {
        "packs_per_s": round(BACKLOG / drain_s),
        "readings_per_s": round(BACKLOG * SENSORS / drain_s),
        "baseline_publishes_per_s": round(len(packs) / bare_s),
        "ratio": round(bare_s * BACKLOG / (drain_s * len(packs)), 3),
    }


def _fill(state: Path) -> list[StoredPack]:
    """Put a backlog of an earlier boot into a spool, in one large transaction."""
    spool = _open_spool(state / "backlog.db", "earlier")
    packs = [spool.commit(_readings(), sync=True, sent=False)[0] for _ in range(BACKLOG)]
    spool.close()
    return packs


def _publish_bare(address: BrokerAddress, packs: list[StoredPack]) -> float:
    """Return how long a bare connection takes, with as many packs under way as paho allows."""
    hub = _Hub(address, receipts=False)
    sender = Broker(address, "bench-sender", session_expiry_s=0)
    sender.start()
    sender.wait_linked(_WAIT_S)
    began_s = _CLOCK.monotonic_s()
    for number, pack in enumerate(packs):
        sent = sender.publish(topics.readings(SITE, STATION), pack.payload, user={"boot": "b"})
        if number % 100 == 99:
            sent.wait(_WAIT_S)
    hub.wait_for(len(packs))
    passed_s = _CLOCK.monotonic_s() - began_s
    sender.stop()
    hub.link.stop()
    return passed_s
