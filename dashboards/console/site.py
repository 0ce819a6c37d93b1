"""The console as one object: what the pages are made of, and how a page is rendered."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sqlite3
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from alerts.cycle_views import CyclePort, WithholdingPort
from alerts.people import PeopleDesk
from alerts.views import IncidentPort
from core.clock import Clock
from core.community import Community
from core.grade import Grade
from dashboards.console.feed import LiveFeed
from dashboards.console.guard import HEADERS, keep_token, token_of
from dashboards.console.incident_views import (
    IncidentCard,
    incident_card,
)
from dashboards.console.marks import Mark
from dashboards.console.phrases import LANGUAGES
from dashboards.console.sensors import SensorView, sensor_views
from dashboards.console.station_views import StationView, station_views
from dashboards.console.words import Words, clock_text
from dashboards.console.zones import ZoneGroup, summary, zone_groups
from ingest.history.base import HistoryReader
from ingest.ledger_file import LedgerError
from ingest.station_ledger import StationLedger

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
LANGUAGE_COOKIE = "se_lang"
WHO_COOKIE = "se_who"
_YEAR_S = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Site:
    """Everything the console shows, and the ways to ask for it."""

    community: Community
    incidents: IncidentPort
    feed: LiveFeed
    archive: HistoryReader | None
    ledger: Callable[[], Sequence[StationLedger]] | None
    clock: Clock

    @property
    def timezone(self) -> zoneinfo.ZoneInfo:
        """Time zone of the place."""
        return zoneinfo.ZoneInfo(self.community.site.timezone)

    def time_text(self, at: int) -> str:
        """Return an instant as it is written at this place."""
        return clock_text(at, self.timezone, self.clock.now_ms())

    def words(self, request: Request) -> Words:
        """Return the words of the reader: query, then cookie, then the site's language."""
        for asked in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
            if asked in LANGUAGES:
                return Words(asked)
        return Words(self.community.site.language)

    def sensors(self, words: Words) -> list[SensorView]:
        """Return every series as shown now."""
        return sensor_views(self.community, self.feed, self.clock, words)

    def stations(self, words: Words) -> list[StationView]:
        """Return every station as shown now; an unreadable ledger hides nothing else."""
        return station_views(self.community, self.feed, self.ledger_rows(), words)

    @property
    def cycle(self) -> CyclePort | None:
        """How incidents go through their stages; None where they can't."""
        return self.incidents.desks.cycle

    @property
    def withholding(self) -> WithholdingPort | None:
        """How something is withheld; None where nothing can be."""
        return self.incidents.desks.withholding

    @property
    def people(self) -> PeopleDesk | None:
        """Plans, roster, registers and reports; None where there are none."""
        return self.incidents.desks.people

    def sits_here(self, last: str) -> str:
        """Return who most likely sits at this screen, the first choice of *who are you*.

        Who was chosen last, unless the roster says that their shift is over: on the screen of a
        duty room the next shift would sign with the name of the one before.
        """
        duty = self.people.duty() if self.people is not None else None
        if duty is None or not duty.exists:
            return last
        if any(last in playing for playing in duty.roles.values()):
            return last
        return next((one for shift in duty.shifts for one in shift.contacts), last)

    def ledger_rows(self) -> Sequence[StationLedger] | None:
        """Return the ledger, None if there is none to read just now."""
        try:
            return self.ledger() if self.ledger is not None else None
        except (LedgerError, OSError, sqlite3.Error):
            return None

    def groups(self, sensors: Sequence[SensorView], words: Words) -> list[ZoneGroup]:
        """Return the zones as shown now."""
        return zone_groups(self.community, self.incidents.zone_grades(), sensors, words)

    def cards(self, sensors: Sequence[SensorView], words: Words) -> list[IncidentCard]:
        """Return the open incidents, worst first, those that nobody has before the others."""
        cards = [
            incident_card(view, self.community, sensors, words)
            for view in self.incidents.open_incidents()
        ]
        return sorted(
            cards,
            key=lambda card: (
                card.view.exercise,  # a drill never stands before the real thing
                -card.view.grade,
                card.view.acknowledged,
                card.view.opened_at,
            ),
        )


def asset_versions() -> dict[str, str]:
    """Return the path of each static file with its content's hash, so that caches never lie."""
    return {
        str(path.relative_to(STATIC)): hashlib.sha256(path.read_bytes()).hexdigest()[:10]
        for path in sorted(STATIC.rglob("*"))
        if path.is_file()
    }


class Renderer:
    """Renders a template for one request: words, times of the place, token, headers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._versions = asset_versions()
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(
        self, request: Request, template: str, *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """Return a rendered page or part of one."""
        words = self._site.words(request)
        token = token_of(request)
        text = self._environment.get_template(template).render(
            **self._always(request, words, token), **values
        )
        response = HTMLResponse(text, status, headers=HEADERS)
        keep_token(request, response, token)
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie(LANGUAGE_COOKIE, words.language, max_age=_YEAR_S, samesite="lax")
        return response

    def _always(self, request: Request, words: Words, token: str) -> dict[str, Any]:
        site = self._site
        now = site.clock.now_ms()
        hub = site.feed.hub
        return {
            "t": words,
            "token": token,
            "now": now,
            "speed": site.clock.speed,
            "site_name": site.community.site.name.in_language(words.language),
            "contacts": site.community.contact,
            "has_people": site.people is not None,
            "who": site.sits_here(request.cookies.get(WHO_COOKIE, "")),
            "path": request.url.path,
            "linked": site.feed.linked,
            "event_id": hub.event_id(hub.number),
            "time": site.time_text,
            "time_s": lambda at: clock_text(at, site.timezone, now, seconds=True),
            "asset": lambda name: f"/static/console/{name}?v={self._versions[name]}",
            "js_words": json.dumps(_js_words(words), ensure_ascii=False),
            "timezone": site.community.site.timezone,
            "iso": _iso,
            "contact_name": lambda who: site.community.contact_name(words.actor(who)),
        }


def _iso(at: int) -> str:
    """Return an instant for `<time datetime>`."""
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).isoformat(timespec="seconds")


_JS_KEYS = (
    "live",
    "just_now",
    "ago",
    "lost",
    "lost_long",
    "broker_lost",
    "broker_lost_long",
    "silent",
    "new_incident",
    "risen",
    "taken",
    "forecast",
    "no_points",
    "connecting",
    "colon",
)


def _js_words(words: Words) -> dict[str, Any]:
    texts: dict[str, Any] = {key: words(key) for key in _JS_KEYS}
    texts["grades"] = [words.grade(grade) for grade in Grade]
    return texts


def overview(site: Site, words: Words) -> dict[str, Any]:
    """Return what the first page shows."""
    sensors = site.sensors(words)
    groups = site.groups(sensors, words)
    cards = site.cards(sensors, words)
    stations = site.stations(words)
    marks: list[tuple[Mark, int]] = summary(groups)
    return {
        "sensors": sensors,
        "groups": groups,
        "marks": marks,
        "cards": cards,
        "waiting": sum(not card.view.acknowledged for card in cards),
        "stations": stations,
        "outbox": site.incidents.outbox(),
        "has_ledger": site.ledger is not None,
        "withheld": site.withholding.standing() if site.withholding else [],
        "reported": len(site.people.reports.waiting()) if site.people else 0,
        "left": site.people is not None
        and any(not note.taken_at for note in site.people.hand_overs(5)),
        "owed": site.cycle.reviews_owed() if site.cycle else [],
    }
