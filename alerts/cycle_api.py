"""HTTP for the cycle of an incident, lessons, areas, and the journal's end as an anchor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends, HTTPException, Query, Response
from pydantic import BaseModel, Field

from alerts.access import Access
from alerts.backtest import BackTest
from alerts.cycle_views import CyclePort
from alerts.cycle_wording import MANDATES, OPTIONS
from alerts.evidence import Lesson
from alerts.path_types import Number
from alerts.rollup import roll_up
from alerts.views import IncidentError, IncidentPort, unknown_incident
from core.community import Community

_WHO = Field(min_length=1, max_length=80, description="A contact's id, or a name.")


class DecisionBody(BaseModel):
    """What somebody decides."""

    who: str = _WHO
    option: str = Field(max_length=40)
    mandate: str = Field(max_length=40)
    evidence: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=50)
    note: str = Field(default="", max_length=500)


class StepBody(BaseModel):
    """What became of a step; `by` did it, `who` writes it down."""

    who: str = _WHO
    by: str = Field(default="", max_length=80)
    role: str = Field(default="", max_length=40)
    skipped: bool = False
    note: str = Field(default="", max_length=500)


class OnSiteBody(BaseModel):
    """What a person on site sees."""

    who: str = _WHO
    safe: bool
    note: str = Field(min_length=1, max_length=500)


class TextBody(BaseModel):
    """A remark, or the reason why it is ended by hand."""

    who: str = _WHO
    text: str = Field(min_length=1, max_length=500)


class ReviewBody(BaseModel):
    """A signed review."""

    who: str = _WHO
    text: str = Field(min_length=1, max_length=20_000)
    nothing_to_learn: str = Field(default="", max_length=500)


class LessonBody(BaseModel):
    """A lesson; with an id a new version of it."""

    who: str = _WHO
    id: str = Field(default="", max_length=40)
    target: str = Field(min_length=1, max_length=500)
    change: str = Field(min_length=1, max_length=20_000)
    before: str = Field(default="", max_length=200)
    after: str = Field(default="", max_length=200)
    backtest: str = Field(default="", max_length=20_000)
    no_backtest: str = Field(default="", max_length=500)


class VerdictBody(BaseModel):
    """Whether a lesson is approved; refused if what was read is not what would be signed."""

    who: str = _WHO
    approve: bool
    version: int = Field(
        default=0, ge=0, description="Version of the lesson that was read; 0 leaves it open."
    )
    file: str = Field(
        default="",
        max_length=64,
        description="Version or SHA-256 of the file that is approved; empty leaves it open.",
    )


class BackTestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A back-test that `safety-eye backtest --lesson` made, and who attaches it.

    Attributes:
        who: A contact's id, or a name.
        backtest: As it was written, seal included.
    """

    who: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    backtest: BackTest


class PersonBody(BaseModel):
    """Who does it."""

    who: str = _WHO


def answer(body: object) -> Response:
    """Return JSON that no cache keeps."""
    return Response(
        msgspec.json.encode(body),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def cycle_router(
    cycle: CyclePort, incidents: IncidentPort, community: Community, access: Access
) -> APIRouter:
    """Return the routes.

    Args:
        cycle: How incidents are taken through their stages.
        incidents: For areas and to tell what is not there.
        community: The profile.
        access: Who may change anything.
    """
    router = APIRouter(prefix="/api/v1", tags=["cycle"])
    change = [Depends(access.permit)]
    _add_reading(router, cycle, incidents, community)
    _add_acting(router, cycle, change)
    _add_learning(router, cycle, change)
    return router


def _add_reading(
    router: APIRouter, cycle: CyclePort, incidents: IncidentPort, community: Community
) -> None:
    @router.get("/areas", response_model=None)
    def areas() -> Response:
        """The worst grade within each zone and the site, with what is unknown or withheld."""
        return answer(roll_up(community, incidents.zone_grades(), incidents.open_incidents()))

    @router.get("/lessons", response_model=None)
    def lessons(limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
        """Every lesson of the newest incidents, with its approver and back-test."""
        return answer(cycle.lessons(limit))

    @router.get("/cycle/options", response_model=None)
    def options() -> Response:
        """What may be decided, and under which mandates; slugs with their words (zh, en)."""
        return answer({"options": OPTIONS, "mandates": MANDATES})

    @router.get("/incidents/{number}/cycle", response_model=None)
    def stage(number: Number) -> Response:
        """How far people are with one incident, and what is still needed."""
        return _found(cycle, number)


def _add_acting(router: APIRouter, cycle: CyclePort, change: Sequence[Any]) -> None:
    @router.post("/incidents/{number}/decide", dependencies=change, response_model=None)
    def decide(number: Number, body: DecisionBody) -> Response:
        """Somebody decides; it counts as taking over."""
        return _done(
            cycle,
            number,
            lambda: cycle.decide(
                number, body.who, body.option, body.mandate, tuple(body.evidence), body.note
            ),
        )

    @router.post("/incidents/{number}/steps/{step}", dependencies=change, response_model=None)
    def do_step(number: Number, step: str, body: StepBody) -> Response:
        """A step of the plan is done, or skipped with a reason."""
        return _done(
            cycle,
            number,
            lambda: cycle.do_step(
                number, step, body.who, by=body.by, role=body.role, skipped=body.skipped,
                note=body.note,
            ),
        )  # fmt: skip

    @router.post("/incidents/{number}/on-site", dependencies=change, response_model=None)
    def on_site(number: Number, body: OnSiteBody) -> Response:
        """A person on site says whether the danger is over."""
        return _done(
            cycle, number, lambda: cycle.look(number, body.who, safe=body.safe, note=body.note)
        )

    @router.post("/incidents/{number}/notes", dependencies=change, response_model=None)
    def notes(number: Number, body: TextBody) -> Response:
        """Somebody writes something down."""
        return _done(cycle, number, lambda: cycle.remark(number, body.who, body.text))

    @router.post("/incidents/{number}/end", dependencies=change, response_model=None)
    def end(number: Number, body: TextBody) -> Response:
        """A person ends it by hand, with a reason; never while readings show the danger."""
        return _done(cycle, number, lambda: cycle.end(number, body.who, body.text))


def _add_learning(router: APIRouter, cycle: CyclePort, change: Sequence[Any]) -> None:
    @router.post("/incidents/{number}/review", dependencies=change, response_model=None)
    def review(number: Number, body: ReviewBody) -> Response:
        """Somebody signs the review."""
        return _done(
            cycle,
            number,
            lambda: cycle.sign_review(number, body.who, body.text, body.nothing_to_learn),
        )

    @router.post("/incidents/{number}/lessons", dependencies=change, response_model=None)
    def write(number: Number, body: LessonBody) -> Response:
        """A lesson, or a new version of one."""
        lesson = Lesson(
            id=body.id, version=0, target=body.target, change=body.change, before=body.before,
            after=body.after, backtest=body.backtest, no_backtest=body.no_backtest, at=0, by="",
        )  # fmt: skip
        return _done(cycle, number, lambda: cycle.write_lesson(number, body.who, lesson))

    @router.post(
        "/incidents/{number}/lessons/{lesson}/backtest", dependencies=change, response_model=None
    )
    def attach(number: Number, lesson: str, body: Annotated[dict[str, Any], Body()]) -> Response:
        """A back-test of the program is put on a lesson; refused if it is of another file."""
        try:
            given = msgspec.convert(body, BackTestBody)
        except (msgspec.ValidationError, UnicodeError) as error:  # half a sign is no text
            raise HTTPException(422, str(error)) from error
        return _done(
            cycle, number, lambda: cycle.attach_backtest(number, lesson, given.who, given.backtest)
        )

    @router.post(
        "/incidents/{number}/lessons/{lesson}/verdict", dependencies=change, response_model=None
    )
    def verdict(number: Number, lesson: str, body: VerdictBody) -> Response:
        """Somebody else than its writer approves or rejects a lesson."""
        return _done(
            cycle,
            number,
            lambda: cycle.judge_lesson(
                number, lesson, body.who, approve=body.approve, version=body.version, file=body.file
            ),
        )

    @router.post("/incidents/{number}/close", dependencies=change, response_model=None)
    def close(number: Number, body: PersonBody) -> Response:
        """The review is done; refused with what is missing."""
        return _done(cycle, number, lambda: cycle.close(number, body.who))


def _done(cycle: CyclePort, number: int, act: Callable[[], None]) -> Response:
    _found(cycle, number)
    try:
        act()
    except IncidentError as error:
        raise HTTPException(409, str(error)) from error
    return _found(cycle, number)


def _found(cycle: CyclePort, number: int) -> Response:
    view = cycle.cycle(number) if 0 < number < 1 << 31 else None
    if view is None:
        unknown = unknown_incident(number)
        raise HTTPException(404, str(unknown)) from unknown
    return answer(view)
