"""Plain JSON devices: a topic and a key of the community profile become readings.

Detectors read the same devices through this module. Such devices have no boot and seq: stored and
judged, but no receipt, and outside the ledger.
"""

from __future__ import annotations

import datetime as dt
from math import isfinite

import msgspec

from core.community import Community, JsonMapping, SensorEntry
from core.quantity import FACTS, UnknownUnitError, to_canonical
from core.reading import Reading

# Seconds since the epoch stay below this until the year 5138; milliseconds have passed it in 1973.
_FIRST_MILLISECONDS = 1e11


class MappingError(ValueError):
    """A message is not what its mapping says; sending it again won't help."""


class Mappings:
    """The mappings of a community."""

    def __init__(self, community: Community) -> None:
        self._entries: list[tuple[JsonMapping, SensorEntry]] = []
        for mapping in community.mapping:
            entry = community.sensor_of(mapping.sensor)
            if entry is not None:
                self._entries.append((mapping, entry))

    @property
    def filters(self) -> list[str]:
        """Topic filters to subscribe to, each once."""
        return sorted({mapping.topic for mapping, _ in self._entries})

    def of(self, topic: str) -> list[tuple[JsonMapping, SensorEntry]]:
        """Return every mapping that *topic* feeds."""
        return [pair for pair in self._entries if matches(pair[0].topic, topic)]


def matches(pattern: str, topic: str) -> bool:
    """Tell whether an MQTT topic filter matches a topic.

    >>> matches("shelly/+/co", "shelly/7/co"), matches("a/#", "a"), matches("a/+", "a/b/c")
    (True, True, False)
    """
    wanted, given = pattern.split("/"), topic.split("/")
    for place, part in enumerate(wanted):
        if part == "#":
            return True
        if place >= len(given) or part not in ("+", given[place]):
            return False
    return len(wanted) == len(given)


def read_mapped(
    mapping: JsonMapping, entry: SensorEntry, payload: bytes, arrived_ms: int
) -> Reading:
    """Return the reading of a message.

    Args:
        mapping: Which key holds the value, and which the time; keys may be paths (`air.co2`).
        entry: The sensor that it feeds.
        payload: JSON.
        arrived_ms: Run time (ms) of arrival: the reading's time where the device gives none.

    Raises:
        MappingError: No JSON, no such key, not a number, an unknown unit.
    """
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MappingError(f"not JSON: {error}") from error
    value = _number(_at_path(document, mapping.value), mapping.value)
    unit = mapping.unit or FACTS[entry.quantity].unit
    try:
        value = to_canonical(entry.quantity, value, unit)
    except UnknownUnitError as error:
        raise MappingError(str(error)) from error
    at = _instant(_at_path(document, mapping.at)) if mapping.at else arrived_ms
    return Reading(entry.id, entry.quantity, at, value)


def _at_path(document: object, path: str) -> object:
    """Return what stands at a path of keys; the empty path is the document itself."""
    for key in filter(None, path.split(".")):
        if not isinstance(document, dict) or key not in document:
            raise MappingError(f"key {path!r} is missing")
        document = document[key]
    return document


def _number(value: object, path: str) -> float:
    if isinstance(value, bool | int | float | str):
        try:
            number = float(value)
        except (ValueError, OverflowError) as error:
            raise MappingError(f"{path!r}: {value!r:.80} is not a number") from error
        if isfinite(number):
            return number
    raise MappingError(f"{path!r}: {value!r:.80} is not a finite number")


def _instant(value: object) -> int:
    """Return milliseconds since the epoch of seconds, milliseconds or ISO 8601 with an offset."""
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError as error:
            raise MappingError(f"time {value!r:.80}: expected ISO 8601") from error
        if moment.tzinfo is None:
            raise MappingError(f"time {value!r:.80}: expected an offset from UTC")
        return round(moment.timestamp() * 1000)
    number = _number(value, "time")
    return round(number if abs(number) >= _FIRST_MILLISECONDS else number * 1000)
