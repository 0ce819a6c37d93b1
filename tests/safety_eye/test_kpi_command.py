"""`safety-eye kpi`: a table for people, JSON for programs, a clear word where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.figures import Figures, note_beginning
from core.clock import RunClock
from core.grade import Grade
from safety_eye.cli import app
from tests.alerts.scenery import PLACE, Scene, level

NOW = "1764500091000:1"


def state(directory: Path, at: int = 0) -> list[str]:
    scene = Scene(directory)
    scene.clock.ms = at or scene.clock.ms
    scene.say(level(Grade.ORANGE))
    scene.clock.advance(60)
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.close()
    (directory / "community.toml").write_text(PLACE, encoding="utf-8")
    return ["kpi", "--community", str(directory / "community.toml"), "--state", str(directory)]


SINCE = ["--from", "2025-11-30T00:00:00+00:00", "--to", "2025-12-01T00:00:00+00:00"]


def test_people_read_a_table_in_their_language(tmp_path: Path) -> None:
    arguments = [*state(tmp_path), *SINCE]
    zh = CliRunner().invoke(app, [*arguments, "--language", "zh"])
    assert zh.exit_code == 0
    for part in ("滨河社区", "接手用时（中位数）", "60 秒", "[T]", "韧性（无总分）", "缺：内涝"):
        assert part in zh.stdout
    en = CliRunner().invoke(app, [*arguments, "--language", "en"])
    assert "accepted by no channel" in en.stdout


def test_of_a_sped_up_run_its_own_time_holds_and_that_is_said(tmp_path: Path) -> None:
    ahead = RunClock().wall_ms() + 9 * 3_600_000  # a demo at 50 times the speed
    arguments = [*state(tmp_path, ahead), "--days", "1", "--json"]

    found = CliRunner().invoke(app, arguments)

    kpis = json.loads(found.stdout)["kpis"]
    assert kpis["grades"]["orange"] == 1
    assert ahead + 60_000 < kpis["until"] <= ahead + 120_000
    assert "sped-up run" in CliRunner().invoke(app, [*arguments, "--language", "en"]).stderr


def test_hours_in_which_no_hub_watched_are_no_part_of_the_period(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    began = scene.clock.ms
    note_beginning(scene.database, began)
    scene.clock.advance(3600)
    note_beginning(scene.database, scene.clock.ms)  # a restart changes nothing
    scene.say(level(Grade.ORANGE))
    scene.clock.advance(1)
    figures = Figures(scene.database, scene.community, scene.clock)

    found = figures.last_days(30)

    assert (found.since, found.until) == (began, scene.clock.ms)
    assert found.figure("rate").value == pytest.approx(1 / 6, rel=0.01)
    early = figures.kpis(began - 7_200_000, began - 3_600_000)
    assert (early.since, early.until) == (began - 7_200_000, began - 3_600_000)
    scene.close()


def test_what_was_there_before_the_beginning_was_noted_still_counts(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.say(level(Grade.ORANGE))
    opened = scene.clock.ms
    scene.clock.advance(3600)
    note_beginning(scene.database, scene.clock.ms)  # a hub of an older version is updated

    found = Figures(scene.database, scene.community, scene.clock).last_days(30)

    assert (found.since <= opened, found.grades["orange"]) == (True, 1)
    scene.close()


def test_programs_read_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*state(tmp_path), *SINCE, "--json"])
    body = json.loads(result.stdout)
    assert body["kpis"]["grades"]["orange"] == 1
    assert len(body["resilience"]) == 10


def test_without_a_state_nothing_is_made_up_and_none_is_created(tmp_path: Path) -> None:
    arguments = state(tmp_path)
    vague = [*arguments, "--from", "2025-11-30T00:00:00"]
    for language, said in (("zh", "须带时区"), ("en", "it needs its offset")):
        wrong = CliRunner().invoke(app, [*vague, "--language", language])
        assert said in wrong.stderr
    (tmp_path / "alerts.db").unlink()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "there is no state of alerts" in result.stderr
    assert not (tmp_path / "alerts.db").exists()
