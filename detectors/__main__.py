"""Runs the detectors of one site: `python -m detectors --community FILE --state DIR ...`."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path
from types import FrameType

from core.broker import BrokerAddress
from core.clock import RunClock, parse_clock
from core.community_file import load_community
from detectors.service import Detect, DetectSettings
from ingest.history import HistorySettings


def main() -> None:
    """Read the command line and judge until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="detectors", description=__doc__)
    parser.add_argument("--community", type=Path, required=True, help="community.toml")
    parser.add_argument("--state", type=Path, required=True, help="directory of the snapshot")
    parser.add_argument("--broker", default="127.0.0.1:1883", help="HOST:PORT")
    parser.add_argument("--history", type=Path, help="file of the embedded history")
    parser.add_argument("--clock", type=parse_clock, default=RunClock(), help="EPOCH_MS:SPEED")
    given = parser.parse_args()
    host, _, port = given.broker.rpartition(":")
    history = HistorySettings(path=str(given.history)) if given.history else None
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    settings = DetectSettings(state_dir=given.state, history=history)
    address = BrokerAddress(host=host or "127.0.0.1", port=int(port))
    Detect(settings, load_community(given.community), address, given.clock).run(stop)


if __name__ == "__main__":
    main()
