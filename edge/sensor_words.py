"""What a sensor's entry means, in words, for who checks the file before the night."""

from __future__ import annotations

from core.community import SensorEntry
from core.quantity import FACTS, Quantity
from edge.drivers import DRIVERS

# Devices whose echo depends on the air: 1.7 % for 10 degrees (edge/air.py).
_ECHO = Quantity.DISTANCE


def sensor_notes(entry: SensorEntry) -> list[str]:
    """Return what is special about a sensor: what its values are checked against, how it leaves."""
    unit = FACTS[entry.quantity].unit
    notes = []
    if entry.mount_height_m is not None:
        notes.append(f"level = {entry.mount_height_m:g} m - distance")
    if entry.zero_offset_m:
        notes.append(f"zero offset {entry.zero_offset_m:g} m")
    if (entry.slope, entry.offset) != (1.0, 0.0):
        notes.append(f"calibrated: {entry.slope:g} x value {entry.offset:+g} {unit}")
    if entry.air_temperature or entry.air_temperature_c is not None:
        notes.append(f"echo corrected for the air's temperature ({_air_words(entry)})")
    if entry.believable_low is not None or entry.believable_high is not None:
        low = "" if entry.believable_low is None else f" from {entry.believable_low:g}"
        high = "" if entry.believable_high is None else f" to {entry.believable_high:g}"
        notes.append(f"believable{low}{high} {unit}")
    if entry.max_rate_per_s is not None:
        notes.append(f"at most {entry.max_rate_per_s:g} {unit}/s")
    if entry.stuck_s is not None:
        notes.append(f"stuck after {entry.stuck_s:g} s" if entry.stuck_s else "never stuck")
    if entry.deadband:
        heartbeat = f", heartbeat {entry.heartbeat_s:g} s" if entry.heartbeat_s else ""
        notes.append(f"deadband {entry.deadband:g} {unit}{heartbeat}")
    return notes


def sensor_advice(entry: SensorEntry) -> list[str]:
    """Return what is allowed but unwise."""
    if entry.driver not in DRIVERS or entry.mount_height_m is None:
        return []
    echo = _ECHO in DRIVERS[entry.driver]().facts.quantities
    if not echo or entry.air_temperature or entry.air_temperature_c is not None:
        return []
    drift_mm = round(17 * entry.mount_height_m)
    text = (
        f"sensor {entry.id}: no air_temperature: 10 degrees of the air move its level by {drift_mm}"
        " mm, unless the device corrects that by itself"
    )
    return [text]


def _air_words(entry: SensorEntry) -> str:
    fixed = "" if entry.air_temperature_c is None else f"{entry.air_temperature_c:g} Cel"
    if not entry.air_temperature:
        return fixed
    return f"{entry.air_temperature}, else {fixed}" if fixed else entry.air_temperature
