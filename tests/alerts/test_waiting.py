"""Quiet hours and digests: nobody is woken for what can wait, and nothing is lost by waiting."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from alerts import dispatch, settling, tables
from alerts.channels.base import Outcome, OutcomeKind
from alerts.delivery import Delivery, DigestEntry, QuietEntry
from alerts.digest import Digests
from alerts.dispatch import Claimed, Room
from alerts.message import lines, title
from alerts.quiet import parse_quiet
from alerts.waiting import Waiting
from core.clock import ManualClock
from core.community_file import parse_community
from core.configuration import ConfigurationError
from core.grade import Grade
from tests.alerts.scenery import PLACE, Scene, level

ACCEPTED = Outcome(OutcomeKind.ACCEPTED, vendor_code="204")
SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
QUIET = PLACE.replace('channels = ["hook", "second"]', 'channels = ["hook"]\nquiet = "22:00-07:00"')
WIDE = {"hook": Room(100), "second": Room(100)}


def ms(*when: int, zone: zoneinfo.ZoneInfo = SHANGHAI, fold: int = 0) -> int:
    return round(dt.datetime(*when, tzinfo=zone, fold=fold).timestamp() * 1000)  # type: ignore[arg-type,misc]  # year to minute


class Night(Scene):
    """A scene at 23:00 local time, with a duty person who sleeps."""

    def __init__(self, directory: Path, *, place: str = QUIET, **delivery: object) -> None:
        super().__init__(
            directory,
            clock=ManualClock(ms(2026, 7, 1, 23, 0)),
            community=parse_community(place),
            delivery=Delivery(**delivery),  # type: ignore[arg-type]  # keywords of Delivery
        )
        self.digests = Digests(self.community, "http://hub", Waiting(self.community, self.delivery))

    def zone(self, name: str, grade: Grade) -> None:
        self.say(msgspec.structs.replace(level(grade), zone=name, subject=f"zone.{name}"))

    def write_digests(self) -> None:
        with self.database.write() as connection:
            self.digests(connection, self.watch.times())

    def rows(self, kind: str = "") -> list[dict[str, object]]:
        with self.database.read() as connection:
            found = connection.execute(select(tables.outbox).order_by(tables.outbox.c.row))
            return [dict(row) for row in found.mappings() if kind in ("", row["kind"])]

    def take(self) -> list[Claimed]:
        with self.database.write() as connection:
            return dispatch.claim(connection, "me", WIDE, 100, self.watch.times())

    def accept(self, row: Claimed) -> list[tuple[int, str]]:
        with self.database.write() as connection:
            events = settling.accept(connection, [(row, ACCEPTED)], self.watch.times())
        return [(number, str(event.what)) for number, event in events]

    def refuse(self, row: Claimed) -> None:
        refused = Outcome(OutcomeKind.PERMANENT, vendor_code="404")
        times = self.watch.times()
        with self.database.write() as connection:
            settling.settle(connection, row, refused, resend_unknown=False, times=times)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    scene = Night(tmp_path)
    yield scene
    scene.close()


def test_yellow_waits_for_the_morning_and_says_why(night: Night) -> None:
    night.say(level(Grade.YELLOW))

    [row] = night.rows()
    assert (row["state"], row["detail"]) == ("suppressed", "quiet hours")
    assert night.take() == []
    assert night.happened() == ["opened", "announced", "held"]
    night.store.verify_journal()


def test_red_and_orange_pass(night: Night) -> None:
    night.say(level(Grade.ORANGE))
    assert {row["state"] for row in night.rows()} == {"pending"}
    night.say(level(Grade.RED))

    assert {row.note.grade for row in night.take()} == {Grade.RED}


def test_orange_may_be_held_red_never(tmp_path: Path) -> None:
    night = Night(tmp_path, quiet=QuietEntry(hold="orange"))
    night.say(level(Grade.ORANGE))
    states = {str(row["contact"]): row["state"] for row in night.rows()}
    assert states == {"duty-1": "suppressed", "deputy-1": "pending", "leader-1": "pending"}

    night.say(level(Grade.RED))

    assert "duty-1" in {row.note.contact for row in night.take()}
    night.close()


def test_the_morning_digest_tells_everything_once_with_how_it_stands_now(night: Night) -> None:
    night.zone("underpass", Grade.BLUE)
    night.zone("north", Grade.YELLOW)
    night.clock.advance(600)
    night.zone("north", Grade.GREEN)
    night.write_digests()
    assert night.rows("digest") == []

    night.clock.ms = ms(2026, 7, 2, 7, 10)
    night.write_digests()
    night.write_digests()

    [digest] = night.take()
    assert digest.note.contact == "duty-1"
    assert title(digest.note, "zh") == "【汇总】1 个黄色 III 级、1 个蓝色 IV 级"
    text = lines(digest.note, "zh")
    assert text[1].startswith("#1 蓝色")
    assert text[2].endswith("（已结束）")
    assert sorted(night.accept(digest)) == [(1, "told"), (2, "told")]
    assert len(night.rows("digest")) == 1


def test_what_became_red_meanwhile_is_not_told_again_in_the_morning(night: Night) -> None:
    night.say(level(Grade.BLUE))
    night.say(level(Grade.RED))
    for row in night.take():
        night.accept(row)

    night.clock.ms = ms(2026, 7, 2, 7, 10)
    night.write_digests()

    assert night.rows("digest") == []
    assert night.rows()[0]["state"] == "superseded"


def test_the_escalation_of_what_waits_waits_too(night: Night) -> None:
    night.say(level(Grade.YELLOW))

    night.later(1900, level(Grade.YELLOW))

    assert Counter(str(row["state"]) for row in night.rows("escalation")) == {"suppressed": 1}


def test_more_than_ten_low_ones_in_ten_minutes_become_one_digest(tmp_path: Path) -> None:
    day = Night(tmp_path, digest=DigestEntry(after=10))
    day.clock.ms = ms(2026, 7, 1, 12, 0)
    for index in range(40):
        day.zone(f"zone-{index}", Grade.BLUE)
    day.zone("underpass", Grade.RED)

    states = Counter((str(row["state"]), int(str(row["grade"]))) for row in day.rows())
    assert states == {("pending", 1): 10, ("suppressed", 1): 30, ("pending", 4): 3}
    day.clock.advance(601)
    day.write_digests()

    [digest] = [row for row in day.take() if row.note.kind == "digest"]
    assert len(digest.note.items) == 30
    assert lines(digest.note, "en")[-2:] == ["and 10 more, see the console", "http://hub/incidents"]
    day.close()


def test_a_digest_that_falls_into_quiet_hours_waits_for_the_morning(tmp_path: Path) -> None:
    evening = Night(tmp_path, digest=DigestEntry(after=1))
    evening.clock.ms = ms(2026, 7, 1, 21, 55)
    for index in range(3):
        evening.zone(f"zone-{index}", Grade.BLUE)
    evening.clock.advance(601)

    evening.write_digests()
    assert evening.rows("digest") == []
    evening.clock.ms = ms(2026, 7, 2, 7, 10)
    evening.write_digests()

    assert len(evening.rows("digest")) == 1
    evening.close()


@pytest.mark.parametrize(
    ("hours", "at", "hours_left"),
    [
        ("22:00-07:00", ms(2026, 7, 1, 21, 59), None),
        ("22:00-07:00", ms(2026, 7, 1, 22, 0), 9),
        ("22:00-07:00", ms(2026, 7, 2, 6, 0), 1),
        ("22:00-07:00", ms(2026, 7, 2, 7, 0), None),
        ("12:30-14:00", ms(2026, 7, 2, 13, 0), 1),
    ],
)
def test_quiet_hours_are_local_and_run_past_midnight(
    hours: str, at: int, hours_left: float | None
) -> None:
    until = parse_quiet(hours).until(at, "Asia/Shanghai")

    assert (until - at if until is not None else None) == (
        None if hours_left is None else hours_left * 3_600_000
    )


def test_the_night_in_which_the_clock_changes_is_an_hour_longer_or_shorter() -> None:
    quiet = parse_quiet("22:00-07:00")
    spring, autumn = ms(2026, 3, 28, 22, 0, zone=BERLIN), ms(2026, 10, 24, 22, 0, zone=BERLIN)

    assert ((quiet.until(spring, "Europe/Berlin") or 0) - spring) / 3_600_000 == 8
    assert ((quiet.until(autumn, "Europe/Berlin") or 0) - autumn) / 3_600_000 == 10


def test_an_end_in_the_hour_that_is_skipped_or_repeated_still_lies_ahead() -> None:
    quiet = parse_quiet("22:00-02:30")
    skipped = ms(2026, 3, 29, 1, 59, zone=BERLIN)
    second = ms(2026, 10, 25, 2, 10, zone=BERLIN, fold=1)

    for at in (skipped, second):
        until = quiet.until(at, "Europe/Berlin")
        assert until is not None
        assert 0 < until - at <= 3_600_000


@pytest.mark.parametrize("hours", ["22-7", "25:00-07:00", "07:00-07:00", "22:00-07:60"])
def test_hours_that_make_no_sense_are_refused_with_the_contact(hours: str) -> None:
    with pytest.raises(ConfigurationError, match="contact 'duty-1': quiet"):
        parse_community(QUIET.replace("22:00-07:00", hours))


def test_the_digest_goes_the_way_that_its_messages_would_have_gone(tmp_path: Path) -> None:
    """Its first channel is dead: it must not be lost although the second one works."""
    night = Night(tmp_path, place=QUIET.replace('["hook"]', '["hook", "second"]', 1))
    night.zone("north", Grade.YELLOW)
    night.clock.ms = ms(2026, 7, 2, 7, 10)
    night.write_digests()
    [digest] = night.take()
    assert digest.channel == "hook"

    night.refuse(digest)

    [again] = night.take()
    assert (again.channel, again.note.kind) == ("second", "digest")
    night.close()


def test_a_held_row_of_another_version_holds_up_nobodys_digest(night: Night) -> None:
    night.zone("underpass", Grade.BLUE)
    night.zone("north", Grade.YELLOW)
    with night.database.write() as connection:
        connection.execute(
            update(tables.outbox).where(tables.outbox.c.row == 1).values(payload='{"old": 1}')
        )

    night.clock.ms = ms(2026, 7, 2, 7, 10)
    night.write_digests()

    [digest] = night.take()
    assert [item.incident for item in digest.note.items] == [2]


def test_what_is_held_comes_in_the_morning_also_when_the_clock_is_set_back(night: Night) -> None:
    night.zone("north", Grade.YELLOW)
    night.clock.ms = ms(2026, 6, 1, 23, 0)
    with night.database.write() as connection:
        dispatch.follow_clock(connection, night.watch.times())
    night.write_digests()
    assert night.rows("digest") == []

    night.clock.ms = ms(2026, 6, 2, 7, 10)
    night.write_digests()

    [digest] = night.take()
    assert [item.incident for item in digest.note.items] == [1]


def test_the_digests_of_two_mornings_both_go_the_second_way(tmp_path: Path) -> None:
    night = Night(tmp_path, place=QUIET.replace('["hook"]', '["hook", "second"]', 1))
    told = []
    for day, grade in ((2, Grade.BLUE), (3, Grade.YELLOW)):
        night.clock.ms = ms(2026, 7, day - 1, 23, 0)
        night.zone("north", grade)
        night.clock.ms = ms(2026, 7, day, 7, 10)
        night.write_digests()
        [digest] = night.take()
        night.refuse(digest)
        [again] = night.take()
        told.append((again.channel, again.note.kind, again.note.items[0].grade))
        night.accept(again)

    assert told == [("second", "digest", Grade.BLUE), ("second", "digest", Grade.YELLOW)]
    night.close()


def test_what_no_channel_takes_in_the_morning_is_told_by_a_later_digest(night: Night) -> None:
    night.zone("north", Grade.YELLOW)
    night.clock.ms = ms(2026, 7, 2, 7, 10)
    night.write_digests()
    [digest] = night.take()

    night.refuse(digest)
    night.write_digests()
    assert night.take() == []

    night.clock.advance(1801)
    night.write_digests()
    [again] = night.take()
    assert [item.incident for item in again.note.items] == [1]
    assert again.note.id != digest.note.id
    night.accept(again)
    night.clock.advance(7200)
    night.write_digests()
    assert len(night.rows("digest")) == 2
