"""Every vendor is down for an hour and comes back: nobody is forgotten, nothing old is told as new.

The production worker and watch, driven by hand over a clock that the test moves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.dispatch import Claimed
from alerts.incident import Kind
from alerts.metrics import Metrics
from alerts.notification import Notification
from alerts.routing import MAX_AGE_MS
from alerts.worker import Worker
from core.finding import Finding
from core.grade import Grade
from tests.alerts.scenery import Scene, level

HOUR_S = 3600
STEP_S = 15
DOWN = Outcome(OutcomeKind.RETRY, vendor_code="ConnectError", detail="no connection")
# The longest rest of a breaker, and the longest back-off of red.
BACK_WITHIN_S = 300 + 30


@dataclass(frozen=True)
class Heard:
    """One message that arrived."""

    at: int
    channel: str
    note: Notification


class Line(Channel):
    """A vendor behind a line that may be cut."""

    concurrency = 4

    def __init__(self, name: str, outage: Outage) -> None:
        self.name = name
        self._outage = outage

    def send(self, note: Notification, now_s: int) -> Outcome:
        del now_s
        self._outage.attempts += 1
        if not self._outage.up:
            return DOWN
        heard = Heard(self._outage.scene.clock.ms, self.name, note)
        self._outage.heard.append(heard)
        return Outcome(OutcomeKind.ACCEPTED)


class Outage:
    """A scene whose worker is turned by hand."""

    def __init__(self, directory: Path) -> None:
        self.scene = Scene(directory)
        self.up = True
        self.attempts = 0
        self.heard: list[Heard] = []
        self.dangers: dict[str, Grade] = {}
        self.worker = Worker(
            self.scene.database, {name: Line(name, self) for name in ("hook", "second")},
            self.scene.clock, Metrics(), owner="me",
            told=lambda _numbers: None, health=lambda _name, _outcome: None,
        )  # fmt: skip

    def danger(self, zone: str, grade: Grade) -> None:
        self.dangers[zone] = grade
        self.scene.say(self._finding(zone))

    def run(self, seconds: int) -> None:
        for second in range(0, seconds, STEP_S):
            self.scene.clock.advance(STEP_S)
            if second % 60 == 0:
                self.scene.say(*(self._finding(zone) for zone in self.dangers))
            self.scene.watch.tick()
            self.scene.watch.remind()
            self._turn()

    def _turn(self) -> None:
        """What the worker's thread and its senders do, until nothing is due."""
        for _ in range(20):
            self.worker._step(claim=True)
            rows = self._taken()
            if not rows:
                return
            for row in rows:
                self.worker._send(row)
            self.worker._collect(0.0)

    def _taken(self) -> list[Claimed]:
        queues = self.worker._senders._queues.values()
        items = [waiting.get_nowait()[2] for waiting in queues for _ in range(waiting.qsize())]
        return [row for row in items if row is not None]

    def _finding(self, zone: str) -> Finding:
        return msgspec.structs.replace(
            level(self.dangers[zone], at=self.scene.clock.ms), zone=zone, subject=f"zone.{zone}"
        )


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    made = Outage(tmp_path)
    yield made
    made.scene.close()


def test_each_red_reaches_somebody_when_vendors_are_back_and_nothing_stale_is_told(
    outage: Outage,
) -> None:
    outage.up = False
    for minute, zone, grade in (
        (0, "early", Grade.RED), (1, "yellow", Grade.YELLOW), (5, "fallen", Grade.RED),
        (30, "middle", Grade.RED), (50, "orange", Grade.ORANGE), (58, "late", Grade.RED),
    ):  # fmt: skip
        outage.run(minute * 60 - (outage.scene.clock.ms - 1_764_500_000_000) // 1000)
        outage.danger(zone, grade)
    outage.dangers["fallen"] = Grade.BLUE  # it fell while nobody could be told
    outage.run(HOUR_S - (outage.scene.clock.ms - 1_764_500_000_000) // 1000)
    assert outage.heard == []
    tried = outage.attempts
    back = outage.scene.clock.ms
    outage.up = True

    outage.run(BACK_WITHIN_S)

    first: dict[str, Heard] = {}
    for heard in outage.heard:
        first.setdefault(heard.note.zone, heard)
        age_ms = heard.at - heard.note.at
        assert age_ms <= MAX_AGE_MS[heard.note.grade], "a stale message was sent as new"
        current = outage.dangers[heard.note.zone]
        assert heard.note.grade <= current or heard.note.at > back
    assert {"early", "middle", "late", "orange"} <= set(first)
    assert all(heard.at - back <= BACK_WITHIN_S * 1000 for heard in first.values())
    for zone in ("early", "middle", "late"):
        told = {heard.note.contact for heard in outage.heard if heard.note.zone == zone}
        assert "duty-1" in told or "leader-1" in told
    # Without breakers: six incidents of up to four rows, each tried every 15 s for an hour.
    assert tried < 6 * 4 * 240 / 10
    outage.scene.store.verify_journal()


def test_each_person_hears_an_incidents_messages_in_their_order_and_each_once(
    outage: Outage,
) -> None:
    outage.danger("road", Grade.YELLOW)
    outage.run(60)
    outage.up = False
    outage.danger("road", Grade.RED)
    outage.run(900)
    outage.up = True

    outage.run(1200)

    heard: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in outage.heard:
        heard[one.note.contact, one.channel].append(one.note.seq)
    assert all(seqs == sorted(set(seqs)) for seqs in heard.values())
    ids = [one.note.id for one in outage.heard]
    assert len(ids) == len(set(ids))
    last = [one.note for one in outage.heard if one.note.contact == "leader-1"][-1]
    assert (last.kind, last.grade) == (Kind.ESCALATION, Grade.RED)
