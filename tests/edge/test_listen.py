"""`safety-eye listen` over pseudo-terminals with virtual sensors."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.clock import RunClock
from edge.configuration import PortEntry
from edge.drivers import make_driver
from edge.drivers.base import DriverError
from edge.installer import main
from edge.listening import ListenPlan, listen
from edge.ports import PortLostError
from tests.edge.lines import Line, sender, slave


class Terminal(io.StringIO):
    """Where a person looks."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "port")
    yield made
    made.close()


def plan(line: Line, driver: str, seconds: float = 1.0, **options: int) -> ListenPlan:
    entry = PortEntry("p", str(line.path), latency_ms=50)
    return ListenPlan(entry, driver, options, seconds=seconds, every_s=0.1)


def heard(
    wanted: ListenPlan, out: io.StringIO | None = None, *, as_json: bool = True
) -> tuple[int, str]:
    out = out if out is not None else io.StringIO()
    code = listen(wanted, RunClock(), threading.Event(), out, as_json=as_json)
    return code, out.getvalue()


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in text.splitlines()]


def test_a_program_hears_each_frame_with_its_bytes_and_values_and_all_counters(line: Line) -> None:
    gauge = make_driver("dfrobot_a02yyuw")
    frames = iter([b"\x00\x01" + gauge.encode({"distance": 1953})] * 100)
    talker = sender(line, lambda: next(frames), 0.05)
    try:
        code, text = heard(plan(line, "dfrobot_a02yyuw"))
    finally:
        talker.close()
    *told, last = objects(text)
    assert code == 0
    assert len(told) > 5
    assert told[-1]["frame"] == "FF 07 A1 A7"
    assert told[-1]["values"][0]["value"] == 1953
    counters = last["counters"]
    assert counters["good"] == len(told)
    assert counters["discarded_bytes"] >= 2 * len(told) - 2
    assert counters["bytes"] >= 6 * len(told)


def test_a_polled_device_is_asked_and_answers(line: Line) -> None:
    device = make_driver("sonbest_sm7571b", {"address": 3})
    bus = slave(line, {3: (device, {"smoke": 121})})
    try:
        code, text = heard(plan(line, "sonbest_sm7571b", address=3))
    finally:
        bus.close()
    *told, last = objects(text)
    assert code == 0
    assert told[0]["values"][0]["value"] == 121
    assert last["counters"]["unanswered"] == 0


def test_silence_of_a_polled_device_is_counted_and_the_exit_code_says_so(line: Line) -> None:
    code, text = heard(plan(line, "senseair_s8", 0.8, address=254))
    assert code == 1
    assert objects(text)[-1]["counters"]["unanswered"] >= 2


def test_a_terminal_shows_one_calm_line_and_what_goes_wrong(line: Line) -> None:
    gauge = make_driver("dfrobot_a02yyuw")
    frames = iter([gauge.encode({"distance": 1953}), b"\xff\x07\xa1\x00"] * 200)
    talker = sender(line, lambda: next(frames), 0.01)
    try:
        _, text = heard(plan(line, "dfrobot_a02yyuw", 1.6), Terminal(), as_json=False)
    finally:
        talker.close()
    assert text.count("\n") <= 3
    assert 2 <= text.count("distance 1953 mm") <= 5
    assert text.count("checksum does not match\n") == 1


def test_a_frame_that_is_not_good_says_why(line: Line) -> None:
    gauge = make_driver("dfrobot_a02yyuw")
    talker = sender(line, lambda: gauge.encode({"distance": 0}), 0.05)
    try:
        _, text = heard(plan(line, "dfrobot_a02yyuw", 0.5), as_json=False)
    finally:
        talker.close()
    assert "distance - mm (bad: no-target)" in text


def test_a_pulled_cable_is_said_and_the_port_is_opened_again(line: Line, tmp_path: Path) -> None:
    gauge = make_driver("dfrobot_a02yyuw")
    lines = [line]

    def pull() -> None:
        line.unplug()
        fresh = Line(tmp_path / "port")
        lines.append(fresh)
        lines.append(fresh)

    timer = threading.Timer(0.5, pull)
    timer.start()
    talker = sender(line, lambda: gauge.encode({"distance": 500}), 0.05)

    def later() -> bytes:
        return gauge.encode({"distance": 700})

    def speak() -> None:
        second = sender(lines[-1], later, 0.05)
        threading.Timer(2.5, second.close).start()

    again = threading.Timer(0.8, speak)
    again.start()
    try:
        _, text = heard(plan(line, "dfrobot_a02yyuw", 2.5))
    finally:
        timer.join()
        again.join()
        talker.close()
        lines[-1].close()
    told = objects(text)
    values = [one["values"][0]["value"] for one in told if "values" in one]
    assert 500 in values
    assert 700 in values
    assert any("lost" in one for one in told)


def test_wrong_calls_say_what_to_mend(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DriverError, match="expected one of"):
        heard(plan(line, "nonsense"))
    with pytest.raises(PortLostError, match="can't be opened"):
        heard(ListenPlan(PortEntry("p", "/nonexistent/port"), "dfrobot_a02yyuw"))
    call = ["listen", str(line.path), "--driver", "dfrobot_a02yyuw"]
    assert main([*call, "--option", "colour=red"]) == 2
    assert "no option 'colour'" in capsys.readouterr().err
    assert main(["listen", "/nonexistent/port", "--driver", "dfrobot_a02yyuw"]) == 1
    assert "is it plugged in" in capsys.readouterr().err
