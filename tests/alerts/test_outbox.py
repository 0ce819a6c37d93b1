"""Leases, retries, deadlines, order, budgets: the rows of the outbox through the real database."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from alerts import dispatch, outbox, settling, tables
from alerts.channels.base import Outcome, OutcomeKind
from alerts.delivery import Delivery, DigestEntry
from alerts.dispatch import Claimed, Room
from alerts.notification import Audience
from alerts.routing import Address
from core.grade import Grade
from tests.alerts.scenery import Scene, level

ACCEPTED = Outcome(OutcomeKind.ACCEPTED, vendor_code="204")
RETRY = Outcome(OutcomeKind.RETRY, vendor_code="503", detail="HTTP 503")
PERMANENT = Outcome(OutcomeKind.PERMANENT, vendor_code="400", detail="HTTP 400")
UNKNOWN = Outcome(OutcomeKind.UNKNOWN, vendor_code="ReadTimeout")
WIDE = {"hook": Room(100), "second": Room(100)}


class Desk:
    """The outbox of a scene, worked by hand."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def claim(
        self, rooms: dict[str, Room] | None = None, limit: int = 100, owner: str = "me"
    ) -> list[Claimed]:
        with self.scene.database.write() as connection:
            return dispatch.claim(connection, owner, rooms or WIDE, limit, self.scene.watch.times())

    def settle(self, row: Claimed, outcome: Outcome, *, resend: bool = True) -> list[str]:
        with self.scene.database.write() as connection:
            times = self.scene.watch.times()
            if outcome.kind is OutcomeKind.ACCEPTED:
                events = settling.accept(connection, [(row, outcome)], times)
            else:
                events = settling.settle(
                    connection, row, outcome, resend_unknown=resend, times=times
                )
            return [str(event.what) for _, event in events]

    def expire(self) -> list[str]:
        with self.scene.database.write() as connection:
            events = outbox.expire(connection, self.scene.watch.times())
            return [str(event.what) for _, event in events]

    def row(self, number: int) -> dict[str, object]:
        with self.scene.database.read() as connection:
            query = select(tables.outbox).where(tables.outbox.c.row == number)
            return dict(connection.execute(query).mappings().one())


@pytest.fixture
def desk(scene: Scene) -> Desk:
    return Desk(scene)


def test_a_leased_row_is_not_leased_twice(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))

    assert len(desk.claim()) == 1
    assert desk.claim() == []


def test_a_crash_after_sending_repeats_the_row_with_the_same_id(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    [first] = desk.claim()
    scene.restart()
    with scene.database.write() as connection:
        dispatch.release(connection, "me")

    [second] = desk.claim()

    assert second.note.id == first.note.id
    assert second.attempts == 2


def test_the_lease_of_another_worker_that_died_runs_out(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    desk.claim(owner="other")
    with scene.database.write() as connection:
        dispatch.release(connection, "me")
    assert desk.claim() == []

    scene.clock.advance(dispatch.LEASE_MS / 1000)

    assert len(desk.claim()) == 1


def test_what_was_accepted_is_never_sent_again(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    [row] = desk.claim()

    assert desk.settle(row, ACCEPTED) == ["told"]

    scene.restart()
    scene.clock.advance(3600)
    assert desk.claim() == []
    assert desk.row(row.row)["vendor_code"] == "204"


def test_retries_back_off_with_full_jitter_up_to_the_cap(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.RED))
    red = desk.claim()[0]
    times = scene.watch.times()

    for attempts, cap_s in ((1, 1), (3, 4), (50, 30)):
        row = Claimed(red.row, red.channel, Grade.RED, attempts, red.deadline_at, red.note)
        waits = [(settling.next_try(row, RETRY, times) - times.now) / 1000 for _ in range(200)]
        assert all(0.05 <= wait <= cap_s for wait in waits)
        assert max(waits) - min(waits) > cap_s / 2


def test_retry_after_is_the_vendors_wall_time_whatever_the_speed(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    [row] = desk.claim()
    scene.clock.speed = 60.0
    times = scene.watch.times()

    due = settling.next_try(row, Outcome(OutcomeKind.RETRY, retry_after_s=7), times)

    assert due - times.now == 7 * 60 * 1000


def test_a_message_past_its_deadline_is_dead_and_the_journal_says_so(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.RED))
    scene.clock.advance(1801)

    assert desk.expire() == ["undelivered"] * 4
    assert desk.claim() == []
    assert {state for *_, state in scene.notes()} == {"dead"}


def test_a_retry_that_would_come_after_the_deadline_is_not_waited_for(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.RED))
    row = desk.claim()[0]

    desk.settle(row, Outcome(OutcomeKind.RETRY, vendor_code="429", retry_after_s=3000))

    assert desk.row(row.row)["state"] == "dead"


def test_a_refusal_falls_back_to_the_next_channel_at_once(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    [row] = desk.claim()

    assert desk.settle(row, PERMANENT) == ["undelivered"]

    [next_row] = desk.claim()
    assert (next_row.channel, next_row.note.contact) == ("second", "duty-1")
    assert next_row.note.id != row.note.id
    desk.settle(next_row, PERMANENT)
    assert desk.claim() == []


def test_a_channel_that_is_not_configured_is_passed_over(tmp_path: Path) -> None:
    scene = Scene(tmp_path, channels=("second",))
    scene.say(level(Grade.BLUE))

    [row] = Desk(scene).claim()

    assert row.channel == "second"
    scene.close()


def test_a_message_of_unknown_fate_is_repeated_only_where_that_is_safer(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.BLUE))
    [row] = desk.claim()
    desk.settle(row, UNKNOWN, resend=True)
    assert desk.row(row.row)["state"] == "pending"

    scene.clock.advance(301)
    [row] = desk.claim()
    desk.settle(row, UNKNOWN, resend=False)

    assert desk.row(row.row)["state"] == "failed"


def test_an_unsent_message_is_superseded_and_the_new_one_has_its_urgency(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.RED), level(Grade.BLUE))
    scene.later(130, level(Grade.BLUE))

    rows = desk.claim()

    assert {row.note.kind for row in rows} == {"update"}
    assert all(row.urgency is Grade.RED and row.note.peak is Grade.RED for row in rows)
    assert {state for kind, *_, state in scene.notes() if kind == "alert"} == {"superseded"}


def test_a_message_under_way_is_not_overtaken_by_a_newer_one(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    [blue] = desk.claim()
    scene.say(level(Grade.YELLOW))
    assert desk.claim() == []

    desk.settle(blue, RETRY)

    assert desk.row(blue.row)["state"] == "superseded"
    [yellow] = desk.claim()
    assert yellow.note.grade is Grade.YELLOW


def test_red_goes_first(scene: Scene, desk: Desk) -> None:
    blue = level(Grade.BLUE)
    scene.say(msgspec.structs.replace(blue, zone="north", subject="zone.north"))
    scene.say(level(Grade.RED, sensor="gauge-2"))

    grades = [row.note.grade for row in desk.claim()]

    assert grades == sorted(grades, reverse=True)
    assert grades[0] is Grade.RED
    assert grades[-1] is Grade.BLUE


def test_the_rate_budget_holds_over_a_restart_and_keeps_a_reserve_for_red(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, delivery=Delivery(digest=DigestEntry(after=100)))
    desk = Desk(scene)
    blue = level(Grade.BLUE)
    for index in range(30):
        scene.say(msgspec.structs.replace(blue, zone=f"zone-{index}", subject=f"zone.zone-{index}"))
    rooms = {"hook": Room(100, per_minute=18), "second": Room(100)}

    taken = desk.claim(rooms)
    assert len(taken) == 10  # 60 % of 18
    scene.restart()
    assert desk.claim(rooms) == []

    scene.say(level(Grade.RED))
    red = [row for row in desk.claim(rooms) if row.channel == "hook"]
    assert [row.note.grade for row in red] == [Grade.RED] * 3

    scene.clock.advance(dispatch.WINDOW_MS / 1000)
    assert len(desk.claim(rooms)) == 10
    scene.close()


def test_a_channel_is_given_no_more_than_it_can_take_and_others_go_on(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.RED))

    rows = desk.claim({"hook": Room(1), "second": Room(5)})

    assert sorted(row.channel for row in rows) == ["hook", "second"]


def test_rows_of_a_channel_that_was_switched_off_fall_back(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    with scene.database.write() as connection:
        outbox.abandon(connection, {"second"}, scene.watch.times())

    [row] = desk.claim()

    assert row.channel == "second"


def test_an_acceptance_is_a_fact_even_of_a_row_that_was_given_up(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    [row] = desk.claim()
    with scene.database.write() as connection:
        connection.execute(
            update(tables.outbox).where(tables.outbox.c.row == row.row).values(state="dead")
        )

    desk.settle(row, ACCEPTED)

    assert desk.row(row.row)["state"] == "accepted"


def test_the_payload_holds_ids_of_people_and_no_names(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.RED))

    for row in desk.claim():
        text = json.dumps(desk.row(row.row), ensure_ascii=False, default=str)
        assert "张" not in text
        assert "李" not in text


def test_a_row_of_another_version_that_cannot_be_read_holds_up_nobody(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.RED))
    with scene.database.write() as connection:
        connection.execute(
            update(tables.outbox).where(tables.outbox.c.row == 1).values(payload='{"old": 1}')
        )

    assert [row.row for row in desk.claim()] == [2, 3, 4]
    assert desk.row(1)["state"] == "failed"


def test_a_group_reads_an_announcement_once_and_if_it_fails_each_of_them_falls_back(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.BLUE))
    payload = desk.claim()[0].note
    note = msgspec.structs.replace(payload, seq=2)
    addresses = [
        Address("duty-1", "group"), Address("deputy-1", "group", ("second",)),
        Address("leader-1", "hook"),
    ]  # fmt: skip
    with scene.database.write() as connection:
        times = scene.watch.times()
        outbox.enqueue(
            connection, note, addresses, ("group", "hook", "second"), times, shared={"group"}
        )
    wide = {**WIDE, "group": Room(100)}

    rows = {(row.channel, row.note.contact): row for row in desk.claim(wide)}
    assert set(rows) == {("group", "duty-1"), ("hook", "leader-1")}

    desk.settle(rows["group", "duty-1"], PERMANENT)
    assert [(row.channel, row.note.contact) for row in desk.claim(wide)] == [("second", "deputy-1")]


def clear(scene: Scene) -> None:
    """Let the danger end, and wait until it is told."""
    scene.say(level(Grade.GREEN))
    scene.later(130, level(Grade.GREEN))


def test_a_danger_is_not_told_over_the_next_channel_after_its_all_clear(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.BLUE))
    [blue] = desk.claim()
    desk.settle(blue, ACCEPTED)
    clear(scene)
    [over] = desk.claim()
    assert over.note.kind == "clear"
    desk.settle(over, ACCEPTED)

    with scene.database.write() as connection:  # as a carrier's late report has it
        outbox.fail(connection, [blue.row], "failed", "not delivered", scene.watch.times())

    assert desk.claim() == []
    assert [state for *_, state in scene.notes()] == ["failed", "accepted"]


def test_what_fails_while_the_news_of_it_waits_is_told_by_the_news(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.BLUE))
    [blue] = desk.claim()
    scene.say(level(Grade.YELLOW))

    desk.settle(blue, UNKNOWN, resend=False)

    [yellow] = desk.claim()
    assert (yellow.note.grade, yellow.channel) == (Grade.YELLOW, "hook")
    assert desk.settle(yellow, PERMANENT) == ["undelivered"]
    [again] = desk.claim()
    assert (again.note.grade, again.channel) == (Grade.YELLOW, "second")
    desk.settle(again, ACCEPTED)
    assert desk.claim() == []


def test_news_that_goes_another_way_does_not_cost_the_older_message_its_way(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.BLUE))
    [blue] = desk.claim()
    newer = msgspec.structs.replace(blue.note, seq=2)
    with scene.database.write() as connection:
        times = scene.watch.times()
        outbox.enqueue(connection, newer, [Address("duty-1", "voice")], ("voice",), times)

    desk.settle(blue, PERMANENT)

    assert [row.channel for row in desk.claim()] == ["second"]


def test_a_second_attempt_that_fails_undoes_no_acceptance(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    [row] = desk.claim()
    desk.settle(row, ACCEPTED)

    assert desk.settle(row, PERMANENT) == []

    assert desk.row(row.row)["state"] == "accepted"
    assert desk.claim() == []


def test_a_row_of_another_version_whose_time_is_up_holds_up_nobody(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.BLUE))
    with scene.database.write() as connection:
        connection.execute(update(tables.outbox).values(payload='{"old": 1}', kind="song"))
    scene.clock.advance(7 * 3600)

    assert desk.expire() == []

    assert desk.row(1)["state"] == "dead"


def test_a_vendor_that_asks_for_no_pause_is_not_called_twenty_times_a_second(
    scene: Scene, desk: Desk
) -> None:
    scene.say(level(Grade.RED))
    row = desk.claim()[0]
    at_once = Outcome(OutcomeKind.RETRY, vendor_code="429", retry_after_s=0.0)
    times = scene.watch.times()

    late = Claimed(row.row, row.channel, row.urgency, 8, row.deadline_at, row.note)
    waits = [settling.next_try(late, at_once, times) - times.now for _ in range(200)]

    assert max(waits) > 15_000


def test_a_limit_of_a_second_holds_for_all_workers_and_for_red(tmp_path: Path) -> None:
    scene = Scene(tmp_path, delivery=Delivery(digest=DigestEntry(after=100)))
    desk = Desk(scene)
    for index in range(8):
        name = f"zone-{index}"
        scene.say(msgspec.structs.replace(level(Grade.RED), zone=name, subject=f"zone.{name}"))
    rooms = {"hook": Room(100, per_minute=90, per_second=4)}

    taken = [len(desk.claim(rooms, owner=owner)) for owner in ("me", "other")]
    scene.clock.advance(1.2)
    taken.append(len(desk.claim(rooms)))

    assert taken == [4, 0, 4]
    scene.close()


def test_who_reads_another_text_gets_it_in_the_same_group(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))
    payload = msgspec.structs.replace(desk.claim()[0].note, seq=2)
    addresses = [Address(name, "group") for name in ("house-1", "duty-1", "deputy-1")]
    with scene.database.write() as connection:
        outbox.enqueue(
            connection, payload, addresses, ("group",), scene.watch.times(), shared={"group"},
            audiences={"house-1": Audience.RESIDENT},
        )  # fmt: skip

    rows = desk.claim({"group": Room(100)})

    told = [(row.note.contact, row.note.audience) for row in rows]
    assert told == [("house-1", Audience.RESIDENT), ("duty-1", Audience.DUTY)]


def test_the_smallest_budget_lets_lower_grades_through_too(scene: Scene, desk: Desk) -> None:
    scene.say(level(Grade.BLUE))

    assert len(desk.claim({"hook": Room(100, per_minute=1)})) == 1
    assert desk.claim({"hook": Room(100, per_minute=1)}) == []
