"""Pages for everybody: for those who listen to them, who read Chinese, who see little contrast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.console.site import STATIC
from dashboards.console.words import Words
from tests.dashboards.test_people_pages import DUTY_PAGES, Desk, desk

PAGES = (
    "/", "/incidents", "/incidents/1", "/withheld", "/sensors", "/sensors/gauge-1", "/stations",
    "/drills", "/figures", "/sign-in", "/report", *DUTY_PAGES,
)  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = desk(tmp_path_factory.mktemp("readers"))
    yield made
    made.service.stop()


@pytest.mark.parametrize("path", PAGES)
def test_each_page_has_one_first_heading_before_all_others(here: Desk, path: str) -> None:
    levels = re.findall(r"<h([1-6])\b", here.page(path))
    assert levels[0] == "1"
    assert levels.count("1") == 1


@pytest.mark.parametrize("path", PAGES)
def test_each_button_and_disclosure_says_in_words_what_it_does(here: Desk, path: str) -> None:
    for head, inside in re.findall(
        r"<(?:button|summary)\b([^>]*)>(.*?)</(?:button|summary)>", here.page(path), re.DOTALL
    ):
        if "hidden" not in head:
            label = re.search(r'aria-label="([^"]*)"', head)
            said = label[1] if label else re.sub("<[^>]*>", "", inside)
            assert re.search(r"\w", said), (path, head, inside)


def test_chinese_pages_call_plans_shifts_and_hours_by_their_chinese_names(here: Desk) -> None:
    registers = here.page("/duty/registers", "zh")
    assert "每天 08:00-22:00" in registers
    assert "周一至周五 18:00-23:00；周六、周日 08:00-23:00" in registers
    assert "daily" not in registers
    drills = here.page("/drills", "zh")
    assert "<b>夜班</b>" in drills
    assert "<b>night</b>" not in drills
    assert "<h4>预案 3 号楼火警 v" in here.page("/incidents/1", "zh")
    assert Words("en").hours("daily 08:00-22:00") == "daily 08:00-22:00"


@pytest.mark.parametrize("path", ["/nope", "/incidents/x", "/duty/nope"])
def test_a_wrong_address_in_a_browser_shows_a_page_with_a_way_back(here: Desk, path: str) -> None:
    browser = here.web.get(path, headers={"accept": "text/html,*/*;q=0.8"}, params={"lang": "zh"})
    assert browser.status_code == 404
    assert "没有这一页" in browser.text
    assert '<a href="/">' in browser.text
    program = here.web.get(path, headers={"accept": "*/*"})
    assert program.headers["content-type"] == "application/problem+json"


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2)."""
    if len(colour) == 4:
        colour = "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_what_is_well_again_can_be_read_on_every_ground() -> None:
    css = (Path(STATIC) / "tokens.css").read_text(encoding="utf-8")
    for scheme in re.findall(r"\{([^{}]*--green:[^{}]*)\}", css):
        colour = dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", scheme))
        for ground in ("panel", "sunk", "bg"):
            light, dark = sorted((luminance(colour["green"]), luminance(colour[ground])))[::-1]
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ground, colour["green"])
