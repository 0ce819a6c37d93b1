"""The bounded queue between the network thread and the judging thread."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

from core.broker import Message
from core.clock import Clock

# Packs that wait at most: half a minute of a thousand stations. The oldest goes first, because the
# newest warns; what goes is a hole and comes back from history as late data.
CAPACITY = 30_000
# Packs that one pass takes at most: a bound on how long a change waits to be said.
PER_PASS = 500


class Arrived(NamedTuple):
    """A message and the run time (milliseconds) at which it came."""

    message: Message
    at_ms: int


class Intake:
    """Messages in the order of arrival. A pass takes all that wait: idle means at once.

    Attributes:
        dropped: Messages that an overflow has cost.
    """

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._waiting: deque[Arrived] = deque(maxlen=capacity)
        self._some = threading.Condition()
        self.dropped = 0

    def put(self, message: Message) -> None:
        """Take a message from the network thread; never blocks."""
        arrived = Arrived(message, self._clock.now_ms())
        with self._some:
            self.dropped += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(arrived)
            self._some.notify()

    def take(self, timeout_s: float) -> list[Arrived]:
        """Return what waits, at most `PER_PASS`; empty if nothing came within *timeout_s*."""
        with self._some:
            if not self._waiting:
                self._some.wait(timeout_s)
            count = min(len(self._waiting), PER_PASS)
            return [self._waiting.popleft() for _ in range(count)]
