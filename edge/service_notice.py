"""What systemd wants to hear: ready, alive, stopping (sd_notify(3)). Silent without systemd."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"


class ServiceNotice:
    """Speaks to the service manager that started us.

    Args:
        environment: Where `NOTIFY_SOCKET` and `WATCHDOG_USEC` stand.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of an abstract socket.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        try:
            self._watchdog_s = int(environment.get("WATCHDOG_USEC", "0")) / 1e6
        except ValueError:
            self._watchdog_s = 0.0
        self._alive_due_s = 0.0

    def say(self, text: str) -> None:
        """Send one notice; a manager that does not listen is no reason to fail."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(text.encode("ascii"), self._address)

    def alive(self, now_s: float) -> None:
        """Say that every part makes progress, twice in each watchdog time."""
        if self._watchdog_s and now_s >= self._alive_due_s:
            self._alive_due_s = now_s + self._watchdog_s / 2
            self.say(ALIVE)
