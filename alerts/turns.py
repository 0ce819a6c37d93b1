"""A lock whose waiters get their turn in the order in which they came.

SQLite's own busy handler polls and is not fair: while a flood of findings is being written, the
outbox worker could wait for seconds until it may note what was sent. Within a program the writers
queue here instead; between programs SQLite decides.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import TimeoutError as DatabaseTimeoutError


class Turns:
    """Gives turns; not re-entrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    @contextmanager
    def turn(self, timeout_s: float) -> Iterator[None]:
        """Hold the lock for the length of the block.

        Raises:
            DatabaseTimeoutError: It did not become free in time.
        """
        self._take(timeout_s)
        try:
            yield
        finally:
            with self._guard:
                if self._waiting:
                    self._waiting.popleft().set()  # handed over: it stays held
                else:
                    self._held = False

    def _take(self, timeout_s: float) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(timeout_s):
            return
        with self._guard:
            if mine not in self._waiting:
                return  # it was handed over at the last moment
            self._waiting.remove(mine)
        raise DatabaseTimeoutError(f"no turn to write for {timeout_s:g} s")
