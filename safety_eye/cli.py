"""The command line. Commands that others measure with print JSON to standard output only."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
import typer

from core.clock import RunClock, parse_clock
from core.command import Verb
from core.community import Community
from core.community_file import load_community
from core.configuration import ConfigurationError
from edge.simulator import load_scenario, scenario_names
from safety_eye.audit_cli import audit_app
from safety_eye.calibration_cli import calibration_app, today
from safety_eye.channel_cli import channel_app
from safety_eye.drill_cli import drill_app
from safety_eye.hub import HubConfig, load_hub, response_file
from safety_eye.kit_cli import broker_app, station_app
from safety_eye.kpi_cli import kpi
from safety_eye.output import console, reader_language, say
from safety_eye.person_cli import person_app
from safety_eye.plan_cli import people_app, plan_app

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
app.add_typer(person_app, name="person")
app.command()(kpi)
app.add_typer(drill_app, name="drill")
app.add_typer(channel_app, name="channel")

CommunityOption = Annotated[
    Path, typer.Option("--community", help="The community profile, community.toml.")
]
HubOption = Annotated[
    Path | None, typer.Option("--hub", help="hub.toml; without it everything is embedded.")
]
StateOption = Annotated[Path, typer.Option("--state", help="Directory for what must be kept.")]
ClockOption = Annotated[
    str, typer.Option("--clock", help="EPOCH_MS:SPEED of the run; empty is the wall clock.")
]


def _fail(message: str, code: int = 2) -> typer.Exit:
    console.print(f"safety-eye: {message}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(code)


def _load(community: Path, hub: Path | None) -> tuple[Community, HubConfig]:
    try:
        profile, config = load_community(community), load_hub(hub)
        plans = response_file(config, hub, community)
        # The programs get a path that holds whatever directory they run in.
        named = str(plans.resolve()) if plans is not None else ""
        return profile, msgspec.structs.replace(config, response=named)
    except ConfigurationError as error:
        raise _fail(str(error)) from error


def _clock(text: str) -> RunClock:
    try:
        return parse_clock(text) if text else RunClock()
    except ValueError as error:
        raise _fail(str(error)) from error


def _program(name: str, community: Path, hub: Path | None, state: Path, clock: str) -> None:
    from safety_eye.programs import (  # noqa: PLC0415  # slow imports
        REFUSALS,
        RUNNERS,
        run_alerts,
        stop_on_signal,
    )

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    profile, config = _load(community, hub)
    run_clock = _clock(clock)
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _fail(f"--state: {error}") from error
    try:
        run = partial(run_alerts, profile=community) if name == "alerts" else RUNNERS[name]
        run(config, profile, state, run_clock, stop_on_signal())
    except REFUSALS as error:
        raise _fail(str(error), 1) from error


@app.command()
def ingest(
    community: CommunityOption,
    hub: HubOption = None,
    state: StateOption = Path("state"),
    clock: ClockOption = "",
) -> None:
    """Store what stations send, receipt it, keep the ledger."""
    _program("ingest", community, hub, state, clock)


@app.command()
def detect(
    community: CommunityOption,
    hub: HubOption = None,
    state: StateOption = Path("state"),
    clock: ClockOption = "",
) -> None:
    """Judge what stations send."""
    _program("detect", community, hub, state, clock)


@app.command()
def alerts(
    community: CommunityOption,
    hub: HubOption = None,
    state: StateOption = Path("state"),
    clock: ClockOption = "",
) -> None:
    """Keep incidents, tell people, serve the API and the console."""
    _program("alerts", community, hub, state, clock)


@app.command()
def edge() -> None:
    """Run a station: `safety-eye edge STATION.toml` (see `safety-eye edge --help`)."""


@app.command()
def listen() -> None:
    """Show live what a device says: `safety-eye listen PORT --driver D` (`--help` for more)."""


@app.command()
def probe() -> None:
    """Find out which device hangs on a port: `safety-eye probe PORT` (`--help` for more)."""


@app.command()
def up(
    community: CommunityOption, hub: HubOption = None, state: StateOption = Path("state")
) -> None:
    """Run the whole hub: broker, ingest, detectors, alerts, API and console."""
    from safety_eye.check import check_channels, check_standards  # noqa: PLC0415  # slow imports
    from safety_eye.up import run_up  # noqa: PLC0415  # slow imports

    profile, config = _load(community, hub)
    try:
        check_channels(config, str(hub))
        check_standards(config, str(hub), profile)
        code = run_up(profile, community, config, hub, state, reader_language())
    except (ConfigurationError, OSError) as error:
        raise _fail(str(error)) from error
    raise typer.Exit(code)


@app.command()
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
    from safety_eye.demo import DemoOptions, run_demo  # noqa: PLC0415  # slow imports

    if listing:
        _list_scenarios(language or reader_language())
        return
    try:
        load_scenario(scenario)
    except (ConfigurationError, ValueError, OSError) as error:
        raise _fail(f"{error}; there are: {', '.join(scenario_names())}") from error
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
        raise _fail(str(error), 1) from error
    raise typer.Exit(code)


def _list_scenarios(language: str) -> None:
    for name in scenario_names():
        scenario = load_scenario(name)
        say(f"[bold]{name:<16}[/] ×{scenario.speed:<6g} {scenario.name.in_language(language)}")


@app.command()
def command(
    station: Annotated[str, typer.Argument(help="Which station.")],
    verb: Annotated[Verb, typer.Argument(help="test, sound, stop, silence, acknowledge or reload")],
    output: Annotated[str, typer.Argument(help="Which output; empty means all of them.")] = "",
    community: CommunityOption = Path("community.toml"),
    hub: HubOption = None,
    seconds: Annotated[
        float, typer.Option(help="For how long (test: 5 by default; sound).", min=0, max=3600)
    ] = 0.0,
    by: Annotated[str, typer.Option(help="Who orders it, for the journal.")] = "",
    clock: ClockOption = "",
) -> None:
    """Tell a station to do something, signed with its key; 1 if it did not, or was not heard."""
    from safety_eye.order import Courier, Order, OrderError, key_of  # noqa: PLC0415  # slow imports

    profile, config = _load(community, hub)
    if station not in profile.stations:
        raise _fail(f"station {station!r}: there are {', '.join(profile.stations) or 'none'}")
    order = Order(station, verb, output, seconds, by)
    try:
        courier = Courier(
            config.broker.address, profile.site.id, order, key_of(config, station), _clock(clock),
            config.commands.life_s,
        )  # fmt: skip
        for line in courier.deliver():
            console.print(line, markup=False, soft_wrap=True)
    except (ConfigurationError, OSError) as error:
        raise _fail(str(error)) from error
    except OrderError as error:
        raise _fail(str(error), 1) from error
    raise typer.Exit(1 if courier.unheard else 0)


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(help="community.toml, response.toml, hub.toml or station.toml")
    ],
) -> None:
    """Check a configuration file and say what it means."""
    from safety_eye.check import describe  # noqa: PLC0415  # slow imports

    try:
        for line in describe(file, today()):
            # Units such as [ppm] are no markup.
            console.print(line, markup=False, soft_wrap=True)
    except ConfigurationError as error:
        raise _fail(str(error)) from error


@app.command()
def decode() -> None:
    """Decode the bytes of a device: `safety-eye decode DRIVER --hex "FF 07 A1 A7"`."""


@app.command()
def replay(
    recordings: Annotated[list[Path], typer.Argument(help="NAME.csv.gz, with NAME.json beside it")],
    community: Annotated[Path | None, typer.Option(help="Bind sensors and replace limits.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the lines here.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Print every row and channel.")] = False,
    together: Annotated[
        bool, typer.Option("--together", help="The recordings are sensors of one site.")
    ] = False,
) -> None:
    """Judge recordings with the production detectors, in event time; one JSON line a judgement."""
    from safety_eye.replay import write_replay  # noqa: PLC0415  # slow imports

    profile = None
    try:
        profile = load_community(community) if community is not None else None
        write_replay(recordings, profile, out, every=every, together=together)
    except (ConfigurationError, ValueError, OSError) as error:
        raise _fail(str(error)) from error


@app.command()
def score(
    directory: Annotated[Path, typer.Argument(help="Recordings, subdirectories included.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of the tables.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw one chart a recording (PNG) into this directory.")
    ] = None,
    nuisance_hours: Annotated[
        int, typer.Option(help="Simulate and score so many hours of cooking, steam ...", min=0)
    ] = 0,
) -> None:
    """Replay recordings and score the warnings, beside two trivial baselines; 1 if one failed."""
    from safety_eye.score.command import run_score  # noqa: PLC0415  # slow imports

    try:
        complete = run_score(directory, plot, nuisance_hours, as_json=as_json)
    except (ValueError, OSError) as error:
        raise _fail(str(error)) from error
    raise typer.Exit(0 if complete else 1)


@app.command()
def backtest(
    community: Annotated[Path, typer.Option(help="The new profile, on trial.")],
    against: Annotated[Path, typer.Option(help="The profile that is in use.")],
    start: Annotated[str, typer.Option("--from", help="ISO 8601; without an offset local time.")],
    end: Annotated[str, typer.Option("--to", help="ISO 8601; without an offset local time.")],
    hub: HubOption = None,
    state: StateOption = Path("state"),
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Replay history through a new and the old profile: what would have changed? 1 if worse.

    What learned detectors have shown is stamped in the state directory: they speak once they pass.
    """
    from alerts.applying import file_version  # noqa: PLC0415  # slow imports
    from ingest.history import HistoryUnavailableError, HistoryUnreadableError  # noqa: PLC0415
    from safety_eye import backtest as test  # noqa: PLC0415  # slow imports
    from safety_eye import backtest_report  # noqa: PLC0415  # same
    from safety_eye.programs import history_settings  # noqa: PLC0415  # same

    profile, config = _load(community, hub)
    try:
        old = load_community(against)
        zone = profile.site.timezone
        span = test.instant(start, zone), test.instant(end, zone)
        if span[0] >= span[1]:
            raise _fail(f"--from {start} must lie before --to {end}")
        settings = history_settings(config, state)
        report = test.run_backtest(profile, old, settings, state, span, RunClock().now_ms())
    except (
        ConfigurationError,
        HistoryUnavailableError,
        HistoryUnreadableError,
        ValueError,
        OSError,
    ) as error:
        raise _fail(str(error)) from error
    before, after = (file_version(file) for file in (against, community))
    if as_json:
        whole = {"before": before, "after": after} | backtest_report.as_json(report)
        print(json.dumps(whole, ensure_ascii=False))
    else:
        # As a lesson names them (before, after): the hub then sees whether it is applied.
        console.print(f"{against} {before} → {community} {after}", markup=False, soft_wrap=True)
        for line in backtest_report.lines(report, profile, reader_language()):
            console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(1 if report.verdict == "worse" else 0)


@app.command()
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

    profile, config = _load(community, hub)
    if (directory is None) == (not url):
        raise _fail("give exactly one of --directory and --url")
    try:
        if directory is not None:
            lines = write_wall(directory, profile, config)
        else:
            lines = publish_wall(url, token_file, profile, config)
    except (ConfigurationError, OSError, RuntimeError) as error:
        raise _fail(str(error), 1) from error
    for line in lines:
        say(line)


@app.command()
def bench(
    part: Annotated[
        str, typer.Argument(help="wire, ingest, detect, latency, edge, outbox or all")
    ] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Only JSON, to standard output.")] = False,
) -> None:
    """Measure speed on this machine, beside a baseline of the same run; 1 if a gate is missed."""
    from safety_eye.bench import PARTS, run_parts  # noqa: PLC0415  # slow imports

    if part != "all" and part not in PARTS:
        raise _fail(f"bench {part!r}: expected one of {', '.join(PARTS)}")
    held = run_parts(list(PARTS) if part == "all" else [part], as_json=as_json)
    raise typer.Exit(0 if held else 1)
