"""Who watches the watch: stuck ladders and outboxes, the watchdog outside, the daily self-test."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from alerts import dispatch, tables
from alerts.auditor import Auditor
from alerts.channels.base import Outcome, OutcomeKind
from alerts.channels.entry import ChannelError
from alerts.delivery import Delivery, SelfTestEntry, WatchdogEntry, problems
from alerts.dispatch import Room
from alerts.health import OwnHealth
from alerts.journal import Head
from alerts.message import lines, short
from alerts.metrics import Metrics
from alerts.selftest import SelfTests, message_of_test
from alerts.settling import accept, settle
from alerts.watchdog import LOST_AFTER, Watchdog
from core.finding import Condition
from core.grade import Grade
from tests.alerts.scenery import Scene, level, place
from tests.alerts.vendor import Reply, Vendor
from tests.servers import wait_until

WIDE = {"hook": Room(100), "second": Room(100)}


@pytest.fixture
def outside() -> Iterator[Vendor]:
    server = Vendor(Reply(200, b"OK"))
    yield server
    server.close()


def auditor(scene: Scene, health: OwnHealth, *, turning: bool = True) -> Auditor:
    return Auditor(
        scene.store, scene.watch, scene.clock, turning=lambda: {"watch": turning}, health=health,
        metrics=Metrics(), watchdog=Watchdog(WatchdogEntry(), scene.clock),
    )  # fmt: skip


def wrong(health: OwnHealth) -> set[str]:
    return {
        finding.subject
        for finding in health.findings()
        if finding.condition is Condition.ACTIVE and finding.subject != "program.detectors"
    }


def test_a_ladder_that_stands_still_is_found_told_and_set_going_again(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    health = OwnHealth(scene.community, scene.clock)
    scene.clock.advance(300)  # and nobody ticks

    found = auditor(scene, health).audit()

    assert found[0] == "incident 1: next step overdue by 120 s"
    assert "program.escalation" in wrong(health)
    assert scene.happened()[-2:] == ["resumed", "escalated"]


def test_a_ladder_that_is_climbed_in_time_is_well(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    health = OwnHealth(scene.community, scene.clock)
    scene.later(100, level(Grade.RED))

    assert auditor(scene, health).audit() == []
    assert wrong(health) == set()


def test_messages_that_were_taken_and_never_given_back_are_found(scene: Scene) -> None:
    scene.say(level(Grade.BLUE))
    with scene.database.write() as connection:
        dispatch.claim(connection, "gone", WIDE, 10, scene.watch.times())
    health = OwnHealth(scene.community, scene.clock)
    audit = auditor(scene, health)
    assert audit.audit() == []

    scene.clock.advance(dispatch.LEASE_MS / 1000 + 61)

    assert audit.audit() == ["1 messages were taken and neither sent nor given back"]
    assert "program.outbox" in wrong(health)


def test_a_red_message_that_nobody_tries_is_found(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    health = OwnHealth(scene.community, scene.clock)
    scene.clock.advance(125)

    assert auditor(scene, health).audit() == ["4 red messages have been waiting for 120 s"]


def test_a_loop_that_stands_still_is_named(scene: Scene) -> None:
    health = OwnHealth(scene.community, scene.clock)

    assert auditor(scene, health, turning=False).audit() == ["watch stands still"]


def test_an_audit_that_fails_is_not_the_last_one(
    scene: Scene, outside: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.auditor.AUDIT_S", 0.05)
    (tmp_path / "url").write_text(outside.url)
    dog = Watchdog(WatchdogEntry(url_file=str(tmp_path / "url"), allow_private=True), scene.clock)
    audits: list[int] = []

    def turning() -> dict[str, bool]:
        audits.append(len(outside.requests))
        if len(audits) == 1:
            raise ZeroDivisionError
        return {"watch": True}

    health = OwnHealth(scene.community, scene.clock)
    one = Auditor(
        scene.store, scene.watch, scene.clock, turning=turning, health=health,
        metrics=Metrics(), watchdog=dog,
    )  # fmt: skip
    one.start()
    try:
        wait_until(lambda: outside.requests, 20, what="a call of the watchdog")
    finally:
        one.stop()
    assert audits[:2] == [0, 0]  # while an audit fails nobody outside hears that all is well


@pytest.mark.parametrize("method", ["post", "get"])
def test_the_watchdog_is_called_once_a_minute(
    scene: Scene, outside: Vendor, tmp_path: Path, method: str
) -> None:
    (tmp_path / "url").write_text(f"{outside.url}/abc\n")
    entry = WatchdogEntry(url_file=str(tmp_path / "url"), allow_private=True, method=method)
    dog = Watchdog(entry, scene.clock)

    for _ in range(20):
        dog.call()
        scene.clock.advance(15)

    assert [request.path for request in outside.requests] == ["/hook/abc"] * 5
    assert not dog.lost
    dog.close()


def test_a_watchdog_that_does_not_answer_means_that_the_way_outside_is_down(
    scene: Scene, outside: Vendor, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text(outside.url)
    dog = Watchdog(WatchdogEntry(url_file=str(tmp_path / "url"), allow_private=True), scene.clock)
    outside.reply = Reply(502)
    for _ in range(LOST_AFTER):
        assert not dog.lost
        dog.call()
        scene.clock.advance(60)
    assert dog.lost

    outside.reply = Reply(200)
    dog.call()

    assert not dog.lost
    dog.close()


def test_the_watchdogs_address_is_checked_at_the_start(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("http://127.0.0.1/ping")

    with pytest.raises(ChannelError, match=r"watchdog: .*https"):
        Watchdog(WatchdogEntry(url_file=str(tmp_path / "url")), scene.clock)
    with pytest.raises(ChannelError, match="watchdog"):
        Watchdog(WatchdogEntry(url_file=str(tmp_path / "missing")), scene.clock)


class Daily:
    """The self-tests of a scene, looked after by hand."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.results: dict[str, bool] = {}
        self._tests = SelfTests(
            scene.community, SelfTestEntry(at="10:07"), scene.channels, self.results.__setitem__
        )

    def at(self, day: int, hour: int, minute: int) -> None:
        when = dt.datetime(2026, 7, day, hour, minute, tzinfo=zoneinfo.ZoneInfo("Asia/Shanghai"))
        self.scene.clock.ms = round(when.timestamp() * 1000)
        with self.scene.database.write() as connection:
            self._tests(connection, self.scene.watch.times())

    def answer(self, **outcomes: OutcomeKind) -> None:
        with self.scene.database.write() as connection:
            times = self.scene.watch.times()
            for row in dispatch.claim(connection, "me", WIDE, 10, times):
                outcome = Outcome(outcomes[row.channel])
                if outcome.kind is OutcomeKind.ACCEPTED:
                    assert accept(connection, [(row, outcome)], times) == []
                else:
                    settle(connection, row, outcome, resend_unknown=False, times=times)

    def keys(self) -> list[str]:
        with self.scene.database.read() as connection:
            return list(connection.execute(select(tables.outbox.c.dedup)).scalars())


def test_each_channel_is_tested_once_a_day_at_its_hour(scene: Scene) -> None:
    daily = Daily(scene)

    daily.at(1, 10, 6)
    assert daily.keys() == []
    for minute in (7, 8, 30):
        daily.at(1, 10, minute)
    assert sorted(daily.keys()) == ["test:2026-07-01:hook", "test:2026-07-01:second"]
    daily.at(1, 18, 0)
    daily.at(2, 12, 0)  # the hub was down all morning: today's is not made up for
    assert len(daily.keys()) == 2


def test_a_test_that_is_refused_or_never_accepted_is_trouble_until_one_passes(
    scene: Scene,
) -> None:
    daily = Daily(scene)
    daily.at(1, 10, 7)
    daily.answer(hook=OutcomeKind.ACCEPTED, second=OutcomeKind.PERMANENT)
    daily.at(1, 10, 8)
    assert daily.results == {"hook": True, "second": False}

    daily.at(2, 10, 7)
    daily.answer(hook=OutcomeKind.ACCEPTED, second=OutcomeKind.ACCEPTED)
    daily.at(2, 10, 8)

    assert daily.results == {"hook": True, "second": True}


def test_a_test_says_that_it_is_one_and_belongs_to_no_incident(scene: Scene) -> None:
    Daily(scene).at(1, 10, 7)

    with scene.database.write() as connection:
        row = dispatch.claim(connection, "me", WIDE, 1, scene.watch.times())[0]

    assert lines(row.note, "zh") == ["【通道测试】平安眼", "通道每日自检，无需处理。"]
    assert scene.store.open_incidents() == []


def test_a_test_by_hand_says_who_tries_it_and_when_and_is_not_called_daily() -> None:
    made = message_of_test(place().site, "duty-1", 1_764_500_000_000, Head(0, ""), "李工")

    assert lines(made, "zh")[1] == "李工 11月30日 18:53 手动测试，无需处理。"
    assert lines(made, "en")[1] == "By hand: 李工, 30 Nov 18:53. Nothing to do."
    for language in ("zh", "en"):
        assert short(made, language).split("\n") == lines(made, language)


def test_delivery_settings_that_make_no_sense_are_refused() -> None:
    assert problems(Delivery()) == []
    for wrong_one, says in (
        (Delivery(selftest=SelfTestEntry(at="25:00")), "selftest.at"),
        (Delivery(watchdog=WatchdogEntry(every_s=1)), "watchdog.every_s"),
        (Delivery(watchdog=WatchdogEntry(method="put")), "watchdog.method"),
    ):
        assert any(says in problem for problem in problems(wrong_one))


def test_a_red_that_waits_only_because_its_channel_rests_is_no_fault_of_the_outbox(
    scene: Scene,
) -> None:
    scene.say(level(Grade.RED))
    with scene.database.write() as connection:
        for name in ("hook", "second"):
            connection.execute(
                tables.breaker.insert().values(
                    channel=name, failures=5, opened_wall=1, rest_until_wall=1,
                    probe_until_wall=0, reason="503",
                )
            )  # fmt: skip
        connection.execute(update(tables.outbox).values(next_at=0))
    scene.clock.advance(125)

    assert auditor(scene, OwnHealth(scene.community, scene.clock)).audit() == []
