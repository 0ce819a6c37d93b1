"""A station for tests of ingest: numbered packs over a real broker, and what came back for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core import topics
from core.broker import Broker, BrokerAddress, Message
from core.clock import Clock, RunClock
from core.community import Community
from core.community_file import parse_community
from core.pack import Gone, Pack, Unknown, encode_pack
from core.quantity import Quantity
from core.reading import Reading
from core.status import Link, StationStatus, decode_receipt, encode_status
from ingest.history import HistorySettings
from ingest.service import Ingest, IngestSettings
from tests.servers import wait_until

_PROFILE = """
[site]
id = "{site}"
name = {{ zh = "测试", en = "Test" }}
[[zone]]
id = "cellar"
name = {{ zh = "地下室", en = "Cellar" }}
"""
_SENSOR = """
[[sensor]]
id = "{id}"
station = "{station}"
zone = "cellar"
driver = "test"
quantity = "water-level"
hazard = "flood"
"""


def community_text(site: str, stations: Iterable[str] = ("one",), sensors: int = 3) -> str:
    """Return a profile with sensors `<station>-0` … on each station."""
    parts = [_PROFILE.format(site=site)]
    parts += [
        _SENSOR.format(id=f"{station}-{number}", station=station)
        for station in stations
        for number in range(sensors)
    ]
    return "".join(parts)


def community(site: str, stations: Iterable[str] = ("one",), sensors: int = 3) -> Community:
    """Return that profile."""
    return parse_community(community_text(site, stations, sensors))


class Station:
    """Sends packs and remembers the receipts."""

    def __init__(self, site: str, name: str, broker: BrokerAddress, boot: str = "b1") -> None:
        self.site, self.name, self.boot = site, name, boot
        self.seq = 0
        self.made = 0
        self.receipts: set[tuple[str, int]] = set()
        self.receipted = 0
        self._lock = threading.Lock()
        self.broker = Broker(
            broker, f"station-{site}-{name}", on_message=self._take, session_expiry_s=60
        )
        self.broker.subscribe([topics.stored(site, name)])
        self.broker.start()
        assert self.broker.wait_linked(10)

    def pack(
        self,
        readings: Iterable[Reading],
        gone: tuple[Gone, ...] = (),
        unknown: tuple[Unknown, ...] = (),
        thinned: int = 0,
        *,
        sync: bool = True,
    ) -> Pack:
        """Return the next pack."""
        kept = tuple(readings)
        self.seq += 1
        self.made += len(kept) + thinned
        return Pack(
            boot=self.boot,
            seq=self.seq,
            sync=sync,
            readings=kept,
            made=self.made,
            thinned=thinned,
            gone=gone,
            unknown=unknown,
        )

    def send(self, pack: Pack) -> None:
        """Publish a pack and wait for the broker."""
        user = {"boot": str(pack.boot), "seq": str(pack.seq), "count": str(pack.count)}
        self.send_raw(encode_pack(pack), user)

    def send_raw(self, payload: bytes, user: dict[str, str] | None = None) -> None:
        """Publish any bytes on the readings topic."""
        topic = topics.readings(self.site, self.name)
        assert self.broker.publish(topic, payload, user=user).wait(10)

    def say(self, link: Link = Link.ONLINE, **facts: int | bool) -> None:
        """Publish a status."""
        status = StationStatus(link=link, boot=self.boot, **facts)  # type: ignore[arg-type]  # test data
        topic = topics.status(self.site, self.name)
        assert self.broker.publish(topic, encode_status(status), retain=True).wait(10)

    def wait_receipt(self, seq: int, boot: str | None = None, timeout_s: float = 15.0) -> None:
        """Wait until a pack is receipted."""
        key = (boot or self.boot, seq)
        wait_until(lambda: key in self.receipts, timeout_s, f"receipt of {key}")

    def stop(self) -> None:
        """Disconnect."""
        self.broker.stop()

    def _take(self, message: Message) -> None:
        receipt = decode_receipt(message.payload)
        with self._lock:
            self.receipted += len(receipt.seq)
            self.receipts |= {(receipt.boot, seq) for seq in receipt.seq}


@contextmanager
def running_ingest(
    state: Path,
    profile: Community,
    broker: BrokerAddress,
    clock: Clock | None = None,
    history: HistorySettings | None = None,
    *,
    reachable: bool = True,
) -> Iterator[Ingest]:
    """Run a real ingest in a thread until the end of the block."""
    settings = IngestSettings(
        state, history or HistorySettings(path=str(state / "history.db")), commit_interval_s=0.02
    )
    ingest = Ingest(settings, profile, broker, clock or RunClock())
    stop = threading.Event()
    failed: list[Exception] = []

    def run() -> None:
        try:
            ingest.run(stop)
        except Exception as error:  # noqa: BLE001  # handed to the test below
            failed.append(error)

    thread = threading.Thread(target=run, name="ingest")
    thread.start()
    try:
        if reachable:
            wait_subscribed(ingest, profile.site.id, broker, failed)
        yield ingest
    finally:
        stop.set()
        thread.join(20)
        if failed:
            raise failed[0]


def wait_subscribed(
    ingest: Ingest, site: str, broker: BrokerAddress, failed: list[Exception]
) -> None:
    """Wait until ingest hears: cleared grades mean nothing to it, but they are counted."""
    probe = Broker(broker, f"probe-{site}", session_expiry_s=0)
    probe.start()
    assert probe.wait_linked(10)
    before = ingest.counters.messages

    def heard() -> bool:
        probe.publish(topics.grade(site, "cellar", "flood"), b"")
        return bool(failed) or ingest.counters.messages > before

    wait_until(heard, what="ingest's subscription")
    probe.stop()


def level(sensor: str, at: int, value: float = 0.25) -> Reading:
    """Return a water level."""
    return Reading(sensor, Quantity.WATER_LEVEL, at, value)
