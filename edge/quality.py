"""Quality at the source: what a value is worth, judged per series, before it leaves the station.

```
driver's verdict ─▶ finite? ─▶ range ─▶ blind zone after a rise ─▶ rate ─▶ stuck ─▶ this place
  ─▶ warming up ─▶ air temperature known? ─▶ verdict
```

Worse wins, reasons add up. Durations are run milliseconds of a clock that never jumps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import inf, isfinite
from typing import NamedTuple

from core.community import SensorEntry
from core.quality import AT_LEAST, Quality, Reason
from core.quantity import FACTS, Danger, Quantity
from edge.drivers.base import Measurement
from edge.stuck import StuckGuard, stuck_rule

# Fastest change that physics allows, canonical units a second (hardware notes 8, rule 4): a level
# of 300 mm/s and CO2 of 2000 ppm/s are impossible.
FASTEST_PER_S: Mapping[Quantity, float] = {
    Quantity.WATER_LEVEL: 0.3,
    Quantity.CARBON_DIOXIDE: 2000.0,
}
# Change that is allowed in no time at all: noise, waves between two echoes; canonical units.
_SLACK: Mapping[Quantity, float] = {Quantity.WATER_LEVEL: 0.05, Quantity.CARBON_DIOXIDE: 200.0}
# An impossible jump is believed once so many frames in a row, over this time, agree with each
# other: the frame before was the wrong one, or something stands under the sensor for good.
_AGREEING_FRAMES = 3
_AGREEING_MS = 3000
# Water that rose by this much over the last samples is rising (three times an ultrasonic's jitter).
_RISING_M = 0.01
_TREND_STEP_MS = 5000
_TREND_SAMPLES = 12
# Nearest distance that any supported ultrasonic sensor still measures, with a margin (JSN-SR04T and
# AJ-SR04M: 200 to 250 mm): no echo from nearer than this after a rise means "too near".
_BLIND_ZONE_M = 0.35
_NO_ECHO = frozenset({Reason.NO_TARGET, Reason.RANGE, Reason.BLIND_ZONE})
_ORDER = {Quality.GOOD: 0, Quality.UNCERTAIN: 1, Quality.BAD: 2}


class Verdict(NamedTuple):
    """A value in the canonical unit and what it is worth.

    Attributes:
        value: Finite, or None (then bad).
        quality, reasons: See `core.quality`.
    """

    value: float | None
    quality: Quality = Quality.GOOD
    reasons: tuple[Reason, ...] = ()

    @property
    def at_least(self) -> bool:
        """True when the true value is at least this bad."""
        return any(reason in AT_LEAST for reason in self.reasons)

    def worse(self, quality: Quality, reason: Reason) -> Verdict:
        """Return this verdict, not better than *quality*, with one more reason."""
        worst = max(self.quality, quality, key=_ORDER.__getitem__)
        reasons = self.reasons if reason in self.reasons else (*self.reasons, reason)
        return Verdict(self.value, worst, reasons)


class Inspector:
    """Judges one series.

    Args:
        entry: The sensor.
        quantity: Which of its quantities.
        warm_up_s: Run seconds after power-up in which values are not to be believed.
        warm: True if opening the port does not power the sensor up.
    """

    def __init__(
        self, entry: SensorEntry, quantity: Quantity, *, warm_up_s: float = 0.0, warm: bool = False
    ) -> None:
        self._quantity = quantity
        self._facts = FACTS[quantity]
        self._warm_up_ms = round(warm_up_s * 1000)
        self._warm = warm
        self._awaits_power_up = not warm
        self._cold_since_ms: int | None = None
        self._rate = _RateGuard(quantity, entry.max_rate_per_s)
        self._stuck = StuckGuard(stuck_rule(entry, quantity))
        low, high = entry.believable_low, entry.believable_high
        self._believable = (-inf if low is None else low, inf if high is None else high)
        air_gap = quantity is Quantity.WATER_LEVEL and entry.mount_height_m is not None
        self._blind = _BlindZone(entry.mount_height_m or 0.0) if air_gap else None

    def powered(self) -> None:
        """The port was opened: the sensor may have been without power."""
        self._awaits_power_up = not self._warm

    def restarted(self) -> None:
        """The device itself says that it has just started."""
        self._awaits_power_up = True

    def inspect(
        self, measurement: Measurement, elapsed_ms: int, *, air_known: bool = True
    ) -> Verdict:
        """Return what the measurement (canonical unit) is worth.

        *air_known* is False where the temperature that corrects an echo is missing or old.
        """
        if self._awaits_power_up:
            self._awaits_power_up = False
            self._cold_since_ms = elapsed_ms
        verdict = self._in_range(_finite(measurement))
        if self._blind is not None:
            verdict = self._blind.judge(verdict, elapsed_ms)
        if not verdict.at_least:
            verdict = self._rate.judge(verdict, elapsed_ms)
        verdict = self._in_place(verdict, elapsed_ms)
        if self._is_cold(elapsed_ms):
            verdict = verdict.worse(Quality.UNCERTAIN, Reason.WARMING_UP)
        if self._blind is not None and verdict.quality is Quality.GOOD:
            self._blind.remember(verdict, elapsed_ms)
        if self._blind is not None and not air_known:
            verdict = verdict.worse(Quality.UNCERTAIN, Reason.UNCOMPENSATED)
        return verdict

    def _in_place(self, verdict: Verdict, elapsed_ms: int) -> Verdict:
        """Judge by what stands still, and by what is possible at this place.

        Only uncertain: a stuck or strange reading beyond a limit must not look like calm.
        """
        value = None if verdict.quality is Quality.BAD or verdict.at_least else verdict.value
        if self._stuck.stands_still(value, elapsed_ms):
            verdict = verdict.worse(Quality.UNCERTAIN, Reason.STUCK)
        if value is not None and not self._believable[0] <= value <= self._believable[1]:
            verdict = verdict.worse(Quality.UNCERTAIN, Reason.RANGE)
        return verdict

    def _in_range(self, verdict: Verdict) -> Verdict:
        value, facts = verdict.value, self._facts
        if value is None or facts.lowest <= value <= facts.highest:
            return verdict
        dangerous = value > facts.highest and facts.danger in (Danger.HIGH, Danger.BOTH)
        if dangerous and verdict.quality is not Quality.BAD:
            return Verdict(facts.highest, verdict.quality, verdict.reasons).worse(
                Quality.UNCERTAIN, Reason.SATURATED
            )
        return verdict.worse(Quality.BAD, Reason.RANGE)

    def _is_cold(self, elapsed_ms: int) -> bool:
        since = self._cold_since_ms
        if since is None or not self._warm_up_ms:
            return False
        return elapsed_ms - since < self._warm_up_ms


def _finite(measurement: Measurement) -> Verdict:
    """Return the driver's verdict; NaN, infinity and texts never leave."""
    value = measurement.value
    quality, reasons = measurement.quality, measurement.reasons
    if isinstance(value, bool | int | float) and isfinite(value):
        return Verdict(float(value), quality, reasons)
    verdict = Verdict(None, quality, reasons)
    reason = Reason.MISSING if value is None else Reason.DEVICE_FAULT
    return verdict.worse(Quality.BAD, reasons[0] if reasons else reason)


class _RateGuard:
    """Refuses jumps that physics forbids, until they have proved to be lasting."""

    def __init__(self, quantity: Quantity, own_per_s: float | None = None) -> None:
        self._fastest = own_per_s or FASTEST_PER_S.get(quantity)
        # Where the noise of a quantity is not known: what it may change by in one second.
        self._slack = _SLACK.get(quantity, self._fastest or 0.0)
        self._last: tuple[int, float] | None = None
        self._suspect: tuple[int, float] | None = None
        self._suspect_since_ms = 0
        self._agreeing = 0

    def judge(self, verdict: Verdict, elapsed_ms: int) -> Verdict:
        value = verdict.value
        if self._fastest is None or value is None or verdict.quality is Quality.BAD:
            return verdict
        if self._last is None or self._possible(self._last, elapsed_ms, value):
            self._accept(elapsed_ms, value)
            return verdict
        if self._suspect is None or not self._possible(self._suspect, elapsed_ms, value):
            self._suspect_since_ms, self._agreeing = elapsed_ms, 0
        self._suspect = (elapsed_ms, value)
        self._agreeing += 1
        lasting = elapsed_ms - self._suspect_since_ms >= _AGREEING_MS
        if self._agreeing >= _AGREEING_FRAMES and lasting:
            self._accept(elapsed_ms, value)
            return verdict
        return verdict.worse(Quality.BAD, Reason.RATE)

    def _possible(self, last: tuple[int, float], elapsed_ms: int, value: float) -> bool:
        seconds = max(elapsed_ms - last[0], 0) / 1000
        return abs(value - last[1]) <= (self._fastest or 0.0) * seconds + self._slack

    def _accept(self, elapsed_ms: int, value: float) -> None:
        self._last = (elapsed_ms, value)
        self._suspect = None
        self._agreeing = 0


class _BlindZone:
    """Tells water that came too near from a sensor that is covered or hears nothing.

    Decided at the first reading without a proper echo; holds until the next good one.
    """

    def __init__(self, mount_height_m: float) -> None:
        self._mount_height_m = mount_height_m
        self._trend: deque[tuple[int, float]] = deque(maxlen=_TREND_SAMPLES)
        self._last: tuple[int, float] | None = None
        self._submerged: bool | None = None

    def remember(self, verdict: Verdict, elapsed_ms: int) -> None:
        """Take note of a good level."""
        assert verdict.value is not None
        self._last = (elapsed_ms, verdict.value)
        self._submerged = None
        if not self._trend or elapsed_ms - self._trend[-1][0] >= _TREND_STEP_MS:
            self._trend.append(self._last)

    def judge(self, verdict: Verdict, elapsed_ms: int) -> Verdict:
        """Return "at least the last level" for silence after a rise, bad for a covered sensor."""
        if verdict.quality is Quality.GOOD or not any(one in _NO_ECHO for one in verdict.reasons):
            return verdict
        if self._submerged is None:
            self._submerged = self._was_near() or (
                Reason.BLIND_ZONE in verdict.reasons and self._could_be(verdict, elapsed_ms)
            )
        if Reason.BLIND_ZONE in verdict.reasons:
            return verdict if self._submerged else verdict.worse(Quality.BAD, Reason.RATE)
        if not self._submerged or self._last is None:
            return verdict
        return Verdict(self._last[1], Quality.UNCERTAIN, (Reason.BLIND_ZONE,))

    def _was_near(self) -> bool:
        if self._last is None:
            return False
        gap_m = self._mount_height_m - self._last[1]
        rising = self._last[1] - self._trend[0][1] > _RISING_M
        return rising and gap_m <= _BLIND_ZONE_M

    def _could_be(self, verdict: Verdict, elapsed_ms: int) -> bool:
        """Without a past, believe the danger; else only what water could have done since."""
        if self._last is None or verdict.value is None:
            return self._last is None
        seconds = (elapsed_ms - self._last[0]) / 1000
        reach = FASTEST_PER_S[Quantity.WATER_LEVEL] * seconds + _SLACK[Quantity.WATER_LEVEL]
        return verdict.value - self._last[1] <= reach
