"""A drill: twins of real sensors, in names of their own, play an exercise through the live chain.

What makes something an exercise is *where it comes from*, never what it says of itself. Stations,
sensors and zones whose name begins with `drill-` are reserved (the profile refuses them), findings
of a drill travel in a tree of topics of their own that no station may write, and the incident has
the drill in its identity. So whoever knows nothing of drills never sees one, a station that marks
its readings as an exercise is judged as actual, and nothing that a drill says can become actual.

The hub states (retained, `topics.drill`) which drill runs: an id, and the *names* of real sensors.
Ingest and detectors make the twins themselves, from the profile that they have: the statement can't
bring sensors, limits or places that nobody has reviewed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import msgspec

from core.community import Community, NeighboursEntry, SensorEntry
from core.identity import is_slug
from core.refusal import RefusalError

PREFIX = "drill-"
# The one station of a drill: one drill of a site at a time.
STATION = "drill-1"
# How much faster than it really would a scenario may pass in a drill: at a thousand times a storm
# is over within seconds. Choice of this project.
FASTEST = 1000.0
_LONGEST = 40
_MOST = 2**53
_Whole = Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]


class DrillError(RefusalError):
    """A payload is no statement of a drill, or a drill can't be like this; the message says why."""


class DrillPhase(StrEnum):
    """How far a drill is."""

    RUNNING = "running"
    ENDED = "ended"


class DrillStatement(msgspec.Struct, frozen=True, kw_only=True):
    """Which drill runs, as the hub states it.

    Attributes:
        id: Slug of the drill.
        zone: Where it plays.
        sensors: The real sensors whose twins take part.
        phase: Running, or ended.
        until: Run time (ms) after which it is over, whatever else is said: whoever loses the
            statement's author must not wait for ever.
    """

    id: str
    zone: str
    sensors: tuple[str, ...]
    phase: DrillPhase
    until: _Whole

    def runs(self, now_ms: int) -> bool:
        """Tell whether it runs at *now_ms* (run time)."""
        return self.phase is DrillPhase.RUNNING and now_ms < self.until


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(DrillStatement)


def encode_drill(statement: DrillStatement) -> bytes:
    """Return the JSON payload of *statement*."""
    return _ENCODER.encode(statement)


def decode_drill(payload: bytes) -> DrillStatement:
    """Return the statement of a payload.

    Raises:
        DrillError: It is none.
    """
    try:
        statement = _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DrillError(f"drill: {error}", f"演练声明读不懂：{error}") from error
    if not is_slug(statement.id):
        raise DrillError(
            f"drill: id {statement.id[:60]!r} is not a slug",
            f"演练编号 {statement.id[:60]!r} 不合规则（小写字母、数字、连字符）",
        )
    return statement


def is_drill(name: str) -> bool:
    """Tell whether a station, sensor or zone of this name is one of a drill.

    >>> is_drill("drill-gauge-1"), is_drill("gauge-1")
    (True, False)
    """
    return name.startswith(PREFIX)


def twin_name(name: str) -> str:
    """Return the name of the twin of a sensor (or zone), a slug of at most 40 characters.

    >>> twin_name("gauge-1")
    'drill-gauge-1'
    >>> len(twin_name("a" * 40)), twin_name("a" * 40) == twin_name("a" * 39 + "b")
    (40, False)
    """
    whole = f"{PREFIX}{name}"
    if len(whole) <= _LONGEST:
        return whole
    tail = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{whole[: _LONGEST - len(tail) - 1]}-{tail}"


def drill_community(community: Community, sensors: Iterable[str]) -> Community:
    """Return the profile of a drill: zones, limits and people of the site, twins as sensors.

    Twins stand in the same zones under the same limits as their originals, on one station of their
    own. Neighbours and air temperatures are kept where all of them take part.

    Raises:
        DrillError: One of *sensors* is not in the profile, or there is none.
    """
    chosen = tuple(dict.fromkeys(sensors))
    if not chosen:
        raise DrillError("drill: no sensor takes part", "没有传感器参加演练")
    twins = []
    for name in chosen:
        sensor = community.sensor_of(name)
        if sensor is None:
            raise DrillError(
                f"drill: sensor {name!r} is not in the profile",
                f"社区档案 community.toml 里没有传感器 {name!r}",
            )
        twins.append(_twin(sensor, chosen))
    neighbours = tuple(
        NeighboursEntry(entry.quantity, tuple(twin_name(name) for name in entry.sensors))
        for entry in community.neighbours
        if set(entry.sensors) <= set(chosen)
    )
    return msgspec.structs.replace(
        community, sensor=tuple(twins), mapping=(), neighbours=neighbours
    )


def _twin(sensor: SensorEntry, chosen: tuple[str, ...]) -> SensorEntry:
    air = sensor.air_temperature
    return msgspec.structs.replace(
        sensor,
        id=twin_name(sensor.id),
        station=STATION,
        port=_port_of(sensor),
        air_temperature=twin_name(air) if air in chosen else "",
        recording="",
        channel="",
    )


def _port_of(sensor: SensorEntry) -> str:
    """Return the twin's line: lines of one name at different stations are different lines."""
    line = f"{sensor.station}.{sensor.port or sensor.id}"
    port = line.replace(".", "-")
    if len(port) <= _LONGEST:
        return port
    return f"{port[:31]}-{hashlib.sha256(line.encode()).hexdigest()[:8]}"
