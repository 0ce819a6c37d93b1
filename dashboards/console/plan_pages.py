"""The plan of an incident on a page: steps, who and what there is, and the doors to knock on."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from alerts.duty_store import DOOR_STATES, DutyError
from alerts.path_types import Number
from alerts.people import PeopleDesk
from alerts.views import IncidentError
from core.grade import grade_named
from dashboards.console.forms import objection, remembered, typed_fields, who
from dashboards.console.guard import may_read
from dashboards.console.incident_views import incident_card
from dashboards.console.site import Renderer, Site

# What a tap on a door means; the last one takes a tick away.
MODES = (*DOOR_STATES, "clear")


def add_plan(router: APIRouter, site: Site, render: Renderer, people: PeopleDesk) -> None:
    """Add the plan of an incident, the list of all plans with their lint, and their changes."""

    @router.get("/incidents/{number}/plan")
    def plan(request: Request, number: Number, mode: str = MODES[0]) -> Response:
        return _page(request, site, render, people, number, mode=mode)

    @router.post("/incidents/{number}/plan/{act}")
    async def change(request: Request, number: Number, act: str) -> Response:
        typed = await typed_fields(request, 60)
        typed |= {"act": act}
        return await run_in_threadpool(_change, request, site, render, people, number, typed)

    @router.get("/duty/plans")
    def plans(request: Request) -> Response:
        return render.page(
            request, "plans.html", plans=people.response.plan, private=may_read(request),
            found=people.lint() if may_read(request) else [],
            response=people.response, waiting=len(people.reports.waiting()),
            zone_name=lambda zone: site.community.place(zone, site.words(request).language),
            grade_of=grade_named,
        )  # fmt: skip


def _page(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    number: int,
    *,
    mode: str = MODES[0],
    problem: str = "",
    status: int = 200,
) -> Response:
    words = site.words(request)
    view = site.incidents.incident(number)
    plan = people.plan(number) if view is not None else None
    if view is None or plan is None:
        text = words("not_found_incident", number)
        return render.page(request, "missing.html", status=404, text=text)
    return render.page(
        request, "incident-plan.html", status=status, plan=plan, problem=problem,
        card=incident_card(view, site.community, site.sensors(words), words),
        role=lambda name: people.response.role_name(name, words.language),
        place=lambda zone: site.community.place(zone, words.language),
        item={one.item: one.name for one in people.supplies()},
        mode=mode if mode in MODES else MODES[0], modes=MODES, person=people.namer(),
        private=may_read(request),
    )  # fmt: skip


def _change(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    number: int,
    typed: Mapping[str, str],
) -> Response:
    words = site.words(request)
    mode = typed.get("mode", "")
    problem, status = objection(request, typed, words)
    if not problem:
        try:
            _act(site, people, number, who(typed), typed)
        except (IncidentError, DutyError) as error:
            problem, status = error.in_language(words.language), 409
    if problem:
        return _page(
            request, site, render, people, number, mode=mode, problem=problem, status=status
        )
    anchor = "roll-call" if typed["act"] == "door" else "steps"
    query = urlencode({"mode": mode if mode in MODES else MODES[0]})
    there = f"/incidents/{number}/plan?{query}#{anchor}"
    return remembered(typed, RedirectResponse(there, 303))


def _act(
    site: Site, people: PeopleDesk, number: int, person: str, typed: Mapping[str, str]
) -> None:
    """Do what a button of the page means.

    Raises:
        IncidentError, DutyError: It can't be done.
    """
    if typed["act"] == "door":
        zone, _, door = typed.get("door", "").partition("/")
        mode = typed.get("mode", "")
        state = mode if mode in DOOR_STATES else ""
        people.tick_door(number, zone, door, state, person)
    elif typed["act"] == "step" and site.cycle is not None:
        site.cycle.do_step(number, typed.get("step", ""), person)
    else:
        raise IncidentError("there is no such button", "没有这个按钮")
