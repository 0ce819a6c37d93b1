"""The dead man's switch outside: an address elsewhere that is called while all is well.

Whoever runs it (healthchecks.io, another hub, a cron job) calls people when the calls stop: the one
alarm that this house can't raise by itself. Nothing is ever said about what is wrong, because what
is wrong is likely to stop that very message.
"""

from __future__ import annotations

from alerts.channels.base import Outcome
from alerts.channels.entry import ChannelEntry, ChannelError, read_secret
from alerts.channels.post import Poster
from alerts.delivery import WatchdogEntry
from core.clock import Clock

# Calls in a row without an answer until the link to the outside is said to be down.
LOST_AFTER = 5
_TIMEOUT_S = 10.0


class Watchdog:
    """Calls the address; not more often than every `every_s`.

    Args:
        entry: Where.
        clock: For the wall time between two calls.

    Raises:
        ChannelError: The address can't be used.
    """

    def __init__(self, entry: WatchdogEntry, clock: Clock) -> None:
        self._clock = clock
        self._every_s = entry.every_s
        self._get = entry.method == "get"
        self._due_s = float("-inf")
        self._failures = 0
        self._poster: Poster | None = None
        if entry.url_file:
            source = ChannelEntry(name="watchdog", kind="watchdog", secret_file=entry.url_file)
            try:
                self._poster = Poster(
                    read_secret(source),
                    allow_private=entry.allow_private,
                    timeout_s=_TIMEOUT_S,
                )
            except ChannelError as error:
                raise ChannelError(f"watchdog: {error}") from error

    @property
    def lost(self) -> bool:
        """True if it has not answered for several calls: the way outside is down."""
        return self._failures >= LOST_AFTER

    def call(self) -> None:
        """All is well: call if it is time."""
        now_s = self._clock.monotonic_s()
        if self._poster is None or now_s < self._due_s:
            return
        self._due_s = now_s + self._every_s
        answer = self._poster.get({}) if self._get else self._poster.post(b"", {})
        well = not isinstance(answer, Outcome) and 200 <= answer.status < 300
        self._failures = 0 if well else self._failures + 1

    def close(self) -> None:
        """Close the connection."""
        if self._poster is not None:
            self._poster.close()
