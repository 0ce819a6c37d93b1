"""Writers within one program take turns in the order in which they came."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as DatabaseTimeoutError

from alerts.turns import Turns
from core.grade import Grade
from tests.alerts.scenery import Scene, level
from tests.servers import wait_until


def test_who_came_first_writes_first_and_nobody_waits_behind_a_busy_one() -> None:
    turns, order = Turns(), list[int]()

    def write(number: int) -> None:
        with turns.turn(10):
            order.append(number)

    threads = []
    with turns.turn(1):
        for number in range(5):
            threads.append(threading.Thread(target=write, args=(number,)))
            threads[-1].start()
            wait_until(lambda number=number: len(turns._waiting) == number + 1, 5)  # type: ignore[misc]  # bound default
    for thread in threads:
        thread.join(5)

    assert order == [0, 1, 2, 3, 4]


def test_a_turn_that_does_not_come_is_an_error_of_the_database_and_holds_up_nobody() -> None:
    turns = Turns()
    with (
        turns.turn(1),
        pytest.raises(DatabaseTimeoutError, match=r"no turn to write"),
        turns.turn(0.05),
    ):
        pass

    with turns.turn(0.05):
        assert turns._held
    assert not turns._held


def test_what_is_taken_together_is_one_transaction_and_a_failure_undoes_and_repeats_all(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    zones = [f"zone-{index}" for index in range(5)]
    findings = [
        msgspec.structs.replace(level(Grade.RED), zone=zone, subject=f"zone.{zone}")
        for zone in zones
    ]

    def take_and_fail() -> None:
        with scene.watch.together():
            for finding in findings:
                scene.watch.take(finding, 120)
            assert len(scene.store.open_incidents()) == 5  # seen within the transaction
            raise OperationalError("COMMIT", {}, Exception("disk full"))

    with pytest.raises(OperationalError):
        take_and_fail()
    assert scene.store.open_incidents() == []
    assert scene.watch.open_keys() == set()

    scene.watch.retry()

    assert len(scene.store.open_incidents()) == 5
    scene.store.verify_journal()
    scene.close()


def test_another_program_that_was_faster_undoes_only_its_own_incident(tmp_path: Path) -> None:
    scene, other = Scene(tmp_path), Scene(tmp_path)
    finding = msgspec.structs.replace(level(Grade.RED), zone="shared", subject="zone.shared")
    other.say(finding)

    with scene.watch.together():
        scene.watch.take(level(Grade.YELLOW), 120)
        scene.watch.take(finding, 120)
        scene.watch.take(msgspec.structs.replace(finding, zone="own", subject="zone.own"), 120)

    zones = sorted(kept.incident.zone for kept in scene.store.open_incidents())
    assert zones == ["own", "shared", "underpass"]
    scene.store.verify_journal()
    scene.close()
    other.close()
