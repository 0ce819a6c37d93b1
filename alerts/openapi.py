"""The OpenAPI document: the shapes of what msgspec, not pydantic, writes and reads."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI

from alerts.act_store import KeptAct
from alerts.cap.upstream import Standing, Taken
from alerts.cycle_api import BackTestBody
from alerts.cycle_views import CycleView, LessonView, Preview, WithholdingView
from alerts.kpi import Kpis
from alerts.privacy import Statement
from alerts.resilience import Part
from alerts.rollup import AreaView
from alerts.views import IncidentView, JournalView, OutboxView
from core.finding import ZoneGrade

# Path, verb, and what is answered. An application without the path leaves it out.
SHAPES: tuple[tuple[str, str, Any], ...] = (
    ("/api/v1/incidents", "get", list[IncidentView]),
    ("/api/v1/incidents/{number}", "get", IncidentView),
    ("/api/v1/incidents/{number}/journal", "get", list[JournalView]),
    ("/api/v1/incidents/{number}/acknowledge", "post", IncidentView),
    ("/api/v1/grades", "get", list[ZoneGrade]),
    ("/api/v1/outbox", "get", OutboxView),
    ("/api/v1/acts", "get", list[KeptAct]),
    ("/api/v1/areas", "get", list[AreaView]),
    ("/api/v1/lessons", "get", list[LessonView]),
    ("/api/v1/incidents/{number}/cycle", "get", CycleView),
    ("/api/v1/incidents/{number}/lessons/{lesson}/backtest", "post", CycleView),
    ("/api/v1/withholdings", "get", list[WithholdingView]),
    ("/api/v1/withholdings/preview", "post", Preview),
    ("/api/v1/cap", "post", Taken),
    ("/api/v1/cap/upstream", "get", list[Standing]),
    ("/api/v1/kpis", "get", Kpis),
    ("/api/v1/resilience", "get", list[Part]),
    ("/api/v1/persons/{person}", "delete", Statement),
)

# Path, verb, and what is sent there.
BODIES: tuple[tuple[str, str, Any], ...] = (
    ("/api/v1/incidents/{number}/lessons/{lesson}/backtest", "post", BackTestBody),
)


def describe(app: FastAPI) -> None:
    """Put the shapes of what msgspec reads and writes into the OpenAPI document."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = original()
        known = [entry for entry in (*SHAPES, *BODIES) if entry[0] in document["paths"]]
        shapes, components = msgspec.json.schema_components(
            [shape for *_, shape in known], ref_template="#/components/schemas/{name}"
        )
        document.setdefault("components", {}).setdefault("schemas", {}).update(components)
        for entry, shape in zip(known, shapes, strict=True):
            told = document["paths"][entry[0]][entry[1]]
            where = told["requestBody"] if entry in BODIES else told["responses"]["200"]
            where["content"] = {"application/json": {"schema": shape}}
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation does it
