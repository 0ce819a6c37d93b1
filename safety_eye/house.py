"""Which programs make up the hub, and how each is started for the supervisor.

broker -> ingest, detectors, alerts (with the HTTP API and the console in the same process)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.broker import BrokerAddress
from core.clock import RunClock
from safety_eye.embedded_broker import broker_program
from safety_eye.hub import HubConfig
from safety_eye.supervisor import Program, Supervisor, python


@dataclass(frozen=True, slots=True)
class House:
    """Everything that the programs of one run share.

    Attributes:
        community: Path of community.toml.
        hub: Path of hub.toml, or None for embedded defaults.
        config: What stands in it.
        state: State directory.
        clock: The run's clock.
    """

    community: Path
    hub: Path | None
    config: HubConfig
    state: Path
    clock: RunClock

    @property
    def broker(self) -> BrokerAddress:
        """Where the broker is."""
        return self.config.broker.address

    def arguments(self) -> list[str]:
        """Return what every program of the hub gets on its command line."""
        return [
            "--community",
            str(self.community),
            *(["--hub", str(self.hub)] if self.hub is not None else []),
            "--state",
            str(self.state),
            "--clock",
            str(self.clock),
        ]

    def programs(self) -> list[Program]:
        """Return the hub's programs in the order in which they are started."""
        programs = []
        if self.config.broker.kind != "external":
            programs.append(broker_program(self.config.broker.kind, self.broker, self.state))
        programs += [
            Program(name, python("safety_eye", name, *self.arguments()))
            for name in ("ingest", "alerts", "detect")
        ]
        return programs

    def station_program(self, station: str, file: Path) -> Program:
        """Return a station of this machine (demo, or a hub that has sensors of its own)."""
        return Program(
            f"station-{station}", python("edge", str(file), "--clock", str(self.clock)), stop_s=25
        )


def start_all(supervisor: Supervisor, programs: list[Program]) -> None:
    """Start *programs* in order."""
    for program in programs:
        supervisor.start(program)
