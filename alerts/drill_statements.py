"""Says on MQTT which drill runs, and says again what may have been lost on the way."""

from __future__ import annotations

from collections.abc import Callable

from alerts.drill import Drill
from core.clock import Clock
from core.drill import DrillStatement
from core.topics import REFRESH_S


class DrillStatements:
    """States drills; whoever holds it takes care that one thread at a time calls it.

    Args:
        state: States one on MQTT; False if there is no link.
        clock: For the pause between two statements.
    """

    def __init__(self, state: Callable[[DrillStatement], bool], clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._unsaid: DrillStatement | None = None
        self._said_s = float("-inf")

    def say(self, statement: DrillStatement) -> None:
        """State it now; without a link, with the next `repeat`."""
        self._unsaid = None if self._state(statement) else statement
        self._said_s = self._clock.monotonic_s()

    def again(self) -> None:
        """Let the next `repeat` say which drill runs, whenever that was said. From any thread."""
        self._said_s = float("-inf")

    def repeat(self, running: Drill | None) -> None:
        """Say again what could not be said, and every minute which drill runs."""
        if self._unsaid is not None:
            self.say(self._unsaid)
        elif running is not None and self._clock.monotonic_s() - self._said_s >= REFRESH_S:
            self.say(running.statement)
