"""The detectors as a program, with a real broker and a real history."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import topics
from core.broker import Broker, Message
from core.clock import RunClock
from core.community import Community
from core.community_file import parse_community
from core.finding import Condition, Finding, decode_finding
from core.grade import Grade
from core.pack import Pack, encode_pack
from core.quantity import Quantity
from core.reading import Reading
from core.status import Link, Receipt, StationStatus, encode_receipt, encode_status
from detectors.service import Detect, DetectSettings
from ingest.history import HistorySettings, open_writer
from ingest.history.base import Series
from tests.servers import Mosquitto, wait_until

CLOCK = RunClock()


def profile(site: str) -> str:
    return f"""
[site]
id = "{site}"
name = {{ en = "S" }}
[[zone]]
id = "underpass"
name = {{ en = "Underpass" }}
[[sensor]]
id = "gauge-1"
station = "north-1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
interval_s = 1
[[limit]]
zone = "underpass"
quantity = "water-level"
yellow = 0.15
red = 0.27
dwell_up_s = 1
dwell_down_s = 0
[[sensor]]
id = "panel-1"
station = "plain-1"
zone = "underpass"
driver = "modbus_di_module"
quantity = "alarm-input"
hazard = "fire"
[[mapping]]
topic = "plain/{site}/+"
sensor = "panel-1"
value = "state.alarm"
"""


class Street:
    """A station and a listener on a real broker."""

    def __init__(self, server: Mosquitto, site: str) -> None:
        self.site = site
        self.heard: list[Finding] = []
        self.broker = Broker(
            server.address, f"street-{site}", on_message=self._hear, session_expiry_s=0
        )
        self.broker.subscribe([topics.all_findings(site)])
        self.broker.start()
        assert self.broker.wait_linked(10)

    def _hear(self, message: Message) -> None:
        self.heard.append(decode_finding(message.payload))

    def send(self, seq: int, *levels: float, ago_s: float = 0.0, boot: str = "b1") -> None:
        newest = CLOCK.now_ms() - round(ago_s * 1000)
        readings = tuple(
            Reading(
                "gauge-1", Quantity.WATER_LEVEL, newest - 1000 * (len(levels) - 1 - place), level
            )
            for place, level in enumerate(levels)
        )
        self.publish("readings", encode_pack(Pack(boot=boot, seq=seq, readings=readings)))

    def status(self, link: Link) -> None:
        payload = encode_status(StationStatus(link=link, boot="b1", at=CLOCK.now_ms()))
        self.publish("status", payload, retain=True)

    def publish(self, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        topic = f"{topics.ROOT}/{self.site}/station/north-1/{leaf}"
        assert self.broker.publish(topic, payload, retain=retain).wait(10)

    def said(self, rule: str) -> list[Finding]:
        """What was said of the gauge and its station under a rule, oldest first."""
        ours = ("gauge-1.water-level", "station.north-1")
        return [f for f in self.heard if f.rule == rule and f.subject in ours]

    def last(self, rule: str) -> Finding | None:
        return next((f for f in reversed(self.said(rule)) if not f.late), None)

    def wait_for(self, rule: str, grade: Grade, condition: Condition) -> Finding:
        def there() -> bool:
            last = self.last(rule)
            return last is not None and (last.grade, last.condition) == (grade, condition)

        wait_until(there, what=f"{rule} {grade.word} {condition}")
        found = self.last(rule)
        assert found is not None
        return found


class Duty:
    """Detectors in a thread."""

    def __init__(self, server: Mosquitto, place: Community, settings: DetectSettings) -> None:
        self.stop = threading.Event()
        self.detect = Detect(settings, place, server.address, CLOCK)
        self.thread = threading.Thread(target=self.detect.run, args=(self.stop,), daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join(15)
        assert not self.thread.is_alive()


@pytest.fixture
def street(mosquitto: Mosquitto, request: pytest.FixtureRequest) -> Iterator[Street]:
    site = f"detect-{abs(hash(request.node.name)) % 10**9}"
    made = Street(mosquitto, site)
    yield made
    made.broker.stop()


@pytest.fixture
def duty(mosquitto: Mosquitto, street: Street, tmp_path: Path) -> Iterator[Duty]:
    made = Duty(mosquitto, parse_community(profile(street.site)), settings_in(tmp_path))
    street.wait_for("limit-high", Grade.GREEN, Condition.UNKNOWN)
    yield made
    made.end()


def settings_in(directory: Path) -> DetectSettings:
    history = HistorySettings(path=str(directory / "history.db"))
    return DetectSettings(state_dir=directory / "state", history=history, snapshot_s=0.2)


def test_what_is_not_known_yet_is_said_to_be_unknown_and_green_is_said_too(
    street: Street, duty: Duty
) -> None:
    street.status(Link.ONLINE)
    street.send(1, 0.01, 0.01)

    street.wait_for("limit-high", Grade.GREEN, Condition.CLEARED)
    street.wait_for("silence", Grade.GREEN, Condition.CLEARED)
    street.wait_for("link", Grade.GREEN, Condition.CLEARED)
    assert duty.detect.sentinel.judged == 2


def test_a_condition_that_is_already_true_at_the_start_is_found(street: Street, duty: Duty) -> None:
    street.send(900, 0.3, 0.3, 0.3)

    red = street.wait_for("limit-high", Grade.RED, Condition.ACTIVE)

    assert (red.late, red.because.limit) == (False, 0.27)
    assert duty.detect.intake.dropped == 0


def test_the_loss_of_a_station_is_one_link_finding_and_no_sensor_alarm(
    street: Street, duty: Duty
) -> None:
    street.status(Link.ONLINE)
    street.send(1, 0.2, 0.2, 0.2)
    street.wait_for("limit-high", Grade.YELLOW, Condition.ACTIVE)

    street.status(Link.OFFLINE)

    link = street.wait_for("link", Grade.YELLOW, Condition.ACTIVE)
    street.wait_for("limit-high", Grade.YELLOW, Condition.UNKNOWN)
    assert link.because.members == ("gauge-1.water-level",)
    assert [f for f in street.said("silence") if f.grade > Grade.GREEN] == []
    assert duty.thread.is_alive()


def test_a_late_backlog_is_told_as_the_past_and_the_newest_reading_as_now(
    street: Street, duty: Duty
) -> None:
    street.send(1, *[0.01] * 3, ago_s=400)
    street.send(2, *[0.3] * 60, ago_s=300)
    wait_until(lambda: any(f.late for f in street.said("limit-high")), what="a late finding")
    assert [f for f in street.said("limit-high") if f.grade and not f.late] == []

    street.send(3, 0.31, 0.31, 0.31)

    red = street.wait_for("limit-high", Grade.RED, Condition.ACTIVE)
    assert not red.late
    assert duty.detect.sentinel.judged == 66


def test_a_hole_is_filled_from_history_once_ingest_has_stored_it(
    street: Street, duty: Duty, tmp_path: Path
) -> None:
    writer = open_writer(HistorySettings(path=str(tmp_path / "history.db")))
    series = Series(street.site, "north-1", "underpass", "gauge-1", Quantity.WATER_LEVEL)
    street.send(1, 0.01, ago_s=50)
    at = CLOCK.now_ms() - 40_000
    hidden = [
        Reading("gauge-1", Quantity.WATER_LEVEL, at + 1000 * second, 0.3) for second in range(20)
    ]
    street.send(3, 0.01, ago_s=2)
    street.wait_for("limit-high", Grade.GREEN, Condition.CLEARED)
    writer.write([(series, reading) for reading in hidden], site=street.site)
    street.publish("stored", encode_receipt(Receipt("b1", (2, 3))))

    wait_until(lambda: any(f.late for f in street.said("limit-high")), what="a late finding")
    late = next(f for f in street.said("limit-high") if f.late)
    assert (late.grade, late.since) == (Grade.RED, at + 1000)
    street.wait_for("limit-high", Grade.GREEN, Condition.CLEARED)
    assert duty.detect.sentinel.trails.filled == 1
    writer.close()


def test_broken_packs_and_strangers_do_not_stop_the_judging(street: Street, duty: Duty) -> None:
    street.publish("readings", b"\xff\xfe{")
    street.publish("status", b"[]")
    street.publish("stored", b"nonsense")
    stranger = Reading("gauge-9", Quantity.WATER_LEVEL, CLOCK.now_ms(), 9.0)
    street.publish("readings", encode_pack(Pack(boot="b1", seq=1, readings=(stranger,))))
    ahead = Reading("gauge-1", Quantity.WATER_LEVEL, CLOCK.now_ms() + 4_000_000, 9.0)
    street.publish("readings", encode_pack(Pack(boot="b1", seq=2, readings=(ahead,))))

    street.send(3, 0.2, 0.2, 0.2)

    street.wait_for("limit-high", Grade.YELLOW, Condition.ACTIVE)
    assert duty.detect.sentinel.refused == 3


def test_water_higher_than_any_mountain_stream_warns_nobody(street: Street, duty: Duty) -> None:
    street.send(1, 1e9, 1e9, 1e9)

    street.send(2, 0.0, 0.0, 0.0)

    street.wait_for("limit-high", Grade.GREEN, Condition.CLEARED)
    assert duty.detect.sentinel.refused == 3
    assert {finding.grade for finding in street.said("limit-high")} == {Grade.GREEN}


def test_a_plain_json_device_of_the_profile_is_judged(street: Street, duty: Duty) -> None:
    street.status(Link.ONLINE)
    payload = b'{"state": {"alarm": true}}'
    assert street.broker.publish(f"plain/{street.site}/panel", payload).wait(10)

    wait_until(lambda: any(f.hazard == "fire" and f.grade for f in street.heard))
    alarm = next(f for f in street.heard if f.hazard == "fire" and f.grade)
    assert (alarm.subject, alarm.grade) == ("panel-1.alarm-input", Grade.ORANGE)
    assert duty.detect.sentinel.refused == 0


def test_after_a_lost_broker_everything_is_said_again(
    own_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    street = Street(own_mosquitto, "broker-lost")
    duty = Duty(own_mosquitto, parse_community(profile(street.site)), settings_in(tmp_path))
    try:
        street.wait_for("limit-high", Grade.GREEN, Condition.UNKNOWN)
        street.send(1, 0.3, 0.3, 0.3)
        street.wait_for("limit-high", Grade.RED, Condition.ACTIVE)
        own_mosquitto.kill()
        street.heard.clear()
        own_mosquitto.start()

        street.wait_for("limit-high", Grade.RED, Condition.ACTIVE)
        said_again = {"limit-high", "rise", "silence", "link"}
        wait_until(lambda: {f.rule for f in street.heard} >= said_again)
        assert street.last("limit-high") is not None
    finally:
        duty.end()
        street.broker.stop()


def test_killed_and_started_again_it_resumes_and_catches_up(
    mosquitto: Mosquitto, street: Street, tmp_path: Path
) -> None:
    (tmp_path / "community.toml").write_text(profile(street.site), encoding="utf-8")
    settings = settings_in(tmp_path)
    assert settings.history is not None
    command = [
        *(sys.executable, "-m", "detectors", "--community", str(tmp_path / "community.toml")),
        *("--state", str(settings.state_dir), "--broker", f"127.0.0.1:{mosquitto.port}"),
        *("--history", settings.history.path),
    ]
    first = Duty(mosquitto, parse_community(profile(street.site)), settings)
    street.wait_for("limit-high", Grade.GREEN, Condition.UNKNOWN)
    street.send(1, 0.2, 0.2, 0.2, ago_s=20)
    yellow = street.wait_for("limit-high", Grade.YELLOW, Condition.ACTIVE)
    wait_until((settings.state_dir / "detectors.snapshot").exists)
    first.end()
    writer = open_writer(settings.history)
    series = Series(street.site, "north-1", "underpass", "gauge-1", Quantity.WATER_LEVEL)
    missed = [
        Reading("gauge-1", Quantity.WATER_LEVEL, yellow.at + 1000 * second, 0.3)
        for second in range(1, 5)
    ]
    writer.write([(series, reading) for reading in missed], site=street.site)
    street.heard.clear()

    program = subprocess.Popen(command)  # killed below, whatever happens
    try:
        red = street.wait_for("limit-high", Grade.RED, Condition.ACTIVE)
        assert red.at > yellow.at
        program.send_signal(signal.SIGKILL)
        program.wait(10)
        street.heard.clear()
        program = subprocess.Popen(command)
        again = street.wait_for("limit-high", Grade.RED, Condition.ACTIVE)
        assert again.since == red.since
        program.send_signal(signal.SIGTERM)
        assert program.wait(15) == 0
    finally:
        program.kill()
        writer.close()
