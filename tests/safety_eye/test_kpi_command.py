"""`safety-eye kpi`: a table for people, JSON for programs, a clear word where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from core.grade import Grade
from safety_eye.cli import app
from tests.alerts.scenery import PLACE, Scene, level

NOW = "1764500091000:1"


def state(directory: Path) -> list[str]:
    scene = Scene(directory)
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


def test_programs_read_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*state(tmp_path), *SINCE, "--json"])
    body = json.loads(result.stdout)
    assert body["kpis"]["grades"]["orange"] == 1
    assert len(body["resilience"]) == 10


def test_without_a_state_nothing_is_made_up_and_none_is_created(tmp_path: Path) -> None:
    arguments = state(tmp_path)
    wrong = CliRunner().invoke(app, [*arguments, "--from", "2025-11-30T00:00:00"])
    assert "it needs its offset" in wrong.stderr
    (tmp_path / "alerts.db").unlink()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "there is no state of alerts" in result.stderr
    assert not (tmp_path / "alerts.db").exists()
