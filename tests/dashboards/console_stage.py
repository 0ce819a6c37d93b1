"""A stage for the console: the real pages on a real server, a real broker, incidents in memory."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvicorn
from fastapi import FastAPI

from alerts.access import Access
from alerts.desks import Desks
from alerts.views import (
    IncidentError,
    IncidentView,
    JournalView,
    NotifiedView,
    OutboxView,
)
from core import topics
from core.broker import Broker, BrokerAddress
from core.clock import Clock, RunClock
from core.community import Community, Name
from core.community_file import load_community
from core.finding import Condition, Finding, Hazard, ZoneGrade, encode_finding
from core.grade import Grade
from core.pack import Pack, encode_pack
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from core.status import Link, StationStatus, encode_status
from dashboards.console import mount
from dashboards.console.feed import LiveFeed
from ingest.station_ledger import StationLedger
from tests.servers import free_port, wait_until

SAMPLE = Path(__file__).parents[2] / "safety_eye" / "sample" / "community.toml"


def sample_community() -> Community:
    return load_community(SAMPLE)


def an_incident(number: int = 1, **changes: object) -> IncidentView:
    view = IncidentView(
        number=number,
        zone="underpass",
        hazard=Hazard.FLOOD,
        condition=Condition.ACTIVE,
        grade=Grade.RED,
        peak=Grade.RED,
        acknowledged=False,
        acknowledged_by="",
        acknowledged_at=0,
        stage="warned",
        opened_at=1_764_500_000_000,
        changed_at=1_764_500_000_000,
        closed_at=0,
        headline=Name(
            zh="下穿通道水位 0.29 m，已达到红线 0.27 m",
            en="Underpass: water level 0.29 m, at or above the red limit 0.27 m",
        ),
        why=Name(zh="上升 0.24 m/小时；已持续 3 分钟", en="rising 0.24 m/h; held for 3 min"),
        subjects=("gauge-1.water-level",),
    )
    return msgspec.structs.replace(view, **changes)


class MemoryIncidents:
    """An IncidentPort in memory (alerts/views.py); every rule of the port that pages rely on."""

    desks = Desks()

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._incidents: dict[int, IncidentView] = {}
        self._journal: dict[int, list[JournalView]] = {}
        self._grades: dict[tuple[str, Hazard], ZoneGrade] = {}
        self._listeners: list[Callable[[IncidentView], None]] = []
        self.taken: list[tuple[int, str, str]] = []
        self.counts = OutboxView()

    def put(self, view: IncidentView, text: Name | None = None, event: str = "opened") -> None:
        with self._guard:
            self._incidents[view.number] = view
            entry = JournalView(
                at=view.changed_at,
                actor="system",
                event=event,
                text=text or view.headline,
                grade=view.grade,
            )
            self._journal.setdefault(view.number, []).append(entry)
        self._tell(view)

    def grade(self, grade: ZoneGrade) -> None:
        with self._guard:
            self._grades[grade.zone, grade.hazard] = grade

    def open_incidents(self) -> list[IncidentView]:
        with self._guard:
            views = [view for view in self._incidents.values() if view.open]
        return sorted(views, key=lambda view: (-view.grade, view.opened_at))

    def incidents(self, limit: int = 100, before: int | None = None) -> list[IncidentView]:
        with self._guard:
            numbers = sorted(self._incidents, reverse=True)
            chosen = [number for number in numbers if before is None or number < before]
            return [self._incidents[number] for number in chosen[:limit]]

    def incident(self, number: int) -> IncidentView | None:
        with self._guard:
            return self._incidents.get(number)

    def journal(self, number: int) -> list[JournalView]:
        with self._guard:
            return list(self._journal.get(number, ()))

    def acknowledge(self, number: int, who: str, how: str) -> IncidentView:
        with self._guard:
            view = self._incidents.get(number)
            if view is None or not view.open:
                raise IncidentError(
                    f"incident {number}: no such open incident", f"没有进行中的事件 {number}"
                )
            now = self._clock.now_ms()
            view = msgspec.structs.replace(
                view,
                acknowledged=True,
                acknowledged_by=who,
                acknowledged_at=now,
                stage="deciding",
            )
            self._incidents[number] = view
            self.taken.append((number, who, how))
            text = Name(zh="已接手", en="taken over")
            self._journal[number].append(
                JournalView(at=now, actor=who, event="acknowledged", text=text, grade=view.grade)
            )
        self._tell(view)
        return view

    def zone_grades(self) -> list[ZoneGrade]:
        with self._guard:
            return list(self._grades.values())

    def outbox(self) -> OutboxView:
        return self.counts

    def subscribe(self, changed: Callable[[IncidentView], None]) -> Callable[[], None]:
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    def _tell(self, view: IncidentView) -> None:
        for listener in list(self._listeners):
            listener(view)


class Stations:
    """Speaks for stations and detectors on a real broker."""

    def __init__(self, address: BrokerAddress, site: str) -> None:
        self._site = site
        self._seq = 0
        self._broker = Broker(address, f"stations-of-{site}", session_expiry_s=0)
        self._broker.start()
        assert self._broker.wait_linked(10), "the stage could not reach the broker"

    def pack(self, station: str, readings: Sequence[Reading], *, sync: bool = True) -> None:
        self._seq += 1
        pack = Pack(boot="b00t", seq=self._seq, sync=sync, readings=tuple(readings))
        self.raw(topics.readings(self._site, station), encode_pack(pack))

    def status(self, station: str, status: StationStatus) -> None:
        self.raw(topics.status(self._site, station), encode_status(status), retain=True)

    def finding(self, finding: Finding, expiry_s: int = 120) -> None:
        topic = topics.finding(self._site, finding.subject, finding.rule)
        self.raw(topic, encode_finding(finding), retain=True, expiry_s=expiry_s)

    def raw(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        sent = self._broker.publish(topic, payload, retain=retain, expiry_s=expiry_s)
        assert sent.wait(10), f"the broker did not take {topic}"

    def stop(self) -> None:
        self._broker.stop()


@dataclass
class Stage:
    """Everything that stands; `url` is the page."""

    url: str
    incidents: MemoryIncidents
    feed: LiveFeed
    stations: Stations
    clock: Clock
    community: Community
    server: uvicorn.Server
    thread: threading.Thread

    def stop_server(self) -> None:
        self.feed.hub.close()
        self.server.should_exit = True
        self.thread.join(10)
        assert not self.thread.is_alive(), "the server did not stop"


@contextlib.contextmanager
def stage(
    address: BrokerAddress,
    community: Community,
    *,
    clock: Clock | None = None,
    ledger: Callable[[], list[StationLedger]] | None = None,
    token: str | None = None,
) -> Iterator[Stage]:
    """Serve the console until the block ends."""
    clock = clock or RunClock()
    incidents = MemoryIncidents(clock)
    feed = LiveFeed(address, community, clock)
    app = FastAPI()
    app.state.access = Access(token, clock)
    mount(
        app,
        incidents=incidents,
        feed=feed,
        history=None,
        ledger=ledger,
        community=community,
        clock=clock,
    )
    port = free_port()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True, name="console")
    feed.start()
    thread.start()
    wait_until(lambda: server.started and feed.linked, 15, "the console")
    stations = Stations(address, community.site.id)
    ready = Stage(
        f"http://127.0.0.1:{port}", incidents, feed, stations, clock, community, server, thread
    )
    try:
        yield ready
    finally:
        stations.stop()
        feed.stop()
        server.should_exit = True
        thread.join(10)


def reading(
    sensor: str, quantity: Quantity, at: int, value: float | None, *reasons: Reason
) -> Reading:
    quality = Quality.GOOD if not reasons else Quality.UNCERTAIN
    if value is None:
        quality = Quality.BAD
    return Reading(sensor, quantity, at, value, quality, tuple(reasons))


def online(at: int, *, spooled: int = 0, sync: bool = True, **health: float) -> StationStatus:
    return StationStatus(
        link=Link.ONLINE, boot="b00t", at=at, sync=sync, spooled=spooled, health=health
    )


def accepted(contact: str, at: int, **changes: object) -> NotifiedView:
    view = NotifiedView(
        id=f"n-{contact}-{at}",
        contact=contact,
        channel="duty-webhook",
        kind="alert",
        grade=Grade.RED,
        state="accepted",
        at=at,
        attempts=1,
    )
    return msgspec.structs.replace(view, **changes)
