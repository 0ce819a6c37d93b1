"""Watches the broker from outside: one that hangs although its process lives is ended.

A broker whose router has crashed still accepts TCP connections; only a real MQTT connection that
fails for a while shows it. The supervisor then starts it again.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from core.broker import Broker, BrokerAddress
from core.clock import Clock

# Wall seconds without an MQTT link after which a living broker process counts as hung: longer than
# its start (under 1 s) plus the adapter's longest reconnect pause (8 s).
_HUNG_AFTER_S = 20.0


class BrokerProbe:
    """One quiet MQTT connection to a broker that this machine runs.

    Args:
        address: Where the broker is.
        state: State directory with `run/broker.pid`.
        clock: For wall time.
        report: Told when the broker is ended.
    """

    def __init__(
        self, address: BrokerAddress, state: Path, clock: Clock, report: Callable[[str], None]
    ) -> None:
        self._pid_file = state / "run" / "broker.pid"
        self._clock = clock
        self._report = report
        self._linked_at_s = clock.monotonic_s()
        self._link = Broker(address, "safety-eye-probe", session_expiry_s=0)
        self._link.start()

    def watch(self) -> None:
        """Look once; ends the broker's process if it has been unreachable for too long."""
        now = self._clock.monotonic_s()
        if self._link.linked or not self._pid_file.exists():
            self._linked_at_s = now
            return
        if now - self._linked_at_s > _HUNG_AFTER_S:
            self._linked_at_s = now
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(self._pid_file.read_text()), signal.SIGKILL)
                self._report("the broker hangs; it is started again")

    def close(self) -> None:
        """End the connection."""
        self._link.stop()
