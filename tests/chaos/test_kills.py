"""Any program may be killed at any moment: nothing is lost, and the same people hear the same.

The scenario has the shape of the shipped `cut-cable`, in fifty seconds of wall time; with
`SAFETY_EYE_SCENARIO=cut-cable` the shipped one is played instead.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

DEMO_S = 300
# Enough of the scenario has passed: the water rises and the cable is cut.
KILL_AFTER_S = 20.0
SCENARIO = os.environ.get("SAFETY_EYE_SCENARIO") or str(
    Path(__file__).parent / "flood-and-cut.toml"
)


def start(state: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "safety_eye", "demo", "--scenario", SCENARIO, "--once",
            "--json",
            "--port", "0", "--state", str(state), *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def kill(state: Path, program: str) -> None:
    """Kill a program of a running demo with SIGKILL, once its scenario is well under way."""
    pause = threading.Event()
    pid_file = state / "run" / f"{program}.pid"
    simulator = state / "run" / "simulator.pid"
    for _ in range(600):
        if simulator.exists() and pid_file.exists():
            break
        pause.wait(0.1)
    pause.wait(KILL_AFTER_S)
    os.kill(int(pid_file.read_text()), signal.SIGKILL)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=DEMO_S)
    assert "Traceback" not in err, err[-4000:]
    assert process.returncode == 0, out + err[-4000:]
    result: dict[str, Any] = json.loads(out)
    return result | {"told": err}


def check(result: dict[str, Any]) -> None:
    readings = result["readings"]
    accounted = sum(readings[key] for key in ("stored", "quarantined", "lost", "unknown"))
    assert readings["produced"] == accounted
    assert readings["lost"] == 0
    assert readings["produced"] > 300


def peaks(result: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (entry["zone"], entry["hazard"]): entry["peak"]
        for entry in result["incidents"]
        if entry["hazard"] != "equipment"
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return finish(start(tmp_path_factory.mktemp("undisturbed") / "state"))


@pytest.mark.timeout(DEMO_S + 60)
def test_a_cut_cable_loses_nothing_and_raises_one_link_alarm(undisturbed: dict[str, Any]) -> None:
    check(undisturbed)

    equipment = [entry for entry in undisturbed["incidents"] if entry["hazard"] == "equipment"]
    assert len(equipment) == 1
    assert peaks(undisturbed)["underpass", "flood"] == "red"
    assert undisturbed["notified"] >= 4
    # Cut off, the station sounded its own siren; it said so when it was back.
    told = undisturbed["told"]
    assert told.index("north-1 sounds its siren by itself") < told.index("siren off")
    assert told.index("siren off") < told.index("reported: north-1 switched siren on")
    assert told.count("reported: north-1 switched siren on") == 1


@pytest.mark.timeout(DEMO_S + 60)
@pytest.mark.parametrize("program", ["ingest", "detect", "alerts", "broker", "station-north-1"])
def test_a_killed_program_changes_neither_the_incidents_nor_who_is_told(
    program: str, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    process = start(tmp_path / "state")
    kill(tmp_path / "state", program)

    result = finish(process)

    check(result)
    assert peaks(result) == peaks(undisturbed)
    assert all(entry["notified"] >= 1 for entry in result["incidents"])
