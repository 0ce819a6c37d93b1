"""`safety-eye demo`: the whole system on this machine, with simulated sensors playing a scenario.

Nothing is special to it: the stations open pseudo-terminals as they open serial ports, the hub's
programs are those of `safety-eye up`, and the receiver is an ordinary webhook consumer.
"""

from __future__ import annotations

import base64
import json
import queue
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from alerts.delivery import SelfTestEntry
from alerts.response_file import FILE, load_response
from core.clock import RunClock
from core.community import Community
from core.community_file import load_community
from core.configuration import ConfigurationError
from edge.simulator import (
    Scenario,
    derive_community,
    load_scenario,
    with_window,
)
from safety_eye.demo_site import register_people, webhook_channel, write_hub, write_stations
from safety_eye.embedded_broker import free_port, is_free
from safety_eye.house import House, start_all
from safety_eye.hub import BrokerEntry, HttpEntry, HubConfig
from safety_eye.output import console, say
from safety_eye.probe import BrokerProbe
from safety_eye.receiver import Delivery, Receiver
from safety_eye.siren import SirenTrails
from safety_eye.story import Story
from safety_eye.summary import (
    accounted,
    fetch_incidents,
    pending_notifications,
    reading_totals,
    summary,
)
from safety_eye.supervisor import Program, Supervisor, python

SAMPLE = Path(__file__).parent / "sample" / "community.toml"
# Wall seconds: everything that is waited for is waited for so long at most.
_READY_S = 30.0
# After the last reading, the ledger and the outbox must settle within this (interfaces, demo).
_SETTLE_S = 30.0
_TICK_S = 0.2
# The stations get this long to open their ports before the scenario begins.
_LEAD_S = 2.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the user asked for.

    Attributes:
        scenario: Name of a shipped scenario, or a file.
        speed: Run seconds a wall second; None takes the scenario's own.
        once: End when the last reading is accounted for and the outbox is drained.
        as_json: Print the figures to standard output.
        state: State directory; None makes a temporary one.
        broker: Kind of broker, `embedded` or `mosquitto`.
        language: Language of the printed lines.
        port: Port of the page; 0 takes a free one.
        start, end: Part of a recording that is played (`--from`, `--to`), ISO 8601.
    """

    scenario: str = "cloudburst"
    speed: float | None = None
    once: bool = False
    as_json: bool = False
    state: Path | None = None
    broker: str = "embedded"
    language: str = "en"
    port: int = 8765
    start: str = ""
    end: str = ""


@dataclass(slots=True)
class Demo:
    """A demo in progress.

    Args:
        options: What the user asked for.
        state: State directory, made by the caller.
    """

    options: DemoOptions
    state: Path
    stop: threading.Event = field(default_factory=threading.Event)
    _events: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)
    _sirens: SirenTrails = field(init=False)

    def __post_init__(self) -> None:
        """Look for sirens where this run has its stations."""
        self._sirens = SirenTrails(self.state)

    def run(self) -> dict[str, Any] | None:
        """Play the scenario; return the summary of a `--once` run, else None.

        Raises:
            RuntimeError: Something did not start in time; the message says what to look at.
        """
        scenario = _scenario(self.options)
        speed = self.options.speed or scenario.speed
        community = derive_community(scenario, load_community(SAMPLE), speed)
        clock = RunClock(RunClock().wall_ms(), speed)
        with _receiver(self._delivered) as (listening, secret):
            channel = webhook_channel(self.state, listening.url, secret)
            config = HubConfig(
                broker=BrokerEntry(kind=self.options.broker, port=free_port()),
                http=HttpEntry(port=_page_port(self.options.port)),
                channel=(channel,),
                # Days pass in minutes here: a test a day would be one every few seconds.
                selftest=SelfTestEntry(at=""),
            )
            response = load_response(SAMPLE.with_name(FILE), load_community(SAMPLE))
            house = write_hub(self.state, community, response, config, clock)
            relays = {station: free_port() for station in scenario.relayed_stations}
            stations = write_stations(house, community, relays)
            supervisor = Supervisor(self.state, clock, say)
            story = Story(house, community, self.options.language)
            try:
                started_ms = self._start(supervisor, house, scenario, relays, stations)
                self._introduce(house, scenario, community, listening.url)
                story.start()
                return self._play(supervisor, house, scenario, stations, story, started_ms)
            except RuntimeError:
                if self.stop.is_set():  # ended by the user while it was starting
                    return None
                raise
            finally:
                story.stop()
                self.stop.set()
                supervisor.stop()

    def _delivered(self, delivery: Delivery) -> None:
        self._events.put({"event": "delivery", "delivery": delivery})

    def _start(
        self,
        supervisor: Supervisor,
        house: House,
        scenario: Scenario,
        relays: dict[str, int],
        stations: dict[str, Path],
    ) -> int:
        """Start everybody; return the run time (ms) at which the scenario starts."""
        start_all(supervisor, house.programs())
        self._await_page(supervisor, house)
        register_people(house, SAMPLE.with_name("volunteers.csv"))
        simulator = [
            "edge.simulator",
            *("--scenario", self.options.scenario),
            *("--community", str(house.community)),
            *("--ports", str(self.state / "ports")),
            *("--clock", str(house.clock)),
            *("--start", str(house.clock.now_ms() + round(_LEAD_S * house.clock.speed * 1000))),
            *("--broker", f"{house.broker.host}:{house.broker.port}"),
        ]
        for station, port in relays.items():
            simulator += ["--relay", f"{station}={port}"]
        if self.options.start:
            simulator += ["--from", self.options.start]
        if self.options.end:
            simulator += ["--to", self.options.end]
        supervisor.start(
            Program("simulator", python(*simulator), on_line=self._simulator_line, critical=False)
        )
        ready = self._await_event(supervisor, "ready", f"scenario {scenario.id}")
        start_all(
            supervisor,
            [house.station_program(station, file) for station, file in stations.items()],
        )
        return int(ready["start"])

    def _simulator_line(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, dict) and "event" in event:
            self._events.put(event)

    def _await_event(self, supervisor: Supervisor, name: str, what: str) -> dict[str, Any]:
        for _ in _ticks(_READY_S, self.stop):
            supervisor.watch()
            while not self._events.empty():
                event = self._events.get()
                if event["event"] == name:
                    return event
            if not supervisor.running("simulator"):
                break
        raise RuntimeError(f"{what} did not start; see {self.state / 'logs' / 'simulator.log'}")

    def _await_page(self, supervisor: Supervisor, house: House) -> None:
        url = f"{house.config.http.url}/health/live"
        for _ in _ticks(_READY_S, self.stop):
            supervisor.watch()
            try:
                if httpx.get(url, timeout=2, trust_env=False).is_success:
                    return
            except httpx.HTTPError:
                continue
        raise RuntimeError(f"the page did not come up; see {self.state / 'logs' / 'alerts.log'}")

    def _introduce(
        self,
        house: House,
        scenario: Scenario,
        community: Community,
        receiver_url: str,
    ) -> None:
        language = self.options.language
        say(
            f"[bold]{community.site.name.in_language(language)}[/]  ·  "
            f"{scenario.name.in_language(language)}  ·  ×{house.clock.speed:g}"
        )
        say(f"  page       [link]{house.config.http.url}[/]")
        say(f"  alerts to  {receiver_url}  (a receiver of the demo, signatures checked)")
        say(f"  state      {self.state}")
        say("")

    def _play(
        self,
        supervisor: Supervisor,
        house: House,
        scenario: Scenario,
        stations: dict[str, Path],
        story: Story,
        started_ms: int,
    ) -> dict[str, Any] | None:
        probe = BrokerProbe(house.broker, self.state, house.clock, say)
        ended = False
        with closing(probe), _progress(scenario) as (bar, task):
            while not self.stop.wait(_TICK_S):
                supervisor.watch()
                probe.watch()
                ended = self._show(story) or ended
                if not ended:
                    done_s = (house.clock.now_ms() - started_ms) / 1000
                    bar.update(task, completed=min(done_s, scenario.duration_s))
                elif self.options.once:
                    break
                elif not bar.finished:
                    bar.update(task, completed=scenario.duration_s)
                    bar.stop()
                    say(
                        "\nThe scenario is over; the page stays up at "
                        f"[link]{house.config.http.url}[/]. Ctrl-C ends it."
                    )
        if not self.options.once or self.stop.is_set():
            return None
        return self._finish(supervisor, house, stations, story, started_ms)

    def _show(self, story: Story) -> bool:
        """Tell what happened since the last look; True once the scenario has ended."""
        ended = False
        for sounding in self._sirens.news():
            story.siren(sounding)
        while not self._events.empty():
            event = self._events.get()
            if event["event"] == "delivery":
                story.delivered(event["delivery"])
            elif event["event"] == "ended":
                ended = True
            else:
                story.world(event)
        story.flush()
        return ended

    def _finish(
        self,
        supervisor: Supervisor,
        house: House,
        stations: dict[str, Path],
        story: Story,
        started_ms: int,
    ) -> dict[str, Any]:
        """Stop the stations, wait until everything is accounted for, and add it up."""
        supervisor.stop([f"station-{station}" for station in stations])
        url = house.config.http.url
        for _ in _ticks(_SETTLE_S, threading.Event()):
            supervisor.watch()
            self._show(story)
            if accounted(self.state) and _drained(url):
                break
        story.flush(everything=True)
        try:
            incidents, journals = fetch_incidents(url)
        except httpx.HTTPError as error:
            log = self.state / "logs" / "alerts.log"
            raise RuntimeError(f"alerts does not answer ({error}); see {log}") from error
        return summary(reading_totals(self.state), incidents, journals, started_ms)


def _scenario(options: DemoOptions) -> Scenario:
    try:
        return with_window(load_scenario(options.scenario), options.start, options.end)
    except ConfigurationError:
        raise
    except ValueError as error:
        raise ConfigurationError(
            "--from, --to", f"{error}; expected a time such as 2015-12-26T00:00:00Z"
        ) from error


def _page_port(wanted: int) -> int:
    """Return the wanted port, or a free one where another program has it."""
    if wanted and is_free("127.0.0.1", wanted):
        return wanted
    port = free_port()
    if wanted:
        say(f"Port {wanted} is taken by another program: the page takes {port}.")
    return port


def _drained(url: str) -> bool:
    try:
        return pending_notifications(url) == 0
    except httpx.HTTPError:
        return False


def _ticks(seconds: float, stop: threading.Event) -> Iterator[int]:
    """Yield every tick until *seconds* of wall time are over or *stop* is set."""
    for tick in range(int(seconds / _TICK_S)):
        yield tick
        if stop.wait(_TICK_S):
            return


@contextmanager
def _receiver(delivered: Any) -> Iterator[tuple[Receiver, str]]:
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    receiver = Receiver(secret, delivered)
    try:
        yield receiver, secret
    finally:
        receiver.close()


@contextmanager
def _progress(scenario: Scenario) -> Iterator[tuple[Progress, TaskID]]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=40),
        TextColumn("{task.fields[unit]}"),
        console=console,
        transient=True,
    )
    task = bar.add_task(scenario.id, total=scenario.duration_s, unit="of scenario time")
    with bar:
        yield bar, task


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


def run_demo(options: DemoOptions) -> int:
    """Run the demo as the command line asks; return the exit code.

    Exit code 0 if the ledger balances (with `once`), or if the user ended it.
    """
    with _state(options.state) as state:
        demo = Demo(options, state)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: demo.stop.set())
        result = demo.run()
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
