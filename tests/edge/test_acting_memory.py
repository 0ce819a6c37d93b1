"""What a restart of the program remembers, and what a restart of the machine forgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from core.act import ActEvent, Why
from core.clock import ManualClock
from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from edge.acting.book import ActBook
from edge.acting.contact import SILENT_AFTER_S, HubContact, HubWarnings
from edge.acting.machine import Change, Demand
from edge.acting.memory import (
    MOST_AWAY_S,
    MOST_WARNING_AGE_MS,
    NOTE_S,
    SEEN_AGAIN_S,
    Remembrance,
)
from edge.acting.outputs import SimulatedOutput
from edge.acting.post import OutputPost
from edge.acting.settings import OutputEntry

FLOOD = Demand(Why.LIMIT, Grade.ORANGE, "underpass", Hazard.FLOOD)
WORSE = Demand(Why.LIMIT, Grade.RED, "underpass", Hazard.FLOOD)
WAIT_MS = 30_000.0


class Start:
    """One start of the program: a siren, its memory, and time in seconds."""

    def __init__(self, directory: Path, clock: ManualClock, machine: str = "m1") -> None:
        self.clock = clock
        self.book = ActBook(directory / "acts.db")
        entry = OutputEntry(
            "siren", "simulated", min_on_s=5, min_off_s=20, max_run_s=600,
            file=str(directory / "siren.jsonl"),
        )  # fmt: skip
        self.post = OutputPost(entry, lambda one: SimulatedOutput(one, clock), clock)
        self.warnings = HubWarnings()
        self.contact = HubContact(clock.monotonic_s(), 1.0)
        boot_id = directory / "boot_id"
        boot_id.write_text(machine)
        self.remembrance = Remembrance(
            self.book, {"siren": self.post}, self.warnings, self.contact, clock, boot_id
        )
        self._began_s = clock.monotonic_s()
        self.post.step(0, [], None)
        self.remembrance.recall(0, WAIT_MS)

    @property
    def elapsed_ms(self) -> int:
        return round((self.clock.monotonic_s() - self._began_s) * 1000)

    def step(self, demands: Sequence[Demand], seconds: float = 0) -> list[Change]:
        """Let time pass in steps of at most a second."""
        changes: list[Change] = []
        while True:
            changes += self.post.step(self.elapsed_ms, demands, None)
            self.remembrance.keep(self.elapsed_ms)
            if seconds <= 0:
                return changes
            self.clock.advance(min(seconds, 1.0))
            seconds -= 1.0

    def silence(self, demands: Sequence[Demand]) -> None:
        self.post.machine.silence(demands)
        self.step(demands)

    def kill(self) -> None:
        self.book.close()


def on(changes: Sequence[Change]) -> bool:
    return any(change.event is ActEvent.ON for change in changes)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_who_was_silenced_stays_silent_after_a_restart_until_it_is_over_or_worse(
    tmp_path: Path, clock: ManualClock
) -> None:
    first = Start(tmp_path, clock)
    assert on(first.step([FLOOD], 10))
    first.silence([FLOOD])
    first.step([FLOOD], 3600)
    first.kill()
    clock.advance(20)
    second = Start(tmp_path, clock)
    assert not second.step([], 40), "the sensors have not spoken yet"
    assert not second.step([FLOOD], 300)
    assert second.post.state(second.elapsed_ms).silenced
    assert on(second.step([WORSE]))
    second.silence([WORSE])
    second.step([], 30)
    assert on(second.step([FLOOD], 1)), "it was over, and comes again"
    second.kill()


def test_a_program_that_was_away_for_long_and_a_machine_that_restarted_sound_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    first = Start(tmp_path, clock)
    first.step([FLOOD], 10)
    first.silence([FLOOD])
    first.kill()
    clock.advance(20)
    other = Start(tmp_path, clock, machine="m2")
    assert on(other.step([FLOOD], 1))
    other.silence([FLOOD])
    other.kill()
    clock.advance(MOST_AWAY_S + NOTE_S + 1)
    assert on(Start(tmp_path, clock, machine="m2").step([FLOOD], 1))


def test_a_demand_that_does_not_come_back_ends_the_silence(
    tmp_path: Path, clock: ManualClock
) -> None:
    first = Start(tmp_path, clock)
    first.step([FLOOD], 10)
    first.silence([FLOOD])
    first.kill()
    second = Start(tmp_path, clock)
    second.step([], SEEN_AGAIN_S + WAIT_MS / 1000 + 2)
    assert on(second.step([FLOOD], 1))
    second.kill()


def test_a_program_that_is_killed_again_and_again_runs_no_longer_than_the_longest_run(
    tmp_path: Path, clock: ManualClock
) -> None:
    ran_s = 0.0
    for _ in range(20):
        start = Start(tmp_path, clock)
        for _ in range(90):
            start.step([FLOOD])
            clock.advance(1)
            ran_s += start.post.machine.on
        start.kill()
    assert 580 <= ran_s <= 601
    last = Start(tmp_path, clock)
    assert on(last.step([WORSE], 1)), "something worse has its whole time"
    last.kill()


def test_what_was_switched_off_just_before_a_restart_rests_its_whole_time(
    tmp_path: Path, clock: ManualClock
) -> None:
    first = Start(tmp_path, clock)
    first.step([FLOOD], 10)
    first.step([], 2)
    assert not first.post.machine.on
    first.kill()
    clock.advance(5)
    second = Start(tmp_path, clock)
    assert not second.step([FLOOD], 10)
    assert on(second.step([FLOOD], 5))
    second.kill()


def said(grade: Grade, condition: Condition = Condition.ACTIVE) -> ZoneGrade:
    return ZoneGrade(
        zone="underpass", hazard=Hazard.FLOOD, grade=grade, condition=condition, since=0, at=0
    )


@pytest.mark.parametrize("machine", ["m1", "m2"])
def test_what_the_hub_warned_of_is_known_after_a_restart_of_program_or_machine(
    tmp_path: Path, clock: ManualClock, machine: str
) -> None:
    first = Start(tmp_path, clock)
    first.warnings.take(said(Grade.ORANGE))
    first.step([])
    first.kill()
    clock.advance(3600)
    second = Start(tmp_path, clock, machine)
    found = second.warnings.worst("underpass", Grade.YELLOW)
    assert found is not None
    assert (found.grade, found.hazard) == (Grade.ORANGE, Hazard.FLOOD)
    second.warnings.acknowledge()
    second.step([])
    second.kill()
    third = Start(tmp_path, clock, machine)
    assert third.warnings.worst("underpass", Grade.YELLOW) is None, "a person has it"
    third.warnings.take(said(Grade.RED))
    third.step([])
    third.kill()
    clock.advance(MOST_WARNING_AGE_MS / 1000 + 1)
    fourth = Start(tmp_path, clock, machine)
    assert fourth.warnings.worst("underpass", Grade.YELLOW) is None, "too old to be true"
    fourth.kill()


def test_a_recalled_warning_ends_when_the_hub_says_so_or_does_not_say_it_any_more() -> None:
    for answer in (said(Grade.GREEN, Condition.CLEARED), None):
        warnings = HubWarnings()
        warnings.recall({("underpass", Hazard.FLOOD): (Grade.ORANGE, Grade.GREEN)})
        if answer is not None:
            warnings.take(answer)
        warnings.drop_recalled()
        assert warnings.worst("underpass", Grade.BLUE) is None
    warnings = HubWarnings()
    warnings.recall({("underpass", Hazard.FLOOD): (Grade.ORANGE, Grade.GREEN)})
    warnings.take(said(Grade.YELLOW))
    warnings.drop_recalled()
    found = warnings.worst("underpass", Grade.BLUE)
    assert found is not None
    assert found.grade is Grade.YELLOW


def test_a_silence_of_the_hub_goes_on_over_a_restart_once_it_could_have_been_heard(
    tmp_path: Path, clock: ManualClock
) -> None:
    first = Start(tmp_path, clock)
    first.contact.link(linked=True)
    first.contact.beat(clock.monotonic_s(), judging=True)
    first.step([], 200)
    assert first.contact.silent_ms(clock.monotonic_s()) == 200_000
    first.kill()
    clock.advance(5)
    second = Start(tmp_path, clock)
    second.step([], SILENT_AFTER_S - 1)
    assert second.contact.silent_ms(clock.monotonic_s()) < SILENT_AFTER_S * 1000
    second.step([], 2)
    assert second.contact.silent_ms(clock.monotonic_s()) == (206 + SILENT_AFTER_S) * 1000
    second.contact.link(linked=True)
    second.contact.beat(clock.monotonic_s(), judging=True)
    assert second.contact.silent_ms(clock.monotonic_s()) == 0
    second.kill()
    third = Start(tmp_path, clock, machine="m2")
    third.step([], 100)
    assert third.contact.silent_ms(clock.monotonic_s()) == 100_000
    third.kill()


def test_a_quiet_station_does_not_write(tmp_path: Path, clock: ManualClock) -> None:
    start = Start(tmp_path, clock)
    for _ in range(round(10 * NOTE_S)):
        start.contact.link(linked=True)
        start.contact.beat(clock.monotonic_s(), judging=True)
        start.step([], 1)
    assert start.book.memory() == b""
    start.kill()
