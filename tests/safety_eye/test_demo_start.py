"""The demo's start where something stands in its way: one clear line, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

COMMAND = [sys.executable, "-m", "safety_eye", "demo", "--language", "en"]


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "200"},
    )


def test_ctrl_c_while_it_starts_is_no_failure_and_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path, "--port", "0")
    for _ in range(400):
        if list(tmp_path.glob("safety-eye-*/run/broker.pid")):
            break
        threading.Event().wait(0.05)
    process.send_signal(signal.SIGINT)

    _, said = process.communicate(timeout=60)

    assert process.returncode == 0, said
    assert "did not" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_gives_way_to_a_free_one(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = start(tmp_path, "--port", str(port))
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert f"Port {port} is taken by another program" in said


def test_a_directory_with_an_earlier_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    process = start(tmp_path, "--once", "--json", "--state", str(tmp_path))

    out, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "holds an earlier run" in said
    assert out == ""


def test_a_window_that_is_no_time_is_one_clear_line(tmp_path: Path) -> None:
    process = start(tmp_path, "--scenario", "calder-2015", "--from", "yesterday")

    _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "Traceback" not in said
    assert "--from" in said
    assert list(tmp_path.iterdir()) == []
