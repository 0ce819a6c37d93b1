"""An alarm flood: thousands of findings a minute lead to few messages, and red comes first."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core import topics
from core.clock import RunClock
from core.finding import Finding, encode_finding
from core.grade import Grade
from tests.alerts.running import Running
from tests.alerts.scenery import level
from tests.servers import Mosquitto, wait_until

ZONES = 120
PER_SECOND = 167  # 10,000 in a minute
LOW_LIMIT = 10  # messages of low grade to one contact in ten minutes (alerts.delivery)
RED_WITHIN_S = 5.0
LOW = (Grade.GREEN, Grade.BLUE, Grade.BLUE, Grade.YELLOW)


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Running]:
    running = Running(tmp_path, mosquitto.address, "flood")
    yield running
    running.stop()


def of_zone(index: int, grade: Grade) -> Finding:
    at = RunClock().now_ms()
    name = f"zone-{index}"
    return msgspec.structs.replace(
        level(grade, at=at), zone=name, subject=f"zone.{name}", since=at, judged=at
    )


def pour(site: Running, count: int, reds: dict[int, float]) -> tuple[dict[str, Grade], float]:
    """Publish at the rate of the flood; note when each red was said.

    Returns:
        Each zone's worst, and by how many seconds this machine fell behind the rate.
    """
    dice, clock = random.Random(11), site.clock
    worst: dict[str, Grade] = {}
    began_s, behind_s = clock.monotonic_s(), 0.0
    pause = site.receiver.released
    danger = dict(
        zip(dice.sample(range(count // 4, count), 6), range(ZONES, ZONES + 6), strict=True)
    )
    for number in range(count):
        index = danger.get(number, dice.randrange(ZONES))
        grade = Grade.RED if number in danger else dice.choice(LOW)
        finding = of_zone(index, grade)
        if number in danger:
            reds[index] = clock.monotonic_s()
        worst[finding.zone] = max(worst.get(finding.zone, Grade.GREEN), grade)
        topic = topics.finding(site.site, finding.subject, finding.rule)
        site.detector.publish(topic, encode_finding(finding), retain=True, expiry_s=120)
        ahead_s = number / PER_SECOND - (clock.monotonic_s() - began_s)
        behind_s = max(behind_s, -ahead_s)
        if ahead_s > 0:
            pause.wait(ahead_s)
    return worst, behind_s


@pytest.mark.parametrize(
    "count", [1500, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_a_flood_of_findings_leads_to_few_messages_and_red_within_five_seconds(
    site: Running, count: int
) -> None:
    came: dict[str, float] = {}
    site.receiver.heard = lambda request: came.setdefault(
        f"{request.json['data']['zone']} {request.json['data']['grade']}", site.clock.monotonic_s()
    )
    site.start()
    said: dict[int, float] = {}

    worst, behind_s = pour(site, count, said)

    site.wait_handled(count)
    wait_until(lambda: site.service.outbox().pending == 0, 60, what="an empty outbox")
    late_s = [came[f"zone-{index} red"] - at_s for index, at_s in said.items()]
    assert max(late_s) <= RED_WITHIN_S + behind_s  # a machine that can't even say it in time
    views = site.service.incidents(1000)
    peaks = {view.zone: view.peak for view in views}
    assert peaks == {zone: grade for zone, grade in worst.items() if grade}
    low = Counter(
        post["data"]["contact"] for post in site.posts() if post["data"]["grade"] != "red"
    )
    assert set(low) == {"duty-1"}  # nobody else is told of what is blue or yellow
    assert low["duty-1"] <= LOW_LIMIT
    states = Counter(note.state for view in views for note in view.notified)
    assert not {"failed", "dead", "pending"} & set(states)
    red = Counter(
        post["data"]["contact"] for post in site.posts() if post["data"]["grade"] == "red"
    )
    assert red == {"duty-1": 12, "deputy-1": 6, "leader-1": 6}  # the duty over two channels
    print(
        f"{count} findings, {len(views)} incidents: {sum(low.values()) + sum(red.values())} "
        f"messages, {states['suppressed']} kept for the digest; "
        f"red after {max(late_s):.2f} s at most"
    )
    site.service.verify_journal()
