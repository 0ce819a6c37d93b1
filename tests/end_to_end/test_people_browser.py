"""In a real browser: a resident without scripts, and a duty at the doors with a telephone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from alerts.service import AlertService
from tests.dashboards.test_people_pages import desk
from tests.end_to_end.test_console_browser import FLAGS
from tests.servers import free_port, program, wait_until

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(program("chromedriver")))
    driver.set_page_load_timeout(30)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        yield driver
    finally:
        driver.quit()


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[tuple[AlertService, str]]:
    made = desk(directory)
    port = free_port()
    config = uvicorn.Config(made.app, host="127.0.0.1", port=port, log_level="warning",
                            timeout_graceful_shutdown=2)  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 15, "the page")
    try:
        yield made.service, f"http://127.0.0.1:{port}"
    finally:
        made.feed.stop()
        server.should_exit = True
        thread.join(10)
        made.service.stop()


def test_a_resident_without_scripts_and_a_duty_at_the_doors(
    phone: webdriver.Chrome, tmp_path: Path
) -> None:
    with serving(tmp_path) as (service, url):
        phone.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        phone.get(f"{url}/report?zone=underpass&lang=zh")
        phone.find_element(By.CSS_SELECTOR, "input[value=flood]").click()
        assert Select(phone.find_element(By.ID, "zone")).first_selected_option.text == "下穿通道"
        phone.find_element(By.ID, "text").send_keys("车里有人")
        phone.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        wait_until(lambda: "R1" in phone.page_source, 10, "the thanks")
        phone.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        [report] = service.people.reports.latest()
        assert (report.zone, report.text, report.name) == ("underpass", "车里有人", "")

        phone.get(f"{url}/incidents/1/plan?lang=zh")
        for path in ("/incidents/1/plan", "/duty", "/duty/reports", "/duty/registers", "/report"):
            phone.get(f"{url}{path}")
            wide = phone.execute_script("return document.documentElement.scrollWidth")
            assert wide <= PHONE["width"], path  # nobody scrolls sideways at night
        phone.get(f"{url}/incidents/1/plan")
        phone.find_element(By.CSS_SELECTOR, "label.needs-help").click()
        phone.find_element(By.CSS_SELECTOR, "button[value='stairwell-3/1204']").click()
        wait_until(
            lambda: phone.find_elements(By.CSS_SELECTOR, "button.needs-help"), 10, "the tick"
        )
        # The next door means the same without choosing again.
        phone.find_element(By.CSS_SELECTOR, "button[value='stairwell-3/1205']").click()
        wait_until(
            lambda: len(phone.find_elements(By.CSS_SELECTOR, "button.needs-help")) == 2,
            10,
            "the second tick",
        )
        plan = service.people.plan(1)
        assert plan is not None
        assert plan.roll_call[0].needs_help == 2
