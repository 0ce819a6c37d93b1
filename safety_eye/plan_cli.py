"""`safety-eye plan …` and `safety-eye people …`: plans that are looked at before the night."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from core.clock import RunClock
from core.community import Community
from core.community_file import load_community
from core.configuration import ConfigurationError
from safety_eye.hub import HubConfig, load_hub, response_file
from safety_eye.hub_state import StateError, existing_state, state_url
from safety_eye.options import CommunityOption, HubOption
from safety_eye.output import console, reader_language, refuse, tell

if TYPE_CHECKING:
    from alerts.plan_lint import LintFinding
    from alerts.register_file import Registers
    from alerts.response import Supply

plan_app = typer.Typer(help="Response plans: what to mend in them.", no_args_is_help=True)
people_app = typer.Typer(help="Registers of volunteers and supplies.", no_args_is_help=True)

_State = Annotated[
    Path | None, typer.Option("--state", help="State directory: looks into the registers there.")
]


@plan_app.callback()
def plan() -> None:
    """Response plans: what to mend in them."""


@plan_app.command()
def lint(
    community: CommunityOption = Path("community.toml"),
    response: Annotated[
        Path | None, typer.Option("--response", help="response.toml; else as hub.toml says.")
    ] = None,
    hub: HubOption = None,
    state: _State = None,
    register: Annotated[
        Path | None, typer.Option(help="Register of volunteers, CSV or TOML, instead of --state.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON to standard output.")] = False,
    language: Annotated[str, typer.Option(help="zh or en")] = "",
) -> None:
    """Say what would fail in the night; 0 if nothing, 1 if something, 2 if a file can't be used."""
    from alerts.register_file import Registers, load_registers  # noqa: PLC0415  # slow imports
    from alerts.response_file import FILE, load_response  # noqa: PLC0415  # same
    from safety_eye.plan_check import lint_plans  # noqa: PLC0415  # same

    try:
        profile, config = load_community(community), load_hub(hub)
        file = response or response_file(config, hub, community) or community.parent / FILE
        plans = load_response(file, profile)
        kept = Registers(supply=plans.supply)
        if register is not None:
            given = load_registers(register, profile)
            kept = msgspec.structs.replace(
                kept, volunteer=given.volunteer, supply=given.supply or kept.supply
            )
        elif state is not None:
            kept = _kept(config, state, profile, plans.supply)
        known = config if hub is not None else None
        found = lint_plans(plans, profile, kept, known, RunClock().wall_ms())
    except (ConfigurationError, StateError) as error:
        raise refuse(error) from error
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        _show(found, str(file), language or reader_language())
    raise typer.Exit(1 if found else 0)


@people_app.command("import")
def import_people(
    file: Annotated[Path, typer.Argument(help="CSV with a header line, or TOML.")],
    community: CommunityOption = Path("community.toml"),
    hub: HubOption = None,
    state: Annotated[Path, typer.Option("--state", help="State directory.")] = Path("state"),
) -> None:
    """Take volunteers or supplies from a file into the registers; who was erased stays erased."""
    from alerts.database import DatabaseError, open_database  # noqa: PLC0415  # slow imports
    from alerts.register_file import load_registers  # noqa: PLC0415
    from alerts.register_store import RegisterStore  # noqa: PLC0415

    try:
        profile, config = load_community(community), load_hub(hub)
        given = load_registers(file, profile)
        database = open_database(state_url(config, state))
    except (ConfigurationError, DatabaseError) as error:
        raise refuse(error) from error
    try:
        counts = RegisterStore(database, profile.site.id).take(given)
    finally:
        database.close()
    tell(
        f"{file}: {counts.volunteers} volunteers, {counts.supplies} supplies taken"
        + (f", {counts.erased} not: they were erased" if counts.erased else "")
    )


def _kept(
    config: HubConfig, state: Path, profile: Community, written: tuple[Supply, ...]
) -> Registers:
    """Return a hub's registers; stocks that it has not taken up yet are as written."""
    from safety_eye.plan_check import kept_registers  # noqa: PLC0415  # slow imports

    database = existing_state(config, state)
    try:
        return kept_registers(database, profile, written)
    finally:
        database.close()


def _show(found: list[LintFinding], file: str, language: str) -> None:
    zh = language == "zh"
    if not found:
        console.print(f"{file}: {'没有发现问题' if zh else 'nothing found'}", markup=False)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("规则", "哪里", "问题") if zh else ("rule", "where", "what"):
        table.add_column(name, overflow="fold")
    for finding in found:
        where = Text(finding.entry.in_language(language))
        where.append(f"\n{finding.where}", style="dim")  # to find it in the file
        table.add_row(finding.rule, where, finding.text.in_language(language))
    console.print(table, markup=False)
    count = len(found)
    console.print(f"{file}: {count} 项需要处理" if zh else f"{file}: {count} to mend", markup=False)
