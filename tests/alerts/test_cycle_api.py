"""The HTTP API of the cycle, of withholding and of areas, over a real state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.api import build_api
from alerts.service import AlertService, AlertSettings
from core.broker import BrokerAddress
from core.clock import ManualClock
from core.grade import Grade
from tests.alerts.scenery import Scene, level, place
from tests.alerts.test_alerts_api import Web
from tests.servers import free_port

WHO = {"who": "duty-1"}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    scene = Scene(tmp_path)
    scene.say(level(Grade.ORANGE))
    scene.say(level(Grade.GREEN))  # over, and nobody has it yet
    scene.close()
    clock = ManualClock(scene.clock.ms)
    settings = AlertSettings(state_url=scene.url)
    service = AlertService(settings, place(), BrokerAddress(port=free_port()), clock)
    yield Web(build_api(service, community=place(), clock=clock, token=None), "127.0.0.1")
    service.stop()


def test_an_incident_is_taken_to_its_end_over_http(web: Web) -> None:
    begin = web.get("/api/v1/incidents/1/cycle").json()
    assert (begin["stage"], begin["missing"][0]["need"]) == ("warned", "takeover")

    options = web.get("/api/v1/cycle/options").json()
    assert "stand-down" in options["options"]
    body = WHO | {"option": "stand-down", "mandate": "duty", "note": "it was over"}
    assert web.post("/api/v1/incidents/1/decide", json=body).json()["stage"] == "recovering"
    seen = WHO | {"safe": True, "note": "dry"}
    assert web.post("/api/v1/incidents/1/on-site", json=seen).status_code == 200
    ended = web.post("/api/v1/incidents/1/end", json=WHO | {"text": "over"}).json()
    assert ended["stage"] == "reviewing"
    refused = web.post("/api/v1/incidents/1/close", json=WHO)
    assert (refused.status_code, "Missing: a signed review" in refused.json()["detail"]) == (
        409,
        True,
    )
    review = WHO | {"text": "The pump came on by itself."}
    assert web.post("/api/v1/incidents/1/review", json=review).status_code == 200
    lesson = WHO | {"target": "community.toml", "change": "- a\n+ b", "no_backtest": "gone"}
    assert web.post("/api/v1/incidents/1/lessons", json=lesson).status_code == 200
    verdict = {"who": "leader-1", "approve": True}
    assert web.post("/api/v1/incidents/1/lessons/lesson-1/verdict", json=verdict).status_code == 200
    assert web.post("/api/v1/incidents/1/close", json=WHO).json()["stage"] == "closed"
    [learnt] = web.get("/api/v1/lessons").json()
    assert (learnt["incident"], learnt["lesson"]["approver"]) == (1, "leader-1")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/incidents/9/decide", WHO | {"option": "act", "mandate": "duty"}, 404),
        ("/api/v1/incidents/1/decide", WHO | {"option": "ACT!", "mandate": "duty"}, 409),
        ("/api/v1/incidents/1/decide", {"option": "act", "mandate": "duty"}, 422),
        ("/api/v1/incidents/1/steps/pump", WHO, 409),
        ("/api/v1/incidents/1/on-site", WHO | {"safe": True, "note": ""}, 422),
        ("/api/v1/incidents/1/review", WHO | {"text": "x"}, 409),
        ("/api/v1/withholdings", WHO | {"kind": "shelved", "sensor": "gauge-1"}, 422),
        ("/api/v1/withholdings/7/release", WHO, 409),
        ("/api/v1/withholdings/preview", {"up_to": "purple"}, 422),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    web: Web, path: str, body: dict[str, object], status: int
) -> None:
    answer = web.post(path, json=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_sensor_is_looked_at_shelved_extended_and_shown_again(web: Web) -> None:
    scope = {"sensor": "gauge-1", "up_to": "yellow"}
    preview = web.post("/api/v1/withholdings/preview", json=scope).json()
    assert (preview["sensors"], preview["red"]) == (["gauge-1"], False)

    body = scope | {"kind": "shelved", "owner": "duty-1", "reason": "cleaning", "minutes": 30}
    made = web.post("/api/v1/withholdings", json=body)
    assert made.status_code == 201
    number = made.json()["number"]
    assert [one["number"] for one in web.get("/api/v1/withholdings?open=1").json()] == [number]
    longer = web.post(f"/api/v1/withholdings/{number}/extend", json=WHO | {"minutes": 60}).json()
    assert longer["until"] > made.json()["until"]
    shown = web.post(f"/api/v1/withholdings/{number}/release", json=WHO).json()
    assert (shown["ended_how"], shown["ended_by"]) == ("by-hand", "duty-1")
    assert web.get("/api/v1/withholdings?open=1").json() == []
    again = web.post(f"/api/v1/withholdings/{number}/release", json=WHO)
    assert again.status_code == 409


def test_a_back_test_is_described_and_what_is_none_is_refused_in_words(web: Web) -> None:
    path = "/api/v1/incidents/{number}/lessons/{lesson}/backtest"
    document = web.get("/api/v1/openapi.json").json()
    asked = document["paths"][path]["post"]
    shape = asked["requestBody"]["content"]["application/json"]["schema"]
    answered = asked["responses"]["200"]["content"]["application/json"]["schema"]
    assert (shape["$ref"], answered["$ref"]) == (
        "#/components/schemas/BackTestBody", "#/components/schemas/CycleView",
    )  # fmt: skip
    parts = document["components"]["schemas"]
    assert {"proposed", "replay", "lint", "seal"} <= parts["BackTest"]["properties"].keys()
    assert {"lead_s", "missed", "false_alerts"} <= parts["Side"]["properties"].keys()
    assert {"tested", "applied_at"} <= parts["Lesson"]["properties"].keys()

    test = {
        "incident": 1, "file": "community.toml", "before": "0" * 64, "proposed": "1" * 64,
        "tested_at": 1, "tool": "by hand", "verdict": "better", "seal": "f" * 64,
    }  # fmt: skip
    real = path.format(number=1, lesson="lesson-1")
    for body, status in (
        (WHO | {"backtest": "better"}, 422),
        (WHO | {"backtest": test, "why": "?"}, 422),
        (WHO | {"backtest": test}, 409),
    ):
        answer = web.post(real, json=body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert (
        web.post(path.format(number=9, lesson="x"), json=WHO | {"backtest": test}).status_code
        == 404
    )


ACTS = (
    "decide", "steps/pump", "on-site", "notes", "end", "review", "lessons",
    "lessons/lesson-1/backtest", "lessons/lesson-1/verdict", "close",
)  # fmt: skip


def test_whoever_may_not_change_anything_may_not_do_any_of_it(web: Web) -> None:
    changes = [f"/api/v1/incidents/1/{act}" for act in ACTS]
    changes += [f"/api/v1/withholdings{act}" for act in ("", "/1/extend", "/1/release")]
    for path in changes:
        answer = web.post(path, json={}, headers={"x-forwarded-for": "192.0.2.7"})
        assert answer.status_code == 403, path


def test_areas_roll_up_what_is_open_within(web: Web) -> None:
    listed = {area["zone"]: area for area in web.get("/api/v1/areas").json()}

    assert listed["north"]["incidents"] == {"green": 1}
    assert (listed["riverside"]["waiting"], listed["underpass"]["depth"]) == (1, 2)


def test_severity_urgency_and_certainty_are_three_words(web: Web) -> None:
    [incident] = web.get("/api/v1/incidents").json()

    assert (incident["severity"], incident["urgency"], incident["certainty"]) == (
        "Severe", "Past", "Observed",
    )  # fmt: skip
