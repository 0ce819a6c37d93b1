"""`safety-eye audit verify`: what was changed is found, and said in words."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.withholding import Scope, WithholdingKind
from core.grade import Grade
from safety_eye.cli import app
from tests.alerts.scenery import Scene, level


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory of a hub that has been through a flood and a shelving."""
    scene = Scene(tmp_path)
    for grade in (Grade.BLUE, Grade.RED, Grade.GREEN):
        scene.say(level(grade))
    until = scene.clock.now_ms() + 60_000
    scene.withholding.withhold(
        WithholdingKind.SHELVED, Scope(sensor="gauge-1"), "duty-1", "cleaning", until=until
    )
    scene.close()
    return tmp_path


def verify(state: Path, *options: str) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["audit", "verify", "--state", str(state), *options])
    return ran.exit_code, ran.stdout + ran.stderr


def head(state: Path) -> str:
    report = json.loads(verify(state, "--json")[1])
    return f"{report['head']['seq']}:{report['head']['hash']}"


def tamper(state: Path, *statements: str) -> None:
    """As somebody with a shell could."""
    connection = sqlite3.connect(state / "alerts.db")
    for name in ("journal_no_update", "journal_no_delete"):
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_whole_journal_is_said_to_be_whole_and_gives_an_anchor(state: Path) -> None:
    code, text = verify(state)

    assert code == 0
    assert "The journal is whole" in text
    assert f"anchor {head(state)}" in text
    assert verify(state, "--anchor", head(state))[0] == 0


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE journal SET body = replace(body, 'raised', 'lowered')", "was changed"),
        ("DELETE FROM journal WHERE seq = 2", "something is missing"),
        (
            "INSERT INTO journal SELECT 99, incident, body, 'x', 'y' FROM journal WHERE seq = 1",
            "something is missing",
        ),
        ("UPDATE incident SET state = replace(state, '\"peak\":4', '\"peak\":1')", "its row"),
        ("UPDATE incident SET closed_at = 5", "its row"),
        ("UPDATE withholding SET state = replace(state, 'cleaning', 'sleeping')", "withholding 1"),
        ("DELETE FROM withholding", "its row is missing"),
    ],
)
def test_tampering_is_found(state: Path, statement: str, says: str) -> None:
    tamper(state, statement)

    code, text = verify(state)

    assert code == 1
    assert "THE JOURNAL WAS CHANGED" in text
    assert says in text


def test_a_forged_chain_shows_against_an_anchor_that_left_the_house(state: Path) -> None:
    anchor = head(state)
    tamper(state, "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)")
    tamper_free = verify(state, "--json")  # the withholding's entry is gone, and it shows

    assert tamper_free[0] == 1
    code, text = verify(state, "--anchor", anchor)
    assert code == 1
    assert "its end was cut off" in text


def test_what_can_not_be_read_is_said_in_one_line(state: Path, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, but a text that is long enough")
    for options in (
        [str(tmp_path / "missing.db")],
        [str(tmp_path / "text.db")],
        ["mysql://somewhere/alerts"],
        [str(state), "--anchor", "nonsense"],
    ):
        ran = CliRunner().invoke(app, ["audit", "verify", "--state", *options])
        assert ran.exit_code == 2
        assert ran.stderr.startswith("safety-eye: ")
        assert "Traceback" not in ran.stderr
    assert not (tmp_path / "missing.db").exists()
