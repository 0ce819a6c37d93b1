"""Deliveries a second of the outbox on SQLite, to a receiver on this machine.

The rows of real incidents wait in the state database; the production worker claims, signs, posts,
settles and journals them. Baseline: the same posts by a bare httpx loop, without database, in the
same run.
"""

from __future__ import annotations

import base64
import multiprocessing
import resource
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from alerts.channels import open_channels
from alerts.channels.entry import ChannelEntry
from alerts.channels.webhook import Webhook, body_of
from alerts.database import open_database
from alerts.decisions import opening
from alerts.grading import Judgement
from alerts.incident import Kind
from alerts.journal import Head
from alerts.message import Notification
from alerts.metrics import Metrics
from alerts.outbox import Times
from alerts.store import Store
from alerts.worker import Worker
from core.clock import RunClock
from core.community import Community, Contact, Name, Site
from core.finding import Certainty, Condition, Hazard
from core.grade import Grade

MESSAGES = 2000
BASELINE = 1000
_LIMIT_S = 20.0


def run() -> dict[str, object]:
    """Measure; rates in messages a second, times in milliseconds, memory in MB."""
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    receiver.start()
    try:
        port = int(ours.recv())
        with tempfile.TemporaryDirectory(prefix="safety-eye-bench-") as directory:
            return _measure(Path(directory), f"http://127.0.0.1:{port}/")
    finally:
        ours.send("stop")
        receiver.join(5)
        receiver.kill()


def serve(pipe: Connection) -> None:
    """Be a receiver in a process of its own: answer 204 to every post until told to stop."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    pipe.recv()
    server.shutdown()
    server.server_close()


def _measure(directory: Path, url: str) -> dict[str, object]:
    clock = RunClock()
    secret = directory / "secret"
    secret.write_text("whsec_" + base64.b64encode(bytes(32)).decode())
    entry = ChannelEntry(
        name="hook", kind="webhook", url=url, secret_file=str(secret), allow_private=True
    )
    channels = open_channels([entry])
    hook = channels["hook"]
    assert isinstance(hook, Webhook)
    database = open_database(f"sqlite:///{directory / 'alerts.db'}")
    store = Store(database, _community(), "http://hub", channels)
    _fill(store, clock)
    metrics = Metrics()
    worker = Worker(
        database, channels, clock, metrics, owner="bench",
        told=lambda _numbers: None, health=lambda _name, _outcome: None,
    )  # fmt: skip
    cpu_s, began_s = _cpu_s(), clock.monotonic_s()
    worker.start()
    accepted = _drain(store, clock)
    took_s, cpu_s = clock.monotonic_s() - began_s, _cpu_s() - cpu_s
    worker.stop()
    store.verify_journal()
    database.close()
    hook.close()
    baseline = _baseline(url, clock)
    rate = accepted / took_s
    return {
        "deliveries_per_s": round(rate),
        "messages": accepted,
        "cpu_s": round(cpu_s, 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "baseline_httpx_per_s": round(baseline),
        "ratio_to_baseline": round(rate / baseline, 2),
    }


def _community() -> Community:
    contacts = tuple(
        Contact(f"duty-{index}", f"duty {index}", "duty", ("hook",)) for index in range(50)
    )
    return Community(site=Site("bench", Name("台", "Bench")), contact=contacts)


def _fill(store: Store, clock: RunClock) -> None:
    """Open incidents until enough notifications wait: 50 duty contacts are told of each."""
    judgement = Judgement(
        grade=Grade.ORANGE, condition=Condition.ACTIVE, holders={"gauge x": Grade.ORANGE},
        headline=Name("水位 0.21 m，已达到橙线 0.20 m", "water level 0.21 m"),
    )  # fmt: skip
    for index in range(MESSAGES // 50):
        times = Times(clock.now_ms(), clock.wall_ms(), 1.0)
        events = opening(f"zone-{index}", Hazard.FLOOD, judgement, times.now)
        store.commit(None, events, times)


def _drain(store: Store, clock: RunClock) -> int:
    pause = threading.Event()
    until_s = clock.monotonic_s() + _LIMIT_S
    while clock.monotonic_s() < until_s:
        counts, _ = store.outbox_counts()
        if not counts.get("pending"):
            break
        pause.wait(0.02)
    return store.outbox_counts()[0].get("accepted", 0)


def _baseline(url: str, clock: RunClock) -> float:
    note = _sample()
    began_s = clock.monotonic_s()
    with httpx.Client(trust_env=False) as client:
        for _ in range(BASELINE):
            client.post(url, content=body_of(note, "zh", 1_764_500_000))
    return BASELINE / (clock.monotonic_s() - began_s)


def _sample() -> Notification:
    text = Name("水位 0.16 m，已达到黄线 0.15 m", "water level 0.16 m")
    return Notification(
        id="0" * 32, incident=1, seq=1, kind=Kind.ALERT, grade=Grade.YELLOW, peak=Grade.YELLOW,
        zone="z", hazard=Hazard.FLOOD, place=text, hazard_name=text, headline=text, why=text,
        since=0, at=0, severity="Moderate", urgency="Expected", certainty=Certainty.OBSERVED,
        url="", timezone="Asia/Shanghai", language="zh", contact="duty-1",
        journal=Head(1, "0" * 64),
    )  # fmt: skip


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
