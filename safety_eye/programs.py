"""The hub's programs, composed: each runs until it is told to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from alerts.api import build_api
from alerts.service import AlertService, AlertSettings
from core.clock import Clock
from core.community import Community
from dashboards.console import mount
from dashboards.console.feed import LiveFeed
from detectors.service import Detect, DetectSettings
from ingest.history import (
    HistoryReader,
    HistorySettings,
    HistoryUnreadableError,
    open_reader,
)
from ingest.ledger import read_ledger
from ingest.service import Ingest, IngestSettings
from safety_eye.hub import HubConfig

log = structlog.get_logger()


def stop_on_signal() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def history_settings(config: HubConfig, state: Path) -> HistorySettings:
    """Return where history goes: as configured, else SQLite in the state directory."""
    return config.history or HistorySettings(path=str(state / "history.db"))


def run_ingest(
    config: HubConfig, community: Community, state: Path, clock: Clock, stop: threading.Event
) -> None:
    """Store what stations send until *stop*."""
    settings = IngestSettings(state, history_settings(config, state))
    Ingest(settings, community, config.broker.address, clock).run(stop)


def run_detect(
    config: HubConfig, community: Community, state: Path, clock: Clock, stop: threading.Event
) -> None:
    """Judge what stations send until *stop*."""
    settings = DetectSettings(state_dir=state, history=history_settings(config, state))
    Detect(settings, community, config.broker.address, clock).run(stop)


def run_alerts(
    config: HubConfig, community: Community, state: Path, clock: Clock, stop: threading.Event
) -> None:
    """Keep incidents, tell people, and serve the API and the console until *stop*."""
    settings = AlertSettings(
        state_url=config.state_url or f"sqlite:///{state / 'alerts.db'}",
        channels=config.channel,
        base_url=config.http.url,
        patience=config.patience,
    )
    service = AlertService(settings, community, config.broker.address, clock)
    feed = LiveFeed(config.broker.address, community, clock)
    token_file = config.http.token_file
    token = Path(token_file).read_text(encoding="utf-8").strip() if token_file else None
    app = build_api(service, community=community, clock=clock, token=token)
    forget = mount(
        app,
        incidents=service,
        feed=feed,
        history=_reader(history_settings(config, state)),
        ledger=lambda: read_ledger(state / "ledger.db"),
        community=community,
        clock=clock,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=config.http.host,
            port=config.http.port,
            log_level="warning",
            timeout_graceful_shutdown=3,
        )
    )
    service.start()
    feed.start()
    thread = threading.Thread(target=_serve, args=(server, stop), name="http", daemon=True)
    thread.start()
    stop.wait()
    feed.stop()  # first: it ends the open page streams, for which the server would wait
    server.should_exit = True
    thread.join(8)
    forget()
    service.stop()


def _reader(settings: HistorySettings) -> HistoryReader | None:
    """Return the read side of the history, or None for a kind that is written only."""
    try:
        return open_reader(settings)
    except HistoryUnreadableError as error:
        log.warning("charts show live readings only", why=str(error))
        return None


def _serve(server: uvicorn.Server, stop: threading.Event) -> None:
    """Serve; if the server can't start (port taken) end the program, so that it is tried again."""
    try:
        server.run()
    except SystemExit:
        log.exception("the page can't be served", host=server.config.host, port=server.config.port)
    finally:
        stop.set()


RUNNERS = {"ingest": run_ingest, "detect": run_detect, "alerts": run_alerts}
