"""What is usual at this hour of the week, and what is not."""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.community_file import parse_community
from core.finding import Hazard
from core.grade import Grade
from core.identity import SeriesId
from core.quantity import Quantity
from core.reading import Reading
from detectors.approval import Approval, approved, fingerprints
from detectors.archive import Archive
from detectors.forest_panel import limits_of
from detectors.limit_lane import NEVER, Floats
from detectors.local_time import LocalCalendar
from detectors.panel import PanelRule
from detectors.plan import RulePlan, SeriesPlan, with_detectors
from detectors.recording import read_recording
from detectors.replay import replay
from detectors.seasonal_habits import VALUE_DETECTOR
from detectors.seasonal_lane import SeasonalLane, SeasonalRule
from detectors.sentinel import Sentinel
from ingest.history import HistorySettings, open_writer
from ingest.history.base import Series

# Monday 2026-01-05, 0 h in Shanghai.
MONDAY = round(dt.datetime(2026, 1, 4, 16, tzinfo=dt.UTC).timestamp() * 1000)
HOUR = 3_600_000
ONE = np.zeros(1, np.int64)


def crowd(hour: int) -> float:
    """Rush on weekdays, a quiet Sunday, and a little noise that is always the same."""
    day, clock = hour // 24 % 7, hour % 24
    busy = (300.0 if clock in (8, 9, 17, 18) else 80.0) if 6 <= clock < 22 else 4.0
    return round(busy * (0.3 if day == 6 else 1.0) + (hour * 7919) % 13)


def surprises(rule: SeasonalRule, values: Sequence[float], step_ms: int = HOUR) -> Floats:
    lane = SeasonalLane([rule])
    return np.array(
        [
            lane.step(ONE, np.array([MONDAY + n * step_ms]), np.array([value])).item()
            for n, value in enumerate(values)
        ]
    )


SHANGHAI = SeasonalRule(3600.0, counts=True, timezone="Asia/Shanghai")


def test_usual_weeks_are_quiet_and_a_weekday_like_a_sunday_is_not() -> None:
    weeks = [crowd(hour) for hour in range(24 * 7 * 6)]
    quiet = surprises(SHANGHAI, weeks)
    assert np.isnan(quiet[: 24 * 20]).all()
    assert np.nanmax(quiet) < 3.0

    tuesday = 24 * (7 * 5 + 1)
    weeks[tuesday : tuesday + 24] = [crowd(24 * 6 + hour) for hour in range(24)]
    odd = surprises(SHANGHAI, weeks)
    assert odd[tuesday + 10 : tuesday + 22].max() > 3.5


def test_a_holiday_of_the_calendar_is_compared_with_sundays() -> None:
    weeks = [crowd(hour) for hour in range(24 * 7 * 6)]
    tuesday = 24 * (7 * 5 + 1)
    weeks[tuesday : tuesday + 24] = [crowd(24 * 6 + hour) for hour in range(24)]
    day = dt.date(2026, 1, 5) + dt.timedelta(days=36)
    with_holiday = SeasonalRule(3600.0, counts=True, timezone="Asia/Shanghai", holidays=(day,))

    assert surprises(with_holiday, weeks)[tuesday + 8 : tuesday + 23].max() < 3.0


def test_a_surge_of_people_in_a_quiet_night_is_found_within_hours() -> None:
    weeks = [crowd(hour) for hour in range(24 * 7 * 6)]
    night = 24 * 40 + 1
    for hour in range(3):
        weeks[night + hour] = 250.0

    assert surprises(SHANGHAI, weeks)[night : night + 3].max() > 5.0


def test_fast_counts_are_gathered_and_say_what_slow_ones_say() -> None:
    fast = SeasonalRule(150.0, counts=True, timezone="Asia/Shanghai")
    steps = [
        crowd(n // 24) / 24.0 * (3.0 if n > 24 * (24 * 24 + 8) else 1.0)
        for n in range(24 * 24 * 25)
    ]
    numbers = surprises(fast, steps, 150_000)

    assert np.isfinite(numbers).sum() <= numbers.size // 2
    assert np.nanmax(numbers[: 24 * 24 * 24]) < 3.0
    assert np.nanmax(numbers[24 * 24 * 24 :]) > 3.5


@pytest.mark.parametrize("people", [3.0, 3e3, 3e5])
def test_a_full_square_that_is_counted_every_few_seconds_is_as_usual_as_a_small_one(
    people: float,
) -> None:
    lane = SeasonalLane([SeasonalRule(10.0, counts=True)])
    hours = 24 * 7 * 5
    usual = np.array([[people * (1.0 + 0.5 * (hour % 24 > 8))] for hour in range(hours)])
    lane.teach(ONE, MONDAY + HOUR * np.arange(hours), usual)

    number = lane._step(ONE, np.array([MONDAY + HOUR * hours]), usual[0], np.ones(1))

    assert number.item() < 0.5


def test_a_season_that_slowly_empties_a_place_is_followed() -> None:
    weeks = [
        round(crowd(hour) * (0.4 + 0.6 * math.exp(-hour / 24 / 60))) for hour in range(24 * 7 * 20)
    ]

    assert np.nanmax(surprises(SHANGHAI, weeks)) < 3.5


def test_a_value_is_compared_by_its_difference() -> None:
    rule = SeasonalRule(600.0, counts=False, noise=0.5, timezone="Asia/Shanghai")
    step_ms = 600_000
    day = [
        20.0 + 4.0 * math.sin(2 * math.pi * n / 144) + (n * 31 % 7) / 10 for n in range(144 * 30)
    ]
    assert np.nanmax(surprises(rule, day, step_ms)) < 2.0

    cold = [value - (6.0 if n > 144 * 29 else 0.0) for n, value in enumerate(day)]
    assert np.nanmax(surprises(rule, cold, step_ms)) > 3.5


def test_the_hour_of_the_week_follows_summer_time() -> None:
    berlin = LocalCalendar("Europe/Berlin")
    noon = [
        dt.datetime(2026, 3, 28, 11, tzinfo=dt.UTC),
        dt.datetime(2026, 3, 29, 10, tzinfo=dt.UTC),
    ]
    cells = berlin.cells(np.array([round(one.timestamp() * 1000) for one in noon]))

    assert cells.tolist() == [5 * 24 + 12, 6 * 24 + 12]


PROFILE = """
[site]
id = "riverside"
name = { zh = "滨河", en = "Riverside" }
timezone = "Asia/Shanghai"
[[zone]]
id = "gate"
name = { zh = "大门", en = "Gate" }
[[sensor]]
id = "gate-1"
station = "north-1"
zone = "gate"
driver = "any"
quantity = "people-count"
hazard = "crowd"
interval_s = 3600
[[holiday]]
date = 2026-02-17
"""


def test_in_a_community_a_learned_detector_learns_but_is_silent_until_it_is_approved() -> None:
    community = parse_community(PROFILE)
    said: list[set[str]] = []
    for allowed in (frozenset[str](), frozenset({"unusual-count"})):
        sentinel = Sentinel(community, 1.0, MONDAY)
        sentinel.allow(allowed)
        found = []
        for hour in range(24 * 30):
            at = MONDAY + hour * HOUR
            value = 900.0 if hour > 24 * 29 else crowd(hour)
            reading = Reading("gate-1", Quantity.PEOPLE_COUNT, at, value)
            found += sentinel._judge([(reading, at)], at)
        stated = {sentinel.statement(n, MONDAY).rule for n in sentinel.statements}
        said.append({finding.rule for finding in found if finding.grade > Grade.GREEN} | stated)
        assert sentinel.bank.stated.max() == Grade.YELLOW
        (plan,) = sentinel.bank.plans
        assert plan.holidays == (dt.date(2026, 2, 17),)

    assert "unusual-count" not in said[0]
    assert "unusual-count" in said[1]


def test_an_approval_of_a_panel_holds_for_the_very_version_that_was_tested() -> None:
    """Its state is resumed all the same: what is stated outlives an update."""
    rule = PanelRule("zone.a", "forest", "a", Hazard.AIR, limits_of(HOUR), "", (0,), learned=True)
    newer = replace(rule, version=2)

    assert fingerprints([rule]) != fingerprints([newer])
    assert repr(rule) == repr(newer)


def test_an_approval_holds_for_the_very_limits_that_were_tested() -> None:
    plan = with_detectors(
        SeriesPlan(
            SeriesId("gate-1", Quantity.PEOPLE_COUNT), "", "gate", Hazard.CROWD, 3600.0, "{count}"
        )
    )
    (rule,) = [one for one in plan.rules if one.name == "unusual-count"]
    record = Approval(
        rule=rule.name,
        fingerprint=fingerprints([rule])[rule.name],
        site="riverside",
        start=0,
        end=1,
        tested="2026-01-01T00:00:00+00:00",
        readings=1,
        passed=True,
        why="passed",
        false_per_month=0.1,
    )
    assert approved([record], "riverside", [rule]) == {"unusual-count"}

    assert approved([record], "riverside", [_sharper(rule)]) == frozenset()


def _sharper(rule: RulePlan) -> RulePlan:
    level = replace(rule.limits.levels[0], limit=1.0)
    return replace(rule, limits=replace(rule.limits, levels=(level,)))


def test_southern_cross_station_finds_most_holidays_and_hardly_anything_else() -> None:
    root = os.environ.get("SAFETY_EYE_RECORDINGS")
    if root is None:
        pytest.skip("SAFETY_EYE_RECORDINGS does not name the recordings")
    lines = list(replay([Path(root) / "people/melbourne-southern-cross-station.csv.gz"]))
    days = {line["at"][:10] for line in lines if line["detector"] == "unusual-count"}

    # Good Friday, Christmas Day, Boxing Day and New Year's Day in 2015 and 2016, evenings in UTC.
    for day in ("2015-04-03", "2015-12-25", "2015-12-26", "2016-03-25", "2016-12-26"):
        assert day in days, day
    assert len(days) < 80
    assert {line["grade"] for line in lines} <= {"blue", "yellow"}


def test_a_real_office_is_called_unusually_warm_or_cold_a_few_times_a_year() -> None:
    """Ten months of an office, in Fahrenheit; of the two events that people marked it finds one."""
    root = os.environ.get("SAFETY_EYE_RECORDINGS")
    if root is None:
        pytest.skip("SAFETY_EYE_RECORDINGS does not name the recordings")
    name = "nab-realknowncause-ambient-temperature-system-failure"
    room = read_recording(Path(root) / f"general/{name}.csv.gz")
    plan = SeriesPlan(
        SeriesId("room-1", Quantity.TEMPERATURE), "s", "office", Hazard.AIR, 3600.0, "Cel"
    )
    choice = VALUE_DETECTOR.choose(replace(plan, timezone="America/New_York"))
    assert choice is not None
    lane, one = VALUE_DETECTOR.lane([choice.rule]), np.zeros(1, np.int64)
    celsius = (room.channels[0].values - 32.0) / 1.8
    told = [
        lane.step(one, room.at[row : row + 1], celsius[row : row + 1]).item()
        for row in range(celsius.size)
    ]

    limit = choice.limits.levels[0].limit
    days = {room.texts[row][:10] for row in range(len(told)) if told[row] >= limit}
    assert "2013-12-22" in days, "marked from 15 to 30 December"
    assert len(days) <= 5


def test_at_its_first_start_the_week_is_learned_from_history(tmp_path: Path) -> None:
    community = parse_community(PROFILE)
    settings = HistorySettings(path=str(tmp_path / "history.db"))
    writer = open_writer(settings)
    gate = Series("riverside", "north-1", "gate", "gate-1", Quantity.PEOPLE_COUNT)
    now = MONDAY + 24 * 35 * HOUR
    stored = [
        (gate, Reading("gate-1", Quantity.PEOPLE_COUNT, MONDAY + hour * HOUR, crowd(hour)))
        for hour in range(24 * 35)
    ]
    writer.write(stored)
    writer.close()
    archive = Archive(settings)
    sentinel = Sentinel(community, 1.0, now)

    assert archive.teach(sentinel.bank, now) == 1
    sentinel.catch_up(archive.missed(sentinel.bank, now), now)
    for hour in range(24 * 35, 24 * 35 + 3):
        at = MONDAY + hour * HOUR
        sentinel._judge([(Reading("gate-1", Quantity.PEOPLE_COUNT, at, 900.0), at)], at)
    archive.close()

    assert sentinel.bank.stated.max() == Grade.YELLOW


def test_a_series_with_a_past_whose_week_was_lost_learns_it_from_history_too(
    tmp_path: Path,
) -> None:
    """So it is after an update that keeps weeks otherwise: limits are resumed, weeks are not."""
    settings = HistorySettings(path=str(tmp_path / "history.db"))
    writer = open_writer(settings)
    gate = Series("riverside", "north-1", "gate", "gate-1", Quantity.PEOPLE_COUNT)
    now = MONDAY + 24 * 35 * HOUR
    writer.write(
        [
            (gate, Reading("gate-1", Quantity.PEOPLE_COUNT, MONDAY + hour * HOUR, crowd(hour)))
            for hour in range(24 * 35)
        ]
    )
    writer.close()
    archive = Archive(settings)
    limit = '[[limit]]\nzone = "gate"\nquantity = "people-count"\nyellow = 5000.0\n'
    sentinel = Sentinel(parse_community(PROFILE + limit), 1.0, now)
    sentinel._judge([(Reading("gate-1", Quantity.PEOPLE_COUNT, now - HOUR, 20.0), now)], now)
    assert sentinel.bank.past_of(0) is not None
    (lane,) = [f.lane for f in sentinel.bank.feeds if f.detector.name == "unusual-count"]
    lane.first_at[:] = NEVER  # type: ignore[attr-defined]

    taught = archive.teach(sentinel.bank, now)
    again = archive.teach(sentinel.bank, now)
    archive.close()

    assert (taught, again) == (1, 0), "and what has been learned is not learned twice"
