"""`safety-eye demo`: a scenario through virtual sensors and the whole system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.configuration import ConfigurationError
from edge.simulator import load_scenario, scenario_names
from safety_eye.demo_options import DemoOptions
from safety_eye.output import reader_language, refuse, say


def demo(
    scenario: Annotated[
        str, typer.Option(help="A shipped scenario, or a file. --list shows them.")
    ] = "cloudburst",
    speed: Annotated[
        float | None, typer.Option(help="Run seconds a wall second.", min=0.1, max=5000)
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when all is accounted for.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON to standard output.")
    ] = False,
    state: Annotated[Path | None, typer.Option(help="Keep the state here.")] = None,
    broker: Annotated[str, typer.Option(help="embedded or mosquitto")] = "embedded",
    port: Annotated[int, typer.Option(help="Port of the page; 0 takes a free one.")] = 8765,
    start: Annotated[str, typer.Option("--from", help="Play a recording from here.")] = "",
    end: Annotated[str, typer.Option("--to", help="Play a recording up to here.")] = "",
    language: Annotated[str, typer.Option(help="zh or en")] = "",
    listing: Annotated[bool, typer.Option("--list", help="List the scenarios and end.")] = False,
) -> None:
    """Play a scenario through virtual sensors and the whole system on this machine."""
    from safety_eye.demo import run_demo  # noqa: PLC0415  # slow imports

    if listing:
        _list_scenarios(language or reader_language())
        return
    try:
        load_scenario(scenario)
    except (ConfigurationError, ValueError, OSError) as error:
        raise refuse(f"{error}; there are: {', '.join(scenario_names())}") from error
    options = DemoOptions(
        scenario,
        speed,
        once,
        as_json,
        state,
        broker,
        language or reader_language(),
        port,
        start,
        end,
    )
    try:
        code = run_demo(options)
    except (RuntimeError, ConfigurationError, OSError) as error:
        raise refuse(error, 1) from error
    raise typer.Exit(code)


def _list_scenarios(language: str) -> None:
    for name in scenario_names():
        scenario = load_scenario(name)
        say(f"[bold]{name:<16}[/] ×{scenario.speed:<6g} {scenario.name.in_language(language)}")
