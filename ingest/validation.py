"""What may enter the history: registered sensors, their quantities, times and values to believe.

A pack is judged reading by reading. What fails is set apart with its reason, and the rest goes on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from core.community import Community, SensorEntry
from core.drill import is_drill, twin_name
from core.pack import Pack
from core.quality import Quality
from core.quantity import FACTS, Quantity
from core.reading import Reading
from ingest.history.base import Point, Series

# A station's clock may be ahead of the hub's by this much: NTP keeps both within seconds, and a
# drifting station must not lose minutes of data at once.
AHEAD_MS = 5 * 60_000
# Nothing that a station spools is older than this.
OLDEST_MS = 10 * 365 * 86_400_000
# 2025-01-01. A hub that believes in an earlier day has no clock of its own to judge others by.
HUB_CLOCK_FROM_MS = 1_735_689_600_000
# SQLite and line protocol hold signed 64-bit integers; sequence numbers stay exact in JSON, too.
_MAX_NUMBER = 2**53
_MAX_SAMPLES = 2**31
MAX_BOOT_CHARS = 64


class Problem(NamedTuple):
    """A record that is not stored.

    Attributes:
        position: Its place in the pack, from 0.
        reason: Why, for people.
        raw: The record.
    """

    position: int
    reason: str
    raw: bytes


@dataclass(slots=True)
class Judged:
    """A pack, taken apart."""

    points: list[Point]
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class _Known:
    """A registered series with what its values may be."""

    series: Series
    quantity: Quantity
    lowest: float
    highest: float


@dataclass(slots=True)
class _Sensor:
    """A registered sensor; the first quantity is looked up without hashing."""

    station: str
    main: _Known
    also: dict[Quantity, _Known] = field(default_factory=dict)


class Registry:
    """Every sensor of a community, prepared for judging at full speed."""

    def __init__(self, community: Community) -> None:
        site = community.site.id
        self._sensors = {entry.id: _sensor(site, entry) for entry in community.sensor}

    def judge(self, station: str, pack: Pack, now_ms: int) -> Judged:
        """Return what may be stored of a pack that came from *station*, and what may not.

        Args:
            station: From the topic, never from the payload.
            pack: Its readings have times since the epoch.
            now_ms: Run time in milliseconds.
        """
        points: list[Point] = []
        problems = [Problem(item.index, item.reason, item.raw) for item in pack.rejected]
        bad: list[tuple[int, str]] = []
        sensors, append = self._sensors, points.append
        earliest, latest = time_bounds(now_ms)
        for place, reading in enumerate(pack.readings):
            sensor = sensors.get(reading.sensor)
            if sensor is not None and sensor.station == station:
                known = sensor.main
                if reading.quantity is not known.quantity:
                    known = sensor.also.get(reading.quantity, known)
                value = reading.value
                if (
                    reading.quantity is known.quantity
                    and earliest <= reading.at <= latest
                    and (value is None or known.lowest <= value <= known.highest)
                    and reading.count == 1
                ):
                    append((known.series, reading))
                    continue
            verdict = self._look_again(station, reading, earliest, latest)
            if isinstance(verdict, str):
                bad.append((place, verdict))
            else:
                append((verdict, reading))
        if bad:
            problems += _problems(pack, bad)
        return Judged(points, problems)

    def _look_again(
        self, station: str, reading: Reading, earliest: int, latest: int
    ) -> Series | str:
        """Return the series of a reading that is not plain, or why it may not be stored."""
        sensor = self._sensors.get(reading.sensor)
        if sensor is None:
            return f"sensor {reading.sensor!r} is not in the community profile"
        if sensor.station != station:
            return f"sensor {reading.sensor!r} belongs to station {sensor.station!r}"
        known = sensor.also.get(reading.quantity)
        if known is None:
            return f"sensor {reading.sensor!r} is not registered for {reading.quantity}"
        problem = _time_problem(reading, earliest, latest) or _value_problem(reading, known)
        return problem or known.series


def refused(pack: Pack, reason: str) -> Judged:
    """Return a pack of which nothing is stored, all of it for one reason."""
    problems = [Problem(item.index, item.reason, item.raw) for item in pack.rejected]
    bad = [(place, reason) for place in range(len(pack.readings))]
    return Judged([], problems + _problems(pack, bad))


def time_bounds(now_ms: int) -> tuple[int, int]:
    """Return the earliest and the latest time to believe, in milliseconds.

    A hub without a clock (it believes in a day before it was built) judges nobody by it.
    """
    if now_ms < HUB_CLOCK_FROM_MS:
        return HUB_CLOCK_FROM_MS - OLDEST_MS, _MAX_NUMBER
    return now_ms - OLDEST_MS, now_ms + AHEAD_MS


def label_problem(pack: Pack) -> str:
    """Return what is wrong with the labels of a pack, "" if nothing is."""
    if pack.boot is not None and not valid_identity(pack.boot, pack.seq):
        return f"boot {pack.boot[:80]!r}, seq {pack.seq}: expected a short name and 0 to 2^53"
    if not (0 <= (pack.made or 0) <= _MAX_NUMBER and 0 <= pack.thinned <= _MAX_NUMBER):
        return f"made {pack.made}, thinned {pack.thinned}: expected 0 to 2^53"
    if pack.gone or pack.unknown:
        return _declaration_problem(pack)
    return ""


def _declaration_problem(pack: Pack) -> str:
    numbers = []
    for gone in pack.gone:
        if not 0 <= gone.first <= gone.last <= _MAX_NUMBER or not valid_identity(gone.boot, 0):
            return f"gone {gone}: expected [boot, first, last, readings, reason]"
        numbers.append(gone.readings)
    for unknown in pack.unknown:
        if not valid_identity(unknown.boot, 0):
            return f"unknown {unknown}: expected [boot, readings]"
        numbers.append(unknown.readings)
    if not all(0 <= number <= _MAX_NUMBER for number in numbers):
        return "a declared number of readings is negative or beyond 2^53"
    return ""


def valid_identity(boot: str, seq: int | None) -> bool:
    """Tell whether a pack may be called this."""
    return 0 < len(boot) <= MAX_BOOT_CHARS and seq is not None and 0 <= seq <= _MAX_NUMBER


def _sensor(site: str, entry: SensorEntry) -> _Sensor:
    known = {quantity: _known(site, entry, quantity) for quantity in entry.quantities}
    return _Sensor(entry.station, known[entry.quantity], known)


def _known(site: str, entry: SensorEntry, quantity: Quantity) -> _Known:
    facts = FACTS[quantity]
    # What a drill leaves in the history is found under no name of a real place.
    zone = twin_name(entry.zone) if is_drill(entry.station) else entry.zone
    # Infinite bounds become the largest finite ones: infinity itself is never a value.
    return _Known(
        Series(site, entry.station, zone, entry.id, quantity),
        quantity,
        max(facts.lowest, -sys.float_info.max),
        min(facts.highest, sys.float_info.max),
    )


def _time_problem(reading: Reading, earliest: int, latest: int) -> str:
    """Return why the time of a reading can't be believed, "" if it can."""
    if reading.at < earliest:
        return f"time {reading.at} ms is more than 10 years ago"
    if reading.at > latest:
        return f"time {reading.at} ms is more than 5 minutes ahead of this hub"
    return ""


def _value_problem(reading: Reading, known: _Known) -> str:
    """Return why the numbers of a reading can't be believed, "" if they can.

    A station marks what it does not believe itself as bad; that is kept as it is.
    """
    lowest, highest = known.lowest, known.highest
    if reading.quality is Quality.BAD:
        lowest, highest = -sys.float_info.max, sys.float_info.max
    if not 1 <= reading.count <= _MAX_SAMPLES:
        return f"count {reading.count} of an aggregate: expected 1 to 2^31"
    for number in (reading.value, reading.minimum, reading.maximum):
        if number is not None and not lowest <= number <= highest:
            return f"{reading.quantity} {number:g}: expected {lowest:g} to {highest:g}"
    return ""


def _problems(pack: Pack, bad: list[tuple[int, str]]) -> list[Problem]:
    """Return the problems of readings with their places in the pack as it was sent."""
    rejected = {item.index for item in pack.rejected}
    places = [index for index in range(pack.count) if index not in rejected]
    return [
        Problem(places[place], reason, msgspec.json.encode(pack.readings[place]))
        for place, reason in bad
    ]
