"""`safety-eye kpi`: alarm figures and resilience of a place, as a table and as JSON."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from core.clock import Clock, ManualClock
from core.community import Community, Name
from core.refusal import RefusalError, told
from safety_eye.hub import load_hub, response_file
from safety_eye.hub_state import StateError, open_state
from safety_eye.options import ClockOption, CommunityOption, HubOption, StateOption, run_clock
from safety_eye.output import refuse, tell

if TYPE_CHECKING:
    from alerts.kpi import Kpis
    from alerts.resilience import Part

# Clocks of two machines differ by less; what lies further ahead was a faster run.
_SKEW_MS = 60_000
# Of a sped-up run: in English, in Chinese.
_AHEAD = (
    "The state is of a sped-up run, ahead of the clock: the figures end with its last entry.",
    "这是加速运行的状态，时间快于现在：指标截至其最后一条记录。",
)


def kpi(
    community: CommunityOption = Path("community.toml"),
    hub: HubOption = None,
    state: StateOption = Path("state"),
    days: Annotated[int, typer.Option(min=1, max=400, help="The last so many days.")] = 30,
    since: Annotated[str, typer.Option("--from", help="Begin, ISO 8601 with offset.")] = "",
    until: Annotated[str, typer.Option("--to", help="End, ISO 8601 with offset.")] = "",
    clock: ClockOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    language: Annotated[str, typer.Option(help="zh or en; else that of the site.")] = "",
) -> None:
    """Alarm figures (EEMUA 191, ISA-18.2) of a period, and what resilience rests on now."""
    from alerts.figures import DAY_MS, Figures  # noqa: PLC0415  # slow imports

    given = run_clock(clock)
    try:
        profile, database = open_state(community, hub, state)
    except (ValueError, StateError) as error:
        raise refuse(error) from error
    try:
        now: Clock = given
        figures = Figures(database, profile, now)
        if not clock and figures.latest() > now.now_ms() + _SKEW_MS:
            # A demo at 50 times the speed is hours ahead of the wall: its own time holds.
            now = ManualClock(figures.latest() + 1)
            figures = Figures(database, profile, now)
            tell(_AHEAD[(language or profile.site.language) == "zh"])
        end = _ms(until) if until else now.now_ms()
        begin = _ms(since) if since else end - days * DAY_MS
        figures.plans = _plans(community, hub, profile)
        found, parts = figures.kpis(begin, end), figures.resilience()
    except ValueError as error:
        raise refuse(told(error, language or profile.site.language)) from error
    finally:
        database.close()
    if as_json:
        body = {"kpis": found, "resilience": parts}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n")
    else:
        report(found, parts, profile, language or profile.site.language)


def _plans(community: Path, hub: Path | None, profile: Community) -> dict[str, dt.date | None]:
    from alerts.figures import reviews  # noqa: PLC0415  # slow imports
    from alerts.response_file import load_response  # noqa: PLC0415

    file = response_file(load_hub(hub), hub, community)
    return reviews(load_response(file, profile)) if file is not None else {}


def _ms(text: str) -> int:
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        example = "2026-05-01T00:00:00+08:00"
        raise RefusalError(
            f"time {text!r}: it needs its offset, e.g. {example}",
            f"时间 {text!r}：须带时区，例如 {example}",
        )
    return round(time.timestamp() * 1000)


def report(found: Kpis, parts: list[Part], profile: Community, language: str) -> None:
    """Print the tables for people, to standard output."""
    from alerts.message import local_time  # noqa: PLC0415  # slow imports

    zh = language == "zh"
    out = Console(highlight=False)
    zone = profile.site.timezone
    span = f"{local_time(found.since, zone, language)} – {local_time(found.until, zone, language)}"
    out.print(f"{profile.site.name.in_language(language)}  {span}", markup=False)
    out.print(_figures(found, language))
    if found.operators:
        out.print(_operators(found, language))
    if found.channels:
        out.print(_channels(found, language))
    out.print(_resilience(parts, profile, language))
    note = (
        "演练与测试不计入。[T] 二手资料，[K] 一般经验；标准原文未公开，本表不等于合规声明。"
        if zh
        else "Drills and tests are left out. [T] secondary text, [K] general knowledge: "
        "the standards are not public, so this is no claim of conformance."
    )
    out.print(note, markup=False, soft_wrap=True)


def _table(language: str, *columns: Name) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column.in_language(language), overflow="fold")
    return table


def _figures(found: Kpis, language: str) -> Table:
    from alerts.kpi_words import (  # noqa: PLC0415  # slow imports
        NAMES,
        target_words,
        value_words,
        verdict_words,
    )

    table = _table(
        language, Name("指标", "figure"), Name("数值", "value"), Name("样本", "n"),
        Name("目标", "target"), Name("判定", "verdict"),
    )  # fmt: skip
    for figure in found.figures:
        cells = (
            NAMES[figure.name].in_language(language), value_words(figure, language),
            str(figure.n), target_words(figure, language), verdict_words(figure, language),
        )  # fmt: skip
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    return table


def _operators(found: Kpis, language: str) -> Table:
    table = _table(
        language, Name("人员", "contact"), Name("收到", "told"),
        Name("每 10 分钟", "in 10 min"), Name("10 分钟内最多", "most in 10 min"),
    )  # fmt: skip
    for load in found.operators:
        table.add_row(
            load.contact, str(load.told), f"{load.per_10_min:.3g}", str(load.busiest_10_min)
        )
    return table


def _channels(found: Kpis, language: str) -> Table:
    table = _table(
        language, Name("通道", "channel"), Name("接受", "accepted"), Name("失败", "failed"),
        Name("接受率", "share"),
    )  # fmt: skip
    for one in found.channels:
        table.add_row(one.channel, str(one.accepted), str(one.failed), f"{100 * one.share:.1f} %")
    return table


def _resilience(parts: list[Part], community: Community, language: str) -> Table:
    from alerts.resilience import WORDS  # noqa: PLC0415  # slow imports
    from alerts.resilience_words import evidence_words, part_words  # noqa: PLC0415

    table = _table(
        language, Name("韧性（无总分）", "resilience (no total)"), Name("数值", "value"),
        Name("依据", "evidence"),
    )  # fmt: skip
    for part in parts:
        table.add_row(
            WORDS[part.name].in_language(language),
            part_words(part, language),
            evidence_words(part, community, language),
        )
    return table
