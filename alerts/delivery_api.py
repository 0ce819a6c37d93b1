"""HTTP: how the channels stand."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec
from fastapi import APIRouter, Response

from alerts.delivery_views import ChannelView


@runtime_checkable
class Deliveries(Protocol):
    """What the routes need of the service."""

    def channel_states(self) -> list[ChannelView]:
        """Return how each channel stands."""


def delivery_router(service: Deliveries) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/api/v1/channels", tags=["delivery"], response_model=None)
    def channels() -> Response:
        """Each channel: breaker, what waits for it, its last acceptance and self-test."""
        body = msgspec.json.encode(service.channel_states())
        headers = {"cache-control": "no-store"}
        return Response(body, media_type="application/json", headers=headers)

    return router
