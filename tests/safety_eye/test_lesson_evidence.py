"""What a back-test of a lesson is made of, and when none is made."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.backtest import MOST_OUTCOMES, PROFILE_FILE, genuine
from alerts.plan_lint import LintFinding
from core.community import Name
from core.finding import Hazard
from core.grade import Grade
from core.quantity import Quantity
from core.reading import Reading
from detectors.comparison import Change, Occasion
from ingest.history import HistorySettings, open_reader, open_writer
from ingest.history.base import Series
from safety_eye.backtest import About, Report, backtest
from safety_eye.lesson_evidence import (
    Files,
    LessonError,
    Taught,
    latest_drill,
    plan_test,
    profile_test,
)
from tests.alerts.scenery import Scene, level
from tests.alerts.test_drills import PLAN, Desk
from tests.safety_eye.test_backtest import DAY, EARLIER, OLD, START, water

KEY = b"the key of a hub"
HOUR = 3_600_000


@pytest.fixture
def files(tmp_path: Path) -> Files:
    for name in ("old", "new"):
        (tmp_path / f"{name}.toml").write_text(name)
    return Files(tmp_path / "old.toml", tmp_path / "new.toml")


@pytest.fixture
def lesson(tmp_path: Path) -> Taught:
    scene = Scene(tmp_path)
    scene.say(level(Grade.RED))
    [incident] = scene.store.latest(1, None)
    scene.close()
    return Taught(incident, "lesson-1", KEY)


def change(zone: str, verdict: str) -> Change:
    return Change(
        zone, Hazard.FLOOD, 3, 1, 2, 600.0, 1200.0, 0, 1, (), (), verdict,
        {Grade.ORANGE: 3}, {Grade.YELLOW: 1, Grade.ORANGE: 3},
    )  # fmt: skip


def report(lesson: Taught, *changes: Change, near: int = 9, **values: Any) -> Report:
    opened = lesson.incident.opened_at
    span = {"start_ms": opened - DAY, "end_ms": opened + HOUR} | values
    told = Occasion(opened, {Grade.ORANGE: opened}, {Grade.BLUE: opened - HOUR})
    return Report(
        **span, readings=1000, counted=144, rolled=7, changes=changes, lessons=(),
        verdict="better", occasion=told, near=near,
    )  # fmt: skip


def test_figures_of_both_files_and_their_hashes_are_sealed(files: Files, lesson: Taught) -> None:
    test = profile_test(report(lesson, change("underpass", "better")), files, lesson, 77)

    assert genuine(test, KEY)
    assert (test.file, test.incident, test.tested_at) == (PROFILE_FILE, 1, 77)
    assert test.before == hashlib.sha256(b"old").hexdigest()
    assert test.proposed == hashlib.sha256(b"new").hexdigest()
    assert test.replay is not None
    opened = lesson.incident.opened_at
    assert (test.replay.readings, test.replay.rolled, test.replay.danger_at) == (144, 7, opened)
    assert (test.replay.before, test.replay.proposed) == (
        {"orange": opened}, {"blue": opened - HOUR},
    )  # fmt: skip
    [one] = test.replay.outcomes
    assert (one.dangers, one.before.missed, one.proposed.missed) == (3, 2, 1)
    assert (one.before.lead_s, one.proposed.lead_s) == (600.0, 1200.0)
    assert (one.before.false_alerts, one.proposed.false_alerts) == (0, 1)
    assert one.proposed.alerts == {"yellow": 1, "orange": 3}


def test_of_too_many_places_those_that_change_are_kept(files: Files, lesson: Taught) -> None:
    places = [change(f"zone-{i}", "same") for i in range(MOST_OUTCOMES + 4)]

    test = profile_test(report(lesson, *places, change("last", "worse")), files, lesson, 0)

    assert test.replay is not None
    assert (test.replay.outcomes[0].zone, test.replay.more) == ("last", 5)


def test_a_stretch_without_the_incident_or_without_its_readings_tests_nothing(
    files: Files, lesson: Taught
) -> None:
    with pytest.raises(LessonError, match="must contain incident 1"):
        profile_test(report(lesson, end_ms=lesson.incident.opened_at), files, lesson, 0)
    with pytest.raises(LessonError, match="no readings of incident 1"):
        profile_test(report(lesson, near=0), files, lesson, 0)


def test_a_file_that_is_saved_meanwhile_was_not_the_one_that_was_tested(
    files: Files, lesson: Taught, tmp_path: Path
) -> None:
    (tmp_path / "new.toml").write_text("newer")

    with pytest.raises(LessonError, match="changed while it was tested"):
        profile_test(report(lesson), files, lesson, 0)


@pytest.mark.parametrize(
    ("before", "proposed", "verdict"),
    [("ab", "a", "better"), ("a", "ab", "worse"), ("ab", "bc", "mixed"), ("a", "a", "same")],
)
def test_plans_are_better_if_something_is_mended_and_nothing_new_is_wrong(
    files: Files, lesson: Taught, before: str, proposed: str, verdict: str
) -> None:
    old, new = ([LintFinding("no-owner", where, Name(), Name()) for where in each] for each in
                (before, proposed))  # fmt: skip

    test = plan_test(old, new, None, files, lesson, 0)

    assert test.verdict == verdict
    assert test.lint is not None
    assert (test.lint.before, test.lint.proposed) == (len(before), len(proposed))


def test_the_latest_finished_drill_of_the_hazard_stands_beside_the_plans(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    scene = desk.scene
    asked = (scene.database, scene.community, desk.response)
    assert latest_drill(*asked, Hazard.FLOOD, scene.clock) is None
    drill = desk.run()
    desk.later(5)
    desk.find(drill, Grade.RED)
    desk.later(5)
    assert latest_drill(*asked, Hazard.FLOOD, scene.clock) is None  # it still runs
    desk.desk.finish(drill.id, "duty-1")
    scene.clock.advance(60)
    desk.desk.abort(desk.run().id, "duty-1")  # what is broken off proves nothing

    found = latest_drill(*asked, Hazard.FLOOD, scene.clock)

    assert found is not None
    assert (found.id, found.zone, found.passed) == (drill.id, PLAN.zone, False)
    assert found.detected_s == 5 - PLAN.onset_s
    assert found.taken_over_s is None
    assert latest_drill(*asked, Hazard.FIRE, scene.clock) is None
    scene.close()


def test_the_replay_says_when_either_profile_would_have_told_of_an_incident(tmp_path: Path) -> None:
    settings = HistorySettings(path=str(tmp_path / "history.db"))
    writer = open_writer(settings)
    gauge = Series("riverside", "north-1", "underpass", "gauge-1", Quantity.WATER_LEVEL)
    times = range(START, START + 8 * DAY, 600_000)
    writer.write([(gauge, Reading("gauge-1", Quantity.WATER_LEVEL, at, water(at))) for at in times])
    writer.close()
    flood = START + 3 * DAY
    about = About(("underpass", Hazard.FLOOD), flood + 2 * HOUR, flood + 7 * HOUR)
    reader = open_reader(settings)

    report, _trial = backtest(EARLIER, OLD, reader, START, START + 8 * DAY, about=about)
    elsewhere = msgspec.structs.replace(EARLIER.sensor[0], zone="garage")
    moved = msgspec.structs.replace(EARLIER, sensor=(elsewhere,), limit=())
    other, _trial = backtest(moved, moved, reader, START, START + 8 * DAY, about=about)
    reader.close()

    found = report.occasion
    assert found is not None
    assert found.danger_at is not None
    assert water(found.danger_at) >= 0.5 > water(found.danger_at - 600_000)
    assert flood < found.new_reached[Grade.BLUE] < found.old_reached[Grade.BLUE] < found.danger_at
    assert report.near == 7 * 6 + 1  # from an hour before to an hour after, one in ten minutes
    assert (other.near, other.counted) == (0, report.counted), "not a reading of the place itself"
    assert report.counted == len(times)
    [change] = [one for one in report.changes if one.hazard is Hazard.FLOOD]
    assert change.old_worst == {Grade.ORANGE: 2}  # the other flood counts, but not as this one


def test_the_usual_stretch_is_the_week_before_up_to_an_hour_after(lesson: Taught) -> None:
    opened = lesson.incident.opened_at

    assert lesson.usual_span == (opened - 7 * DAY, opened + HOUR)
