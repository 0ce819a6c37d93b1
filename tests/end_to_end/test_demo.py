"""The whole system as a user starts it: `safety-eye demo`, with real processes and a real page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

# Wall seconds for one demo: three minutes of scenario at most, half a minute to settle, start-up.
DEMO_S = 300


def run_demo(
    tmp_path: Path, *arguments: str
) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    done = subprocess.run(
        [
            sys.executable, "-m", "safety_eye", "demo", "--once", "--json", "--port", "0",
            "--state", str(tmp_path / "state"), "--language", "en", *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=DEMO_S,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    assert done.stdout, done.stderr[-4000:]
    return json.loads(done.stdout), done


def balanced(readings: dict[str, int]) -> bool:
    accounted = sum(readings[key] for key in ("stored", "quarantined", "lost", "unknown"))
    return readings["produced"] == accounted


def peaks(result: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(entry["zone"], entry["hazard"]): entry["peak"] for entry in result["incidents"]}


@pytest.mark.timeout(DEMO_S + 30)
def test_a_cloudburst_rises_through_all_grades_falls_again_and_everybody_is_told(
    tmp_path: Path,
) -> None:
    result, done = run_demo(tmp_path, "--scenario", "cloudburst")

    assert done.returncode == 0
    assert balanced(result["readings"])
    assert result["readings"]["lost"] == 0
    assert result["readings"]["produced"] > 500
    assert all(result["alerts"][grade] >= 1 for grade in ("blue", "yellow", "orange", "red"))
    underpass = next(entry for entry in result["incidents"] if entry["zone"] == "underpass")
    assert (underpass["hazard"], underpass["peak"], underpass["grade"]) == ("flood", "red", "green")
    assert underpass["notified"] >= 4
    assert result["notified"] >= 4
    for word in ("blue (IV)", "yellow (III)", "orange (II)", "red (I)"):
        assert word in done.stderr
    # Whoever is on shift at this hour.
    assert re.search(r"reached duty-[12]: alert red", done.stderr)


@pytest.mark.timeout(DEMO_S + 30)
def test_a_quiet_week_disturbs_nobody(tmp_path: Path) -> None:
    result, done = run_demo(tmp_path, "--scenario", "quiet-week")

    assert done.returncode == 0
    assert balanced(result["readings"])
    assert result["incidents"] == []
    assert (result["notified"], result["first_alert_after_s"]) == (0, None)


@pytest.mark.timeout(DEMO_S + 30)
def test_a_fire_in_the_stairwell_is_found_and_told(tmp_path: Path) -> None:
    result, done = run_demo(tmp_path, "--scenario", "stairwell-fire", "--speed", "32")

    assert done.returncode == 0
    assert balanced(result["readings"])
    assert peaks(result)["stairwell-3", "fire"] in ("orange", "red")


@pytest.mark.timeout(180)
def test_ctrl_c_ends_everything_and_leaves_no_process(tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "safety_eye", "demo", "--port", "0", "--state", str(state),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    lines: list[str] = []
    shown = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if "state" in line:
                shown.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert shown.wait(60), "".join(lines)
    pids = [int(file.read_text()) for file in (state / "run").glob("*.pid")]
    assert len(pids) >= 7

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 0
    reader.join(5)
    assert process.stderr is not None
    process.stderr.close()
    assert "Traceback" not in "".join(lines)
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists() and not _zombie(pid)] == []


def _zombie(pid: int) -> bool:
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def test_an_unknown_scenario_is_one_clear_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "safety_eye", "demo", "--scenario", "earthquake"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )

    assert done.returncode == 2
    assert "earthquake" in done.stderr
    assert "cloudburst" in done.stderr
    assert "Traceback" not in done.stderr
