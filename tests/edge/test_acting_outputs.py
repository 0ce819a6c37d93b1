"""Outputs against real things: a relay module on a serial line, a program, a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from gpiozero import Device as Device_
from gpiozero.pins.mock import MockFactory

from core.act import ActEvent, Why
from core.clock import ManualClock, RunClock
from core.grade import Grade
from edge.acting.coil import CoilOutput
from edge.acting.line_jobs import LineJobs
from edge.acting.machine import Demand
from edge.acting.muster import jobs_of
from edge.acting.output import Output, OutputError
from edge.acting.outputs import open_output
from edge.acting.post import OutputPost
from edge.acting.settings import DeadMan, OutputEntry
from edge.configuration import PortEntry, StationConfig, StationEntry
from edge.drivers.base import Frame
from edge.instruments import Instrument
from edge.port_worker import PortCounters, PortPlan, PortWorker
from tests.edge.lines import Line
from tests.edge.relays import PULSE_COIL, RelayModule
from tests.servers import wait_until

COIL = OutputEntry("siren", "modbus-coil", port="rs485", coil=3)
TIMED = DeadMan("timed-relay", 5.0, "K1 on terminal 7")
FLOOD = Demand(Why.LIMIT, Grade.RED)


class Nobody:
    """Takes frames that never come."""

    def powered(self, instrument: Instrument) -> None:
        raise AssertionError(instrument)

    def frame(self, instrument: Instrument, frame: Frame) -> None:
        raise AssertionError(instrument, frame)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "rs485")
    yield made
    made.close()


@pytest.fixture
def module(line: Line) -> Iterator[RelayModule]:
    made = RelayModule(line)
    yield made
    made.close()


@pytest.fixture
def jobs(line: Line) -> Iterator[LineJobs]:
    """A line with nothing but a relay module, served by the station's own worker."""
    made = LineJobs()
    plan = PortPlan(PortEntry("rs485", str(line.path)), 9600, list, made)
    worker = PortWorker(plan, Nobody(), RunClock(), PortCounters())
    worker.start()
    yield made
    worker.stop()
    worker.join(5)
    assert not worker.is_alive()


@pytest.mark.parametrize("echo", [False, True])
def test_a_coil_is_switched_and_read_back(module: RelayModule, jobs: LineJobs, echo: bool) -> None:
    module.echo = echo
    coil = CoilOutput(COIL, jobs)
    coil.switch(on=True)
    assert module.is_on(3)
    coil.switch(on=False)
    assert not module.is_on(3)


def test_a_relay_that_does_not_move_is_found_out(module: RelayModule, jobs: LineJobs) -> None:
    module.stuck = True
    with pytest.raises(OutputError, match="coil 3 reads back off"):
        CoilOutput(COIL, jobs).switch(on=True)


def test_a_relay_module_that_refuses_or_is_silent_says_so(
    module: RelayModule, jobs: LineJobs
) -> None:
    module.refuses = 2
    with pytest.raises(OutputError, match="illegal address"):
        CoilOutput(COIL, jobs).switch(on=True)
    module.deaf = True
    with pytest.raises(OutputError, match=r"does not answer|does not get on"):
        CoilOutput(COIL, jobs).switch(on=True)


def test_a_line_that_is_not_served_is_an_error_and_not_a_wait_for_ever() -> None:
    with pytest.raises(OutputError, match="not open"):
        CoilOutput(COIL, LineJobs()).switch(on=True)


def test_a_timed_relay_drops_out_by_itself(module: RelayModule, jobs: LineJobs) -> None:
    dead_man = DeadMan("timed-relay", 1.0, "K1")
    entry = OutputEntry(
        "pump", "modbus-coil", port="rs485", coil=3, pulse_coil=PULSE_COIL, dead_man=dead_man
    )
    CoilOutput(entry, jobs).switch(on=True)
    assert module.writes == [(PULSE_COIL + 3, 10)]
    assert module.is_on(3)
    wait_until(lambda: not module.is_on(3), 5)


def test_a_program_is_run_without_a_shell_and_its_failure_is_told(tmp_path: Path) -> None:
    mark = tmp_path / "a b;c"
    touch = (sys.executable, "-c", "import sys, pathlib; pathlib.Path(sys.argv[1]).touch()")
    fails = (sys.executable, "-c", "import sys; sys.exit('no siren here')")
    entry = OutputEntry("siren", "command", on=(*touch, str(mark)), off=fails)
    device = open_output(entry, RunClock(), lambda _port: None)
    device.switch(on=True)
    assert mark.exists()
    with pytest.raises(OutputError, match="exit code 1 no siren here"):
        device.switch(on=False)


@pytest.mark.parametrize(
    ("program", "word"),
    [
        (("/does/not/exist",), "No such file"),
        ((sys.executable, "-c", "import threading; threading.Event().wait(60)"), "longer than"),
    ],
)
def test_a_program_that_is_missing_or_hangs_is_an_error(
    program: tuple[str, ...], word: str
) -> None:
    entry = OutputEntry("siren", "command", on=program, off=program, timeout_s=0.3)
    with pytest.raises(OutputError, match=word):
        open_output(entry, RunClock(), lambda _port: None).switch(on=True)


class Device:
    """An output that fails as long as it is told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken = False

    def switch(self, *, on: bool) -> None:
        self.calls.append("on" if on else "off")
        if self.broken:
            raise OutputError("cable cut")

    def renew(self) -> None:
        self.calls.append("renew")
        if self.broken:
            raise OutputError("cable cut")

    def close(self) -> None:
        self.calls.append("close")


def post_of(device: Output, clock: ManualClock, **entry: object) -> OutputPost:
    made = OutputEntry("siren", "simulated", file="x", **entry)  # type: ignore[arg-type]
    opener: Callable[[OutputEntry], Output] = lambda _entry: device  # noqa: E731  # one line
    return OutputPost(made, opener, clock)


def test_the_safe_state_is_written_before_anything_else() -> None:
    device = Device()
    post_of(device, ManualClock()).step(0, [FLOOD], Why.MANDATE_EXPIRED)
    assert device.calls == ["off"]


def test_a_device_that_fails_is_told_once_and_tried_again_until_it_works() -> None:
    device, clock = Device(), ManualClock()
    post = post_of(device, clock)
    post.step(0, [], None)
    device.broken = True
    assert [one.event for one in post.step(0, [FLOOD], None)] == [ActEvent.ON, ActEvent.FAILED]
    assert post.fault == "cable cut"
    for second in range(1, 10):
        clock.advance(1)
        assert post.step(second * 1000, [FLOOD], None) == []
    assert 4 <= device.calls.count("on") <= 6
    device.broken = False
    clock.advance(10)
    assert [one.event for one in post.step(20_000, [FLOOD], None)] == [ActEvent.WORKS]


def test_what_never_obeyed_did_not_sound() -> None:
    device = Device()
    post = post_of(device, ManualClock())
    device.broken = True
    post.step(0, [FLOOD], None)
    off = [one for one in post.step(10_000, [], None) if one.event is ActEvent.OFF]
    assert [one.sounded for one in off] == [False]


def test_a_dead_man_relay_is_renewed_three_times_within_its_time() -> None:
    device, clock = Device(), ManualClock()
    post = post_of(device, clock, dead_man=TIMED)
    for second in range(11):
        post.step(second * 1000, [FLOOD], None)
        clock.advance(1)
    assert device.calls.count("renew") == 5
    post.step(11_000, [], None)
    clock.advance(10)
    post.step(21_000, [], None)
    assert device.calls[-1] == "off"


def test_an_expired_mandate_is_said_once_and_nothing_is_switched() -> None:
    device = Device()
    post = post_of(device, ManualClock())
    told = post.step(0, [FLOOD], Why.MANDATE_EXPIRED)
    assert [(one.event, one.why) for one in told] == [(ActEvent.WITHHELD, Why.MANDATE_EXPIRED)]
    assert post.step(1_000, [FLOOD], Why.MANDATE_EXPIRED) == []
    assert "on" not in device.calls
    post.machine.order(Demand(Why.TEST), 5, 2_000)
    assert [one.event for one in post.step(2_000, [FLOOD], Why.MANDATE_EXPIRED)] == [ActEvent.ON]


def test_a_simulated_output_writes_what_it_would_do(tmp_path: Path) -> None:
    entry = OutputEntry("siren", "simulated", file=str(tmp_path / "siren.jsonl"))
    device = open_output(entry, ManualClock(5), partial(dict[str, LineJobs]().get))
    device.switch(on=True)
    device.renew()
    device.switch(on=False)
    lines = [json.loads(text) for text in (tmp_path / "siren.jsonl").read_text().splitlines()]
    assert [one["state"] for one in lines] == ["on", "renew", "off"]
    assert lines[0] == {"at": 5, "output": "siren", "state": "on"}


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    """The pins of gpiozero's own pretended Pi."""
    factory = MockFactory()
    monkeypatch.setattr(Device_, "pin_factory", factory)
    yield factory
    factory.reset()


@pytest.mark.parametrize("active_low", [False, True])
def test_a_pin_is_off_as_soon_as_it_is_ours_and_follows(
    pins: MockFactory, active_low: bool
) -> None:
    entry = OutputEntry("siren", "gpio", pin=17, active_low=active_low)
    device = open_output(entry, RunClock(), lambda _port: None)
    pin = pins.pin(17)
    assert bool(pin.state) is active_low
    device.switch(on=True)
    assert bool(pin.state) is not active_low
    before = len(pin.states)
    device.renew()
    # A watchdog relay wants an edge: off and on again.
    assert [bool(one.state) is not active_low for one in pin.states[before:]] == [False, True]
    device.switch(on=False)
    assert bool(pin.state) is active_low
    device.close()


@pytest.mark.usefixtures("pins")
def test_a_pin_that_somebody_else_has_is_an_error_and_not_the_end() -> None:
    entry = OutputEntry("siren", "gpio", pin=17)
    first = open_output(entry, RunClock(), lambda _port: None)
    with pytest.raises(OutputError, match="pin 17"):
        open_output(entry, RunClock(), lambda _port: None)
    first.close()
    open_output(entry, RunClock(), lambda _port: None).close()


@pytest.mark.parametrize(("asked", "baud"), [(None, 9600), (1200, 1200), (38400, 38400)])
def test_a_relay_module_is_spoken_to_at_the_speed_of_its_line(asked: int | None, baud: int) -> None:
    entry = OutputEntry("pump", "modbus-coil", port="rs485")
    config = StationConfig(
        StationEntry("s1", "a"), port=(PortEntry("rs485", "p", baud=asked),), output=(entry,)
    )
    assert jobs_of(config)["rs485"].baud == baud
