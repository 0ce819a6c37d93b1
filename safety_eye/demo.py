"""`safety-eye demo`: the whole system on this machine, with simulated sensors playing a scenario.

Nothing is special to it: the stations open pseudo-terminals as they open serial ports, the hub's
programs are those of `safety-eye up`, and the receiver is an ordinary webhook consumer.
"""

from __future__ import annotations

import base64
import queue
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from alerts.delivery import SelfTestEntry
from alerts.response_file import FILE, load_response
from core.clock import RunClock
from core.community_file import load_community
from core.configuration import ConfigurationError
from edge.simulator import derive_community
from safety_eye.demo_options import DemoOptions, scenario_of
from safety_eye.demo_play import Play
from safety_eye.demo_site import RED, SAMPLE, webhook_channels, write_hub, write_stations
from safety_eye.embedded_broker import free_port, is_free
from safety_eye.hub import BrokerEntry, HttpEntry, HubConfig
from safety_eye.output import say
from safety_eye.receiver import Delivery, Receiver


def run_demo(options: DemoOptions) -> int:
    """Run the demo as the command line asks; return the exit code.

    Exit code 0 if the ledger balances (with `once`), or if the user ended it.
    """
    with _state(options.state) as state:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        result = _run(options, state, stop)
        if result is None:
            say("Stopped.")
            return 0 if not options.once else 1
        if options.as_json:
            print(msgspec.json.encode(result).decode(), flush=True)
        readings = result["readings"]
        balanced = readings["produced"] == sum(
            readings[key] for key in ("stored", "quarantined", "lost", "unknown")
        )
        return 0 if balanced else 1


def _run(options: DemoOptions, state: Path, stop: threading.Event) -> dict[str, Any] | None:
    """Build the site in *state* and play the scenario; return the summary of a `--once` run."""
    scenario = scenario_of(options)
    speed = options.speed or scenario.speed
    sample = load_community(SAMPLE)
    community = derive_community(scenario, sample, speed)
    clock = RunClock(RunClock().wall_ms(), speed)
    events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def delivered(delivery: Delivery) -> None:
        events.put({"event": "delivery", "delivery": delivery})

    with _receiver(delivered) as (listening, secret):
        config = HubConfig(
            broker=BrokerEntry(kind=options.broker, port=free_port()),
            http=HttpEntry(port=_page_port(options.port)),
            channel=webhook_channels(state, listening.url, secret),
            escalation=(RED,),
            # Days pass in minutes here: a test a day would be one every few seconds.
            selftest=SelfTestEntry(at=""),
        )
        response = load_response(SAMPLE.with_name(FILE), sample)
        house = write_hub(state, community, response, config, clock)
        relays = {station: free_port() for station in scenario.relayed_stations}
        stations = write_stations(house, community, relays)
        play = Play(options, scenario, community, house, stations, relays, stop, events)
        return play.run(listening.url)


def _page_port(wanted: int) -> int:
    """Return the wanted port, or a free one where another program has it."""
    if wanted and is_free("127.0.0.1", wanted):
        return wanted
    port = free_port()
    if wanted:
        say(f"Port {wanted} is taken by another program: the page takes {port}.")
    return port


@contextmanager
def _receiver(delivered: Callable[[Delivery], None]) -> Iterator[tuple[Receiver, str]]:
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    receiver = Receiver(secret, delivered)
    try:
        yield receiver, secret
    finally:
        receiver.close()


@contextmanager
def _state(given: Path | None) -> Iterator[Path]:
    """Give a state directory; one of our own goes with the run, unless it failed: logs are in it.

    Raises:
        ConfigurationError: The given one holds an earlier run.
    """
    if given is None:
        own = Path(tempfile.mkdtemp(prefix="safety-eye-"))
        try:
            yield own.resolve()
        except RuntimeError:
            raise
        except BaseException:
            shutil.rmtree(own, ignore_errors=True)
            raise
        shutil.rmtree(own, ignore_errors=True)
        return
    if any((given / name).exists() for name in ("alerts.db", "ledger.db", "stations")):
        # A fast run leaves times that lie ahead, and its figures would be counted again.
        raise ConfigurationError(str(given), "holds an earlier run; give an empty directory")
    given.mkdir(parents=True, exist_ok=True)
    yield given.resolve()
