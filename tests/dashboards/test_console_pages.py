"""Pages and their API, over HTTP, without a browser: wording, safety, and honest absence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from alerts.views import ActedView, LadderView
from core.act import ActingState, OutputState
from core.community import Name
from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from core.identity import SeriesId
from core.quality import Reason
from core.quantity import Quantity
from core.status import StationStatus
from core.trouble import Trouble
from dashboards.console import site as console_site
from dashboards.console.phrases import PHRASES
from ingest.station_ledger import StationLedger
from tests.dashboards.console_stage import (
    Stage,
    accepted,
    an_incident,
    online,
    reading,
    sample_community,
    stage,
)
from tests.servers import Mosquitto, wait_until

EVIL = '<script>alert("x")</script>'


def ledger() -> list[StationLedger]:
    return [
        StationLedger(station="north-1", produced=100, stored=97, quarantined=2, pending=1),
        StationLedger(station="tower-3", produced=10, stored=4),
    ]


def acting(status: StationStatus) -> StationStatus:
    """A station whose siren sounds, unheard, and whose mandate has expired."""
    siren = OutputState(on=True, why="limit", sounded=False)
    state = ActingState(
        mandate="Li Wei, 2026-01-01, until 2026-02-01", valid=False, alone_ms=90_000,
        outputs={"siren": siren, "pump": OutputState(on=False, fault="does not answer")},
    )  # fmt: skip
    return msgspec.structs.replace(status, acting=state)


@pytest.fixture(scope="module")
def console(mosquitto: Mosquitto) -> Iterator[Stage]:
    community = sample_community()
    place = msgspec.structs.replace(community.site, id="pages")
    community = msgspec.structs.replace(community, site=place)
    with stage(mosquitto.address, community, ledger=ledger) as ready:
        now = ready.clock.now_ms()
        said = online(now, spooled=3, checksum_errors=7.0, undervoltage=1.0)
        ready.stations.status("north-1", acting(said))
        ready.stations.pack(
            "north-1",
            [
                reading("gauge-1", Quantity.WATER_LEVEL, now - 2000, 0.281),
                reading("gauge-1", Quantity.WATER_LEVEL, now - 1000, 0.291),
                reading("gauge-2", Quantity.WATER_LEVEL, now, 4.9, Reason.SATURATED),
            ],
        )
        wait_until(
            lambda: ready.feed.latest(SeriesId("gauge-2", Quantity.WATER_LEVEL)), what="readings"
        )
        ready.incidents.grade(
            ZoneGrade(
                zone="underpass",
                hazard=Hazard.FLOOD,
                grade=Grade.RED,
                condition=Condition.ACTIVE,
                since=now,
                at=now,
            )
        )
        ready.incidents.put(
            an_incident(
                7,
                opened_at=now,
                changed_at=now,
                why=Name(zh=EVIL, en=EVIL),
                notified=(accepted("duty-1", now, state="failed", detail=EVIL),),
            )
        )
        yield ready


@pytest.fixture
def browser(console: Stage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=console.url, timeout=10) as client:
        yield client


def test_every_page_answers_in_both_languages_with_the_policy(browser: httpx.Client) -> None:
    for path in ("/", "/incidents", "/incidents/7", "/sensors", "/sensors/gauge-1", "/stations"):
        for language, lang in (("zh", "zh-CN"), ("en", "en")):
            answer = browser.get(path, params={"lang": language})
            assert answer.status_code == 200, path
            assert f'<html lang="{lang}">' in answer.text
            policy = answer.headers["content-security-policy"]
            assert "script-src 'self'" in policy
            assert "unsafe" not in policy


def test_no_page_needs_anything_from_elsewhere(browser: httpx.Client) -> None:
    page = browser.get("/").text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    assert [link for link in links if "//" in link] == []
    for link in links:
        if link.startswith("/static/"):
            assert browser.get(link).status_code == 200, link
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert 'style="' not in page


def test_text_of_devices_and_vendors_is_escaped(browser: httpx.Client) -> None:
    for path in ("/", "/incidents/7"):
        page = browser.get(path).text
        assert EVIL not in page
        assert "&lt;script&gt;" in page


def test_a_zone_shows_its_grade_by_shape_numeral_and_word(browser: httpx.Client) -> None:
    zones = browser.get("/parts/zones").text
    tile = next(part for part in zones.split("<li") if "下穿通道" in part)
    assert "tile red" in tile
    assert "<polygon" in tile
    assert ">I</text>" in tile
    assert "红色 I 级 · 内涝" in tile


def test_a_zone_that_nobody_judged_is_unknown_and_never_green(browser: httpx.Client) -> None:
    zones = browser.get("/parts/zones").text
    tile = next(part for part in zones.split("<li") if "活动室" in part)
    assert "tile unknown" in tile
    assert "未知，不等于安全" in tile
    assert "tile green" not in zones


def test_a_zone_said_green_whose_sensors_are_all_silent_is_unknown(
    console: Stage, browser: httpx.Client
) -> None:
    now = console.clock.now_ms()
    console.incidents.grade(
        ZoneGrade(
            zone="hall",
            hazard=Hazard.AIR,
            grade=Grade.GREEN,
            condition=Condition.CLEARED,
            since=now,
            at=now,
        )
    )
    tile = next(part for part in browser.get("/parts/zones").text.split("<li") if "活动室" in part)
    assert "tile unknown" in tile
    assert "传感器均无数据" in tile


def test_values_carry_unit_quality_and_absence_in_words(browser: httpx.Client) -> None:
    rows = browser.get("/parts/sensors").text.split("<li>")
    gauge = next(row for row in rows if "水位 1" in row)
    assert "0.29" in gauge
    assert "质量好" in gauge
    saturated = next(row for row in rows if "水位 2" in row)
    assert "存疑：已到量程顶：至少这么高" in saturated
    never = next(row for row in rows if "疏散门" in row)
    assert "从未上报" in never
    assert "未知" in never


def test_a_station_shows_link_spool_errors_and_whether_its_account_balances(
    browser: httpx.Client,
) -> None:
    page = browser.get("/stations").text
    cards = {
        name: card for card in page.split("<section") for name in re.findall(r'id="s-([^"]+)', card)
    }
    assert "在线" in cards["north-1"]
    assert "3 包" in cards["north-1"]
    assert "checksum_errors</code> 7" in cards["north-1"]
    assert "供电电压不足" in cards["north-1"]
    assert "供电电压不足" not in cards["tower-3"]
    assert "账平" in cards["north-1"]
    assert "Li Wei, 2026-01-01" in cards["north-1"]
    assert "授权无效，站点不会独立动作" in cards["north-1"]
    assert "siren</code> 开 · 本地越限 · 回馈未确认" in cards["north-1"]
    assert "pump</code> 关 · does not answer" in cards["north-1"]
    assert "授权" not in cards["tower-3"]
    assert "账不平，差 6" in cards["tower-3"]
    assert "从未出现" in cards["tower-3"]


def test_an_incident_tells_what_a_station_did_by_itself(
    console: Stage, browser: httpx.Client
) -> None:
    now = console.clock.now_ms()
    done = ActedView(
        station="north-1", output="siren", at=now - 480_000, until=now, alone=True, sounded=False,
        text=Name(zh="north-1 开启 siren（中心失联）", en="north-1 switched siren on"),
    )  # fmt: skip
    console.incidents.put(an_incident(31, opened_at=now, acted=(done,)))
    page = browser.get("/incidents/31").text
    assert "站点独立动作" in page
    assert "north-1 开启 siren（中心失联）" in page
    assert "8 分钟" in page
    assert browser.get("/api/v1/stations").status_code == 200


def token_of(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_an_incident_says_who_is_called_next_and_when(
    console: Stage, browser: httpx.Client
) -> None:
    ladder = LadderView(
        grade="red", state="climbing", began_at=1, taken=1, next_at=1_764_500_300_000,
        next_people=("duty-1",),
    )  # fmt: skip
    name = sample_community().contact[0].name
    said = []
    for state in ("climbing", "ended", "taken", "over"):
        changed = msgspec.structs.replace(ladder, state=state, lapse_at=1_764_500_300_000)
        console.incidents.put(an_incident(77, ladder=changed))
        said.append(browser.get("/incidents/77?lang=zh").text)

    assert f"下一个呼叫 <b>{name}</b>" in said[0]
    assert "第 2 步" in said[0]
    assert "18:58:20" in said[0]
    assert "仍无人接手" in said[1]
    assert all("逐级呼叫" not in text for text in said[2:])  # nobody is called and nobody is asked


def test_taking_over_needs_the_token_the_cookie_and_our_own_origin(
    console: Stage, browser: httpx.Client
) -> None:
    token = token_of(browser.get("/").text)
    good = {"token": token, "who": "duty-1"}
    own = {"origin": console.url}
    before = list(console.incidents.taken)
    refused = [
        browser.post(
            "/incidents/7/acknowledge", data=good, headers={"origin": "http://evil.example"}
        ),
        browser.post(
            "/incidents/7/acknowledge", data=good, headers=own | {"sec-fetch-site": "cross-site"}
        ),
        browser.post("/incidents/7/acknowledge", data=good),
        browser.post("/incidents/7/acknowledge", data={"who": "duty-1"}, headers=own),
        httpx.post(f"{console.url}/incidents/7/acknowledge", data=good, headers=own),
    ]
    assert [answer.status_code for answer in refused] == [403] * 5
    assert browser.get("/incidents/7/acknowledge").status_code == 405
    assert console.incidents.taken == before
    answer = browser.post("/incidents/7/acknowledge", data=good, headers=own)
    assert answer.status_code == 303
    assert console.incidents.taken[-1] == (7, "duty-1", "console")
    assert "接手 <b>值班员</b>" in browser.get("/").text


def test_a_refusal_is_said_on_the_card_where_the_click_was(
    console: Stage, browser: httpx.Client
) -> None:
    token = token_of(browser.get("/").text)
    answer = browser.post(
        "/incidents/7/acknowledge",
        data={"token": token, "who": "other", "other": "  "},
        headers={"origin": console.url, "hx-request": "true"},
    )
    assert answer.status_code == 422
    assert 'id="incident-7"' in answer.text
    assert "请写明是谁接手" in answer.text


def test_taking_over_what_is_closed_or_unknown_is_refused_in_words(
    console: Stage, browser: httpx.Client
) -> None:
    token = token_of(browser.get("/").text)
    own = {"origin": console.url}
    answer = browser.post(
        "/incidents/99/acknowledge", data={"token": token, "who": "x"}, headers=own
    )
    assert answer.status_code == 409
    assert "事件 99 不存在或已关闭" in answer.text


def test_what_is_not_there_is_a_page_with_words(browser: httpx.Client) -> None:
    assert "没有编号 404 的事件" in browser.get("/incidents/404").text
    missing = browser.get(f"/sensors/{EVIL.replace('/', '')}")
    assert missing.status_code == 404
    assert EVIL not in missing.text


def test_the_api_gives_sensors_stations_and_readings(browser: httpx.Client) -> None:
    sensors = {row["sensor"]: row for row in browser.get("/api/v1/sensors").json()}
    assert sensors["gauge-1"]["value"] == 0.291
    assert sensors["gauge-1"]["limits"]["red"] == 0.27
    assert sensors["co-1"]["state"] == "never"
    stations = {row["station"]: row for row in browser.get("/api/v1/stations").json()}
    assert stations["north-1"]["troubles"] == ["undervoltage"]
    assert stations["tower-3"]["troubles"] == []
    assert stations["north-1"]["ledger"]["off_by"] == 0
    assert stations["tower-3"]["ledger"]["off_by"] == 6
    answer = browser.get("/api/v1/sensors/gauge-1/readings").json()
    assert [point[1] for point in answer["points"]] == [0.281, 0.291]
    assert browser.get("/api/v1/sensors/nothing/readings").status_code == 404
    assert browser.get("/api/v1/sensors/gauge-1/readings?quantity=smoke-index").status_code == 404
    assert browser.get("/api/v1/sensors/gauge-1/readings?start=5&end=5").status_code == 422
    assert browser.get("/api/v1/sensors/gauge-1/readings?buckets=99999").status_code == 422


def test_the_stream_says_hello_and_tells_of_an_incident_within_a_second(
    console: Stage, browser: httpx.Client
) -> None:
    with browser.stream("GET", "/api/v1/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        names = []
        began = console.clock.monotonic_s()
        for line in lines:
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
            if names == ["hello"] and line == "":
                began = console.clock.monotonic_s()
                console.incidents.put(an_incident(8, grade=Grade.BLUE, peak=Grade.BLUE))
            if "incidents" in names:
                break
    assert console.clock.monotonic_s() - began < 1.0


def test_the_language_is_kept_and_the_site_decides_without_a_choice(browser: httpx.Client) -> None:
    assert "进行中的事件" in browser.get("/").text
    browser.get("/?lang=en")
    assert "Active incidents" in browser.get("/").text
    assert "Active incidents" in browser.get("/?lang=xx").text


def test_every_phrase_has_both_languages_and_the_same_places() -> None:
    for key, (zh, en) in PHRASES.items():
        assert zh, key
        assert en, key
        assert zh.count("{}") == en.count("{}"), key


def test_every_phrase_that_a_template_asks_for_exists() -> None:
    templates = Path(console_site.__file__).parent / "templates"
    asked = {
        key
        for path in templates.rglob("*.html")
        for key in re.findall(r"""\bt\(["']([a-z_0-9]+)["'](?!\s*~)""", path.read_text())
    }
    assert len(asked) > 40
    assert asked - set(PHRASES) == set()


def test_with_a_token_only_a_browser_that_signed_in_may_take_over(mosquitto: Mosquitto) -> None:
    community = sample_community()
    place = msgspec.structs.replace(community.site, id="signed")
    community = msgspec.structs.replace(community, site=place)
    with (
        stage(mosquitto.address, community, token="right") as ready,
        httpx.Client(base_url=ready.url, headers={"origin": ready.url}) as browser,
    ):
        ready.incidents.put(an_incident(1))
        form = {"token": token_of(browser.get("/").text), "who": "duty-1"}
        answer = browser.post("/incidents/1/acknowledge", data=form, headers={"hx-request": "true"})
        assert answer.status_code == 401
        assert 'href="/sign-in"' in answer.text
        assert ready.incidents.taken == []
        wrong = browser.post("/sign-in", data=form | {"secret": "wrong"})
        assert wrong.status_code == 401
        assert "口令不对" in wrong.text
        assert browser.post("/sign-in", data=form | {"secret": "right"}).status_code == 303
        assert browser.post("/incidents/1/acknowledge", data=form).status_code == 303
        assert ready.incidents.taken == [(1, "duty-1", "console")]


def test_without_a_token_a_proxy_can_not_make_the_world_look_like_this_machine(
    console: Stage, browser: httpx.Client
) -> None:
    form = {"token": token_of(browser.get("/").text), "who": "duty-1"}
    through = {"origin": console.url, "x-forwarded-for": "203.0.113.9"}
    answer = browser.post("/incidents/7/acknowledge", data=form, headers=through)
    assert answer.status_code == 403
    assert "只能在这台机器上接手" in answer.text


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_trouble_of_a_station_has_its_sentence(trouble: Trouble) -> None:
    chinese, english = PHRASES[f"trouble_{trouble.replace('-', '_')}"]
    assert chinese != english
    assert " " in english
