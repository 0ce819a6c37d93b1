"""`safety-eye probe` over pseudo-terminals with virtual sensors, and its judgement alone."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from core.clock import RunClock
from edge.configuration import PortEntry
from edge.drivers import DRIVERS, make_driver
from edge.drivers.base import Check, Driver, Mode, Value
from edge.installer import main
from edge.modbus import READS, parse_request
from edge.probe import ProbePlan, Report, probe
from edge.probe_report import told
from edge.recognition import Confidence, modbus_replies, recognise, streaming_drivers
from tests.edge.lines import Background, Line, sender, slave

STREAMING = [name for name in DRIVERS if make_driver(name).facts.mode is Mode.STREAM]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "port")
    yield made
    made.close()


def probed(line: Line, *addresses: int, baud: int = 9600, listen_s: float = 0.5) -> Report:
    plan = ProbePlan(PortEntry("p", str(line.path)), (baud,), addresses or (1,), listen_s)
    return probe(plan, RunClock())


def spoken(name: str, frames: int = 12) -> bytes:
    """What a device says in a row, its numbers a little different each time."""
    driver = make_driver(name)
    field = driver.facts.fields[0]
    values: list[Mapping[str, Value]] = [
        {field.name: max(field.low, min(field.high, field.idle + step))} for step in range(frames)
    ]
    return b"".join(driver.encode(one) for one in values)


@pytest.mark.parametrize("name", STREAMING)
def test_a_device_that_speaks_by_itself_is_recognised_from_what_it_says(name: str) -> None:
    data = spoken(name)
    found = recognise(data[len(data) // 24 :], streaming_drivers())
    best = [one for one in found if one.confidence is not Confidence.POSSIBLE]
    assert name in [one.driver for one in best]
    for other in best:
        if other.driver != name:  # only the label can tell them apart
            assert "the same frames as" in other.why


@pytest.mark.parametrize("seed", range(6))
def test_noise_is_no_device(seed: int) -> None:
    data = random.Random(seed).randbytes(3000)
    found = recognise(data, streaming_drivers())
    assert all(one.confidence is Confidence.POSSIBLE for one in found)


def test_a_few_frames_lost_in_noise_are_no_device() -> None:
    noise = random.Random(7).randbytes(3000)
    found = recognise(noise + spoken("dfrobot_a02yyuw", 5), ["dfrobot_a02yyuw"])
    assert found == []
    half = recognise(noise[:40] + spoken("dfrobot_a02yyuw", 8), ["dfrobot_a02yyuw"])
    assert [one.confidence for one in half] == [Confidence.POSSIBLE]


def test_look_alikes_are_named_together_and_nobody_is_certain() -> None:
    found = recognise(spoken("dfrobot_a02yyuw"), streaming_drivers(9600))
    names = {one.driver for one in found}
    assert {"dfrobot_a02yyuw", "jsn_sr04t_v3"} <= names
    assert "aj_sr04m" not in names
    assert all(one.confidence is not Confidence.CERTAIN for one in found)


def test_a_strong_check_makes_certain_where_no_other_device_sends_the_same() -> None:
    found = recognise(spoken("ndjson_bridge"), streaming_drivers())
    assert [(one.driver, one.confidence) for one in found] == [
        ("ndjson_bridge", Confidence.CERTAIN)
    ]


def test_a_sensor_that_speaks_is_found_and_nothing_is_sent(line: Line) -> None:
    driver = make_driver("nova_sds011")
    talker = sender(line, lambda: driver.encode({"pm25": 12.5}), 0.05)
    try:
        report = probed(line, listen_s=0.6)
    finally:
        talker.close()
    assert report.candidates[0].driver == "nova_sds011"
    assert report.asked == 0
    assert line.read(0.1) == b""
    assert "pm25 12.5 ug/m3" in "\n".join(told(report, "port"))


def test_a_radar_is_found_at_its_own_baud_rate(line: Line) -> None:
    driver = make_driver("hlk_ld2450")
    talker = sender(line, lambda: driver.encode({"target_count": 1}), 0.05)
    try:
        report = probed(line, baud=256000)
    finally:
        talker.close()
    assert (report.candidates[0].driver, report.candidates[0].baud) == ("hlk_ld2450", 256000)


class Watched:
    """A bus whose slaves answer, and that remembers every request."""

    def __init__(
        self, line: Line, devices: Mapping[int, tuple[Driver, Mapping[str, Value]]]
    ) -> None:
        self.requests: list[bytes] = []
        self._line = line
        self._devices = devices
        self._thread = Background(self._answer, 0.0)

    def _answer(self) -> None:
        request = self._line.read(0.2)
        if not request:
            return
        self.requests.append(request)
        if request[0] in self._devices:
            driver, values = self._devices[request[0]]
            self._line.write(driver.respond(request, values))

    def close(self) -> None:
        self._thread.close()


def on_bus(
    line: Line, name: str, address: int, values: Mapping[str, Value]
) -> tuple[Report, Watched]:
    bus = Watched(line, {address: (make_driver(name, {"address": address}), values)})
    try:
        return probed(line, 1, address), bus
    finally:
        bus.close()


def test_a_level_probe_on_the_bus_is_identified_with_certainty(line: Line) -> None:
    report, _ = on_bus(line, "qdy30a", 5, {"level": 139})
    assert [(one.driver, one.confidence, one.address) for one in report.candidates] == [
        ("qdy30a", Confidence.CERTAIN, 5)
    ]
    assert report.slaves == {5: 9600}


def test_a_slave_with_several_registers_that_make_sense_is_likely(line: Line) -> None:
    report, _ = on_bus(line, "senseair_s8", 254, {"co2": 640})
    best = report.candidates[0]
    assert (best.driver, best.confidence, best.address) == (
        "senseair_s8",
        Confidence.LIKELY,
        254,
    )


def test_an_unknown_slave_is_only_ever_read(line: Line) -> None:
    _, bus = on_bus(line, "greystone_cmd5b4", 3, {"co": 12})
    asked = [parsed for raw in bus.requests if (parsed := parse_request(raw)) is not None]
    assert len(asked) > 5
    assert {function for _, function, _, _ in asked} <= {int(code) for code in READS}


def test_a_slave_that_no_profile_knows_is_reported_as_such(line: Line) -> None:
    options = {"address": 9, "register": 3000}
    bus = slave(line, {9: (make_driver("modbus_registers", options), {"value": 1})})
    try:
        report = probed(line, 9)
    finally:
        bus.close()
    assert report.candidates == []
    assert report.slaves == {9: 9600}
    assert "slave 9 answers at 9600 baud, and is none of the known" in told(report, "port")[0]


def test_a_polled_gas_sensor_answers_the_read_command_of_its_family(line: Line) -> None:
    device = make_driver("winsen_mhz19b")

    def answer() -> None:
        request = line.read(0.2)
        if request:
            line.write(device.respond(request, {"co2": 612, "temperature_raw": 23}))

    thread = Background(answer, 0.0)
    try:
        report = probed(line)
    finally:
        thread.close()
    assert "winsen_mhz19b" in [one.driver for one in report.candidates]
    assert report.candidates[0].why == "answers its read command"


def test_a_sensor_that_was_set_to_wait_is_found_and_its_option_named(line: Line) -> None:
    device = make_driver("plantower_pmsx003", {"polled": True})

    def answer() -> None:
        request = line.read(0.2)
        if request:
            line.write(device.respond(request, {"pm25": 17}))

    thread = Background(answer, 0.0)
    try:
        report = probed(line)
    finally:
        thread.close()
    found = {one.driver: one.why for one in report.candidates}
    assert "polled = true" in found["plantower_pmsx003"]


def test_a_ranger_that_measures_before_it_answers_is_found_with_its_address(line: Line) -> None:
    device = make_driver("campbell_sr50a", {"polled": True, "address": 33})

    def answer() -> None:
        request = line.read(0.2)
        reply = device.respond(request, {"distance": 1838}) if request else b""
        if reply:
            threading.Event().wait(0.9)
            line.write(reply)

    thread = Background(answer, 0.0)
    try:
        report = probed(line)
    finally:
        thread.close()
    (found,) = report.candidates
    assert (found.driver, found.address) == ("campbell_sr50a", 33)
    assert found.why.endswith("options = { polled = true }, address = 33")


def test_where_another_master_asks_nothing_is_sent(line: Line) -> None:
    device = make_driver("sonbest_sm7571b", {"address": 7})
    traffic = device.request() + device.encode({"smoke": 100})
    talker = sender(line, lambda: traffic, 0.05)
    try:
        report = probed(line)
    finally:
        talker.close()
    assert report.asked == 0
    assert list(report.slaves) == [7]
    assert "a Modbus master asks slaves 7 here: nothing was sent" in report.notes
    assert modbus_replies(traffic)[0].address == 7


def test_bytes_that_nobody_knows_are_shown_and_nothing_is_sent(line: Line) -> None:
    talker = sender(line, lambda: b"HELLO WORLD", 0.05)
    try:
        report = probed(line)
    finally:
        talker.close()
    assert (report.asked, report.candidates) == (0, [])
    assert "48 45 4C 4C 4F" in report.notes[0]


def test_silence_ends_with_what_to_check_and_exit_code_1(
    line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["probe", str(line.path), "--seconds", "0.1", "--baud", "9600", "--addresses", "1"]
    assert main(call) == 1
    assert "swap A and B" in capsys.readouterr().out
    assert main([*call, "--json", "--passive"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["asked"], report["candidates"]) == (0, [])


@pytest.mark.parametrize(
    "wrong", [["--baud", "12"], ["--addresses", "0-4"], ["--addresses", "x"], ["--seconds", "-1"]]
)
def test_a_wrong_call_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["probe", "/nonexistent", *wrong])
    assert caught.value.code == 2


def test_a_port_that_is_not_there_is_said_and_not_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["probe", "/nonexistent"]) == 1
    assert "is it plugged in" in capsys.readouterr().err


def test_a_device_with_a_weak_check_is_never_certain() -> None:
    for name in STREAMING:
        if make_driver(name).facts.check is not Check.STRONG:
            found = recognise(spoken(name), [name])
            assert all(one.confidence is not Confidence.CERTAIN for one in found)
