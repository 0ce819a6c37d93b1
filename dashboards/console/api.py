"""The console's share of the HTTP API: stations, sensors, readings, and the stream of events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse

from core.identity import SeriesId
from core.quantity import FACTS, Quantity
from core.trouble import troubles_of
from dashboards.console.archive import MAX_BUCKETS, chart_points
from dashboards.console.events import Event, Listener
from dashboards.console.site import Site
from dashboards.console.station_views import off_by
from dashboards.console.trace import TRACE_MS, Point
from dashboards.console.words import Words
from ingest.station_ledger import StationLedger

# Run milliseconds, within what the history can hold.
RunTime = Annotated[int, Query(ge=0, le=1 << 53)]
# A page notices a dead server after two missed beats.
HEARTBEAT_S = 5.0
# More open pages than a community has people; beyond it the server must stay alive for the others.
MAX_STREAMS = 200


def api_router(site: Site) -> APIRouter:
    """Return the routes under /api/v1 that belong to the console."""
    router = APIRouter(prefix="/api/v1", tags=["console"])
    _add_stations(router, site)
    _add_sensors(router, site)
    _add_events(router, site)
    return router


def _add_stations(router: APIRouter, site: Site) -> None:
    @router.get("/stations")
    def stations() -> list[dict[str, Any]]:
        """Every station of the profile: link, clock, spool, troubles, account."""
        return [
            {
                "station": view.id,
                "link": view.link,
                "since": view.state.since or None,
                "heard_at": view.state.heard_at or None,
                "clock_trusted": view.trusted_clock,
                "spooled_packs": view.spooled,
                "refused": view.state.refused,
                "troubles": list(troubles_of(view.state.status)) if view.state.status else [],
                "health": view.state.status.health if view.state.status else {},
                "ledger": _account(view.account),
            }
            for view in site.stations(Words("en"))
        ]


def _account(account: StationLedger | None) -> dict[str, int] | None:
    if account is None:
        return None
    names = ("produced", "stored", "quarantined", "lost", "unknown", "pending")
    return {name: getattr(account, name) for name in names} | {"off_by": off_by(account)}


def _add_sensors(router: APIRouter, site: Site) -> None:
    @router.get("/sensors")
    def sensors() -> list[dict[str, Any]]:
        """Every series of the profile with its newest reading. Times are run time in ms."""
        rows = []
        for view in site.sensors(Words("en")):
            latest = site.feed.latest(SeriesId(view.entry.id, view.quantity))
            rows.append(
                {
                    "sensor": view.entry.id,
                    "quantity": str(view.quantity),
                    "station": view.entry.station,
                    "zone": view.entry.zone,
                    "hazard": str(view.entry.hazard),
                    "unit": FACTS[view.quantity].unit,
                    "state": view.state,
                    "at": view.at or None,
                    "value": latest.value if latest is not None else None,
                    "reasons": list(latest.reasons) if latest is not None else [],
                    "limits": {line.grade.word: line.value for line in view.limits},
                }
            )
        return rows

    @router.get("/sensors/{sensor}/readings")
    def readings(
        sensor: str,
        quantity: Quantity | None = None,
        start: RunTime | None = None,
        end: RunTime | None = None,
        buckets: Annotated[int, Query(ge=10, le=MAX_BUCKETS)] = 600,
    ) -> dict[str, Any]:
        """Points to draw, `[at, value, quality]`; a null value is a gap. Counters per interval."""
        entry = site.community.sensor_of(sensor)
        if entry is None:
            raise HTTPException(404, f"sensor {sensor!r} is not in the profile")
        wanted = quantity or entry.quantity
        if wanted not in entry.quantities:
            raise HTTPException(404, f"sensor {sensor!r} does not measure {wanted}")
        until = end if end is not None else site.clock.now_ms()
        begin = start if start is not None else until - TRACE_MS
        if begin >= until:
            raise HTTPException(422, "start must be before end (both in ms)")
        points = chart_points(site.feed, site.archive, entry, wanted, begin, until, buckets)
        return {
            "sensor": sensor,
            "quantity": str(wanted),
            "unit": FACTS[wanted].unit,
            "start": begin,
            "end": until,
            "points": [[point.at, point.value, str(point.quality)] for point in points],
        }


def _add_events(router: APIRouter, site: Site) -> None:
    @router.get("/events", response_class=StreamingResponse)
    async def events(request: Request, last: str = "") -> StreamingResponse:
        """Server-sent events: what changed, and a beat every 5 s. Resumes by Last-Event-ID."""
        if site.feed.hub.listeners >= MAX_STREAMS:
            raise HTTPException(503, "too many open pages; close some and try again")
        words = site.words(request)
        last_id = request.headers.get("last-event-id") or last
        return StreamingResponse(
            _stream(site, words, last_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


async def _stream(site: Site, words: Words, last_id: str) -> AsyncIterator[str]:
    """Yield events until the page goes or the feed stops."""
    hub = site.feed.hub
    loop = asyncio.get_running_loop()
    bell = asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended; so has this page
            loop.call_soon_threadsafe(bell.set)

    listener, whole = hub.listen(wake, last_id)
    try:
        yield "retry: 2000\n\n" + _frame("hello", _pulse(site) | {"whole": whole})
        while not listener.closed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(bell.wait(), HEARTBEAT_S)
            bell.clear()
            yield _chunk(site, words, listener)
    finally:
        hub.drop(listener)


def _chunk(site: Site, words: Words, listener: Listener) -> str:
    """Return what waits for a page, or a beat if nothing does."""
    waiting, lost = listener.take()
    parts = [_frame("resync", {"lost": lost})] if lost else []
    parts += [
        _frame(event.name, _data(site, words, event), site.feed.hub.event_id(event.number))
        for event in waiting
    ]
    return "".join(parts) or _frame("beat", _pulse(site))


def _pulse(site: Site) -> dict[str, Any]:
    return {"now": site.clock.now_ms(), "speed": site.clock.speed, "linked": site.feed.linked}


def _frame(name: str, data: dict[str, Any], event_id: str = "") -> str:
    """Return one event on the wire; JSON holds no line breaks, so one data line is enough."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _data(site: Site, words: Words, event: Event) -> dict[str, Any]:
    """Return an event's data in the reader's language."""
    if event.name != "readings":
        return event.data
    points: list[tuple[SeriesId, list[Point]]] = event.data["points"]
    return event.data | {"points": [_point(site, words, *item) for item in points]}


def _point(site: Site, words: Words, series: SeriesId, fresh: list[Point]) -> list[Any]:
    """Return what a page needs of a series: the newest reading in words, and all that is new."""
    entry = site.community.sensor_of(series.sensor)
    assert entry is not None  # the feed keeps series of the profile only
    newest = fresh[-1]
    number, unit = words.value(series.quantity, newest.value, entry.interval_s)
    quality = words.quality(newest.quality, newest.reasons)
    trail = [[point.at, point.value, str(point.quality)] for point in fresh]
    return [series.subject, newest.at, number, unit, str(newest.quality), quality, trail]
