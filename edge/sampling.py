"""Sampling: at most one reading a series and interval; what leaves here is *produced*.

A measured value leaves as the last good one of its interval, with the extremes and the number of
all that were seen. States, alarm bits and counters of people leave at once when they change, and
once an interval as a sign of life. Pure: run milliseconds come from the caller.
"""

from __future__ import annotations

import msgspec

from core.quality import Quality
from core.quantity import Quantity
from core.reading import Reading

# Quantities whose every change matters at once.
EVENTS = frozenset(
    {
        Quantity.CONTACT,
        Quantity.ALARM_INPUT,
        Quantity.PEOPLE_IN,
        Quantity.PEOPLE_OUT,
        Quantity.PEOPLE_COUNT,
        Quantity.OCCUPANCY,
    }
)
# A frame that comes a little early (jitter of sender and thread) still fills its interval; the
# interval's grid keeps the long-run rate at one.
_EARLY = 0.1
_SHORTEST = 0.8


class Sampler:
    """Thins one series out.

    Args:
        interval_s: Run seconds between two readings.
        event: True for quantities whose changes leave at once.
    """

    def __init__(self, interval_s: float, *, event: bool) -> None:
        self._interval_ms = interval_s * 1000
        self._event = event
        self._due_ms = float("-inf")
        self._sent: Reading | None = None
        self._sync = True
        self._window = _Window()
        self.masked_bad = 0

    def offer(
        self, reading: Reading, elapsed_ms: int, *, sync: bool = True, at_once: bool = False
    ) -> Reading | None:
        """Take a reading in; return the one that leaves now, if one does.

        *at_once* makes it leave whatever the interval says (it crosses a local limit). Times before
        and after the clock became trusted (*sync*) are never mixed in one interval.
        """
        if sync != self._sync:
            self._window, self._sync = _Window(), sync
        self._window.add(reading)
        at_once = at_once or self._changed(reading)
        if not at_once and elapsed_ms < self._early_ms():
            return None
        alone = at_once or self._event
        leaving = self._window.last() if alone else self._window.result()
        if leaving.quality is Quality.GOOD:
            self.masked_bad += self._window.not_good
        self._window = _Window()
        on_grid = not at_once and self._sent is not None
        grid_ms = self._due_ms if on_grid else elapsed_ms
        self._due_ms = max(grid_ms + self._interval_ms, elapsed_ms + _SHORTEST * self._interval_ms)
        self._sent = leaving
        return leaving

    def _early_ms(self) -> float:
        return self._due_ms - _EARLY * self._interval_ms

    def _changed(self, reading: Reading) -> bool:
        if not self._event:
            return False
        sent = self._sent
        return sent is None or (reading.value, reading.quality) != (sent.value, sent.quality)


class _Window:
    """What came in since the last reading left."""

    __slots__ = ("_good", "_last", "_maximum", "_minimum", "_usable", "not_good", "total")

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._good: Reading | None = None
        self._minimum: float | None = None
        self._maximum: float | None = None
        self._usable = 0
        self.not_good = 0
        self.total = 0

    def add(self, reading: Reading) -> None:
        """Take one reading in."""
        self.total += 1
        if reading.quality is Quality.GOOD:
            self._good = reading
        else:
            self.not_good += 1
        self._last = reading
        value = reading.value
        if value is None or reading.quality is Quality.BAD:
            return
        self._usable += 1
        self._minimum = value if self._minimum is None else min(self._minimum, value)
        self._maximum = value if self._maximum is None else max(self._maximum, value)

    def last(self) -> Reading:
        """Return the newest reading, alone."""
        assert self._last is not None
        return self._last

    def result(self) -> Reading:
        """Return the last good reading, or the newest one where half or more were not good."""
        mostly_good = self._good is not None and 2 * self.not_good < self.total
        chosen = self._good if mostly_good and self._good is not None else self.last()
        if self._usable < 2 or chosen.quality is Quality.BAD:
            return chosen
        return msgspec.structs.replace(
            chosen, minimum=self._minimum, maximum=self._maximum, count=self._usable
        )
