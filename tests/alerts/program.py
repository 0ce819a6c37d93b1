"""The real `safety-eye alerts` as a process of its own, configured as an operator does it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Collection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from core.broker import BrokerAddress
from safety_eye.__main__ import main
from tests.alerts.samples import SECRET
from tests.alerts.scenery import PLACE
from tests.servers import free_port

# Two seconds of imports are the same in every life. Lives that are to be short are forked from a
# program that has imported everything; from there on it is the real `main`.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["safety_eye.cli", "safety_eye.programs", "tests.alerts.program"])
# Whom `PLACE` makes alerts tell of a red at once, and over what: `(contact, channel)`.
TOLD_OF_RED = frozenset(
    {("duty-1", "hook"), ("duty-1", "second"), ("deputy-1", "hook"), ("leader-1", "hook")}
)


class Program:
    """One program of a site: its files, and its life.

    Args:
        directory: For its files; one a program.
        broker: Where findings come from.
        receiver: Base URL of who is told; channel `hook` posts to `/hook`, `second` to `/second`.
        site: Its id; tests that share a broker need one each.
        zones: Further zones of the site.
        owner: Its name on a database that it shares.
        state_url: Where the state is; SQLite in the directory if empty.
    """

    def __init__(
        self,
        directory: Path,
        broker: BrokerAddress,
        receiver: str,
        site: str,
        zones: Collection[str],
        *,
        owner: str = "alerts",
        state_url: str = "",
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.state_url = state_url or f"sqlite:///{directory / 'alerts.db'}"
        self._log = directory / "alerts.log"
        self._port = free_port()
        secret = directory / "hook.key"
        secret.write_text(SECRET)
        community, hub = directory / "community.toml", directory / "hub.toml"
        community.write_text(
            PLACE.replace('"riverside"', f'"{site}"')
            + "".join(
                f'[[zone]]\nid = "{zone}"\nparent = "north"\nname = {{ zh = "{zone}" }}\n'
                for zone in zones
            )
        )
        hub.write_text(
            f'owner = "{owner}"\nstate_url = "{self.state_url}"\n'
            f'[broker]\nkind = "external"\nhost = "{broker.host}"\nport = {broker.port}\n'
            f'[http]\nport = {self._port}\n[selftest]\nat = ""\n'
            + "".join(
                f'[[channel]]\nname = "{name}"\nkind = "webhook"\nurl = "{receiver}/{name}"\n'
                f'secret_file = "{secret}"\nallow_private = true\n'
                for name in ("hook", "second")
            )
        )
        self._arguments = [
            "alerts", "--community", str(community), "--hub", str(hub), "--state", str(directory),
        ]  # fmt: skip

    @property
    def log(self) -> str:
        """What it has said in all its lives."""
        return self._log.read_text(errors="replace")

    def start(self) -> subprocess.Popen[bytes]:
        """Begin a life from the command line."""
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "safety_eye", *self._arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def fork(self) -> ForkServerProcess:
        """Begin a life at `main`, with everything imported."""
        # A daemon: it does not outlive a test that fails.
        process = _FORKS.Process(target=_enter, args=(self._arguments, str(self._log)), daemon=True)
        process.start()
        return process

    def ready(self) -> bool:
        """Tell whether it says that people would be told."""
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/health/ready", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def sent(self) -> int:
        """Return how many messages this life has sent, as its metrics say."""
        answer = httpx.get(f"http://127.0.0.1:{self._port}/metrics", timeout=5)
        return round(
            sum(
                sample.value
                for metric in text_string_to_metric_families(answer.text)
                for sample in metric.samples
                if sample.name == "notify_total"
            )
        )


def _enter(arguments: list[str], log: str) -> None:
    """Become the program."""
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["safety-eye", *arguments]
    main()
