"""Real servers for tests: started on free loopback ports, in a directory of their own, and killed.

The fixtures in `conftest.py` hand them out; a test that wants to kill a server or start it again
makes its own. Everything waits on a condition with a bound, and nothing is left running.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from core.broker import BrokerAddress

# A server on a busy two-core machine may need a while; a test never waits longer than this.
START_TIMEOUT_S = 30.0
_ADMIN_PATHS = ("/usr/sbin", "/sbin", "/usr/local/sbin")


def wait_until(
    condition: Callable[[], object], timeout_s: float = 15.0, what: str = "the condition"
) -> None:
    """Wait until *condition* is true.

    Raises:
        TimeoutError: It was not, in time.
    """
    end = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come true within {timeout_s:g} s")
        pause.wait(0.02)


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """Return the path of an installed server, or skip the test with the reason."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_ADMIN_PATHS]))
    if path is None:
        pytest.skip(f"{name} is not installed (make servers)")
    return path


class Server:
    """A real server as a child process. `start`, `stop`, `kill` and `start` again keep its port."""

    name = ""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.host = "127.0.0.1"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._settled = False

    @property
    def url(self) -> str:
        """Base URL of its HTTP interface."""
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """What it has said so far."""
        path = self.directory / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def command(self) -> list[str]:
        """Return the command line."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Tell whether it answers."""
        try:
            with socket.create_connection((self.host, self.port), timeout=0.5):
                return True
        except OSError:
            return False

    def start(self) -> None:
        """Start it and wait until it answers. At its first start a taken port is changed once."""
        for attempt in (1, 2):
            with (self.directory / "server.log").open("ab") as log:
                self._process = subprocess.Popen(
                    self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
                )
            process = self._process
            wait_until(
                lambda process=process: process.poll() is not None or self.ready(),  # type: ignore[misc]  # bound default
                START_TIMEOUT_S,
                f"{self.name} on port {self.port}",
            )
            if process.poll() is None:
                self._settled = True
                return
            if attempt == 1 and not self._settled:
                self.port = free_port()
        raise RuntimeError(f"{self.name} ended at once: {self.log[-2000:]}")

    def stop(self) -> None:
        """End it the polite way (SIGTERM), then the other way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None


class Mosquitto(Server):
    """The broker. Persistent, anonymous, payloads up to 256 kB, queues deep enough for tests."""

    name = "mosquitto"

    @property
    def address(self) -> BrokerAddress:
        """Where programs find it."""
        return BrokerAddress(self.host, self.port)

    def command(self) -> list[str]:
        """Return the command line, with a fresh configuration."""
        path = program("mosquitto")
        configuration = self.directory / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} {self.host}\n"
            "allow_anonymous true\n"
            "user root\n"
            "max_packet_size 270000\n"
            "max_inflight_messages 1000\n"
            "max_queued_messages 200000\n"
            "persistence true\n"
            f"persistence_location {self.directory}/\n"
            "autosave_interval 1\n"
            "set_tcp_nodelay true\n"
        )
        return [path, "-c", str(configuration)]


class InfluxDB(Server):
    """InfluxDB 1.x, without authentication unless asked for."""

    name = "influxd"

    def __init__(self, directory: Path, *, auth: bool = False) -> None:
        super().__init__(directory)
        self.auth = auth

    def command(self) -> list[str]:
        """Return the command line, with a fresh configuration."""
        path = program("influxd")
        configuration = self.directory / "influxdb.conf"
        configuration.write_text(
            "reporting-disabled = true\n"
            f'bind-address = "127.0.0.1:{free_port()}"\n'
            f'[meta]\ndir = "{self.directory}/meta"\n'
            f'[data]\ndir = "{self.directory}/data"\nwal-dir = "{self.directory}/wal"\n'
            "query-log-enabled = false\n"
            f'[http]\nbind-address = "{self.host}:{self.port}"\nlog-enabled = false\n'
            f"auth-enabled = {str(self.auth).lower()}\n"
            "[monitor]\nstore-enabled = false\n"
            "[continuous_queries]\nenabled = false\n"
        )
        return [path, "-config", str(configuration)]

    def ready(self) -> bool:
        """Tell whether it answers its ping."""
        return _answers(f"{self.url}/ping")

    def create(self, database: str) -> str:
        """Create a database and return its name."""
        answer = httpx.post(f"{self.url}/query", params={"q": f'CREATE DATABASE "{database}"'})
        answer.raise_for_status()
        return database


class VictoriaMetrics(Server):
    """VictoriaMetrics: stands in for the write interface of InfluxDB 2."""

    name = "victoria-metrics"

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            program("victoria-metrics"),
            f"-storageDataPath={self.directory}/data",
            f"-httpListenAddr={self.host}:{self.port}",
            "-retentionPeriod=100y",
            "-dedup.minScrapeInterval=1ms",
            "-search.latencyOffset=0s",
        ]

    def ready(self) -> bool:
        """Tell whether it answers its health check."""
        return _answers(f"{self.url}/health")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1.0).is_success
    except httpx.HTTPError:
        return False
