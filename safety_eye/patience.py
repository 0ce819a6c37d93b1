"""How much of the hub a client of the page may hold: so many connections, each for so long.

The process that serves the page is the one that tells people. Connections that are opened and say
nothing would take its file descriptors one by one, until no message could leave any more.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# Open connections in all: more than the streams of `dashboards.console.api` and what pages fetch
# beside them, and half of the 1,024 files that Linux gives a process by default.
MOST_CONNECTIONS = 512
# Seconds after which who still owes us the rest of a request is asked no more (between this and
# twice as long; a register of 2 MB needs as much over a bad line).
PATIENCE_S = 30.0


class Patience(H11Protocol):
    """HTTP/1.1 of uvicorn, with an end to waiting."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._seen: object = self
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._look = self.loop.call_later(PATIENCE_S, self._look_again)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        """Close it if it owed us the same request when we looked last."""
        owes = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        if owes and self._seen is self.cycle:
            self.transport.abort()
            return
        self._seen = self.cycle if owes else self
        self._look = self.loop.call_later(PATIENCE_S, self._look_again)
