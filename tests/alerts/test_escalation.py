"""The ladder: nobody takes it over, somebody does, it rises, it is forgotten again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from alerts import dispatch, routing, settling
from alerts.channels.base import Outcome, OutcomeKind
from alerts.delivery import Delivery
from alerts.dispatch import Room
from alerts.escalation import due_at
from alerts.incident import Happening
from alerts.ladder import DEFAULTS, FOREVER, Climb, Ladder, Step, ladders, problems
from core.community_file import parse_community
from core.finding import Condition
from core.grade import Grade
from tests.alerts.scenery import PLACE, Scene, level

ACCEPTED = Outcome(OutcomeKind.ACCEPTED, vendor_code="204")
REFUSED = Outcome(OutcomeKind.PERMANENT, vendor_code="400", detail="HTTP 400")
WIDE = {"hook": Room(100), "second": Room(100)}
SHORT = Ladder(
    grade="red",
    step=(Step(0.0, ("duty",)), Step(60.0, ("deputy",)), Step(120.0, ("leader",))),
    repeat=1,
    repeat_after_s=60.0,
    remind_after_s=600.0,
    lapse_after_s=120.0,
)


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, delivery=Delivery(escalation=(SHORT,)))
    yield scene
    scene.close()


def called(scene: Scene) -> list[str]:
    """Whom the ladder called, in order."""
    return [contact for kind, _, contact, _ in scene.notes() if kind == "escalation"]


def send(scene: Scene, outcome: Outcome = ACCEPTED) -> None:
    """Let every message that waits come back with *outcome*."""
    with scene.database.write() as connection:
        times = scene.watch.times()
        for row in dispatch.claim(connection, "me", WIDE, 100, times):
            if outcome.kind is OutcomeKind.ACCEPTED:
                settling.accept(connection, [(row, outcome)], times)
            else:
                settling.settle(connection, row, outcome, resend_unknown=False, times=times)


def test_red_calls_the_duty_again_then_the_deputy_then_the_leader(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    send(scene)

    scene.later(179, level(Grade.RED))
    assert called(scene) == []
    scene.later(2, level(Grade.RED))
    assert called(scene) == ["duty-1", "duty-1"]  # over both of its channels
    scene.later(120, level(Grade.RED))
    assert Counter(called(scene)) == {"duty-1": 4, "deputy-1": 1}
    scene.later(300, level(Grade.RED))

    assert Counter(called(scene)) == {"duty-1": 6, "deputy-1": 2, "leader-1": 1}
    assert scene.happened().count("escalated") == 3


def test_a_red_that_nobody_takes_is_never_forgotten(scene: Scene) -> None:
    scene.say(level(Grade.RED))

    scene.later(6 * 3600, level(Grade.RED))

    # 10 min up the ladder and 5 min of rest: 4 rounds an hour of 3 steps each.
    assert scene.happened().count("escalated") == 6 * 4 * 3


def test_taking_it_over_stops_the_ladder(short: Scene) -> None:
    short.say(level(Grade.RED))
    short.later(61, level(Grade.RED))
    assert called(short) == ["deputy-1"]

    short.watch.acknowledge(1, "deputy-1", "console")
    short.later(500, level(Grade.RED))

    assert called(short) == ["deputy-1"]


def test_the_ladder_ends_after_its_rounds(short: Scene) -> None:
    short.say(level(Grade.RED))

    short.later(3600, level(Grade.RED))

    assert called(short) == ["deputy-1", "leader-1", "deputy-1", "leader-1"]
    [kept] = short.store.open_incidents()
    assert due_at(kept.incident, 1.0) is None


def test_a_rise_above_what_was_taken_over_arms_the_ladder_again(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.later(400, level(Grade.ORANGE))
    assert called(scene) == []

    scene.say(level(Grade.RED))
    scene.later(200, level(Grade.RED))

    assert called(scene) == ["duty-1", "duty-1"]


def test_unknown_is_not_over_and_the_ladder_goes_on(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.later(30, level(Grade.RED, condition=Condition.UNKNOWN))

    scene.later(300, level(Grade.RED, condition=Condition.UNKNOWN))

    assert "deputy-1" in called(scene)


def test_what_has_cleared_calls_nobody_and_what_comes_back_goes_on(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.later(60, level(Grade.RED))
    scene.say(level(Grade.GREEN))
    scene.later(118, level(Grade.GREEN))
    assert called(scene) == []

    scene.say(level(Grade.RED))
    scene.later(10, level(Grade.RED))

    assert called(scene) == ["duty-1", "duty-1"]  # three minutes since the announcement


def test_a_fall_that_was_told_goes_on_more_gently_and_does_not_begin_again(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.later(240, level(Grade.RED))
    scene.say(level(Grade.YELLOW))
    scene.later(180, level(Grade.YELLOW))
    before = len(called(scene))

    scene.later(600, level(Grade.YELLOW))

    assert len(called(scene)) == before
    [kept] = scene.store.open_incidents()
    assert kept.incident.climb is not None
    assert kept.incident.climb.ladder.grade == "yellow"
    assert kept.incident.climb.taken == 0


def test_a_change_of_hub_toml_does_not_move_an_open_incidents_ladder(
    short: Scene, tmp_path: Path
) -> None:
    short.say(level(Grade.RED))
    gentle = msgspec.structs.replace(SHORT, step=(Step(0.0, ("duty",)), Step(9000.0, ("leader",))))
    again = Scene(tmp_path, delivery=Delivery(escalation=(gentle,)), clock=short.clock)

    again.later(61, level(Grade.RED))

    assert called(again) == ["deputy-1"]
    again.close()


def test_the_clear_goes_to_whoever_was_called_too(short: Scene) -> None:
    short.say(level(Grade.RED))
    short.later(130, level(Grade.RED))
    short.later(180, level(Grade.GREEN))

    told = Counter(contact for kind, _, contact, _ in short.notes() if kind == "clear")

    assert told == {"duty-1": 2, "deputy-1": 1, "leader-1": 1}


def test_who_has_it_is_asked_and_without_an_answer_the_ladder_begins_again(short: Scene) -> None:
    short.say(level(Grade.RED))
    short.watch.acknowledge(1, "leader-1", "console")
    short.later(601, level(Grade.RED))
    assert ("reminder", "red", "leader-1", "pending") in short.notes()

    short.later(121, level(Grade.RED))

    [kept] = short.store.open_incidents()
    assert not kept.incident.acknowledged
    assert "lapsed" in short.happened()
    short.later(1, level(Grade.RED))
    assert called(short) == ["deputy-1"]  # at once, not a minute later
    short.store.verify_journal()


def test_an_answer_keeps_it_with_whom_it_is(short: Scene) -> None:
    short.say(level(Grade.RED))
    short.watch.acknowledge(1, "leader-1", "console")
    short.later(601, level(Grade.RED))

    short.watch.acknowledge(1, "leader-1", "link")
    short.later(300, level(Grade.RED))

    assert "lapsed" not in short.happened()
    assert short.happened().count("reminded") == 1


def test_a_red_that_every_channel_refuses_goes_to_everybody_at_once(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    send(scene, REFUSED)

    scene.clock.advance(11)
    scene.watch.remind()

    assert set(called(scene)) == {"duty-1", "deputy-1", "leader-1"}


def test_a_siren_that_sounds_and_residents_who_hear_it_have_told_nobody_who_could_take_over(
    tmp_path: Path,
) -> None:
    more = """
[[contact]]
id = "horn"
name = "siren"
role = "sounder"
channels = ["second"]
[[contact]]
id = "house-1"
name = "1 号楼"
role = "resident"
channels = ["second"]
"""
    steps = (Step(0.0, ("duty", "sounder", "resident"), channels=("hook",)), Step(180.0, ("duty",)))
    scene = Scene(
        tmp_path, community=parse_community(PLACE + more),
        delivery=Delivery(escalation=(Ladder(grade="red", step=steps),)),
    )  # fmt: skip
    scene.say(level(Grade.RED))
    with scene.database.write() as connection:
        times = scene.watch.times()
        for row in dispatch.claim(connection, "me", WIDE, 100, times):
            if row.note.contact == "duty-1":
                settling.settle(connection, row, REFUSED, resend_unknown=False, times=times)
            else:
                settling.accept(connection, [(row, ACCEPTED)], times)

    scene.clock.advance(11)
    scene.watch.remind()

    assert {"duty-1", "deputy-1", "leader-1"} <= set(called(scene))
    scene.close()


def test_an_escalation_is_counted_apart_and_replaces_what_was_not_sent_yet(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.later(200, level(Grade.RED))

    states = {(kind, contact): state for kind, _, contact, state in scene.notes()}

    assert states["alert", "duty-1"] == "superseded"
    assert states["escalation", "duty-1"] == "pending"
    assert states["alert", "leader-1"] == "pending"


def test_a_stuck_ladder_is_set_going_again_and_the_journal_says_so(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.clock.advance(400)

    scene.watch.resume(1, "next rung overdue by 220 s")
    scene.watch.resume(1, "again")

    assert scene.happened()[-2:] == ["resumed", "escalated"]
    scene.store.verify_journal()


def test_two_programs_climb_each_rung_once(scene: Scene, tmp_path: Path) -> None:
    scene.say(level(Grade.RED))
    other = Scene(tmp_path, clock=scene.clock)
    scene.clock.advance(181)

    scene.watch.tick()
    other.watch.tick()

    assert scene.happened().count(Happening.ESCALATED) == 1
    other.close()


def test_in_a_fast_run_rungs_are_seconds_of_wall_time_apart() -> None:
    climb = Climb(DEFAULTS[Grade.RED], 0, 0, 0).climbed(0, 180_000)

    assert climb.due_at(1.0) == 300_000
    assert climb.due_at(1000.0) == 180_000 + 2_000_000


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Ladder("purple", (Step(0.0, ("duty",)),)), "expected one of"),
        (Ladder("red", (Step(60.0, ("duty",)),)), "after_s = 0"),
        (Ladder("red", (Step(0.0, ("duty",)), Step(9.0, ("x",)), Step(3.0, ("x",)))), "order"),
        (Ladder("red", (Step(0.0),)), "roles or contacts"),
        (Ladder("red", (Step(0.0, ("duty",)),), repeat=-2), "repeat"),
        (Ladder("red", (Step(0.0, ("duty",)), Step(float("nan"), ("duty",)))), "after_s"),
        (Ladder("red", ()), "after_s = 0"),
    ],
)
def test_a_ladder_that_makes_no_sense_is_refused(wrong: Ladder, says: str) -> None:
    assert any(says in problem for problem in problems([wrong]))


def test_the_defaults_make_sense_and_a_configured_one_replaces_its_grade() -> None:
    assert problems(list(DEFAULTS.values())) == []
    assert ladders([SHORT])[Grade.RED] is SHORT
    assert ladders([SHORT])[Grade.BLUE] is DEFAULTS[Grade.BLUE]
    assert DEFAULTS[Grade.RED].repeat == FOREVER


def test_the_row_of_an_incident_is_the_fold_of_its_journal_whatever_the_ladder_did(
    short: Scene,
) -> None:
    short.say(level(Grade.RED))
    short.later(900, level(Grade.RED))
    short.watch.acknowledge(1, "duty-1", "console")
    short.later(900, level(Grade.RED))
    short.later(300, level(Grade.GREEN))

    short.store.verify_journal()


def test_authorities_hear_only_of_what_is_serious_and_residents_never_by_themselves() -> None:
    place = parse_community(
        PLACE
        + """
[[contact]]
id = "street"
name = "street office"
role = "street-office"
channels = ["hook"]
[[contact]]
id = "flat-3"
name = "a resident"
role = "resident"
channels = ["hook"]
"""
    )

    told = {grade: {one.contact for one in routing.everybody(place, grade)} for grade in Grade}

    assert told[Grade.RED] == told[Grade.ORANGE] == {"duty-1", "deputy-1", "leader-1", "street"}
    assert told[Grade.YELLOW] == told[Grade.BLUE] == {"duty-1", "deputy-1", "leader-1"}
