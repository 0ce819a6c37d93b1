"""The alert service against a real broker and a real receiver."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alerts.decisions import Patience
from alerts.views import IncidentError, IncidentView
from core import topics
from core.clock import RunClock
from core.finding import Condition, encode_finding
from core.grade import Grade
from tests.alerts.running import Running
from tests.alerts.scenery import level, link, silence
from tests.alerts.vendor import Reply
from tests.servers import Mosquitto, wait_until

Start = Callable[..., Running]


@pytest.fixture
def running(
    tmp_path: Path, mosquitto: Mosquitto, request: pytest.FixtureRequest
) -> Iterator[Start]:
    made: list[Running] = []
    site = "s-" + str(abs(hash(request.node.name)) % 10**8)

    def make(**changes: object) -> Running:
        made.append(Running(tmp_path, mosquitto.address, site, **changes))  # type: ignore[arg-type]  # keywords of Running
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_each_rise_reaches_people_and_the_grade_is_published(running: Start) -> None:
    site = running()
    site.start()

    for grade in (Grade.BLUE, Grade.YELLOW, Grade.ORANGE, Grade.RED):
        site.say(level(grade))
        wait_until(
            lambda grade=grade: any(post["data"]["grade"] == grade.word for post in site.posts()),  # type: ignore[misc]  # bound default
            what=f"a post of {grade.word}",
        )

    wait_until(lambda: site.service.outbox().pending == 0, what="an empty outbox")
    [incident] = site.service.open_incidents()
    assert incident.headline.zh == "下穿通道水位 0.28 m，已达到红线 0.27 m"
    assert {note.state for note in incident.notified} == {"accepted"}
    wait_until(lambda: (found := site.grade("underpass", "flood")) and found.grade is Grade.RED)
    published = site.grade("underpass", "flood")
    assert published is not None
    assert published.incident == incident.number


def test_a_condition_that_is_already_true_at_the_start_is_found(running: Start) -> None:
    site = running()
    site.say(level(Grade.ORANGE))

    site.start()

    assert site.wait_posts(3)[0]["data"]["grade"] == "orange"


def test_green_and_unknown_are_published_for_every_zone_that_is_judged(running: Start) -> None:
    site = running()
    site.start()
    wait_until(lambda: site.grade("underpass", "flood"), what="a grade without a finding")
    before = site.grade("underpass", "flood")
    assert before is not None
    assert (before.grade, before.condition) == (Grade.GREEN, Condition.UNKNOWN)

    site.say(level(Grade.GREEN))

    wait_until(
        lambda: (found := site.grade("underpass", "flood")) and found.condition is Condition.CLEARED
    )


def test_a_restart_tells_nobody_again_and_goes_on(running: Start) -> None:
    site = running()
    site.start()
    site.say(level(Grade.ORANGE))
    site.wait_posts(4)
    wait_until(lambda: site.service.outbox().pending == 0, what="an empty outbox")

    site.restart()
    site.say(level(Grade.ORANGE))
    site.wait_handled(2)
    assert len(site.posts()) == 4
    site.say(level(Grade.RED))

    site.wait_posts(8)
    ids = [request.headers["webhook-id"] for request in site.receiver.requests]
    assert len(ids) == len(set(ids))


def test_what_happened_while_the_service_was_down_is_told_when_it_comes_back(
    running: Start,
) -> None:
    site = running()
    site.start()
    site.say(level(Grade.BLUE))
    site.wait_posts(1)
    site.service.stop()

    site.say(level(Grade.YELLOW), level(Grade.RED))
    site.service = site._make()
    site.start()

    wait_until(lambda: any(post["data"]["grade"] == "red" for post in site.posts()))
    assert site.service.open_incidents()[0].peak is Grade.RED


def test_malformed_findings_are_counted_and_the_stream_goes_on(running: Start) -> None:
    site = running()
    site.start()
    good = encode_finding(level(Grade.RED))
    topic = topics.finding(site.site, "gauge-1.water-level", "limit-high")
    elsewhere = topics.finding(site.site, "gauge-1.water-level", "other")
    for where, payload in (
        (topic, b""), (topic, b"\xff\xfe"), (topic, good[:-20]), (topic, b"[1]"),
        (topic, good.replace(b'"grade":4', b'"grade":9')),
        (topic, good.replace(b'"condition":"active"', b'"condition":"cleared"')),
        (topic, good.replace(b'"underpass"', b'"../etc"')),
        (topic, b"x" * 100_000), (elsewhere, good),
    ):  # fmt: skip
        site.publish(where, payload)

    site.wait_handled(8)  # the empty one takes a retained message away and does not arrive
    assert site.service.open_incidents() == []
    site.say(level(Grade.RED))
    site.wait_posts(1)
    assert site.service.metrics.findings.labels("malformed")._value.get() >= 8


def test_a_receiver_that_comes_back_gets_what_it_missed_in_order(running: Start) -> None:
    site = running(clock=RunClock(RunClock().wall_ms(), 30.0))
    site.receiver.reply = Reply(503)
    site.start()
    site.say(level(Grade.BLUE))
    site.wait_posts(2)
    site.say(level(Grade.YELLOW))
    wait_until(lambda: any(post["data"]["grade"] == "yellow" for post in site.posts()))

    site.receiver.reply = Reply(204)

    wait_until(lambda: site.service.outbox().pending == 0, what="an empty outbox")
    states = {(note.grade.word, note.state) for note in site.service.open_incidents()[0].notified}
    assert states == {("blue", "superseded"), ("yellow", "accepted")}


def test_a_danger_that_passes_is_told_settles_and_closes(running: Start) -> None:
    site = running(clock=RunClock(RunClock().wall_ms(), 100.0))
    seen: list[IncidentView] = []
    end = site.service.subscribe(seen.append)
    site.start()
    site.say(level(Grade.YELLOW))
    site.wait_posts(1)
    view = site.service.acknowledge(1, "赵 六", "console")
    assert (view.stage, view.acknowledged_by) == ("deciding", "赵 六")

    site.say(level(Grade.GREEN))

    site.wait_posts(1, "clear")
    wait_until(lambda: not site.service.open_incidents(), what="the closing")
    assert [entry.event for entry in site.service.journal(1)][-1] == "closed"
    wait_until(lambda: seen and not seen[-1].open, what="the news of the closing")
    end()
    site.service.verify_journal()
    with pytest.raises(IncidentError):
        site.service.acknowledge(1, "duty-1", "console")


def test_findings_that_run_out_leave_the_incident_open_and_unknown(running: Start) -> None:
    site = running(patience=Patience(fall_s=0.1, settle_s=0.1, unattended_s=0.1))
    site.start()
    site.say(level(Grade.ORANGE), expiry_s=1)
    site.wait_posts(3)

    wait_until(
        lambda: site.service.open_incidents()[0].condition is Condition.UNKNOWN,
        what="unknown after the expiry",
    )
    assert site.service.open_incidents()[0].grade is Grade.ORANGE
    assert site.posts("clear") == []


def test_a_lost_link_is_one_incident(running: Start) -> None:
    site = running()
    site.start()
    site.say(link(lost=True), silence("gauge-1"), silence("gauge-2"))
    site.wait_handled(3)

    [incident] = site.service.open_incidents()
    assert incident.subjects == ("station.north-1",)
    assert "north-1" in incident.headline.en


def test_a_channel_that_refuses_everything_is_an_incident_of_its_own_until_it_is_mended(
    running: Start,
) -> None:
    site = running()
    site.receiver.reply = Reply(401)
    site.start()
    site.say(level(Grade.BLUE))
    wait_until(lambda: len(site.service.open_incidents()) == 2, what="the equipment incident")
    trouble = next(view for view in site.service.open_incidents() if view.zone == site.site)
    assert "channel" in trouble.headline.en

    site.receiver.reply = Reply(204)
    site.say(level(Grade.YELLOW))

    wait_until(
        lambda: any(
            view.zone == site.site and "channel.hook" not in view.subjects
            for view in site.service.incidents()
        ),
        what="the mended channel",
    )


def test_people_may_look_while_findings_pour_in(running: Start) -> None:
    site = running()
    site.start()
    problems: list[Exception] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            try:
                site.service.incidents()
                site.service.zone_grades()
                site.service.outbox()
            except Exception as error:  # noqa: BLE001  # any error fails the test
                problems.append(error)
                return

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        site.say(level(Grade.YELLOW), level(Grade.GREEN), level(Grade.ORANGE, sensor="gauge-2"))
    site.wait_handled(30)
    stop.set()
    for thread in threads:
        thread.join(10)

    assert problems == []
    site.service.verify_journal()
