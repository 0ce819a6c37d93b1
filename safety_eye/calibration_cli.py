"""Commands for the person with the ruler or the test gas: `calibration add`, `calibration list`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from core.clock import RunClock
from core.community_file import load_community
from safety_eye.installation import KitError
from safety_eye.kit_cli import refusals
from safety_eye.options import CommunityOption
from safety_eye.output import tell

# Half a year: electrochemical cells and pressure probes drift by then (hardware/calibration.md).
_USUAL_DAYS = 180

calibration_app = typer.Typer(help="Calibration records of sensors.", no_args_is_help=True)


def today() -> dt.date:
    """Return the present day in UTC."""
    return dt.datetime.fromtimestamp(RunClock().wall_ms() / 1000, dt.UTC).date()


@calibration_app.command("add")
def calibration_add(
    sensor: Annotated[str, typer.Argument(help="Id of the sensor.")],
    community: CommunityOption,
    by: Annotated[str, typer.Option("--by", help="Who compared.")],
    reference: Annotated[str, typer.Option("--reference", help="With what: ruler, gas, batch.")],
    true: Annotated[list[float], typer.Option("--true", help="What the reference said.")],
    before: Annotated[list[float], typer.Option("--before", help="What the system showed.")],
    after: Annotated[
        list[float] | None, typer.Option("--after", help="What it shows with the new values.")
    ] = None,
    date: Annotated[str, typer.Option("--date", help="Day, ISO; today by default.")] = "",
    every_days: Annotated[
        int, typer.Option("--every-days", help="Due again after.", min=1)
    ] = _USUAL_DAYS,
    note: Annotated[str, typer.Option("--note", help="Anything else.")] = "",
) -> None:
    """Record a comparison; says the slope and offset that follow (canonical unit)."""
    from safety_eye.calibration import (  # noqa: PLC0415  # slow imports
        Calibration,
        add_record,
        corrected,
    )

    with refusals():
        profile = load_community(community)
        entry = profile.sensor_of(sensor)
        if entry is None:
            raise KitError(f"sensor {sensor!r}: not in {community}")
        day = _day(date)
        slope, offset = corrected(entry, true, before)
        record = Calibration(
            sensor, day, by, reference, tuple(true), tuple(before), slope, offset,
            day + dt.timedelta(days=every_days), tuple(after or ()), note,
        )  # fmt: skip
        book = add_record(profile, community, record)
    tell(
        f"{book}: recorded, due again {record.due}",
        f"  in [[sensor]] {sensor} of community.toml and of the station's station.toml:",
        f"  slope = {slope}",
        f"  offset = {offset}",
    )


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text) if text else today()
    except ValueError as error:
        raise KitError(f"--date {text!r}: expected YYYY-MM-DD") from error


@calibration_app.command("list")
def calibration_list(community: CommunityOption) -> None:
    """Print every record; exit code 1 if a sensor is overdue."""
    from safety_eye.calibration import book_lines  # noqa: PLC0415  # slow imports

    with refusals():
        lines, overdue = book_lines(load_community(community), community, today())
    tell(*(lines or ["no calibration has been recorded yet"]))
    raise typer.Exit(1 if overdue else 0)
