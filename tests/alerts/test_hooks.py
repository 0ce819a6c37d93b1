"""Grafana and Alertmanager tell us of their alerts: signed, fresh, understood, or refused."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from alerts.api import build_api
from alerts.cap.document import decode
from alerts.cap.incoming import AreaEntry, UpstreamSettings
from alerts.channels.entry import ChannelError
from alerts.hooks import HookEntry, hook_problems, hook_secret
from alerts.service import AlertService, AlertSettings
from alerts.standards import StandardsSettings
from core.broker import BrokerAddress
from core.clock import ManualClock
from core.grade import Grade
from tests.alerts.authority import NOW_MS, rain, refer
from tests.alerts.scenery import FLOOD, place
from tests.alerts.test_alerts_api import Web
from tests.servers import free_port

TOKEN = "a-long-enough-token"
SECRET = "0123456789abcdef0123456789abcdef"
STANDARD = "whsec_" + base64.b64encode(bytes(range(32))).decode()
FIRING = {"zone": "underpass", "hazard": "flood", "grade": "orange", "alertname": "泵站水位"}


class Hub:
    """The API of a service with three hooks, and what a sender would do."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock(NOW_MS)
        entries = []
        for name, kind, secret in (
            ("grafana", "grafana", SECRET),
            ("am", "alertmanager", SECRET),
            ("relay", "alertmanager", STANDARD),
        ):
            (directory / name).write_text(secret + "\n")
            entries.append(
                HookEntry(name=name, kind=kind, secret_file=str(directory / name), per_minute=5)
            )
        self.settings = AlertSettings(
            state_url=f"sqlite:///{directory / 'alerts.db'}",
            standards=StandardsSettings(
                hook=tuple(entries),
                upstream=UpstreamSettings(area=(AreaEntry(zone="underpass", name=("武昌区",)),)),
            ),
        )
        self.service = AlertService(
            self.settings, place(), BrokerAddress(port=free_port()), self.clock
        )
        self.web = Web(
            build_api(self.service, community=place(), clock=self.clock, token=TOKEN), "192.0.2.7"
        )

    def turn(self, seconds: float = 1) -> None:
        self.clock.advance(seconds)
        for finding in self.service.standards.findings():
            self.service._watch.take(finding, None)
        self.service._watch.tick()

    def grade(self) -> Grade:
        return self.service._watch.grade(FLOOD).grade

    def condition(self) -> str:
        return str(self.service._watch.grade(FLOOD).condition)

    def grafana(self, body: bytes, *, at_s: int | None = None, secret: str = SECRET) -> Any:
        at = str(at_s if at_s is not None else self.clock.wall_ms() // 1000)
        signature = hmac.new(secret.encode(), f"{at}:".encode() + body, hashlib.sha256)
        headers = {
            "X-Grafana-Alerting-Signature": signature.hexdigest(),
            "X-Grafana-Alerting-Timestamp": at,
        }
        return self.web.post("/api/v1/hooks/grafana", content=body, headers=headers)

    def alertmanager(self, body: bytes, token: str = SECRET) -> Any:
        headers = {"authorization": f"Bearer {token}"}
        return self.web.post("/api/v1/hooks/am", content=body, headers=headers)


def post(
    *alerts: dict[str, Any], version: str = "1", starts: str = "2025-11-30T10:50:00Z"
) -> bytes:
    """A notification in the format of both, with keys that we don't know."""
    whole = [
        {
            "status": "firing", "annotations": {"summary": "…"}, "startsAt": starts,
            "endsAt": "0001-01-01T00:00:00Z", "fingerprint": f"f{number}", "values": {"A": 1},
            "labels": FIRING, **alert,
        }
        for number, alert in enumerate(alerts)
    ]  # fmt: skip
    return json.dumps(
        {"version": version, "groupKey": "g", "status": "firing", "receiver": "r", "orgId": 1,
         "alerts": whole}
    ).encode()  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path)
    yield made
    made.service.stop()


def test_a_firing_alert_becomes_a_finding_and_its_resolution_ends_it(hub: Hub) -> None:
    answer = hub.grafana(post({}))
    assert (answer.status_code, answer.json()) == (200, {"taken": 1, "alerts": 1})
    hub.turn()
    assert hub.grade() is Grade.ORANGE
    (view,) = hub.service.open_incidents()
    assert "其他系统的告警（grafana: 泵站水位）" in view.headline.zh
    assert hub.grafana(post({"status": "resolved"})).status_code == 200
    hub.turn()
    assert hub.condition() == "cleared"


def test_alertmanager_is_understood_with_its_own_severities(hub: Hub) -> None:
    body = post({"labels": FIRING | {"grade": "critical"}}, version="4")
    assert hub.alertmanager(body).status_code == 200
    hub.turn()
    assert hub.grade() is Grade.RED


def test_a_rule_that_only_says_severity_is_graded_by_it(hub: Hub) -> None:
    usual = {"zone": "underpass", "hazard": "flood", "severity": "warning"}
    assert hub.alertmanager(post({"labels": usual}, version="4")).status_code == 200
    hub.turn()
    assert hub.grade() is Grade.YELLOW

    both = usual | {"grade": "orange", "severity": "critical"}
    assert hub.alertmanager(post({"labels": both}, version="4")).status_code == 200
    hub.turn()
    assert hub.grade() is Grade.ORANGE


def test_of_several_alerts_of_one_zone_the_worst_counts_and_ending_one_leaves_the_other(
    hub: Hub,
) -> None:
    both = ({"labels": FIRING | {"grade": "red"}}, {"labels": FIRING | {"grade": "yellow"}})
    hub.grafana(post(*both))
    hub.turn()
    assert hub.grade() is Grade.RED
    hub.grafana(post(both[0] | {"status": "resolved"}))
    hub.turn()
    assert hub.grade() is Grade.YELLOW


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"zone": "attic"}, "'zone' is 'attic': expected one of north, underpass, riverside"),
        ({"hazard": "ghosts"}, "'hazard' is 'ghosts': expected one of flood"),
        ({"grade": "purple"}, "'grade' is 'purple': expected one of blue"),
        ({"grade": "green"}, "'grade' is 'green': expected one of blue"),
    ],
)
def test_unknown_labels_are_refused_by_name_and_the_rest_is_taken(
    hub: Hub, labels: dict[str, str], reason: str
) -> None:
    answer = hub.grafana(post({}, {"labels": FIRING | labels}))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("1 of 2 alerts taken; alert 2: ")
    assert reason in answer.json()["detail"]
    hub.turn()
    assert hub.grade() is Grade.ORANGE


def test_a_missing_label_and_a_strange_status_are_named(hub: Hub) -> None:
    bare = {key: value for key, value in FIRING.items() if key != "zone"}
    assert "'zone' is missing" in hub.grafana(post({"labels": bare})).json()["detail"]
    assert "'paused'" in hub.grafana(post({"status": "paused"})).json()["detail"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"version":"1","alerts":7}', b'{"version":"9","alerts":[]}', b"\xff"],
)
def test_what_is_no_notification_is_refused(hub: Hub, body: bytes) -> None:
    assert hub.grafana(body).status_code == 422


def test_without_the_right_signature_nothing_is_taken(hub: Hub) -> None:
    body = post({})
    assert hub.grafana(body, secret="x" * 32).status_code == 401
    assert hub.web.post("/api/v1/hooks/grafana", content=body).status_code == 401
    only = {"X-Grafana-Alerting-Signature": hmac.new(SECRET.encode(), body, "sha256").hexdigest()}
    told = hub.web.post("/api/v1/hooks/grafana", content=body, headers=only)
    assert "timestampHeader" in told.json()["detail"]
    assert hub.alertmanager(body, token="wrong").status_code == 401
    assert hub.web.post("/api/v1/hooks/nobody", content=body).status_code == 404
    hub.turn()
    assert hub.grade() is Grade.GREEN


def test_a_recorded_post_can_be_used_neither_at_once_nor_later(hub: Hub) -> None:
    now_s = NOW_MS // 1000
    resolved = post({"status": "resolved"})
    assert hub.grafana(resolved, at_s=now_s).status_code == 200
    hub.turn(2)
    hub.grafana(post({}))
    hub.turn()
    assert hub.grafana(resolved, at_s=now_s).status_code == 409
    assert hub.grafana(resolved, at_s=now_s - 301).status_code == 401
    assert hub.grafana(resolved, at_s=now_s + 400).status_code == 401
    hub.turn()
    assert hub.grade() is Grade.ORANGE


def test_a_recorded_post_is_recognised_after_a_restart_by_its_age(hub: Hub) -> None:
    now_s = NOW_MS // 1000
    resolved = post({"status": "resolved"})
    hub.grafana(resolved, at_s=now_s)
    hub.turn(2)
    hub.grafana(post({}))
    hub.service.standards.hooks._seen.clear()  # as a new process would know nothing
    assert hub.grafana(resolved, at_s=now_s).json() == {"taken": 0, "alerts": 1}
    hub.turn()
    assert hub.grade() is Grade.ORANGE


def test_a_relay_may_sign_as_standard_webhooks_do(hub: Hub) -> None:
    body, now = post({}), hub.clock.wall_ms() // 1000
    signed = Webhook(STANDARD).sign("m1", dt.datetime.fromtimestamp(now, dt.UTC), body.decode())
    headers = {"webhook-id": "m1", "webhook-timestamp": str(now), "webhook-signature": signed}
    assert hub.web.post("/api/v1/hooks/relay", content=body, headers=headers).status_code == 200
    assert hub.web.post("/api/v1/hooks/relay", content=body, headers=headers).status_code == 409
    other = headers | {"webhook-id": "m2"}
    assert hub.web.post("/api/v1/hooks/relay", content=body, headers=other).status_code == 401


def test_an_alert_that_is_not_repeated_becomes_unknown_not_well(hub: Hub) -> None:
    hub.grafana(post({}))
    hub.turn()
    hub.turn(43_201)
    assert (hub.grade(), hub.condition()) == (Grade.ORANGE, "unknown")


def test_a_mild_alert_that_is_known_does_not_hide_a_worse_one_that_is_not(hub: Hub) -> None:
    hub.grafana(post({"labels": FIRING | {"grade": "red"}}))
    hub.turn()
    hub.turn(43_201)
    hub.grafana(post({"fingerprint": "new", "labels": FIRING | {"grade": "blue"}}))
    hub.turn()
    assert hub.grade() is Grade.RED


def test_too_many_and_too_big_posts_are_refused(hub: Hub) -> None:
    codes = [hub.alertmanager(post({})).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]
    hub.clock.advance(61)
    assert hub.alertmanager(post({})).status_code == 200
    assert hub.alertmanager(b"x" * 600_000).status_code == 413
    assert hub.alertmanager(post(*[{}] * 501)).status_code == 422


def test_secrets_that_can_be_guessed_are_refused_at_start(tmp_path: Path) -> None:
    def refusal(text: str) -> str:
        (tmp_path / "s").write_text(text)
        with pytest.raises(ChannelError) as caught:
            hook_secret(HookEntry(name="g", kind="grafana", secret_file=str(tmp_path / "s")))
        return str(caught.value)

    assert "at least 24" in refusal("short")
    assert "base64" in refusal("whsec_" + "!" * 40)
    wrong = hook_problems(HookEntry(name="G H", kind="zabbix", per_minute=0, stale_s=1))
    assert len(wrong) == 4


# --- CAP over HTTP ---


def cap(hub: Hub, body: bytes, token: str = TOKEN) -> Any:
    headers = {"authorization": f"Bearer {token}"}
    return hub.web.post("/api/v1/cap", content=body, headers=headers)


def test_a_cap_message_is_taken_with_the_token_and_listed(hub: Hub) -> None:
    assert cap(hub, rain(), token="wrong").status_code == 401
    answer = cap(hub, rain()).json()
    assert (answer["fate"], answer["claims"][0]["zone"]) == ("taken", "underpass")
    hub.turn()
    assert hub.grade() is Grade.ORANGE
    (row,) = hub.web.get("/api/v1/cap/upstream").json()
    assert row["headline"] == "武昌区气象台发布暴雨橙色预警信号"


def test_an_invalid_cap_message_is_answered_by_a_cap_error_about_it(hub: Hub) -> None:
    answer = cap(hub, rain("bad", severity="Terrible"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/cap+xml"
    error = decode(answer.content)
    assert error.kind == "Error"
    assert [one.identifier for one in error.references] == ["bad"]
    assert "severity" in error.note


def test_a_time_at_the_end_of_all_calendars_is_no_fault(hub: Hub) -> None:
    endless = rain().replace(
        b"<expires>" + expires_of(rain()), b"<expires>9999-12-31T23:59:59-12:00"
    )
    assert cap(hub, endless).json()["fate"] == "taken"
    hub.turn()
    assert hub.grade() is Grade.ORANGE
    for sent in (b"9999-12-31T23:59:59-23:59", b"0001-01-01T00:00:00+14:00"):
        head = b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>x</identifier>'
        answer = cap(hub, head + b"<sender>a</sender><sent>" + sent + b"</sent></alert>")
        assert answer.status_code == 422


def expires_of(document: bytes) -> bytes:
    return document.partition(b"<expires>")[2].partition(b"<")[0]


def test_what_is_no_cap_at_all_or_not_for_us_is_answered_in_problem_json(hub: Hub) -> None:
    for body, reason in (
        (b"hello", "not well-formed"),
        (rain(event="高温"), "not for this site"),
        (rain(kind="Update", identifier="a b", references=refer("x")), "identifier"),
    ):
        answer = cap(hub, body)
        assert (answer.status_code, answer.headers["content-type"]) == (
            422, "application/problem+json",
        )  # fmt: skip
        assert reason in answer.json()["detail"]
    assert cap(hub, b"x" * 600_000).status_code == 413
