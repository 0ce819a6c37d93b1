"""Virtual sensors: the device's own bytes over a real pseudo-terminal, read by the real driver."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
import serial

from core.clock import Clock, RunClock
from core.community import Community
from core.community_file import load_community, parse_community
from core.configuration import parse_toml
from core.quantity import Quantity
from edge.drivers import make_driver
from edge.drivers.base import Driver, Frame
from edge.simulator import Program, Scenario, derive_community, load_scenario, ports_of
from edge.simulator.faults import Faults
from edge.simulator.line import Line
from edge.simulator.scenario import Fault, FaultKind
from edge.simulator.stage import Stage

SAMPLE = Path(__file__).parents[2] / "safety_eye" / "sample" / "community.toml"
DEADLINE_S = 10.0
TIOCGEXCL = 0x80045440  # linux/asm-generic/ioctls.h; not in Python's termios


@dataclass
class Running:
    """A stage that plays in a thread."""

    stage: Stage
    folder: Path
    clock: Clock
    events: list[dict[str, object]] = field(default_factory=list)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        pause = threading.Event()
        for _ in range(int(DEADLINE_S / 0.02)):
            if condition():
                return
            pause.wait(0.02)
        pytest.fail(f"never happened: {what}")


@contextlib.contextmanager
def playing(
    scenario: Scenario, community: Community, folder: Path, speed: float
) -> Iterator[Running]:
    clock = RunClock(RunClock().wall_ms(), speed)
    events: list[dict[str, object]] = []
    stage = Stage(scenario, community, folder, clock, start_ms=clock.epoch_ms, emit=events.append)
    stop = threading.Event()
    thread = threading.Thread(target=stage.run, args=(stop,))
    thread.start()
    running = Running(stage, folder, clock, events)
    try:
        running.wait_for(lambda: bool(events), "ready")
        yield running
    finally:
        stop.set()
        thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert list(folder.iterdir()) == [], "no symlink is left behind"


@contextlib.contextmanager
def opened(path: Path, baud: int = 9600) -> Iterator[serial.Serial]:
    port = serial.Serial(str(path), baud, timeout=0.05, exclusive=True)
    try:
        yield port
    finally:
        port.close()


def heard(port: serial.Serial, driver: Driver, count: int) -> list[Frame]:
    """Read until *count* frames have come."""
    frames: list[Frame] = []
    for _ in range(int(DEADLINE_S / 0.05)):
        frames += driver.feed(port.read(256))
        if len(frames) >= count:
            return frames
    pytest.fail(f"only {len(frames)} of {count} frames came")


def read_for_long(port: serial.Serial) -> None:
    for _ in range(int(DEADLINE_S / 0.05)):
        port.read(16)


def asked(port: serial.Serial, driver: Driver) -> list[Frame]:
    """Ask once and wait for the answer."""
    port.write(driver.request())
    for _ in range(10):
        frames = driver.feed(port.read(64))
        if frames:
            return frames
    return []


def scene(**changes: object) -> Scenario:
    text = 'name = { en = "x" }\ntext = { en = "x" }\nduration_s = 3600\n'
    return msgspec.structs.replace(parse_toml(text, Scenario), **changes)


@pytest.fixture
def community() -> Community:
    return load_community(SAMPLE)


def only(community: Community, *sensors: str, interval_s: float = 1.0) -> Community:
    scenario = scene(sensors=sensors, interval_s={"default": interval_s}, speed=0.01)
    return derive_community(scenario, community)


def line_of(community: Community, *faults: Fault) -> Line:
    (plan,) = ports_of(community)
    scenario = scene(fault=faults)
    return Line(plan, Program(scenario, community), Faults(faults, 1))


def fault(kind: FaultKind, sensor: str, **changes: float) -> Fault:
    return msgspec.structs.replace(
        Fault(kind=kind, sensor=sensor, from_s=10.0, to_s=20.0), **changes
    )


STREAMING = {
    "gauge-1": ("dfrobot_a02yyuw", "distance"),
    "co-1": ("winsen_ze07_co", "co"),
    "air-1": ("plantower_pmsx003", "pm25"),
}


@pytest.mark.parametrize("sensor", sorted(STREAMING))
def test_a_streaming_sensor_speaks_through_pyserial_what_the_world_says(
    sensor: str, community: Community, tmp_path: Path
) -> None:
    alone = only(community, sensor, interval_s=5.0)
    entry = alone.sensor[0]
    device, name = STREAMING[sensor]
    with playing(scene(), alone, tmp_path / "p", speed=50.0) as running:
        (plan,) = running.stage.plans
        with opened(running.folder / plan.link, plan.baud) as port:
            frames = heard(port, make_driver(device), 3)
    values = [m.value for frame in frames for m in frame.measurements if m.name == name]
    program = Program(scene(), alone)
    true = [program.sample(entry, entry.quantity, number * 5.0).value for number in range(400)]
    factor, tolerance = {"distance": (1000.0, 5), "co": (1.0, 0.7), "pm25": (1.0, 5)}[name]
    centre = [(3.2 - level) if name == "distance" else level for level in true]
    for value in values:
        assert isinstance(value, int | float)
        assert any(abs(value - factor * one) <= tolerance for one in centre)


def test_the_frames_of_a_line_are_the_same_in_every_run(community: Community) -> None:
    alone = only(community, "gauge-1")
    first, again = line_of(alone), line_of(alone)
    assert [first.spoken(t / 2) for t in range(60)] == [again.spoken(t / 2) for t in range(60)]


def test_a_device_that_was_not_served_in_time_does_not_catch_up(community: Community) -> None:
    line = line_of(only(community, "gauge-1"))
    assert len(line.spoken(0.0)) == 1
    assert len(line.spoken(30.0)) == 1
    assert line.spoken(30.2) == []
    assert line.next_s() == 31.0


def test_several_slaves_answer_on_one_bus_each_for_itself(
    community: Community, tmp_path: Path
) -> None:
    bus = only(community, "smoke-1", "panel-1")
    with (
        playing(scene(), bus, tmp_path / "p", speed=1.0) as running,
        opened(running.folder / "tower-3.rs485-0") as port,
    ):
        smoke = asked(port, make_driver("sonbest_sm7571b", {"address": 1}))
        panel = asked(port, make_driver("modbus_di_module", {"address": 3}))
        nobody = asked(port, make_driver("sonbest_sm7571b", {"address": 9}))
    assert smoke[0].measurements[0].name == "smoke"
    assert panel[0].measurements[0].value is False
    assert nobody == []


def test_two_counters_of_one_module_are_told_apart_by_their_register(
    community: Community,
) -> None:
    gates = only(community, "gate-in", "gate-out", interval_s=60.0)
    evening = scene(begins="tue 17:40")
    (plan,) = ports_of(gates)
    program = Program(evening, gates)
    line = Line(plan, program, Faults((), 1))
    counts = []
    for entry in gates.sensor:
        driver = make_driver(entry.driver, {"address": entry.address, **entry.options})
        (frame,) = driver.feed(line.answered(driver.request(), 3000.0))
        counts.append(frame.measurements[0].value)
        assert counts[-1] == program.sample(entry, entry.quantity, 3000.0).value
    assert counts[0] != counts[1]


def test_inputs_of_one_module_answer_together(community: Community) -> None:
    panel = next(sensor for sensor in community.sensor if sensor.id == "panel-1")
    door = msgspec.structs.replace(
        panel, id="shaft-door", measure="di4", quantity=Quantity.CONTACT, invert=True
    )
    both = msgspec.structs.replace(only(community, "panel-1"), sensor=(panel, door))
    driver = make_driver("modbus_di_module", {"address": 3})
    (frame,) = driver.feed(line_of(both).answered(driver.request(), 5.0))
    bits = {m.name: m.value for m in frame.measurements}
    assert bits["di0"] is False
    assert bits["di4"] is True, "a normally-closed loop at rest"


def test_a_request_is_understood_in_pieces_and_behind_noise(community: Community) -> None:
    line = line_of(only(community, "smoke-1"))
    driver = make_driver("sonbest_sm7571b", {"address": 1})
    request = driver.request()
    assert line.answered(b"\x55\x00" + request[:3], 1.0) == b""
    assert driver.feed(line.answered(request[3:], 1.0))
    assert line.answered(request[:4], 2.0) == b""
    line.hush()
    assert line.answered(request[4:], 2.0) == b""


def test_values_behind_one_bridge_come_in_one_line(community: Community) -> None:
    line = line_of(only(community, "smoke-2", "heat-1"))
    (frame,) = line.spoken(3.0)
    assert frame.count(b"\n") == 1
    (decoded,) = make_driver("ndjson_bridge").feed(frame)
    assert {m.name for m in decoded.measurements} == {"smoke", "temp"}


def test_the_terminal_survives_that_the_station_goes_and_comes_back(
    community: Community, tmp_path: Path
) -> None:
    alone = only(community, "gauge-1")
    with playing(scene(), alone, tmp_path / "p", speed=20.0) as running:
        link = running.folder / "north-1.uart-0"
        for _ in range(3):
            with opened(link) as port:
                fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
                assert heard(port, make_driver("dfrobot_a02yyuw"), 2)
            running.wait_for(lambda: not is_exclusive(link), "a terminal that anybody may open")


def is_exclusive(path: Path) -> bool:
    """Tell whether the exclusive mark of an earlier reader is left on the terminal."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return True  # it is being replaced at this very moment
    try:
        mark = bytearray(4)
        fcntl.ioctl(fd, TIOCGEXCL, mark)
        return any(mark)
    finally:
        os.close(fd)


def test_nothing_waits_in_the_terminal_while_nobody_reads(
    community: Community, tmp_path: Path
) -> None:
    alone = only(community, "gauge-1")
    with playing(scene(), alone, tmp_path / "p", speed=20.0) as running:
        running.wait_for(lambda: running.stage.now_s() > 10, "ten frames into the void")
        fd = os.open(running.folder / "north-1.uart-0", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            assert select.select([fd], [], [], 0.0)[0] == []
        finally:
            os.close(fd)


def test_a_pulled_cable_is_an_error_for_the_reader_and_comes_back(
    community: Community, tmp_path: Path
) -> None:
    alone = only(community, "gauge-1")
    pulled = Fault(kind=FaultKind.CABLE_PULLED, sensor="gauge-1", from_s=20.0, to_s=40.0)
    with playing(scene(fault=(pulled,)), alone, tmp_path / "p", speed=20.0) as running:
        link = running.folder / "north-1.uart-0"
        with opened(link) as port:
            heard(port, make_driver("dfrobot_a02yyuw"), 1)
            with pytest.raises((serial.SerialException, OSError)):
                read_for_long(port)
        assert not link.is_symlink()
        running.wait_for(link.is_symlink, "the cable is back")
        with opened(link) as port:
            assert heard(port, make_driver("dfrobot_a02yyuw"), 2)
        kinds = [(e["event"], e.get("state")) for e in running.events]
    assert kinds == [("ready", None), ("fault", "begins"), ("fault", "ends")]


def test_a_silent_sensor_says_nothing_and_its_neighbours_go_on(community: Community) -> None:
    line = line_of(only(community, "smoke-2", "heat-1"), fault(FaultKind.SILENCE, "heat-1"))
    names = []
    for t_s in (9.0, 12.0, 21.0):
        (frame,) = line.spoken(t_s)
        (decoded,) = make_driver("ndjson_bridge").feed(frame)
        names.append(sorted(m.name for m in decoded.measurements))
    assert names == [["smoke", "temp"], ["smoke"], ["smoke", "temp"]]
    polled = line_of(only(community, "smoke-1"), fault(FaultKind.SILENCE, "smoke-1"))
    request = make_driver("sonbest_sm7571b").request()
    assert [bool(polled.answered(request, t)) for t in (9.0, 12.0, 21.0)] == [True, False, True]


def test_a_stuck_sensor_repeats_one_frame(community: Community) -> None:
    line = line_of(only(community, "gauge-1"), fault(FaultKind.STUCK, "gauge-1"))
    frames = [line.spoken(float(t))[0] for t in range(40)]
    assert len(set(frames[10:20])) == 1
    assert len(set(frames[:10])) > 1


def test_flipped_bits_never_become_a_reading(community: Community) -> None:
    line = line_of(
        only(community, "air-1", interval_s=1.0),
        fault(FaultKind.BIT_FLIPS, "air-1", from_s=0.0, to_s=200.0),
    )
    driver = make_driver("plantower_pmsx003")
    frames = [
        frame for t in range(200) for raw in line.spoken(float(t)) for frame in driver.feed(raw)
    ]
    assert frames == []
    assert driver.counters.checksum_errors + driver.counters.framing_errors > 100


def test_frames_are_found_behind_garbage(community: Community) -> None:
    line = line_of(
        only(community, "gauge-1"), fault(FaultKind.GARBAGE, "gauge-1", from_s=0.0, to_s=100.0)
    )
    driver = make_driver("dfrobot_a02yyuw")
    frames = [
        frame for t in range(100) for raw in line.spoken(float(t)) for frame in driver.feed(raw)
    ]
    assert len(frames) >= 85
    assert driver.counters.discarded_bytes > 100


def test_partial_frames_are_shorter_than_whole_ones(community: Community) -> None:
    hit = fault(FaultKind.PARTIAL, "gauge-1")
    line = line_of(only(community, "gauge-1"), hit)
    sizes = [sum(map(len, line.spoken(float(t)))) for t in range(30)]
    assert sizes[:10] == [4] * 10
    assert max(sizes[10:20]) < 4
    assert sizes[20:] == [4] * 10


def test_a_duplicate_comes_twice(community: Community) -> None:
    line = line_of(only(community, "gauge-1"), fault(FaultKind.DUPLICATE, "gauge-1"))
    (frame,) = [line.spoken(float(t))[0] for t in range(16)][15:]
    assert len(frame) == 8
    assert frame[:4] == frame[4:]


def test_a_share_hits_about_that_many_frames(community: Community) -> None:
    line = line_of(
        only(community, "gauge-1"),
        fault(FaultKind.DUPLICATE, "gauge-1", from_s=0.0, to_s=500.0, share=0.3),
    )
    hits = sum(len(line.spoken(float(t))[0]) == 8 for t in range(500))
    assert 110 <= hits <= 190


def test_the_clock_of_a_bridge_jumps_and_its_lines_stay_whole(community: Community) -> None:
    line = line_of(only(community, "rain-1"), fault(FaultKind.CLOCK_JUMP, "rain-1", jump_s=7200.0))
    driver = make_driver("ndjson_bridge")
    stamps = []
    for t in range(22):
        (raw,) = line.spoken(float(t))
        assert driver.feed(raw), "the CRC is right"
        stamps.append(int(raw.partition(b'"ms":')[2].partition(b",")[0]))
    assert stamps[10] - stamps[9] > 7_000_000
    assert stamps[20] - stamps[19] < -7_000_000


def test_truth_and_end_are_told_in_order(community: Community, tmp_path: Path) -> None:
    scenario = load_scenario("cloudburst")
    derived = derive_community(scenario, community, speed=6000.0)
    with playing(scenario, derived, tmp_path / "p", speed=6000.0) as running:
        running.wait_for(
            lambda: any(e["event"] == "ended" for e in running.events), "the planned end"
        )
        told = [(e["event"], e.get("zone"), e.get("state")) for e in running.events]
        start = running.events[0]["start"]
    assert told[0][0] == "ready"
    assert told[1:] == [
        ("truth", "underpass", "begins"),
        ("truth", "garage-b1", "begins"),
        ("truth", "underpass", "ends"),
        ("truth", "garage-b1", "ends"),
        ("ended", None, None),
    ]
    assert isinstance(start, int)
    assert running.events[-1]["at"] == start + round(scenario.duration_s * 1000)


def test_a_level_beyond_the_blind_zone_is_said_in_the_devices_own_way() -> None:
    text = """
[site]
id = "s"
name = { en = "s" }
[[zone]]
id = "pit"
name = { en = "pit" }
[[sensor]]
id = "low"
station = "one"
zone = "pit"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
mount_height_m = 0.02
"""
    pit = parse_community(text)
    derived = derive_community(scene(), pit)
    (raw,) = line_of(derived).spoken(0.0)
    (frame,) = make_driver("dfrobot_a02yyuw").feed(raw)
    assert frame.measurements[0].reasons
