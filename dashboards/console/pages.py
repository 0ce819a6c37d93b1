"""The console's pages, their parts that are fetched again, and the one click that counts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from alerts.access import COOKIE as SESSION_COOKIE
from alerts.access import SESSION_S
from alerts.path_types import Number
from alerts.views import IncidentError
from dashboards.console.cycle_pages import add_cycle, incident_page
from dashboards.console.drill_pages import add_drills
from dashboards.console.duty_pages import add_duty
from dashboards.console.forms import objection, remembered
from dashboards.console.forms import who as who_of
from dashboards.console.guard import access_of, meant
from dashboards.console.incident_views import IncidentCard, incident_card
from dashboards.console.plan_pages import add_plan
from dashboards.console.report_pages import add_reports
from dashboards.console.sensors import sensor_view
from dashboards.console.site import Renderer, Site, overview
from dashboards.console.withheld_pages import add_withholding

_PARTS = ("incidents", "zones", "sensors", "stations", "charts", "station-cards")
_PAGE_SIZE = 50


def page_router(site: Site) -> APIRouter:
    """Return the routes of all pages."""
    router = APIRouter(include_in_schema=False)
    render = Renderer(site)
    _add_overview(router, site, render)
    _add_incidents(router, site, render)
    _add_sensors(router, site, render)
    _add_acknowledge(router, site, render)
    add_drills(router, site, render)
    add_cycle(router, site, render)
    add_withholding(router, site, render)
    if site.people is not None:
        add_plan(router, site, render, site.people)
        add_reports(router, site, render, site.people)
        add_duty(router, site, render, site.people)
    _add_sign_in(router, site, render)
    return router


def _add_overview(router: APIRouter, site: Site, render: Renderer) -> None:
    @router.get("/")
    def now(request: Request) -> Response:
        return render.page(request, "now.html", **overview(site, site.words(request)))

    @router.get("/stations")
    def stations(request: Request) -> Response:
        return render.page(request, "stations.html", **overview(site, site.words(request)))

    @router.get("/parts/{name}")
    def part(request: Request, name: str) -> Response:
        if name not in _PARTS:
            return _missing(request, render, "")
        return render.page(request, f"parts/{name}.html", **overview(site, site.words(request)))


def _add_incidents(router: APIRouter, site: Site, render: Renderer) -> None:
    @router.get("/incidents")
    def incidents(request: Request, before: int | None = None) -> Response:
        words = site.words(request)
        sensors = site.sensors(words)
        views = site.incidents.incidents(_PAGE_SIZE, before)
        cards = [incident_card(view, site.community, sensors, words) for view in views]
        older = cards[-1].number if len(cards) == _PAGE_SIZE and cards[-1].number > 1 else None
        return render.page(request, "incidents.html", cards=cards, older=older, before=before)

    @router.get("/incidents/{number}")
    def incident(request: Request, number: int) -> Response:
        words = site.words(request)
        found = _incident(site, request, number)
        if found is None:
            return _missing(request, render, words("not_found_incident", number))
        return render.page(request, "incident.html", **found)

    @router.get("/parts/incident/{number}")
    def incident_part(request: Request, number: int) -> Response:
        words = site.words(request)
        found = _incident(site, request, number)
        if found is None:
            return _missing(request, render, words("not_found_incident", number))
        return render.page(request, "parts/incident.html", **found)


def _incident(site: Site, request: Request, number: int) -> dict[str, Any] | None:
    view = site.incidents.incident(number)
    if view is None:
        return None
    words = site.words(request)
    return incident_page(site, words, view)


def _add_sensors(router: APIRouter, site: Site, render: Renderer) -> None:
    @router.get("/sensors")
    def sensors(request: Request) -> Response:
        return render.page(request, "sensors.html", **overview(site, site.words(request)))

    @router.get("/sensors/{sensor}")
    def sensor(request: Request, sensor: str, hours: int = 3) -> Response:
        words = site.words(request)
        entry = site.community.sensor_of(sensor)
        if entry is None:
            return _missing(request, render, words("not_found_sensor", sensor))
        views = [
            sensor_view(site.community, entry, quantity, site.feed, site.clock, words)
            for quantity in entry.quantities
        ]
        limits = [
            limit
            for limit in site.community.limit
            if limit.zone == entry.zone and limit.quantity in entry.quantities
        ]
        station = site.feed.station(entry.station)
        return render.page(
            request,
            "sensor.html",
            entry=entry,
            views=views,
            limits=limits,
            station=station,
            hours=hours if hours in (1, 3, 24, 168) else 3,
            has_history=site.archive is not None,
        )


def _missing(request: Request, render: Renderer, text: str) -> Response:
    return render.page(request, "missing.html", status=404, text=text)


def _add_acknowledge(router: APIRouter, site: Site, render: Renderer) -> None:
    @router.post("/incidents/{number}/acknowledge")
    def acknowledge(
        request: Request,
        number: Number,
        token: Annotated[str, Form()] = "",
        who: Annotated[str, Form()] = "",
        other: Annotated[str, Form()] = "",
    ) -> Response:
        words = site.words(request)
        typed = {"token": token, "who": who, "other": other}
        problem, status = objection(request, typed, words)
        if problem:
            return _refusal(request, site, render, number, status, problem)
        try:
            view = site.incidents.acknowledge(number, who_of(typed), "console")
        except IncidentError:
            text = words("refused_incident", number)
            return _refusal(request, site, render, number, 409, text)
        if request.headers.get("hx-request"):
            card = incident_card(view, site.community, site.sensors(words), words)
            response: Response = _card(request, render, card, 200, "")
        else:
            response = RedirectResponse("/", 303)
        return remembered(typed, response)


def _add_sign_in(router: APIRouter, site: Site, render: Renderer) -> None:
    @router.get("/sign-in")
    def sign_in_page(request: Request) -> Response:
        return render.page(request, "sign-in.html", problem="")

    @router.post("/sign-in")
    def sign_in(
        request: Request,
        token: Annotated[str, Form()] = "",
        secret: Annotated[str, Form()] = "",
    ) -> Response:
        words = site.words(request)
        access = access_of(request)
        if not meant(request, token):
            problem = words("refused_origin")
            return render.page(request, "sign-in.html", status=403, problem=problem)
        if access is None or not access.token_fits(secret.strip()):
            problem = words("sign_in_wrong")
            return render.page(request, "sign-in.html", status=401, problem=problem)
        response = RedirectResponse("/", 303)
        response.set_cookie(
            SESSION_COOKIE,
            access.begin_session(),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response


def _card(
    request: Request, render: Renderer, card: IncidentCard, status: int, problem: str
) -> Response:
    return render.page(request, "parts/card.html", status=status, card=card, problem=problem)


def _refusal(
    request: Request, site: Site, render: Renderer, number: int, status: int, text: str
) -> Response:
    """Say on the card itself why nothing happened; a refusal must be seen where the click was."""
    view = site.incidents.incident(number)
    if view is None or not request.headers.get("hx-request"):
        return render.page(request, "refused.html", status=status, text=text)
    words = site.words(request)
    card = incident_card(view, site.community, site.sensors(words), words)
    return _card(request, render, card, status, text)
