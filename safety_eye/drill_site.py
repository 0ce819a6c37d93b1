"""The files of a drill: its scenario, and the station of its twins, as an installer would write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.broker import BrokerAddress
from core.clock import RunClock
from core.drill import STATION
from edge.configuration import PortEntry, StationConfig, StationEntry
from edge.simulator import ports_of
from edge.simulator.transplant import Transplant
from safety_eye.profile_text import to_toml
from safety_eye.supervisor import Program, python

# Wall seconds that the station gets to open its ports before the scenario begins.
LEAD_S = 2.0


@dataclass(frozen=True, slots=True)
class DrillSite:
    """Where a drill has its files, and what it runs.

    Attributes:
        directory: Its own.
        community: Path of the real profile.
        broker: The live one.
        clock: Of the run.
        moved: What plays.
        pace: How much faster than it really would the scenario passes.
        drill: Id.
    """

    directory: Path
    community: Path
    broker: BrokerAddress
    clock: RunClock
    moved: Transplant
    pace: float
    drill: str

    @property
    def spool(self) -> Path:
        """Spool of the station: the witness of what it produced."""
        return self.directory / "station" / "spool.db"

    def write(self) -> None:
        """Write everything."""
        (self.directory / "station").mkdir(parents=True, exist_ok=True)
        scenario = to_toml(self.moved.scenario)
        (self.directory / "scenario.toml").write_text(scenario, encoding="utf-8")
        station = to_toml(self._station())
        (self.directory / "station" / "station.toml").write_text(station, encoding="utf-8")

    def _station(self) -> StationConfig:
        community = self.moved.community
        zones = {twin.zone for twin in community.sensor}
        return StationConfig(
            station=StationEntry(
                id=STATION, site=community.site.id, clock="trusted", exercise=self.drill
            ),
            broker=self.broker,
            port=tuple(
                PortEntry(
                    id=plan.port, path=str(self.directory / "ports" / plan.link), baud=plan.baud
                )
                for plan in ports_of(community)
            ),
            sensor=community.sensor,
            limit=tuple(entry for entry in community.limit if entry.zone in zones),
        )

    def station(self) -> Program:
        """Return the station's program."""
        file = self.directory / "station" / "station.toml"
        return Program("station", python("edge", str(file), "--clock", str(self.clock)), stop_s=25)

    def start_at(self) -> tuple[RunClock, int, int]:
        """Return the scenario's clock, and its second 0 in that clock and in the run's (ms)."""
        wall = self.clock.wall_ms()
        world = RunClock(wall, self.clock.speed * self.pace)
        lead_ms = LEAD_S * 1000
        begins = self.clock.now_ms() + round(lead_ms * self.clock.speed)
        return world, wall + round(lead_ms * world.speed), begins

    def simulator(self, world: RunClock, start: int) -> Program:
        """Return the program that plays, without anybody who listens yet."""
        arguments = [
            "edge.simulator",
            *("--scenario", str(self.directory / "scenario.toml")),
            *("--community", str(self.community)),
            *("--drill", ",".join(self.moved.sensors)),
            *("--ports", str(self.directory / "ports")),
            *("--clock", str(world)),
            *("--start", str(start)),
        ]
        return Program("simulator", python(*arguments), critical=False)
