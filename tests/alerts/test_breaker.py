"""The circuit breaker: who doesn't answer is left alone, and the next channel speaks at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from alerts import breaker, dispatch, outbox, settling, tables
from alerts.attempt import Attempts
from alerts.breaker import FIRST_REST_MS, LONGEST_REST_MS, THRESHOLD, Breaker, State, after
from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.dispatch import Room
from alerts.incident import Event
from alerts.metrics import Metrics
from alerts.notification import Notification
from alerts.outbox import Times
from alerts.worker import Worker
from core.clock import RunClock
from core.grade import Grade
from tests.alerts.scenery import Scene, level
from tests.servers import wait_until

ACCEPTED = Outcome(OutcomeKind.ACCEPTED)
DOWN = Outcome(OutcomeKind.RETRY, vendor_code="503", detail="HTTP 503")
NO_SUCH = Outcome(OutcomeKind.PERMANENT, vendor_code="400")


def failed(times: int, wall: int = 1) -> Breaker | None:
    state: Breaker | None = None
    for _ in range(times):
        state = after(state, "hook", DOWN, wall)
    return state


def test_five_failures_in_a_row_open_it_and_four_do_not() -> None:
    four, five = failed(THRESHOLD - 1), failed(THRESHOLD)
    assert four is not None
    assert five is not None
    assert four.slots(1, 8) == 8

    assert five.state(1) is State.OPEN
    assert five.slots(1, 8) == 0
    assert FIRST_REST_MS / 2 <= five.rest_until_wall - 1 <= FIRST_REST_MS


def test_after_its_rest_it_gets_one_message_as_a_probe() -> None:
    rested = failed(THRESHOLD)
    assert rested is not None
    wall = rested.rest_until_wall

    assert rested.state(wall) is State.HALF_OPEN
    assert rested.slots(wall, 8) == 1
    probing = Breaker("hook", 5, 1, wall, probe_until_wall=wall + 10)
    assert probing.slots(wall + 1, 8) == 0


def test_a_probe_that_fails_doubles_the_rest_up_to_five_minutes_and_success_closes() -> None:
    state, wall, rests = failed(THRESHOLD, 1), 1, []
    for _ in range(12):
        assert state is not None
        wall = state.rest_until_wall
        state = after(state, "hook", DOWN, wall)
        assert state is not None
        rests.append(state.rest_until_wall - wall)

    assert rests[0] > FIRST_REST_MS * 0.99
    assert LONGEST_REST_MS / 2 <= rests[-1] <= LONGEST_REST_MS
    assert state is not None
    assert state.opened_wall == 1
    assert after(state, "hook", ACCEPTED, wall) is None


def test_a_vendor_that_says_wait_is_left_alone_for_exactly_that_long() -> None:
    slow = Outcome(OutcomeKind.RETRY, vendor_code="130101", retry_after_s=600.0)

    state = after(None, "hook", slow, 1_000)

    assert state is not None
    assert state.rest_until_wall == 601_000


def test_a_message_that_is_refused_for_its_own_sake_shows_that_the_channel_works() -> None:
    assert after(failed(4), "hook", NO_SUCH, 1) is None


def test_what_was_sent_before_it_opened_does_not_prolong_the_rest() -> None:
    state = failed(THRESHOLD)

    assert after(state, "hook", DOWN, 1) == state


def test_what_waits_for_a_resting_channel_falls_back_at_once_if_another_is_well(
    scene: Scene,
) -> None:
    scene.say(level(Grade.BLUE))
    times = scene.watch.times()

    with scene.database.write() as connection:
        nobody = outbox.step_aside(connection, {"hook", "second"}, set(), times)
        moved = outbox.step_aside(connection, {"hook"}, {"second"}, times)

    assert nobody == []
    assert [event.what for _, event in moved] == ["undelivered"]
    assert [note[3] for note in scene.notes()] == ["failed", "pending"]


class Moody(Channel):
    """A channel that answers as it is told to, and remembers what it was given."""

    concurrency = 2

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer = ACCEPTED
        self.notes: list[Notification] = []
        self._lock = threading.Lock()

    def send(self, note: Notification, now_s: int) -> Outcome:
        del now_s
        with self._lock:
            self.notes.append(note)
            return self.answer


def test_a_dead_channel_rests_others_go_on_and_one_real_message_finds_it_well(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    hook, second = Moody("hook"), Moody("second")
    hook.answer = DOWN
    # Ten times as fast: the back-off of red is run time, the breaker's rest is wall time.
    clock = RunClock(RunClock().wall_ms(), 10.0)
    resting: list[str] = []
    worker = Worker(
        scene.database, {"hook": hook, "second": second}, clock, Metrics(),
        owner="me", told=lambda _numbers: None, health=lambda _name, _outcome: None,
        rested=lambda found: resting.extend(one.channel for one in found),
    )  # fmt: skip
    scene.clock.ms = clock.now_ms()
    scene.say(level(Grade.RED))
    worker.start()
    try:
        wait_until(lambda: "hook" in resting, 20, what="the breaker")
        assert {note.contact for note in second.notes} == {"duty-1"}
        tried = len(hook.notes)
        assert tried < 40

        hook.answer = ACCEPTED
        wait_until(lambda: scene.store.outbox_counts()[0].get("pending", 0) == 0, 30)
        with scene.database.read() as connection:
            assert breaker.read(connection) == {}
    finally:
        worker.stop()
        scene.close()


def test_a_chore_that_fails_is_undone_alone_and_messages_go_out(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    hook = Moody("hook")

    def broken(connection: Connection, times: Times) -> list[tuple[int, Event]]:
        del times
        connection.execute(insert(tables.setting).values(name="half", value="done"))
        raise ValueError("a bug")

    worker = Worker(
        scene.database, {"hook": hook}, scene.clock, Metrics(), owner="me",
        told=lambda _numbers: None, health=lambda _name, _outcome: None, chores=(broken,),
    )  # fmt: skip
    scene.say(level(Grade.BLUE))
    worker.start()
    try:
        wait_until(lambda: hook.notes, 20, what="the message")
        with scene.database.read() as connection:
            assert connection.execute(select(tables.setting)).first() is None
    finally:
        worker.stop()
        scene.close()


@pytest.mark.parametrize(("shared", "url"), [(False, "https://hub/a/1-x"), (True, "")])
def test_no_link_in_a_group_acts_in_somebodys_name(scene: Scene, *, shared: bool, url: str) -> None:
    hook = Moody("hook")
    hook.shared = shared
    scene.say(level(Grade.BLUE))
    with scene.database.write() as connection:
        [row] = dispatch.claim(connection, "me", {"hook": Room(1)}, 1, scene.watch.times())

    Attempts({"hook": hook}, scene.clock, Metrics(), lambda _row: "https://hub/a/1-x").send(row)

    assert hook.notes[0].take_url == url


def test_a_limit_of_one_number_and_a_pause_of_none_close_the_channel_for_nobody() -> None:
    one_number = Outcome(OutcomeKind.RETRY, retry_after_s=30.0, personal=True)
    no_pause = Outcome(OutcomeKind.RETRY, vendor_code="429", retry_after_s=0.0)

    assert after(None, "sms", one_number, 1) is None
    state = after(None, "sms", no_pause, 1)
    assert state is not None
    assert state.state(1) is State.CLOSED


class Slow(Moody):
    """A channel whose first answer takes until it is let go."""

    concurrency = 1

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.go = threading.Event()

    def send(self, note: Notification, now_s: int) -> Outcome:
        outcome = super().send(note, now_s)
        self.go.wait(20)
        return outcome


def test_what_is_being_sent_is_not_sent_again_however_long_it_takes(tmp_path: Path) -> None:
    """The machine slept, the clock was put forward, or the vendor is very slow."""
    scene = Scene(tmp_path, channels=("hook",))
    hook = Slow("hook")
    turned = threading.Event()
    worker = Worker(
        scene.database, {"hook": hook}, scene.clock, Metrics(), owner="me",
        told=lambda _numbers: None, health=lambda _name, _outcome: None,
        rested=lambda _breakers: turned.set(),
    )  # fmt: skip
    scene.say(level(Grade.BLUE))
    worker.start()
    try:
        wait_until(lambda: hook.notes, 20, what="the message")
        for _ in range(3):
            turned.clear()
            scene.clock.advance(2 * dispatch.LEASE_MS / 1000)
            worker.wake()
            assert turned.wait(20)
        hook.go.set()
        wait_until(lambda: scene.store.outbox_counts()[0].get("accepted", 0) == 1, 20)
        assert len(hook.notes) == 1
    finally:
        hook.go.set()
        worker.stop()
        scene.close()


def test_an_attempt_that_never_ends_keeps_the_next_channel_waiting_until_its_deadline_only(
    tmp_path: Path,
) -> None:
    """A resolver that hangs, a port that is stuck: its lease is not renewed for ever."""
    scene = Scene(tmp_path)
    hook, second = Slow("hook"), Moody("second")
    worker = Worker(
        scene.database, {"hook": hook, "second": second}, scene.clock, Metrics(), owner="me",
        told=lambda _numbers: None, health=lambda _name, _outcome: None,
    )  # fmt: skip
    scene.say(level(Grade.BLUE))  # over hook, else over second; worth telling for six hours
    worker.start()
    try:
        wait_until(lambda: hook.notes, 20, what="the message")
        scene.clock.advance(7 * 3600)
        worker.wake()
        wait_until(lambda: second.notes, 20, what="the message over the next channel")
        assert len(hook.notes) == 1
    finally:
        hook.go.set()
        worker.stop()
        scene.close()


def test_an_outcome_that_cannot_be_written_holds_up_no_other(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    hook, second = Moody("hook"), Moody("second")
    hook.answer = Outcome(OutcomeKind.PERMANENT, detail=None)  # type: ignore[arg-type]  # a bug
    worker = Worker(
        scene.database, {"hook": hook, "second": second}, scene.clock, Metrics(), owner="me",
        told=lambda _numbers: None, health=lambda _name, _outcome: None,
    )  # fmt: skip
    scene.say(level(Grade.RED))
    worker.start()
    try:
        wait_until(lambda: len(hook.notes) == 3, 20, what="the refusals")
        wait_until(lambda: scene.store.outbox_counts()[0].get("accepted", 0) == 1, 20)
        scene.say(level(Grade.GREEN))
        scene.later(130, level(Grade.GREEN))
        worker.wake()
        wait_until(lambda: len(second.notes) == 2, 20, what="what comes after it")
    finally:
        worker.stop()
        scene.close()


def test_whatever_a_vendor_says_can_be_written_down(tmp_path: Path) -> None:
    """PostgreSQL takes no U+0000: an answer with one would be tried to be written for ever."""
    scene = Scene(tmp_path)
    scene.say(level(Grade.BLUE))
    with scene.database.write() as connection:
        times = scene.watch.times()
        [row] = dispatch.claim(connection, "me", {"hook": Room(1)}, 1, times)
        said = Outcome(OutcomeKind.PERMANENT, "\x00", "\x001", detail="bad\x00\ud800 text")
        settling.settle(connection, row, said, resend_unknown=False, times=times)
        kept = (
            connection.execute(select(tables.outbox).where(tables.outbox.c.row == row.row))
            .mappings()
            .one()
        )

    assert kept["detail"] == "bad   text"
    assert "\x00" not in kept["vendor_id"] + kept["vendor_code"]
    trouble = after(None, "hook", Outcome(OutcomeKind.RETRY, "", "\x001", detail="b\ud800d"), 1)
    assert trouble is not None
    assert trouble.reason == "1 b d"
    scene.close()


def test_a_channel_that_is_gone_from_hub_toml_rests_no_more(tmp_path: Path) -> None:
    scene = Scene(tmp_path, channels=("hook",))
    hook = Moody("hook")
    with scene.database.write() as connection:
        breaker.write(connection, None, Breaker("old-name", 9, 1, scene.clock.wall_ms() + 60_000))
    resting: list[list[str]] = []
    worker = Worker(
        scene.database, {"hook": hook}, scene.clock, Metrics(), owner="me",
        told=lambda _numbers: None, health=lambda _name, _outcome: None,
        rested=lambda found: resting.append([one.channel for one in found]),
    )  # fmt: skip
    worker.start()
    try:
        wait_until(lambda: resting, 20, what="a turn of the worker")
    finally:
        worker.stop()
        scene.close()
    assert resting[0] == []
