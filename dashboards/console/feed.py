"""The live feed: what stations, detectors and alerts say on MQTT right now, kept for pages.

It is a witness beside the warning path, never in it: an ordinary session that the broker may
forget, nothing acknowledged by hand, nothing written. Whatever does not come is a state of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from core.broker import Broker, BrokerAddress, Message
from core.clock import Clock, late_after_ms
from core.community import Community
from core.finding import (
    Finding,
    FindingError,
    Hazard,
    ZoneGrade,
    decode_finding,
    decode_zone_grade,
)
from core.identity import SeriesId
from core.pack import Pack, PackError, decode_pack
from core.reading import Reading
from core.status import Link, StationStatus, StatusError, decode_status
from core.topics import (
    RETAINED_EXPIRY_S,
    all_findings,
    all_grades,
    all_stations,
    parse_station,
)
from dashboards.console.events import EventHub
from dashboards.console.statements import Held, StationState, began, same_finding, same_grade
from dashboards.console.trace import Point, Trace

# Statements of detectors and alerts that carry no expiry live this long after receipt, too.
_LIFETIME_S = float(RETAINED_EXPIRY_S)
# Subjects and rules come from outside; a broken detector must not fill our memory.
_STATEMENTS_LIMIT = 5_000

# A pack of a fast run holds many readings of a series; a page gets the newest of them.
_TRAIL = 60

# A stamp further ahead than this (or than the lateness of its series) is no time to show: it would
# stand as the newest reading until that time comes. The detectors draw the same line.
_AHEAD_MS = 300_000

T = TypeVar("T")


class LiveFeed:
    """Keeps what is said on MQTT and tells open pages. Safe to use from any thread.

    Args:
        broker: Where the broker is.
        community: The profile; readings of sensors that it does not name are counted and dropped.
        clock: The clock of the run.
    """

    def __init__(self, broker: BrokerAddress, community: Community, clock: Clock) -> None:
        self._community = community
        self._clock = clock
        self._guard = threading.RLock()
        self._traces = {
            SeriesId(entry.id, quantity): Trace(entry, quantity)
            for entry in community.sensor
            for quantity in entry.quantities
        }
        self._stations = {name: StationState(name) for name in community.stations}
        self._findings: dict[tuple[str, str], Held[Finding]] = {}
        self._grades: dict[tuple[str, Hazard], Held[ZoneGrade]] = {}
        self.refused = 0
        self.unknown_readings = 0
        self.started_at = clock.now_ms()
        self.hub = EventHub(f"{clock.wall_ms():x}")
        site = community.site.id
        self._broker = Broker(
            broker,
            f"safety-eye-console-{site}",
            on_message=self._received,
            on_link=self._link_changed,
            session_expiry_s=0,
        )
        self._broker.subscribe(
            [
                all_stations(site, "readings"),
                all_stations(site, "status"),
                all_findings(site),
                all_grades(site),
            ]
        )

    def start(self) -> None:
        """Connect in the background and stay connected."""
        self._broker.start()

    def stop(self) -> None:
        """End every open page stream, then the connection."""
        self.hub.close()
        self._broker.stop()

    @property
    def linked(self) -> bool:
        """True while the broker answers."""
        return self._broker.linked

    # --- what pages ask ---------------------------------------------------------------------

    def latest(self, series: SeriesId) -> Point | None:
        """Return the newest reading of a series as shown, None if none came yet."""
        with self._guard:
            trace = self._traces.get(series)
            return trace.latest if trace is not None else None

    def points(self, series: SeriesId) -> list[Point]:
        """Return the recent trace of a series, oldest first."""
        with self._guard:
            trace = self._traces.get(series)
            return trace.points() if trace is not None else []

    def stations(self) -> list[StationState]:
        """Return the state of each station of the profile, by name."""
        now = self._clock.now_ms()
        with self._guard:
            return [self._judged(state, now) for state in self._stations.values()]

    def station(self, name: str) -> StationState:
        """Return the state of one station; `never` for a name that is not in the profile."""
        now = self._clock.now_ms()
        with self._guard:
            return self._judged(self._stations.get(name, StationState(name)), now)

    def findings(self, subject: str) -> list[Finding]:
        """Return what the rules say of a subject now; what has run out is not said any more."""
        now_s = self._clock.monotonic_s()
        with self._guard:
            return [
                held.said
                for (name, _), held in self._findings.items()
                if name == subject and held.until_s > now_s
            ]

    def grades(self) -> list[ZoneGrade]:
        """Return the grades that alerts says now; what has run out is not said any more."""
        now_s = self._clock.monotonic_s()
        with self._guard:
            return [held.said for held in self._grades.values() if held.until_s > now_s]

    def _judged(self, state: StationState, now: int) -> StationState:
        """Turn an online station that sends nothing into a quiet one."""
        if state.link != Link.ONLINE:
            return state
        allowance = self.allowance_ms(state.id)
        heard = max(state.heard_at, self.started_at)
        if now - heard <= allowance:
            return state
        return replace(state, link="quiet", since=heard)

    def allowance_ms(self, station: str) -> int:
        """Return how long a station may be silent, in run milliseconds."""
        intervals = [
            entry.interval_s for entry in self._community.sensor if entry.station == station
        ]
        return late_after_ms(min(intervals, default=60.0), self._clock.speed)

    # --- what comes in (network thread) ------------------------------------------------------

    def _link_changed(self, linked: bool) -> None:
        self.hub.publish("link", {"linked": linked})

    def _received(self, message: Message) -> None:
        try:
            self._take(message)
        except (PackError, StatusError, FindingError):
            with self._guard:
                self.refused += 1
                where = parse_station(message.topic)
                if where is not None and where.station in self._stations:
                    state = self._stations[where.station]
                    self._stations[where.station] = replace(state, refused=state.refused + 1)

    def _take(self, message: Message) -> None:
        where = parse_station(message.topic)
        if where is not None and where.leaf == "readings":
            if not message.retain:  # a retained pack is not live, whoever put it there
                self._take_pack(where.station, decode_pack(message.payload))
        elif where is not None and where.leaf == "status":
            if message.payload:
                self._take_status(where.station, decode_status(message.payload), message.retain)
        elif "/finding/" in message.topic:
            self._take_finding(message)
        elif "/grade/" in message.topic and message.payload:
            self._take_grade(message)

    def _take_pack(self, station: str, pack: Pack) -> None:
        now = self._clock.now_ms()
        shift = ahead = 0
        if not pack.sync and pack.readings:  # times count from boot: mapped by arrival, while live
            shift = now - max(reading.at for reading in pack.readings)
        newest: dict[SeriesId, list[Point]] = {}
        with self._guard:
            state = self._stations.get(station)
            if state is None:
                self.unknown_readings += pack.count
                return
            for reading in pack.readings:
                trace = self._traces.get(reading.series)
                if trace is None or trace.entry.station != station:
                    self.unknown_readings += 1
                    continue
                allowed_ms = late_after_ms(trace.entry.interval_s, self._clock.speed)
                if pack.sync and reading.at - now > max(_AHEAD_MS, allowed_ms):
                    ahead += 1
                    continue
                if shift:
                    reading = _shifted(reading, shift)  # noqa: PLW2901 - the same reading, mapped
                if trace.add(reading) and trace.latest is not None:
                    newest.setdefault(reading.series, []).append(trace.latest)
            self._stations[station] = replace(
                state, heard_at=now, packs=state.packs + 1, refused=state.refused + ahead
            )
        if newest:
            points = [(series, fresh[-_TRAIL:]) for series, fresh in newest.items()]
            self.hub.publish("readings", {"now": now, "station": station, "points": points})

    def _take_status(self, station: str, status: StationStatus, retained: bool) -> None:
        now = self._clock.now_ms()
        with self._guard:
            state = self._stations.get(station)
            if state is None:
                return
            link = str(status.link)
            since = state.since if state.link == link else began(status, now, retained)
            heard = now if status.link is Link.ONLINE and not retained else state.heard_at
            if status.acting is None and status.link is not Link.ONLINE and state.status:
                # The will knows nothing of outputs; what was last known of them is still shown.
                status = msgspec.structs.replace(status, acting=state.status.acting)
            self._stations[station] = replace(
                state, link=link, since=since, heard_at=heard, status=status
            )
            changed = state.link != link
        self.hub.publish("stations", {"station": station, "link": link, "changed": changed})

    def _take_finding(self, message: Message) -> None:
        subject, rule = message.topic.split("/")[-2:]
        key = (subject, rule)
        if not message.payload:
            with self._guard:
                self._findings.pop(key, None)
            return
        finding = decode_finding(message.payload)
        changed = self._hold(self._findings, key, finding, message, same_finding)
        if changed:
            self.hub.publish("grades", {"subject": subject})

    def _take_grade(self, message: Message) -> None:
        grade = decode_zone_grade(message.payload)
        key = (grade.zone, grade.hazard)
        if self._hold(self._grades, key, grade, message, same_grade):
            self.hub.publish("grades", {"zone": grade.zone})

    def _hold(
        self,
        store: dict[Any, Held[T]],
        key: tuple[str, str],
        said: T,
        message: Message,
        same: Callable[[T, T], bool],
    ) -> bool:
        """Keep a statement until it runs out; True if it says something new."""
        life_s = _LIFETIME_S if message.expiry_s is None else float(message.expiry_s)
        until_s = self._clock.monotonic_s() + life_s
        with self._guard:
            before = store.get(key)
            if before is None and len(store) >= _STATEMENTS_LIMIT:
                self.refused += 1
                return False
            store[key] = Held(said, until_s)
        return before is None or not same(before.said, said)


def _shifted(reading: Reading, shift: int) -> Reading:
    return msgspec.structs.replace(reading, at=reading.at + shift)
