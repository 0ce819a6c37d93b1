"""The pages about plans and people over a real service: who sees what, and what clicks do."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from alerts.api import build_api
from alerts.register_file import load_registers
from alerts.response_file import load_response
from alerts.service import AlertService, AlertSettings
from core.broker import BrokerAddress
from core.clock import ManualClock
from core.community_file import load_community
from core.finding import Because, Condition, Finding, Hazard
from core.grade import Grade
from dashboards.console import mount
from dashboards.console.feed import LiveFeed
from tests.alerts.response_samples import SAMPLE, at
from tests.alerts.test_alerts_api import TOKEN, Web
from tests.servers import free_port

ORIGIN = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
DUTY_PAGES = ("/duty", "/duty/reports", "/duty/plans", "/duty/registers", "/incidents/1/plan")


@dataclass
class Desk:
    """The console over a service of the sample community, without a broker."""

    service: AlertService
    clock: ManualClock
    web: Web
    app: FastAPI
    feed: LiveFeed
    token: str = ""

    def pass_time(self) -> None:
        self.clock.advance(2)
        self.service._pass_time()

    def page(self, path: str, language: str = "en") -> str:
        answer = self.web.get(path, params={"lang": language})
        assert answer.status_code == 200, (path, answer.text[:300])
        found = re.search(r'name="token" value="([^"]+)"', answer.text)
        self.token = found[1] if found else self.token
        return answer.text

    def click(self, path: str, **fields: str) -> httpx.Response:
        return self.web.post(path, data={"token": self.token, "who": "duty-2"} | fields,
                             headers=ORIGIN)  # fmt: skip

    def send(self, **fields: str) -> httpx.Response:
        """Send the residents' form as a browser does."""
        found = re.search(r'name="nonce" value="([^"]+)"', self.web.get("/report").text)
        assert found is not None
        return self.web.post("/report", data={"nonce": found[1], "website": ""} | fields)


def desk(
    directory: Path,
    host: str = "127.0.0.1",
    token: str | None = None,
    response: Path = SAMPLE / "response.toml",
) -> Desk:
    community = load_community(SAMPLE / "community.toml")
    clock = ManualClock(at("2026-11-25T03:00"))
    address = BrokerAddress(port=free_port())
    service = AlertService(
        AlertSettings(
            state_url=f"sqlite:///{directory}/alerts.db",
            response=load_response(response, community),
        ),
        community,
        address,
        clock,
    )
    volunteers = (SAMPLE / "volunteers.csv").read_bytes()
    service.people.take_register(volunteers, "volunteers.csv", "duty-1")
    app = build_api(service, community=community, clock=clock, token=token)
    feed = LiveFeed(address, community, clock)
    mount(app, incidents=service, feed=feed, history=None, ledger=None, community=community,
          clock=clock)  # fmt: skip
    made = Desk(service, clock, Web(app, host), app, feed)
    now = clock.now_ms()
    panel = Finding(
        subject="panel-1.alarm-input", rule="limit-high", zone="stairwell-3", hazard=Hazard.FIRE,
        grade=Grade.RED, condition=Condition.ACTIVE, at=now, since=now, judged=now,
        because=Because(value=1.0, unit="1", limit=1.0, limit_grade="red", side="high"),
    )  # fmt: skip
    service._watch.take(panel, 120)
    made.pass_time()
    return made


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    made = desk(tmp_path)
    yield made
    made.service.stop()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Desk]:
    made = desk(tmp_path, "203.0.113.7", TOKEN)
    yield made
    made.service.stop()


def test_every_page_stands_in_both_languages(here: Desk) -> None:
    for path in (*DUTY_PAGES, "/report", "/report/3/thanks"):
        chinese, english = here.page(path, "zh"), here.page(path, "en")
        assert 'lang="zh-CN"' in chinese
        assert 'lang="en"' in english


def test_the_night_duty_and_the_plan_of_the_fire_are_there(here: Desk) -> None:
    assert "夜班值班员" in here.page("/duty", "zh")
    plan = here.page("/incidents/1/plan", "zh")

    assert "打 119：滨河社区 3 号楼" in plan
    assert "1606" in plan
    assert "赵敏" not in plan  # asleep at three in the night
    assert "何晓东" in plan
    assert "过滤式自救呼吸器 × 4" in plan
    assert "/incidents/1/plan" in here.page("/incidents/1")


def test_a_step_and_a_door_are_ticked_with_one_click(here: Desk) -> None:
    here.page("/incidents/1/plan")

    step = here.click("/incidents/1/plan/step", step="call-119")
    door = here.click("/incidents/1/plan/door", mode="needs-help", door="stairwell-3/1204")

    assert (step.status_code, door.status_code) == (303, 303)
    plan = here.service.people.plan(1)
    assert plan is not None
    assert plan.steps[0].done is not None
    assert plan.roll_call[0].ticked["1204"].by == "duty-2"
    assert "needs help 1" in here.page(door.headers["location"].partition("#")[0])
    wrong = here.click("/incidents/1/plan/door", mode="found", door="stairwell-3/9999")
    assert wrong.status_code == 409
    assert "there is none" in wrong.text


def test_a_click_that_was_not_meant_changes_nothing(here: Desk) -> None:
    here.page("/duty")
    elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}

    forged = here.web.post("/duty/hand-over", data={"token": here.token, "who": "duty-2",
                           "text": "x"}, headers=elsewhere)  # fmt: skip

    assert forged.status_code == 403
    assert here.service.people.hand_overs() == []


def test_a_hand_over_is_before_the_next_shift_until_somebody_has_read_it(here: Desk) -> None:
    here.page("/duty")
    here.click("/duty/hand-over", text="泵 3 在漏水 <b>")

    page = here.page("/duty")
    assert "泵 3 在漏水 &lt;b&gt;" in page
    assert "nobody has read" in here.page("/")
    own = here.click("/duty/take", number="1")
    assert own.status_code == 409
    assert "somebody else" in own.text
    assert here.click("/duty/take", number="1", who="duty-1").status_code == 303

    assert "nobody has read" not in here.page("/")
    assert here.service.people.hand_overs()[0].taken_by == "duty-1"


def test_the_screen_of_the_duty_room_offers_the_one_on_shift_not_the_last_shift(
    here: Desk,
) -> None:
    def offered() -> list[str]:
        return re.findall(r'<option value="([^"]+)" selected', here.page("/incidents/1"))

    assert set(offered()) == {"duty-2"}  # it is 3 o'clock
    here.click("/duty/hand-over", text="all quiet", who="leader-1")
    assert set(offered()) == {"leader-1"}  # always on call
    here.click("/duty/hand-over", text="all quiet", who="duty-2")
    here.clock.advance(8 * 3600)

    assert set(offered()) == {"duty-1"}


def test_a_stand_in_is_noted_in_local_time(here: Desk) -> None:
    here.page("/duty")
    fields = {"contact": "duty-2", "stand_in": "deputy-1", "begin": "2026-11-25T03:00"}

    assert here.click("/duty/absence", end="2026-11-25T08:00", **fields).status_code == 303
    assert here.click("/duty/absence", end="soon", **fields).status_code == 422

    assert here.service.people.duty().roles["duty"] == ("deputy-1",)
    assert "for 夜班值班员" in here.page("/duty")


def test_supplies_are_counted_and_registers_imported(here: Desk) -> None:
    here.page("/duty/registers")
    assert here.click("/duty/count", supply="sandbag-ramp", quantity="12").status_code == 303
    assert "below 40" in here.page("/duty/registers")
    assert here.click("/duty/count", supply="sandbag-ramp", quantity="many").status_code == 422

    def take(name: str, data: bytes) -> httpx.Response:
        fields = {"token": here.token, "who": "duty-2"}
        return here.web.post("/duty/registers/import", data=fields, headers=ORIGIN,
                             files={"file": (name, data)})  # fmt: skip

    good = take("new.csv", "id,name,skills,consent\nvol-x,周 九,pump,2026-10-01\n".encode())
    assert "Taken: 1 volunteers" in good.text
    assert take("new.csv", b"nonsense\n").status_code == 422
    assert take("new.csv", b"x" * 2_100_000).status_code == 413
    here.page("/duty/registers")
    here.click("/duty/erase", volunteer="vol-x")
    assert "周 九" not in here.page("/duty/registers")


def test_a_resident_reports_without_scripts_and_the_duty_decides(here: Desk) -> None:
    form = here.web.get("/report?zone=underpass").text
    assert "<script" not in form
    assert 'value="underpass" selected' in form

    sent = here.send(hazard="flood", zone="underpass", text="车里有人 <i>", phone="1")

    assert sent.status_code == 303
    assert "R1" in here.web.get(sent.headers["location"]).text
    here.pass_time()
    here.pass_time()
    assert "1 reports of residents wait" in here.page("/")
    [about] = [one for one in here.service.incidents() if one.zone == "underpass"]
    assert "What residents say" in here.page(f"/incidents/{about.number}")
    page = here.page("/duty/reports")
    assert "车里有人 &lt;i&gt;" in page
    assert here.click("/duty/reports/1/dismiss", note="").status_code == 409
    assert here.click("/duty/reports/1/confirm", grade="orange", note="水到车轮").status_code == 303
    here.pass_time()
    grades = {card.zone: card.grade for card in here.service.open_incidents()}
    assert grades["underpass"] is Grade.ORANGE


def test_programs_that_fill_in_everything_are_thanked_and_ignored(here: Desk) -> None:
    sent = here.send(hazard="fire", zone="tower-3", website="http://spam.example")

    assert sent.status_code == 303
    assert here.service.people.reports.latest() == []


def test_a_form_that_another_site_sends_reports_nothing(here: Desk) -> None:
    forced = here.web.post(
        "/report", data={"nonce": "n", "zone": "underpass", "hazard": "flood"},
        headers={"sec-fetch-site": "cross-site"},
    )  # fmt: skip
    assert forced.status_code == 403
    assert here.service.people.reports.latest() == []


def test_what_is_missing_or_too_much_is_said_and_what_was_typed_stays(here: Desk) -> None:
    no_hazard = here.send(zone="tower-3", text="很多烟")
    assert no_hazard.status_code == 422
    assert "很多烟" in no_hazard.text
    assert here.send(hazard="fire", zone="tower-3", text="烟" * 4000).status_code == 413
    statuses = [here.send(hazard="fire", zone="tower-3").status_code for _ in range(5)]
    assert statuses.count(303) == 3  # five within ten minutes, the two above counted
    assert "010-5550 0000" in here.send(hazard="fire", zone="tower-3").text


def test_who_has_not_signed_in_reads_no_name_no_number_and_no_words(stranger: Desk) -> None:
    stranger.send(hazard="flood", zone="underpass", text="车里有人", name="孙女士", phone="5550777")
    stranger.pass_time()
    stranger.service.people.hand_over("duty-1", "钥匙在抽屉")

    for path in (*DUTY_PAGES, "/"):
        page = stranger.page(path, "zh")
        for private in ("车里有人", "孙女士", "5550777", "陈秀兰", "5550 0101", "钥匙在抽屉"):
            assert private not in page, (path, private)
    stranger.page("/duty")
    assert stranger.click("/duty/hand-over", text="x").status_code == 401
    assert stranger.click("/duty/reports/1/dismiss", note="x").status_code == 401


def test_the_register_of_the_sample_fits_its_place() -> None:
    community = load_community(SAMPLE / "community.toml")

    assert len(load_registers(SAMPLE / "volunteers.csv", community).volunteer) == 5


def test_a_step_that_nobody_owns_stands_in_its_plan_and_is_marked(tmp_path: Path) -> None:
    file = tmp_path / "response.toml"
    whole = (SAMPLE / "response.toml").read_text(encoding="utf-8")
    plan, step = whole.index('id = "fire-tower-3-red"'), 'role = "duty"\n'
    file.write_text(whole[:plan] + whole[plan:].replace(step, "", 1), encoding="utf-8")
    made = desk(tmp_path, response=file)
    try:
        for page in ("/duty/plans", "/incidents/1/plan", "/incidents/1"):
            assert '<b class="warning">无人负责</b>' in made.page(page, "zh"), page
            assert '<b class="warning">owned by nobody</b>' in made.page(page, "en"), page
        assert "无人负责：写明角色 role" in made.page("/duty/plans", "zh")
    finally:
        made.service.stop()


_REFUSED: tuple[tuple[str, dict[str, str], str, str], ...] = (
    ("/duty/take", {"number": "9"}, "没有编号 9 的交班记录", "hand-over 9: there is none"),
    ("/duty/hand-over", {"text": "泵" * 5000}, "交班记录至多 4000 个字", "at most 4000 char"),
    (
        "/duty/absence",
        {"contact": "duty-1", "stand_in": "duty-1", "begin": "2026-11-25T08:00",
         "end": "2026-11-25T20:00"},
        "替班的须是另一个人",
        "stand_in: expected somebody else",
    ),
    ("/duty/count", {"supply": "boat", "quantity": "1"}, "没有物资", "there is none"),
    ("/duty/withdraw", {"volunteer": "vol-99"}, "没有志愿者", "there is none"),
    ("/duty/reports/7/end", {}, "没有编号 7 的上报", "report 7: there is none"),
    ("/incidents/1/plan/door", {"door": "moon/1", "mode": "found"}, "这一户", "there is none"),
)  # fmt: skip


def test_what_the_counter_refuses_is_said_in_the_readers_language(here: Desk) -> None:
    here.page("/duty")

    for path, typed, zh, en in _REFUSED:
        for language, said, other in (("zh", zh, en), ("en", en, zh)):
            refused = here.click(f"{path}?lang={language}", **typed)
            words = html.unescape(refused.text)

            assert refused.status_code == 409, path
            assert said in words, (path, language)
            assert other not in words, (path, language)
