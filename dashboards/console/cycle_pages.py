"""The stages of an incident on its page: what comes next, and one form for all that people do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from alerts.cycle_views import CyclePort
from alerts.cycle_wording import MANDATES, OPTIONS
from alerts.evidence import Lesson, Stage
from alerts.views import IncidentError, IncidentView
from dashboards.console.guard import refusal
from dashboards.console.incident_views import incident_card
from dashboards.console.site import WHO_COOKIE, Renderer, Site
from dashboards.console.words import Words

_MONTH_S = 30 * 86_400
_WHO_LENGTH = 60


def incident_page(
    site: Site,
    words: Words,
    view: IncidentView,
    problem: str = "",
    typed: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what the page of one incident shows.

    Args:
        site: The console.
        words: The reader's.
        view: The incident.
        problem: Why the last act was refused.
        typed: What the person had typed then: nobody should have to type a review twice.
    """
    card = incident_card(view, site.community, site.sensors(words), words, every_notice=True)
    cycle = site.cycle.cycle(view.number) if site.cycle else None
    return {
        "card": card,
        "journal": site.incidents.journal(view.number),
        "problem": problem if cycle is None else "",
        "cycle": cycle,
        "cycle_problem": problem,
        "typed": typed or {},
        "stages": [str(stage) for stage in Stage],
        "options": {slug: both[words.language != "zh"] for slug, both in OPTIONS.items()},
        "mandates": {
            slug: both[words.language != "zh"]
            for slug, both in MANDATES.items()
            if slug != "default-blue"
        },
    }


def add_cycle(router: APIRouter, site: Site, render: Renderer) -> None:
    """Add the one address that the form of an incident's page posts to."""

    @router.post("/incidents/{number}/cycle/{act}")
    async def act(request: Request, number: int, act: str, which: str = "") -> Response:
        form = await request.form(max_files=0, max_fields=60)
        return await run_in_threadpool(_act, request, site, render, number, act, which, form)


def _act(
    request: Request,
    site: Site,
    render: Renderer,
    number: int,
    act: str,
    which: str,
    form: FormData,
) -> Response:
    words = site.words(request)
    view = site.incidents.incident(number)
    cycle = site.cycle
    if view is None or cycle is None or act not in _ACTS:
        text = words("not_found_incident", number)
        return render.page(request, "missing.html", status=404, text=text)
    typed = {key: value for key, value in form.items() if isinstance(value, str)}
    refused = refusal(request, typed.get("token", ""))
    problem, status = (words(refused[1]), refused[0]) if refused else ("", 200)
    person = who(typed)
    if not problem and not person:
        problem, status = words("refused_who"), 422
    if not problem:
        try:
            _ACTS[act](cycle, number, which, person, lambda key: typed.get(key, "").strip())
        except IncidentError as error:
            problem, status = error.in_language(words.language), 409
    if problem:
        page = incident_page(site, words, view, problem, typed)
        return render.page(request, "incident.html", status=status, **page)
    return remembered(typed, RedirectResponse(f"/incidents/{number}", 303))


def who(typed: Mapping[str, str]) -> str:
    """Return who a form says does it."""
    chosen = typed.get("who", "").strip()
    return (typed.get("other", "").strip() if chosen in ("", "other") else chosen)[:_WHO_LENGTH]


def remembered(typed: Mapping[str, str], response: Response) -> Response:
    """Remember in this browser who sits here, where a contact was chosen."""
    chosen = typed.get("who", "").strip()[:_WHO_LENGTH]
    if chosen not in ("", "other"):
        response.set_cookie(WHO_COOKIE, chosen, max_age=_MONTH_S, samesite="strict", httponly=True)
    return response


Typed = Callable[[str], str]
# What each button of the form means: port, incident, what the button stands for, who, the fields.
_ACTS: dict[str, Callable[[CyclePort, int, str, str, Typed], None]] = {
    "decide": lambda port, number, which, by, text: port.decide(
        number, by, which, text("mandate") or "duty", note=text("why")
    ),
    "step": lambda port, number, which, by, text: port.do_step(number, which, by, note=text("why")),
    "skip": lambda port, number, which, by, text: port.do_step(
        number, which, by, skipped=True, note=text("skip_why")
    ),
    "safe": lambda port, number, _, by, text: port.look(number, by, safe=True, note=text("seen")),
    "unsafe": lambda port, number, _, by, text: port.look(
        number, by, safe=False, note=text("seen")
    ),
    "note": lambda port, number, _, by, text: port.remark(number, by, text("note")),
    "end": lambda port, number, _, by, text: port.end(number, by, text("end_why")),
    "review": lambda port, number, _, by, text: port.sign_review(
        number, by, text("review"), text("nothing")
    ),
    "lesson": lambda port, number, which, by, text: port.write_lesson(
        number, by, _lesson(which, text)
    ),
    "approve": lambda port, number, which, by, _: port.judge_lesson(
        number, which, by, approve=True
    ),
    "reject": lambda port, number, which, by, _: port.judge_lesson(
        number, which, by, approve=False
    ),
    "close": lambda port, number, _which, by, _text: port.close(number, by),
}


def _lesson(which: str, text: Typed) -> Lesson:
    return Lesson(
        id=which, version=0, target=text("target"), change=text("change"),
        before=text("before"), after=text("after"), backtest=text("backtest"),
        no_backtest=text("no_backtest"), at=0, by="",
    )  # fmt: skip
