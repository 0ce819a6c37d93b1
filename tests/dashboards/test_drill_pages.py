"""The pages of drills over a real desk: what runs, what was, what is due, the end by a click."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.api import build_api
from alerts.desk import IncidentDesk
from alerts.desks import Desks
from alerts.drill import DrillState
from core.broker import BrokerAddress
from core.grade import Grade
from dashboards.console import mount
from dashboards.console.feed import LiveFeed
from tests.alerts.scenery import level
from tests.alerts.test_alerts_api import Web
from tests.alerts.test_drills import Desk
from tests.servers import free_port


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.scene.close()


@pytest.fixture
def web(desk: Desk) -> Iterator[Web]:
    scene = desk.scene
    incidents = IncidentDesk(scene.store, scene.watch, scene.clock, lambda: None)
    incidents.desks = Desks(drills=desk.desk)
    app = build_api(incidents, community=scene.community, clock=scene.clock, token=None)
    feed = LiveFeed(BrokerAddress(port=free_port()), scene.community, scene.clock)
    forget = mount(
        app, incidents=incidents, feed=feed, history=None, ledger=None,
        community=scene.community, clock=scene.clock,
    )  # fmt: skip
    yield Web(app, "127.0.0.1")
    forget()


def page(web: Web, path: str, language: str = "zh") -> str:
    answer = web.get(path, params={"lang": language})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_without_any_drill_the_page_says_so_and_what_was_never_drilled(web: Web) -> None:
    assert "还没有演练" in page(web, "/drills")
    text = page(web, "/drills", "en")
    assert "No drill yet" in text
    assert "night, 0 to 8 h" in text
    assert text.count("never") >= 4


def test_a_running_drill_is_marked_everywhere_and_stands_behind_the_real_thing(
    web: Web, desk: Desk
) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)
    desk.scene.say(level(Grade.BLUE))

    now = page(web, "/")
    assert "【演练】下穿通道水位" in now
    assert "演练 · 没有险情" in now
    assert now.index('data-grade="1"') < now.index('data-grade="4"')
    assert "正在演练" in page(web, "/drills")
    one = page(web, f"/drills/{drill.id}")
    assert "中止演练" in one
    assert "首条消息送达" in one
    assert "[DRILL]" in page(web, "/incidents", "en")


def test_a_click_breaks_it_off(web: Web, desk: Desk) -> None:
    drill = desk.run()
    form = page(web, f"/drills/{drill.id}")
    token = re.search(r'name="token" value="([^"]+)"', form)
    assert token is not None
    origin = {"origin": "http://127.0.0.1:8765"}

    forged = web.post(f"/drills/{drill.id}/abort", data={"token": "x"}, headers=origin)
    assert forged.status_code == 403
    assert desk.now(drill).state is DrillState.RUNNING
    done = web.post(f"/drills/{drill.id}/abort", data={"token": token[1]}, headers=origin)

    assert done.status_code == 303
    assert desk.now(drill).state is DrillState.ABORTED
    again = web.post(f"/drills/{drill.id}/abort", data={"token": token[1]}, headers=origin)
    assert again.status_code == 409
    assert f"演练 {drill.id} 已经结束" in again.text


def test_a_drill_that_is_over_shows_how_it_went_and_its_files(web: Web, desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)
    desk.desk.finish(drill.id, "duty-1")
    desk.desk.add_evidence(drill.id, "/var/lib/report.html", "ab" * 32)

    text = page(web, f"/drills/{drill.id}", "en")

    assert "not passed" in text
    assert "ab" * 32 in text
    assert "/incidents/1" in text
    assert "Break it off" not in text
    assert "not passed" in page(web, "/drills", "en")
    assert '<ul class="cover">' in text  # four columns; lists of who was told have others
    assert "cover told" not in text


@pytest.mark.parametrize("name", ["d-0", "%3Cscript%3E", "..%2f..%2fetc"])
def test_what_is_no_drill_is_not_found(web: Web, name: str) -> None:
    answer = web.get(f"/drills/{name}")

    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
