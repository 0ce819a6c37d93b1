"""Drills as pages: the one that runs, those that were, what they covered and what is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from alerts.drill import Drill, DrillState
from alerts.drill_calendar import Coverage, Line
from alerts.drill_desk import DrillDesk
from alerts.drill_score import DrillScore, Measure
from alerts.drill_words import (
    MEASURES,
    line_name,
    state_line,
    target_words,
    value_words,
    who_words,
)
from alerts.outcome_words import outcome_words
from core.drill import DrillError
from dashboards.console.guard import refusal
from dashboards.console.site import WHO_COOKIE, Renderer, Site
from dashboards.console.words import Words

_MOST_LISTED = 50
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One measure in words; tone ok, failed or waiting."""

    name: str
    value: str
    target: str
    tone: str


@dataclass(frozen=True, slots=True)
class CoverRow:
    """One line of the coverage: what, how many passed of how many, when last, and whether due."""

    name: str
    passed: int
    count: int
    last: str
    due: bool


@dataclass(frozen=True, slots=True)
class DrillRow:
    """One drill in a list."""

    drill: Drill
    place: str
    state: str
    tone: str


def add_drills(router: APIRouter, site: Site, render: Renderer) -> None:
    """Add the pages, and the one click that ends a drill."""

    @router.get("/drills")
    def drills(request: Request) -> Response:
        return _overview(request, site, render)

    @router.get("/drills/{name}")
    def drill(request: Request, name: str) -> Response:
        return _one(request, site, render, name)

    @router.post("/drills/{name}/abort")
    def abort(request: Request, name: str, token: Annotated[str, Form()] = "") -> Response:
        words = site.words(request)
        refused = refusal(request, token)
        if refused is not None:
            return _one(request, site, render, name, refused[0], words(refused[1]))
        desk = _desk(site)
        try:
            if desk is not None:
                desk.abort(name, request.cookies.get(WHO_COOKIE, "") or "console")
        except DrillError as error:
            return _one(request, site, render, name, 409, error.in_language(words.language))
        return RedirectResponse(f"/drills/{name}", 303)


def _desk(site: Site) -> DrillDesk | None:
    return site.incidents.desks.drills


def _overview(request: Request, site: Site, render: Renderer) -> Response:
    words, desk = site.words(request), _desk(site)
    if desk is None:
        return render.page(request, "missing.html", status=404, text="")
    found = desk.drills(_MOST_LISTED)
    rows = [_row(one, desk, site, words) for one in found]
    return render.page(
        request,
        "drills.html",
        running=next((row for row in rows if not row.drill.over), None),
        rows=[row for row in rows if row.drill.over],
        cover=_cover(desk.coverage(), words),
    )


def _row(drill: Drill, desk: DrillDesk, site: Site, words: Words) -> DrillRow:
    passed = drill.state is DrillState.FINISHED and desk.score(drill).passed
    tone = "waiting" if not drill.over else "ok" if passed else "failed"
    place = site.community.place(drill.plan.zone, words.language)
    return DrillRow(drill, place, state_line(drill, words.language), tone)


def _cover(found: Coverage, words: Words) -> list[tuple[str, list[CoverRow]]]:
    parts: tuple[tuple[str, Sequence[Line]], ...] = (
        ("drill_calendar", found.entries),
        ("drill_hazards", found.hazards),
        ("drill_watches", found.watches),
        ("drill_channels", found.channels),
    )
    return [(key, [_line(one, found.now, words) for one in lines]) for key, lines in parts]


def _line(line: Line, now: int, words: Words) -> CoverRow:
    last = words("drill_never")
    if line.last is not None:
        last = words("drill_ago", max(now - line.last.at, 0) // _DAY_MS)
    return CoverRow(line_name(line, words.language), line.passed, line.count, last, line.due)


def _one(
    request: Request,
    site: Site,
    render: Renderer,
    name: str,
    status: int = 200,
    problem: str = "",
) -> Response:
    words, desk = site.words(request), _desk(site)
    drill = desk.drill(name) if desk is not None else None
    if desk is None or drill is None:
        text = words("drill_missing", name[:60])
        return render.page(request, "missing.html", status=404, text=text)
    score = desk.score(drill)
    return render.page(
        request,
        "drill.html",
        status=status,
        row=_row(drill, desk, site, words),
        measures=[_measure(one, drill, site, words) for one in score.measures],
        reach=_reach(score, site, words.language),
        numbers=score.incidents,
        problem=problem,
    )


def _measure(one: Measure, drill: Drill, site: Site, words: Words) -> MeasureRow:
    language = words.language
    tone = {None: "waiting", True: "ok", False: "failed"}[one.passed]
    if not drill.over and tone == "failed":
        tone = "waiting"  # it may still come
    name = MEASURES[one.what].in_language(language)
    who = who_words(one, language, site.community)
    value = value_words(one, drill, language) + (f" ({who})" if who else "")
    return MeasureRow(name, value, target_words(one, language), tone)


def _reach(score: DrillScore, site: Site, language: str) -> list[dict[str, Any]]:
    return [
        {
            "who": site.community.contact_name(one.contact),
            "channel": one.channel,
            "accepted": one.accepted,
            "sent": one.sent,
            "first_s": one.first_s,
            "detail": outcome_words(one.detail, language),
            "tone": "ok" if one.accepted else "failed",
        }
        for one in score.reach
    ]
