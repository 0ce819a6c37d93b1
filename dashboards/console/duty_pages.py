"""Who is on duty, what shifts leave each other, who stands in; and the registers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from alerts.duty_store import DutyError
from alerts.people import PeopleDesk
from alerts.register_store import RegisterError, Taken
from alerts.views import IncidentError
from core.configuration import ConfigurationError
from core.refusal import told
from dashboards.console.forms import objection, remembered, texts, typed_fields, who
from dashboards.console.guard import may_read
from dashboards.console.marks import mark_of
from dashboards.console.site import Renderer, Site

_MOST_FILE = 2_000_000
_REFUSED = (IncidentError, DutyError, RegisterError, ConfigurationError)
Act = Callable[[PeopleDesk, str, Mapping[str, str]], object]


def add_duty(router: APIRouter, site: Site, render: Renderer, people: PeopleDesk) -> None:
    """Add the pages and their changes."""

    @router.get("/duty")
    def duty(request: Request) -> Response:
        return _duty(request, site, render, people)

    @router.get("/duty/registers")
    def registers(request: Request) -> Response:
        return _registers(request, site, render, people)

    @router.post("/duty/registers/import")
    async def take(request: Request) -> Response:
        if not may_read(request) or not 0 < _length(request) <= _MOST_FILE:
            # Before a byte of it is kept.
            text = site.words(request)("import_refused")
            return await run_in_threadpool(_registers, request, site, render, people, text, 413)
        async with request.form(max_files=1, max_fields=10) as form:
            typed = texts(form)
            file = form.get("file")
            data, name = b"", ""
            if isinstance(file, UploadFile):
                data, name = await file.read(), file.filename or ""
        return await run_in_threadpool(_import, request, site, render, people, typed, data, name)

    @router.post("/duty/{act}")
    async def change(request: Request, act: str) -> Response:
        typed = await typed_fields(request, 30)
        return await run_in_threadpool(_change, request, site, render, people, act, typed)


def _length(request: Request) -> int:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _duty(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    problem: str = "",
    status: int = 200,
) -> Response:
    words = site.words(request)
    private = may_read(request)
    notes = people.hand_overs(10) if private else []
    now = site.clock.now_ms()
    view = people.duty(now)
    until = max((shift.end for shift in view.shifts), default=now + 8 * 3_600_000)
    return render.page(
        request, "duty.html", status=status, problem=problem, view=view, private=private,
        fresh=[note for note in notes if not note.taken_at],
        earlier=[note for note in notes if note.taken_at],
        open_now=site.incidents.open_incidents(),
        role=lambda name: people.response.role_name(name, words.language),
        place=lambda zone: site.community.place(zone, words.language),
        shift_name=lambda shift: _shift_name(people, shift, words.language),
        mark_of=lambda one: mark_of(one.grade, one.condition, words), person=people.namer(),
        waiting=len(people.reports.waiting()), begin=_local(now, site), end=_local(until, site),
    )  # fmt: skip


def _shift_name(people: PeopleDesk, shift: str, language: str) -> str:
    found = next((one for one in people.response.shift if one.id == shift), None)
    return (found.name.in_language(language) or shift) if found is not None else shift


def _registers(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    problem: str = "",
    status: int = 200,
    taken: Taken | None = None,
) -> Response:
    words = site.words(request)
    private = may_read(request)
    day = dt.datetime.fromtimestamp(site.clock.now_ms() / 1000, site.timezone).date()
    return render.page(
        request, "registers.html", status=status, problem=problem, taken=taken, private=private,
        supplies=people.supplies(), volunteers=people.volunteers() if private else [],
        today=day, place=lambda zone: site.community.place(zone, words.language),
        waiting=len(people.reports.waiting()),
    )  # fmt: skip


def _change(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    act: str,
    typed: Mapping[str, str],
) -> Response:
    words = site.words(request)
    show = _registers if act in ("count", "withdraw", "erase") else _duty
    problem, status = objection(request, typed, words, named=act not in ("withdraw", "erase"))
    if problem:
        return show(request, site, render, people, problem, status)
    person = who(typed)
    try:
        if act == "absence":
            begin, end = (_instant(typed.get(key, ""), site) for key in ("begin", "end"))
            people.note_absence(
                typed.get("contact", ""), begin, end, typed.get("stand_in", ""), person
            )
        elif act in _ACTS:
            _ACTS[act](people, person, typed)
        else:
            return render.page(request, "missing.html", status=404, text="")
    except _REFUSED as error:
        return show(request, site, render, people, told(error, words.language), 409)
    except (ValueError, OverflowError):
        return show(request, site, render, people, words("refused_times"), 422)
    there = "/duty/registers" if show is _registers else "/duty"
    return remembered(typed, RedirectResponse(there, 303))


_ACTS: dict[str, Act] = {
    "hand-over": lambda people, by, typed: people.hand_over(by, typed.get("text", "")),
    "take": lambda people, by, typed: people.take_hand_over(int(typed.get("number", "0")), by),
    "count": lambda people, by, typed: people.count_supply(
        typed.get("supply", ""), float(typed.get("quantity", "nan")), by
    ),
    "withdraw": lambda people, _by, typed: people.withdraw(typed.get("volunteer", "")),
    "erase": lambda people, _by, typed: people.erase_volunteer(typed.get("volunteer", "")),
}


def _import(
    request: Request,
    site: Site,
    render: Renderer,
    people: PeopleDesk,
    typed: Mapping[str, str],
    data: bytes,
    name: str,
) -> Response:
    words = site.words(request)
    problem, status = objection(request, typed, words)
    if problem:
        return _registers(request, site, render, people, problem, status)
    try:
        taken = people.take_register(data, name, who(typed))
    except _REFUSED as error:
        return _registers(request, site, render, people, told(error, words.language), 422)
    return _registers(request, site, render, people, taken=taken)


def _local(at: int, site: Site) -> str:
    """Return an instant as a field of a form wants it."""
    moment = dt.datetime.fromtimestamp(at / 1000, site.timezone)
    return moment.strftime("%Y-%m-%dT%H:%M")


def _instant(text: str, site: Site) -> int:
    """Return the instant (ms) of a local time.

    Raises:
        ValueError: It is none.
    """
    moment = dt.datetime.fromisoformat(text)
    return round(moment.replace(tzinfo=site.timezone).timestamp() * 1000)
