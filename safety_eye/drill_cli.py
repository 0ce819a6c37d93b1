"""Commands for drills: `drill run|list|coverage|report|abort`. Slow imports when they are used."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from core.broker import BrokerAddress
from core.community import Community
from core.community_file import load_community
from core.configuration import ConfigurationError
from core.drill import DrillError
from core.refusal import told
from safety_eye.account import account
from safety_eye.hub import HubConfig, load_hub
from safety_eye.output import reader_language, refuse, tell

if TYPE_CHECKING:
    from alerts.drill_calendar import Coverage, Line
    from safety_eye.drill_client import DrillClient
    from safety_eye.drill_options import DrillOptions, Outcome
    from safety_eye.drill_run import DrillRun

drill_app = typer.Typer(
    help="Drills through the live chain: run, list, coverage, report.", no_args_is_help=True
)

CommunityOption = Annotated[
    Path | None,
    typer.Option("--community", help="The hub's community.toml; by default that of the state."),
]
HubOption = Annotated[
    Path | None, typer.Option("--hub", help="The hub's hub.toml; by default that of the state.")
]
StateOption = Annotated[Path, typer.Option("--state", help="The running hub's state directory.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON to standard output.")]
LanguageOption = Annotated[
    str, typer.Option("--language", help="zh or en; by default that of this terminal.")
]


@contextmanager
def _refusals(language: str) -> Iterator[None]:
    """Turn refusals into one line of the reader's language and exit code 2."""
    from safety_eye.hub_client import HubError  # noqa: PLC0415  # slow imports

    try:
        yield
    except (ConfigurationError, DrillError, HubError, OSError) as error:
        raise refuse(told(error, language)) from error


def _hub_of(state: Path, hub: Path | None) -> HubConfig:
    own = state / "hub.toml"
    return load_hub(hub if hub is not None else own if own.exists() else None)


@contextmanager
def _client(state: Path, hub: Path | None, language: str = "") -> Iterator[DrillClient]:
    from safety_eye.drill_client import DrillClient  # noqa: PLC0415  # slow imports

    language = language or reader_language()
    with _refusals(language), closing(DrillClient(_hub_of(state, hub), language)) as client:
        yield client


@drill_app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario, or a file.")],
    zone: Annotated[str, typer.Option(help="Zone in which it plays.")],
    community: CommunityOption = None,
    hub: HubOption = None,
    state: StateOption = Path("state"),
    pace: Annotated[
        float, typer.Option(help="How much faster than it really would it passes.")
    ] = 1.0,
    by: Annotated[str, typer.Option(help="Who asks; by default this account.")] = "",
    notify_s: Annotated[float, typer.Option(help="Seconds to the first accepted message.")] = 60.0,
    take_over_s: Annotated[float, typer.Option(help="Seconds until somebody took over.")] = 300.0,
    machine_only: Annotated[
        bool, typer.Option("--machine-only", help="Nobody is expected to take over.")
    ] = False,
    short: Annotated[
        bool, typer.Option("--short", help="End as soon as everything is measured.")
    ] = False,
    with_outputs: Annotated[
        bool, typer.Option("--with-outputs", help="Sirens and lights may be switched.")
    ] = False,
    with_residents: Annotated[
        bool, typer.Option("--with-residents", help="Residents whom a ladder names are told, too.")
    ] = False,
    language: LanguageOption = "",
    as_json: JsonOption = False,
) -> None:
    """Play a scenario into a RUNNING hub, marked as a drill; 0 passed, 1 not, 2 refused."""
    from edge.simulator import load_scenario  # noqa: PLC0415  # slow imports
    from edge.simulator.transplant import transplant  # noqa: PLC0415
    from safety_eye.drill_options import DrillOptions, Place  # noqa: PLC0415
    from safety_eye.drill_run import DrillRun  # noqa: PLC0415

    state = state.resolve()
    profile = (community or state / "community.toml").resolve()
    with _client(state, hub, language) as client:
        place = Place(load_community(profile), profile, _broker_of(state, hub), state)
        moved = transplant(load_scenario(scenario), place.community, zone, pace)
        options = DrillOptions(
            zone=zone,
            scenario=moved.scenario.id,
            pace=pace,
            by=by or account(),
            notify_s=notify_s,
            take_over_s=None if machine_only else take_over_s,
            short=short,
            with_outputs=with_outputs,
            with_residents=with_residents,
            language=language or reader_language(),
        )
        drill = DrillRun(options, moved, place, client)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: drill.stop.set())
        outcome = drill.run()
        _report(outcome, drill, client)
        _conclude(outcome, options, place.community, as_json=as_json)
    raise typer.Exit(0 if outcome.passed else 1)


def _broker_of(state: Path, hub: Path | None) -> BrokerAddress:
    """Return the live broker; its files by absolute paths, as the station is in another place."""
    address = _hub_of(state, hub).broker.address
    names = ("password_file", "ca_file", "cert_file", "key_file")
    files = {name: getattr(address, name) for name in names}
    absolute = {name: str(Path(file).resolve()) for name, file in files.items() if file}
    return msgspec.structs.replace(address, **absolute)


def _report(outcome: Outcome, drill: DrillRun, client: DrillClient) -> None:
    """Write the report, and have the hub remember its hashes."""
    from safety_eye.drill_report import Material, write_report  # noqa: PLC0415  # slow imports

    material = Material(
        outcome.answer, outcome.readings, drill.moved, drill.place.community, outcome.passed
    )
    for file in write_report(material, outcome.directory):
        client.add_evidence(outcome.answer.drill.id, str(file.path), file.sha256)


def _conclude(
    outcome: Outcome, options: DrillOptions, profile: Community, *, as_json: bool
) -> None:
    from alerts.drill_words import measure_line, state_line  # noqa: PLC0415  # slow imports

    answer, language = outcome.answer, options.language
    for one in answer.score.measures:
        mark = {None: "·", True: "✓", False: "✗"}[one.passed]
        tell(f"  {mark} {measure_line(one, answer.drill, language, profile)}")
    mark = "✓" if outcome.balanced else "✗"
    tell(f"  {mark} {'数据账目' if language == 'zh' else 'readings'}: {_readings(outcome)}")
    verdict = (
        ("通过" if outcome.passed else "未通过")
        if language == "zh"
        else ("passed" if outcome.passed else "not passed")
    )
    tell(f"{state_line(answer.drill, language)}: {verdict}")
    tell(f"  {outcome.directory / 'report.html'}")
    if as_json:
        whole = {
            "passed": outcome.passed,
            "drill": answer.drill,
            "score": answer.score,
            "readings": outcome.readings,
            "report": str(outcome.directory / "report.html"),
        }
        print(msgspec.json.encode(whole).decode(), flush=True)


def _readings(outcome: Outcome) -> str:
    readings = outcome.readings
    if readings is None:
        return "?"
    return (
        f"{readings.produced} = {readings.stored} + {readings.quarantined} + {readings.lost}"
        f" + {readings.unknown}"
    )


@drill_app.command(name="list")
def list_drills(
    hub: HubOption = None,
    state: StateOption = Path("state"),
    community: CommunityOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    language: LanguageOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the drills of a hub, newest first."""
    from alerts.drill_words import state_line  # noqa: PLC0415  # slow imports

    language = language or reader_language()
    with _client(state, hub, language) as client:
        drills = client.drills(limit)
        profile = _profile(state, community)
    if as_json:
        print(msgspec.json.encode(drills).decode())
        return
    for one in drills:
        place = profile.place(one.plan.zone, language) if profile else one.plan.zone
        tell(f"{one.id}  {place}  {one.plan.scenario}  {state_line(one, language)}")
    if not drills:
        tell("还没有演练" if language == "zh" else "no drill yet")


def _profile(state: Path, community: Path | None) -> Community | None:
    file = community or state / "community.toml"
    return load_community(file) if file.exists() else None


@drill_app.command()
def coverage(
    hub: HubOption = None,
    state: StateOption = Path("state"),
    days: Annotated[float, typer.Option(min=1, max=3650, help="The window.")] = 365,
    language: LanguageOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what was drilled by hazard, watch and channel, and what is due; 1 if anything is."""
    with _client(state, hub, language) as client:
        answer = client.coverage(days)
    if as_json:
        print(msgspec.json.encode(answer).decode())
    else:
        for line in _coverage_lines(answer.coverage, language or reader_language()):
            tell(line)
    raise typer.Exit(1 if any(entry.due for entry in answer.coverage.entries) else 0)


def _coverage_lines(found: Coverage, language: str) -> Iterator[str]:
    from alerts.drill_words import COVERAGE, line_words  # noqa: PLC0415  # slow imports

    parts: dict[str, tuple[Line, ...]] = {
        "entries": found.entries,
        "hazards": found.hazards,
        "watches": found.watches,
        "channels": found.channels,
    }
    for name, lines in parts.items():
        yield COVERAGE[name].in_language(language)
        for line in lines:
            yield f"  {line_words(line, found.now, language)}"


@drill_app.command()
def report(
    drill: Annotated[str, typer.Argument(help="Id of the drill.")],
    hub: HubOption = None,
    state: StateOption = Path("state"),
    language: LanguageOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show how a drill went, and whether its files are still those that were made then."""
    from alerts.drill_words import measure_line, state_line  # noqa: PLC0415  # slow imports

    language = language or reader_language()
    with _client(state, hub, language) as client:
        answer = client.drill(drill)
        profile = _profile(state, None)
    if as_json:
        print(msgspec.json.encode(answer).decode())
        return
    tell(state_line(answer.drill, language))
    for one in answer.score.measures:
        mark = {None: "·", True: "✓", False: "✗"}[one.passed]
        tell(f"  {mark} {measure_line(one, answer.drill, language, profile)}")
    for file in answer.drill.evidence:
        tell(f"  {_file_state(Path(file.path), file.sha256, language)}  {file.path}")


def _file_state(path: Path, sha256: str, language: str) -> str:
    import hashlib  # noqa: PLC0415  # with the other slow imports

    zh = language == "zh"
    try:
        same = hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return "文件缺失" if zh else "missing"
    if same:
        return "文件未改动" if zh else "unchanged"
    return "文件已被改动" if zh else "CHANGED"


@drill_app.command()
def abort(
    drill: Annotated[str, typer.Argument(help="Id of the drill.")],
    hub: HubOption = None,
    state: StateOption = Path("state"),
    by: Annotated[str, typer.Option(help="Who asks; by default this account.")] = "",
    language: LanguageOption = "",
) -> None:
    """Break a drill off."""
    language = language or reader_language()
    with _client(state, hub, language) as client:
        client.abort(drill, by or account())
    tell(f"演练 {drill} 已中止" if language == "zh" else f"drill {drill} was broken off")
