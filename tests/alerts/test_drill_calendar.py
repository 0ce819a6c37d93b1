"""What has been drilled, by hazard, watch and channel, and what is due."""

from __future__ import annotations

import pytest

from alerts.drill_calendar import Coverage, Held, Line, Names, coverage, watch_at
from alerts.drill_entry import DrillEntry, calendar_problems
from alerts.drill_words import WATCH_TITLES, line_name
from alerts.response_file import parse_response
from core.configuration import ConfigurationError
from core.drill import DrillError
from core.finding import Hazard
from tests.alerts.scenery import place

DAY_MS = 86_400_000
NOW = 1_764_500_000_000  # an evening in Shanghai
NAMES = Names(
    watches=("night-watch", "day-watch", "evening-watch"), channels=frozenset({"hook", "second"}),
    titles=WATCH_TITLES,
)  # fmt: skip
QUARTERLY = DrillEntry(id="flood", hazard=Hazard.FLOOD, every_days=90)
NIGHTLY = DrillEntry(id="night-flood", hazard=Hazard.FLOOD, every_days=180, watch="night-watch")


def a_drill(days_ago: float, **changes: object) -> Held:
    facts: dict[str, object] = {
        "drill": "d-1", "at": NOW - round(days_ago * DAY_MS), "hazard": Hazard.FLOOD,
        "zone": "underpass", "watches": ("evening-watch",), "passed": True, "channels": ("hook",),
        **changes,
    }  # fmt: skip
    return Held(**facts)  # type: ignore[arg-type]  # test data


def covered(*drills: Held, days: float = 365) -> Coverage:
    return coverage([QUARTERLY, NIGHTLY], drills, place(), NAMES, NOW, days)


def test_people_read_names_and_programs_ids() -> None:
    found = covered(a_drill(1))

    assert [line.name for line in found.entries] == ["flood", "night-flood"]
    assert [line_name(line, "zh") for line in found.entries] == [
        "滨河社区 · 内涝", "滨河社区 · 内涝 · 夜班 0-8 时",
    ]  # fmt: skip
    assert [line_name(line, "en") for line in (*found.hazards, found.watches[1])] == [
        "flood", "day, 8 to 16 h",
    ]  # fmt: skip
    assert [line_name(line, "zh") for line in found.channels] == ["hook", "second"]


def due(lines: tuple[Line, ...]) -> list[str]:
    return [line.name for line in lines if line.due]


def test_what_was_never_drilled_is_due() -> None:
    found = covered()

    assert due(found.entries) == ["flood", "night-flood"]
    assert due(found.hazards) == ["flood"]
    assert due(found.watches) == ["night-watch", "day-watch", "evening-watch"]
    assert due(found.channels) == ["hook", "second"]


def test_a_drill_counts_for_its_hazard_its_watch_and_the_channels_that_took_its_messages() -> None:
    found = covered(a_drill(10))

    assert due(found.entries) == ["night-flood"]
    assert due(found.hazards) == []
    assert due(found.watches) == ["night-watch", "day-watch"]
    assert due(found.channels) == ["second"]
    assert found.entries[0].due_at == NOW + 80 * DAY_MS


def test_a_drill_that_failed_or_is_long_ago_puts_nothing_off() -> None:
    failed = covered(a_drill(1, passed=False))
    old = covered(a_drill(91))
    ancient = covered(a_drill(400))

    assert due(failed.entries) == ["flood", "night-flood"]
    assert due(failed.hazards) == ["flood"]
    assert failed.hazards[0].count == 1
    assert due(old.entries) == ["flood", "night-flood"]
    assert due(old.hazards) == []
    assert due(ancient.hazards) == ["flood"]
    assert ancient.hazards[0].last is not None


def test_an_entry_of_another_zone_is_not_covered() -> None:
    entry = DrillEntry(id="x", hazard=Hazard.FLOOD, every_days=90, zone="north")
    found = coverage([entry], [a_drill(1)], place(), NAMES, NOW)

    assert due(found.entries) == ["x"]


@pytest.mark.parametrize("days", [0.0, 1e9, float("nan")])
def test_a_window_that_makes_no_sense_is_refused(days: float) -> None:
    with pytest.raises(DrillError):
        covered(days=days)


def test_watches_follow_the_local_hour() -> None:
    hour = 3_600_000
    midnight = NOW - NOW % DAY_MS - 8 * hour  # in Shanghai
    found = [watch_at(midnight + h * hour, "Asia/Shanghai") for h in (0, 7, 8, 15, 16, 23)]

    assert found == [
        f"{name}-watch" for name in ("night", "night", "day", "day", "evening", "evening")
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("every_days = 0", "every_days"),
        ('every_days = 90\nzone = "moon"', "not in the profile"),
        (
            'every_days = 90\nwatch = "dawn"',
            "expected one of night-watch, day-watch, evening-watch",
        ),
        ('every_days = 90\nhazard = "fire"', "no sensor there watches for fire"),
        ('every_days = 90\nzone = "north"', "no sensor there watches for flood"),
    ],
)
def test_a_calendar_that_can_not_be_kept_is_refused(line: str, why: str) -> None:
    hazard = "" if "hazard" in line else 'hazard = "flood"\n'
    with pytest.raises(ConfigurationError, match=why):
        parse_response(f'[[drill]]\nid = "a"\n{hazard}{line}\n', place())


def test_a_watch_is_a_shift_of_the_roster_where_there_is_one() -> None:
    entry = DrillEntry(id="a", hazard=Hazard.FLOOD, every_days=90, watch="late-shift")

    assert calendar_problems([entry], place(), ["late-shift"]) == []
    assert calendar_problems([entry], place(), []) != []


def test_two_entries_of_one_name_are_refused() -> None:
    one = '[[drill]]\nid = "a"\nhazard = "flood"\nevery_days = 90\n'
    with pytest.raises(ConfigurationError, match="twice"):
        parse_response(one + one, place())
