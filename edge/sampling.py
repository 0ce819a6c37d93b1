"""Sampling: at most one reading a series and interval; what leaves here is *produced*.

A measured value leaves as the last good one of its interval, with the extremes and the number of
all that were seen; a slow quantity (dust, CO2, climate) as the mean of its interval. With a
deadband a calm value that does not change leaves only at its heartbeat. States, alarm bits and
counters of people leave at once when they change, and once an interval as a sign of life. Pure: run
milliseconds come from the caller.
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


# Quantities that are worth a mean: what their sensors scatter around it is noise.
SLOW = frozenset(
    {
        Quantity.PM1,
        Quantity.PM2_5,
        Quantity.PM10,
        Quantity.CARBON_DIOXIDE,
        Quantity.TEMPERATURE,
        Quantity.HUMIDITY,
    }
)
# A heartbeat stays well below the silence after which the hub misses the sensor (30 s, or three
# intervals; `core.community.gap_ms`).
_HEARTBEAT_S, _HEARTBEAT_INTERVALS = 20.0, 2
_MEAN_DECIMALS = 4


class Sampler:
    """Thins one series out.

    Args:
        interval_s: Run seconds between two readings.
        event: True for quantities whose changes leave at once.
        mean: True for quantities of which the mean leaves.
        deadband: Calm changes up to this don't leave before the heartbeat; 0 for none.
        heartbeat_s: Longest pause of a deadband, run seconds; 0 for the usual one.
    """

    def __init__(
        self,
        interval_s: float,
        *,
        event: bool,
        mean: bool = False,
        deadband: float = 0.0,
        heartbeat_s: float = 0.0,
    ) -> None:
        self._mean = mean
        self._deadband = deadband
        usual_s = max(_HEARTBEAT_S, _HEARTBEAT_INTERVALS * interval_s)
        self._heartbeat_ms = 1000 * (heartbeat_s or usual_s)
        self._sent_ms = 0
        self._interval_ms = interval_s * 1000
        self._event = event
        self._due_ms = float("-inf")
        self._sent: Reading | None = None
        self._sync = True
        self._window = _Window()
        self.masked_bad = 0

    def offer(
        self,
        reading: Reading,
        elapsed_ms: int,
        *,
        sync: bool = True,
        at_once: bool = False,
        calm: bool = False,
    ) -> Reading | None:
        """Take a reading in; return the one that leaves now, if one does.

        *at_once* makes it leave whatever the interval says (it crosses a local limit). *calm* says
        that no limit is reached: only then a deadband holds anything back. Times before and after
        the clock became trusted (*sync*) are never mixed in one interval.
        """
        if sync != self._sync:
            self._window, self._sync = _Window(), sync
        self._window.add(reading)
        at_once = at_once or self._changed(reading)
        if not at_once and elapsed_ms < self._early_ms():
            return None
        if not at_once and calm and self._is_unchanged(elapsed_ms):
            return None
        alone = at_once or self._event
        leaving = self._window.last() if alone else self._window.result(mean=self._mean)
        if leaving.quality is Quality.GOOD:
            self.masked_bad += self._window.not_good
        self._window = _Window()
        on_grid = not at_once and self._sent is not None
        grid_ms = self._due_ms if on_grid else elapsed_ms
        self._due_ms = max(grid_ms + self._interval_ms, elapsed_ms + _SHORTEST * self._interval_ms)
        self._sent, self._sent_ms = leaving, elapsed_ms
        return leaving

    def _is_unchanged(self, elapsed_ms: int) -> bool:
        """Tell whether everything since the last reading stayed within the deadband of it."""
        sent = self._sent
        if not self._deadband or sent is None or sent.value is None:
            return False
        if elapsed_ms - self._sent_ms >= self._heartbeat_ms - _EARLY * self._interval_ms:
            return False
        return sent.quality is Quality.GOOD and self._window.within(sent.value, self._deadband)

    def _early_ms(self) -> float:
        return self._due_ms - _EARLY * self._interval_ms

    def _changed(self, reading: Reading) -> bool:
        if not self._event:
            return False
        sent = self._sent
        return sent is None or (reading.value, reading.quality) != (sent.value, sent.quality)


class _Window:
    """What came in since the last reading left."""

    __slots__ = ("_good", "_last", "_maximum", "_minimum", "_sum", "_usable", "not_good", "total")

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._good: Reading | None = None
        self._minimum: float | None = None
        self._maximum: float | None = None
        self._usable = 0
        self._sum = 0.0  # of the good ones
        self.not_good = 0
        self.total = 0

    def add(self, reading: Reading) -> None:
        """Take one reading in."""
        self.total += 1
        if reading.quality is Quality.GOOD:
            self._good = reading
            self._sum += reading.value or 0.0
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

    def within(self, value: float, deadband: float) -> bool:
        """Tell whether all readings were good and none was farther from *value*."""
        if self.not_good or self._minimum is None or self._maximum is None:
            return False
        return value - deadband <= self._minimum and self._maximum <= value + deadband

    def result(self, *, mean: bool) -> Reading:
        """Return the last good reading, or the newest one where half or more were not good.

        With *mean* its value is the mean of the good ones.
        """
        mostly_good = self._good is not None and 2 * self.not_good < self.total
        chosen = self._good if mostly_good and self._good is not None else self.last()
        if self._usable < 2 or chosen.quality is Quality.BAD:
            return chosen
        if mean and chosen.quality is Quality.GOOD:
            average = round(self._sum / (self.total - self.not_good), _MEAN_DECIMALS)
            chosen = msgspec.structs.replace(chosen, value=average)
        return msgspec.structs.replace(
            chosen, minimum=self._minimum, maximum=self._maximum, count=self._usable
        )
