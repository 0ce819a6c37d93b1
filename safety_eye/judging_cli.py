"""What was recorded, judged again: `replay`, `score` and `backtest`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from core.clock import RunClock
from core.community_file import load_community
from core.configuration import ConfigurationError
from core.refusal import told
from safety_eye.account import account
from safety_eye.options import HubOption, StateOption, load_site
from safety_eye.output import reader_language, refuse, tell

if TYPE_CHECKING:
    from safety_eye.lesson_cli import Asked


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
        raise refuse(error) from error


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
        raise refuse(error) from error
    raise typer.Exit(0 if complete else 1)


def backtest(
    community: Annotated[
        Path, typer.Option(help="The new profile, on trial; with --response the one that holds.")
    ],
    against: Annotated[Path, typer.Option(help="The file that is in use.")],
    start: Annotated[
        str, typer.Option("--from", help="ISO 8601; without an offset local time.")
    ] = "",
    end: Annotated[str, typer.Option("--to", help="ISO 8601; without an offset local time.")] = "",
    hub: HubOption = None,
    state: StateOption = Path("state"),
    lesson: Annotated[
        str, typer.Option(help="INCIDENT/ID: test it for this lesson of the hub and attach that.")
    ] = "",
    response: Annotated[
        Path | None, typer.Option(help="With --lesson: new plans on trial, instead of a profile.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="With --lesson: write it here instead of attaching it.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who attaches it; by default this account.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Replay history through a new and the old profile: what would have changed? 1 if worse.

    What learned detectors have shown is stamped in the state directory: they speak once they pass.
    With --lesson the stretch is by default the week before its incident, and nothing is stamped;
    plans are linted and held against the latest drill.
    """
    if lesson:
        from safety_eye.lesson_cli import Asked, hub_file  # noqa: PLC0415  # slow imports

        language = reader_language()
        asked = Asked(
            lesson, community, response, against, hub_file(hub, state), state, start, end, language
        )
        raise typer.Exit(_backtest_lesson(asked, out, by or account(), as_json=as_json))
    if response is not None or out is not None:
        raise refuse("--response and --out need --lesson INCIDENT/ID")
    if not (start and end):
        raise refuse("--from and --to are needed without --lesson")
    raise typer.Exit(_backtest(community, against, (start, end), hub, state, as_json=as_json))


def _backtest(
    community: Path,
    against: Path,
    typed: tuple[str, str],
    hub: Path | None,
    state: Path,
    *,
    as_json: bool,
) -> int:
    from alerts.applying import file_version  # noqa: PLC0415  # slow imports
    from ingest.history import HistoryUnavailableError, HistoryUnreadableError  # noqa: PLC0415
    from safety_eye import backtest as test  # noqa: PLC0415  # slow imports
    from safety_eye import backtest_report  # noqa: PLC0415  # same
    from safety_eye.programs import history_settings  # noqa: PLC0415  # same

    profile, config = load_site(community, hub)
    try:
        old = load_community(against)
        zone = profile.site.timezone
        span = test.instant(typed[0], zone), test.instant(typed[1], zone)
        if span[0] >= span[1]:
            raise refuse(f"--from {typed[0]} must lie before --to {typed[1]}")
        settings = history_settings(config, state)
        report = test.run_backtest(profile, old, settings, state, span, RunClock().now_ms())
    except (
        ConfigurationError,
        HistoryUnavailableError,
        HistoryUnreadableError,
        ValueError,
        OSError,
    ) as error:
        raise refuse(error) from error
    before, after = (file_version(file) for file in (against, community))
    if as_json:
        whole = {"before": before, "after": after} | backtest_report.as_json(report)
        print(json.dumps(whole, ensure_ascii=False))
    else:
        # As a lesson names them (before, after): the hub then sees whether it is applied.
        tell(f"{against} {before} → {community} {after}")
        for line in backtest_report.lines(report, profile, reader_language()):
            tell(line)
    return 1 if report.verdict == "worse" else 0


def _backtest_lesson(asked: Asked, out: Path | None, by: str, *, as_json: bool) -> int:
    from alerts.applying import short  # noqa: PLC0415  # slow imports
    from ingest.history import HistoryUnavailableError, HistoryUnreadableError  # noqa: PLC0415
    from safety_eye.hub_client import HubError  # noqa: PLC0415  # slow imports
    from safety_eye.hub_state import StateError  # noqa: PLC0415  # same
    from safety_eye.lesson_cli import back_test, deliver  # noqa: PLC0415  # same

    try:
        made, lines = back_test(asked)
        if as_json:
            print(msgspec.json.encode(made).decode())
        else:
            proposed = asked.response or asked.community
            tell(
                f"{asked.against} {short(made.before)} → {proposed} {short(made.proposed)}", *lines
            )
        # Said before: what took so long is not lost with a hub that does not answer.
        tell(deliver(made, asked, out, by))
    except (
        ConfigurationError,
        HistoryUnavailableError,
        HistoryUnreadableError,
        HubError,
        StateError,
        ValueError,
        OSError,
    ) as error:
        raise refuse(told(error, asked.language)) from error
    return 1 if made.verdict == "worse" else 0
