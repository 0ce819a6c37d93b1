"""HTTP: how the channels stand."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Response

from alerts.desks import ProgramPort


def delivery_router(program: ProgramPort) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/api/v1/channels", tags=["delivery"], response_model=None)
    def channels() -> Response:
        """Each channel: breaker, what waits for it, its last acceptance and self-test."""
        body = msgspec.json.encode(program.channel_states())
        headers = {"cache-control": "no-store"}
        return Response(body, media_type="application/json", headers=headers)

    return router
