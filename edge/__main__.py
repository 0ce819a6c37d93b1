"""`python -m edge STATION.toml [--clock EPOCH_MS:SPEED]`: the station program."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from core.clock import Clock, RunClock, parse_clock
from core.configuration import ConfigurationError
from edge.acting.muster import switch_off
from edge.configuration import StationConfig, describe_station, load_station
from edge.spool_file import SpoolBusyError
from edge.station import Station

FAILED, WRONG_CALL = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a station until SIGTERM or SIGINT; a second one ends it without waiting for receipts.

    Returns:
        0 after a clean stop, 1 if it should be started again, 2 for a wrong call or file.
    """
    parser = argparse.ArgumentParser(
        prog="safety-eye edge", description="Read serial sensors, keep and send their readings."
    )
    parser.add_argument("station", type=Path, help="station.toml")
    parser.add_argument("--clock", default="", help="clock of the run, EPOCH_MS:SPEED")
    parser.add_argument("--check", action="store_true", help="read the file, say what it means")
    parser.add_argument("--safe", action="store_true", help="switch every output off, and end")
    parser.add_argument("--verbose", action="store_true", help="say more")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    try:
        clock = parse_clock(options.clock) if options.clock else RunClock()
        config = load_station(options.station)
    except (ConfigurationError, ValueError) as error:
        print(f"safety-eye edge: {error}", file=sys.stderr)
        return WRONG_CALL
    if options.check:
        for line in describe_station(config):
            print(line)
        return 0
    stop, hurry = threading.Event(), threading.Event()
    _listen_to_signals(stop, hurry)
    try:
        if options.safe:
            return _switch_off(config, clock)
        station = Station(config, clock, file=options.station)
    except (SpoolBusyError, ConfigurationError, OSError, ValueError) as error:
        print(f"safety-eye edge: {error}", file=sys.stderr)
        return FAILED
    return 0 if station.run(stop, hurry) else FAILED


def _switch_off(config: StationConfig, clock: Clock) -> int:
    """Switch every output off, for `ExecStopPost=`: also after a kill nothing stays on."""
    problems = switch_off(config, clock)
    for problem in problems:
        print(f"safety-eye edge: {problem}", file=sys.stderr)
    return FAILED if problems else 0


def _listen_to_signals(stop: threading.Event, hurry: threading.Event) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


if __name__ == "__main__":
    sys.exit(main())
