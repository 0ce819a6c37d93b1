"""A scenario being played: who starts when, what is told meanwhile, and how it ends."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from core.community import Community
from edge.simulator import Scenario
from safety_eye.demo_options import DemoOptions
from safety_eye.demo_site import SAMPLE, register_people
from safety_eye.house import House, start_all
from safety_eye.output import console, say
from safety_eye.probe import BrokerProbe
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

# Wall seconds: everything that is waited for is waited for so long at most.
_READY_S = 30.0
# After the last reading, the ledger and the outbox must settle within this (interfaces, demo).
_SETTLE_S = 30.0
_TICK_S = 0.2
# The stations get this long to open their ports before the scenario begins.
_LEAD_S = 2.0


@dataclass(slots=True)
class Play:
    """A scenario, its stations, and the hub that watches them.

    Attributes:
        options: What the user asked for.
        scenario: What happens in the world.
        community: The site in which it happens.
        house: The hub of that site.
        stations: File of each station.
        relays: Port of the broker's relay for stations whose uplink will be cut.
        stop: Set once the user wants an end.
        events: What the receiver (`delivery`) and the simulator tell, in the order of its coming.
        supervisor: Who starts the programs, and stops them.
    """

    options: DemoOptions
    scenario: Scenario
    community: Community
    house: House
    stations: Mapping[str, Path]
    relays: Mapping[str, int]
    stop: threading.Event
    events: queue.SimpleQueue[dict[str, Any]]
    supervisor: Supervisor = field(init=False)
    _sirens: SirenTrails = field(init=False)

    def __post_init__(self) -> None:
        """Look for programs and sirens where this run has its files."""
        self.supervisor = Supervisor(self.house.state, self.house.clock, say)
        self._sirens = SirenTrails(self.house.state)

    def run(self, receiver_url: str) -> dict[str, Any] | None:
        """Play to the end; return the summary of a `--once` run, else None.

        Raises:
            RuntimeError: Something did not start in time; the message says what to look at.
        """
        story = Story(self.house, self.community, self.options.language)
        try:
            started_ms = self._start()
            self._introduce(receiver_url)
            story.start()
            return self._play(story, started_ms)
        except RuntimeError:
            if self.stop.is_set():  # ended by the user while it was starting
                return None
            raise
        finally:
            story.stop()
            self.stop.set()
            self.supervisor.stop()

    def _start(self) -> int:
        """Start everybody; return the run time (ms) at which the scenario starts."""
        house, supervisor = self.house, self.supervisor
        start_all(supervisor, house.programs())
        self._await_page()
        register_people(house, SAMPLE.with_name("volunteers.csv"))
        simulator = [
            "edge.simulator",
            *("--scenario", self.options.scenario),
            *("--community", str(house.community)),
            *("--ports", str(house.state / "ports")),
            *("--clock", str(house.clock)),
            *("--start", str(house.clock.now_ms() + round(_LEAD_S * house.clock.speed * 1000))),
            *("--broker", f"{house.broker.host}:{house.broker.port}"),
        ]
        for station, port in self.relays.items():
            simulator += ["--relay", f"{station}={port}"]
        if self.options.start:
            simulator += ["--from", self.options.start]
        if self.options.end:
            simulator += ["--to", self.options.end]
        supervisor.start(
            Program("simulator", python(*simulator), on_line=self._simulator_line, critical=False)
        )
        ready = self._await_event("ready", f"scenario {self.scenario.id}")
        start_all(
            supervisor,
            [house.station_program(station, file) for station, file in self.stations.items()],
        )
        return int(ready["start"])

    def _simulator_line(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, dict) and "event" in event:
            self.events.put(event)

    def _await_event(self, name: str, what: str) -> dict[str, Any]:
        for _ in _ticks(_READY_S, self.stop):
            self.supervisor.watch()
            while not self.events.empty():
                event = self.events.get()
                if event["event"] == name:
                    return event
            if not self.supervisor.running("simulator"):
                break
        raise RuntimeError(f"{what} did not start; see {self._log('simulator')}")

    def _await_page(self) -> None:
        url = f"{self.house.config.http.url}/health/live"
        for _ in _ticks(_READY_S, self.stop):
            self.supervisor.watch()
            try:
                if httpx.get(url, timeout=2, trust_env=False).is_success:
                    return
            except httpx.HTTPError:
                continue
        raise RuntimeError(f"the page did not come up; see {self._log('alerts')}")

    def _log(self, program: str) -> Path:
        return self.house.state / "logs" / f"{program}.log"

    def _introduce(self, receiver_url: str) -> None:
        house, language = self.house, self.options.language
        say(
            f"[bold]{self.community.site.name.in_language(language)}[/]  ·  "
            f"{self.scenario.name.in_language(language)}  ·  ×{house.clock.speed:g}"
        )
        say(f"  page       [link]{house.config.http.url}[/]")
        say(f"  alerts to  {receiver_url}  (a receiver of the demo, signatures checked)")
        say(f"  state      {house.state}")
        say("")

    def _play(self, story: Story, started_ms: int) -> dict[str, Any] | None:
        house, scenario = self.house, self.scenario
        probe = BrokerProbe(house.broker, house.state, house.clock, say)
        ended = False
        with closing(probe), _progress(scenario) as (bar, task):
            while not self.stop.wait(_TICK_S):
                self.supervisor.watch()
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
        return self._finish(story, started_ms)

    def _show(self, story: Story) -> bool:
        """Tell what happened since the last look; True once the scenario has ended."""
        ended = False
        for sounding in self._sirens.news():
            story.siren(sounding)
        while not self.events.empty():
            event = self.events.get()
            if event["event"] == "delivery":
                story.delivered(event["delivery"])
            elif event["event"] == "ended":
                ended = True
            else:
                story.world(event)
        story.flush()
        return ended

    def _finish(self, story: Story, started_ms: int) -> dict[str, Any]:
        """Stop the stations, wait until everything is accounted for, and add it up."""
        self.supervisor.stop([f"station-{station}" for station in self.stations])
        state, url = self.house.state, self.house.config.http.url
        for _ in _ticks(_SETTLE_S, threading.Event()):
            self.supervisor.watch()
            self._show(story)
            if accounted(state) and _drained(url):
                break
        story.flush(everything=True)
        try:
            incidents, journals = fetch_incidents(url)
        except httpx.HTTPError as error:
            log = self._log("alerts")
            raise RuntimeError(f"alerts does not answer ({error}); see {log}") from error
        return summary(reading_totals(state), incidents, journals, started_ms)


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
