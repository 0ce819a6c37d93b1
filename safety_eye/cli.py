"""The command line. Commands that others measure with print JSON to standard output only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.configuration import ConfigurationError
from safety_eye.audit_cli import audit_app
from safety_eye.calibration_cli import calibration_app, today
from safety_eye.channel_cli import channel_app
from safety_eye.demo_cli import demo
from safety_eye.drill_cli import drill_app
from safety_eye.judging_cli import backtest, replay, score
from safety_eye.kit_cli import broker_app, station_app
from safety_eye.kpi_cli import kpi
from safety_eye.ledger_cli import ledger_app
from safety_eye.options import CommunityOption, HubOption, load_site
from safety_eye.order_cli import command
from safety_eye.output import refuse, say, tell
from safety_eye.person_cli import person_app
from safety_eye.plan_cli import people_app, plan_app
from safety_eye.programs_cli import alerts, detect, ingest, up

app = typer.Typer(
    help="Safety Eye (平安眼): early warning for a residential community.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(broker_app, name="broker")
app.add_typer(station_app, name="station")
app.add_typer(calibration_app, name="calibration")
app.add_typer(plan_app, name="plan")
app.add_typer(people_app, name="people")
app.add_typer(audit_app, name="audit")
app.add_typer(ledger_app, name="ledger")
app.add_typer(person_app, name="person")
app.add_typer(drill_app, name="drill")
app.add_typer(channel_app, name="channel")


def edge() -> None:
    """Run a station: `safety-eye edge STATION.toml` (see `safety-eye edge --help`)."""


def listen() -> None:
    """Show live what a device says: `safety-eye listen PORT --driver D` (`--help` for more)."""


def probe() -> None:
    """Find out which device hangs on a port: `safety-eye probe PORT` (`--help` for more)."""


def decode() -> None:
    """Decode the bytes of a device: `safety-eye decode DRIVER --hex "FF 07 A1 A7"`."""


def check(
    file: Annotated[
        Path, typer.Argument(help="community.toml, response.toml, hub.toml or station.toml")
    ],
) -> None:
    """Check a configuration file and say what it means."""
    from safety_eye.check import describe  # noqa: PLC0415  # slow imports

    try:
        for line in describe(file, today()):
            tell(line)
    except ConfigurationError as error:
        raise refuse(error) from error


def grafana(
    community: CommunityOption,
    directory: Annotated[
        Path | None, typer.Option(help="Write provisioning files and the dashboard here.")
    ] = None,
    url: Annotated[str, typer.Option(help="Publish to this running Grafana instead.")] = "",
    token_file: Annotated[
        Path | None, typer.Option(help="File with a service account token.")
    ] = None,
    hub: HubOption = None,
) -> None:
    """Write or publish the duty wall for Grafana (InfluxDB in InfluxQL)."""
    from safety_eye.wall import publish_wall, write_wall  # noqa: PLC0415  # slow imports

    profile, config = load_site(community, hub)
    if (directory is None) == (not url):
        raise refuse("give exactly one of --directory and --url")
    try:
        if directory is not None:
            lines = write_wall(directory, profile, config)
        else:
            lines = publish_wall(url, token_file, profile, config)
    except (ConfigurationError, OSError, RuntimeError) as error:
        raise refuse(error, 1) from error
    for line in lines:
        say(line)


def bench(
    part: Annotated[
        str, typer.Argument(help="wire, ingest, detect, latency, edge, outbox or all")
    ] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Only JSON, to standard output.")] = False,
) -> None:
    """Measure speed on this machine, beside a baseline of the same run; 1 if a gate is missed."""
    from safety_eye.bench import PARTS, run_parts  # noqa: PLC0415  # slow imports

    if part != "all" and part not in PARTS:
        raise refuse(f"bench {part!r}: expected one of {', '.join(PARTS)}")
    held = run_parts(list(PARTS) if part == "all" else [part], as_json=as_json)
    raise typer.Exit(0 if held else 1)


_COMMANDS = (
    kpi, ingest, detect, alerts, edge, listen, probe, up, demo, command, check, decode, replay,
    score, backtest, grafana, bench,
)  # fmt: skip
for _command in _COMMANDS:
    app.command()(_command)
