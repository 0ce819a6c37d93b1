"""Alarm figures and resilience: counted from the journal, honest about what nobody knows."""

from __future__ import annotations

import datetime as dt

import pytest

from alerts.decisions import Patience
from alerts.figures import DAY_MS, Figures, reviews
from alerts.incident import Event, Happening, Kind
from alerts.kpi import Kpis, kpis
from alerts.kpi_facts import Story
from alerts.kpi_words import NAMES, TARGETS, target_words, value_words, verdict_words
from alerts.resilience import WORDS, Part
from alerts.resilience_words import evidence_words
from alerts.response import Plan, Response
from alerts.watch import Watch
from core.finding import Hazard
from core.grade import Grade
from tests.alerts.scenery import Scene, level, place, silence

BEGIN = 1_764_460_800_000
MINUTE = 60_000
HOUR = 60 * MINUTE


def alarm(at: int, number: int = 1, *, grade: Grade = Grade.YELLOW, zone: str = "") -> Story:
    """An incident that was opened and told, and nothing else."""
    return Story(
        number, zone or f"zone-{number}", Hazard.FLOOD,
        (
            Event(at=at, what=Happening.OPENED),
            Event(at=at, what=Happening.ANNOUNCED, kind=Kind.ALERT, grade=grade, seq=1),
        ),
    )  # fmt: skip


def more(story: Story, *events: Event) -> Story:
    return Story(story.number, story.zone, story.hazard, (*story.events, *events))


def acknowledged(at: int, who: str = "duty-1") -> Event:
    return Event(at=at, actor=who, what=Happening.ACKNOWLEDGED, grade=Grade.RED)


def told(at: int, contact: str = "duty-1", *, seq: int = 1, channel: str = "hook") -> Event:
    return Event(
        at=at, what=Happening.TOLD, seq=seq, kind=Kind.ALERT, contact=contact, channel=channel
    )


def of(*stories: Story, hours: float = 24) -> Kpis:
    return kpis(stories, BEGIN, BEGIN + round(hours * HOUR))


def value(found: Kpis, name: str) -> float | None:
    return found.figure(name).value


def test_a_quiet_day_has_figures_without_alarms_and_no_made_up_times() -> None:
    quiet = of()
    assert value(quiet, "alarms") == value(quiet, "rate") == 0
    assert [value(quiet, name) for name in ("ack-median", "accepted-p95", "top-ten")] == [None] * 3
    assert quiet.figure("share-red").within is None


def test_the_rate_is_alarms_in_ten_minutes() -> None:
    found = of(*(alarm(BEGIN + number * HOUR, number) for number in range(24)))
    assert value(found, "rate") == pytest.approx(24 / 144)
    assert value(found, "daily") == pytest.approx(24)
    assert found.figure("rate").within is True


def test_a_flood_begins_above_ten_in_ten_minutes_and_ends_below_five() -> None:
    burst = [alarm(BEGIN + number * 1000, number) for number in range(11)]
    tail = [alarm(BEGIN + 10 * MINUTE + number * 1000, 20 + number) for number in range(5)]
    calm = [alarm(BEGIN + 20 * MINUTE + number * 1000, 30 + number) for number in range(4)]
    found = of(*burst, *tail, *calm)
    (flood,) = found.floods
    assert (flood.began_at, flood.ended_at) == (BEGIN, BEGIN + 20 * MINUTE)
    assert (flood.alarms, flood.peak) == (16, 11)
    assert value(found, "busy-periods") == pytest.approx(1 / 144)
    assert value(found, "flooded") == pytest.approx(20 / 1440)
    assert of(*burst[:10]).floods == ()


def test_the_peak_is_that_of_any_ten_minutes_not_only_of_whole_ones() -> None:
    across = [alarm(BEGIN + 9 * MINUTE + number * 10_000, number) for number in range(12)]
    found = of(*across)
    assert value(found, "peak") == 12
    assert found.figure("peak").within is False


def test_chattering_fleeting_and_stale_alarms_are_found() -> None:
    swings = more(
        alarm(BEGIN, 1),
        *(
            Event(at=BEGIN + at * 1000, what=what)
            for at, what in (
                (10, Happening.CLEARED), (20, Happening.KNOWN), (30, Happening.CLEARED),
                (40, Happening.KNOWN),
            )
        ),
        Event(at=BEGIN + 30 * HOUR, what=Happening.CLEARED),
    )  # fmt: skip
    touched = more(
        alarm(BEGIN + HOUR, 2),
        acknowledged(BEGIN + HOUR + 20_000),
        Event(at=BEGIN + HOUR + 40_000, what=Happening.CLEARED),
    )
    found = of(swings, touched, hours=48)
    assert value(found, "chattering") == 1
    assert value(found, "fleeting") == 2  # the first two swings; the third was touched
    assert found.figure("stale").n == 1


def test_time_to_take_over_counts_from_the_first_alarm_that_nobody_had() -> None:
    taken = more(alarm(BEGIN, 1), acknowledged(BEGIN + 2 * MINUTE))
    again = more(
        taken,
        Event(at=BEGIN + HOUR, what=Happening.VOIDED, grade=Grade.RED),
        Event(at=BEGIN + HOUR, what=Happening.ANNOUNCED, kind=Kind.ALERT, grade=Grade.RED, seq=2),
        acknowledged(BEGIN + HOUR + 30_000, "leader-1"),
    )
    by_nobody = alarm(BEGIN, 2)
    by_system = more(alarm(BEGIN, 3), acknowledged(BEGIN + 5, "system"))
    found = of(again, by_nobody, by_system)
    assert (value(found, "ack-median"), value(found, "ack-p95")) == (30, 120)
    assert value(found, "unattended") == 2
    assert found.figure("unattended").within is False


def test_an_announcement_that_a_newer_one_overtook_was_told_with_that() -> None:
    twice = more(
        alarm(BEGIN),
        Event(
            at=BEGIN + 2000, what=Happening.ANNOUNCED, kind=Kind.ALERT, grade=Grade.ORANGE, seq=2
        ),
        told(BEGIN + 5000, seq=2),
    )
    found = of(twice)

    assert (value(found, "alarms"), value(found, "untold")) == (2, 0)
    assert value(found, "accepted-p95") == 5


def test_time_to_first_accepted_is_of_the_announcement_itself() -> None:
    story = more(
        alarm(BEGIN, 1), told(BEGIN + 4_000), told(BEGIN + 9_000, "duty-2", channel="sms"),
        Event(at=BEGIN + HOUR, what=Happening.ANNOUNCED, kind=Kind.ALERT, grade=Grade.RED, seq=2),
        Event(at=BEGIN + HOUR, what=Happening.UNDELIVERED, seq=2, contact="duty-1", channel="sms"),
    )  # fmt: skip
    found = of(story)
    assert (value(found, "accepted-median"), value(found, "untold")) == (4, 1)
    sms = next(one for one in found.channels if one.channel == "sms")
    assert (sms.accepted, sms.failed, sms.share) == (1, 1, 0.5)


def test_each_operator_has_a_load_of_his_own_and_two_channels_are_one_alarm() -> None:
    story = more(alarm(BEGIN, 1), told(BEGIN + 1), told(BEGIN + 2, channel="sms"))
    other = more(alarm(BEGIN, 2), told(BEGIN + 3), told(BEGIN + 4, "leader-1"))
    found = of(story, other)
    assert [(load.contact, load.told) for load in found.operators] == [
        ("duty-1", 2), ("leader-1", 1),
    ]  # fmt: skip


def test_sources_and_grades_are_split() -> None:
    same = [alarm(BEGIN + number * HOUR, number, zone="underpass") for number in range(3)]
    red = alarm(BEGIN, 9, grade=Grade.RED, zone="tower")
    found = of(*same, red)
    assert [(one.zone, one.alarms, one.share) for one in found.sources] == [
        ("underpass", 3, 0.75), ("tower", 1, 0.25),
    ]  # fmt: skip
    assert found.grades == {"blue": 0, "yellow": 3, "orange": 0, "red": 1}
    assert found.figure("share-red").within is None  # of four alarms no share is judged
    many = [alarm(BEGIN + number * HOUR, number) for number in range(19)]
    assert of(*many, red).figure("share-red").within is True
    assert of(*many, red, alarm(BEGIN, 50, grade=Grade.RED)).figure("share-red").within is False
    assert found.figure("top-ten").within is None  # two sources are always 100 %


def test_what_lies_outside_the_period_does_not_count() -> None:
    assert value(of(alarm(BEGIN - 1), alarm(BEGIN + 24 * HOUR)), "alarms") == 0
    with pytest.raises(ValueError, match="before it begins"):
        kpis([], BEGIN, BEGIN)


def test_each_figure_has_words_in_both_languages_and_a_target_names_its_mark() -> None:
    for figure in of(alarm(BEGIN)).figures:
        for language in ("zh", "en"):
            assert NAMES[figure.name].in_language(language)
            assert value_words(figure, language)
        assert (figure.within is not None) <= bool(target_words(figure, "en"))
        assert verdict_words(figure, "en") in ("", "met", "missed")
    assert set(TARGETS) <= set(NAMES)


# --- from the database ---


def figures(scene: Scene) -> Figures:
    return Figures(
        scene.database, scene.community, scene.clock, lambda: scene.watch.conditions("silence")
    )


def test_the_journal_gives_the_figures_and_a_drill_is_left_out(scene: Scene) -> None:
    Watch(scene.store, scene.community, scene.clock, Patience(), "d-1").take(level(Grade.RED), 120)
    scene.say(level(Grade.ORANGE))
    number = next(kept.incident.number for kept in scene.store.open_incidents())
    scene.clock.advance(90)
    scene.watch.acknowledge(number, "duty-1", "console")
    scene.clock.advance(1)
    found = figures(scene).last_days(1)
    assert (value(found, "alarms"), value(found, "ack-median")) == (1, 90)
    assert found.grades == {"blue": 0, "yellow": 0, "orange": 1, "red": 0}


def test_a_period_that_is_too_long_or_lies_ahead_is_refused(scene: Scene) -> None:
    now = scene.clock.ms
    with pytest.raises(ValueError, match="400 days"):
        figures(scene).kpis(now - 500 * DAY_MS, now)
    with pytest.raises(ValueError, match="before it begins"):
        figures(scene).kpis(now + 1, now + DAY_MS)


def test_resilience_names_what_is_missing_and_leaves_unknown_what_nobody_knows(
    scene: Scene,
) -> None:
    parts = {part.name: part for part in figures(scene).resilience()}
    assert set(parts) == set(WORDS)
    for name in ("reporting", "take-over", "taken-over", "reviewed", "lessons", "plans"):
        assert parts[name].value is None, name
        assert parts[name].unknown.zh, name
    assert (parts["channels"].value, parts["channels"].missing) == (0, ("hook", "second"))
    assert (parts["drilled"].value, parts["drilled"].missing) == (0, ("flood",))
    assert parts["two-ways"].value == 1
    assert (parts["limits"].value, parts["limits"].of) == (0, 1)


def test_a_sensor_counts_as_reporting_only_while_that_is_known(scene: Scene) -> None:
    scene.say(silence("gauge-1", active=False), silence("gauge-2"))
    part = figures(scene).resilience()[0]
    assert (part.n, part.of, part.missing) == (1, 2, ("gauge-2.water-level",))
    scene.clock.advance(300)
    scene.watch.tick()
    assert figures(scene).resilience()[0].value == 0


def test_plans_that_nobody_has_looked_at_for_a_year_show(scene: Scene) -> None:
    found = figures(scene)
    plans = (("fresh", dt.date(2025, 6, 1)), ("old", dt.date(2024, 6, 1)), ("never", None))
    found.plans = reviews(
        Response(plan=tuple(Plan(id=one, hazard=Hazard.FLOOD, grade="red", reviewed=date)
                            for one, date in plans))
    )  # fmt: skip
    part = found.resilience()[-1]
    assert (part.n, part.of, part.missing) == (1, 3, ("never", "old"))


def test_takeovers_of_the_last_months_show(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.clock.advance(60)
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.clock.advance(60)
    parts = {part.name: part for part in figures(scene).resilience()}
    assert (parts["take-over"].value, parts["take-over"].n) == (60, 1)
    assert parts["taken-over"].value == 1


@pytest.mark.parametrize(
    ("part", "missing", "zh", "en"),
    [
        ("drilled", "flood", "内涝", "flood"),
        ("two-ways", "duty-1", "张 三", "张 三"),
        ("reporting", "gauge-1.water-level", "水位 1", "Gauge 1"),
        ("limits", "underpass/water-level/high", "下穿通道 水位", "Underpass water level"),
        (
            "limits", "underpass/water-level/low", "下穿通道 水位（下限）",
            "Underpass water level (lower limit)",
        ),
        ("channels", "sms", "sms", "sms"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_as_people_call_it(
    part: str, missing: str, zh: str, en: str
) -> None:
    told = Part(name=part, value=0.5, n=1, of=2, missing=(missing,))
    assert evidence_words(told, place(), "zh") == f"2 中 1；缺：{zh}"
    assert evidence_words(told, place(), "en") == f"1 of 2; missing: {en}"
