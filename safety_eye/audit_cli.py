"""`safety-eye audit verify`: has anybody changed what happened?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from safety_eye.output import refuse, tell

if TYPE_CHECKING:
    from alerts.journal import Head

_HASH_LENGTH = 64  # of SHA-256, in hexadecimal digits

audit_app = typer.Typer(
    help="The journal of incidents: verify that nobody has changed it.", no_args_is_help=True
)


@audit_app.callback()
def audit() -> None:
    """The journal of incidents: verify that nobody has changed it."""


@audit_app.command("verify")
def verify(
    state: Annotated[
        str,
        typer.Option(
            "--state", help="The hub's state directory, its alerts.db, or a database URL."
        ),
    ] = "state",
    anchor: Annotated[
        str,
        typer.Option(
            help="SEQ:HASH that left the house earlier (webhooks carry it): a cut-off end shows."
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Check the hash chain and fold everything again. 0: whole; 1: tampered; 2: can't be read."""
    from alerts.audit import audit as run  # noqa: PLC0415  # slow imports
    from alerts.database import DatabaseError, open_as_it_is  # noqa: PLC0415  # same

    try:
        given = _anchor(anchor)
        database = open_as_it_is(_url(state))
    except (DatabaseError, ValueError) as error:
        raise refuse(error) from error
    try:
        with database.read() as connection:
            report = run(connection, given)
    finally:
        database.close()
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        tell(*_lines(report.entries, report.incidents, report.withholdings, report.problems))
        tell(f"anchor {report.head.seq}:{report.head.hash}")
        if given is None:
            tell(
                "No anchor was given, so a cut-off end can't be seen. Keep the line above "
                "elsewhere, and give it with --anchor next time."
            )
    raise typer.Exit(1 if report.problems else 0)


def _lines(entries: int, incidents: int, withholdings: int, problems: tuple[str, ...]) -> list[str]:
    counted = f"{entries} entries, {incidents} incidents, {withholdings} withholdings"
    if not problems:
        return [f"The journal is whole: {counted} are what it says."]
    return [f"THE JOURNAL WAS CHANGED ({counted}):", *(f"- {problem}" for problem in problems)]


def _url(state: str) -> str:
    if "://" in state:
        return state
    path = Path(state)
    return f"sqlite:///{path / 'alerts.db' if path.is_dir() else path}"


def _anchor(text: str) -> Head | None:
    from alerts.journal import Head  # noqa: PLC0415  # slow imports

    if not text:
        return None
    seq, _, digest = text.partition(":")
    if not seq.isdecimal() or len(digest) != _HASH_LENGTH:
        raise ValueError(f"--anchor {text[:90]!r}: expected SEQ:HASH, with 64 hexadecimal digits")
    return Head(int(seq), digest.lower())
