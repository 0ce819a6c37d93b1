"""Asking a vendor afterwards what became of what it accepted, until it knows or it is too late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from core.clock import Clock

log = structlog.get_logger()

# More are not followed: the oldest are let go, as after a restart.
MOST = 500
_TICK_S = 0.5


@dataclass(slots=True)
class Pending:
    """One thing that was accepted.

    Attributes:
        id: The vendor's, of the call or message.
        notification, contact: Whose.
        number: To whom it went.
        began_s: When, wall seconds since the epoch.
        code: What a pressed key takes over; "" if nothing, or when it is done.
        asked: How often it was asked for.
        due_s: When it is asked for next, steady seconds.
    """

    id: str
    notification: str
    contact: str
    number: str
    began_s: int
    code: str = ""
    asked: int = 0
    due_s: float = 0.0


class FollowUps:
    """Asks, on a thread of its own.

    Args:
        name: Of the channel.
        ask: (what, now in wall seconds) asks once; True if nothing more will come.
        clock: For the pauses.
        first_s, longest_s: First pause and longest, doubling, wall seconds.
        until_s: When it is too late, wall seconds after it was accepted.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[Pending, int], bool],
        clock: Clock,
        *,
        first_s: float,
        longest_s: float,
        until_s: float,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._first_s, self._longest_s, self._until_s = first_s, longest_s, until_s
        self._lock = threading.Lock()
        self._pending: list[Pending] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what is pending is let go."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def add(self, pending: Pending) -> None:
        """Follow one more."""
        pending.due_s = self._clock.monotonic_s() + self._first_s
        with self._lock:
            self._pending.append(pending)
            del self._pending[:-MOST]

    def ask(self, now_s: int, *, due_only: bool = False) -> None:
        """Ask once after each (that is due)."""
        steady_s = self._clock.monotonic_s()
        with self._lock:
            found = [one for one in self._pending if not due_only or steady_s >= one.due_s]
        for pending in found:
            if self._stop.is_set():
                return
            done = self._asked(pending, now_s) or now_s - pending.began_s > self._until_s
            pending.asked += 1
            pause_s = min(self._first_s * 2 ** min(pending.asked, 16), self._longest_s)
            pending.due_s = steady_s + pause_s
            if done:
                with self._lock:
                    self._pending = [one for one in self._pending if one is not pending]

    def _asked(self, pending: Pending, now_s: int) -> bool:
        try:
            return self._ask(pending, now_s)
        except Exception as error:  # noqa: BLE001  # the next question may succeed, others must be asked
            log.error("asking a vendor failed", error=type(error).__name__)  # noqa: TRY400
            return False

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            self.ask(self._clock.wall_ms() // 1000, due_only=True)
