"""Chattering is found in event time, said once a bout, and comes with a remedy from its swings."""

from __future__ import annotations

import msgspec

from alerts.chatter import Swings, remedy
from alerts.evidence import Chatter
from core.finding import Because, Condition, Finding
from core.grade import Grade
from tests.alerts.scenery import Scene, level

BEGAN = 1_764_500_000_000


def swing(at_s: float, *, up: bool, value: float, **changes: object) -> Finding:
    grade = Grade.YELLOW if up else Grade.GREEN
    because = Because(value=value, unit="m", limit=0.15, side="high")
    finding = level(grade, at=BEGAN + round(at_s * 1000))
    return msgspec.structs.replace(finding, because=because, **changes)


def found(*findings: Finding) -> list[Chatter]:
    swings = Swings()
    return [chatter for finding in findings if (chatter := swings.take(finding))]


def test_three_changes_within_a_minute_are_chatter() -> None:
    chatter = found(
        swing(0, up=False, value=0.14),
        swing(10, up=True, value=0.16),
        swing(22, up=False, value=0.138),
        swing(40, up=True, value=0.161),
    )

    assert len(chatter) == 1
    assert (chatter[0].changes, chatter[0].low, chatter[0].high) == (3, 0.138, 0.161)
    assert chatter[0].longest_up_s == 12


def test_the_same_changes_over_some_minutes_are_not() -> None:
    assert not found(*(swing(90 * i, up=bool(i % 2), value=0.15) for i in range(5)))


def test_what_comes_back_six_times_an_hour_is_chatter_too() -> None:
    assert len(found(*(swing(500 * i, up=bool(i % 2), value=0.15) for i in range(7)))) == 1


def test_a_gap_in_the_data_is_no_change_of_the_world() -> None:
    gap = {"condition": Condition.UNKNOWN}
    assert not found(
        swing(0, up=True, value=0.16),
        *(
            finding
            for i in range(1, 9)
            for finding in (
                swing(5 * i, up=True, value=0.16, **gap),
                swing(5 * i + 1, up=True, value=0.16),
            )
        ),
    )


def test_the_remedy_comes_from_the_swings_that_were_seen() -> None:
    words = remedy(
        Chatter(
            at=0,
            finding="a b",
            changes=3,
            window_s=60,
            low=0.138,
            high=0.161,
            limit=0.15,
            unit="m",
            side="high",
            longest_up_s=12,
        )
    )

    assert "raise hysteresis to 0.014, or dwell_up_s to 18" in words.en
    assert "hysteresis 提高到 0.014" in words.zh


def test_of_a_limit_below_the_deadband_lies_above_it() -> None:
    words = remedy(
        Chatter(
            at=0,
            finding="a b",
            changes=3,
            window_s=60,
            low=4.0,
            high=7.0,
            limit=5.0,
            unit="Cel",
            side="low",
            longest_up_s=0,
        )
    )

    assert "raise hysteresis to 2.4" in words.en


def test_it_is_written_into_the_incident_once_a_bout(scene: Scene) -> None:
    for i in range(1, 9):
        scene.say(swing(5 * i, up=bool(i % 2), value=0.16 if i % 2 else 0.14))

    assert scene.happened().count("chattering") == 1
    view = scene.cycle.cycle(1)
    assert view is not None
    assert view.chatter is not None
    assert "hysteresis" in view.chatter.remedy.en
