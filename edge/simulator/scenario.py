"""A scenario: what happens where and when, what breaks, and what should be warned of (TOML).

Times in a scenario are seconds of run time since its start. Unknown keys are refused.
"""

from __future__ import annotations

from enum import StrEnum
from importlib import resources
from pathlib import Path

import msgspec

from core.community import LimitEntry, Name, SensorEntry, Zone
from core.configuration import ConfigurationError, parse_toml, read_toml
from core.finding import Hazard
from core.grade import grade_named
from edge.simulator.phenomena import Basin, Event, Gate, Room

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOUR_S = 3600
DAY_S = 24 * HOUR_S
# Longest wall time of a scenario at its own speed (interfaces, `safety-eye demo`).
LONGEST_WALL_S = 180.0


class FaultKind(StrEnum):
    """What can break. Byte faults work on frames, after the driver encoded them."""

    SILENCE = "silence"  # the device says nothing
    STUCK = "stuck"  # the device repeats what it measured when the fault began
    BIT_FLIPS = "bit-flips"  # one bit of a frame is wrong
    GARBAGE = "garbage"  # random bytes before a frame
    PARTIAL = "partial"  # a frame ends early
    DUPLICATE = "duplicate"  # a frame comes twice
    CLOCK_JUMP = "clock-jump"  # the clock of a bridge's microcontroller jumps
    CABLE_PULLED = "cable-pulled"  # the port disappears
    UPLINK_CUT = "uplink-cut"  # the station's way to the broker is cut


# Faults of a whole port and of a whole station; the others name a sensor.
_STATION_FAULTS = frozenset({FaultKind.UPLINK_CUT})


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that breaks for a while.

    Attributes:
        kind: What breaks.
        sensor: Slug of the sensor; for `cable-pulled` any sensor of the port.
        station: Slug of the station, for `uplink-cut`.
        from_s, to_s: When, in seconds since the start; `to_s` is excluded.
        share: How many of the frames are hit, 0 to 1 (byte faults).
        jump_s: How far the device's clock jumps (`clock-jump`).
        reset: True if connections are torn down at once (`uplink-cut`); False if bytes only stop
            flowing, as on a cut fibre, and each side must find out by its own time-out.
        expect: Rule that a good system reports because of it (`silence`, `link`, `stuck`); empty
            where it must cope without bothering anybody.
        text: For people.
    """

    kind: FaultKind
    from_s: float
    to_s: float
    sensor: str = ""
    station: str = ""
    share: float = 1.0
    jump_s: float = 0.0
    reset: bool = True
    expect: str = ""
    text: Name = Name()

    @property
    def subject(self) -> str:
        """What breaks: the sensor, or `station.<station>`."""
        return self.sensor or f"station.{self.station}"

    def active(self, t_s: float) -> bool:
        """Tell whether the fault holds at *t_s*."""
        return self.from_s <= t_s < self.to_s


class Truth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What really is the case, and which grade a good system reaches because of it.

    Attributes:
        hazard, zone: What and where.
        from_s, to_s: When the danger is present, in seconds since the start.
        grade: Highest grade that should be reached (a word).
        first_by_s: Latest second at which any warning is still in time; 0 if there is no claim.
        text: For people.
    """

    hazard: Hazard
    zone: str
    from_s: float
    to_s: float
    grade: str
    first_by_s: float = 0.0
    text: Name = Name()


class Play(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"from_at": "from", "to_at": "to"},
):
    """A column of a recording that drives a sensor.

    Attributes:
        recording: Name of a recording, or a path to its `.csv.gz`.
        channel: Its column.
        sensor: Slug of the sensor.
        quantity: Which quantity of the sensor it drives; the sensor's first one if empty.
        from_at, to_at: First and last instant, ISO 8601 with zone; empty: the recording's own ends.
        preroll_s: Quiet seconds before the first row.
        quiet: Value of the quiet seconds, canonical unit; None: the first value of the window.
    """

    recording: str
    channel: str
    sensor: str
    quantity: str = ""
    from_at: str = ""
    to_at: str = ""
    preroll_s: float = 0.0
    quiet: float | None = None


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole scenario. Field names are the TOML keys.

    Attributes:
        id: Name of the file without its ending.
        name, text: For people.
        duration_s: Planned end, in seconds of run time.
        speed: Run seconds in a wall second, unless somebody chooses another.
        begins: Local day and time of the scene at second 0 (`"tue 17:40"`), for habits.
        seed: What all chance comes from.
        sensors: Ids of the community's sensors that take part; None: all of them.
        interval_s: New intervals by sensor id, or `default` for all others.
        zone, sensor, limit: What the scenario adds to the community, or puts in its place.
        basin, gate, room: The places' physics; a place that is not named has ordinary ones.
        event, fault, truth, play: See there.
    """

    id: str = ""
    name: Name
    text: Name
    duration_s: float
    speed: float = 1.0
    begins: str = "wed 10:00"
    seed: int = 1
    sensors: tuple[str, ...] | None = None
    interval_s: dict[str, float] = {}
    zone: tuple[Zone, ...] = ()
    sensor: tuple[SensorEntry, ...] = ()
    limit: tuple[LimitEntry, ...] = ()
    basin: tuple[Basin, ...] = ()
    gate: tuple[Gate, ...] = ()
    room: tuple[Room, ...] = ()
    event: tuple[Event, ...] = ()
    fault: tuple[Fault, ...] = ()
    truth: tuple[Truth, ...] = ()
    play: tuple[Play, ...] = ()

    @property
    def begins_s(self) -> float:
        """Seconds from Monday 00:00, local time, to the start of the scene."""
        return week_second(self.begins)

    @property
    def relayed_stations(self) -> tuple[str, ...]:
        """Stations whose uplink is cut, so that they need the simulator's relay; sorted."""
        return tuple(sorted({fault.station for fault in self.fault if fault.station}))


def week_second(text: str) -> float:
    """Return the second of the week of a text like `tue 17:40`.

    Raises:
        ValueError: Not of that form.

    >>> week_second("mon 00:00"), week_second("tue 17:40")
    (0.0, 150000.0)
    """
    day, _, clock = text.strip().lower().partition(" ")
    hour, _, minute = clock.partition(":")
    if day in DAYS and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60:
        return float(DAYS.index(day) * DAY_S + int(hour) * HOUR_S + int(minute) * 60)
    raise ValueError(f"{text!r}: expected a day and a time like 'tue 17:40'")


def scenario_names() -> tuple[str, ...]:
    """Return the names of the shipped scenarios, sorted."""
    return tuple(
        sorted(
            entry.name.removesuffix(".toml")
            for entry in _shipped().iterdir()
            if entry.name.endswith(".toml")
        )
    )


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Read and check a scenario: a shipped one by name, or a file.

    Raises:
        ConfigurationError: There is none of that name, or the file can't be used.
    """
    text = str(name_or_path)
    if text in scenario_names():
        source = _shipped().joinpath(f"{text}.toml").read_text(encoding="utf-8")
        scenario = parse_toml(source, Scenario, f"scenario {text}")
    elif isinstance(name_or_path, Path) or text.endswith(".toml"):
        scenario = read_toml(Path(name_or_path), Scenario)
    else:
        raise ConfigurationError(
            text, f"no such scenario; expected a .toml file or one of {', '.join(scenario_names())}"
        )
    for problem in scenario_problems(scenario):
        raise ConfigurationError(text, problem)
    return msgspec.structs.replace(scenario, id=scenario.id or Path(text).stem)


def scenario_problems(scenario: Scenario) -> list[str]:
    """Return what is wrong with a scenario by itself, in words; empty if nothing is."""
    found = []
    if not 0 < scenario.duration_s <= 60 * DAY_S:
        found.append(f"duration_s {scenario.duration_s}: expected above 0, at most 60 days")
    if not 0 < scenario.speed <= 100_000:
        found.append(f"speed {scenario.speed}: expected above 0, at most 100000")
    if any(not 0 < seconds <= DAY_S for seconds in scenario.interval_s.values()):
        found.append("interval_s: expected above 0, at most 86400")
    try:
        week_second(scenario.begins)
    except ValueError as error:
        found.append(f"begins {error}")
    for fault in scenario.fault:
        found += [f"fault {fault.kind}: {problem}" for problem in _fault_problems(fault)]
    for truth in scenario.truth:
        try:
            grade_named(truth.grade)
        except ValueError as error:
            found.append(f"truth {truth.zone}: {error}")
    return found


def _fault_problems(fault: Fault) -> list[str]:
    found = []
    if fault.to_s <= fault.from_s:
        found.append("to_s must be after from_s")
    if not 0 < fault.share <= 1:
        found.append(f"share {fault.share}: expected above 0, at most 1")
    if fault.kind in _STATION_FAULTS:
        if not fault.station or fault.sensor:
            found.append("expected a station, not a sensor")
    elif not fault.sensor or fault.station:
        found.append("expected a sensor, not a station")
    return found


def _shipped() -> resources.abc.Traversable:
    return resources.files("edge.simulator").joinpath("scenarios")
