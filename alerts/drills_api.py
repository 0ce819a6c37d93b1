"""Drills over HTTP: who may change anything may begin one; everybody who may read sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends, HTTPException, Query, Response
from pydantic import BaseModel, Field

from alerts.access import Access
from alerts.drill import BrokenOff, Drill, DrillPlan, unknown_drill
from alerts.drill_calendar import WINDOW_DAYS, Coverage
from alerts.drill_desk import DrillDesk
from alerts.drill_entry import DrillEntry
from alerts.drill_score import DrillScore
from core.clock import Clock
from core.drill import DrillError

_JSON = "application/json"
_ROOT = "/api/v1/drills"


class Start(BaseModel):
    """When the scenario starts, run milliseconds."""

    at: int = Field(ge=0, lt=1 << 53)


class Who(BaseModel):
    """Who asks for it: a contact's id, or a name."""

    by: str = Field(default="", max_length=80)


class Ending(Who):
    """Who breaks it off, and why."""

    why: BrokenOff = BrokenOff.ASKED


class File(BaseModel):
    """A file that was made of a drill, by the SHA-256 of its bytes."""

    path: str = Field(min_length=1, max_length=500)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class DrillAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A drill and how it went, so far or in the end.

    Attributes:
        drill, score: See there.
        now: Run time (ms) of this answer.
    """

    drill: Drill
    score: DrillScore
    now: int


class ClockAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`EPOCH_MS:SPEED` of the run, for a program that plays a drill."""

    clock: str


class CoverageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What has been drilled, what is due, and the calendar that says so."""

    coverage: Coverage
    calendar: tuple[DrillEntry, ...]


class _Answers:
    """Turns drills into answers, and refusals into problems."""

    def __init__(self, desk: DrillDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    @property
    def clock_text(self) -> str:
        return str(self._clock)

    def found(self, name: str) -> Drill:
        drill = self._desk.drill(name)
        if drill is None:
            unknown = unknown_drill(name)
            raise HTTPException(404, str(unknown)) from unknown
        return drill

    def of(self, drill: Drill, status: int = 200) -> Response:
        now = self._clock.now_ms()
        return _json(DrillAnswer(drill=drill, score=self._desk.score(drill), now=now), status)

    def changed(self, step: Callable[[], Drill], status: int = 200) -> Response:
        try:
            return self.of(step(), status)
        except DrillError as error:
            raise HTTPException(409, str(error)) from error


def drill_router(desk: DrillDesk, access: Access, clock: Clock) -> APIRouter:
    """Return the routes.

    Args:
        desk: Keeps the drills.
        access: Who may change something.
        clock: Clock of the run.
    """
    router = APIRouter(tags=["drills"])
    answers = _Answers(desk, clock)
    _add_reading(router, desk, answers)
    changing = APIRouter(dependencies=[Depends(access.permit)])
    _add_asking(changing, desk, answers)
    _add_playing(changing, desk, answers)
    router.include_router(changing)
    return router


def _add_reading(router: APIRouter, desk: DrillDesk, answers: _Answers) -> None:
    @router.get(_ROOT, response_model=None)
    def drills(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        """Drills, newest first."""
        return _json(desk.drills(limit))

    @router.get(f"{_ROOT}/coverage", response_model=None)
    def coverage(days: Annotated[float, Query(ge=1, le=3650)] = WINDOW_DAYS) -> Response:
        """What has been drilled by hazard, watch and channel, and what is due."""
        return _json(CoverageAnswer(coverage=desk.coverage(days), calendar=desk.calendar))

    @router.get(f"{_ROOT}/clock", response_model=None)
    def run_clock() -> Response:
        """The clock of this run, for a program that plays a drill."""
        return _json(ClockAnswer(clock=answers.clock_text))

    @router.get(f"{_ROOT}/{{name}}", response_model=None)
    def drill(name: str) -> Response:
        """One drill and how it went."""
        return answers.of(answers.found(name))


def _add_asking(router: APIRouter, desk: DrillDesk, answers: _Answers) -> None:
    @router.post(_ROOT, response_model=None, status_code=201)
    def ask(plan: Annotated[dict[str, Any], Body()]) -> Response:
        """Register a drill: every program is told, and its twins may begin to report."""
        try:
            wanted = msgspec.convert(plan, DrillPlan)
        except (msgspec.ValidationError, UnicodeError) as error:  # half a sign is no text
            raise HTTPException(422, str(error)) from error
        return answers.changed(lambda: desk.ask(wanted), 201)

    @router.post(f"{_ROOT}/{{name}}/abort", response_model=None)
    def abort(name: str, body: Ending) -> Response:
        """Break it off."""
        answers.found(name)
        return answers.changed(lambda: desk.abort(name, body.by, body.why))

    @router.post(f"{_ROOT}/{{name}}/evidence", response_model=None)
    def evidence(name: str, body: File) -> Response:
        """Remember a file that was made of a drill."""
        answers.found(name)
        return answers.changed(lambda: desk.add_evidence(name, body.path, body.sha256))


def _add_playing(router: APIRouter, desk: DrillDesk, answers: _Answers) -> None:
    @router.post(f"{_ROOT}/{{name}}/begin", response_model=None)
    def begin(name: str, body: Start) -> Response:
        """The scenario starts."""
        answers.found(name)
        return answers.changed(lambda: desk.begin(name, body.at))

    @router.post(f"{_ROOT}/{{name}}/beat", response_model=None)
    def beat(name: str) -> Response:
        """The program that plays it is alive."""
        answers.found(name)
        return answers.changed(lambda: desk.beat(name))

    @router.post(f"{_ROOT}/{{name}}/finish", response_model=None)
    def finish(name: str, body: Who) -> Response:
        """It came to its end: its incidents close, and people are told that it is over."""
        answers.found(name)
        return answers.changed(lambda: desk.finish(name, body.by))


def _json(body: object, status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(body),
        status,
        media_type=_JSON,
        headers={"cache-control": "no-store"},
    )
