"""The crew of a station, put together from its file; and its outputs alone, to be switched off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from core.clock import Clock
from edge.acting.coil import CoilOutput
from edge.acting.crew import Crew, watched_inputs
from edge.acting.line_jobs import RELAY_BAUD, LineJobs
from edge.acting.local import LocalLimits
from edge.acting.output import OutputError
from edge.acting.outputs import open_output
from edge.acting.settings import OutputEntry
from edge.chronometer import Chronometer
from edge.configuration import PortEntry, StationConfig
from edge.instruments import instruments_on
from edge.ports import PortLostError, open_serial


def jobs_of(config: StationConfig) -> dict[str, LineJobs]:
    """Return a queue of jobs for each port with a relay module."""
    ports = {output.port for output in config.output if output.kind == "modbus-coil"}
    return {port.id: LineJobs(baud_of(port, config)) for port in config.port if port.id in ports}


def baud_of(port: PortEntry, config: StationConfig) -> int:
    """Return the bits per second of a line: as the port says, or as its devices are shipped."""
    on_line = instruments_on(port.id, config.sensor)
    return port.baud or (on_line[0].driver.facts.baud if on_line else RELAY_BAUD)


def crew_of(
    config: StationConfig,
    boot: str,
    chronometer: Chronometer,
    clock: Clock,
    jobs: Mapping[str, LineJobs],
    reload: Callable[[], str],
) -> Crew:
    """Return the crew of a station; see `Crew`.

    Raises:
        ConfigurationError: The key for commands can't be used.
    """
    weak = {
        entry.id
        for port in config.port
        for instrument in instruments_on(port.id, config.sensor)
        if instrument.weak
        for entry in instrument.entries
    }
    watched = {(act.zone, act.quantity) for act in config.act if act.quantity is not None}
    limits = LocalLimits(watched, watched_inputs(config), config.sensor, config.limit, weak)
    opener = partial(open_output, clock=clock, jobs=jobs.get)
    return Crew(config, boot, chronometer, clock, limits, opener, reload)


def switch_off(config: StationConfig, clock: Clock) -> list[str]:
    """Switch every output off, with no station running; return what did not work."""
    problems = []
    for entry in config.output:
        try:
            if entry.kind == "modbus-coil":
                _switch_off_coil(config, entry)
            else:
                device = open_output(entry, clock, lambda _port: None)
                device.switch(on=False)
                device.close()
        except (OutputError, PortLostError) as error:
            problems.append(f"output {entry.id}: {error}")
    return problems


def _switch_off_coil(config: StationConfig, entry: OutputEntry) -> None:
    port = next(port for port in config.port if port.id == entry.port)
    baud = baud_of(port, config)
    line = open_serial(port, baud)
    try:
        CoilOutput(entry, LineJobs(baud)).write(line, on=False)
    finally:
        line.close()
