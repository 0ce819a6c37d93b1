"""When a station acts: limits, contact with the hub, its warnings, the mandate, commands."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from core.act import ActEvent, LocalAct, Why
from core.command import Command, CommandError, Verb, new_nonce, open_command, sign_command
from core.community import LimitEntry, SensorEntry
from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from core.quality import Quality
from core.quantity import Quantity
from edge.acting.book import ActBook
from edge.acting.contact import GRADES_ONLY_S, SILENT_AFTER_S, HubContact, HubWarnings
from edge.acting.duties import HANDOVER_MS, Duties, mandate_holds
from edge.acting.local import LocalGrade, LocalLimits
from edge.acting.orders import SKEW_MS, Moment, accept
from edge.acting.settings import ActEntry, Mandate
from tests.edge.disks import small_disk

WATER = Quantity.WATER_LEVEL
GAUGE = SensorEntry("gauge-1", "s1", "underpass", "qdy30a", WATER, Hazard.FLOOD)
LIMIT = LimitEntry("underpass", WATER, yellow=0.15, red=0.27, hysteresis=0.02, dwell_down_s=10)
HIGH = LocalGrade("gauge-1", WATER, "underpass", Hazard.FLOOD, Grade.RED, 0.3, 0.27)
LOW = HIGH._replace(grade=Grade.GREEN, value=0.1)
KEY, TOPIC = b"k" * 32, "safety-eye/v1/a/station/s1/command"
NOW = 1_764_500_000_000


def limits(*, weak: bool = False) -> LocalLimits:
    frail = ["gauge-1"] if weak else []
    return LocalLimits([("underpass", WATER)], [], [GAUGE], [LIMIT], frail)


def test_a_local_grade_has_the_hysteresis_and_the_delay_of_the_hub() -> None:
    judge = limits()
    assert judge.take("gauge-1", WATER, 0.28, Quality.GOOD, 0)
    assert [news.grade for news in judge.news() if isinstance(news, LocalGrade)] == [Grade.RED]
    assert not judge.take("gauge-1", WATER, 0.26, Quality.GOOD, 1_000)
    for second in range(2, 12):
        judge.take("gauge-1", WATER, 0.10, Quality.GOOD, second * 1_000)
    assert not judge.take("gauge-1", WATER, None, Quality.BAD, 12_000)
    assert judge.take("gauge-1", WATER, 0.10, Quality.GOOD, 13_000)
    assert [news.grade for news in judge.news()][-1] is Grade.GREEN  # type: ignore[union-attr]


def test_a_device_with_a_weak_frame_check_must_say_it_twice() -> None:
    judge = limits(weak=True)
    assert not judge.take("gauge-1", WATER, 0.4, Quality.GOOD, 0)
    assert judge.take("gauge-1", WATER, 0.4, Quality.GOOD, 1_000)


def test_an_uncertain_reading_raises_and_does_not_clear() -> None:
    judge = limits()
    judge.take("gauge-1", WATER, 0.28, Quality.UNCERTAIN, 0)
    for second in range(1, 60):
        assert not judge.take("gauge-1", WATER, 0.0, Quality.UNCERTAIN, second * 1_000)


def test_alone_waits_for_its_time_and_at_once_does_not() -> None:
    duties = Duties(
        [
            ActEntry("siren", "alone", "underpass", WATER, after_s=30),
            ActEntry("lamp", "at-once", "underpass", WATER),
        ]
    )
    duties.graded(HIGH)
    assert set(duties.due(0, 0)) == {"lamp"}
    assert set(duties.due(0, 29_999)) == {"lamp"}
    due = duties.due(0, 30_000)
    assert set(due) == {"lamp", "siren"}
    assert (due["siren"][0].limit, due["siren"][0].value) == (0.27, 0.3)
    duties.graded(LOW)
    assert duties.due(0, 60_000) == {}


def test_a_grade_below_that_of_the_act_demands_nothing() -> None:
    duties = Duties([ActEntry("siren", "alone", "underpass", WATER, grade="red", after_s=30)])
    duties.graded(HIGH._replace(grade=Grade.YELLOW))
    assert duties.due(0, 90_000) == {}


def test_when_the_hub_is_back_the_station_lets_go_only_after_the_hub_had_time_to_judge() -> None:
    duties = Duties([ActEntry("siren", "alone", "underpass", WATER, after_s=30)])
    duties.graded(HIGH)
    assert duties.due(0, 30_000)
    assert duties.due(1_000, 0)
    assert duties.due(2_000, 500)
    assert duties.due(3_000, 0)
    assert duties.due(3_000 + HANDOVER_MS - 1, 0)
    assert duties.due(3_000 + HANDOVER_MS, 0) == {}


def said(grade: Grade, condition: Condition = Condition.ACTIVE) -> ZoneGrade:
    return ZoneGrade(
        zone="underpass", hazard=Hazard.FLOOD, grade=grade, condition=condition, since=0, at=0
    )


def test_a_hub_that_falls_silent_during_its_own_warning_is_stood_in_for() -> None:
    duties = Duties([ActEntry("siren", "hub-silent", "underpass", grade="yellow", after_s=300)])
    duties.warnings.take(said(Grade.ORANGE))
    assert duties.due(0, 0) == {}
    assert duties.due(0, 299_000) == {}
    assert duties.due(0, 300_000)["siren"][0].why is Why.HUB_SILENT
    assert duties.due(0, 0) == {}


def test_what_the_hub_called_over_or_a_person_has_is_no_reason_to_sound() -> None:
    duties = Duties([ActEntry("siren", "hub-silent", "underpass", grade="yellow", after_s=300)])
    duties.warnings.take(said(Grade.ORANGE))
    duties.warnings.take(said(Grade.ORANGE, Condition.UNKNOWN))
    assert duties.due(0, 300_000)
    duties.warnings.acknowledge()
    assert duties.due(0, 300_000) == {}
    duties.warnings.take(said(Grade.RED))
    assert duties.due(0, 300_000)
    duties.warnings.take(said(Grade.GREEN, Condition.CLEARED))
    assert duties.due(0, 300_000) == {}
    assert HubWarnings().worst("underpass", Grade.BLUE) is None


def test_a_broker_without_a_hub_behind_it_is_no_hub() -> None:
    contact = HubContact(0.0, speed=1.0)
    contact.link(linked=True)
    assert contact.silent_ms(1.0) == 1_000
    contact.beat(2.0, judging=True)
    assert contact.silent_ms(2.0 + SILENT_AFTER_S) == 0
    assert contact.silent_ms(3.0 + SILENT_AFTER_S) == 16_000
    contact.beat(20.0, judging=False)
    assert not contact.reachable(20.0)
    contact.beat(25.0, judging=True)
    assert contact.reachable(25.0)
    contact.link(linked=False)
    assert contact.silent_ms(26.0) == 1_000


def test_a_hub_without_a_heartbeat_is_heard_by_its_grades() -> None:
    contact = HubContact(0.0, speed=60.0)
    contact.link(linked=True)
    contact.grade(10.0)
    assert contact.reachable(10.0 + GRADES_ONLY_S)
    assert contact.silent_ms(10.0 + GRADES_ONLY_S + 1) == round((GRADES_ONLY_S + 1) * 60_000)


PAPER = Mandate("Li Wei", dt.date(2026, 1, 10), dt.date(2026, 12, 31), "may sound")


def at(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "sync", "why"),
    [
        ("2026-06-01T00:00:00Z", True, None),
        ("2026-12-31T23:59:00-12:00", True, None),
        ("2027-01-01T12:00:00Z", True, Why.MANDATE_EXPIRED),
        ("2026-01-10T00:00:00+14:00", True, None),
        ("2026-01-09T09:00:00Z", True, Why.MANDATE_MISSING),
        ("1970-01-01T00:00:00Z", False, None),
        ("2027-06-01T00:00:00Z", False, Why.MANDATE_EXPIRED),
    ],
)
def test_a_mandate_holds_on_its_days_wherever_they_are(now: str, sync: bool, why: Why) -> None:
    assert mandate_holds(PAPER, at(now), sync=sync) is why


def test_without_a_mandate_nothing_is_allowed() -> None:
    assert mandate_holds(None, NOW, sync=True) is Why.MANDATE_MISSING


def order(**changes: object) -> Command:
    fields: dict[str, object] = {
        "verb": Verb.TEST, "output": "siren", "nonce": new_nonce(), "issued": NOW,
        "expires": NOW + 60_000, "boot": "b1",
    }  # fmt: skip
    return Command(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_signed_command_is_opened_with_its_key_for_its_topic_only() -> None:
    payload = sign_command(order(), TOPIC, KEY)
    assert open_command(payload, TOPIC, KEY).output == "siren"
    for topic, key in ((TOPIC, b"x" * 32), (TOPIC.replace("s1", "s2"), KEY)):
        with pytest.raises(CommandError, match="signature"):
            open_command(payload, topic, key)
    with pytest.raises(CommandError, match="signature"):
        open_command(payload.replace(b"siren", b"sirex"), TOPIC, KEY)
    for broken in (b"", b"[]", b'{"body":1}', b"\xff", b"x" * 5_000):
        with pytest.raises(CommandError):
            open_command(broken, TOPIC, KEY)


@pytest.mark.parametrize(
    ("command", "moment", "word"),
    [
        ({}, Moment(NOW + 1, True, "b1"), ""),
        ({}, Moment(NOW + 1, True, "other"), ""),
        ({}, Moment(NOW + 60_001, True, "b1"), "expired"),
        ({}, Moment(NOW - SKEW_MS - 1, True, "b1"), "future"),
        ({"expires": NOW + 7_200_000}, Moment(NOW, True, "b1"), "longer"),
        ({"expires": NOW}, Moment(NOW, True, "b1"), "longer"),
        ({}, Moment(5_000, False, "b1"), ""),
        ({}, Moment(5_000, False, "other"), "clock is not set"),
        ({}, Moment(NOW + 1, True, "b1", remembers=False), ""),
        ({}, Moment(NOW + 60_001, True, "b1", remembers=False), "expired"),
        ({}, Moment(NOW + 1, True, "other", remembers=False), "earlier commands is lost"),
    ],
)
def test_a_command_is_carried_out_only_while_it_is_fresh(
    command: dict[str, object], moment: Moment, word: str
) -> None:
    payload = sign_command(order(**command), TOPIC, KEY)
    _, problem = accept(payload, TOPIC, KEY, moment, ())
    assert word in problem
    assert bool(word) == bool(problem)


def test_a_command_that_came_before_is_none_also_after_a_restart(tmp_path: Path) -> None:
    command = order()
    payload = sign_command(command, TOPIC, KEY)
    book = ActBook(tmp_path / "acts.db")
    accept(payload, TOPIC, KEY, Moment(NOW, True, "b1"), book.nonces)
    book.spend(command.nonce)
    book.close()
    with pytest.raises(CommandError, match="came before"):
        accept(payload, TOPIC, KEY, Moment(NOW, True, "b2"), ActBook(tmp_path / "acts.db").nonces)


def act(name: str, event: ActEvent = ActEvent.ON) -> LocalAct:
    return LocalAct(id=name, boot="b1", at=NOW, output="siren", event=event, run="b1-1")


def test_the_book_keeps_acts_until_the_hub_has_them(tmp_path: Path) -> None:
    book = ActBook(tmp_path / "acts.db")
    book.note([act("b1-1"), act("b1-2", ActEvent.HEARD)])
    book.close()
    book = ActBook(tmp_path / "acts.db")
    assert [one.id for one in book.waiting(20)] == ["b1-1", "b1-2"]
    assert [one.id for one in book.running()] == ["b1-1"]
    book.note([act("b1-3", ActEvent.OFF)])
    assert book.running() == []
    book.confirmed(["b1-1", "b1-3", "never"])
    assert [one.id for one in book.waiting(20)] == ["b1-2"]
    book.close()


def test_a_full_book_gives_up_the_oldest_and_counts_it(tmp_path: Path) -> None:
    book = ActBook(tmp_path / "acts.db", most=3)
    book.note([act(f"b1-{number}") for number in range(5)])
    assert [one.id for one in book.waiting(20)] == ["b1-2", "b1-3", "b1-4"]
    assert (book.count(), book.dropped()) == (3, 2)
    book.close()


def test_what_a_book_does_not_know_it_does_not_pretend_to(tmp_path: Path) -> None:
    path = tmp_path / "acts.db"
    first = ActBook(path)
    assert not first.remembers, "a card that was changed knows of no command"
    first.close()
    second = ActBook(path)
    assert second.remembers
    second.close()
    path.write_bytes(b"not a database at all" * 100)
    third = ActBook(path)
    assert not third.remembers
    third.close()


WRITER = """
import os, sys
from pathlib import Path
from edge.acting.book import ActBook
book = ActBook(Path(sys.argv[1]))
book.spend("n1")
book.remember(b"kept")
if sys.argv[2] == "kill":
    os._exit(9)
book.close()
"""


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_disk_that_has_become_read_only_is_still_read(tmp_path: Path, end: str) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk / "acts.db"
        subprocess.run([sys.executable, "-c", WRITER, str(path), end], check=False, timeout=30)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        book = ActBook(path)
        assert book.nonces == frozenset({"n1"})
        assert book.memory() == b"kept"
        assert book.remembers
        book.spend("n2")
        assert book.error
        assert book.memory() == b"kept"
        book.close()


def test_a_broken_or_missing_disk_does_not_keep_a_station_from_acting(tmp_path: Path) -> None:
    path = tmp_path / "acts.db"
    path.write_bytes(b"not a database at all" * 100)
    book = ActBook(path)
    book.note([act("b1-1")])
    assert book.error == ""
    assert (tmp_path / "acts.db.corrupt").exists()
    book.close()
    (tmp_path / "file").touch()
    book = ActBook(tmp_path / "file" / "acts.db")
    book.note([act("b1-1")])
    assert book.error
    assert book.count() == 1
    book.close()
