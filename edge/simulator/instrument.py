"""From true values to a device's own words: mounting, zero offset, polarity, noise, units.

The mapping is read from the driver's facts (its fields with name, unit and quantity), so a new
driver needs no line here. What the device then does to a number (resolution, clamping, checksum)
is the driver's `encode`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from core.community import SensorEntry
from core.quantity import FACTS, Quantity, factor_to_canonical
from edge.drivers import make_driver
from edge.drivers.base import Driver, DriverError, Value
from edge.simulator.noise import gauss

# Standard deviation of a single reading in canonical units. Ultrasonic: 1 to 2 mm of jitter even on
# a dry road (hardware reference, 8). The others are this project's choices near the resolution of
# the devices; what a data sheet states is mostly the much larger absolute error, which is constant
# for one device and therefore no noise.
NOISE: dict[Quantity, float] = {
    Quantity.WATER_LEVEL: 0.0008,
    Quantity.DISTANCE: 0.0012,
    Quantity.RAIN_RATE: 0.0,
    Quantity.SMOKE_OBSCURATION: 0.0012,
    Quantity.SMOKE_INDEX: 1.5,
    Quantity.CARBON_MONOXIDE: 0.12,
    Quantity.CARBON_DIOXIDE: 4.0,
    Quantity.PM1: 0.8,
    Quantity.PM2_5: 1.0,
    Quantity.PM10: 1.5,
    Quantity.TEMPERATURE: 0.06,
    Quantity.HUMIDITY: 0.4,
    Quantity.VOLTAGE: 0.01,
}
# Quantities that a device can't report below zero.
_NOT_NEGATIVE = frozenset(
    {
        Quantity.RAIN_RATE,
        Quantity.SMOKE_OBSCURATION,
        Quantity.SMOKE_INDEX,
        Quantity.CARBON_MONOXIDE,
        Quantity.PM1,
        Quantity.PM2_5,
        Quantity.PM10,
    }
)

Truthful = Callable[[SensorEntry, Quantity, float], "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A value for a sensor, in the canonical unit.

    Attributes:
        value: The value.
        exact: True if it comes from a recording: it has a real sensor's noise already.
    """

    value: float
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """How one quantity of a sensor is said in the device's words.

    Attributes:
        quantity: Canonical quantity of the sensor's entry.
        name: Name of the device's value.
        unit: Its unit.
        says: Quantity that the device itself measures (an air gap for a level).
        whole: True if the device's value is a whole number or a bit.
    """

    quantity: Quantity
    name: str
    unit: str
    says: Quantity
    whole: bool


def driver_of(entry: SensorEntry) -> Driver:
    """Return a fresh driver for a sensor's entry, configured as the station configures it.

    Raises:
        DriverError: There is no such driver, or it can't be configured like this.
    """
    return make_driver(entry.driver, {"address": entry.address, **entry.options})


def words_of(entry: SensorEntry, driver: Driver) -> tuple[Word, ...]:
    """Return the words for every quantity of a sensor.

    Raises:
        DriverError: The device has no value for one of them.
    """
    return tuple(_word(entry, driver, quantity) for quantity in entry.quantities)


def _word(entry: SensorEntry, driver: Driver, quantity: Quantity) -> Word:
    fields = driver.facts.fields
    if entry.measure and quantity is entry.quantity:
        known = [field for field in fields if field.name == entry.measure]
        unit = known[0].unit if known else FACTS[quantity].wire_unit
        return Word(quantity, entry.measure, unit, quantity, _is_whole(quantity))
    wanted = quantity
    if quantity is Quantity.WATER_LEVEL and entry.mount_height_m is not None:
        wanted = Quantity.DISTANCE
    for field in fields:
        if field.quantity is wanted:
            return Word(quantity, field.name, field.unit, wanted, _is_whole(quantity))
    if not fields:
        return Word(quantity, str(quantity), FACTS[quantity].wire_unit, wanted, _is_whole(quantity))
    raise DriverError(
        f"sensor {entry.id}: driver {entry.driver} sends no {wanted}; "
        f"expected measure = one of {', '.join(field.name for field in fields)}"
    )


def say(entry: SensorEntry, word: Word, sample: Sample, seed: int, t_s: float) -> tuple[str, Value]:
    """Return the device's name and value for one true value at *t_s*.

    Noise belongs to the interval of the sensor in which *t_s* lies, so that the same instant always
    reads the same, however often it is asked for.
    """
    value = sample.value
    if not sample.exact:
        index = floor(t_s / entry.interval_s)
        jitter = gauss(seed, f"{entry.id}/{word.quantity}", index)
        value += NOISE.get(word.says, 0.0) * jitter
        if word.quantity in _NOT_NEGATIVE:
            value = max(0.0, value)
    if word.says is Quantity.DISTANCE and word.quantity is Quantity.WATER_LEVEL:
        assert entry.mount_height_m is not None
        value = entry.mount_height_m - value
    elif word.quantity is Quantity.WATER_LEVEL:
        value += entry.zero_offset_m
    if word.whole:
        count = floor(value + 1e-9)
        return word.name, (1 - min(1, count)) if entry.invert else count
    return word.name, value / factor_to_canonical(word.says, word.unit)


def _is_whole(quantity: Quantity) -> bool:
    return FACTS[quantity].unit in ("1", "{count}", "{person}")
