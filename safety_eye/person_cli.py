"""`safety-eye person …`: what is held about somebody, and erasing it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from core.refusal import told
from safety_eye.hub_state import StateError, open_state
from safety_eye.options import ClockOption, CommunityOption, HubOption, StateOption, run_clock
from safety_eye.output import reader_language, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerts.privacy import Privacy, Statement

T = TypeVar("T")
person_app = typer.Typer(help="What is held about a person.", no_args_is_help=True)
PersonArgument = Annotated[
    str, typer.Argument(help="Id in the journal (`person list` names them), or of a volunteer.")
]


@person_app.command("list")
def list_people(
    community: CommunityOption = Path("community.toml"),
    hub: HubOption = None,
    state: StateOption = Path("state"),
) -> None:
    """Print who is in the erasable table, one a line: id, name."""
    for row in _ask(community, hub, state, "", lambda privacy: privacy.people()):
        sys.stdout.write(f"{row['id']}\t{row['name']}\n")


@person_app.command()
def export(
    person: PersonArgument,
    community: CommunityOption = Path("community.toml"),
    hub: HubOption = None,
    state: StateOption = Path("state"),
) -> None:
    """Print everything that is held about a person, as JSON, to hand it to them."""
    found = _ask(community, hub, state, "", lambda privacy: privacy.export(person))
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")


@person_app.command()
def erase(
    person: PersonArgument,
    community: CommunityOption = Path("community.toml"),
    hub: HubOption = None,
    state: StateOption = Path("state"),
    clock: ClockOption = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    language: Annotated[str, typer.Option(help="zh or en")] = "zh",
) -> None:
    """Erase a person; print a statement of what was erased, and what remains and why."""
    if not yes:
        typer.confirm(f"{person}: 删除后无法恢复 / this can't be undone?", abort=True, err=True)
    statement = _ask(community, hub, state, clock, lambda privacy: privacy.erase(person))
    for line in statement_lines(statement, language):
        sys.stdout.write(line + "\n")


def _ask(
    community: Path, hub: Path | None, state: Path, clock: str, question: Callable[[Privacy], T]
) -> T:
    from alerts.privacy import PersonError, Privacy  # noqa: PLC0415  # slow imports

    given = run_clock(clock)
    try:
        profile, database = open_state(community, hub, state)
    except StateError as error:
        raise refuse(error) from error
    try:
        return question(Privacy(database, profile, given))
    except PersonError as error:
        raise refuse(told(error, reader_language()), 1) from error
    finally:
        database.close()


def statement_lines(statement: Statement, language: str) -> list[str]:
    """Return the statement as people read it."""
    zh = language == "zh"
    lines = [f"{'已处理' if zh else 'done for'} {statement.person}"]
    for one in statement.touched:
        what = ("、" if zh else ", ").join(one.erased)
        erased = (f"删除 {what}" if zh else f"erased {what}") if what else ""
        kept = one.kept.in_language(language)
        kept = (f"保留：{kept}" if zh else f"kept: {kept}") if kept else ""
        told = ("；" if zh else "; ").join(part for part in (erased, kept) if part)
        rows = f"{one.rows} 条" if zh else f"{one.rows} rows"
        lines.append(f"  {one.table}（{rows}）{told}" if zh else f"  {one.table} ({rows}) {told}")
    return lines + [f"  ! {one.in_language(language)}" for one in statement.by_hand]
