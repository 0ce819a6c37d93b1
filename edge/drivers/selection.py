"""From what a device says to what a sensor's entry asks for: names, units, height, polarity.

```
Frame ─▶ the measurement the entry names ─▶ level = height - distance, or level - zero offset
                                         ─▶ inverted (normally-closed loops) ─▶ canonical unit
                                     ─▶ calibrated: slope x value + offset
```

Pure: no clock, no memory of earlier frames. Stuck values, rates and warm-up are judged by the
station's quality step, which also decides whether a blind zone came "after a rise".
"""

from __future__ import annotations

from math import isfinite, log10

import msgspec

from core.community import SensorEntry
from core.quality import Quality, Reason
from core.quantity import FACTS, Quantity, UnknownUnitError, to_canonical
from edge.drivers.base import Frame, Measurement

# A level this far below the ground means that the mounting height is wrong, or that the ground
# was washed away (m).
LOWEST_LEVEL_M = -0.05
# Units whose numbers carry no unit at all: allowed for counters, contacts and alarm bits.
_BARE = frozenset({"1", "", "bool", "count"})
# Light that is lost over a foot or a metre (detector makers write both); m.
_METRES_OF = {"%/ft": 0.3048, "%/m": 1.0}
_BARE_QUANTITIES = frozenset({"1", "{count}", "{person}"})


def select(
    frame: Frame, entry: SensorEntry, air_factor: float = 1.0
) -> list[tuple[Quantity, Measurement]]:
    """Return what *frame* contributes to the sensor, in canonical units.

    *air_factor* is true distance / echo distance (air temperature); raw distances stay raw.

    The entry's `measure` names the measurement of its `quantity`; without it, and for `also`, the
    first measurement of that quantity is taken, and a water level is made from a distance where
    `mount_height_m` is given. A quantity that the frame does not speak of is left out.
    """
    found = []
    for quantity in entry.quantities:
        measurement = _find(frame, entry, quantity)
        if measurement is not None:
            found.append((quantity, _convert(measurement, quantity, entry, air_factor)))
    return [(quantity, _calibrated(one, quantity, entry)) for quantity, one in found]


def _calibrated(measurement: Measurement, quantity: Quantity, entry: SensorEntry) -> Measurement:
    """Return the measurement with the sensor's calibration applied to its own quantity."""
    value = measurement.value
    if quantity is not entry.quantity or (entry.slope, entry.offset) == (1.0, 0.0):
        return measurement
    if not isinstance(value, int | float):
        return measurement
    corrected = round(entry.slope * value + entry.offset, 6)
    return msgspec.structs.replace(measurement, value=corrected)


def _find(frame: Frame, entry: SensorEntry, quantity: Quantity) -> Measurement | None:
    if entry.measure and quantity is entry.quantity:
        return next((one for one in frame.measurements if one.name == entry.measure), None)
    for one in frame.measurements:
        if one.quantity is quantity:
            return one
    if quantity is Quantity.WATER_LEVEL:
        return next((one for one in frame.measurements if one.quantity is Quantity.DISTANCE), None)
    return None


def _convert(
    measurement: Measurement, quantity: Quantity, entry: SensorEntry, air_factor: float
) -> Measurement:
    """Return the measurement in the canonical unit of the quantity, seen as the entry says."""
    unit = FACTS[quantity].unit
    source = measurement.quantity or quantity
    if source is Quantity.DISTANCE and quantity is Quantity.WATER_LEVEL:
        if entry.mount_height_m is None:
            return _refused(measurement, quantity, Reason.CONFIGURATION)
        return _level(measurement, entry.mount_height_m, air_factor)
    raw = measurement.value if measurement.at_least is None else measurement.at_least
    if raw is None:
        return _refused(measurement, quantity)
    if isinstance(raw, str | list) or not isfinite(raw):
        return _refused(measurement, quantity, Reason.CONFIGURATION)
    try:
        value = _canonical(quantity, float(raw), measurement.unit)
    except UnknownUnitError:
        return _refused(measurement, quantity, Reason.CONFIGURATION)
    if quantity is Quantity.WATER_LEVEL:
        value = round(value - entry.zero_offset_m, 6)
    if entry.invert and unit == "1":
        value = 0.0 if value else 1.0
    return _seen(measurement, quantity, value)


def _canonical(quantity: Quantity, value: float, unit: str) -> float:
    """Return a value in canonical units; bare numbers are counts and states.

    Raises:
        UnknownUnitError: No conversion is known.
    """
    if quantity is Quantity.SMOKE_OBSCURATION and unit in _METRES_OF:
        return _db_per_m(value, _METRES_OF[unit])
    if unit in _BARE and FACTS[quantity].unit in _BARE_QUANTITIES:
        return value
    return to_canonical(quantity, value, unit)


def _db_per_m(percent: float, metres: float) -> float:
    """Return an obscuration in percent over a length as dB/m.

    >>> round(_db_per_m(1.0, 0.3048), 3), round(_db_per_m(3.39, 1.0), 2)
    (0.143, 0.15)
    """
    lost = max(-1.0, min(0.999999, percent / 100))
    return round(-10 * log10(1 - lost) / metres, 6)


def _level(measurement: Measurement, mount_height_m: float, air_factor: float) -> Measurement:
    """Return the water level that an air gap means.

    In the blind zone the level is at least height minus blind zone.
    """
    quantity = Quantity.WATER_LEVEL
    raw = measurement.value if measurement.at_least is None else measurement.at_least
    if raw is None:
        return _refused(measurement, quantity)
    if isinstance(raw, str | list) or not isfinite(raw):
        return _refused(measurement, quantity, Reason.CONFIGURATION)
    try:
        gap = to_canonical(Quantity.DISTANCE, float(raw), measurement.unit)
    except UnknownUnitError:
        return _refused(measurement, quantity, Reason.CONFIGURATION)
    level = round(mount_height_m - gap * air_factor, 6)
    if level < LOWEST_LEVEL_M:
        low = _seen(measurement, quantity, level)
        return Measurement(
            low.name, quantity, level, low.unit, Quality.BAD, (*low.reasons, Reason.RANGE)
        )
    return _seen(measurement, quantity, level)


def _seen(measurement: Measurement, quantity: Quantity, value: float) -> Measurement:
    return Measurement(
        measurement.name,
        quantity,
        value,
        FACTS[quantity].unit,
        measurement.quality,
        measurement.reasons,
    )


def _refused(
    measurement: Measurement, quantity: Quantity, reason: Reason | None = None
) -> Measurement:
    """Return "there is no value", with every reason that is known."""
    reasons = measurement.reasons if reason is None else (*measurement.reasons, reason)
    return Measurement(
        measurement.name,
        quantity,
        None,
        FACTS[quantity].unit,
        Quality.BAD,
        reasons or (Reason.MISSING,),
    )
