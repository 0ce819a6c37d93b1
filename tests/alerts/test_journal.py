"""The journal can't be changed without being seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from alerts.journal import Head, JournalError
from core.grade import Grade
from tests.alerts.scenery import Scene, level


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    for grade in (Grade.BLUE, Grade.YELLOW, Grade.RED, Grade.GREEN):
        scene.say(level(grade))
    yield scene
    scene.close()


def tamper(scene: Scene, *statements: str) -> None:
    """Change the file behind the program's back, as somebody with a shell could."""
    path = scene.url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        for name in ("journal_no_update", "journal_no_delete"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_whole_journal_verifies_and_gives_its_head(scene: Scene) -> None:
    head = scene.store.verify_journal()

    assert head.seq == len(scene.happened())
    assert len(head.hash) == 64


@pytest.mark.parametrize("statement", ["UPDATE journal SET body = '{}'", "DELETE FROM journal"])
def test_the_database_refuses_to_change_or_delete_an_entry(scene: Scene, statement: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"), scene.database.write() as connection:
        connection.execute(text(statement))

    scene.store.verify_journal()


def test_a_changed_entry_breaks_the_chain(scene: Scene) -> None:
    tamper(scene, "UPDATE journal SET body = replace(body, 'raised', 'fallen') WHERE seq = 3")

    with pytest.raises(JournalError, match="entry 3"):
        scene.store.verify_journal()


def test_a_removed_entry_breaks_the_chain(scene: Scene) -> None:
    tamper(scene, "DELETE FROM journal WHERE seq = 2")

    with pytest.raises(JournalError, match="missing"):
        scene.store.verify_journal()


def test_a_cut_off_tail_shows_against_an_anchor_that_left_the_house(scene: Scene) -> None:
    anchor = scene.store.verify_journal()
    tamper(scene, "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)")

    with pytest.raises(JournalError, match="anchor"):
        scene.store.verify_journal(anchor)


def test_an_entry_of_another_incident_does_not_pass(scene: Scene) -> None:
    tamper(
        scene,
        "INSERT INTO incident SELECT 9, site, 'north', hazard, version, grade, opened_at,"
        " closed_at, state, over_at, drill FROM incident",
        "UPDATE journal SET incident = 9 WHERE seq = 4",
    )

    with pytest.raises(JournalError, match="moved"):
        scene.store.verify_journal()


def test_a_row_that_differs_from_its_journal_is_found(scene: Scene) -> None:
    tamper(scene, "UPDATE incident SET state = replace(state, '\"peak\":4', '\"peak\":1')")

    with pytest.raises(JournalError, match="its row was changed"):
        scene.store.verify_journal()


def test_an_old_head_stays_a_valid_anchor(scene: Scene) -> None:
    anchor = scene.store.verify_journal()
    scene.say(level(Grade.RED))

    assert scene.store.verify_journal(anchor).seq > anchor.seq
    assert scene.store.verify_journal(Head(0, "0" * 64)).seq > anchor.seq
