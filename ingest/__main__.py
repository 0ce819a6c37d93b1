"""`python -m ingest`: the ingest program alone."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from core.broker import BrokerAddress
from core.clock import parse_clock
from core.community_file import load_community
from core.configuration import ConfigurationError
from ingest.history import HistorySettings, HistoryUnavailableError
from ingest.ledger_file import LedgerError
from ingest.service import Ingest, IngestSettings


def main(arguments: list[str] | None = None) -> int:
    """Run ingest until SIGTERM or SIGINT; 0 after a clean stop, 2 if it can't start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    host, _, port = options.broker.rpartition(":")
    try:
        ingest = Ingest(
            IngestSettings(options.state, _history(options)),
            load_community(options.community),
            BrokerAddress(host or "127.0.0.1", int(port)),
            parse_clock(options.clock),
        )
        ingest.run(stop)
    except (ConfigurationError, LedgerError, HistoryUnavailableError, ValueError) as error:
        print(f"ingest can't run: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ingest", description=__doc__)
    parser.add_argument("--community", type=Path, required=True, help="community.toml")
    parser.add_argument("--state", type=Path, required=True, help="directory of ledger.db")
    parser.add_argument("--broker", default="127.0.0.1:1883", help="HOST:PORT")
    parser.add_argument(
        "--history",
        default="sqlite",
        help="sqlite (history.db in the state directory) or KIND=URL/DATABASE,"
        " e.g. influx-v1=http://127.0.0.1:8086/safety_eye",
    )
    parser.add_argument("--clock", default="0:1", help="EPOCH_MS:SPEED of the run")
    return parser


def _history(options: argparse.Namespace) -> HistorySettings:
    kind, _, where = options.history.partition("=")
    if kind == "sqlite":
        return HistorySettings(path=where or str(options.state / "history.db"))
    url, _, database = where.rpartition("/")
    if not url or not database:
        raise ValueError(f"--history {options.history!r}: expected KIND=URL/DATABASE")
    return HistorySettings(kind=kind, url=url, database=database)


if __name__ == "__main__":
    sys.exit(main())
