"""A site as an installer builds it: broker, hub and two stations from their kits, over TLS."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core import topics
from core.broker import Broker, Message
from core.community_file import load_community
from core.finding import decode_zone_grade
from core.grade import Grade
from edge.configuration import load_station
from edge.drivers import make_driver
from safety_eye.station_kit import BrokerDoor, write_station
from tests.servers import free_port, wait_until
from tests.site_broker import SiteBroker

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample/community.toml"
# Runs a program with memory that can't be writable and executable, as the station's unit asks
# (MemoryDenyWriteExecute); prctl PR_SET_MDWE = 65, refuse gains = 1, inherited. Linux 6.3 has it.
_MDWE = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "edge", *sys.argv[1:]])
"""


@contextmanager
def running(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()


class Gauge:
    """The ultrasonic sensor of the underpass on a pseudo-terminal, water at 0.80 m."""

    def __init__(self, link: Path) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        link.symlink_to(os.ttyname(slave))
        self._slave = slave
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()

    def _speak(self) -> None:
        frame = make_driver("dfrobot_a02yyuw").encode({"distance": 2400})
        while not self._stop.wait(0.2):
            os.write(self._master, frame)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)


@pytest.mark.timeout(180)
def test_a_flood_at_one_station_reaches_the_other_as_the_grade_of_its_zone(tmp_path: Path) -> None:
    community = load_community(SAMPLE)
    broker = SiteBroker(tmp_path / "site", community)
    grades: list[Message] = []
    gauge = Gauge(tmp_path / "uart-0")
    try:
        broker.start()
        door = BrokerDoor("localhost", broker.port, broker.kit.ca_file, broker.kit)
        stations = {
            name: write_station(tmp_path / name, name, community, door)
            for name in ("north-1", "tower-3")
        }
        broker.reload()
        # What an installer does on the Pi: the port's name, and a place for the spool.
        file = stations["north-1"] / "station.toml"
        text = file.read_text().replace("/dev/safety-eye/uart-0", str(tmp_path / "uart-0"))
        text = text.replace("/var/lib/safety-eye", str(tmp_path)).replace('"auto"', '"trusted"')
        file.write_text(text)
        hub = tmp_path / "hub.toml"
        secret = broker.kit.directory / "hub.password"
        hub.write_text(
            f'[broker]\nkind = "external"\nport = {broker.kit.entry.hub_port}\nusername = "hub"\n'
            f'password_file = "{secret}"\n[http]\nport = {free_port()}\n'
        )
        other = load_station(stations["tower-3"] / "station.toml").broker
        listener = Broker(other, "x", on_message=grades.append, session_expiry_s=0)
        listener.subscribe([topics.grade("riverside", "underpass", "flood")])
        listener.start()
        try:
            with (
                running(
                    tmp_path / "hub.log", sys.executable, "-m", "safety_eye", "up",
                    "--community", str(SAMPLE), "--hub", str(hub),
                    "--state", str(tmp_path / "state"),
                ),
                running(tmp_path / "station.log", sys.executable, "-c", _MDWE, str(file)) as north,
            ):  # fmt: skip
                wait_until(
                    lambda: any(
                        decode_zone_grade(message.payload).grade is Grade.RED for message in grades
                    ),
                    90,
                    "the other station's grade red",
                )
                assert north.poll() is None
        finally:
            listener.stop()
    finally:
        gauge.close()
        broker.stop()

    said = (tmp_path / "station.log").read_text()
    assert "Traceback" not in said
    assert "stopped" in said
    assert "not cleanly" not in said
