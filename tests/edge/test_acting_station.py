"""A station that acts alone, as a real process with a real broker that is taken away from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core import topics
from core.act import ActEvent, LocalAct, Why
from core.broker import Broker, Message
from core.clock import RunClock
from core.command import Command, Verb, new_nonce, sign_command
from core.finding import Condition, Hazard, ZoneGrade, encode_zone_grade
from core.grade import Grade
from core.heartbeat import Heartbeat, encode_heartbeat
from core.status import Receipt, StationStatus, decode_status, encode_receipt
from edge.drivers import make_driver
from tests.edge.lines import Background, Line, sender, slave
from tests.edge.relays import RelayModule
from tests.servers import Mosquitto, wait_until

SPEED = 10
KEY = "0123456789abcdef0123456789abcdef"
STATION = """
[station]
id = "s1"
site = "a"
clock = "trusted"
pack_interval_s = 0.3

[[port]]
id = "uart-0"
path = "uart-0"

[[port]]
id = "rs485-0"
path = "rs485-0"

[[port]]
id = "relays"
path = "relays"

[[sensor]]
id = "gauge-1"
station = "s1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
mount_height_m = 3.2
port = "uart-0"

[[sensor]]
id = "mic-1"
station = "s1"
zone = "underpass"
driver = "modbus_di_module"
quantity = "contact"
hazard = "equipment"
port = "rs485-0"
address = 3
measure = "di0"

[[sensor]]
id = "button-1"
station = "s1"
zone = "underpass"
driver = "modbus_di_module"
quantity = "contact"
hazard = "equipment"
port = "rs485-0"
address = 3
measure = "di1"

[[limit]]
zone = "underpass"
quantity = "water-level"
red = 0.27
hysteresis = 0.02
dwell_down_s = 5
reason = "test"

[mandate]
signed_by = "Li Wei"
signed_on = 2020-01-01
valid_until = {valid_until}
text = "The siren may sound"

[command]
key_file = "command.key"

[[output]]
id = "siren"
kind = "simulated"
file = "siren.jsonl"
min_on_s = 5
min_off_s = 5
max_run_s = 3000
feedback = {{ sensor = "mic-1", within_s = 20 }}

[[output]]
id = "lamp"
kind = "modbus-coil"
port = "relays"
coil = 2
max_run_s = 3000

[[act]]
output = "siren"
when = "alone"
zone = "underpass"
quantity = "water-level"
after_s = 10

[[act]]
output = "lamp"
when = "at-once"
zone = "underpass"
quantity = "water-level"
reason = "drivers see it before anybody is told"

[[act]]
output = "siren"
when = "hub-silent"
zone = "underpass"
grade = "yellow"
after_s = 60

[[button]]
sensor = "button-1"
action = "silence"
output = "siren"
"""


class Voice:
    """A hub that beats, listens to the station's status and confirms acts when told so."""

    def __init__(self, mosquitto: Mosquitto) -> None:
        self.acts: dict[str, LocalAct] = {}
        self.statuses: list[StationStatus] = []
        self.confirms = True
        self.link = Broker(
            mosquitto.address, "voice", on_message=self._received, session_expiry_s=0
        )
        self.link.subscribe([topics.status("a", "s1"), topics.readings("a", "s1")])
        self.link.start()
        self._beats = Background(self.beat, 0.2)

    def beat(self) -> None:
        beat = Heartbeat(RunClock().now_ms())
        self.link.publish(topics.heartbeat("a"), encode_heartbeat(beat))

    def hush(self) -> None:
        self._beats.close()

    def grade(self, grade: Grade) -> None:
        said = ZoneGrade(
            zone="underpass", hazard=Hazard.FLOOD, grade=grade, condition=Condition.ACTIVE,
            since=0, at=0,
        )  # fmt: skip
        topic = topics.grade("a", "underpass", "flood")
        self.link.publish(topic, encode_zone_grade(said), retain=True)

    def command(self, verb: Verb, output: str = "", seconds: float = 0, by: str = "Li") -> bytes:
        now = self.statuses[-1].at
        order = Command(
            verb=verb, output=output, seconds=seconds, by=by, nonce=new_nonce(), issued=now,
            expires=now + 600_000, boot=self.statuses[-1].boot,
        )  # fmt: skip
        topic = topics.command("a", "s1")
        payload = sign_command(order, topic, KEY.encode())
        self.link.publish(topic, payload)
        return payload

    def said(self, event: ActEvent, output: str = "siren") -> list[LocalAct]:
        return [one for one in self.acts.values() if one.event is event and one.output == output]

    def close(self) -> None:
        self._beats.close()
        self.link.stop()

    def _received(self, message: Message) -> None:
        if message.topic == topics.readings("a", "s1"):
            receipt = Receipt(message.user["boot"], (int(message.user["seq"]),))
            self.link.publish(topics.stored("a", "s1"), encode_receipt(receipt))
            return
        status = decode_status(message.payload)
        self.statuses.append(status)
        self.acts |= {act.id: act for act in status.acts}
        if status.acts and self.confirms:
            receipt = Receipt(status.boot, (), tuple(act.id for act in status.acts))
            self.link.publish(topics.stored("a", "s1"), encode_receipt(receipt))


class Stage:
    """A station with water before it, a microphone, a button, a lamp, and a broker of its own."""

    def __init__(self, directory: Path, valid_until: str = "2099-12-31") -> None:
        self.directory = directory
        self._stack = ExitStack()
        self.mosquitto = Mosquitto(directory / "broker")
        self.mosquitto.start()
        self._stack.callback(self.mosquitto.stop)
        self.voice = Voice(self.mosquitto)
        self._stack.callback(self.voice.close)
        self.level_mm = 100
        self.inputs: dict[str, float] = {"di0": 0, "di1": 0}
        self.mic_follows = True
        lines = {name: Line(directory / name) for name in ("uart-0", "rs485-0", "relays")}
        for line in lines.values():
            self._stack.callback(line.close)
        gauge = make_driver("dfrobot_a02yyuw")
        panel = make_driver("modbus_di_module", {"address": 3})
        self.relays = RelayModule(lines["relays"])
        for thing in (
            sender(lines["uart-0"], lambda: gauge.encode({"distance": 3200 - self.level_mm}), 0.1),
            slave(lines["rs485-0"], {3: (panel, self.inputs)}),
            Background(self._mic, 0.05),
            self.relays,
        ):
            self._stack.callback(thing.close)
        (directory / "command.key").write_text(KEY + "\n")
        self.file = directory / "station.toml"
        self.file.write_text(
            STATION.format(valid_until=valid_until) + f"[broker]\nport = {self.mosquitto.port}\n"
        )
        self._processes: list[subprocess.Popen[bytes]] = []

    def _mic(self) -> None:
        if self.mic_follows:
            self.inputs["di0"] = self.sounds

    @property
    def sounds(self) -> bool:
        states = self.trail()
        return bool(states) and states[-1] == "on"

    def trail(self) -> list[str]:
        path = self.directory / "siren.jsonl"
        return (
            [json.loads(line)["state"] for line in path.read_text().splitlines()]
            if path.exists()
            else []
        )

    def run(self) -> subprocess.Popen[bytes]:
        log = (self.directory / "station.log").open("ab")
        self._stack.callback(log.close)
        process = subprocess.Popen(
            [
                sys.executable, "-m", "edge", str(self.file),
                "--clock", f"{RunClock().wall_ms()}:{SPEED}",
            ],
            stderr=log,
            env=dict(os.environ),
        )  # fmt: skip
        self._processes.append(process)
        return process

    def rises(self) -> None:
        self.level_mm = 350

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)
        self._stack.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def ready(stage: Stage) -> None:
    """The station is up, everything is off, and it hears the hub."""
    wait_until(
        lambda: (
            stage.voice.statuses
            and (state := stage.voice.statuses[-1].acting) is not None
            and state.alone_ms == 0
            and stage.trail()
        ),
        30,
        "the station hears the hub",
    )


def test_cut_off_it_sounds_is_heard_and_tells_the_whole_story_once_it_is_back(
    stage: Stage,
) -> None:
    stage.run()
    ready(stage)
    assert stage.trail() == ["off"]
    wait_until(lambda: (2, 0) in stage.relays.writes, 10, "the safe state of the lamp")
    stage.mosquitto.kill()
    stage.rises()
    wait_until(lambda: stage.sounds, 20, "the siren")
    wait_until(lambda: stage.relays.is_on(2), 10, "the lamp")
    stage.level_mm = 50
    wait_until(lambda: not stage.sounds, 20, "silence")
    stage.mosquitto.start()
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 30, "the story")
    began, ended = stage.voice.said(ActEvent.ON)[0], stage.voice.said(ActEvent.OFF)[0]
    assert (began.why, began.alone, began.zone, began.grade) == (
        Why.LIMIT, True, "underpass", Grade.RED,
    )  # fmt: skip
    assert began.sensor == "gauge-1"
    assert began.value is not None
    assert began.value >= 0.27 == began.limit
    assert began.mandate == "Li Wei, 2020-01-01, until 2099-12-31"
    assert (ended.run, ended.why, ended.sounded) == (began.id, Why.OVER, True)
    assert ended.at - began.at >= 5_000
    wait_until(
        lambda: (state := stage.voice.statuses[-1].acting) is not None and not state.waiting, 30
    )
    assert len(stage.voice.said(ActEvent.ON)) == len(stage.voice.said(ActEvent.OFF)) == 1
    lamp = stage.voice.said(ActEvent.ON, "lamp")
    assert [one.why for one in lamp] == [Why.LIMIT]


def test_killed_while_it_sounds_it_is_off_first_and_the_run_has_one_end(stage: Stage) -> None:
    stage.voice.confirms = False
    process = stage.run()
    ready(stage)
    stage.mosquitto.kill()
    stage.rises()
    wait_until(lambda: stage.sounds, 20, "the siren")
    wait_until(lambda: stage.relays.is_on(2), 10, "the lamp")
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert stage.sounds
    stage.level_mm = 50
    stage.voice.confirms = True
    before = len(stage.trail())
    stage.run()
    wait_until(lambda: len(stage.trail()) > before, 20)
    assert stage.trail()[before] == "off"
    wait_until(lambda: not stage.relays.is_on(2), 10)
    stage.mosquitto.start()
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 30, "the end of the run")
    began, ended = stage.voice.said(ActEvent.ON), stage.voice.said(ActEvent.OFF)
    assert [one.id for one in began] == [one.run for one in ended]
    assert ended[0].why is Why.KILLED
    assert ended[0].boot != began[0].boot


def test_sigterm_while_it_sounds_leaves_everything_off_and_says_so(stage: Stage) -> None:
    process = stage.run()
    ready(stage)
    stage.rises()
    wait_until(lambda: stage.relays.is_on(2), 20, "the lamp, at once")
    assert not stage.sounds
    stage.voice.command(Verb.SOUND, "siren", 3000)
    wait_until(lambda: stage.sounds, 10, "the siren, ordered")
    process.terminate()
    assert process.wait(30) == 0
    assert not stage.sounds
    assert not stage.relays.is_on(2)
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 10)
    assert {one.why for one in stage.voice.said(ActEvent.OFF)} == {Why.STOPPED}


def test_a_command_is_carried_out_once_and_answered_and_a_replay_is_not(stage: Stage) -> None:
    process = stage.run()
    ready(stage)
    payload = stage.voice.command(Verb.TEST, "siren", 10)
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 20, "the test is over")
    answer = stage.voice.said(ActEvent.ANSWER)[0]
    assert (answer.detail, answer.by) == ("", "Li")
    ended = stage.voice.said(ActEvent.OFF)[0]
    assert (ended.command, ended.sounded) == (answer.command, True)
    stage.voice.command(Verb.TEST, "horn")
    wait_until(lambda: stage.voice.said(ActEvent.ANSWER, "horn"), 10)
    assert "not known here" in stage.voice.said(ActEvent.ANSWER, "horn")[0].detail

    process.send_signal(signal.SIGKILL)
    process.wait(10)
    boot = stage.voice.statuses[-1].boot
    stage.run()
    wait_until(lambda: stage.voice.statuses[-1].boot != boot, 30)
    topic = topics.command("a", "s1")
    stage.voice.link.publish(topic, payload)
    forged = payload.replace(b"siren", b"lamp!")
    stage.voice.link.publish(topic, forged)
    stage.voice.command(Verb.TEST, "siren", 20)
    wait_until(lambda: len(stage.voice.said(ActEvent.ON)) == 2, 20)
    wait_until(lambda: len(stage.voice.said(ActEvent.OFF)) == 2, 20)
    assert len(stage.voice.said(ActEvent.ANSWER)) == 2
    log = (stage.directory / "station.log").read_text()
    assert "came before" in log
    assert "signature" in log


def test_an_expired_mandate_is_no_act_and_is_said_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path, valid_until="2020-02-01")
    try:
        stage.run()
        ready(stage)
        stage.rises()
        wait_until(lambda: stage.voice.said(ActEvent.WITHHELD, "lamp"), 20)
        withheld = stage.voice.said(ActEvent.WITHHELD, "lamp")[0]
        assert (withheld.why, withheld.grade) == (Why.MANDATE_EXPIRED, Grade.RED)
        assert not stage.relays.is_on(2)
        state = stage.voice.statuses[-1].acting
        assert state is not None
        assert not state.valid
    finally:
        stage.close()


def test_a_silent_hub_behind_a_broker_that_answers_is_stood_in_for_until_a_person_silences_it(
    stage: Stage,
) -> None:
    stage.run()
    ready(stage)
    stage.voice.grade(Grade.ORANGE)
    stage.voice.hush()
    wait_until(lambda: stage.sounds, 45, "the siren for the silent hub")
    wait_until(lambda: stage.voice.said(ActEvent.HEARD), 10)
    assert stage.voice.said(ActEvent.ON)[0].why is Why.HUB_SILENT
    stage.inputs["di1"] = 1
    wait_until(lambda: not stage.sounds, 10, "the button")
    wait_until(lambda: stage.voice.said(ActEvent.SILENCED), 10)
    assert stage.voice.said(ActEvent.SILENCED)[0].by == "button-1"


def test_a_siren_that_nobody_hears_and_feedback_that_is_stuck_are_both_said(stage: Stage) -> None:
    stage.mic_follows = False
    stage.run()
    ready(stage)
    stage.voice.command(Verb.TEST, "siren", 40)
    wait_until(lambda: stage.voice.said(ActEvent.NOT_HEARD), 20, "nobody hears it")
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 20)
    assert stage.voice.said(ActEvent.OFF)[0].sounded is False
    stage.inputs["di0"] = 1
    wait_until(lambda: stage.voice.said(ActEvent.STUCK), 20, "the feedback is stuck")


def test_a_reload_is_refused_while_the_file_is_wrong_and_restarts_with_a_good_one(
    stage: Stage,
) -> None:
    process = stage.run()
    ready(stage)
    good = stage.file.read_text()
    stage.file.write_text(good.replace("min_on_s = 5", "min_on_s = 5000"))
    stage.voice.command(Verb.RELOAD)
    wait_until(lambda: stage.voice.said(ActEvent.ANSWER, ""), 10)
    assert "min_on_s" in stage.voice.said(ActEvent.ANSWER, "")[0].detail
    assert process.poll() is None
    stage.file.write_text(good)
    stage.voice.command(Verb.RELOAD)
    assert process.wait(30) == 1
    wait_until(lambda: len(stage.voice.said(ActEvent.ANSWER, "")) == 2, 10)
    assert stage.voice.said(ActEvent.ANSWER, "")[1].detail == ""


def test_after_a_kill_the_outputs_can_be_switched_off_without_a_station(stage: Stage) -> None:
    process = stage.run()
    ready(stage)
    stage.rises()
    wait_until(lambda: stage.relays.is_on(2), 20)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert stage.relays.is_on(2)
    done = subprocess.run(
        [sys.executable, "-m", "edge", str(stage.file), "--safe"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not stage.relays.is_on(2)
