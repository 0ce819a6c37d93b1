"""HTTP for what residents report: one door open to everybody and bounded, the rest for the duty."""

from __future__ import annotations

import secrets
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from alerts.access import Access
from alerts.cycle_api import answer
from alerts.path_types import Number
from alerts.people import PeopleDesk
from alerts.people_api import bounded_body, refusals
from alerts.report_limits import ClientMarks, ReportLimits, client_address
from alerts.report_store import ReportError, Saying
from core.clock import Clock
from core.finding import Hazard
from core.grade import grade_named

# 500 characters of text with name and number, in the longest encoding.
MOST_BODY_BYTES = 8_192


class ReportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a resident reports; the same `nonce` twice is one report."""

    zone: str
    hazard: Hazard
    text: str = ""
    name: str = ""
    phone: str = ""
    nonce: str = ""


class VerdictBody(BaseModel):
    """What the duty makes of a report; a grade of yellow or worse confirms it."""

    who: str = Field(min_length=1, max_length=80)
    grade: str = Field(default="", max_length=10)
    reason: str = Field(default="", max_length=500)


class ReportDoor:
    """The door for residents: limits and marks of clients, shared by the API and the page.

    Args:
        people: For the form's settings.
        clock: For the windows (wall seconds).
    """

    def __init__(self, people: PeopleDesk, clock: Clock) -> None:
        self._form = people.response.report
        self._clock = clock
        self._limits = ReportLimits(self._form)
        self._marks = ClientMarks()

    @staticmethod
    def is_forced(request: Request) -> bool:
        """Tell whether a page of another site made somebody's browser send it: no resident said it.

        Each visitor there would count as a household of its own, and fill the limit of all.
        """
        return request.headers.get("sec-fetch-site") == "cross-site"

    def admit(self, request: Request) -> str | None:
        """Return the mark of the client, or None if too many reports came."""
        peer = request.client.host if request.client else ""
        forwarded = request.headers.get("x-forwarded-for", "")
        mark = self._marks.mark(client_address(peer, forwarded, self._form.proxies))
        return mark if self._limits.admit(mark, self._clock.monotonic_s()) else None


def report_router(people: PeopleDesk, access: Access, door: ReportDoor) -> APIRouter:
    """Return the routes.

    Args:
        people: The counter.
        access: Who may read what residents said, and decide.
        door: The door for residents.
    """
    router = APIRouter(prefix="/api/v1/reports", tags=["reports"])
    _add_saying(router, people, door)
    _add_deciding(router, people, access)
    return router


def _add_saying(router: APIRouter, people: PeopleDesk, door: ReportDoor) -> None:
    @router.post("", status_code=202, response_model=None)
    async def say(request: Request) -> Response:
        """A resident reports something (JSON of a `ReportBody`). Open to everybody, limited."""
        form = people.response.report
        if not form.enabled:
            closed = ReportError("there is no form here", "这里没有开放上报")
            raise HTTPException(404, str(closed)) from closed
        if door.is_forced(request):
            forced = ReportError(
                "the request comes from a page of another site", "请求来自另一个网站的页面"
            )
            raise HTTPException(403, str(forced)) from forced
        mark = door.admit(request)
        if mark is None:
            phone = form.phone or "119"
            busy = ReportError(
                f"too many reports; in danger call {phone}", f"上报太多；有危险请拨打 {phone}"
            )
            raise HTTPException(
                429, str(busy), {"retry-after": f"{form.per_client_s:.0f}"}
            ) from busy
        data = await bounded_body(request, MOST_BODY_BYTES)
        try:
            body = msgspec.json.decode(data, type=ReportBody)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise HTTPException(422, str(error)) from error
        saying = Saying(
            nonce=body.nonce or secrets.token_urlsafe(18), zone=body.zone, hazard=body.hazard,
            text=body.text, name=body.name, phone=body.phone, client=mark,
        )  # fmt: skip
        with refusals():
            number = await run_in_threadpool(people.reports.say, saying)
        taken = answer({"report": f"R{number}"})
        taken.status_code = 202
        return taken


def _add_deciding(router: APIRouter, people: PeopleDesk, access: Access) -> None:
    private = [Depends(access.permit)]

    @router.get("", dependencies=private, response_model=None)
    def reports(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        """What residents reported, newest first."""
        return answer(people.reports.latest(limit))

    @router.post("/{number}/confirm", dependencies=private, response_model=None)
    def confirm(number: Number, body: VerdictBody) -> Response:
        """Somebody has looked: it is so."""
        with refusals():
            by, grade = people.person_id(body.who), grade_named(body.grade or "yellow")
            return answer(people.reports.confirm(number, by, grade, body.reason))

    @router.post("/{number}/dismiss", dependencies=private, response_model=None)
    def dismiss(number: Number, body: VerdictBody) -> Response:
        """Somebody has looked: it is not so."""
        with refusals():
            by = people.person_id(body.who)
            return answer(people.reports.dismiss(number, by, body.reason))

    @router.post("/{number}/end", dependencies=private, response_model=None)
    def end(number: Number, body: VerdictBody) -> Response:
        """What was confirmed is over."""
        with refusals():
            return answer(people.reports.end(number, people.person_id(body.who), body.reason))

    @router.delete("/{number}", dependencies=private, status_code=204, response_model=None)
    def erase(number: Number) -> Response:
        """Forget what was said and by whom."""
        with refusals():
            people.reports.erase(number)
        return Response(status_code=204)
