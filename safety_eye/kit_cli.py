"""Commands for the installer: `broker …`. Everything slow is imported when it is used."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from core.clock import RunClock
from core.community_file import load_community
from core.configuration import ConfigurationError
from safety_eye.installation import KitError, write_new
from safety_eye.options import CommunityOption
from safety_eye.output import refuse, tell

broker_app = typer.Typer(
    help="The site's Mosquitto: TLS, credentials, rules.", no_args_is_help=True
)

station_app = typer.Typer(help="A station: new, update.", no_args_is_help=True)

KitArgument = Annotated[Path, typer.Argument(help="The broker's directory.")]


def _now() -> dt.datetime:
    return dt.datetime.fromtimestamp(RunClock().wall_ms() / 1000, dt.UTC)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn refusals into one line and exit code 2."""
    try:
        yield
    except (KitError, ConfigurationError, OSError) as error:
        raise refuse(error) from error


@broker_app.command("new")
def broker_new(
    directory: KitArgument,
    community: CommunityOption,
    name: Annotated[
        list[str], typer.Option("--name", help="How stations call the hub; repeat for more.")
    ],
    port: Annotated[int, typer.Option(help="TLS port for stations.", min=1, max=65535)] = 8883,
    hub_port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1 for the hub.", min=1, max=65535)
    ] = 1883,
    run_as: Annotated[str, typer.Option(help="User of the broker.")] = "mosquitto",
    persistence: Annotated[Path, typer.Option(help="Where the broker keeps its queue.")] = Path(
        "/var/lib/mosquitto"
    ),
) -> None:
    """Write a Mosquitto configuration with certificates, rules and the hub's credential."""
    from safety_eye.broker_kit import new_kit  # noqa: PLC0415  # slow imports

    with refusals():
        kit = new_kit(
            directory, load_community(community), name, _now(),
            port=port, hub_port=hub_port, run_as=run_as, persistence=persistence,
        )  # fmt: skip
    place = kit.directory
    tell(
        f"{place}: the broker of {kit.entry.site}",
        f"  1. sudo cp {place}/mosquitto.conf /etc/mosquitto/mosquitto.conf",
        "     sudo systemctl restart mosquitto",
        "  2. in hub.toml:",
        f'     [broker]\n     kind = "external"\n     host = "127.0.0.1"\n     port = {hub_port}',
        f'     username = "hub"\n     password_file = "{place}/hub.password"',
        "  3. each station: safety-eye station new NAME --broker " + str(place),
        f"  4. move {place}/authority to a medium in a drawer; only `broker renew` needs it",
    )


@broker_app.command("add")
def broker_add(
    directory: KitArgument,
    user: Annotated[str, typer.Argument(help="A station, or the sensor of a JSON mapping.")],
    out: Annotated[Path, typer.Option("--out", help="File for the password; must not exist.")],
    replace: Annotated[bool, typer.Option("--replace", help="Give it a new password.")] = False,
) -> None:
    """Give a station (or a device of a JSON mapping) a password."""
    from safety_eye.broker_kit import open_kit  # noqa: PLC0415  # slow imports

    with refusals():
        kit = open_kit(directory)
        if out.exists():
            raise KitError(f"{out}: exists already; nothing is overwritten")
        write_new(out, kit.add(user, replace=replace) + "\n", 0o600)
    tell(f"{out}: password of {user}", "  sudo systemctl reload mosquitto")


@broker_app.command("renew")
def broker_renew(directory: KitArgument) -> None:
    """Replace the broker's certificate and key; stations need nothing new."""
    from safety_eye.broker_kit import open_kit  # noqa: PLC0415  # slow imports

    with refusals():
        open_kit(directory).renew(_now())
    tell(f"{directory}/server.crt: renewed", "  sudo systemctl restart mosquitto")


@broker_app.command("check")
def broker_check(directory: KitArgument) -> None:
    """Say who may enter, how long certificates last, and what should be done."""
    from safety_eye.broker_kit import open_kit  # noqa: PLC0415  # slow imports

    with refusals():
        tell(*open_kit(directory).describe(_now()))


@station_app.command("new")
def station_new(
    station: Annotated[str, typer.Argument(help="Its name in the profile.")],
    community: CommunityOption,
    out: Annotated[Path, typer.Option("--out", help="Directory to write; must not exist.")],
    broker: Annotated[
        Path | None, typer.Option("--broker", help="The broker's directory on this machine.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="How the station calls the hub.")] = "",
    port: Annotated[int, typer.Option(help="TLS port of the broker.", min=1, max=65535)] = 8883,
    ca_file: Annotated[
        Path | None, typer.Option("--ca", help="The broker's ca.crt, without --broker.")
    ] = None,
) -> None:
    """Write a station's file, credential, command key, units and install steps (zh, en)."""
    from safety_eye.broker_kit import open_kit  # noqa: PLC0415  # slow imports
    from safety_eye.station_kit import BrokerDoor, write_station  # noqa: PLC0415  # same

    with refusals():
        if broker is not None:
            kit = open_kit(broker)
            name = host or kit.entry.names[0]
            door = BrokerDoor(name, kit.entry.port, kit.ca_file, kit)
        elif host:
            door = BrokerDoor(host, port, ca_file)
        else:
            raise KitError("say where the broker is: --broker DIR (on the hub), or --host and --ca")
        place = write_station(out, station, load_community(community), door)
    tell(f"{place}: station {station}; it holds secrets, carry it on a medium you can wipe")
    if door.kit is not None:
        tell("  the broker knows it after: sudo systemctl reload mosquitto")
    else:
        tell(f"  append {place}/hub/broker-password.line to the broker's passwords, then reload it")
    if door.ca_file is None:
        tell("  ca.crt is missing: copy the broker's into it")
    tell(f"  then follow {place}/INSTALL.md")


@station_app.command("update")
def station_update() -> None:
    """Install a release beside the running one, with the way back (--help says more)."""
