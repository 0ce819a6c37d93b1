"""The HTTP API of alerts. Reading is free where it is served; changing needs `alerts.access`.

Errors are problem JSON (RFC 9457), never a stack trace. Nothing changes on GET: programs that look
at links open them. The console mounts its pages on the same application.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from alerts.access import COOKIE, SESSION_S, Access
from alerts.cap_api import cap_router
from alerts.cycle_api import cycle_router
from alerts.delivery_api import delivery_router
from alerts.drills_api import drill_router
from alerts.envelope import Envelope
from alerts.inbound_api import inbound_router
from alerts.kpi_api import kpi_router
from alerts.link_api import link_router
from alerts.openapi import describe
from alerts.path_types import Number
from alerts.people_api import people_router
from alerts.privacy_api import privacy_router
from alerts.problems import add_problems
from alerts.program import Program, Readiness
from alerts.report_api import ReportDoor, report_router
from alerts.standards import Standards
from alerts.views import (
    IncidentError,
    IncidentPort,
    IncidentView,
    unknown_incident,
)
from alerts.voice_api import voice_router
from alerts.withholding_api import withholding_router
from core.clock import Clock
from core.community import Community
from core.refusal import RefusalError

_JSON = "application/json"


class Acknowledgement(BaseModel):
    """Who takes the incident over: a contact's id, or a name."""

    who: str = Field(min_length=1, max_length=80)


class SignIn(BaseModel):
    """The API token, to be exchanged for a session cookie."""

    token: str = Field(min_length=1, max_length=500)


def build_api(
    service: IncidentPort,
    *,
    community: Community,
    clock: Clock,
    token: str | None,
) -> FastAPI:
    """Return the application.

    Args:
        service: Incidents, and the desks beyond them: what is not there has no routes.
        community: The profile, for the title.
        clock: Clock of the run.
        token: Secret for changes; None allows them only from this machine.
    """
    app = FastAPI(
        title=f"Safety Eye · {community.site.name.in_language('en')}",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its pages load scripts from elsewhere; a community may have no internet
        redoc_url=None,
    )
    access = Access(token, clock)
    app.state.access = access
    app.add_middleware(Envelope)
    add_problems(app)
    _add_incidents(app, service, access)
    _add_acts(app, service.desks.program)
    _add_cycle(app, service, community, access, clock)
    if service.desks.drills is not None:
        app.include_router(drill_router(service.desks.drills, access, clock))
    _add_sessions(app, access)
    if service.desks.links is not None:
        app.include_router(link_router(service.desks.links, service, community))
    if service.desks.program is not None:
        app.include_router(delivery_router(service.desks.program))
        app.include_router(voice_router(service.desks.program.called_back))
    if service.desks.standards is not None:
        _add_standards(app, service.desks.standards, access, community, clock)
    _add_health(app, service.desks.program)
    describe(app)
    return app


def _add_incidents(app: FastAPI, service: IncidentPort, access: Access) -> None:
    @app.get("/api/v1/incidents", tags=["incidents"], response_model=None)
    def incidents(
        *,
        open: Annotated[bool, Query()] = False,  # noqa: A002  # the name in the URL
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: Annotated[int | None, Query(ge=1)] = None,
    ) -> Response:
        """Incidents, newest first; with `open=1` the open ones, worst first."""
        return _json(service.open_incidents() if open else service.incidents(limit, before))

    @app.get("/api/v1/incidents/{number}", tags=["incidents"], response_model=None)
    def incident(number: Number) -> Response:
        """One incident and its notifications."""
        return _json(_found(service, number))

    @app.get("/api/v1/incidents/{number}/journal", tags=["incidents"], response_model=None)
    def journal(number: Number) -> Response:
        """What happened, oldest first."""
        _found(service, number)
        return _json(service.journal(number))

    @app.post(
        "/api/v1/incidents/{number}/acknowledge",
        tags=["incidents"],
        response_model=None,
        dependencies=[Depends(access.permit)],
    )
    def acknowledge(number: Number, body: Acknowledgement) -> Response:
        """Somebody takes the incident over."""
        _found(service, number)
        try:
            return _json(service.acknowledge(number, body.who, "api"))
        except IncidentError as error:
            raise HTTPException(409, str(error)) from error

    @app.get("/api/v1/grades", tags=["grades"], response_model=None)
    def grades() -> Response:
        """The grade of each zone and hazard; unknown is not green."""
        return _json(service.zone_grades())

    @app.get("/api/v1/outbox", tags=["incidents"], response_model=None)
    def outbox() -> Response:
        """How the notifications stand."""
        return _json(service.outbox())


def _add_acts(app: FastAPI, program: Program | None) -> None:
    @app.get("/api/v1/acts", tags=["stations"], response_model=None)
    def local_acts(
        *,
        station: Annotated[str | None, Query(max_length=40)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """What stations switched by themselves or on command, newest first."""
        return _json(program.acts(limit, station) if program is not None else [])


def _add_cycle(
    app: FastAPI, service: IncidentPort, community: Community, access: Access, clock: Clock
) -> None:
    """Add the cycle of incidents, withholding, and the people, where there are desks for them."""
    desks, people = service.desks, service.desks.people
    if desks.cycle is not None:
        app.include_router(cycle_router(desks.cycle, service, community, access))
    if desks.withholding is not None:
        app.include_router(withholding_router(desks.withholding, access, clock))
    if people is not None:
        # The console's form for residents shares the door: one limit for both ways in.
        app.state.report_door = ReportDoor(people, clock)
        app.include_router(people_router(people, access))
        app.include_router(report_router(people, access, app.state.report_door))


def _add_sessions(app: FastAPI, access: Access) -> None:
    @app.post("/api/v1/session", tags=["session"], status_code=204, response_model=None)
    def sign_in(request: Request, body: SignIn) -> Response:
        """Exchange the token for a session cookie of this browser."""
        if not access.token_fits(body.token):
            wrong = RefusalError("that is not the token", "口令不对")
            raise HTTPException(401, str(wrong)) from wrong
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE, access.begin_session(), max_age=SESSION_S, httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return response

    @app.delete("/api/v1/session", tags=["session"], status_code=204, response_model=None)
    def sign_out(request: Request) -> Response:
        """End the session of this browser."""
        access.end_session(request)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE)
        return response


def _add_standards(
    app: FastAPI, standards: Standards, access: Access, community: Community, clock: Clock
) -> None:
    """Add CAP, webhooks of others, figures and privacy."""
    app.include_router(
        inbound_router(
            standards.upstream, standards.hooks, settings=standards.settings.cap,
            community=community, clock=clock, access=access,
        )
    )  # fmt: skip
    app.include_router(cap_router(standards.cap))
    app.include_router(kpi_router(standards.figures, clock))
    app.include_router(privacy_router(standards.privacy, access))


def _add_health(app: FastAPI, program: Program | None) -> None:
    @app.get("/health/live", tags=["health"])
    def live() -> dict[str, str]:
        """The program answers."""
        return {"status": "ok"}

    @app.get("/health/ready", tags=["health"], response_model=None)
    def ready() -> Response:
        """People would be told: 200, else 503 with what is missing."""
        checks = program.readiness() if program is not None else {}
        well = all(checks.values())
        body = Readiness("ok" if well else "not ready", checks)
        return Response(msgspec.json.encode(body), 200 if well else 503, media_type=_JSON)

    @app.get("/metrics", tags=["health"], response_model=None)
    def metrics() -> Response:
        """Figures for Prometheus."""
        if program is not None:
            program.measure()
        text = generate_latest(program.registry) if program is not None else b""
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


def _found(service: IncidentPort, number: int) -> IncidentView:
    view = service.incident(number) if 0 < number < 1 << 31 else None
    if view is None:
        unknown = unknown_incident(number)
        raise HTTPException(404, str(unknown)) from unknown
    return view


def _json(body: object) -> Response:
    return Response(
        msgspec.json.encode(body), media_type=_JSON, headers={"cache-control": "no-store"}
    )
