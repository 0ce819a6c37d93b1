"""The stages of an incident on its page: what comes next, and one form for all that people do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from alerts.backtest import BackTest
from alerts.cycle_views import CyclePort
from alerts.cycle_wording import MANDATES, OPTIONS
from alerts.evidence import Lesson, Stage
from alerts.path_types import Number
from alerts.views import IncidentError, IncidentView
from dashboards.console.backtest_table import comparison
from dashboards.console.forms import objection, remembered, typed_fields, who
from dashboards.console.incident_views import incident_card
from dashboards.console.site import Renderer, Site
from dashboards.console.words import Words


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
        "plan_name": _plan_name(site, cycle.plan, words) if cycle else "",
        "cycle_problem": problem,
        "typed": typed or {},
        "tested": {
            lesson.id: comparison(lesson.tested, site.community, words, site.time_text)
            for lesson in (cycle.lessons if cycle else ())
            if lesson.tested is not None
        },
        "stages": [str(stage) for stage in Stage],
        "options": {slug: both[words.language != "zh"] for slug, both in OPTIONS.items()},
        "mandates": {
            slug: both[words.language != "zh"]
            for slug, both in MANDATES.items()
            if slug != "default-blue"
        },
    }


def _plan_name(site: Site, plan: str, words: Words) -> str:
    """Return what a plan is called, with its version; what has left the file keeps its id."""
    name, _, version = plan.partition(" ")
    found = site.people.response.plan_of(name) if site.people else None
    called = found.name.in_language(words.language) if found else ""
    return f"{called or name} {version}".strip()


def add_cycle(router: APIRouter, site: Site, render: Renderer) -> None:
    """Add the one address that the form of an incident's page posts to."""

    @router.post("/incidents/{number}/cycle/{act}")
    async def act(request: Request, number: Number, act: str, which: str = "") -> Response:
        typed = await typed_fields(request, 60)
        return await run_in_threadpool(_act, request, site, render, number, act, which, typed)


def _act(
    request: Request,
    site: Site,
    render: Renderer,
    number: int,
    act: str,
    which: str,
    typed: Mapping[str, str],
) -> Response:
    words = site.words(request)
    view = site.incidents.incident(number)
    cycle = site.cycle
    if view is None or cycle is None or act not in _ACTS:
        text = words("not_found_incident", number)
        return render.page(request, "missing.html", status=404, text=text)
    problem, status = objection(request, typed, words)
    if not problem:
        try:
            _ACTS[act](cycle, number, which, who(typed), lambda key: typed.get(key, "").strip())
        except IncidentError as error:
            problem, status = error.in_language(words.language), 409
    if problem:
        page = incident_page(site, words, view, problem, typed)
        return render.page(request, "incident.html", status=status, **page)
    return remembered(typed, RedirectResponse(f"/incidents/{number}", 303))


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
    "attach": lambda port, number, which, by, text: port.attach_backtest(
        number, which, by, _backtest(text(f"evidence-{which}"))
    ),
    "approve": lambda port, number, which, by, _: _judge(port, number, which, by, approve=True),
    "reject": lambda port, number, which, by, _: _judge(port, number, which, by, approve=False),
    "close": lambda port, number, _which, by, _text: port.close(number, by),
}


def _lesson(which: str, text: Typed) -> Lesson:
    return Lesson(
        id=which, version=0, target=text("target"), change=text("change"),
        before=text("before"), after=text("after"), no_backtest=text("no_backtest"), at=0, by="",
    )  # fmt: skip


def _backtest(typed: str) -> BackTest:
    """Return the back-test whose file somebody pasted.

    Raises:
        IncidentError: It is none.
    """
    try:
        return msgspec.json.decode(typed, type=BackTest)
    except (msgspec.MsgspecError, RecursionError) as error:
        why = str(error)[:200]
        raise IncidentError(
            f"this is no file that safety-eye backtest --out wrote: {why}",
            f"这不是 safety-eye backtest --out 写出的文件：{why}",
        ) from error


def _judge(port: CyclePort, number: int, which: str, by: str, *, approve: bool) -> None:
    """Judge `ID@VERSION`: what the page showed is what is signed, or it has to be read again."""
    lesson, _, version = which.partition("@")
    read = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    port.judge_lesson(number, lesson, by, approve=approve, version=read)
