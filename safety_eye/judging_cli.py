"""What was recorded, judged again: `replay`, `score` and `backtest`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from core.clock import RunClock
from core.community_file import load_community
from core.configuration import ConfigurationError
from safety_eye.options import HubOption, StateOption, load_site
from safety_eye.output import reader_language, refuse, tell


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

    profile, config = load_site(community, hub)
    try:
        old = load_community(against)
        zone = profile.site.timezone
        span = test.instant(start, zone), test.instant(end, zone)
        if span[0] >= span[1]:
            raise refuse(f"--from {start} must lie before --to {end}")
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
    raise typer.Exit(1 if report.verdict == "worse" else 0)
