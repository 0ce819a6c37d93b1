"""`safety-eye person`: who is known, what is held, and a statement of what was erased."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.grade import Grade
from safety_eye.cli import app
from tests.alerts.scenery import PLACE, Scene, level


@pytest.fixture
def person(tmp_path: Path) -> str:
    scene = Scene(tmp_path)
    scene.say(level(Grade.ORANGE))
    known = scene.store.person_id("赵 六")
    scene.watch.acknowledge(1, known, "console")
    scene.close()
    (tmp_path / "community.toml").write_text(PLACE, encoding="utf-8")
    return known


def run(directory: Path, *arguments: str, answer: str = "") -> Result:
    where = ["--community", str(directory / "community.toml"), "--state", str(directory)]
    return CliRunner().invoke(app, ["person", *arguments, *where], input=answer)


def test_a_person_is_found_exported_and_erased_with_a_statement(
    tmp_path: Path, person: str
) -> None:
    assert run(tmp_path, "list").stdout == f"{person}\t赵 六\n"
    assert (
        json.loads(run(tmp_path, "export", person).stdout)["held"]["person"][0]["name"] == "赵 六"
    )
    refused = run(tmp_path, "erase", person, answer="n\n")
    assert refused.exit_code == 1
    assert "赵 六" in run(tmp_path, "list").stdout
    done = run(tmp_path, "erase", person, "--yes")
    assert "person（1 条）删除 row" in done.stdout
    assert "journal（1 条）保留：日志只含编号" in done.stdout
    assert run(tmp_path, "list").stdout == ""


def test_of_somebody_unknown_the_command_says_so(tmp_path: Path, person: str) -> None:
    result = run(tmp_path, "export", f"{person}x")
    assert result.exit_code == 1
    assert "nothing is held" in result.stderr
