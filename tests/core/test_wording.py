"""Findings in words: what duty staff read at three in the night, in both languages."""

from __future__ import annotations

import pytest

from core.finding import Because, Condition, Finding, Hazard
from core.finding_wording import headline, sentence
from core.grade import Grade


def finding(
    because: Because,
    grade: Grade = Grade.RED,
    *,
    late: bool = False,
    subject: str = "gauge-1.water-level",
) -> Finding:
    return Finding(
        subject=subject, rule="limit-high", zone="underpass", hazard=Hazard.FLOOD, grade=grade,
        condition=Condition.ACTIVE, at=0, since=0, judged=0, late=late, because=because,
    )  # fmt: skip


RED = Because(value=0.291, unit="m", limit=0.27, limit_grade="red", side="high")


def test_a_crossed_limit_names_place_value_and_limit() -> None:
    assert headline(finding(RED), "下穿通道", "zh") == "下穿通道水位 0.29 m，已达到红线 0.27 m"
    assert (
        headline(finding(RED), "Underpass", "en")
        == "Underpass: water level 0.29 m, at or above the red limit 0.27 m"
    )


def test_water_that_has_sunk_is_not_said_to_be_above_its_limit() -> None:
    sunk = Because(value=-0.001, unit="m", limit=0.05, limit_grade="blue", side="high")

    text = headline(finding(sunk, Grade.BLUE), "Underpass", "en")

    assert text == "Underpass: water level 0.00 m, still watched, back from the blue limit 0.05 m"
    assert "已离开蓝线 0.05 m" in headline(finding(sunk, Grade.BLUE), "下穿通道", "zh")


def test_a_rise_says_how_fast() -> None:
    rise = Because(value=0.04, unit="m", rate_per_h=0.42)

    assert headline(finding(rise), "Underpass", "en").endswith("0.04 m, rising 0.07 m in 10 min")
    assert headline(finding(rise), "下穿通道", "zh").endswith("10 分钟上升 0.07 m")


def test_a_forecast_says_when_and_which_limit() -> None:
    soon = Because(value=0.1, unit="m", limit=0.27, limit_grade="red", side="high", lead_s=900)

    assert headline(finding(soon), "Underpass", "en").endswith(
        "in about 15 min at the red limit 0.27 m"
    )


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "不等于安全"), ("en", "not the same as safe")]
)
def test_silence_is_never_written_as_all_clear(language: str, words: str) -> None:
    silent = finding(Because(silent_s=240), Grade.YELLOW)

    assert words in sentence(silent, language)


@pytest.mark.parametrize(("language", "words"), [("zh", "事后发现"), ("en", "found late")])
def test_a_late_finding_says_that_it_is_late(language: str, words: str) -> None:
    assert words in sentence(finding(RED, late=True), language)


def test_a_station_is_named_by_its_state_and_not_by_a_number() -> None:
    lost = finding(Because(note="link"), Grade.YELLOW, subject="station.north-1")

    assert "未知" in headline(lost, "北区", "zh")


def test_an_alarm_input_is_told_as_an_alarm_and_not_as_a_number() -> None:
    panel = finding(Because(value=1.0, unit="1", limit=0.5), subject="panel-1.alarm-input")

    assert headline(panel, "Stairwell", "en") == "Stairwell: alarm input ALARM"
    assert headline(panel, "楼梯间", "zh") == "楼梯间报警输入动作"
