"""The hub's clock is put right while people are being called: nobody waits for it to catch up."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from alerts import dispatch, settling
from alerts.breaker import MAX_RETRY_AFTER_S, Breaker, State
from alerts.channels.base import Outcome, OutcomeKind
from alerts.delivery import Delivery
from alerts.dispatch import Claimed, Room
from alerts.escalation import due_at
from alerts.ladder import Ladder, Step
from core.grade import Grade
from tests.alerts.scenery import Scene, level

HOUR_S = 3600
WIDE = {"hook": Room(100), "second": Room(100)}
RETRY = Outcome(OutcomeKind.RETRY, vendor_code="503")


def claim(scene: Scene, rooms: dict[str, Room] | None = None) -> list[Claimed]:
    with scene.database.write() as connection:
        times = scene.watch.times()
        dispatch.follow_clock(connection, times)
        return dispatch.claim(connection, "me", rooms or WIDE, 100, times)


def escalated(scene: Scene) -> int:
    return scene.happened().count("escalated")


@pytest.mark.parametrize("step_s", [-2 * HOUR_S, -100_000 * HOUR_S])
def test_a_message_that_waits_to_be_tried_again_is_tried_again_when_the_clock_is_set_back(
    scene: Scene, step_s: int
) -> None:
    scene.say(level(Grade.RED))
    rows = claim(scene)
    with scene.database.write() as connection:
        for row in rows:
            settling.settle(connection, row, RETRY, resend_unknown=True, times=scene.watch.times())
    before = scene.clock.now_ms()

    scene.clock.advance(step_s)
    assert claim(scene) == []  # its pause is as long as it was
    scene.clock.advance(2)

    again = claim(scene)
    assert {row.note.id for row in again} == {row.note.id for row in rows}
    # And it is not worth telling any longer than it was.
    assert all(row.deadline_at - scene.clock.now_ms() <= 1_800_000 for row in again)
    assert all(row.deadline_at < before + 1_800_000 for row in again)


def test_the_vendors_budget_is_not_used_up_for_hours_when_the_clock_is_set_back(
    scene: Scene,
) -> None:
    rooms = {"hook": Room(100, per_minute=3), "second": Room(100)}
    scene.say(level(Grade.RED))
    assert len([row for row in claim(scene, rooms) if row.channel == "hook"]) == 3

    scene.clock.advance(-2 * HOUR_S)
    scene.say(msgspec.structs.replace(level(Grade.RED), zone="north", subject="zone.north"))

    assert len([row for row in claim(scene, rooms) if row.channel == "hook"]) == 3


def test_a_channels_rest_does_not_grow_by_hours_when_the_clock_is_set_back() -> None:
    wall = 1_764_500_000_000
    resting = Breaker("hook", 5, wall, wall + 300_000)

    assert resting.state(wall + 1) is State.OPEN
    assert resting.state(wall - 2 * HOUR_S * 1000) is State.HALF_OPEN
    # The longest that a vendor may ask for is kept.
    asked = Breaker("hook", 1, wall, wall + round(MAX_RETRY_AFTER_S * 1000))
    assert asked.state(wall) is State.OPEN


def test_the_ladder_of_a_red_goes_on_when_the_clock_is_set_back(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.later(60, level(Grade.RED))
    assert escalated(scene) == 0

    scene.clock.advance(-2 * HOUR_S)
    scene.watch.tick()
    assert escalated(scene) == 1  # nobody knows how late it is: now

    scene.later(119, level(Grade.RED))
    assert escalated(scene) == 1  # the next one is two minutes further up
    scene.later(2, level(Grade.RED))
    assert escalated(scene) == 2
    scene.later(301, level(Grade.RED))
    assert escalated(scene) == 3


@pytest.mark.parametrize("step_s", [-2 * HOUR_S, -5 * 24 * HOUR_S])
def test_who_has_it_is_asked_again_and_replaced_when_the_clock_is_set_back(
    tmp_path: Path, step_s: int
) -> None:
    """Who took a red over and fell asleep must not have it for hours more."""
    ladder = Ladder(
        grade="red", step=(Step(0.0, ("duty",)),), remind_after_s=600.0, lapse_after_s=120.0
    )
    scene = Scene(tmp_path, delivery=Delivery(escalation=(ladder,)))
    scene.say(level(Grade.RED))
    scene.watch.acknowledge(1, "leader-1", "console")
    scene.later(300, level(Grade.RED))
    assert "reminded" not in scene.happened()

    scene.clock.advance(step_s)
    scene.watch.tick()
    scene.watch.tick()
    assert scene.happened().count("reminded") == 1

    scene.clock.advance(step_s)
    scene.watch.tick()
    assert scene.happened().count("lapsed") == 1
    scene.close()


def test_a_hub_that_was_off_for_a_night_catches_up_one_round_and_no_more(scene: Scene) -> None:
    """It would call the same people a hundred times in a few minutes."""
    scene.say(level(Grade.RED))
    scene.restart()
    scene.clock.advance(8 * HOUR_S)

    for _ in range(60):  # two minutes
        scene.clock.advance(2)
        scene.say(level(Grade.RED))
        scene.watch.tick()

    assert escalated(scene) == 3  # duty again, deputy, leader: each once
    [kept] = scene.store.open_incidents()
    due = due_at(kept.incident, 1.0)
    assert due is not None
    assert due - scene.clock.now_ms() > 300_000
    scene.later(8 * 60, level(Grade.RED))
    assert escalated(scene) == 4  # and the rounds go on as the ladder says


def test_a_clock_that_is_put_forward_makes_no_flood_of_calls(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.say(level(Grade.RED))
    scene.later(700, level(Grade.RED))
    assert escalated(scene) == 3

    scene.clock.advance(12 * HOUR_S)
    for _ in range(30):
        scene.clock.advance(2)
        scene.say(level(Grade.RED))
        scene.watch.tick()

    assert escalated(scene) == 4
    scene.close()


def test_an_all_clear_is_not_hours_late_when_the_clock_is_set_back(scene: Scene) -> None:
    """People stand outside until they hear it."""
    scene.say(level(Grade.BLUE))
    scene.say(level(Grade.GREEN))
    scene.clock.advance(60)
    scene.watch.tick()
    assert scene.happened().count("announced") == 1  # it could come back within two minutes

    scene.clock.advance(-2 * HOUR_S)
    scene.watch.tick()

    assert ("clear", "green", "duty-1", "pending") in scene.notes()
