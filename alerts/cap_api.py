"""CAP over HTTP: our messages by identifier, and the feed of those that hold now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response

from alerts.cap.desk import CapDesk
from alerts.cap.document import MEDIA_TYPE
from alerts.cap.feed import FEED_MEDIA_TYPE
from alerts.cycle_api import answer
from alerts.path_types import Number

_FRESH = {"cache-control": "no-store"}


def cap_router(desk: CapDesk) -> APIRouter:
    """Return the routes that read."""
    router = APIRouter(prefix="/api/v1/cap", tags=["cap"])

    @router.get("/feed.atom", response_model=None)
    def feed(*, exercises: Annotated[bool, Query()] = False) -> Response:
        """The Atom feed of CAP messages that hold now; `exercises=1` gives those of drills."""
        body = desk.feed(exercises=exercises)
        return Response(body, media_type=FEED_MEDIA_TYPE, headers=_FRESH)

    @router.get("/incidents/{number}", response_model=None)
    def of_incident(number: Number) -> Response:
        """Every message of an incident, oldest first, acknowledgements too."""
        told = desk.of_incident(number)
        if not told:
            raise HTTPException(404, f"incident {number}: there are no CAP messages of it")
        return answer(
            [
                {
                    "identifier": one.identifier,
                    "kind": one.kind,
                    "status": one.status,
                    "sent": one.sent,
                    "url": f"/api/v1/cap/{one.identifier}.xml",
                }
                for one in told
            ]
        )

    @router.get("/{identifier}.xml", response_model=None)
    def message(identifier: Annotated[str, Path(max_length=200)]) -> Response:
        """One CAP 1.2 message."""
        body = desk.document(identifier)
        if body is None:
            raise HTTPException(404, f"cap {identifier}: there is no such message")
        return Response(body, media_type=MEDIA_TYPE, headers=_FRESH)

    return router
