"""From the network thread to the worker: a bounded queue that is emptied in batches.

A batch is what came within the commit interval, or as many messages as fit. The queue holds twice
what the broker may have under way, so that a message which the broker counts as under way fits:
left out, it would hold its place until the next reconnect, and enough of them would stop the
stream. Room is made by what a lost connection brought, which comes again, and by keeping messages
that nobody acknowledges (QoS 0) to one half. A pack that is left out has no receipt, so its station
sends it again.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import NamedTuple

from core.broker import Message

# How often an idle worker looks whether it should stop, wall seconds.
_IDLE_S = 0.2
# While a batch is collected: how often it is looked at, and from how many messages on a pause of
# that length ends it.
_STEP_S = 0.01
_BURST = 16


class Delivery(NamedTuple):
    """A message with what must be known to acknowledge it.

    Attributes:
        message: What came.
        arrived_ms: Run time (ms) of arrival.
        connection: Number of the connection it came on; acknowledged on that one only.
    """

    message: Message
    arrived_ms: int
    connection: int


class Inbox:
    """The queue.

    Args:
        capacity: Messages that may wait; twice the broker's receive maximum.
        batch: Messages that are taken at once.
        interval_s: For how long a batch is collected, wall seconds.

    Attributes:
        left: Messages that were left out because the queue was full.
    """

    def __init__(self, capacity: int, batch: int, interval_s: float) -> None:
        self._capacity = capacity
        self._batch = batch
        self._interval_s = interval_s
        self._waiting: deque[Delivery] = deque()
        self._some = threading.Event()
        self._enough = threading.Event()
        self.left = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, delivery: Delivery) -> None:
        """Add a message; called on the network thread, returns at once."""
        waiting = self._waiting
        if not self._has_room(delivery):
            self.left += 1
            return
        waiting.append(delivery)
        if not self._some.is_set():
            self._some.set()
        if len(waiting) >= self._batch and not self._enough.is_set():
            self._enough.set()

    def take(self, stop: threading.Event) -> list[Delivery]:
        """Return the next batch, in the order of arrival; empty after an idle moment."""
        if not self._some.wait(_IDLE_S):
            return []
        self._collect(stop)
        self._some.clear()
        self._enough.clear()
        waiting = self._waiting
        taken: list[Delivery] = []
        # The network thread may take old ones out at the same time.
        with contextlib.suppress(IndexError):
            while len(taken) < self._batch:
                taken.append(waiting.popleft())
        if waiting:
            self._some.set()
            if len(waiting) >= self._batch:
                self._enough.set()
        return taken

    def _has_room(self, delivery: Delivery) -> bool:
        waiting = self._waiting
        if delivery.message.qos == 0:
            return len(waiting) < self._capacity // 2
        with contextlib.suppress(IndexError):  # the worker may empty it at the same time
            while len(waiting) >= self._capacity:
                if waiting[0].connection == delivery.connection:
                    return False
                waiting.popleft()
                self.left += 1
        return True

    def _collect(self, stop: threading.Event) -> None:
        """Wait until the batch is full, the interval is over, or a burst has run dry.

        A broker may stop sending long before our receive maximum, until we acknowledge: waiting for
        the rest of the interval would then make every burst as slow as the interval.
        """
        for _ in range(max(1, round(self._interval_s / _STEP_S))):
            before = len(self._waiting)
            if before >= self._batch or stop.is_set():
                return
            self._enough.wait(min(_STEP_S, self._interval_s))
            if before >= _BURST and len(self._waiting) == before:
                return
