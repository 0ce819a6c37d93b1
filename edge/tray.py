"""The tray: readings that wait in memory for the next pack, bounded, shared by all threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from core.reading import Reading

# What the tray holds at most: with 8 sensors at 1 Hz forty minutes of a disk that does not answer.
MOST_READINGS = 20_000


@dataclass(slots=True)
class Batch:
    """Readings of one kind of time.

    Attributes:
        sync: Was the clock trusted?
        readings: In the order in which they were made.
        alarm: True if one of them was urgent.
    """

    sync: bool
    readings: list[Reading] = field(default_factory=list)
    alarm: bool = False


class Tray:
    """Collects readings; the publisher empties it.

    Args:
        most: How many it holds at most; then the oldest is dropped, counted and declared.
        flush_at: How many make it urgent: what a killed station may lose stays bounded.

    Attributes:
        wake: Set when something urgent lies in it; other parts set it to wake the publisher, too.
    """

    def __init__(self, most: int = MOST_READINGS, flush_at: int = MOST_READINGS) -> None:
        self._most = most
        self._flush_at = flush_at
        self._lock = threading.Lock()
        self._batches: list[Batch] = []
        self._held = 0
        self._dropped = 0
        self._urgent = False
        self.wake = threading.Event()

    @property
    def urgent(self) -> bool:
        """True if something in it must not wait."""
        return self._urgent

    def add(self, reading: Reading, *, sync: bool, urgent: bool) -> None:
        """Put a reading in. When the tray is full the oldest one is dropped and counted."""
        with self._lock:
            if not self._batches or self._batches[-1].sync != sync:
                self._batches.append(Batch(sync))
            batch = self._batches[-1]
            batch.readings.append(reading)
            batch.alarm |= urgent
            self._held += 1
            urgent = urgent or self._held == self._flush_at
            self._urgent |= urgent
            if self._held > self._most:
                self._drop_oldest()
        if urgent:
            self.wake.set()

    def take(self) -> tuple[list[Batch], int]:
        """Empty the tray; return its batches and how many readings it had to drop."""
        with self._lock:
            batches, self._batches = self._batches, []
            dropped, self._dropped = self._dropped, 0
            self._held = 0
            self._urgent = False
        return batches, dropped

    def _drop_oldest(self) -> None:
        first = self._batches[0]
        del first.readings[0]
        if not first.readings:
            del self._batches[0]
        self._held -= 1
        self._dropped += 1
