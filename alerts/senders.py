"""Threads that send: a few for each channel, so that a dead channel holds up nobody else.

What is leased waits in a priority queue of its channel: red overtakes what waits, and the real
thing a drill, but nothing overtakes what is under way.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Mapping

import structlog

from alerts.channels.base import Channel
from alerts.dispatch import Claimed

log = structlog.get_logger()


class Senders:
    """Runs `send(row)` on the threads of the row's channel.

    Args:
        channels: By name; `concurrency` threads each.
        send: Sends one row; what it raises is a bug, and ends no thread.
    """

    def __init__(self, channels: Mapping[str, Channel], send: Callable[[Claimed], None]) -> None:
        self._send = send
        self._order = itertools.count()
        self._queues: dict[str, queue.PriorityQueue[tuple[bool, int, int, Claimed | None]]] = {}
        self._threads: list[threading.Thread] = []
        for name, channel in channels.items():
            self._queues[name] = queue.PriorityQueue()
            self._threads += [
                threading.Thread(target=self._run, args=(name,), name=f"send-{name}", daemon=True)
                for _ in range(channel.concurrency)
            ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def submit(self, row: Claimed) -> None:
        """Have *row* sent: worst first, then in order; a drill after everything that is real."""
        key = (row.note.exercise, -row.urgency, next(self._order))
        self._queues[row.channel].put((*key, row))

    def stop(self) -> list[Claimed]:
        """End after what is under way; return what was not begun."""
        left = []
        for waiting in self._queues.values():
            while True:
                try:
                    row = waiting.get_nowait()[-1]
                except queue.Empty:
                    break
                if row is not None:
                    left.append(row)
        for thread in self._threads:
            waiting = self._queues[thread.name.removeprefix("send-")]
            waiting.put((False, -100, next(self._order), None))
        return left

    def _run(self, name: str) -> None:
        while True:
            row = self._queues[name].get()[-1]
            if row is None:
                return
            try:
                self._send(row)
            except Exception:
                log.exception("sending failed; the thread goes on", channel=name)
