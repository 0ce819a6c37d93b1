"""The programs of a hub: `ingest`, `detect`, `alerts`, and `up` for all of them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import typer

from core.configuration import ConfigurationError
from safety_eye.log_output import log_to
from safety_eye.options import (
    ClockOption,
    CommunityOption,
    HubOption,
    StateOption,
    load_site,
    run_clock,
)
from safety_eye.output import reader_language, refuse


def ingest(
    community: CommunityOption,
    hub: HubOption = None,
    state: StateOption = Path("state"),
    clock: ClockOption = "",
) -> None:
    """Store what stations send, receipt it, keep the ledger."""
    _program("ingest", community, hub, state, clock)


def detect(
    community: CommunityOption,
    hub: HubOption = None,
    state: StateOption = Path("state"),
    clock: ClockOption = "",
) -> None:
    """Judge what stations send."""
    _program("detect", community, hub, state, clock)


def alerts(
    community: CommunityOption,
    hub: HubOption = None,
    state: StateOption = Path("state"),
    clock: ClockOption = "",
) -> None:
    """Keep incidents, tell people, serve the API and the console."""
    _program("alerts", community, hub, state, clock)


def _program(name: str, community: Path, hub: Path | None, state: Path, clock: str) -> None:
    from safety_eye.programs import (  # noqa: PLC0415  # slow imports
        REFUSALS,
        RUNNERS,
        run_alerts,
        stop_on_signal,
    )

    log_to(sys.stderr)
    profile, config = load_site(community, hub)
    started = run_clock(clock)
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refuse(f"--state: {error}") from error
    try:
        run = partial(run_alerts, profile=community) if name == "alerts" else RUNNERS[name]
        run(config, profile, state, started, stop_on_signal())
    except REFUSALS as error:
        raise refuse(error, 1) from error


def up(
    community: CommunityOption, hub: HubOption = None, state: StateOption = Path("state")
) -> None:
    """Run the whole hub: broker, ingest, detectors, alerts, API and console."""
    from safety_eye.check import check_channels, check_standards  # noqa: PLC0415  # slow imports
    from safety_eye.up import run_up  # noqa: PLC0415  # slow imports

    profile, config = load_site(community, hub)
    try:
        check_channels(config, str(hub))
        check_standards(config, str(hub), profile)
        code = run_up(profile, community, config, hub, state, reader_language())
    except (ConfigurationError, OSError) as error:
        raise refuse(error) from error
    raise typer.Exit(code)
