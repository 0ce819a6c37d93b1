"""What commands share: the options of a site, and what they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from core.clock import RunClock, parse_clock
from core.community import Community
from core.community_file import load_community
from core.configuration import ConfigurationError
from safety_eye.hub import HubConfig, load_hub, response_file
from safety_eye.output import refuse

CommunityOption = Annotated[
    Path, typer.Option("--community", help="The community profile, community.toml.")
]
HubOption = Annotated[
    Path | None, typer.Option("--hub", help="hub.toml; without it everything is embedded.")
]
StateOption = Annotated[
    Path, typer.Option("--state", help="The hub's state directory: what must be kept.")
]
ClockOption = Annotated[
    str, typer.Option("--clock", help="EPOCH_MS:SPEED of the run; empty is the wall clock.")
]


def load_site(community: Path, hub: Path | None) -> tuple[Community, HubConfig]:
    """Return the profile and the configuration of a hub; refuse the command if one can't be used.

    Raises:
        typer.Exit: With code 2, after a line that says why.
    """
    try:
        profile, config = load_community(community), load_hub(hub)
        plans = response_file(config, hub, community)
    except ConfigurationError as error:
        raise refuse(error) from error
    # The programs get a path that holds whatever directory they run in.
    named = str(plans.resolve()) if plans is not None else ""
    return profile, msgspec.structs.replace(config, response=named)


def run_clock(text: str) -> RunClock:
    """Return the clock that `--clock` names; refuse the command if it names none.

    Raises:
        typer.Exit: With code 2, after a line that says why.
    """
    try:
        return parse_clock(text) if text else RunClock()
    except ValueError as error:
        raise refuse(error) from error
