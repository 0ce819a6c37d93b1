"""What is withheld: who hides what from whom until when; look first, then hide, and show again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from alerts.cycle_views import WithholdingPort
from alerts.path_types import Number
from alerts.views import IncidentError
from alerts.withholding import Scope, WithholdingKind
from core.finding import Hazard
from core.grade import WARNING_GRADES, Grade, grade_named
from core.refusal import told
from dashboards.console.forms import objection, remembered, typed_fields, who
from dashboards.console.site import Renderer, Site

# Offered lengths, run minutes; 0 is without an end.
LENGTHS = (
    (30, "min_30"), (60, "hour_1"), (240, "hour_4"), (480, "hour_8"), (1440, "hour_24"),
    (43_200, "days_30"), (0, "no_end"),
)  # fmt: skip
# Hide no more than is asked for: what is worse than yellow is told unless somebody says otherwise.
_USUAL = {"up_to": "yellow", "minutes": "60"}
_KEYS = ("kind", "sensor", "zone", "hazard", "rule", "minutes", "up_to", "reason", "second")


def add_withholding(router: APIRouter, site: Site, render: Renderer) -> None:
    """Add the page, the look ahead, and the two changes."""

    @router.get("/withheld")
    def page(request: Request) -> Response:
        asked = {key: request.query_params.get(key, "") for key in _KEYS}
        return _page(request, site, render, asked, look=bool(request.query_params.get("look")))

    @router.post("/withheld")
    async def withhold(request: Request) -> Response:
        typed = await typed_fields(request, 30)
        return await run_in_threadpool(_change, request, site, render, typed, _begin)

    @router.post("/withheld/{number}/{act}")
    async def change(request: Request, number: Number, act: str) -> Response:
        typed = await typed_fields(request, 30)
        typed |= {"number": str(number), "act": act}
        return await run_in_threadpool(_change, request, site, render, typed, _alter)


def _page(
    request: Request,
    site: Site,
    render: Renderer,
    asked: Mapping[str, str],
    *,
    look: bool = False,
    problem: str = "",
    status: int = 200,
) -> Response:
    words = site.words(request)
    port = site.withholding
    if port is None:
        return render.page(request, "missing.html", status=404, text="")
    values: dict[str, Any] = {
        "standing": port.standing(),
        "past": [one for one in port.latest(30) if one.ended_at],
        "asked": {key: asked.get(key, "") or _USUAL.get(key, "") for key in _KEYS},
        "preview": None,
        "problem": problem,
        "kinds": [str(kind) for kind in WithholdingKind],
        "zones": site.community.zone,
        "sensors": site.community.sensor,
        "hazards": [(str(hazard), words.hazard(hazard)) for hazard in Hazard],
        "lengths": LENGTHS,
        "grades": [(grade.word, words.grade(grade)) for grade in WARNING_GRADES],
    }
    if look and not problem:
        try:
            values["preview"] = port.preview(_scope(asked), _up_to(asked))
        except ValueError as error:
            values["problem"] = told(error, words.language)
    return render.page(request, "withheld.html", status=status, **values)


def _change(
    request: Request,
    site: Site,
    render: Renderer,
    typed: Mapping[str, str],
    change: Callable[[Site, WithholdingPort, Mapping[str, str], str], None],
) -> Response:
    words = site.words(request)
    problem, status = objection(request, typed, words)
    if not problem and site.withholding is not None:
        try:
            change(site, site.withholding, typed, who(typed))
        except IncidentError as error:
            problem, status = error.in_language(words.language), 409
        except ValueError as error:
            problem, status = str(error), 422
    if problem:
        return _page(request, site, render, typed, problem=problem, status=status)
    return remembered(typed, RedirectResponse("/withheld", 303))


def _begin(site: Site, port: WithholdingPort, typed: Mapping[str, str], person: str) -> None:
    port.withhold(
        WithholdingKind(typed.get("kind", "")),
        _scope(typed),
        person,
        typed.get("reason", ""),
        until=_until(site, typed),
        up_to=_up_to(typed),
        second=typed.get("second", ""),
    )


def _alter(site: Site, port: WithholdingPort, typed: Mapping[str, str], person: str) -> None:
    number = int(typed["number"])
    if typed["act"] == "release":
        port.release(number, person)
    elif typed["act"] == "extend":
        port.extend(number, person, _until(site, typed))
    else:
        raise IncidentError("extend or release is expected", "只能延长或恢复通知")


def _until(site: Site, typed: Mapping[str, str]) -> int:
    minutes = int(typed.get("minutes", "") or 0)
    return site.clock.now_ms() + minutes * 60_000 if minutes > 0 else 0


def _scope(asked: Mapping[str, str]) -> Scope:
    hazard = asked.get("hazard", "")
    return Scope(
        zone=asked.get("zone", "").strip(),
        hazard=Hazard(hazard) if hazard else None,
        sensor=asked.get("sensor", "").strip(),
        rule=asked.get("rule", "").strip(),
    )


def _up_to(asked: Mapping[str, str]) -> Grade:
    return grade_named(asked.get("up_to", "") or "yellow")
