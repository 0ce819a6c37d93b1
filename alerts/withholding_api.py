"""HTTP for withholding: look before you hide, hide with owner, reason and end, show again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from pydantic import BaseModel, Field

from alerts.access import Access
from alerts.cycle_api import answer
from alerts.cycle_views import WithholdingPort, WithholdingView
from alerts.path_types import Number
from alerts.views import IncidentError
from alerts.withholding import Scope, WithholdingKind
from core.clock import Clock
from core.finding import Hazard
from core.grade import Grade, grade_named

_WHO = Field(min_length=1, max_length=80, description="A contact's id, or a name.")
_MINUTES = Field(
    default=None, gt=0, le=527_040, description="Run minutes from now; at most a year."
)


class ScopeBody(BaseModel):
    """What is meant; every part that is given must fit."""

    zone: str = Field(default="", max_length=40)
    hazard: Hazard | None = None
    sensor: str = Field(default="", max_length=40)
    rule: str = Field(default="", max_length=60)
    up_to: str = Field(default="yellow", pattern="^(blue|yellow|orange|red)$")

    def scope(self) -> Scope:
        """Return it as a struct."""
        return Scope(zone=self.zone, hazard=self.hazard, sensor=self.sensor, rule=self.rule)

    def grade(self) -> Grade:
        """Return the highest grade that is to be hidden."""
        return grade_named(self.up_to)


class WithholdingBody(ScopeBody):
    """A withholding. Shelving needs its minutes; hiding red needs a second person."""

    kind: WithholdingKind
    owner: str = _WHO
    second: str = Field(default="", max_length=80)
    reason: str = Field(min_length=1, max_length=500)
    minutes: float | None = _MINUTES


class ExtensionBody(BaseModel):
    """A new end, counted from now."""

    who: str = _WHO
    minutes: float = Field(gt=0, le=527_040)


class ReleaseBody(BaseModel):
    """Who ends it."""

    who: str = _WHO


def withholding_router(port: WithholdingPort, access: Access, clock: Clock) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/v1/withholdings", tags=["withholding"])
    change = [Depends(access.permit)]

    @router.get("", response_model=None)
    def withholdings(
        *,
        open: Annotated[bool, Query()] = False,  # noqa: A002  # the name in the URL
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """What is withheld and was; with `open=1` only what stands."""
        return answer(port.standing() if open else port.latest(limit))

    @router.post("/preview", response_model=None)
    def preview(body: ScopeBody) -> Response:
        """What it would hide, and from whom. Changes nothing."""
        return answer(port.preview(body.scope(), body.grade()))

    @router.post("", dependencies=change, status_code=201, response_model=None)
    def withhold(body: WithholdingBody) -> Response:
        """Begin it."""
        until = 0 if body.minutes is None else clock.now_ms() + round(body.minutes * 60_000)
        try:
            view = port.withhold(
                body.kind, body.scope(), body.owner, body.reason,
                until=until, up_to=body.grade(), second=body.second,
            )  # fmt: skip
        except IncidentError as error:
            raise HTTPException(409, str(error)) from error
        response = answer(view)
        response.status_code = 201
        return response

    @router.post("/{number}/extend", dependencies=change, response_model=None)
    def extend(number: Number, body: ExtensionBody) -> Response:
        """Give it a new end."""
        until = clock.now_ms() + round(body.minutes * 60_000)
        return _changed(lambda: port.extend(number, body.who, until))

    @router.post("/{number}/release", dependencies=change, response_model=None)
    def release(number: Number, body: ReleaseBody) -> Response:
        """End it now; everything is judged again."""
        return _changed(lambda: port.release(number, body.who))

    return router


def _changed(act: Callable[[], WithholdingView]) -> Response:
    try:
        return answer(act())
    except IncidentError as error:
        raise HTTPException(409, str(error)) from error
