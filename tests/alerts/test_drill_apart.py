"""A drill and the real thing side by side: neither hides, marks nor changes the other.

The same actual findings are given to a hub with a drill and to one without. What is actual must be
the same in both, to the message; and whatever belongs to the drill must say so.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alerts.drill import DrillState, threatens
from alerts.incident import Incident
from core.drill import DrillError
from core.grade import Grade
from tests.alerts.scenery import Scene, level
from tests.alerts.test_drills import Desk

GRADES = st.sampled_from(list(Grade))
SENSORS = st.sampled_from(["gauge-1", "gauge-2"])


class SideBySide(RuleBasedStateMachine):
    """Two hubs under one clock; only one of them has drills."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory(prefix="safety-eye-")
        root = Path(self._directory.name)
        (root / "plain").mkdir()
        self.desk = Desk(root)
        self.plain = Scene(root / "plain", clock=self.desk.scene.clock)
        self.drill = ""

    def teardown(self) -> None:
        self.desk.scene.store.verify_journal()
        self.desk.scene.close()
        self.plain.close()
        self._directory.cleanup()

    @rule()
    def a_drill_is_asked_for(self) -> None:
        threatened = any(
            threatens(kept.incident) for kept in self.desk.scene.store.open_incidents()
        )
        try:
            self.drill = self.desk.run().id
        except DrillError:
            assert threatened or self._running()
        else:
            assert not threatened

    @precondition(lambda self: self.drill != "")
    @rule(grade=GRADES, sensor=SENSORS)
    def something_is_found_in_the_drill(self, grade: Grade, sensor: str) -> None:
        finding = level(grade, sensor=f"drill-{sensor}")
        self.desk.desk.take(msgspec.structs.replace(finding, drill=self.drill), 120)

    @rule(grade=GRADES, sensor=SENSORS)
    def something_actual_is_found(self, grade: Grade, sensor: str) -> None:
        self.desk.scene.say(level(grade, sensor=sensor))
        self.plain.say(level(grade, sensor=sensor))

    @rule(seconds=st.sampled_from([1, 20, 130, 700]))
    def time_passes(self, seconds: int) -> None:
        self.desk.scene.clock.advance(seconds)
        if self._running():
            self.desk.desk.beat(self.drill)
        for watch in (self.desk.scene.watch, self.plain.watch):
            watch.tick()
        self.desk.desk.tick()

    @rule()
    def somebody_takes_the_actual_one_over(self) -> None:
        for scene in (self.desk.scene, self.plain):
            for kept in scene.store.open_incidents():
                scene.watch.acknowledge(kept.incident.number, "duty-1", "console")

    @rule()
    def somebody_takes_the_drill_over(self) -> None:
        watch = self.desk.desk.watch(self.drill) if self.drill else None
        for kept in self.desk.scene.store.open_incidents(self.drill) if watch else []:
            assert watch is not None
            watch.acknowledge(kept.incident.number, "deputy-1", "console")

    @precondition(lambda self: self._running())
    @rule()
    def the_drill_comes_to_its_end(self) -> None:
        self.desk.desk.finish(self.drill, "duty-1")

    @rule()
    def alerts_is_killed_and_started(self) -> None:
        self.desk.restart()
        self.plain.restart()

    @invariant()
    def what_is_actual_is_the_same_as_without_any_drill(self) -> None:
        assert self._actual(self.desk.scene) == self._actual(self.plain)

    @invariant()
    def every_message_says_what_it_belongs_to(self) -> None:
        store = self.desk.scene.store
        for incident in store.latest(200, None):
            for row in store.notified([incident.number])[incident.number]:
                told = msgspec.json.decode(str(row["payload"]))
                assert told["exercise"] is incident.exercise
                assert row["exercise"] == int(incident.exercise)

    @invariant()
    def what_is_over_has_left_nothing_open(self) -> None:
        if self.drill and not self._running():
            assert self.desk.scene.store.open_incidents(self.drill) == []

    def _running(self) -> bool:
        drill = self.desk.desk.drill(self.drill) if self.drill else None
        return drill is not None and drill.state is DrillState.RUNNING

    def _actual(self, scene: Scene) -> list[tuple[object, ...]]:
        """Return everything actual that people could see or be told, oldest first."""
        incidents = [one for one in scene.store.latest(200, None) if not one.exercise]
        return [self._seen(scene, one) for one in reversed(incidents)]

    def _seen(self, scene: Scene, one: Incident) -> tuple[object, ...]:
        rows = scene.store.notified([one.number])[one.number]
        told = [
            (
                row["contact"],
                row["channel"],
                row["kind"],
                row["grade"],
                row["urgency"],
                row["state"],
            )
            for row in rows
        ]
        facts = msgspec.structs.replace(one, number=0)
        return (facts, told)


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(
    max_examples=15,
    stateful_step_count=18,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
