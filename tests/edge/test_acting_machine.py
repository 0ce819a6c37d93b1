"""What one output should do: sentences, and a random walk that tries to break its promises."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.act import ActEvent, Why
from core.grade import Grade
from edge.acting.machine import Change, Demand, OutputMachine, Timing

TIMING = Timing(min_on_ms=10_000, min_off_ms=5_000, max_run_ms=60_000, feedback_ms=3_000)
FLOOD = Demand(Why.LIMIT, Grade.ORANGE)
WORSE = Demand(Why.LIMIT, Grade.RED)
TEST = Demand(Why.TEST)


def events(changes: Sequence[Change]) -> list[tuple[ActEvent, Why]]:
    return [(change.event, change.why) for change in changes]


def test_it_goes_on_with_the_demand_and_off_when_both_the_demand_and_the_minimum_are_over() -> None:
    machine = OutputMachine(TIMING)
    assert events(machine.step(0, [FLOOD])) == [(ActEvent.ON, Why.LIMIT)]
    assert machine.step(1_000, []) == []
    assert events(machine.step(10_000, [])) == [(ActEvent.OFF, Why.OVER)]


def test_it_rests_before_it_goes_on_again() -> None:
    machine = OutputMachine(TIMING)
    machine.step(0, [FLOOD])
    machine.step(10_000, [])
    assert machine.step(14_999, [FLOOD]) == []
    assert events(machine.step(15_000, [FLOOD])) == [(ActEvent.ON, Why.LIMIT)]


def test_after_the_longest_run_it_stays_off_until_the_danger_is_over_or_worse() -> None:
    machine = OutputMachine(TIMING)
    machine.step(0, [FLOOD])
    assert (ActEvent.OFF, Why.MAX_RUN) in events(machine.step(60_000, [FLOOD]))
    assert machine.step(120_000, [FLOOD]) == []
    assert events(machine.step(121_000, [WORSE]))[0] == (ActEvent.ON, Why.LIMIT)
    machine.step(181_000, [WORSE])
    assert machine.step(240_000, [WORSE]) == []
    machine.step(241_000, [])
    assert events(machine.step(242_000, [FLOOD]))[0] == (ActEvent.ON, Why.LIMIT)


def test_a_person_silences_it_at_once_and_only_for_what_it_is_now() -> None:
    machine = OutputMachine(TIMING)
    machine.step(0, [FLOOD])
    machine.silence([FLOOD])
    assert events(machine.step(100, [FLOOD])) == [(ActEvent.OFF, Why.SILENCED)]
    assert machine.step(100_000, [FLOOD]) == []
    assert events(machine.step(100_100, [WORSE])) == [(ActEvent.ON, Why.LIMIT)]


def test_what_was_silenced_sounds_again_when_it_comes_again() -> None:
    machine = OutputMachine(TIMING)
    machine.step(0, [FLOOD])
    machine.silence([FLOOD])
    machine.step(100, [FLOOD])
    machine.step(20_000, [])
    assert events(machine.step(21_000, [FLOOD])) == [(ActEvent.ON, Why.LIMIT)]


def test_a_test_ends_by_itself_and_does_not_wait_for_the_shortest_time_on() -> None:
    machine = OutputMachine(TIMING)
    machine.order(TEST, 2.0, 0)
    assert events(machine.step(0, [])) == [(ActEvent.ON, Why.TEST)]
    assert events(machine.step(2_000, [])) == [(ActEvent.OFF, Why.OVER)]


def test_a_danger_during_a_test_takes_over_and_outlasts_it() -> None:
    machine = OutputMachine(TIMING)
    machine.order(TEST, 2.0, 0)
    machine.step(0, [])
    machine.step(1_000, [FLOOD])
    assert machine.step(2_500, [FLOOD]) == []
    assert machine.on
    assert machine.run == FLOOD


def test_feedback_says_whether_it_sounds() -> None:
    machine = OutputMachine(TIMING)
    machine.step(0, [FLOOD])
    machine.feedback(heard=True, now_ms=500)
    assert events(machine.step(500, [FLOOD])) == [(ActEvent.HEARD, Why.LIMIT)]
    assert machine.step(10_000, [])[0].sounded is True


def test_a_siren_that_is_not_heard_in_time_is_said_once_and_a_late_one_is_believed() -> None:
    machine = OutputMachine(TIMING)
    machine.step(0, [FLOOD])
    assert machine.step(2_999, [FLOOD]) == []
    assert events(machine.step(3_000, [FLOOD])) == [(ActEvent.NOT_HEARD, Why.LIMIT)]
    assert machine.step(4_000, [FLOOD]) == []
    machine.feedback(heard=True, now_ms=5_000)
    assert events(machine.step(5_000, [FLOOD])) == [(ActEvent.HEARD, Why.LIMIT)]


def test_feedback_that_is_stuck_is_said_and_proves_nothing() -> None:
    machine = OutputMachine(TIMING)
    machine.step(0, [])
    machine.feedback(heard=True, now_ms=1_000)
    assert machine.step(3_000, []) == []
    assert events(machine.step(4_000, [])) == [(ActEvent.STUCK, Why.OVER)]
    assert machine.step(9_000, []) == []
    machine.step(10_000, [FLOOD])
    assert machine.step(14_000, [FLOOD]) == []
    off = machine.step(20_000, [])
    assert (off[0].event, off[0].sounded) == (ActEvent.OFF, None)


def test_the_end_of_the_station_ends_it() -> None:
    machine = OutputMachine(TIMING)
    machine.step(0, [FLOOD])
    assert events(machine.end(Why.STOPPED, 5)) == [(ActEvent.OFF, Why.STOPPED)]
    assert machine.end(Why.STOPPED, 6) == []


class Walk(RuleBasedStateMachine):
    """Anything may happen in any order; what an output promises holds all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = OutputMachine(TIMING)
        self.now = 0
        self.demands: list[Demand] = []
        self.ordered_until = -1.0
        self.silenced: Grade | None = None
        self.on_ms: int | None = None
        self.off_ms: int | None = None
        self.person = False

    @rule(ms=st.integers(1, 20_000))
    def time_passes(self, ms: int) -> None:
        for _ in range(ms // 1_000 + 1):
            self.now += max(ms // (ms // 1_000 + 1), 1)
            self.look()

    @rule(grades=st.lists(st.sampled_from([Grade.YELLOW, Grade.ORANGE, Grade.RED]), max_size=2))
    def demanded(self, grades: list[Grade]) -> None:
        self.demands = [Demand(Why.LIMIT, grade) for grade in grades]
        worst = max(grades, default=None)
        if worst is None or (self.silenced is not None and worst > self.silenced):
            self.silenced = None
        self.look()

    @rule()
    def silence(self) -> None:
        self.machine.silence(self.demands)
        self.ordered_until = -1.0
        self.silenced = max((one.grade for one in self.demands), default=None)
        self.person = True
        self.look()

    @rule(seconds=st.integers(1, 100))
    def order(self, seconds: int) -> None:
        self.machine.order(TEST, seconds, self.now)
        self.ordered_until = self.now + seconds * 1_000
        self.look()

    @rule()
    def stop(self) -> None:
        self.machine.stop()
        self.ordered_until = -1.0
        self.look()

    @rule(heard=st.booleans())
    def feedback(self, heard: bool) -> None:
        self.machine.feedback(heard=heard, now_ms=self.now)
        self.look()

    def look(self) -> None:
        for change in self.machine.step(self.now, self.demands):
            if change.event is ActEvent.ON:
                assert self.on_ms is None, "on twice without an off"
                assert self.off_ms is None or self.now - self.off_ms >= TIMING.min_off_ms
                assert self.demands or self.now < self.ordered_until, "nobody wanted it"
                self.on_ms, self.person = self.now, False
            elif change.event is ActEvent.OFF:
                assert self.on_ms is not None, "off without an on"
                ran = self.now - self.on_ms
                if not self.person and not change.demand.manual:
                    assert ran >= TIMING.min_on_ms
                self.on_ms, self.off_ms = None, self.now
        if self.machine.on and self.silenced is not None:
            assert self.now < self.ordered_until, "it sounds although a person silenced it"

    @invariant()
    def never_longer_than_its_longest_run(self) -> None:
        if self.on_ms is not None:
            assert self.now - self.on_ms < TIMING.max_run_ms

    @invariant()
    def what_it_says_is_what_was_recorded(self) -> None:
        assert self.machine.on == (self.on_ms is not None)


Walk.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestWalk = Walk.TestCase
