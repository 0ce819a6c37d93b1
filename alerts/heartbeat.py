"""The hub's heartbeat on MQTT: stations act alone when it stops (`core.heartbeat`)."""

from __future__ import annotations

from collections.abc import Callable

from core import topics
from core.broker import Broker
from core.clock import Clock
from core.heartbeat import HEARTBEAT_EXPIRY_S, HEARTBEAT_S, Heartbeat, encode_heartbeat


class HeartbeatPublisher:
    """Beats from the very loop that keeps incidents: when that stands still, so does the heart.

    Args:
        broker: Where.
        site: Whose.
        clock: Clock of the run.
        judging: Tells whether detectors are heard and people would be told.
    """

    def __init__(
        self, broker: Broker, site: str, clock: Clock, judging: Callable[[], bool]
    ) -> None:
        self._broker = broker
        self._topic = topics.heartbeat(site)
        self._clock = clock
        self._judging = judging
        self._due_s = float("-inf")

    def linked(self) -> None:
        """The broker has us (again): stations should know at once."""
        self._due_s = float("-inf")

    def beat(self) -> None:
        """Beat if it is time."""
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + HEARTBEAT_S
        beat = Heartbeat(self._clock.now_ms(), self._judging())
        self._broker.publish(self._topic, encode_heartbeat(beat), expiry_s=HEARTBEAT_EXPIRY_S)
