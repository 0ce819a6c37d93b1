"""The page of figures over a real state: what is measured, what is unknown, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.api import build_api
from alerts.service import AlertService, AlertSettings
from core.broker import BrokerAddress
from core.clock import ManualClock
from core.grade import Grade
from dashboards.console import mount
from dashboards.console.feed import LiveFeed
from tests.alerts.scenery import Scene, level, place
from tests.alerts.test_alerts_api import Web
from tests.servers import free_port


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    scene = Scene(tmp_path)
    scene.say(level(Grade.RED))
    scene.clock.advance(90)
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.close()
    clock = ManualClock(scene.clock.ms + 1000)
    broker = BrokerAddress(port=free_port())
    service = AlertService(AlertSettings(state_url=scene.url), place(), broker, clock)
    app = build_api(service, community=place(), clock=clock, token=None)
    feed = LiveFeed(broker, place(), clock)
    forget = mount(
        app, incidents=service, feed=feed, history=None, ledger=None, community=place(), clock=clock
    )
    yield Web(app, "127.0.0.1")
    forget()
    service.stop()


def test_the_page_tells_the_figures_with_their_samples_and_targets(web: Web) -> None:
    page = web.get("/figures?lang=zh&days=1").text
    for part in ("社区韧性", "接手用时（中位数）", "90 秒", "n = 1", "目标 约 5 % [T]", "缺：内涝"):
        assert part in page
    assert "None" not in page
    assert "统计自" in page


def test_the_page_says_unknown_where_nobody_knows_and_speaks_english(web: Web) -> None:
    page = web.get("/figures?lang=en").text
    assert "detectors don&#39;t say" in page
    assert "missing: flood" in page
    assert web.get("/figures?days=0").status_code == 422


def test_the_figures_and_the_parts_are_served_as_json(web: Web) -> None:
    found = web.get("/api/v1/kpis").json()
    assert {one["name"]: one["value"] for one in found["figures"]}["ack-median"] == 90
    period = {"from": "2025-11-30T10:53:00Z", "to": "2025-11-30T10:54:00+00:00"}
    assert web.get("/api/v1/kpis", params=period).json()["grades"]["red"] == 1
    assert web.get("/api/v1/kpis", params={"from": "2025-11-30T10:53:00"}).status_code == 422
    assert web.get("/api/v1/kpis", params={"from": "2035-11-30T10:53:00Z"}).status_code == 422
    names = [part["name"] for part in web.get("/api/v1/resilience").json()]
    assert names[0] == "reporting"
