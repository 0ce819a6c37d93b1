"""Server-sent events: a bounded fan-out to open pages, with a short memory for those that return.

A slow page never slows the feed: each listener has a bounded queue and loses its oldest event. It
is told so (`resync`), because a page that missed a change must not go on as if nothing was.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

# One event a pack and a second, a handful of stations: about a minute of memory.
REMEMBERED = 256
# What one page may lag behind before it loses its oldest event.
QUEUED = 128


class Event(NamedTuple):
    """One event: its number within this hub, its name, and its data (JSON-able)."""

    number: int
    name: str
    data: dict[str, Any]


class Listener:
    """One open page. `take` returns what waits; `lost` counts what it was too slow for."""

    def __init__(self, wake: Callable[[], None], size: int = QUEUED) -> None:
        self._wake = wake
        self._queue: deque[Event] = deque(maxlen=size)
        self._guard = threading.Lock()
        self.lost = 0
        self.closed = False

    def put(self, event: Event) -> None:
        """Append *event*; the oldest one falls out of a full queue and is counted."""
        with self._guard:
            self.lost += len(self._queue) == self._queue.maxlen
            self._queue.append(event)
        self._wake()

    def take(self) -> tuple[list[Event], int]:
        """Return everything that waits and how many events were lost since the last call."""
        with self._guard:
            waiting, lost = list(self._queue), self.lost
            self._queue.clear()
            self.lost = 0
        return waiting, lost

    def close(self) -> None:
        """End the stream of this page."""
        self.closed = True
        self._wake()


class EventHub:
    """Hands each event to every open page and remembers the last ones.

    Args:
        generation: Text that is new for each start of the program; part of every event id, so that
            an id of an earlier start is never mistaken for one of ours.
    """

    def __init__(self, generation: str, remembered: int = REMEMBERED) -> None:
        self.generation = generation
        self._guard = threading.Lock()
        self._number = 0
        self._memory: deque[Event] = deque(maxlen=remembered)
        self._listeners: list[Listener] = []
        self._closed = False

    def publish(self, name: str, data: dict[str, Any]) -> None:
        """Give an event to every open page."""
        with self._guard:
            self._number += 1
            event = Event(self._number, name, data)
            self._memory.append(event)
            for listener in self._listeners:  # under the guard, so that every page sees one order
                listener.put(event)

    def listen(self, wake: Callable[[], None], last_id: str = "") -> tuple[Listener, bool]:
        """Open a stream.

        Args:
            wake: Called from any thread when something waits; must return at once.
            last_id: The `Last-Event-ID` of a page that comes back.

        Returns:
            The listener, already holding what the page missed, and True if nothing is missing.
        """
        listener = Listener(wake)
        with self._guard:
            missed = self._missed(last_id)
            for event in missed or ():
                listener.put(event)
            self._listeners.append(listener)
            if self._closed:
                listener.close()
        return listener, missed is not None

    def _missed(self, last_id: str) -> list[Event] | None:
        """Return the events after *last_id*, None if they are not all remembered any more."""
        generation, _, text = last_id.rpartition(".")
        if generation != self.generation or not text.isdecimal():
            return None
        last = int(text)
        missed = [event for event in self._memory if event.number > last]
        if last > self._number or len(missed) != self._number - last or len(missed) > QUEUED:
            return None
        return missed

    def event_id(self, number: int) -> str:
        """Return the id under which a page may resume after event *number*."""
        return f"{self.generation}.{number}"

    @property
    def number(self) -> int:
        """Number of the newest event."""
        with self._guard:
            return self._number

    def drop(self, listener: Listener) -> None:
        """Forget a page that has gone."""
        with self._guard:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def close(self) -> None:
        """End every stream, so that the server can stop; later ones end at once."""
        with self._guard:
            self._closed = True
            listeners = list(self._listeners)
        for listener in listeners:
            listener.close()

    @property
    def listeners(self) -> int:
        """How many pages are open."""
        with self._guard:
            return len(self._listeners)
