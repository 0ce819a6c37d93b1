"""`safety-eye up`: the whole hub under one supervisor, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from rich.markup import escape

from alerts.response_file import load_response
from core.clock import RunClock
from core.community import Community
from core.configuration import ConfigurationError
from safety_eye.embedded_broker import is_free
from safety_eye.house import House, start_all
from safety_eye.hub import HubConfig
from safety_eye.output import say
from safety_eye.probe import BrokerProbe
from safety_eye.supervisor import Supervisor

_TICK_S = 0.5


def plan_lines(config: HubConfig, community: Community) -> list[str]:
    """Return why response.toml can't be used, or which of its steps nobody owns; else nothing."""
    if not config.response:
        return []
    try:
        response = load_response(Path(config.response), community)
    except ConfigurationError as error:
        return [str(error), "people are told without plans and roster until it is mended"]
    return [f"nobody owns step {step}: give its role" for step in response.unowned]


def run_up(
    community: Community,
    community_file: Path,
    config: HubConfig,
    hub_file: Path | None,
    state: Path,
    language: str,
) -> int:
    """Start every program, look after them, and stop them on SIGINT or SIGTERM; exit code 0."""
    state = state.resolve()
    clock = RunClock()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    house = House(
        community_file.resolve(),
        hub_file.resolve() if hub_file is not None else None,
        config,
        state,
        clock,
    )
    supervisor = Supervisor(state, clock, say)
    programs = house.programs()
    probe = None
    taken = not is_free(config.http.host, config.http.port)
    try:
        start_all(supervisor, programs)
        say(f"[bold]{community.site.name.in_language(language)}[/]")
        say(f"  programs   {', '.join(program.name for program in programs)}")
        say(f"  broker     {config.broker.kind}, {config.broker.host}:{config.broker.port}")
        say(f"  page       [link]{config.http.url}[/]")
        if taken:
            say(f"  [red]port {config.http.port} is taken by another program[/]: people are told, ")
            say("             but the page comes only when that port is free")
        say(f"  state      {state}   (logs in logs/)")
        say(f"  stations   {', '.join(community.stations) or 'none in the profile yet'}")
        for line in plan_lines(config, community):
            say(f"  [red]plans[/]      {escape(line)}")
        if config.broker.kind != "external":
            probe = BrokerProbe(house.broker, state, clock, say)
        while not stop.wait(_TICK_S):
            supervisor.watch()
            if probe is not None:
                probe.watch()
    finally:
        if probe is not None:
            probe.close()
        supervisor.stop()
        say("Stopped.")
    return 0
