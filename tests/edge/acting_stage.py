"""A station with siren, lamp, button and microphone, as a real process, and the voice of a hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from core import topics
from core.act import ActEvent, LocalAct
from core.broker import Broker, Message
from core.clock import RunClock
from core.command import Command, Verb, new_nonce, sign_command
from core.finding import Condition, Hazard, ZoneGrade, encode_zone_grade
from core.grade import Grade
from core.heartbeat import Heartbeat, decode_heartbeat, encode_heartbeat
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
        self.beats: list[Heartbeat] = []
        filters = [topics.status("a", "s1"), topics.readings("a", "s1"), topics.heartbeat("a")]
        self.link.subscribe(filters)
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
        if message.topic == topics.heartbeat("a"):
            self.beats.append(decode_heartbeat(message.payload))
            return
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
        self.epoch_ms = RunClock().wall_ms()
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
                "--clock", f"{self.epoch_ms}:{SPEED}",
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
