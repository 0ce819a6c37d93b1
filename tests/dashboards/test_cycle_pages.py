"""The stages of an incident and what is withheld, on pages over the real desks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from alerts.access import Access
from alerts.desk import IncidentDesk
from alerts.desks import Desks
from alerts.evidence import Lesson, Need, PlanStep
from alerts.withholding import Scope, WithholdingKind
from core.broker import BrokerAddress
from core.community import Name
from core.grade import GRADE_FACTS, Grade
from dashboards.console import mount
from dashboards.console.feed import LiveFeed
from dashboards.console.phrases import PHRASES
from tests.alerts.scenery import Scene, level
from tests.alerts.test_lesson_backtest import NEW, OLD, OTHER, plan_test, profile_test
from tests.servers import free_port


class Browser:
    """A browser on this machine; keeps cookies, follows no redirect."""

    def __init__(self, app: FastAPI) -> None:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765")

    def get(self, path: str, **query: str) -> httpx.Response:
        return asyncio.run(self._client.get(path, params=query))

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """Post a form of the page as a browser does: with its token, from its own origin."""
        token = self._client.cookies.get("se_token", "")
        whole = {"token": token, "who": "duty-1"} | fields
        headers = {"origin": "http://127.0.0.1:8765"}
        return asyncio.run(self._client.post(path, data=whole, headers=headers))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.store.verify_journal()
    made.close()


@pytest.fixture
def browser(scene: Scene) -> Browser:
    desk = IncidentDesk(scene.store, scene.watch, scene.clock, lambda: None)
    desk.desks = Desks(cycle=scene.cycle, withholding=scene.withholding)
    app = FastAPI()
    app.state.access = Access(None, scene.clock)
    feed = LiveFeed(BrokerAddress(port=free_port()), scene.community, scene.clock)
    mount(
        app, incidents=desk, feed=feed, history=None, ledger=None,
        community=scene.community, clock=scene.clock,
    )  # fmt: skip
    made = Browser(app)
    made.get("/")
    return made


def stage_shown(page: httpx.Response) -> str:
    found = re.search(r'aria-current="step"><i[^>]*>\d</i>([^<]+)<', page.text)
    assert found is not None
    return found[1]


def test_each_stage_shows_where_it_is_and_the_one_thing_that_is_next(
    scene: Scene, browser: Browser
) -> None:
    scene.say(level(Grade.ORANGE))
    page = browser.get("/incidents/1")
    assert stage_shown(page) == "已预警"
    assert "下一步：先接手" in page.text

    scene.watch.acknowledge(1, "duty-1", "console")
    page = browser.get("/incidents/1", lang="en")
    assert stage_shown(page) == "deciding"
    assert "Next: Decide what to do" in page.text
    assert "act as the plan says" in page.text


def test_an_incident_is_taken_to_its_end_by_clicks(scene: Scene, browser: Browser) -> None:
    scene.say(level(Grade.ORANGE))
    assert browser.post("/incidents/1/cycle/decide?which=act", mandate="plan").status_code == 303
    scene.cycle.adopt_plan(
        1, "flood@1", (PlanStep(id="pump", text=Name("开泵", "Start the pump")),), "duty-1"
    )
    assert "Start the pump" in browser.get("/incidents/1", lang="en").text
    assert browser.post("/incidents/1/cycle/step?which=pump").status_code == 303
    assert browser.post("/incidents/1/cycle/safe", seen="dry, I think").status_code == 303
    assert "look again once they are back" in browser.get("/incidents/1", lang="en").text
    scene.later(600, level(Grade.GREEN))
    assert browser.post("/incidents/1/cycle/safe", seen="dry").status_code == 303
    assert "look again" not in browser.get("/incidents/1", lang="en").text
    scene.later(60, level(Grade.GREEN))
    page = browser.get("/incidents/1", lang="en")
    assert stage_shown(page) == "reviewing"
    assert "from taking over to the decision" in page.text
    assert "Close the incident" not in page.text
    first = browser.get("/", lang="en").text
    assert "Reviews owed: 1" in first
    assert '<a href="/incidents/1">incident #1</a>' in first

    assert browser.post("/incidents/1/cycle/review", review="All well.").status_code == 303
    lesson = {"target": "plan", "change": "pump first", "no_backtest": "no readings"}
    assert browser.post("/incidents/1/cycle/lesson", **lesson).status_code == 303
    approve = "/incidents/1/cycle/approve?which=lesson-1"
    assert browser.post(approve, who="leader-1").status_code == 303
    unseen = browser.get("/incidents/1", lang="en").text
    assert "Close the incident" in unseen
    assert "whether it is applied can&#39;t be seen" in unseen
    assert browser.post("/incidents/1/cycle/close", who="leader-1").status_code == 303
    page = browser.get("/incidents/1", lang="en")
    assert "pump first" in page.text
    assert "verified by readings and on site" in page.text


def test_a_refusal_says_why_in_the_readers_language_and_keeps_what_was_typed(
    scene: Scene, browser: Browser
) -> None:
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))
    fields = {"review": "Two pages of honest words.", "change": "less", "target": ""}

    answer = browser.post("/incidents/1/cycle/lesson", **fields)

    assert answer.status_code == 409
    assert "请填写要改什么" in answer.text
    assert "Two pages of honest words." in answer.text


@pytest.mark.parametrize(
    ("fields", "status"), [({"token": "forged"}, 403), ({"who": "other", "other": " "}, 422)]
)
def test_a_form_of_another_page_or_of_nobody_changes_nothing(
    scene: Scene, browser: Browser, fields: dict[str, str], status: int
) -> None:
    scene.say(level(Grade.ORANGE))
    before = scene.happened()

    assert browser.post("/incidents/1/cycle/decide?which=act", **fields).status_code == status
    assert browser.post("/withheld", kind="shelved", **fields).status_code == status
    assert scene.happened() == before
    assert scene.withholding.latest() == []


def test_an_unknown_act_or_incident_is_not_found(scene: Scene, browser: Browser) -> None:
    scene.say(level(Grade.ORANGE))

    assert browser.post("/incidents/1/cycle/explode").status_code == 404
    assert browser.post("/incidents/9/cycle/note").status_code == 404


def test_looking_at_what_would_be_hidden_hides_nothing(scene: Scene, browser: Browser) -> None:
    scene.say(level(Grade.ORANGE))
    asked = {"kind": "shelved", "sensor": "gauge-1", "minutes": "60", "up_to": "orange",
             "reason": "cleaning"}  # fmt: skip

    page = browser.get("/withheld", look="1", lang="en", **asked)

    assert "gauge-1.water-level limit-high" in page.text
    assert "王 五" in page.text  # would not be told
    assert scene.withholding.latest() == []
    assert browser.post("/withheld", **asked).status_code == 303
    assert scene.withholding.standing()[0].reason == "cleaning"


def test_what_is_withheld_stands_on_the_first_page_and_on_the_incident(
    scene: Scene, browser: Browser
) -> None:
    scene.say(level(Grade.YELLOW))
    until = scene.clock.now_ms() + 3_600_000
    scene.withholding.withhold(
        WithholdingKind.SHELVED, Scope(sensor="gauge-1"), "duty-1", "cleaning", until=until
    )

    first, page = browser.get("/").text, browser.get("/incidents/1").text
    assert "1 项暂停通知" in first
    assert "没有人会收到通知" in first
    assert "cleaning" in page

    assert browser.post("/withheld/1/extend", minutes="60").status_code == 303
    assert browser.post("/withheld/1/release").status_code == 303
    assert "项暂停通知" not in browser.get("/").text
    assert "人工恢复" in browser.get("/withheld").text


def test_red_can_not_be_hidden_from_the_page_without_a_second_person(
    scene: Scene, browser: Browser
) -> None:
    asked = {"kind": "out-of-service", "sensor": "gauge-1", "minutes": "60", "up_to": "red",
             "reason": "repair"}  # fmt: skip

    answer = browser.post("/withheld", **asked)
    assert (answer.status_code, "两个不同的人" in answer.text) == (409, True)
    assert browser.post("/withheld", second="leader-1", **asked).status_code == 303
    assert scene.withholding.standing()[0].second == "leader-1"


def test_nonsense_in_a_form_is_refused_and_no_stack_trace(browser: Browser) -> None:
    shelved = {"kind": "shelved"}
    for wrong in ({"kind": "magic"}, {"up_to": "pink"}, {"minutes": "many"}, {"hazard": "war"}):
        fields = shelved | wrong
        answer = browser.post("/withheld", reason="x", **fields)
        assert answer.status_code == 422, fields
    assert browser.get("/withheld", look="1", up_to="pink").status_code == 200


def test_every_word_that_is_put_together_has_its_phrase() -> None:
    wanted = {f"next_{need}" for need in Need} | {"next_close", "next_none"}
    wanted |= {f"kind_{kind}{tail}" for kind in WithholdingKind for tail in ("", "_why")}
    wanted |= {f"ended_{how}" for how in ("settled", "unattended", "verified", "by-hand")}
    wanted |= {f"cap_{facts.cap_severity}" for facts in GRADE_FACTS.values()}
    wanted |= {f"tested_{word}" for word in ("better", "worse", "mixed", "same", "nothing")}
    wanted |= {f"released_{how}" for how in ("expired", "by-hand")}

    assert wanted <= set(PHRASES)


def test_an_approved_lesson_says_whether_the_hub_has_loaded_another_file_since(
    scene: Scene, browser: Browser
) -> None:
    scene.versions["response.toml"] = "0a1b2c3d4e5f"
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))
    lesson = {"target": "response.toml", "change": "pump first", "no_backtest": "no readings"}
    browser.get("/incidents/1", lang="en")
    browser.post("/incidents/1/cycle/lesson", **lesson)
    browser.post("/incidents/1/cycle/approve?which=lesson-1", who="leader-1")

    page = browser.get("/incidents/1", lang="zh").text
    assert "! 尚未落实：response.toml 仍是复盘时的版本（0a1b2c3d4e5f）" in page
    scene.versions["response.toml"] = "1b2c3d4e5f60"
    page = browser.get("/incidents/1", lang="en").text
    assert "✓ applied: response.toml is another one now (0a1b2c3d4e5f → 1b2c3d4e5f60)" in page
    browser.post("/incidents/1/cycle/lesson", **lesson, after="1b2c3d4e5f60")
    browser.post("/incidents/1/cycle/approve?which=lesson-2", who="leader-1")
    page = browser.get("/incidents/1", lang="zh").text
    assert "✓ 已落实：response.toml 复盘时已是改后版本（1b2c3d4e5f60）" in page


def test_who_approves_sees_the_back_test_before_and_after_and_signs_what_they_saw(
    scene: Scene, browser: Browser
) -> None:
    scene.versions["community.toml"] = OLD[:12]
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))
    browser.get("/incidents/1", lang="en")
    browser.post("/incidents/1/cycle/lesson", target="community.toml", change="+ yellow = 0.12")
    page = browser.get("/incidents/1", lang="en").text
    assert "--lesson 1/lesson-1" in page
    assert "Not back-tested: </b>nobody says why" in page
    test = msgspec.json.encode(profile_test(scene)).decode()

    attach = "/incidents/1/cycle/attach?which=lesson-1"
    for typed in ("it was better", '{"x":' + "[" * 50_000):
        refused = browser.post(attach, **{"evidence-lesson-1": typed})
        assert (refused.status_code, "--out wrote" in refused.text) == (409, True)
    assert browser.post(attach, **{"evidence-lesson-1": test}).status_code == 303

    page = browser.get("/incidents/1", lang="en").text
    assert f"community.toml: {OLD[:12]} → {NEW[:12]}: better" in page
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', page)
    assert ("yellow (III)", "12 min before", "41 min before") in rows
    assert ("False alerts (yellow or worse)", "0", "1") in rows
    assert ("Alerts, by worst grade", "red (I) × 1", "red (I) × 1, yellow (III) × 1") in rows
    assert "1440 readings (10-minute roll-ups, warming up included: 12)" in page
    page = browser.get("/incidents/1", lang="zh").text
    assert '<th scope="col">现用</th><th scope="col">建议</th>' in page
    assert "<td>提前 12 分钟</td><td>提前 41 分钟</td>" in page
    assert "下穿通道，内涝：险情 1 次，更好" in page

    approve = "/incidents/1/cycle/approve?which=lesson-1@{}"
    stale = browser.post(approve.format(1), who="leader-1")
    assert (stale.status_code, "请重新阅读" in stale.text) == (409, True)
    assert f"approve?which={'lesson-1%402'}" in stale.text
    assert browser.post(approve.format(2), who="leader-1").status_code == 303
    scene.versions["community.toml"] = OTHER[:12]
    page = browser.get("/incidents/1", lang="en").text
    assert f"({OTHER[:12]}) is not the one that was back-tested ({NEW[:12]})" in page
    scene.versions["community.toml"] = NEW[:12]
    scene.cycle.note_applied()
    scene.versions["community.toml"] = OTHER[:12]
    assert "此后 community.toml 又有改动" in browser.get("/incidents/1", lang="zh").text


def test_a_lesson_that_can_not_be_replayed_says_so_and_plans_show_lint_and_drill(
    scene: Scene, browser: Browser
) -> None:
    scene.versions["response.toml"] = OTHER[:12]
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))
    browser.get("/incidents/1", lang="zh")
    lesson = {"target": "response.toml", "change": "pump first"}
    browser.post("/incidents/1/cycle/lesson", **lesson, no_backtest="没有读数")
    assert (
        "--response NEW.toml --against response.toml --lesson 1/lesson-1"
        in browser.get("/incidents/1").text
    )
    assert "未回测：</b>没有读数" in browser.get("/incidents/1", lang="zh").text

    scene.cycle.attach_backtest(1, "lesson-1", "duty-1", plan_test(scene))

    page = browser.get("/incidents/1", lang="zh").text
    assert '<th scope="row">需要处理</th><td>2</td><td>2</td>' in page
    assert "no-owner: plan flood: step pump</th><td>有</td><td>已改正</td>" in page
    assert "no-calls: plan flood</th><td>–</td><td>新出现</td>" in page
    assert "最近一次演练 drill-1（下穿通道" in page
    assert "未通过；发现：4 秒，送达：2 秒，接手：没有" in page
    assert "better and worse" in browser.get("/incidents/1", lang="en").text


def test_a_lesson_of_chattering_begins_with_the_remedy(scene: Scene, browser: Browser) -> None:
    for i in range(1, 9):
        at = 1_764_500_000_000 + 5000 * i
        scene.say(level(Grade.ORANGE if i % 2 else Grade.GREEN, at=at))
    scene.later(4000, level(Grade.GREEN, at=1_764_500_100_000))

    page = browser.get("/incidents/1").text
    assert "反复报警" in page
    assert "dwell_up_s" in page
    lesson = Lesson(id="", version=0, target="x", change="y", at=0, by="")
    scene.cycle.write_lesson(1, "duty-1", lesson)
