"""Detectors in a bad hour: danger after danger over MQTT, whether or not anybody listens."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from core import topics
from core.broker import Broker, BrokerAddress
from core.clock import RunClock
from core.finding import Finding, Hazard, encode_finding
from core.grade import Grade
from tests.alerts.scenery import level

HAZARDS = (Hazard.FLOOD, Hazard.FIRE, Hazard.AIR, Hazard.CROWD)


class Place(NamedTuple):
    """Where what is dangerous: at most one incident at a time."""

    zone: str
    hazard: str


# What is said of a place, one after the other. The last one is over before anybody may have
# listened: retained is its green, and only the broker's session still holds its red.
SUDDEN = (Grade.RED,)
RISING = (Grade.ORANGE, Grade.RED)
FLEETING = (Grade.RED, Grade.GREEN)


def places(zones: Sequence[str]) -> list[Place]:
    """Return every place of some zones."""
    return [Place(zone, hazard) for zone in zones for hazard in HAZARDS]


class Storm:
    """Publishes as detectors do: QoS 1, retained, expiring, each said again every minute.

    Args:
        broker: Where to.
        site: Whose findings.
        dice: For courses and pauses.
    """

    def __init__(self, broker: BrokerAddress, site: str, dice: random.Random) -> None:
        self._site = site
        self._dice = dice
        self._clock = RunClock()
        self._waiting: queue.Queue[tuple[Place, Grade, float]] = queue.Queue()
        self._last: dict[str, tuple[float, bytes]] = {}  # topic -> when (s), what; oldest first
        self._stop = threading.Event()
        self._broker = Broker(broker, f"{site}-detectors", session_expiry_s=0)
        self._thread = threading.Thread(target=self._run, name="storm", daemon=True)
        self.said = 0

    def start(self) -> None:
        """Begin to speak."""
        self._broker.start()
        assert self._broker.wait_linked(10)
        self._thread.start()

    def stop(self) -> None:
        """Fall silent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
            self._broker.stop()

    def bring(self, dangers: Collection[Place], within_s: float, *, fleeting: bool) -> None:
        """Say of each of some places, in about *within_s*, that it has become red.

        Args:
            dangers: New places.
            within_s: Wall seconds.
            fleeting: True if some may be green again at once.
        """
        courses = (SUDDEN, RISING, FLEETING, FLEETING) if fleeting else (SUDDEN, RISING)
        left = {place: list(self._dice.choice(courses)) for place in dangers}
        order = [place for place, grades in left.items() for _ in grades]
        self._dice.shuffle(order)
        for place in order:
            pause_s = self._dice.uniform(0, 2 * within_s / len(order))
            self._waiting.put((place, left[place].pop(0), pause_s))

    def wait_said(self) -> None:
        """Wait until the broker has everything."""
        self._waiting.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                place, grade, pause_s = self._waiting.get(timeout=0.1)
            except queue.Empty:
                self._refresh()
                continue
            self._publish(_topic(self._site, place), encode_finding(self._finding(place, grade)))
            self._waiting.task_done()
            self._stop.wait(pause_s)

    def _refresh(self) -> None:
        due_s = self._clock.monotonic_s() - topics.REFRESH_S
        for topic, (at_s, payload) in list(self._last.items()):
            if at_s > due_s or not self._waiting.empty():
                return
            self._publish(topic, payload)

    def _publish(self, topic: str, payload: bytes) -> None:
        expiry_s = topics.RETAINED_EXPIRY_S
        while not self._stop.is_set():
            sent = self._broker.publish(topic, payload, retain=True, expiry_s=expiry_s)
            if sent.ok and sent.wait(10):
                break
            self._stop.wait(0.1)
        self._last.pop(topic, None)
        self._last[topic] = (self._clock.monotonic_s(), payload)
        self.said += 1

    def _finding(self, place: Place, grade: Grade) -> Finding:
        at = self._clock.now_ms()
        return msgspec.structs.replace(
            level(grade, at=at), zone=place.zone, hazard=Hazard(place.hazard),
            subject=f"zone.{place.zone}", rule=f"{place.hazard}-limit",
        )  # fmt: skip


def _topic(site: str, place: Place) -> str:
    return topics.finding(site, f"zone.{place.zone}", f"{place.hazard}-limit")
