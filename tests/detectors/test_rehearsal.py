"""A drill among running detectors, over a real broker: found, marked, and apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import topics
from core.broker import Broker, Message
from core.clock import RunClock
from core.community_file import parse_community
from core.drill import STATION, DrillPhase, DrillStatement, encode_drill
from core.finding import Condition, Finding, decode_finding
from core.grade import Grade
from core.pack import Pack, encode_pack
from core.quantity import Quantity
from core.reading import Reading
from tests.detectors.test_detect_service import Duty, Street, profile, settings_in
from tests.servers import Mosquitto, wait_until

CLOCK = RunClock()


class Exercise:
    """The voice of a hub that announces a drill, its station, and ears for what is found."""

    def __init__(self, server: Mosquitto, site: str) -> None:
        self.site = site
        self.ready: list[tuple[str, bytes]] = []
        self.found: list[tuple[str, Finding]] = []
        self.broker = Broker(
            server.address, f"exercise-{site}", on_message=self._hear, session_expiry_s=0
        )
        self.broker.subscribe([topics.all_drill_ready(site), topics.all_drill_findings(site)])
        self.broker.start()
        assert self.broker.wait_linked(10)

    def _hear(self, message: Message) -> None:
        if "/ready/" in message.topic:
            self.ready.append((message.topic.rpartition("/")[2], message.payload))
        else:
            self.found.append((message.topic, decode_finding(message.payload)))

    def announce(self, phase: DrillPhase = DrillPhase.RUNNING, drill: str = "d-1") -> None:
        statement = DrillStatement(
            id=drill, zone="underpass", sensors=("gauge-1",), phase=phase,
            until=CLOCK.now_ms() + 600_000,
        )  # fmt: skip
        self._publish(topics.drill(self.site), encode_drill(statement), retain=True)

    def send(
        self, seq: int, *levels: float, station: str = STATION, sensor: str = "drill-gauge-1",
        mark: str = "d-1",
    ) -> None:  # fmt: skip
        newest = CLOCK.now_ms()
        readings = tuple(
            Reading(sensor, Quantity.WATER_LEVEL, newest - 1000 * (len(levels) - 1 - place), level)
            for place, level in enumerate(levels)
        )
        pack = encode_pack(Pack(boot="b1", seq=seq, readings=readings, exercise=mark))
        topic = topics.readings(self.site, station)
        self._publish(topic, pack, user={"exercise": mark})

    def _publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        user: dict[str, str] | None = None,
    ) -> None:
        assert self.broker.publish(topic, payload, retain=retain, user=user).wait(10)

    def worst(self) -> Grade:
        return max((finding.grade for _, finding in self.found), default=Grade.GREEN)


@pytest.fixture
def site(request: pytest.FixtureRequest) -> str:
    """A site of each test, so that nothing retained reaches the next."""
    return f"rehearsal-{abs(hash(request.node.name)) % 10**9}"


@pytest.fixture
def exercise(mosquitto: Mosquitto, site: str) -> Iterator[Exercise]:
    made = Exercise(mosquitto, site)
    yield made
    made.broker.publish(topics.drill(made.site), b"", retain=True).wait(10)
    made.broker.stop()


@pytest.fixture
def street(mosquitto: Mosquitto, site: str) -> Iterator[Street]:
    made = Street(mosquitto, site)
    yield made
    made.broker.stop()


@pytest.fixture
def duty(mosquitto: Mosquitto, street: Street, tmp_path: Path) -> Iterator[Duty]:
    made = Duty(mosquitto, parse_community(profile(street.site)), settings_in(tmp_path))
    yield made
    made.end()


def test_a_flood_of_a_drill_is_found_and_marked_and_no_actual_finding_says_a_word(
    exercise: Exercise, street: Street, duty: Duty
) -> None:
    exercise.announce()
    wait_until(lambda: exercise.ready == [("detectors", b"d-1")], what="detectors take part")

    exercise.send(1, 0.3, 0.3, 0.3)

    wait_until(lambda: exercise.worst() is Grade.RED, what="the drill's red")
    for topic, finding in exercise.found:
        assert finding.drill == "d-1"
        assert topic == topics.drill_finding(street.site, "d-1", finding.subject, finding.rule)
    assert {finding.grade for finding in street.heard} <= {Grade.GREEN}
    assert duty.detect.sentinel.judged == 0


def test_a_real_station_that_marks_its_readings_is_judged_as_actual(
    exercise: Exercise, street: Street, duty: Duty
) -> None:
    exercise.announce()
    wait_until(lambda: exercise.ready != [], what="detectors take part")

    exercise.send(1, 0.3, 0.3, 0.3, station="north-1", sensor="gauge-1")

    wait_until(lambda: any(f.grade is Grade.RED for f in street.heard), what="the actual red")
    assert all(finding.drill == "" for finding in street.heard)
    assert exercise.worst() is Grade.GREEN
    assert duty.thread.is_alive()


def test_after_the_end_and_without_the_mark_nothing_is_found(
    exercise: Exercise, street: Street, duty: Duty
) -> None:
    exercise.send(1, 0.3, 0.3, 0.3)  # before it was announced
    exercise.announce()
    wait_until(lambda: exercise.ready != [], what="detectors take part")
    exercise.send(2, 0.3, 0.3, 0.3, mark="d-0")  # of another drill
    exercise.announce(DrillPhase.ENDED)
    exercise.send(3, 0.3, 0.3, 0.3)

    exercise.announce(drill="d-2")
    wait_until(lambda: ("detectors", b"d-2") in exercise.ready, what="the next drill")
    exercise.send(4, 0.01, 0.01, 0.01, mark="d-2")

    def is_green() -> bool:
        return any(
            (finding.drill, finding.rule, finding.condition)
            == ("d-2", "limit-high", Condition.CLEARED)
            for _, finding in exercise.found
        )

    wait_until(is_green, what="the second drill's green")
    assert exercise.worst() is Grade.GREEN
    assert {finding.grade for finding in street.heard} <= {Grade.GREEN}
    assert duty.detect.sentinel.judged == 0
