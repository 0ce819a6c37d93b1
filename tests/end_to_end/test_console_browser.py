"""The duty console in a real browser: a person at 3 a.m. sees, understands, and takes over."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from core.finding import Because, Condition, Finding, Hazard, ZoneGrade
from core.grade import Grade
from core.quantity import Quantity
from tests.dashboards.console_stage import (
    Stage,
    accepted,
    an_incident,
    online,
    reading,
    sample_community,
    stage,
)
from tests.servers import Mosquitto, program, wait_until

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(program("chromedriver")))
    driver.set_page_load_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(autouse=True)
def _blank_page(chromium: webdriver.Chrome) -> None:
    """Leave the page of the test before, whose server is gone, and forget what it logged."""
    chromium.get("about:blank")
    complaints(chromium)


@contextlib.contextmanager
def console(mosquitto: Mosquitto, name: str) -> Iterator[Stage]:
    community = sample_community()
    place = msgspec.structs.replace(community.site, id=name)
    with stage(mosquitto.address, msgspec.structs.replace(community, site=place)) as ready:
        now = ready.clock.now_ms()
        ready.stations.status("north-1", online(now))
        past = [
            reading("gauge-1", Quantity.WATER_LEVEL, now - 5000 * n, 0.30 - 0.002 * n)
            for n in range(100, 0, -1)
        ]
        ready.stations.pack("north-1", past)
        yield ready


def of_size(driver: webdriver.Chrome, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def text(driver: webdriver.Chrome, selector: str) -> str:
    script = "return document.querySelector(arguments[0])?.innerText || ''"
    return str(driver.execute_script(script, selector))


def wait_text(driver: webdriver.Chrome, selector: str, part: str, timeout_s: float = 10) -> None:
    wait_until(lambda: part in text(driver, selector), timeout_s, f"{part!r} in {selector}")


def open_live(driver: webdriver.Chrome, url: str) -> None:
    driver.get(url)
    wait_until(
        lambda: "实时" in text(driver, "#live") or "Live" in text(driver, "#live"), 15, "live"
    )


def click(driver: webdriver.Chrome, selector: str) -> None:
    """Click as a person does: on what is there now, even if it was exchanged a moment ago."""

    def clicked() -> bool:
        with contextlib.suppress(StaleElementReferenceException):
            driver.find_element(By.CSS_SELECTOR, selector).click()
            return True
        return False

    wait_until(clicked, 5, f"a click on {selector}")


def complaints(driver: webdriver.Chrome) -> list[str]:
    return [str(entry["message"]) for entry in driver.get_log("browser")]  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_an_incident_arrives_a_click_takes_it_over_and_the_page_says_who_has_it(
    mosquitto: Mosquitto, chromium: webdriver.Chrome, width: int, height: int
) -> None:
    with console(mosquitto, f"browser-{width}") as ready:
        of_size(chromium, width, height)
        open_live(chromium, ready.url)
        assert "没有进行中的事件" in text(chromium, ".incidents")
        assert "不等于安全" in text(chromium, ".incidents")
        now = ready.clock.now_ms()
        ready.incidents.put(
            an_incident(12, opened_at=now, changed_at=now, notified=(accepted("duty-1", now),))
        )
        wait_text(chromium, "#incident-12", "已达到红线", 1.5)
        assert "尚无人" in text(chromium, "#incident-12 .who")
        wait_text(chromium, "#announce", "新事件：红色 I 级")
        wait_until(
            lambda: chromium.find_elements(By.CSS_SELECTOR, "#incident-12 .plot canvas"),
            what="the incident's chart",
        )
        button = "#incident-12 .take button"
        measured = "return document.querySelector(arguments[0]).offsetHeight"
        assert int(str(chromium.execute_script(measured, button))) >= 44
        click(chromium, button)
        wait_text(chromium, "#incident-12 .who", "值班员")
        assert "尚无人" not in text(chromium, "#incident-12")
        assert ready.incidents.taken == [(12, "duty-1", "console")]
        wide = chromium.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
        assert complaints(chromium) == []


def test_on_a_phone_incidents_stand_before_zones_and_no_page_is_cut(
    mosquitto: Mosquitto, chromium: webdriver.Chrome
) -> None:
    with console(mosquitto, "browser-phone") as ready:
        ready.incidents.put(an_incident(3))
        of_size(chromium, 390, 844)
        for path in (
            "/",
            "/incidents",
            "/incidents/3",
            "/sensors",
            "/sensors/gauge-1",
            "/stations",
        ):
            for language in ("zh", "en"):
                open_live(chromium, f"{ready.url}{path}?lang={language}")
                wide = chromium.execute_script("return document.documentElement.scrollWidth")
                assert wide <= 390, f"{path} in {language} is {wide} px wide"
                edges = "const r = document.querySelector('nav [aria-current]')"
                edges += ".getBoundingClientRect(); return r.left >= 0 && r.right <= 390"
                assert chromium.execute_script(edges), f"{path} in {language}: where am I?"
                small = chromium.execute_script(
                    "return [...document.querySelectorAll('button,nav a,summary,select,.pager a')]"
                    ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 40)"
                    ".map(e => e.outerHTML)"
                )
                assert small == [], path
        open_live(chromium, f"{ready.url}/?lang=zh")
        top = "return document.querySelector(arguments[0]).getBoundingClientRect().top"
        assert chromium.execute_script(top, ".incidents") < chromium.execute_script(top, ".zones")
        assert complaints(chromium) == []


def test_a_new_reading_and_a_new_grade_show_without_a_reload(
    mosquitto: Mosquitto, chromium: webdriver.Chrome
) -> None:
    with console(mosquitto, "browser-live") as ready:
        of_size(chromium, 1280, 800)
        open_live(chromium, ready.url)
        row = '.sensor[data-series="gauge-1.water-level"]'
        now = ready.clock.now_ms()
        ready.stations.pack("north-1", [reading("gauge-1", Quantity.WATER_LEVEL, now, 1.23)])
        wait_text(chromium, row, "1.23", 1.5)
        ready.incidents.grade(
            ZoneGrade(
                zone="underpass",
                hazard=Hazard.FLOOD,
                grade=Grade.ORANGE,
                condition=Condition.ACTIVE,
                since=now,
                at=now,
            )
        )
        ready.incidents.put(an_incident(4, grade=Grade.ORANGE))
        wait_text(chromium, ".tile.orange", "橙色 II 级", 1.5)
        assert complaints(chromium) == []


def test_every_reading_of_a_fast_runs_pack_reaches_the_chart_without_a_false_gap(
    mosquitto: Mosquitto, chromium: webdriver.Chrome
) -> None:
    with console(mosquitto, "browser-fast") as ready:
        of_size(chromium, 1280, 800)
        open_live(chromium, f"{ready.url}/sensors/gauge-1")
        now = ready.clock.now_ms()
        minute = [
            reading("gauge-1", Quantity.WATER_LEVEL, now + 3000 * n, 0.3 + n / 100)
            for n in range(1, 21)
        ]
        ready.stations.pack("north-1", minute)
        wait_text(chromium, "[data-series='gauge-1.water-level'] .reading", "0.50", 3)
        points = chromium.execute_script(
            "return SafetyEye.charts.points('gauge-1.water-level').slice(-20)"
        )
        assert [point[0] for point in points] == [sample.at for sample in minute]
        assert None not in [point[1] for point in points]


def test_water_that_falls_is_not_drawn_rising_while_a_rise_is_still_announced(
    mosquitto: Mosquitto, chromium: webdriver.Chrome
) -> None:
    with console(mosquitto, "browser-pace") as ready:
        of_size(chromium, 1280, 800)
        now = ready.clock.now_ms()
        rise = Finding(
            subject="gauge-1.water-level",
            rule="rise",
            zone="underpass",
            hazard=Hazard.FLOOD,
            grade=Grade.ORANGE,
            condition=Condition.ACTIVE,
            at=now,
            since=now,
            judged=now,
            because=Because(value=0.3, unit="m", rate_per_h=1.44),
        )
        ready.stations.finding(rise)
        open_live(chromium, f"{ready.url}/sensors/gauge-1")

        def pace() -> float | None:
            script = "return SafetyEye.charts.pace('gauge-1.water-level')"
            return chromium.execute_script(script)  # type: ignore[no-any-return]

        wait_until(lambda: pace() is not None, 5, "a line ahead")
        # 2 mm in 5 s, as the samples of the stage rise.
        assert (pace() or 0) * 3_600_000 == pytest.approx(1.44, rel=0.05)
        falling = [
            reading("gauge-1", Quantity.WATER_LEVEL, now + 3000 * n, 0.3 - n / 100)
            for n in range(1, 21)
        ]
        ready.stations.pack("north-1", falling)
        wait_text(chromium, "[data-series='gauge-1.water-level'] .reading", "0.10", 3)
        wait_until(lambda: pace() is None, 3, "no line ahead of falling water")


def test_a_page_without_its_server_never_looks_alive(
    mosquitto: Mosquitto, chromium: webdriver.Chrome
) -> None:
    with console(mosquitto, "browser-lost") as ready:
        of_size(chromium, 1280, 800)
        open_live(chromium, ready.url)
        ready.stop_server()
        wait_text(chromium, "#live", "连接中断 · 数据可能过时")
        colour = "return getComputedStyle(document.getElementById('live')).backgroundColor"
        assert chromium.execute_script(colour) == "rgb(179, 21, 15)"
        assert "不要据此判断安全" in text(chromium, "#lost")
        assert chromium.title.startswith("⚠")
        faded = "return getComputedStyle(document.querySelector('main')).opacity"
        assert float(str(chromium.execute_script(faded))) < 1


def test_a_page_whose_console_lost_the_broker_says_so_and_recovers(
    own_mosquitto: Mosquitto, chromium: webdriver.Chrome
) -> None:
    with console(own_mosquitto, "browser-broker") as ready:
        of_size(chromium, 1280, 800)
        open_live(chromium, ready.url)
        own_mosquitto.kill()
        wait_text(chromium, "#live", "消息服务中断", 15)
        own_mosquitto.start()
        wait_text(chromium, "#live", "实时", 30)
        assert not chromium.find_element(By.ID, "lost").is_displayed()


def test_someone_who_is_not_in_the_profile_takes_over_by_keyboard_alone(
    mosquitto: Mosquitto, chromium: webdriver.Chrome
) -> None:
    with console(mosquitto, "browser-keys") as ready:
        of_size(chromium, 1280, 800)
        ready.incidents.put(an_incident(5))
        open_live(chromium, ready.url)
        Select(chromium.find_element(By.ID, "who-5")).select_by_value("other")
        name = chromium.find_element(By.ID, "other-5")
        assert chromium.switch_to.active_element == name
        name.send_keys("王师傅", Keys.ENTER)
        wait_text(chromium, "#incident-5 .who", "王师傅")
        assert ready.incidents.taken == [(5, "王师傅", "console")]


def test_what_a_person_is_choosing_survives_a_refresh_of_the_page_part(
    mosquitto: Mosquitto, chromium: webdriver.Chrome
) -> None:
    with console(mosquitto, "browser-choice") as ready:
        of_size(chromium, 1280, 800)
        ready.incidents.put(an_incident(6))
        open_live(chromium, ready.url)
        Select(chromium.find_element(By.ID, "who-6")).select_by_value("deputy-1")
        ready.incidents.put(an_incident(7, grade=Grade.YELLOW, zone="garage-b1"))
        wait_text(chromium, ".incidents", "2 个待接手")
        chosen = chromium.find_element(By.ID, "who-6").get_attribute("value")
        assert chosen == "deputy-1"


def test_dark_light_and_language_are_a_choice_that_stays(
    mosquitto: Mosquitto, chromium: webdriver.Chrome, tmp_path: Path
) -> None:
    with console(mosquitto, "browser-theme") as ready:
        of_size(chromium, 1280, 800)
        open_live(chromium, f"{ready.url}/?lang=zh")
        click(chromium, ".menu summary")
        click(chromium, "[data-theme-choice=dark]")
        background = "return getComputedStyle(document.body).backgroundColor"
        dark = str(chromium.execute_script(background))
        open_live(chromium, f"{ready.url}/?lang=en")
        assert chromium.execute_script(background) == dark == "rgb(12, 16, 20)"
        assert "Active incidents" in text(chromium, ".incidents")
        open_live(chromium, f"{ready.url}/?lang=zh")
        click(chromium, ".menu summary")
        click(chromium, "[data-theme-choice=auto]")
        assert chromium.save_screenshot(str(tmp_path / "console.png"))
        assert complaints(chromium) == []
