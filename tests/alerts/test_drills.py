"""Drills at the desk: begun, apart, pre-empted, ended, scored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.cycle_desk import CycleDesk
from alerts.delivery import Delivery
from alerts.dispatch import Claimed, Room, claim
from alerts.drill import (
    PROGRAMS,
    RUNNER_GONE_S,
    Drill,
    DrillAim,
    DrillPlan,
    DrillState,
    threatens,
)
from alerts.drill_desk import SWEEP_S, DrillDesk
from alerts.drill_store import DrillStore
from alerts.incident import Incident, Kind
from alerts.ladder import Ladder, Step
from alerts.message import lines
from alerts.notification import Notification
from alerts.outbox import PENDING
from alerts.response_file import parse_response
from alerts.watch import Watch
from alerts.withholding_store import WithholdingStore
from core.community import Contact
from core.drill import DrillError, DrillPhase, DrillStatement
from core.finding import Hazard
from core.grade import Grade
from tests.alerts.scenery import Scene, level, place, silence

PLAN = DrillPlan(
    scenario="cloudburst", zone="underpass", hazard=Hazard.FLOOD, sensors=("gauge-1", "gauge-2"),
    duration_s=600, onset_s=10, aim=DrillAim(grade=Grade.RED, detect_s=60),
    by="duty-1",
)  # fmt: skip


RESPONSE = """
[[drill]]
id = "flood"
hazard = "flood"
every_days = 90
[[plan]]
id = "pump-out"
hazard = "flood"
grade = "yellow"
name = { zh = "排水", en = "Pump out" }
[[plan.step]]
id = "close"
text = { zh = "封闭通道", en = "Close the underpass" }
role = "duty"
[[plan.step]]
id = "pump"
text = { zh = "开泵", en = "Start the pump" }
role = "duty"
"""


class Desk:
    """A drill desk beside a scene, and what it stated on MQTT."""

    def __init__(self, directory: Path, **whose: Any) -> None:
        self.scene = Scene(directory, **whose)
        self.said: list[DrillStatement] = []
        self.linked = True
        self.response = parse_response(RESPONSE, self.scene.community)
        self.desk = self._make()

    def _make(self) -> DrillDesk:
        scene = self.scene
        return DrillDesk(
            DrillStore(scene.database, "riverside"), scene.store, scene.community, scene.clock,
            lambda drill, twins: Watch(scene.store, twins, scene.clock, scene.patience, drill),
            self._say, self.response,
        )  # fmt: skip

    def _say(self, statement: DrillStatement) -> bool:
        if self.linked:
            self.said.append(statement)
        return self.linked

    def restart(self) -> None:
        self.scene.restart()
        self.desk = self._make()

    def run(self, plan: DrillPlan = PLAN) -> Drill:
        """Begin a drill in which every program takes part."""
        drill = self.desk.ask(plan)
        for program in PROGRAMS:
            self.desk.join(program, drill.id)
        return self.desk.begin(drill.id, self.scene.clock.now_ms())

    def find(self, drill: Drill, grade: Grade, sensor: str = "drill-gauge-1") -> bool:
        finding = msgspec.structs.replace(level(grade, sensor=sensor), drill=drill.id)
        return self.desk.take(finding, 120)

    def later(self, seconds: float) -> None:
        left = seconds
        while left > 0:
            step = min(left, 1.0)
            self.scene.clock.advance(step)
            self.desk.tick()
            left -= step

    def now(self, drill: Drill) -> Drill:
        current = self.desk.drill(drill.id)
        assert current is not None
        return current

    def incidents(self, drill: Drill) -> list[Incident]:
        return self.scene.store.of_drill(drill.id)

    def notes(self, number: int) -> list[Notification]:
        """Return what is to be sent for an incident, oldest first."""
        rows = self.scene.store.notified([number])[number]
        decoder = msgspec.json.Decoder(Notification)
        return [
            decoder.decode(str(row["payload"])) for row in reversed(rows) if row["state"] == PENDING
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.scene.close()


def test_a_drill_is_stated_to_every_program_until_it_ends(desk: Desk) -> None:
    drill = desk.run()
    desk.later(40)
    desk.desk.beat(drill.id)
    desk.later(21)
    desk.desk.finish(drill.id, "duty-1")

    assert [(one.id, one.phase) for one in desk.said] == [
        (drill.id, DrillPhase.RUNNING),
        (drill.id, DrillPhase.RUNNING),
        (drill.id, DrillPhase.ENDED),
    ]


def test_what_could_not_be_stated_is_stated_once_there_is_a_link(desk: Desk) -> None:
    desk.linked = False
    drill = desk.desk.ask(PLAN)
    assert desk.said == []

    desk.linked = True
    desk.later(1)

    assert [one.id for one in desk.said] == [drill.id]


def test_it_does_not_begin_before_every_program_takes_part(desk: Desk) -> None:
    drill = desk.desk.ask(PLAN)
    desk.desk.join("ingest", drill.id)
    desk.desk.join("somebody", drill.id)

    with pytest.raises(DrillError, match="detectors does not take part"):
        desk.desk.begin(drill.id, 1)


def test_one_drill_at_a_time(desk: Desk) -> None:
    desk.run()

    with pytest.raises(DrillError, match="another drill"):
        desk.desk.ask(PLAN)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"zone": "moon"}, "expected one of north, underpass"),
        ({"sensors": ()}, "no sensor"),
        ({"sensors": ("gauge-9",)}, "not in the profile"),
        ({"hazard": Hazard.FIRE}, "watches for fire"),
        ({"zone": "north"}, "watches for flood"),
        ({"duration_s": 0.0}, "it would take"),
        ({"duration_s": 1e9}, "it would take"),
        ({"onset_s": 700.0}, "onset_s"),
        ({"pace": 0.0}, "pace"),
        ({"aim": DrillAim(grade=Grade.RED, take_over_s=1e18)}, "aim"),
        ({"aim": DrillAim(grade=Grade.RED, notify_s=0)}, "aim"),
    ],
)
def test_a_drill_that_makes_no_sense_is_refused(
    desk: Desk, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(DrillError, match=why) as refused:
        desk.desk.ask(msgspec.structs.replace(PLAN, **changes))
    assert re.search(r"[\u4e00-\u9fff]{2}", refused.value.in_language("zh"))
    assert desk.said == []


def test_a_drill_makes_an_incident_of_its_own_and_every_message_says_so(desk: Desk) -> None:
    drill = desk.run()

    assert desk.find(drill, Grade.RED)

    [incident] = desk.incidents(drill)
    assert (incident.grade, incident.exercise) == (Grade.RED, True)
    assert desk.scene.store.open_incidents() == []
    notes = desk.notes(incident.number)
    assert len(notes) == 4
    for note in notes:
        assert note.exercise
        assert lines(note, "zh")[0].startswith("【演练】")
        assert lines(note, "en")[0].startswith("[DRILL]")


def test_findings_of_another_drill_or_before_the_start_open_nothing(desk: Desk) -> None:
    drill = desk.desk.ask(PLAN)
    assert not desk.find(drill, Grade.RED)
    other = msgspec.structs.replace(drill, id="d-other")
    assert not desk.find(other, Grade.RED)
    assert desk.scene.store.open_incidents(drill=None) == []


def test_an_actual_yellow_breaks_the_drill_off_within_a_second(desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)
    exercise = desk.incidents(drill)[0].number

    desk.scene.say(level(Grade.YELLOW))
    desk.later(1)

    assert desk.now(drill).state is DrillState.ABORTED
    assert desk.now(drill).why == "actual"
    [actual] = desk.scene.store.open_incidents()
    assert desk.now(drill).blocked_by == actual.incident.number
    assert not desk.incidents(drill)[0].open
    # What still waits says that it is over, and why; the actual message waits beside it, unmarked.
    told = desk.notes(exercise)
    assert {note.kind for note in told} == {Kind.DRILL_END}
    assert lines(told[0], "zh")[:2] == [
        "【演练】【中止】下穿通道 内涝",
        f"出现真实警情 #{actual.incident.number}：停止演练，按真实警情处置",
    ]
    assert not any(note.exercise for note in desk.notes(actual.incident.number))
    assert not desk.find(drill, Grade.RED)
    desk.scene.store.verify_journal()


def test_the_end_of_a_drill_waits_behind_an_actual_message(desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)
    desk.scene.say(level(Grade.YELLOW))
    desk.later(1)

    rows = desk.scene.store.notified([desk.incidents(drill)[0].number])
    ends = [row for row in next(iter(rows.values())) if row["kind"] == "drill-end"]
    assert {row["urgency"] for row in ends} == {int(Grade.GREEN)}


def test_an_actual_blue_breaks_nothing_off(desk: Desk) -> None:
    drill = desk.run()
    desk.scene.say(level(Grade.BLUE))
    desk.later(2)

    assert desk.now(drill).state is DrillState.RUNNING


def test_no_drill_begins_while_an_actual_yellow_lasts(desk: Desk) -> None:
    desk.scene.say(level(Grade.YELLOW))

    with pytest.raises(DrillError, match="incident 1 is actual and yellow"):
        desk.desk.ask(PLAN)


def test_trouble_of_a_device_that_somebody_looks_after_leaves_room(desk: Desk) -> None:
    desk.scene.say(silence("gauge-2"))
    [trouble] = desk.scene.store.open_incidents()
    assert threatens(trouble.incident)

    desk.scene.watch.acknowledge(trouble.incident.number, "duty-1", "console")

    drill = desk.run()
    desk.later(2)
    assert desk.now(drill).state is DrillState.RUNNING


def test_a_drill_whose_runner_is_gone_ends_by_itself(desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)
    desk.later(RUNNER_GONE_S - 5)
    desk.desk.beat(drill.id)
    desk.later(10)
    assert desk.now(drill).state is DrillState.RUNNING

    desk.later(RUNNER_GONE_S)

    assert (desk.now(drill).state, desk.now(drill).why) == (DrillState.ABORTED, "runner")
    assert not desk.incidents(drill)[0].open


def test_two_programs_on_one_database_keep_one_drill_between_them(desk: Desk) -> None:
    drill = desk.run()
    other = desk._make()
    desk.find(drill, Grade.RED)
    for _ in range(4):
        desk.desk.beat(drill.id)  # only one of them hears the runner
        desk.later(RUNNER_GONE_S / 2)
        other.tick()
    assert desk.now(drill).state is DrillState.RUNNING

    desk.desk.finish(drill.id, "duty-1")
    desk.scene.say(level(Grade.RED))
    desk.scene.clock.advance(1)
    other.tick()

    assert desk.now(drill).state is DrillState.FINISHED
    assert other.watch(drill.id) is None
    desk.scene.store.verify_journal()


def test_what_another_program_wrote_into_a_drill_that_is_over_is_ended(desk: Desk) -> None:
    drill = desk.run()
    slow = Watch(
        desk.scene.store, desk.scene.community, desk.scene.clock, desk.scene.patience, drill.id
    )
    desk.desk.finish(drill.id, "duty-1")
    slow.take(level(Grade.RED), 120)
    assert [one.open for one in desk.incidents(drill)] == [True]

    desk.later(SWEEP_S + 1)

    assert [one.open for one in desk.incidents(drill)] == [False]


def test_a_drill_goes_on_after_a_restart_of_alerts(desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)

    desk.restart()
    desk.scene.say(level(Grade.GREEN))

    assert desk.find(drill, Grade.ORANGE, "drill-gauge-2")
    assert len(desk.incidents(drill)) == 1
    assert desk.said[-1].phase is DrillPhase.RUNNING
    desk.later(1)
    assert desk.desk.finish(drill.id, "duty-1").state is DrillState.FINISHED
    desk.scene.store.verify_journal()


def test_somebody_takes_a_drill_over_and_it_passes(desk: Desk) -> None:
    drill = desk.run()
    desk.later(20)
    desk.find(drill, Grade.RED)
    watch = desk.desk.watch(drill.id)
    assert watch is not None
    desk.later(30)
    [incident] = desk.incidents(drill)

    watch.acknowledge(incident.number, "duty-1", "console")

    score = desk.desk.score(desk.now(drill))
    detected, taken = score.measure("detected"), score.measure("taken-over")
    assert detected is not None
    assert (detected.value, detected.passed) == (10.0, True)
    assert taken is not None
    assert (taken.value, taken.passed, taken.detail) == (30.0, True, ("duty-1", "console"))
    # Nobody sends anything in this test: it can't pass.
    notified = score.measure("notified")
    assert notified is not None
    assert notified.passed is False
    assert not score.passed


def test_the_actual_watch_can_take_over_no_incident_of_a_drill(desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)
    [incident] = desk.incidents(drill)

    with pytest.raises(ValueError, match="there is none"):
        desk.scene.watch.acknowledge(incident.number, "duty-1", "console")


def test_evidence_is_kept_with_its_hash_once_the_drill_is_over(desk: Desk) -> None:
    drill = desk.run()
    with pytest.raises(DrillError, match="comes at its end"):
        desk.desk.add_evidence(drill.id, "report.html", "a" * 64)
    desk.desk.finish(drill.id, "duty-1")

    kept = desk.desk.add_evidence(drill.id, "report.html", "a" * 64)

    assert [(one.path, one.sha256) for one in kept.evidence] == [("report.html", "a" * 64)]
    with pytest.raises(DrillError):
        desk.desk.abort(drill.id, "duty-1")


def claimed(desk: Desk, room: Room) -> list[Claimed]:
    with desk.scene.database.write() as connection:
        return claim(connection, "w", {"hook": room, "second": room}, 50, desk.scene.watch.times())


def test_an_actual_blue_is_sent_before_a_drills_red(desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)
    desk.scene.say(level(Grade.BLUE))

    notes = [one.note for one in claimed(desk, Room(50))]

    assert [note.exercise for note in notes] == [False] + [True] * 4


def test_a_drills_red_leaves_the_reserve_of_a_channel_to_an_actual_one(desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)

    # Four a minute and channel: 60 % of them for what is not an actual red.
    first = claimed(desk, Room(50, 4))
    desk.scene.say(level(Grade.RED))
    second = claimed(desk, Room(50, 4))

    assert [one.channel for one in first].count("hook") == 2
    assert [one.note.exercise for one in second] == [False] * len(second)
    assert [one.channel for one in second].count("hook") == 2


def test_the_plan_is_put_on_a_drill_and_its_steps_are_counted(desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)
    desk.later(1)
    [incident] = desk.incidents(drill)
    assert [step.id for step in incident.steps] == ["close", "pump"]
    cycle = CycleDesk(
        desk.scene.store, lambda name: desk.desk.watch(name) or desk.scene.watch,
        WithholdingStore(desk.scene.database, "riverside"), desk.scene.clock, lambda: None,
    )  # fmt: skip

    cycle.do_step(incident.number, "close", "duty-1")

    steps = desk.desk.score(desk.now(drill)).measure("steps")
    assert steps is not None
    assert (steps.value, steps.target, steps.detail) == (1, 2, ("pump",))
    assert steps.passed is None


def test_sirens_get_no_message_of_a_drill_unless_it_was_asked_for(desk: Desk) -> None:
    desk.scene.store.announcer.outputs = frozenset({"second"})
    drill = desk.run()
    desk.find(drill, Grade.RED)
    quiet = desk.notes(desk.incidents(drill)[0].number)
    desk.desk.abort(drill.id, "duty-1")

    loud_drill = desk.run(msgspec.structs.replace(PLAN, with_outputs=True))
    desk.find(loud_drill, Grade.RED)
    loud = desk.notes(desk.incidents(loud_drill)[0].number)
    desk.desk.finish(loud_drill.id, "duty-1")
    desk.scene.say(level(Grade.RED))
    actual = desk.notes(desk.scene.store.open_incidents()[0].incident.number)

    assert [(len(notes), notes[0].with_outputs) for notes in (quiet, loud, actual)] == [
        (3, False), (4, True), (4, True),
    ]  # fmt: skip
    assert desk.scene.store.announcer.loud == ""


TENANTS = Contact("tenants", "居民群", "resident", ("hook",))
RED_FOR_ALL = Ladder("red", (Step(0.0, ("duty",)), Step(0.0, ("resident",))))


def test_a_drill_wakes_no_residents_unless_it_was_asked_to(tmp_path: Path) -> None:
    community = msgspec.structs.replace(place(), contact=(*place().contact, TENANTS))
    delivery = Delivery(escalation=(RED_FOR_ALL,))
    desk = Desk(tmp_path, community=community, delivery=delivery)

    def told(drill: Drill) -> set[str]:
        desk.find(drill, Grade.RED)
        number = desk.incidents(drill)[0].number
        desk.desk.finish(drill.id, "duty-1")
        return {str(row["contact"]) for row in desk.scene.store.notified([number])[number]}

    assert told(desk.run()) == {"duty-1"}
    assert told(desk.run(msgspec.structs.replace(PLAN, with_residents=True))) == {
        "duty-1", "tenants",
    }  # fmt: skip
    assert told(desk.run()) == {"duty-1"}
    desk.scene.say(level(Grade.RED))
    [actual] = desk.scene.store.open_incidents()
    rows = desk.scene.store.notified([actual.incident.number])[actual.incident.number]
    assert {str(row["contact"]) for row in rows} == {"duty-1", "tenants"}
    desk.scene.close()


def test_coverage_says_what_is_due_until_a_drill_has_passed(desk: Desk) -> None:
    drill = desk.run()
    desk.find(drill, Grade.RED)
    desk.desk.finish(drill.id, "duty-1")

    found = desk.desk.coverage()

    assert [(line.name, line.due) for line in found.entries] == [("flood", True)]
    assert [(line.name, line.count, line.passed) for line in found.hazards] == [("flood", 1, 0)]
    assert [line.name for line in found.watches if line.count] == ["evening-watch"]
    assert [line.name for line in found.channels] == ["hook", "second"]
