"""HTTP for plans, roster, hand-overs, registers and roll-call.

What names private people needs the token for reading, too.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response, params
from pydantic import BaseModel, Field

from alerts.access import Access
from alerts.cycle_api import answer
from alerts.duty_store import DutyError
from alerts.envelope import too_long
from alerts.path_types import Number
from alerts.people import PeopleDesk
from alerts.register import Volunteer
from alerts.register_store import RegisterError
from alerts.report_store import ReportError
from alerts.views import IncidentError, unknown_incident
from core.configuration import ConfigurationError

_WHO = Field(min_length=1, max_length=80, description="A contact's id, or a name.")
# A register of a district has some thousand lines.
_MOST_REGISTER_BYTES = 2_000_000


class HandOverBody(BaseModel):
    """What one shift leaves the next."""

    who: str = _WHO
    text: str = Field(default="", max_length=4_000)


class PersonBody(BaseModel):
    """Who does it."""

    who: str = _WHO


class AbsenceBody(BaseModel):
    """Somebody is away from `begin` to `end` (run ms); `stand_in` serves their shifts."""

    who: str = _WHO
    contact: str = Field(max_length=40)
    begin: int = Field(ge=0)
    end: int = Field(ge=0)
    stand_in: str = Field(default="", max_length=40)


class DoorBody(BaseModel):
    """What was found behind a door; an empty state takes the tick away."""

    who: str = _WHO
    zone: str = Field(max_length=40)
    door: str = Field(max_length=20)
    state: str = Field(default="", max_length=12)


class VolunteerBody(BaseModel):
    """A volunteer who has agreed, on `consent`, to be registered and called."""

    who: str = _WHO
    id: str = Field(max_length=40)
    name: str = Field(min_length=1, max_length=80)
    phone: str = Field(default="", max_length=40)
    skills: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=20)
    hours: str = Field(default="", max_length=200)
    zones: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=50)
    consent: dt.date


class CountBody(BaseModel):
    """How much of a stock there is now."""

    who: str = _WHO
    quantity: float = Field(ge=0)


def people_router(people: PeopleDesk, access: Access) -> APIRouter:
    """Return the routes.

    Args:
        people: The counter.
        access: Who may change anything, and read what is private.
    """
    router = APIRouter(prefix="/api/v1", tags=["people"])
    private = [Depends(access.permit)]
    _add_plans(router, people, private)
    _add_duty(router, people, private)
    _add_registers(router, people, private)
    return router


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn what the counter refuses into an answer in words."""
    try:
        yield
    except (IncidentError, DutyError, RegisterError, ReportError) as error:
        status = 404 if "there is none" in str(error) else 409
        raise HTTPException(status, str(error)) from error
    except (ConfigurationError, ValueError) as error:
        raise HTTPException(422, str(error)) from error


def _add_plans(router: APIRouter, people: PeopleDesk, private: list[params.Depends]) -> None:
    @router.get("/plans", response_model=None)
    def plans() -> Response:
        """The response plans of this place."""
        return answer(people.response.plan)

    @router.get("/plans/lint", dependencies=private, response_model=None)
    def lint() -> Response:
        """What would fail in the night."""
        return answer(people.lint())

    @router.get("/incidents/{number}/plan", dependencies=private, response_model=None)
    def plan(number: Number) -> Response:
        """The plan of an incident: steps, who can be asked, what to take, doors."""
        found = people.plan(number)
        if found is None:
            unknown = unknown_incident(number)
            raise HTTPException(404, str(unknown)) from unknown
        return answer(found)

    @router.post("/incidents/{number}/roll-call", dependencies=private, response_model=None)
    def roll_call(number: Number, body: DoorBody) -> Response:
        """Tick a door."""
        with refusals():
            people.tick_door(number, body.zone, body.door, body.state, body.who)
        found = people.plan(number)
        return answer(found.roll_call if found else ())


def _add_duty(router: APIRouter, people: PeopleDesk, private: list[params.Depends]) -> None:
    @router.get("/roster", response_model=None)
    def roster(at: Annotated[int | None, Query(ge=0, le=1 << 53)] = None) -> Response:
        """Who is on duty, now or at a run time (ms)."""
        with refusals():
            return answer(people.duty(at))

    @router.post("/roster/absences", dependencies=private, response_model=None)
    def absence(body: AbsenceBody) -> Response:
        """Somebody is away, somebody stands in."""
        with refusals():
            people.note_absence(body.contact, body.begin, body.end, body.stand_in, body.who)
            return answer(people.duty())

    @router.get("/hand-overs", dependencies=private, response_model=None)
    def hand_overs(limit: Annotated[int, Query(ge=1, le=200)] = 20) -> Response:
        """What shifts left each other, newest first."""
        return answer(people.hand_overs(limit))

    @router.post("/hand-overs", dependencies=private, response_model=None)
    def hand_over(body: HandOverBody) -> Response:
        """Leave a note to the next shift; what is open now is kept with it."""
        with refusals():
            return answer(people.hand_over(body.who, body.text))

    @router.post("/hand-overs/{number}/acknowledge", dependencies=private, response_model=None)
    def taken(number: Number, body: PersonBody) -> Response:
        """Somebody of the next shift has read it."""
        with refusals():
            return answer(people.take_hand_over(number, body.who))


def _add_registers(router: APIRouter, people: PeopleDesk, private: list[params.Depends]) -> None:
    @router.get("/volunteers", dependencies=private, response_model=None)
    def volunteers() -> Response:
        """Those who have agreed."""
        return answer(people.volunteers())

    @router.post("/volunteers", dependencies=private, response_model=None)
    def keep(body: VolunteerBody) -> Response:
        """Write one volunteer."""
        one = Volunteer(
            id=body.id, name=body.name, phone=body.phone, skills=tuple(body.skills),
            hours=body.hours, zones=tuple(body.zones), consent=body.consent,
        )  # fmt: skip
        with refusals():
            return answer(people.keep_volunteer(one, body.who))

    @router.post(
        "/volunteers/{name}/withdraw", dependencies=private, status_code=204, response_model=None
    )
    def withdraw(name: str) -> Response:
        """Take the consent back."""
        with refusals():
            people.withdraw(name)
        return Response(status_code=204)

    @router.delete("/volunteers/{name}", dependencies=private, status_code=204, response_model=None)
    def erase(name: str) -> Response:
        """Forget name and number; no import brings them back."""
        with refusals():
            people.erase_volunteer(name)
        return Response(status_code=204)

    @router.get("/supplies", response_model=None)
    def supplies() -> Response:
        """What there is to take."""
        return answer(people.supplies())

    @router.post("/supplies/{name}/count", dependencies=private, response_model=None)
    def count(name: str, body: CountBody) -> Response:
        """Write how much there is now."""
        with refusals():
            return answer(people.count_supply(name, body.quantity, body.who))

    @router.post("/registers", dependencies=private, response_model=None)
    async def take(
        request: Request,
        who: Annotated[str, Query(min_length=1, max_length=80)],
        file: Annotated[str, Query(pattern=r"\.(csv|toml)$", max_length=80)] = "register.csv",
    ) -> Response:
        """Take a CSV or TOML file, which is the body, into the registers."""
        data = await bounded_body(request, _MOST_REGISTER_BYTES)
        with refusals():
            return answer(people.take_register(data, file, who))


async def bounded_body(request: Request, limit: int) -> bytes:
    """Return the body of a request, of at most *limit* bytes.

    Raises:
        HTTPException: 413, it is larger; no more than that was read.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise too_long(limit)
    return bytes(data)
