"""The whole station program as a real process: serial bytes in, packs out, over a real broker."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.clock import RunClock
from core.quality import Quality
from core.quantity import Quantity
from core.status import Link
from edge import read_spool
from edge.configuration import PortEntry, load_station
from edge.drivers import make_driver
from edge.ports import BytePort, PortLostError, open_serial
from edge.service_notice import ServiceNotice
from edge.station import Station, readings_at_risk
from tests.edge.lines import Background, Hub, Line, sender, slave
from tests.servers import Mosquitto, wait_until

SENSORS = """
[[port]]
id = "uart-0"
path = "uart-0"

[[port]]
id = "rs485-0"
path = "rs485-0"

[[port]]
id = "usb-0"
path = "usb-0"

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
id = "gauge-2"
station = "s1"
zone = "garage"
driver = "qdy30a"
quantity = "water-level"
hazard = "flood"
zero_offset_m = 0.026
port = "rs485-0"
address = 1

[[sensor]]
id = "panel-1"
station = "s1"
zone = "stairs"
driver = "modbus_di_module"
quantity = "alarm-input"
hazard = "fire"
interval_s = 0.5
port = "rs485-0"
address = 3
measure = "di0"

[[sensor]]
id = "gone-1"
station = "s1"
zone = "stairs"
driver = "sonbest_sm7571b"
quantity = "smoke-index"
hazard = "fire"
port = "rs485-0"
address = 9

[[sensor]]
id = "smoke-2"
station = "s1"
zone = "stairs"
driver = "ndjson_bridge"
quantity = "smoke-obscuration"
hazard = "fire"
port = "usb-0"
measure = "smoke"

[[sensor]]
id = "heat-1"
station = "s1"
zone = "stairs"
driver = "ndjson_bridge"
quantity = "temperature"
hazard = "fire"
port = "usb-0"
measure = "temp"

[[limit]]
zone = "underpass"
quantity = "water-level"
red = 0.27
reason = "test"

[[limit]]
zone = "garage"
quantity = "water-level"
red = 0.35
reason = "test"
"""


class Site:
    """A directory with a station's file, its serial lines and the devices on them."""

    def __init__(self, directory: Path, name: str, port: int, pack_s: float = 0.3) -> None:
        self.file = directory / "station.toml"
        self.spool = directory / "spool.db"
        self.alarm: dict[str, float] = {"di0": 0}
        self._stack = ExitStack()
        self.lines = {name: Line(directory / name) for name in ("uart-0", "rs485-0", "usb-0")}
        self._opened(*self.lines.values())
        self.file.write_text(
            f'[station]\nid = "s1"\nsite = "{name}"\nclock = "trusted"\n'
            f"pack_interval_s = {pack_s}\n"
            f"[broker]\nport = {port}\n{SENSORS}"
        )
        gauge, bridge = make_driver("dfrobot_a02yyuw"), make_driver("ndjson_bridge")
        probe = make_driver("qdy30a", {"address": 1})
        panel = make_driver("modbus_di_module", {"address": 3})
        self._opened(
            sender(self.lines["uart-0"], lambda: gauge.encode({"distance": 3100}), 0.1),
            sender(self.lines["usb-0"], lambda: bridge.encode({"smoke": 0.01, "temp": 21}), 0.5),
            slave(self.lines["rs485-0"], {1: (probe, {"level": 126}), 3: (panel, self.alarm)}),
        )
        self.processes: list[subprocess.Popen[str]] = []

    def _opened(self, *things: Line | Background) -> None:
        for thing in things:
            self._stack.callback(thing.close)

    def run(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", str(self.file), *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=10)
        self._stack.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    node: pytest.Item = request.node
    return f"s{abs(hash(node.nodeid)) % 10**9}"


@pytest.fixture
def site(mosquitto: Mosquitto, tmp_path: Path, name: str) -> Iterator[Site]:
    made = Site(tmp_path, name, mosquitto.port)
    yield made
    made.close()


@pytest.fixture
def hub(mosquitto: Mosquitto, name: str) -> Iterator[Hub]:
    made = Hub(mosquitto.address, name, "s1")
    yield made
    made.close()


def produced_of(hub: Hub) -> int:
    """What an ingest would count: each pack once, and what is declared unknown."""
    packs = {(pack.boot, pack.seq): pack for pack in hub.packs}.values()
    return sum(pack.count for pack in packs) + sum(
        one.readings for pack in packs for one in pack.unknown
    )


def test_bytes_of_five_devices_become_readings_in_named_packs(site: Site, hub: Hub) -> None:
    process = site.run()
    wait_until(lambda: len(hub.packs) >= 8, 30)
    readings = [one for pack in hub.packs for one in pack.readings]
    last = {one.sensor: one for one in readings}
    assert set(last) == {"gauge-1", "gauge-2", "panel-1", "smoke-2", "heat-1"}
    assert last["gauge-1"].value == pytest.approx(0.1)
    assert last["gauge-2"].value == pytest.approx(0.1)
    assert last["heat-1"].value == pytest.approx(21)
    assert {one.quality for one in last.values()} == {Quality.GOOD}
    for message, pack in zip(hub.messages, hub.packs, strict=False):
        assert message.user == {
            "boot": pack.boot, "seq": str(pack.seq), "count": str(pack.count),
        }  # fmt: skip
    assert len({pack.boot for pack in hub.packs}) == 1
    now_ms = RunClock().wall_ms()
    assert all(abs(now_ms - one.at) < 60_000 for one in readings)
    for sensor in last:
        times = [one.at for one in readings if one.sensor == sensor]
        assert times == sorted(set(times))
    process.terminate()
    assert process.wait(20) == 0
    wait_until(lambda: hub.last_status is not None and hub.last_status.link is Link.STOPPED)
    totals = read_spool(site.spool)
    assert totals.waiting_packs == 0
    assert produced_of(hub) == totals.produced
    assert hub.last_status is not None
    assert hub.last_status.health["timeouts"] > 0
    assert hub.last_status.health["ports_open"] == 0


def test_a_fire_panels_bit_is_sent_at_once_whatever_the_pack_interval(
    mosquitto: Mosquitto, tmp_path: Path, name: str, hub: Hub
) -> None:
    site = Site(tmp_path, name, mosquitto.port, pack_s=30.0)
    site.run()
    wait_until(lambda: hub.last_status and hub.last_status.link is Link.ONLINE, 30)
    threading.Event().wait(1.0)
    before = len(hub.packs)
    site.alarm["di0"] = 1
    wait_until(
        lambda: any(
            one.value == 1.0
            for pack in hub.packs
            for one in pack.readings
            if one.quantity is Quantity.ALARM_INPUT
        ),
        5,
    )
    assert len(hub.packs) <= before + 2
    site.close()


def test_sigkill_loses_nothing_that_is_not_declared(site: Site, hub: Hub) -> None:
    hub.receipts = False
    first = site.run()
    wait_until(lambda: len(hub.packs) >= 4, 30)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    held = read_spool(site.spool)
    assert held.waiting_packs >= 4
    seen = {(one.boot, one.seq) for one in hub.packs}
    assert len(seen) <= held.waiting_packs
    hub.messages.clear()
    hub.receipts = True
    second = site.run()
    wait_until(lambda: len({boot for boot, _ in hub.names}) == 2, 30)
    wait_until(lambda: seen <= hub.names, 30)
    second.terminate()
    assert second.wait(20) == 0
    totals = read_spool(site.spool)
    assert totals.waiting_packs == 0
    assert totals.unknown == readings_at_risk(load_station(site.file), 1.0) + 6
    assert totals.boots == 2
    assert produced_of(hub) == totals.produced


def killed_again_and_again(site: Site, hub: Hub, times: int) -> None:
    chance = random.Random(times)
    pause = threading.Event()
    for _ in range(times):
        heard = len(hub.messages)
        process = site.run()
        wait_until(lambda heard=heard: len(hub.messages) > heard, 30)  # type: ignore[misc]  # bound default
        pause.wait(chance.random())
        process.kill()
        process.wait(10)
    begun = len(hub.statuses)
    last = site.run()
    wait_until(lambda: any(status.closed is not None for status in hub.statuses[begun:]), 30)
    last.terminate()
    assert last.wait(20) == 0
    totals = read_spool(site.spool)
    assert (totals.waiting_packs, totals.lost, totals.boots) == (0, 0, times + 1)
    assert produced_of(hub) == totals.produced
    closed = [status.closed for status in hub.statuses if status.closed is not None][-1]
    made = {pack.boot: pack.made for pack in hub.packs if pack.boot in closed}
    assert made == closed, "the hub has every pack that a killed boot had committed"


def test_a_station_that_is_killed_again_and_again_loses_nothing_unsaid(
    site: Site, hub: Hub
) -> None:
    killed_again_and_again(site, hub, 3)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_station_that_is_killed_twenty_times_loses_nothing_unsaid(site: Site, hub: Hub) -> None:
    killed_again_and_again(site, hub, 20)


def test_a_fast_clock_stamps_in_run_time(site: Site, hub: Hub) -> None:
    epoch = RunClock().wall_ms()
    site.run("--clock", f"{epoch}:60")
    wait_until(lambda: len(hub.packs) >= 6, 30)
    times = [one.at for pack in hub.packs for one in pack.readings if one.sensor == "gauge-1"]
    passed_ms = RunClock().wall_ms() - epoch
    assert times[-1] - times[0] > 20_000
    assert epoch < times[-1] <= epoch + 60 * passed_ms


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.toml",), "nowhere.toml: can't be read"),
        (("{file}", "--clock", "soon"), "expected EPOCH_MS:SPEED"),
        (("{bad}",), "port 'none' is not a [[port]]"),
    ],
)
def test_a_wrong_call_is_one_clear_line_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    file, bad = tmp_path / "station.toml", tmp_path / "bad.toml"
    file.write_text('[station]\nid = "a"\nsite = "b"\n')
    bad.write_text(
        '[station]\nid = "a"\nsite = "b"\n[[sensor]]\nid = "x"\nstation = "a"\nzone = "z"\n'
        'driver = "qdy30a"\nquantity = "water-level"\nhazard = "flood"\nport = "none"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "edge", *(one.format(file=file, bad=bad) for one in arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_second_station_on_the_same_spool_is_refused(site: Site, hub: Hub) -> None:
    site.run()
    wait_until(lambda: hub.packs, 30)
    second = site.run()
    _, errors = second.communicate(timeout=30)
    assert second.returncode == 1
    assert "another station process holds this spool" in errors
    assert "Traceback" not in errors


def test_systemd_hears_ready_alive_and_stopping(site: Site, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = str(tmp_path / "n.sock")
        manager.bind(address)
        manager.settimeout(20)
        process = site.run(NOTIFY_SOCKET=address, WATCHDOG_USEC="2000000")
        heard = [manager.recv(100) for _ in range(3)]
        process.terminate()
        while heard[-1] != b"STOPPING=1":
            heard.append(manager.recv(100))
    assert heard[0] == b"READY=1"
    assert heard[1:-1] == [b"WATCHDOG=1"] * (len(heard) - 2)


def test_a_port_thread_that_dies_is_replaced_and_counted(site: Site, hub: Hub) -> None:
    died = threading.Event()

    def open_once_badly(entry: PortEntry, baud: int) -> BytePort:
        if entry.id == "uart-0" and not died.is_set():
            died.set()
            raise RuntimeError("a fault of ours")
        return open_serial(entry, baud)

    station = Station(
        load_station(site.file), RunClock(), notice=ServiceNotice({}), open_port=open_once_badly
    )
    stop, hurry = threading.Event(), threading.Event()
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(station.run(stop, hurry)))
    thread.start()
    wait_until(
        lambda: any(one.sensor == "gauge-1" for pack in hub.packs for one in pack.readings), 30
    )
    assert died.is_set()
    stop.set()
    thread.join(20)
    assert ended == [True]
    wait_until(lambda: hub.last_status is not None and hub.last_status.link is Link.STOPPED)
    assert hub.last_status is not None
    assert hub.last_status.health["worker_restarts"] == 1


class HungPort:
    """A port whose driver hangs in the kernel for as long as the test wants."""

    def __init__(self, released: threading.Event, hung: list[str]) -> None:
        self._released = released
        self._hung = hung

    def read(self, timeout_s: float) -> bytes:
        self._hung.append(threading.current_thread().name)
        self._released.wait(60)
        self._released.wait(timeout_s)
        return b""

    def discard_input(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        del data

    def close(self) -> None:
        pass


class HeardNotice(ServiceNotice):
    """Keeps what systemd would hear."""

    def __init__(self) -> None:
        super().__init__({"WATCHDOG_USEC": "1000"})
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class HurriedClock:
    """Monotonic time that can be put forward, so that half a minute of hanging takes none."""

    speed = 1.0

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now_ms(self) -> int:
        return RunClock().now_ms()

    def wall_ms(self) -> int:
        return self.now_ms()

    def monotonic_s(self) -> float:
        return RunClock().monotonic_s() + self.ahead_s


def test_a_port_that_hangs_gets_new_threads_but_not_without_end_and_the_watchdog_is_fed(
    site: Site, hub: Hub
) -> None:
    released = threading.Event()
    hung: list[str] = []

    def open_or_hang(entry: PortEntry, baud: int) -> BytePort:
        return HungPort(released, hung) if entry.id == "uart-0" else open_serial(entry, baud)

    clock = HurriedClock()
    notice = HeardNotice()
    said = notice.said
    station = Station(load_station(site.file), clock, notice=notice, open_port=open_or_hang)
    stop = threading.Event()
    thread = threading.Thread(target=station.run, args=(stop,))
    thread.start()
    try:
        post = station._posts["uart-0"]
        for restarts in (1, 2, 3):
            wait_until(lambda restarts=restarts: len(hung) == restarts)  # type: ignore[misc]  # bound default
            clock.ahead_s += 31
            wait_until(lambda restarts=restarts: post.counters.restarts == restarts)  # type: ignore[misc]  # bound default
        wait_until(lambda: len(hung) == 4)
        clock.ahead_s += 31
        said.clear()
        wait_until(lambda: len(said) >= 3)
        assert post.counters.restarts == 3, "three threads hang: a fourth would hang, too"
        assert set(said) == {"WATCHDOG=1"}
        assert any(one.sensor == "gauge-2" for pack in hub.packs for one in pack.readings)
        # The port comes back: its present thread serves it, the others end.
        released.set()
        wait_until(lambda: not post.stuck)
        assert post.worker.is_alive()
        assert post.counters.restarts == 3
    finally:
        released.set()
        stop.set()
        thread.join(20)
    assert said[-1] == "STOPPING=1"


def test_a_publisher_that_does_not_move_starves_the_watchdog(site: Site) -> None:
    clock = HurriedClock()
    notice = HeardNotice()
    said = notice.said
    station = Station(load_station(site.file), clock, notice=notice)
    station._watch()
    assert said == ["WATCHDOG=1"]
    clock.ahead_s += 31
    station._watch()
    assert said == ["WATCHDOG=1"]
    station._stop_ports()
    station._spool.close()


def test_a_port_that_can_not_be_opened_does_not_disturb_the_others(site: Site, hub: Hub) -> None:
    site.lines["usb-0"].path.unlink()
    site.run()
    wait_until(lambda: len(hub.packs) >= 4, 30)
    sensors = {one.sensor for pack in hub.packs for one in pack.readings}
    assert "gauge-1" in sensors
    assert "gauge-2" in sensors
    assert "heat-1" not in sensors
    with pytest.raises(PortLostError):
        open_serial(PortEntry("x", str(site.file.parent / "usb-0")), 9600)


class SteppedClock:
    """The clock of the run, set wrong by hand."""

    speed = 1.0

    def __init__(self, wrong_by_ms: int) -> None:
        self.wrong_by_ms = wrong_by_ms

    def now_ms(self) -> int:
        return RunClock().now_ms() + self.wrong_by_ms

    def wall_ms(self) -> int:
        return self.now_ms()

    def monotonic_s(self) -> float:
        return RunClock().monotonic_s()


def test_a_station_whose_clock_was_set_back_by_an_hour_begins_anew_with_nothing_lost(
    site: Site, hub: Hub
) -> None:
    clock = SteppedClock(3_600_000)
    station = Station(load_station(site.file), clock, notice=ServiceNotice({}))
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(station.run(threading.Event())))
    thread.start()
    wait_until(lambda: any(pack.readings for pack in hub.packs), 30)
    clock.wrong_by_ms = 0
    thread.join(30)
    assert ended == [False]
    site.run()
    now_ms = RunClock().now_ms()
    wait_until(
        lambda: any(abs(one.at - now_ms) < 120_000 for pack in hub.packs for one in pack.readings),
        30,
    )
    totals = read_spool(load_station(site.file).spool_path)
    assert (totals.boots, totals.unknown, totals.lost) == (2, 0, 0)
