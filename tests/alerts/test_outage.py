"""Every vendor is down for an hour and comes back: nobody is forgotten, nothing old is told as new.

The production worker, watch and webhooks over real HTTP, driven by hand over a clock that the test
moves: an hour passes in seconds, and every deadline, back-off and rest is the production one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from alerts.channels import open_channels
from alerts.channels.entry import ChannelEntry
from alerts.dispatch import Claimed
from alerts.incident import Kind
from alerts.metrics import Metrics
from alerts.routing import MAX_AGE_MS
from alerts.worker import Worker
from core.finding import Finding
from core.grade import Grade
from tests.alerts.samples import SECRET
from tests.alerts.scenery import Scene, level
from tests.alerts.vendor import Reply, Request, Vendor

HOUR_S = 3600
STEP_S = 15
# How a vendor is down: it is busy, its proxy says so in HTML, or it hangs up.
DOWN = (
    Reply(503),
    Reply(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}),
    Reply(how="reset"),
)
CHANNELS = ("hook", "second")
# The longest rest of a breaker, and the longest back-off of red.
BACK_WITHIN_S = 300 + 30


class Heard(NamedTuple):
    """One message that arrived: when (run ms), over what, and what it says."""

    at: int
    channel: str
    note: dict[str, Any]

    @property
    def grade(self) -> Grade:
        """What it warns of."""
        return Grade[self.note["grade"].upper()]


class Outage:
    """A scene whose worker is turned by hand."""

    def __init__(self, directory: Path) -> None:
        self.scene = Scene(directory)
        self.vendor = Vendor(self._answer)
        self.up = True
        self.attempts = 0
        self.heard: list[Heard] = []
        self.dangers: dict[str, Grade] = {}
        secret = directory / "hook.key"
        secret.write_text(SECRET)
        self.channels = open_channels(
            ChannelEntry(
                name=name, kind="webhook", url=f"{self.vendor.base}/{name}",
                secret_file=str(secret), allow_private=True,
            )
            for name in CHANNELS
        )  # fmt: skip
        self.worker = Worker(
            self.scene.database, self.channels, self.scene.clock, Metrics(), owner="me",
            told=lambda _numbers: None, health=lambda _name, _outcome: None,
        )  # fmt: skip

    def _answer(self, request: Request) -> Reply:
        self.attempts += 1
        if not self.up:
            return DOWN[self.attempts % len(DOWN)]
        note = request.json["data"]
        self.heard.append(Heard(self.scene.clock.ms, request.path.strip("/"), note))
        return Reply(204)

    def close(self) -> None:
        for channel in self.channels.values():
            channel.close()
        self.vendor.close()
        self.scene.close()

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
        items = [waiting.get_nowait()[-1] for waiting in queues for _ in range(waiting.qsize())]
        return [row for row in items if row is not None]

    def _finding(self, zone: str) -> Finding:
        return msgspec.structs.replace(
            level(self.dangers[zone], at=self.scene.clock.ms), zone=zone, subject=f"zone.{zone}"
        )


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    made = Outage(tmp_path)
    yield made
    made.close()


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
        first.setdefault(heard.note["zone"], heard)
        age_ms = heard.at - heard.note["at"]
        assert age_ms <= MAX_AGE_MS[heard.grade], "a stale message was sent as new"
        current = outage.dangers[heard.note["zone"]]
        assert heard.grade <= current or heard.note["at"] > back
    assert {"early", "middle", "late", "orange"} <= set(first)
    assert all(heard.at - back <= BACK_WITHIN_S * 1000 for heard in first.values())
    for zone in ("early", "middle", "late"):
        told = {heard.note["contact"] for heard in outage.heard if heard.note["zone"] == zone}
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
        heard[one.note["contact"], one.channel].append(one.note["seq"])
    assert all(seqs == sorted(set(seqs)) for seqs in heard.values())
    ids = [one.note["id"] for one in outage.heard]
    assert len(ids) == len(set(ids))
    last = [one for one in outage.heard if one.note["contact"] == "leader-1"][-1]
    assert (last.note["kind"], last.grade) == (Kind.ESCALATION, Grade.RED)
