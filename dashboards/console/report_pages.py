"""What residents report: the form for them (plain, no scripts), and the list for the duty."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import SQLAlchemyError

from alerts.path_types import Number
from alerts.people import PeopleDesk
from alerts.people_api import bounded_body
from alerts.report_api import MOST_BODY_BYTES, ReportDoor
from alerts.report_store import CONFIRMED, OPEN, ReportError, Saying
from alerts.reports import MOST_NAME, MOST_PHONE, MOST_TEXT
from core.finding import Condition, Hazard
from core.grade import WARNING_GRADES, Grade, grade_named
from core.refusal import told
from dashboards.console.forms import objection, remembered, typed_fields, who
from dashboards.console.guard import may_read
from dashboards.console.marks import mark_of
from dashboards.console.site import Renderer, Site

log = structlog.get_logger()
_FIELDS = ("hazard", "zone", "text", "name", "phone")


def add_reports(router: APIRouter, site: Site, render: Renderer, people: PeopleDesk) -> None:
    """Add both pages and their changes."""
    _add_form(router, site, render, people)

    @router.get("/duty/reports")
    def reports(request: Request) -> Response:
        return _list(request, site, render, people)

    @router.post("/duty/reports/{number}/{act}")
    async def decide(request: Request, number: Number, act: str) -> Response:
        typed = await typed_fields(request, 20)
        return await run_in_threadpool(_decide, request, site, render, people, number, act, typed)


def _add_form(router: APIRouter, site: Site, render: Renderer, people: PeopleDesk) -> None:
    @router.get("/report")
    def form(request: Request, zone: str = "") -> Response:
        if not people.response.report.enabled:
            return render.page(request, "missing.html", status=404, text="")
        return _form(request, site, render, people, {"zone": zone})

    @router.post("/report")
    async def say(request: Request) -> Response:
        if not people.response.report.enabled:
            return render.page(request, "missing.html", status=404, text="")
        door: ReportDoor = request.app.state.report_door
        if door.is_forced(request):
            return _form(request, site, render, people, {}, "refused_origin", 403)
        mark = door.admit(request)
        try:
            data = await bounded_body(request, MOST_BODY_BYTES)
            typed = dict(parse_qsl(data.decode("utf-8"), max_num_fields=20))
        except (HTTPException, ValueError):
            return _form(request, site, render, people, {}, "tell_long", 413)
        if mark is None:
            return _form(request, site, render, people, typed, "tell_limit", 429)
        return await run_in_threadpool(_say, request, site, render, people, typed, mark)

    @router.get("/report/{number}/thanks")
    def thanks(request: Request, number: int) -> Response:
        phone = people.response.report.phone
        return render.page(request, "report-done.html", number=number, phone=phone)


def _form(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    typed: Mapping[str, str],
    problem: str = "",
    status: int = 200,
) -> Response:
    words = site.words(request)
    zones = [(zone.id, zone.name.in_language(words.language)) for zone in site.community.zone]
    given = {key: typed.get(key, "") for key in _FIELDS}
    return render.page(
        request, "report.html", status=status, zones=zones, site_id=site.community.site.id,
        typed=given,
        problem=words(problem) if problem else "", phone=people.response.report.phone,
        nonce=typed.get("nonce") or secrets.token_urlsafe(18),
        most={"text": MOST_TEXT, "name": MOST_NAME, "phone": MOST_PHONE},
    )  # fmt: skip


def _say(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    typed: Mapping[str, str],
    mark: str,
) -> Response:
    if typed.get("website"):  # a field that people don't see and programs fill in
        return RedirectResponse("/report/0/thanks", 303)
    try:
        hazard = Hazard(typed.get("hazard", ""))
    except ValueError:
        return _form(request, site, render, people, typed, "tell_missing", 422)
    if not typed.get("zone"):
        return _form(request, site, render, people, typed, "tell_missing", 422)
    saying = Saying(
        nonce=typed.get("nonce", ""), zone=typed["zone"], hazard=hazard,
        text=_line(typed, "text"), name=_line(typed, "name"), phone=_line(typed, "phone"),
        client=mark,
    )  # fmt: skip
    try:
        number = people.reports.say(saying)
    except ReportError:
        return _form(request, site, render, people, typed, "tell_long", 422)
    except SQLAlchemyError as error:
        log.error("a report could not be kept", error=str(error)[:300])  # noqa: TRY400
        return _form(request, site, render, people, typed, "tell_failed", 503)
    return RedirectResponse(f"/report/{number}/thanks", 303)


def _line(typed: Mapping[str, str], key: str) -> str:
    # Browsers send CR LF for one line break: it is one character of what somebody typed.
    text = typed.get(key, "").replace("\r\n", "\n")
    return "".join(sign for sign in text if sign.isprintable() or sign == "\n").strip()


def _list(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    problem: str = "",
    status: int = 200,
) -> Response:
    words = site.words(request)
    reports = people.reports.latest(100)
    standing = [one for one in reports if one.state in (OPEN, CONFIRMED)]
    standing.sort(key=lambda one: (one.state != OPEN, one.number))
    return render.page(
        request, "reports.html", status=status, problem=problem, private=may_read(request),
        standing=standing, earlier=[one for one in reports if one not in standing],
        waiting=sum(one.state == OPEN for one in reports), person=people.namer(),
        place=lambda zone: site.community.place(zone, words.language),
        mark_of=lambda grade: mark_of(grade, Condition.ACTIVE, words), blue=Grade.BLUE,
        grades=[grade for grade in WARNING_GRADES if grade >= Grade.YELLOW],
        form_open=people.response.report.enabled,
    )  # fmt: skip


def _decide(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    number: int,
    act: str,
    typed: Mapping[str, str],
) -> Response:
    words = site.words(request)
    problem, status = objection(request, typed, words)
    if problem:
        return _list(request, site, render, people, problem, status)
    try:
        by = people.person_id(who(typed))
        if act == "confirm":
            grade = grade_named(typed.get("grade", "yellow"))
            people.reports.confirm(number, by, grade, typed.get("note", ""))
        elif act == "dismiss":
            people.reports.dismiss(number, by, typed.get("note", ""))
        elif act == "end":
            people.reports.end(number, by, typed.get("note", ""))
        elif act == "erase":
            people.reports.erase(number)
        else:
            return render.page(request, "missing.html", status=404, text="")
    except ValueError as error:
        return _list(request, site, render, people, told(error, words.language), 409)
    return remembered(typed, RedirectResponse("/duty/reports", 303))
