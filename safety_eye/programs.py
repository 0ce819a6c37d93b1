"""The hub's programs, composed: each runs until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from pathlib import Path
from types import FrameType

import msgspec
import structlog
import uvicorn
from fastapi import FastAPI

from alerts.api import build_api
from alerts.applying import file_version
from alerts.channels.entry import ChannelError
from alerts.database import DatabaseError
from alerts.response import Response
from alerts.response_file import FILE as RESPONSE
from alerts.response_file import load_response
from alerts.service import AlertService, AlertSettings
from alerts.standards import standards_problems
from core.clock import Clock
from core.community import Community
from core.configuration import ConfigurationError
from dashboards.console import mount
from dashboards.console.feed import LiveFeed
from detectors.service import Detect, DetectSettings
from ingest.history import (
    HistoryReader,
    HistorySettings,
    HistoryUnavailableError,
    HistoryUnreadableError,
    open_reader,
)
from ingest.ledger_file import LedgerError
from ingest.service import Ingest, IngestSettings
from ingest.station_ledger import read_ledger
from safety_eye.hub import HttpEntry, HubConfig
from safety_eye.hub_state import state_url
from safety_eye.patience import Patience

PROFILE = "community.toml"
log = structlog.get_logger()
# Why a program can't run as it is configured: one clear line, no stack trace.
REFUSALS = (
    ConfigurationError,
    ChannelError,
    DatabaseError,
    LedgerError,
    HistoryUnavailableError,
)
# Wall seconds between two attempts to serve the page.
_PAGE_PAUSE_S = 5.0


def stop_on_signal() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def history_settings(config: HubConfig, state: Path) -> HistorySettings:
    """Return where history goes: as configured, else SQLite; its path starts in *state*."""
    settings = config.history or HistorySettings()
    return msgspec.structs.replace(settings, path=str(state / settings.path))


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
    config: HubConfig,
    community: Community,
    state: Path,
    clock: Clock,
    stop: threading.Event,
    profile: Path | None = None,
) -> None:
    """Keep incidents, tell people, and serve the API and the console until *stop*.

    *profile* is the file of *community*, for its version.
    """
    if wrong := standards_problems(config.standards, community):
        raise ConfigurationError("hub.toml", "; ".join(wrong))
    response, problem = _response(config, community)
    settings = AlertSettings(
        state_url=state_url(config, state),
        channels=config.channel,
        base_url=config.http.url,
        patience=config.patience,
        delivery=config.delivery,
        owner=config.owner,
        standards=config.standards,
        response=response,
        response_problem=problem,
        # What can't be used is not loaded: no lesson is applied by it.
        versions=_versions(profile, None if problem else config.response),
    )
    service = AlertService(settings, community, config.broker.address, clock)
    feed = LiveFeed(config.broker.address, community, clock)
    app = build_api(service, community=community, clock=clock, token=_token(config.http))
    forget = mount(
        app,
        incidents=service,
        feed=feed,
        history=_reader(history_settings(config, state)),
        ledger=lambda: read_ledger(state / "ledger.db"),
        community=community,
        clock=clock,
    )
    page = PageServer(app, config.http)
    service.start()
    feed.start()
    page.start()
    stop.wait()
    feed.stop()  # first: it ends the open page streams, for which the server would wait
    page.stop()
    forget()
    service.stop()


def _versions(profile: Path | None, response: str | None) -> dict[str, str]:
    """Return the versions of the files that lessons change, by the names that people call them."""
    files = {PROFILE: profile, RESPONSE: response}
    return {name: file_version(Path(file)) for name, file in files.items() if file}


def _response(config: HubConfig, community: Community) -> tuple[Response, str]:
    """Return plans and roster, and why they can't be used: a slip in them must not silence alerts.

    A place that has none yet gets empty ones.
    """
    if not config.response:
        return Response(), ""
    try:
        return load_response(Path(config.response), community), ""
    except ConfigurationError as error:
        log.error("people are told without plans and roster", problem=str(error))  # noqa: TRY400
        return Response(), str(error)


def _reader(settings: HistorySettings) -> HistoryReader | None:
    """Return the read side of the history, or None for a kind that is written only."""
    try:
        return open_reader(settings)
    except HistoryUnreadableError as error:
        log.warning("charts show live readings only", why=str(error))
        return None


def _token(http: HttpEntry) -> str | None:
    if not http.token_file:
        return None
    try:
        token = Path(http.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("hub.toml", f"http.token_file: {error}") from error
    if not token:
        raise ConfigurationError("hub.toml", f"http.token_file: {http.token_file} is empty")
    return token


class PageServer:
    """Serves the API and the console on a thread of its own.

    Where the port is taken it tries again and again: people are told all the same.

    Args:
        app: What to serve.
        http: Where.
    """

    def __init__(self, app: FastAPI, http: HttpEntry) -> None:
        self._config = uvicorn.Config(
            app, host=http.host, port=http.port, http=Patience, log_level="warning",
            server_header=False, timeout_graceful_shutdown=3,
        )  # fmt: skip
        self._server = uvicorn.Server(self._config)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; open requests get a moment."""
        self._stop.set()
        self._server.should_exit = True
        self._thread.join(8)

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(SystemExit):  # how uvicorn says that the port is taken
                self._server.run()
            if self._stop.is_set():
                return
            log.error("the page can't be served", host=self._config.host, port=self._config.port)
            self._stop.wait(_PAGE_PAUSE_S)
            self._server = uvicorn.Server(self._config)


RUNNERS = {"ingest": run_ingest, "detect": run_detect, "alerts": run_alerts}
