"""`safety-eye up`: the hub with embedded defaults, and a real station that joins it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from edge.drivers import make_driver
from safety_eye.embedded_broker import free_port

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample/community.toml"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[int, int, subprocess.Popen[str]]]:
    broker, page = free_port(), free_port()
    (tmp_path / "hub.toml").write_text(f"[broker]\nport = {broker}\n[http]\nport = {page}\n")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "safety_eye", "up", "--community", str(SAMPLE),
            "--hub", str(tmp_path / "hub.toml"), "--state", str(tmp_path / "state"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    yield broker, page, process
    if process.poll() is None:
        process.kill()
    process.wait(10)
    assert process.stderr is not None
    process.stderr.close()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> bool:
    pause = threading.Event()
    for _ in range(int(seconds / 0.2)):
        try:
            if condition():
                return True
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        pause.wait(0.2)
    return False


@pytest.mark.timeout(180)
def test_a_station_joins_a_hub_of_embedded_defaults_and_its_flood_is_on_the_page(
    hub: tuple[int, int, subprocess.Popen[str]], tmp_path: Path
) -> None:
    broker, page, process = hub
    url = f"http://127.0.0.1:{page}"
    assert wait_for(lambda: httpx.get(f"{url}/health/ready", trust_env=False).is_success)
    master, slave = pty.openpty()
    tty.setraw(slave)
    station = tmp_path / "station.toml"
    station.write_text(
        f'[station]\nid = "north-1"\nsite = "riverside"\nclock = "trusted"\n'
        f"[broker]\nport = {broker}\n"
        f'[[port]]\nid = "uart-0"\npath = "{os.ttyname(slave)}"\n'
        '[[sensor]]\nid = "gauge-1"\nstation = "north-1"\nzone = "underpass"\n'
        'driver = "dfrobot_a02yyuw"\nquantity = "water-level"\nhazard = "flood"\n'
        'mount_height_m = 3.2\nport = "uart-0"\n'
    )
    edge = subprocess.Popen([sys.executable, "-m", "safety_eye", "edge", str(station)])
    driver = make_driver("dfrobot_a02yyuw", {})

    def flooded() -> bool:
        os.write(master, driver.encode({"distance": 2900}))
        incidents = httpx.get(f"{url}/api/v1/incidents", trust_env=False).json()
        rows = incidents["incidents"] if isinstance(incidents, dict) else incidents
        return any(row["zone"] == "underpass" and row["hazard"] == "flood" for row in rows)

    try:
        assert wait_for(flooded)
        assert "下穿通道" in httpx.get(f"{url}/", trust_env=False).text
    finally:
        edge.terminate()
        assert edge.wait(40) == 0
        os.close(master)
        os.close(slave)

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 0
    assert process.stderr is not None
    said = process.stderr.read()
    assert "Traceback" not in said
    assert "Stopped." in said
