from __future__ import annotations

import array
import fcntl
import os
import random
import termios
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.clock import RunClock
from core.community import SensorEntry
from core.finding import Hazard
from core.quantity import Quantity
from edge import ports
from edge.bus import (
    OWED_S,
    PATIENCE,
    REFUSED_CAP_S,
    SILENT_CAP_S,
    OwedAnswers,
    Turn,
    next_turn,
    turns_of,
)
from edge.configuration import PortEntry
from edge.drivers import make_driver
from edge.drivers.base import Frame
from edge.instruments import Instrument, instruments_on
from edge.modbus import Request
from edge.port_worker import PortCounters, PortPlan, PortWorker
from edge.ports import Backoff, PortLostError, SerialPort
from tests.edge.lines import Background, Line, sender, slave
from tests.servers import wait_until


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "port")
    yield made
    made.close()


def entry_of(line: Line) -> PortEntry:
    return PortEntry("p", str(line.path))


def sensor(name: str, driver: str, **more: object) -> SensorEntry:
    values: dict[str, object] = {
        "id": name,
        "station": "s",
        "zone": "z",
        "driver": driver,
        "quantity": Quantity.WATER_LEVEL,
        "hazard": Hazard.FLOOD,
        "port": "p",
        **more,
    }
    return SensorEntry(**values)  # type: ignore[arg-type]  # test data


@dataclass
class Collected:
    """A sink that remembers."""

    frames: list[tuple[str, Frame]] = field(default_factory=list)
    powered_times: int = 0

    def powered(self, instrument: Instrument) -> None:
        assert instrument.entries
        self.powered_times += 1

    def frame(self, instrument: Instrument, frame: Frame) -> None:
        self.frames.append((instrument.entries[0].id, frame))

    def of(self, name: str) -> list[Frame]:
        return [frame for owner, frame in list(self.frames) if owner == name]


def worker_on(
    line: Line, sensors: list[SensorEntry], speed: float = 1.0
) -> tuple[PortWorker, Collected, PortCounters]:
    sink, counters = Collected(), PortCounters()
    plan = PortPlan(
        PortEntry("p", str(line.path), latency_ms=150), 9600, lambda: instruments_on("p", sensors)
    )
    worker = PortWorker(
        plan, sink, RunClock(speed=speed), counters, backoff=Backoff(first_s=0.05, cap_s=0.2)
    )
    worker.start()
    return worker, sink, counters


def test_a_port_returns_what_has_come_and_nothing_after_the_time_out(line: Line) -> None:
    port = SerialPort(entry_of(line), 9600)
    line.write(b"\xff\x07\xa1\xa7")
    assert port.read(2.0) == b"\xff\x07\xa1\xa7"
    assert port.read(0.01) == b""
    port.close()


def test_a_second_opener_is_refused_until_the_first_lets_go(line: Line) -> None:
    first = SerialPort(entry_of(line), 9600)
    with pytest.raises(PortLostError, match="can't be opened"):
        SerialPort(entry_of(line), 9600)
    first.close()
    SerialPort(entry_of(line), 9600).close()


def test_a_real_line_is_also_closed_to_programs_that_ask_no_lock(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "_PSEUDO_MAJORS", range(0))
    port = SerialPort(entry_of(line), 9600)
    tiocgexcl = 0x80045440
    mark = array.array("i", [0])
    fcntl.ioctl(port._fd, tiocgexcl, mark)
    assert mark[0] == 1
    port.close()
    fd = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(fd, tiocgexcl, mark)
    os.close(fd)
    assert mark[0] == 0


def test_a_pseudo_terminal_is_not_marked_so_that_a_killed_station_can_come_back(line: Line) -> None:
    port = SerialPort(entry_of(line), 9600)
    mark = array.array("i", [1])
    fcntl.ioctl(port._fd, 0x80045440, mark)
    assert mark[0] == 0
    port.close()


def test_a_pulled_cable_is_told_apart_from_silence(line: Line) -> None:
    port = SerialPort(entry_of(line), 9600)
    line.unplug()
    with pytest.raises(PortLostError, match=r"lost|unplugged"):
        port.read(1.0)
    port.close()


def test_a_missing_device_says_which_one(tmp_path: Path) -> None:
    with pytest.raises(PortLostError, match="nowhere"):
        SerialPort(PortEntry("p", str(tmp_path / "nowhere")), 9600)


def test_bytes_from_before_the_opening_are_not_taken_for_a_frame(line: Line) -> None:
    line.write(b"old")
    port = SerialPort(entry_of(line), 9600)
    line.write(b"new")
    assert port.read(2.0) == b"new"
    line.write(b"late answer")
    wait_until(lambda: port.discard_input() == 11, 2)
    port.close()


def test_the_line_is_raw_at_the_asked_speed(line: Line) -> None:
    port = SerialPort(PortEntry("p", str(line.path), parity="E", stop_bits=2), 19200)
    _, _, cflag, lflag, _, ospeed, _ = termios.tcgetattr(port._fd)
    assert ospeed == termios.B19200
    assert cflag & termios.CSTOPB
    assert not lflag & (termios.ICANON | termios.ECHO)
    port.close()


def test_pauses_double_up_to_the_cap_with_jitter_and_begin_small_again() -> None:
    backoff = Backoff(random=random.Random(1))
    pauses = [backoff.pause_s() for _ in range(8)]
    for pause, top in zip(pauses, (1, 2, 4, 8, 16, 30, 30, 30), strict=True):
        assert 0.8 * top <= pause <= top
    assert len({round(pause, 6) for pause in pauses[-3:]}) == 3
    backoff.reset()
    assert backoff.pause_s() <= 1


def test_a_worker_reopens_by_name_after_the_cable_was_pulled(line: Line, tmp_path: Path) -> None:
    driver = make_driver("dfrobot_a02yyuw")
    worker, sink, counters = worker_on(line, [sensor("g", "dfrobot_a02yyuw", mount_height_m=3.2)])
    first = sender(line, lambda: driver.encode({"distance": 2000}), 0.02)
    wait_until(lambda: len(sink.of("g")) > 2)
    first.close()
    line.unplug()
    wait_until(lambda: counters.losses > 0)
    assert not worker.is_open
    again = Line(tmp_path / "port")
    second = sender(again, lambda: driver.encode({"distance": 1000}), 0.02)
    wait_until(lambda: any(f.measurements[0].value == 1000 for f in sink.of("g")))
    assert counters.opens == 2
    assert sink.powered_times == 2
    worker.stop()
    worker.join(5)
    assert not worker.is_alive()
    second.close()
    again.close()


def test_one_bridge_is_decoded_once_for_all_its_sensors(line: Line) -> None:
    bridge = make_driver("ndjson_bridge")
    sensors = [
        sensor("smoke", "ndjson_bridge", measure="smoke", quantity=Quantity.SMOKE_OBSCURATION),
        sensor("heat", "ndjson_bridge", measure="temp", quantity=Quantity.TEMPERATURE),
    ]
    made = instruments_on("p", sensors)
    assert [[entry.id for entry in one.entries] for one in made] == [["smoke", "heat"]]
    worker, sink, counters = worker_on(line, sensors)
    wait_until(lambda: worker.is_open)
    line.write(bridge.encode({"smoke": 0.01, "temp": 21.5}))
    wait_until(lambda: sink.frames)
    assert {one.name for one in sink.frames[0][1].measurements} == {"smoke", "temp"}
    wait_until(lambda: counters.frames.good == 1)
    worker.stop()
    worker.join(5)


def test_entries_that_ask_for_different_registers_take_turns() -> None:
    gates = [
        sensor(
            name,
            "modbus_di_module",
            quantity=quantity,
            measure="count",
            address=2,
            options={"function": 3, "register": register},
        )
        for name, quantity, register in (
            ("gate-in", Quantity.PEOPLE_IN, 0),
            ("gate-out", Quantity.PEOPLE_OUT, 2),
        )
    ]
    made = instruments_on("p", gates)
    assert [one.driver.request()[3] for one in made] == [0, 2]


def test_a_silent_device_never_holds_up_the_others_on_the_bus(line: Line) -> None:
    probe = make_driver("qdy30a", {"address": 1})
    devices = slave(line, {1: (probe, {"level": 500})})
    sensors = [
        sensor("alive", "qdy30a", address=1, interval_s=0.2),
        sensor("silent", "qdy30a", address=2, interval_s=0.2),
    ]
    worker, sink, counters = worker_on(line, sensors)
    wait_until(lambda: counters.timeouts >= PATIENCE, 20)
    before = len(sink.of("alive"))
    silent_before = counters.timeouts
    wait_until(lambda: len(sink.of("alive")) >= before + 5, 20)
    assert counters.timeouts - silent_before <= 3
    assert not sink.of("silent")
    worker.stop()
    worker.join(5)
    devices.close()


def test_a_device_that_measures_before_it_answers_is_waited_for(line: Line) -> None:
    options: dict[str, str | int | float | bool] = {"polled": True}
    ranger = make_driver("campbell_sr50a", {**options, "address": 33})

    def answer() -> None:
        request = line.read(0.2)
        if request:
            threading.Event().wait(0.9)  # "typically within 1 second"
            line.write(ranger.respond(request, {"distance": 1838}))

    device = Background(answer, 0.0)
    sensors = [sensor("ranger", "campbell_sr50a", address=33, options=options)]
    worker, sink, counters = worker_on(line, sensors)
    wait_until(lambda: sink.of("ranger"), 10)
    assert counters.timeouts == 0
    worker.stop()
    worker.join(5)
    device.close()


def test_a_late_answer_is_never_taken_for_that_of_another_register(line: Line) -> None:
    slow = make_driver("modbus_registers", {"register": 10})
    other = make_driver("modbus_registers", {"register": 11})

    def answer() -> None:
        request = line.read(0.2)
        if request:
            threading.Event().wait(0.36)  # longer than the station waits, not than a slow slave
            line.write(answer_of(request))

    def answer_of(request: bytes) -> bytes:
        driver, value = (slow, 100) if request[3] == 10 else (other, 200)
        return driver.respond(request, {"value": value})

    devices = Background(answer, 0.0)
    sensors = [
        sensor(name, "modbus_registers", interval_s=0.05, options={"register": register})
        for name, register in (("a", 10), ("b", 11))
    ]
    worker, sink, counters = worker_on(line, sensors)
    wait_until(lambda: counters.timeouts >= 5, 20)
    worker.stop()
    worker.join(5)
    devices.close()
    said = {(name, frame.measurements[0].value) for name, frame in sink.frames}
    assert said <= {("a", 100), ("b", 200)}


def test_only_an_answer_that_would_look_right_is_waited_for() -> None:
    owed = OwedAnswers()
    asked = Request(1, 3, 4, 1).frame
    owed.missed(asked, 0.0)
    assert not owed.must_wait(asked, 1.0)
    assert not owed.must_wait(Request(2, 3, 5, 1).frame, 1.0)
    assert owed.must_wait(Request(1, 3, 5, 1).frame, 1.0)
    assert not owed.must_wait(Request(1, 3, 5, 1).frame, 1.0)
    owed.missed(asked, 0.0)
    assert not owed.must_wait(Request(1, 3, 5, 2).frame, 1.0)
    owed.missed(asked, 0.0)
    assert not owed.must_wait(Request(1, 3, 5, 1).frame, OWED_S + 1)


def test_a_device_with_several_blocks_gets_as_many_turns() -> None:
    instrument = Instrument(make_driver("faast_alarms"), (sensor("g", "faast_alarms"),))
    assert turns_of([instrument], speed=1.0)[0].every_s == instrument.interval_s / 2


def test_a_refusing_device_is_asked_rarely_and_told_once(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    module = make_driver("modbus_di_module", {"address": 3})
    devices = slave(line, {3: (module, {})})
    wrong = sensor(
        "door",
        "modbus_di_module",
        address=3,
        interval_s=0.05,
        quantity=Quantity.CONTACT,
        measure="di0",
        options={"register": 60_000},
    )
    worker, sink, counters = worker_on(line, [wrong])
    wait_until(lambda: counters.frames.exceptions >= 1, 20)
    threading.Event().wait(0.6)
    assert counters.frames.exceptions <= 2
    assert not sink.frames
    assert sum("exception 2" in record.message for record in caplog.records) == 1
    worker.stop()
    worker.join(5)
    devices.close()


def test_turns_grow_for_the_silent_and_the_refusing_but_never_beyond_their_caps() -> None:
    instrument = Instrument(make_driver("qdy30a"), (sensor("g", "qdy30a"),))
    turn = Turn(instrument, every_s=1.0)
    gaps = []
    for _ in range(12):
        turn.missed(100.0)
        gaps.append(turn.due_s - 100.0)
    assert gaps[:2] == [1.0, 1.0]
    assert max(gaps) == SILENT_CAP_S
    turn.answered(200.0)
    assert turn.due_s == 200.0
    for _ in range(12):
        turn.refused(300.0, retry=False)
    assert turn.due_s - 300.0 == REFUSED_CAP_S


def test_an_answer_without_a_value_is_followed_by_the_next_question_at_once_but_not_for_ever() -> (
    None
):
    instrument = Instrument(make_driver("sensirion_sps30"), (sensor("dust", "sensirion_sps30"),))
    turn = Turn(instrument, every_s=60.0, due_s=100.0)
    due = []
    for now_s in (100.0, 101.0, 102.0, 163.0):
        turn.answered(now_s, empty=True)
        due.append(turn.due_s)
    assert due[:2] == [100.0, 101.0]
    assert due[2] >= 160.0, "a device that never has a value is not asked without a pause"
    turn.answered(222.0)
    turn.answered(282.0, empty=True)
    assert turn.due_s == 282.0


def test_whoever_waits_longest_is_asked_next() -> None:
    instrument = Instrument(make_driver("qdy30a"), (sensor("g", "qdy30a"),))
    turns = [Turn(instrument, 1.0, due_s=5.0), Turn(instrument, 1.0, due_s=4.0)]
    assert next_turn(turns) is turns[1]
    turns[1].answered(6.0)
    assert next_turn(turns) is turns[0]
