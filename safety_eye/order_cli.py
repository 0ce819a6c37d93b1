"""`safety-eye command`: an order to a station, signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.command import Verb
from core.configuration import ConfigurationError
from safety_eye.options import ClockOption, CommunityOption, HubOption, load_site, run_clock
from safety_eye.output import refuse, tell


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

    profile, config = load_site(community, hub)
    if station not in profile.stations:
        raise refuse(f"station {station!r}: there are {', '.join(profile.stations) or 'none'}")
    given = run_clock(clock)
    order = Order(station, verb, output, seconds, by)
    try:
        courier = Courier(
            config.broker.address, profile.site.id, order, key_of(config, station), given,
            config.commands.life_s,
        )  # fmt: skip
        for line in courier.deliver():
            tell(line)
    except (ConfigurationError, OSError) as error:
        raise refuse(error) from error
    except OrderError as error:
        raise refuse(error, 1) from error
    raise typer.Exit(1 if courier.unheard else 0)
