"""The HTTP API over a real state: who may do what, and what comes back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from alerts.access import Access
from alerts.api import build_api
from alerts.health import SILENT_AFTER_S
from alerts.service import AlertService, AlertSettings
from core.broker import BrokerAddress
from core.clock import ManualClock
from core.grade import Grade
from tests.alerts.scenery import Scene, level, place
from tests.alerts.test_acts import OFF, ON
from tests.servers import free_port

TOKEN = "a-long-enough-token"
WHO = {"who": "duty-1"}


class Web:
    """A browser that talks to the application without a network; keeps cookies."""

    def __init__(self, app: FastAPI, host: str) -> None:
        transport = httpx.ASGITransport(app, client=(host, 50_000), raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765")

    def request(self, method: str, path: str, **keywords: Any) -> httpx.Response:
        return asyncio.run(self.asked(method, path, **keywords))

    async def asked(self, method: str, path: str, **keywords: Any) -> httpx.Response:
        """Return the answer, for who asks so much that a loop for each would take too long."""
        return await self._client.request(method, path, **keywords)

    def get(self, path: str, **keywords: Any) -> httpx.Response:
        return self.request("GET", path, **keywords)

    def post(self, path: str, **keywords: Any) -> httpx.Response:
        return self.request("POST", path, **keywords)


Client = Callable[..., Web]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[AlertService]:
    scene = Scene(tmp_path)
    scene.say(level(Grade.ORANGE))
    scene.close()
    made = AlertService(
        AlertSettings(state_url=scene.url),
        place(),
        BrokerAddress(port=free_port()),
        ManualClock(scene.clock.ms),
    )
    yield made
    made.stop()


@pytest.fixture
def client(service: AlertService) -> Client:
    def make(token: str | None = None, host: str = "127.0.0.1") -> Web:
        app = build_api(service, community=place(), clock=ManualClock(), token=token)
        return Web(app, host)

    return make


def test_the_acts_of_stations_can_be_listed(client: Client, service: AlertService) -> None:
    service._act_store.keep("north-1", [ON, OFF], 5)
    web = client()
    rows = web.get("/api/v1/acts", params={"station": "north-1", "limit": 1}).json()
    assert [(row["station"], row["act"]["id"]) for row in rows] == [("north-1", "b1-3")]
    assert web.get("/api/v1/acts", params={"station": "tower-3"}).json() == []
    assert web.get("/api/v1/acts", params={"limit": 0}).status_code == 422


def test_cap_messages_and_their_feed_are_served(client: Client, service: AlertService) -> None:
    web = client()
    feed = web.get("/api/v1/cap/feed.atom")
    assert feed.headers["content-type"] == "application/atom+xml"
    (message,) = service.standards.cap.active()
    assert message.identifier in feed.text
    assert message.identifier not in web.get("/api/v1/cap/feed.atom?exercises=1").text
    document = web.get(f"/api/v1/cap/{message.identifier}.xml")
    assert document.headers["content-type"] == "application/cap+xml"
    assert b"<msgType>Alert</msgType>" in document.content
    acknowledge(web)
    listed = web.get("/api/v1/cap/incidents/1").json()
    assert [one["kind"] for one in listed] == ["Alert", "Ack"]
    assert b"<msgType>Ack</msgType>" in web.get(listed[1]["url"]).content
    assert web.get("/api/v1/cap/incidents/77").status_code == 404
    missing = web.get("/api/v1/cap/riverside.1.77.1.xml")
    assert (missing.status_code, missing.json()["title"]) == (404, "refused")


def acknowledge(client: Web, **headers: str) -> Any:
    return client.post("/api/v1/incidents/1/acknowledge", json=WHO, headers=headers)


def test_incidents_journal_grades_and_outbox_can_be_read(client: Client) -> None:
    web = client()

    [incident] = web.get("/api/v1/incidents", params={"open": 1}).json()
    assert (incident["number"], incident["grade"], incident["zone"]) == (1, 3, "underpass")
    assert web.get("/api/v1/incidents").json() == [incident]
    assert web.get("/api/v1/incidents/1").json() == incident
    first = web.get("/api/v1/incidents/1/journal").json()[0]
    assert (first["event"], first["grade"], first["previous"]) == ("opened", 3, 0)
    [grade] = web.get("/api/v1/grades").json()
    assert (grade["zone"], grade["grade"], grade["incident"]) == ("underpass", 3, 1)
    assert web.get("/api/v1/outbox").json()["pending"] == 4


def test_somebody_on_this_machine_takes_over(client: Client) -> None:
    answer = acknowledge(client())

    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"] == "duty-1"


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("192.0.2.7", {}),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}),
        ("127.0.0.1", {"host": "evil.example"}),
        ("127.0.0.1", {"origin": "http://evil.example"}),
        ("127.0.0.1", {"sec-fetch-site": "cross-site"}),
        ("127.0.0.1", {"via": "1.1 gate"}),
        ("127.0.0.1", {"cf-connecting-ip": "192.0.2.7"}),
        ("127.0.0.1", {"host": "[::1"}),
        ("127.0.0.1", {"origin": "http://[::1"}),
    ],
)
def test_without_a_token_nobody_else_may_change_anything(
    host: str, headers: dict[str, str], client: Client, service: AlertService
) -> None:
    answer = acknowledge(client(host=host), **headers)

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert not service.open_incidents()[0].acknowledged


def test_with_a_token_the_token_is_needed_from_everywhere(client: Client) -> None:
    web = client(TOKEN, "192.0.2.7")

    assert acknowledge(web).status_code == 401
    assert acknowledge(web, authorization="Bearer wrong").status_code == 401
    assert acknowledge(web, authorization=f"Bearer {TOKEN}").status_code == 200


def test_a_browser_signs_in_once_and_acts_only_from_its_own_origin(client: Client) -> None:
    web = client(TOKEN, "192.0.2.7")
    assert web.post("/api/v1/session", json={"token": "wrong"}).status_code == 401

    signed = web.post("/api/v1/session", json={"token": TOKEN})

    cookie = signed.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert acknowledge(web, origin="http://evil.example").status_code == 401
    assert acknowledge(web, origin="http://127.0.0.1:8765").status_code == 200
    web.request("DELETE", "/api/v1/session")
    assert acknowledge(web).status_code == 401


def test_nothing_changes_on_get(client: Client, service: AlertService) -> None:
    answer = client().get("/api/v1/incidents/1/acknowledge")

    assert answer.status_code == 405
    assert not service.open_incidents()[0].acknowledged


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/incidents/99", None, 404),
        ("GET", "/api/v1/incidents/99999999999999999999", None, 404),
        ("GET", "/api/v1/incidents/99/journal", None, 404),
        ("GET", "/api/v1/incidents/one", None, 422),
        ("GET", "/api/v1/incidents?limit=100000", None, 422),
        ("POST", "/api/v1/incidents/99/acknowledge", WHO, 404),
        ("POST", "/api/v1/incidents/1/acknowledge", {}, 422),
        ("POST", "/api/v1/incidents/1/acknowledge", {"who": "   "}, 409),
        ("POST", "/api/v1/incidents/1/acknowledge", {"who": "x" * 81}, 422),
        ("GET", "/nowhere", None, 404),
    ],
)
def test_every_error_is_a_problem_in_json(
    method: str, path: str, body: dict[str, str] | None, status: int, client: Client
) -> None:
    answer = client().request(method, path, json=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    ("language", "said"), [("zh-CN,zh;q=0.9", "需要口令"), ("en", "a token is needed")]
)
def test_who_may_not_is_told_so_in_their_language(client: Client, language: str, said: str) -> None:
    web = client(token="a-long-enough-token")

    answer = web.post(
        "/api/v1/incidents/1/acknowledge", json=WHO, headers={"accept-language": language}
    )

    assert (answer.status_code, said in answer.json()["detail"]) == (401, True)


def test_a_fault_inside_shows_no_trace_to_who_asked(
    client: Client, service: AlertService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_limit: int, _before: int | None) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(service, "incidents", broken)

    answer = client().get("/api/v1/incidents", headers={"accept-language": "zh"})

    assert answer.status_code == 500
    assert answer.json()["detail"] == "这里出了故障，已记入日志"


def test_it_lives_but_is_not_ready_without_a_broker(client: Client) -> None:
    web = client()

    assert web.get("/health/live").json() == {"status": "ok"}
    answer = web.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "broker": False, "database": True, "detectors": True, "watch": True, "outbox": True,
    }  # fmt: skip


def test_prometheus_is_told_of_incidents_and_the_outbox(client: Client) -> None:
    text = client().get("/metrics").text

    assert 'incidents_open{grade="orange"} 1.0' in text
    assert 'outbox_notifications{state="pending"} 4.0' in text
    assert "outbox_oldest_pending_seconds" in text


def test_the_api_describes_itself_with_the_shapes_of_its_answers(client: Client) -> None:
    document = client().get("/api/v1/openapi.json").json()

    assert "IncidentView" in document["components"]["schemas"]
    for path in document["paths"]:
        assert path.startswith(("/api/v1/", "/health/", "/metrics"))


def test_figures_begin_with_the_hub_and_not_thirty_days_before_it(
    service: AlertService, client: Client
) -> None:
    assert isinstance(service._clock, ManualClock)
    service._clock.advance(60)
    period = {"from": "2025-11-01T00:00:00Z", "to": "2025-12-01T00:00:00Z"}
    web = client()
    asked = web.get("/api/v1/kpis", params=period).json()
    service.start()

    given = web.get("/api/v1/kpis", params=period).json()

    [incident] = service.open_incidents()
    assert (asked["since"], asked["until"]) == (1_761_955_200_000, service._clock.ms)
    assert (given["since"], given["until"]) == (incident.opened_at, service._clock.ms)


def test_whoever_must_wait_is_told_how_long(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    monkeypatch.setattr("alerts.inbound_api.CAP_PER_MINUTE", 1)
    web = client()

    first, second = (web.post("/api/v1/cap", content=b"<alert/>") for _ in range(2))

    assert (first.status_code, second.status_code) == (422, 429)
    assert 0 < int(second.headers["retry-after"]) <= 60


def test_it_is_not_ready_while_detectors_are_silent(service: AlertService, client: Client) -> None:
    assert isinstance(service._clock, ManualClock)
    assert client().get("/health/ready").json()["checks"]["detectors"] is True

    service._clock.advance(SILENT_AFTER_S + 1)

    answer = client().get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]["detectors"]) == (503, False)


def test_a_locked_state_is_told_of_before_a_monitor_gives_up(
    service: AlertService, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.database.READY_S", 0)
    locked = sqlite3.connect(service._database.engine.url.database or "", isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    try:
        assert client().get("/health/ready").json()["checks"]["database"] is False
    finally:
        locked.close()
    assert client().get("/health/ready").json()["checks"]["database"] is True


def test_a_proxy_that_adds_nothing_is_known_by_its_old_http() -> None:
    def refused(version: str) -> bool:
        scope = {
            "type": "http", "http_version": version, "client": ("127.0.0.1", 50_000),
            "headers": [(b"host", b"127.0.0.1:8765")],
        }  # fmt: skip
        return Access(None, ManualClock()).refusal(Request(scope)) is not None

    assert refused("1.0")
    assert not refused("1.1")
