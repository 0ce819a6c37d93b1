"""The simulator as a process: its ports, its events, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from core.clock import RunClock
from edge.drivers import make_driver

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "safety_eye" / "sample" / "community.toml"
DEADLINE_S = 20.0
Process = subprocess.Popen[str]


def start(*arguments: str, stdout: Any = subprocess.PIPE) -> Process:
    return subprocess.Popen(
        [sys.executable, "-m", "edge.simulator", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def basic(folder: Path, scenario: str = "cloudburst") -> list[str]:
    return ["--scenario", scenario, "--community", str(SAMPLE), "--ports", str(folder)]


def next_event(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    event: dict[str, Any] = json.loads(line)
    return event


@pytest.fixture
def spawned() -> Iterator[list[Process]]:
    processes: list[Process] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_it_says_ready_once_every_port_exists_and_leaves_nothing_behind(
    tmp_path: Path, spawned: list[Process]
) -> None:
    process = start(*basic(tmp_path / "ports"))
    spawned.append(process)
    ready = next_event(process)
    assert ready["event"] == "ready"
    assert sorted(path.name for path in (tmp_path / "ports").iterdir()) == sorted(ready["ports"])
    port = serial.Serial(str(tmp_path / "ports" / "north-1.uart-0"), 9600, timeout=5)
    (frame,) = make_driver("dfrobot_a02yyuw").feed(port.read(4))
    port.close()
    assert frame.measurements[0].name == "distance"
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE_S) == 0
    assert list((tmp_path / "ports").iterdir()) == []


def test_it_goes_on_when_nobody_reads_its_events_any_more(
    tmp_path: Path, spawned: list[Process]
) -> None:
    # The clock began long ago: truth and end are told at once, into a closed pipe.
    process = start(*basic(tmp_path / "ports"), "--clock", "1000000000000:50")
    spawned.append(process)
    assert next_event(process)["event"] == "ready"
    assert process.stdout is not None
    process.stdout.close()
    port = serial.Serial(str(tmp_path / "ports" / "north-1.uart-0"), 9600, timeout=5)
    assert len(port.read(12)) == 12
    port.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE_S) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_it_ends_its_scenario_aloud_and_then_holds_the_last_state(
    tmp_path: Path, spawned: list[Process]
) -> None:
    process = start(*basic(tmp_path / "ports"), "--clock", "1000000000000:50")
    spawned.append(process)
    events = [next_event(process) for _ in range(6)]
    assert [event["event"] for event in events] == ["ready", *["truth"] * 4, "ended"]
    port = serial.Serial(str(tmp_path / "ports" / "north-1.uart-0"), 9600, timeout=5)
    (frame, *_) = make_driver("dfrobot_a02yyuw").feed(port.read(4))
    port.close()
    assert frame.measurements[0].value == pytest.approx(3200, abs=6)
    assert process.poll() is None


def test_it_relays_a_station_and_cuts_its_uplink_when_the_scenario_says_so(
    tmp_path: Path, spawned: list[Process]
) -> None:
    scenario = tmp_path / "cut.toml"
    scenario.write_text(
        'name = { en = "x" }\ntext = { en = "x" }\nduration_s = 3600\n'
        '[[fault]]\nkind = "uplink-cut"\nstation = "north-1"\nfrom_s = 80\nto_s = 120\n',
        encoding="utf-8",
    )
    with socket.create_server(("127.0.0.1", 0)) as broker:
        behind = f"127.0.0.1:{broker.getsockname()[1]}"
        relay = ("127.0.0.1", free_port())
        # The cut comes after four seconds of wall time, and lasts two.
        process = start(
            *basic(tmp_path / "ports", str(scenario)),
            *("--broker", behind, "--relay", f"north-1={relay[1]}"),
            *("--clock", f"{RunClock().wall_ms()}:20"),
        )
        spawned.append(process)
        assert next_event(process)["event"] == "ready"
        with socket.create_connection(relay, DEADLINE_S) as line:
            begins = next_event(process)
            assert (begins["event"], begins["state"]) == ("fault", "begins")
            with pytest.raises(ConnectionResetError):
                line.recv(1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(relay, DEADLINE_S)
        assert next_event(process)["state"] == "ends"
        socket.create_connection(relay, DEADLINE_S).close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--scenario", "cloudburst"], "expected --scenario, --community and --ports"),
        (["--scenario", "sunny", "--community", str(SAMPLE), "--ports", "p"], "no such scenario"),
        (
            ["--scenario", "smog", "--community", "nowhere.toml", "--ports", "p"],
            "nowhere.toml: can't be read",
        ),
    ],
)
def test_a_wrong_call_is_told_in_words_and_exits_with_2(
    arguments: list[str], expected: str, spawned: list[Process]
) -> None:
    process = start(*arguments)
    spawned.append(process)
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 2
    assert expected in errors


def test_it_lists_what_it_can_play(spawned: list[Process]) -> None:
    process = start("--list")
    spawned.append(process)
    text, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert "cloudburst" in text
    assert "calder-2015" in text
