"""The page of figures: how loud the alarms are, and what the community's resilience rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from alerts.kpi import Kpis
from alerts.kpi_words import NAMES, target_words, value_words
from alerts.resilience import WORDS, Part
from alerts.resilience_words import evidence_words, part_words
from core.community import Community
from dashboards.console.site import Renderer, Site
from dashboards.console.words import Words

# Periods that can be chosen, days.
PERIODS = (1, 7, 30, 90)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what, how much, what it rests on, and whether it is as it should be."""

    name: str
    value: str
    aside: str
    within: bool | None = None


def figures_router(site: Site) -> APIRouter:
    """Return the route of the page; it only reads."""
    router = APIRouter(include_in_schema=False)
    render = Renderer(site)
    standards = site.incidents.desks.standards
    desk = standards.figures if standards is not None else None

    @router.get("/figures")
    def figures(request: Request, days: Annotated[int, Query(ge=1, le=400)] = 30) -> Response:
        language = site.words(request).language
        found = desk.last_days(days) if desk is not None else None
        parts = desk.resilience() if desk is not None else []
        return render.page(
            request,
            "figures.html",
            days=days,
            periods=PERIODS,
            found=found,
            rows=_rows(found, language) if found else [],
            operators=_operators(found, site, site.words(request)) if found else [],
            channels=_channels(found, site.words(request)) if found else [],
            sources=_sources(found, site, site.words(request)) if found else [],
            parts=[_part(part, site.community, language) for part in parts],
        )

    return router


def _rows(found: Kpis, language: str) -> list[Row]:
    zh = language == "zh"
    rows = []
    for figure in found.figures:
        target = target_words(figure, language)
        aside = f"{'目标' if zh else 'target'} {target}" if target else ""
        rows.append(
            Row(
                NAMES[figure.name].in_language(language),
                value_words(figure, language),
                " · ".join(part for part in (f"n = {figure.n}", aside) if part),
                figure.within,
            )
        )
    return rows


def _operators(found: Kpis, site: Site, words: Words) -> list[Row]:
    return [
        Row(
            site.community.contact_name(load.contact),
            str(load.told),
            words("figures_load", f"{load.per_10_min:.3g}", load.busiest_10_min),
        )
        for load in found.operators
    ]


def _channels(found: Kpis, words: Words) -> list[Row]:
    return [
        Row(
            one.channel,
            f"{100 * one.share:.1f} %",
            words("figures_channel", one.accepted, one.failed),
        )
        for one in found.channels
    ]


def _sources(found: Kpis, site: Site, words: Words) -> list[Row]:
    return [
        Row(
            f"{site.community.place(one.zone, words.language)} {words.hazard(one.hazard)}",
            str(one.alarms),
            f"{100 * one.share:.0f} %",
        )
        for one in found.sources
    ]


def _part(part: Part, community: Community, language: str) -> Row:
    within = None if part.value is None or part.unit != "share" else part.value >= 1
    return Row(
        WORDS[part.name].in_language(language),
        part_words(part, language),
        evidence_words(part, community, language),
        within,
    )
