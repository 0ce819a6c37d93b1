"""The air between an ultrasonic sensor and the water: how fast sound is in it, and who knows.

Ten degrees more make an echo 1.7 % faster: 50 mm at 3 m, more than a blue alarm (hardware notes 2).
A sensor's entry names a temperature sensor of the same station (`air_temperature`), a fixed
temperature (`air_temperature_c`), or both: then the fixed one stands in while the other is silent.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from core.community import SensorEntry

# Air in a cellar or under a bridge changes by a few degrees an hour: a temperature of this age is
# still right within about 2 degrees, 10 mm at 3 m.
FRESH_MS = 30 * 60 * 1000
# What a thermometer in the open may say, degrees Celsius; anything else is broken.
_COLDEST_C, _HOTTEST_C = -50.0, 70.0
_ZERO_C_IN_K = 273.15


def speed_of_sound(celsius: float) -> float:
    """Return the speed of sound in dry air in m/s.

    >>> round(speed_of_sound(20), 1), round(speed_of_sound(30) / speed_of_sound(20) - 1, 3)
    (343.2, 0.017)
    """
    return 331.3 * sqrt(1 + celsius / _ZERO_C_IN_K)


class Gap(NamedTuple):
    """What the air makes of an echo.

    Attributes:
        factor: True distance / distance that the sensor says.
        known: False where the temperature is not, or no longer.
    """

    factor: float = 1.0
    known: bool = True


class Air:
    """The newest good temperature of each thermometer of the station.

    The threads of several ports write and read: each entry is replaced as a whole.
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, float]] = {}

    def note(self, sensor: str, celsius: float, elapsed_ms: int) -> None:
        """Take note of a good temperature."""
        if _COLDEST_C <= celsius <= _HOTTEST_C:
            self._newest[sensor] = (elapsed_ms, celsius)

    def gap(self, entry: SensorEntry, elapsed_ms: int) -> Gap:
        """Return what the air makes of an echo of this sensor now."""
        if not entry.air_temperature and entry.air_temperature_c is None:
            return Gap()
        newest = self._newest.get(entry.air_temperature)
        fresh = newest is not None and elapsed_ms - newest[0] <= FRESH_MS
        if newest is not None and (fresh or entry.air_temperature_c is None):
            return Gap(_factor(newest[1], entry.air_reference_c), fresh)
        if entry.air_temperature_c is not None:
            return Gap(_factor(entry.air_temperature_c, entry.air_reference_c))
        return Gap(known=False)


def _factor(celsius: float, reference_c: float) -> float:
    return speed_of_sound(celsius) / speed_of_sound(reference_c)
