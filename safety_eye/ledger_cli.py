"""`safety-eye ledger …`: where the readings of each station are, and why some were not believed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest.ledger_file import LedgerError
from ingest.quarantine import Quarantined, read_quarantine
from ingest.station_ledger import pack_fate, read_ledger
from safety_eye.options import StateOption
from safety_eye.output import refuse

ledger_app = typer.Typer(
    help="Where readings are: per station, the quarantine, one pack.", no_args_is_help=True
)

JsonOption = Annotated[bool, typer.Option("--json", help="JSON to standard output.")]
# More would not be read on a screen; JSON of everything that is kept is for a program.
_SHOWN_BYTES = 60


@contextmanager
def _ledger(state: Path) -> Iterator[Path]:
    """Give the ledger of a hub; refuse the command where there is none, or it can't be read."""
    file = state / "ledger.db"
    if not file.is_file():
        raise refuse(f"{file}: there is no ledger; name the hub's --state directory")
    try:
        yield file
    except (LedgerError, OSError) as error:
        raise refuse(error) from error


@ledger_app.command("show")
def show(state: StateOption = Path("state"), as_json: JsonOption = False) -> None:
    """Add up each station; 1 while readings of one are on the way or missing (pending)."""
    with _ledger(state) as file:
        rows = read_ledger(file)
    if as_json:
        print(msgspec.json.encode(rows).decode())
    else:
        table = _table(
            "station", "produced", "= stored", "+ quarantined", "+ lost", "+ unknown", "+ pending",
            "missing packs", "outside (stored + quarantined)",
        )  # fmt: skip
        for row in rows:
            counts = (
                row.produced, row.stored, row.quarantined, row.lost, row.unknown, row.pending,
                row.holes,
            )  # fmt: skip
            apart = f"{row.apart_stored:,} + {row.apart_quarantined:,}"
            table.add_row(row.station, *(f"{count:,}" for count in counts), apart)
        Console(highlight=False).print(table)
    raise typer.Exit(0 if all(row.balanced for row in rows) else 1)


@ledger_app.command("quarantine")
def quarantine(
    state: StateOption = Path("state"),
    station: Annotated[str, typer.Option("--station", help="Of this station alone.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what could not be believed and why, newest first; times in UTC."""
    with _ledger(state) as file:
        rows = read_quarantine(file, limit, station)
    if as_json:
        print(json.dumps([_plain(row) for row in rows], ensure_ascii=False))
        return
    table = _table("received", "station", "pack", "readings", "reason", "begins")
    for row in rows:
        begins = _text(row.raw[:_SHOWN_BYTES])
        cells = (_time(row), row.station or "-", _pack(row), str(row.readings), row.reason, begins)
        table.add_row(*map(Text, cells))  # brackets of anybody's bytes are no markup
    Console(highlight=False).print(table)


@ledger_app.command("pack")
def pack(
    station: Annotated[str, typer.Argument(help="Which station.")],
    boot: Annotated[str, typer.Argument(help="Its boot, as its packs say.")],
    seq: Annotated[int, typer.Argument(help="Number of the pack.", min=0)],
    state: StateOption = Path("state"),
) -> None:
    """Say what became of one pack: stored, quarantined, lost or missing; 1 unless stored."""
    with _ledger(state) as file:
        fate = pack_fate(file, station, boot, seq)
    print(fate)
    raise typer.Exit(0 if fate == "stored" else 1)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _plain(row: Quarantined) -> dict[str, Any]:
    return row._asdict() | {"raw": _text(row.raw)}


def _pack(row: Quarantined) -> str:
    if row.boot is None:
        return "-"
    return f"{row.boot}:{row.seq}" + (f" #{row.position}" if row.position is not None else "")


def _time(row: Quarantined) -> str:
    return f"{dt.datetime.fromtimestamp(row.received_ms / 1000, dt.UTC):%Y-%m-%d %H:%M:%S}"


def _text(raw: bytes) -> str:
    """Return bytes of anybody as text that is safe to print: no control character is left."""
    return "".join(
        char if char.isprintable() else ascii(char)[1:-1]
        for char in raw.decode(errors="backslashreplace")
    )
