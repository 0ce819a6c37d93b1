"""The simulator as a program: plays a scenario on pseudo-terminals, tells on standard output.

Each line of standard output is one JSON event: `ready` once every port exists, `truth` and `fault`
as they begin and end, `ended` at the scenario's planned end. After that the last state is held
until SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from core.clock import RunClock, parse_clock
from core.community_file import load_community
from core.configuration import ConfigurationError
from core.drill import drill_community
from edge.drivers.base import DriverError
from edge.simulator import (
    Scenario,
    derive_community,
    load_scenario,
    scenario_names,
    with_window,
)
from edge.simulator.relay import Relay
from edge.simulator.stage import Stage


class Announcer:
    """Writes events as JSON lines; goes on in silence when nobody reads any more."""

    def __init__(self) -> None:
        self._open = True

    def __call__(self, event: dict[str, object]) -> None:
        """Write one event."""
        if not self._open:
            return
        try:
            print(json.dumps(event, ensure_ascii=False), flush=True)
        except (OSError, ValueError):
            self._open = False
            # What Python still holds in its buffer must not fail again at exit.
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.close(quiet)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code (2 for a wrong call or configuration)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        for name in scenario_names():
            scenario = load_scenario(name)
            print(f"{name:16} {scenario.name.en} / {scenario.name.zh}")
        return 0
    if not (options.scenario and options.community and options.ports):
        parser.error("expected --scenario, --community and --ports (or --list)")
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        return _play(options, stop)
    except (ConfigurationError, DriverError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"simulator: {error}; free the port or folder and try again", file=sys.stderr)
        return 1


def _play(options: argparse.Namespace, stop: threading.Event) -> int:
    scenario: Scenario = with_window(
        load_scenario(options.scenario), options.from_at, options.to_at
    )
    clock = _clock(options.clock, scenario)
    profile = load_community(Path(options.community))
    if options.drill:
        profile = drill_community(profile, options.drill.split(","))
    community = derive_community(scenario, profile, clock.speed)
    relays = _relays(options.relay, options.broker)
    start_ms = options.start if options.start is not None else clock.epoch_ms
    stage = Stage(
        scenario,
        community,
        Path(options.ports),
        clock,
        start_ms=start_ms,
        emit=Announcer(),
        relays=relays,
        seed=options.seed,
    )
    try:
        for relay in relays.values():
            relay.start()
        stage.run(stop)
    finally:
        for relay in relays.values():
            relay.stop()
    return 0


def _clock(text: str, scenario: Scenario) -> RunClock:
    if text:
        clock = parse_clock(text)
        # An epoch of 0 is the plain wall clock; a scenario begins when it is asked to.
        return clock if clock.epoch_ms else RunClock(clock.wall_ms(), clock.speed)
    return RunClock(RunClock().wall_ms(), scenario.speed)


def _relays(given: list[str], broker: str) -> dict[str, Relay]:
    relays: dict[str, Relay] = {}
    host, _, port = broker.rpartition(":")
    for text in given:
        station, _, number = text.partition("=")
        if not (station and number.isdigit()):
            raise ValueError(f"--relay {text!r}: expected STATION=PORT")
        if not (host and port.isdigit()):
            raise ValueError(f"--relay needs --broker HOST:PORT, given {broker!r}")
        relays[station] = Relay(int(number), (host, int(port)))
    return relays


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edge.simulator", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the shipped scenarios")
    parser.add_argument("--scenario", default="", help="shipped name or .toml file")
    parser.add_argument("--community", default="", help="community.toml of the place")
    parser.add_argument("--ports", default="", help="folder for the symlinks STATION.PORT")
    parser.add_argument("--clock", default="", help="EPOCH_MS:SPEED of the run")
    parser.add_argument(
        "--start", type=int, default=None, help="run time (ms) of second 0; default: the epoch"
    )
    parser.add_argument("--broker", default="", help="HOST:PORT behind the relays")
    parser.add_argument(
        "--relay", action="append", default=[], help="STATION=PORT: relay for a station's uplink"
    )
    parser.add_argument(
        "--drill", default="", help="SENSOR,SENSOR: play to the twins of these sensors"
    )
    parser.add_argument("--seed", type=int, default=None, help="replaces the scenario's seed")
    parser.add_argument("--from", dest="from_at", default="", help="first instant of a recording")
    parser.add_argument("--to", dest="to_at", default="", help="last instant of a recording")
    return parser


if __name__ == "__main__":
    sys.exit(main())
