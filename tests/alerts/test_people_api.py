"""HTTP for plans and people: who may read and change what, and the door open to residents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.api import build_api
from alerts.report_limits import ClientMarks, ReportLimits, client_address
from alerts.response import ReportForm
from alerts.service import AlertService, AlertSettings
from core.broker import BrokerAddress
from core.clock import ManualClock
from tests.alerts.response_samples import at, community, response
from tests.alerts.test_alerts_api import TOKEN, Web
from tests.servers import free_port

BEARER = {"authorization": f"Bearer {TOKEN}"}
REPORT = {"zone": "underpass", "hazard": "flood", "text": "水", "name": "孙", "phone": "1"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[AlertService]:
    form = ReportForm(phone="010-1", per_client=3, proxies=("10.0.0.1",))
    made = AlertService(
        AlertSettings(
            state_url=f"sqlite:///{tmp_path}/alerts.db",
            response=msgspec.structs.replace(response(), report=form),
        ),
        community(),
        BrokerAddress(port=free_port()),
        ManualClock(at("2026-11-25T03:00")),
    )
    yield made
    made.stop()


@pytest.fixture
def web(service: AlertService) -> Web:
    app = build_api(service, community=community(), clock=service._clock, token=TOKEN)
    return Web(app, "203.0.113.7")


def test_a_resident_needs_no_token_and_sees_nothing_but_a_number(web: Web) -> None:
    said = web.post("/api/v1/reports", json=REPORT)

    assert (said.status_code, said.json()) == (202, {"report": "R1"})
    assert web.get("/api/v1/reports").status_code == 401
    [kept] = web.get("/api/v1/reports", headers=BEARER).json()
    assert (kept["text"], kept["name"], kept["state"]) == ("水", "孙", "open")
    assert "203.0.113.7" not in str(kept)


def test_too_many_too_long_and_nonsense_are_refused_in_words(web: Web) -> None:
    assert web.post("/api/v1/reports", content=b"{" * 20_000).status_code == 413
    assert web.post("/api/v1/reports", json={"zone": "underpass"}).status_code == 422
    assert web.post("/api/v1/reports", json=REPORT | {"zone": "moon"}).status_code == 404

    fourth = web.post("/api/v1/reports", json=REPORT)

    assert fourth.status_code == 429
    assert "010-1" in fourth.json()["detail"]


def test_a_page_elsewhere_cant_report_through_the_browsers_of_its_visitors(web: Web) -> None:
    forced = {"sec-fetch-site": "cross-site"}
    for _ in range(4):
        assert web.post("/api/v1/reports", json=REPORT, headers=forced).status_code == 403
    assert web.post("/api/v1/reports", json=REPORT).status_code == 202


def test_a_trusted_proxy_tells_clients_apart_and_nobody_else_can_pretend(
    service: AlertService,
) -> None:
    app = build_api(service, community=community(), clock=service._clock, token=TOKEN)
    proxy, stranger = Web(app, "10.0.0.1"), Web(app, "203.0.113.9")

    def status(web: Web, number: int) -> int:
        forwarded = {"x-forwarded-for": f"198.51.100.{number}"}
        return web.post("/api/v1/reports", json=REPORT, headers=forwarded).status_code

    assert [status(proxy, number) for number in range(6)] == [202] * 6
    assert [status(stranger, number) for number in range(5)] == [202, 202, 202, 429, 429]


def test_what_is_private_or_changes_something_needs_the_token(web: Web) -> None:
    for method, path in (
        ("GET", "/api/v1/volunteers"),
        ("GET", "/api/v1/plans/lint"),
        ("GET", "/api/v1/hand-overs"),
        ("GET", "/api/v1/incidents/1/plan"),
        ("POST", "/api/v1/volunteers"),
        ("POST", "/api/v1/registers"),
        ("POST", "/api/v1/hand-overs"),
        ("POST", "/api/v1/roster/absences"),
        ("POST", "/api/v1/supplies/bags/count"),
        ("POST", "/api/v1/reports/1/confirm"),
        ("POST", "/api/v1/reports/1/dismiss"),
        ("POST", "/api/v1/incidents/1/roll-call"),
        ("DELETE", "/api/v1/volunteers/vol-1"),
        ("DELETE", "/api/v1/reports/1"),
    ):
        assert web.request(method, path, json={}).status_code == 401, (method, path)


def test_a_refusal_is_in_the_language_that_the_caller_asks_for_first(web: Web) -> None:
    for path, body, zh, en in (
        ("hand-overs/9/acknowledge", {"who": "duty-2"}, "没有编号 9 的交班记录", "hand-over 9:"),
        ("incidents/99/roll-call", {"who": "duty-2", "zone": "tower", "door": "1"},
         "没有编号 99 的事件", "incident 99: there is none"),
        ("incidents/99/acknowledge", {"who": "duty-2"},
         "没有编号 99 的事件", "incident 99: there is none"),
        ("incidents/99/close", {"who": "duty-2"},
         "没有编号 99 的事件", "incident 99: there is none"),
    ):  # fmt: skip
        for language, said in (("zh-CN,zh;q=0.9,en;q=0.8", zh), ("en-GB,zh;q=0.5", en), ("", en)):
            answer = web.post(
                f"/api/v1/{path}", json=body, headers=BEARER | {"accept-language": language}
            )
            assert (answer.status_code, said in answer.json()["detail"]) == (404, True), language


def test_a_duty_hour_over_http(web: Web) -> None:
    who = {"who": "duty-2"}
    web.post("/api/v1/reports", json=REPORT)
    seen = web.post("/api/v1/reports/1/confirm", json=who | {"grade": "orange"}, headers=BEARER)
    assert (seen.json()["state"], seen.json()["decided_by"]) == ("confirmed", "duty-2")
    again = web.post("/api/v1/reports/1/dismiss", json=who | {"reason": "no"}, headers=BEARER)
    assert again.status_code == 409

    csv = "id,name,skills,consent\nvol-1,赵 六,pump,2026-04-01\n".encode()
    taken = web.post("/api/v1/registers?who=duty-2&file=p.csv", content=csv, headers=BEARER)
    assert taken.json() == {"volunteers": 1, "supplies": 0, "erased": 0}
    wrong = web.post("/api/v1/registers?who=duty-2&file=p.csv", content=b"x\n", headers=BEARER)
    assert (wrong.status_code, "expected columns" in wrong.json()["detail"]) == (422, True)
    [one] = web.get("/api/v1/volunteers", headers=BEARER).json()
    assert one["skills"] == ["pump"]
    assert web.request("DELETE", "/api/v1/volunteers/vol-1", headers=BEARER).status_code == 204
    assert web.get("/api/v1/volunteers", headers=BEARER).json() == []

    assert web.get("/api/v1/roster").json()["roles"]["duty"] == ["duty-2"]
    noon = at("2026-11-25T12:00")
    assert web.get(f"/api/v1/roster?at={noon}").json()["roles"]["duty"] == ["duty-1"]
    left = web.post("/api/v1/hand-overs", json=who | {"text": "泵漏水"}, headers=BEARER).json()
    read = web.post(
        f"/api/v1/hand-overs/{left['number']}/acknowledge", json={"who": "duty-1"}, headers=BEARER
    )
    assert read.json()["taken_by"] == "duty-1"
    assert {one["rule"] for one in web.get("/api/v1/plans/lint", headers=BEARER).json()} == {
        "unreachable", "no-volunteer", "residents",
    }  # fmt: skip
    assert [one["id"] for one in web.get("/api/v1/plans").json()] == [
        "flood-underpass", "flood-site-red",
    ]  # fmt: skip


def test_a_response_that_can_t_be_used_silences_nobody_and_is_told_to_the_duty(
    tmp_path: Path,
) -> None:
    service = AlertService(
        AlertSettings(
            state_url=f"sqlite:///{tmp_path}/alerts.db", response_problem="response.toml: no TOML"
        ),
        community(),
        BrokerAddress(port=free_port()),
        ManualClock(at("2026-11-25T03:00")),
    )
    service._pass_time()

    [incident] = service.open_incidents()
    assert (incident.zone, incident.hazard) == ("riverside", "equipment")
    assert "response.toml can't be used" in incident.headline.en
    service.stop()


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 400)), max_size=60))
def test_no_window_ever_holds_more_than_its_limit(said: list[tuple[str, float]]) -> None:
    form = ReportForm(per_client=3, per_client_s=60, in_all=7, in_all_s=100)
    limits = ReportLimits(form)
    taken: list[tuple[str, float]] = []

    now = 0.0
    for client, pause in said:
        now += pause / 10
        if limits.admit(client, now):
            taken.append((client, now))

    for _, end in taken:
        assert sum(end - 100 < when <= end for _, when in taken) <= 7
        for client in "abcd":
            assert sum(end - 60 < when <= end and who == client for who, when in taken) <= 3


def test_marks_tell_only_whether_two_clients_are_the_same() -> None:
    marks = ClientMarks()

    assert marks.mark("2001:db8:1:2::5") == marks.mark("2001:db8:1:2:ffff::1")
    assert marks.mark("2001:db8:1:3::5") != marks.mark("2001:db8:1:2::5")
    assert marks.mark("192.0.2.1") != ClientMarks().mark("192.0.2.1")
    assert client_address("10.0.0.1", "1.1.1.1, 2.2.2.2, 10.0.0.1", ["10.0.0.1"]) == "2.2.2.2"
