"""The duty console: server-rendered pages, live over server-sent events, mobile first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from alerts.views import IncidentPort, IncidentView
from core.clock import Clock
from core.community import Community
from dashboards.console.api import api_router
from dashboards.console.feed import LiveFeed
from dashboards.console.figures_pages import figures_router
from dashboards.console.pages import page_router
from dashboards.console.site import STATIC, Renderer, Site
from ingest.history.base import HistoryReader
from ingest.station_ledger import StationLedger, read_ledger

__all__ = ["LiveFeed", "mount"]


def mount(
    app: FastAPI,
    *,
    incidents: IncidentPort,
    feed: LiveFeed,
    history: HistoryReader | None,
    ledger: Callable[[], Sequence[StationLedger]] | Path | None,
    community: Community,
    clock: Clock,
) -> Callable[[], None]:
    """Add the console's pages, its events and its API to *app*.

    The caller starts and stops the feed. `feed.stop()` ends every open page stream; call it before
    the HTTP server waits for its connections, or give that server a short graceful time-out.

    Args:
        app: The application; its routes so far keep their paths.
        incidents: The port through which incidents are seen and taken over.
        feed: The live feed, started or not.
        history: Read side of the history; None shows live data only.
        ledger: Where the account of each station stands: a function, or the path of `ledger.db`.
        community: The profile.
        clock: The clock of the run.

    Returns:
        What ends the subscription to incidents.
    """
    rows = partial(read_ledger, ledger) if isinstance(ledger, Path) else ledger
    site = Site(community, incidents, feed, history, rows, clock)
    app.mount("/static/console", StaticFiles(directory=STATIC), name="console-static")
    app.include_router(api_router(site))
    app.include_router(page_router(site))
    app.include_router(figures_router(site))
    render = Renderer(site)
    app.state.missing_page = lambda request: render.page(
        request, "missing.html", status=404, text=""
    )

    def changed(view: IncidentView) -> None:
        feed.hub.publish("incidents", _news(view))

    return incidents.subscribe(changed)


def _news(view: IncidentView) -> dict[str, object]:
    """Return what every open page is told of a changed incident."""
    return {
        "number": view.number,
        "grade": int(view.grade),
        "open": view.open,
        "acknowledged": view.acknowledged,
        "exercise": view.exercise,
        "zh": view.headline.zh,
        "en": view.headline.en,
    }
