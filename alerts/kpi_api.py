"""Alarm figures and resilience over HTTP."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from fastapi import APIRouter, HTTPException, Query, Response

from alerts.figures import DAY_MS, Figures
from core.clock import Clock
from core.refusal import RefusalError

DEFAULT_DAYS = 30


def kpi_router(figures: Figures, clock: Clock) -> APIRouter:
    """Return the routes; they only read."""
    router = APIRouter(prefix="/api/v1", tags=["figures"])

    @router.get("/kpis", response_model=None)
    def kpis(
        *,
        since: Annotated[dt.datetime | None, Query(alias="from")] = None,
        until: Annotated[dt.datetime | None, Query(alias="to")] = None,
    ) -> Response:
        """Alarm figures (EEMUA 191, ISA-18.2) of a period; without one, of the last 30 days."""
        end = _ms(until) if until else clock.now_ms()
        begin = _ms(since) if since else end - DEFAULT_DAYS * DAY_MS
        try:
            found = figures.kpis(begin, end)
        except RefusalError as error:
            raise HTTPException(422, str(error)) from error
        return _json(found)

    @router.get("/resilience", response_model=None)
    def resilience() -> Response:
        """The parts of resilience as they are now, each with its evidence; there is no total."""
        return _json(figures.resilience())

    return router


def _ms(time: dt.datetime) -> int:
    if time.tzinfo is None:
        example = "2026-05-01T00:00:00+08:00"
        vague = RefusalError(
            f"a time needs its offset, e.g. {example}", f"时间须带时区，例如 {example}"
        )
        raise HTTPException(422, str(vague)) from vague
    return round(time.timestamp() * 1000)


def _json(body: object) -> Response:
    return Response(
        msgspec.json.encode(body),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
