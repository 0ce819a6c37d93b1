"""A drill at a running alert service: over HTTP and MQTT, to a receiver, and broken off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from alerts.api import build_api
from alerts.drill import PROGRAMS
from core import topics
from core.broker import Broker, Message
from core.drill import DrillPhase, DrillStatement, decode_drill
from core.finding import encode_finding
from core.grade import Grade
from tests.alerts.running import Running, community
from tests.alerts.scenery import level
from tests.alerts.test_alerts_api import Web
from tests.servers import Mosquitto, wait_until

TOKEN = "a-long-enough-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}
CHINESE = {"accept-language": "zh-CN"}
PLAN = {
    "scenario": "cloudburst", "zone": "underpass", "hazard": "flood", "sensors": ["gauge-1"],
    "duration_s": 600, "onset_s": 0, "aim": {"grade": 4, "detect_s": 60}, "by": "duty-1",
}  # fmt: skip


class Exercise:
    """A running service, its API, and what it states of drills."""

    def __init__(self, directory: Path, server: Mosquitto, site: str) -> None:
        self.running = Running(directory, server.address, site)
        self.site = site
        self.stated: list[DrillStatement] = []
        self.ears = Broker(
            server.address, f"{site}-ears", on_message=self._hear, session_expiry_s=0
        )
        self.ears.subscribe([topics.drill(site)])
        self.ears.start()
        assert self.ears.wait_linked(10)
        app = build_api(
            self.running.service, community=community(site), clock=self.running.clock, token=TOKEN
        )
        self.http = Web(app, "127.0.0.1")
        self.running.start()

    def _hear(self, message: Message) -> None:
        self.stated.append(decode_drill(message.payload))

    def ask(self, path: str, body: object = None) -> httpx.Response:
        return self.http.post(f"/api/v1/drills{path}", json=body, headers=BEARER | CHINESE)

    def post(self, path: str, body: object = None) -> dict[str, Any]:
        answer = self.ask(path, body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def drill(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/api/v1/drills/{name}").json()
        return found

    def begin(self) -> str:
        """Ask for a drill, let every program take part, and start it."""
        name = str(self.post("", PLAN)["drill"]["id"])
        for program in PROGRAMS:
            self.running.publish(topics.drill_ready(self.site, program), name.encode())
        wait_until(lambda: len(self.drill(name)["drill"]["ready"]) == len(PROGRAMS))
        self.post(f"/{name}/begin", {"at": self.running.clock.now_ms()})
        return name

    def find(self, name: str, grade: Grade) -> None:
        finding = msgspec.structs.replace(level(grade, sensor="drill-gauge-1"), drill=name)
        topic = topics.drill_finding(self.site, name, finding.subject, finding.rule)
        self.running.publish(topic, encode_finding(finding))

    def measures(self, name: str) -> dict[str, Any]:
        return {one["what"]: one for one in self.drill(name)["score"]["measures"]}

    def stop(self) -> None:
        self.ears.stop()
        self.running.stop()


@pytest.fixture
def exercise(
    tmp_path: Path, mosquitto: Mosquitto, request: pytest.FixtureRequest
) -> Iterator[Exercise]:
    made = Exercise(tmp_path, mosquitto, "s-" + str(abs(hash(request.node.name)) % 10**8))
    yield made
    made.stop()


def test_a_drill_reaches_people_marked_and_is_scored(exercise: Exercise) -> None:
    name = exercise.begin()

    exercise.find(name, Grade.RED)

    posts = exercise.running.wait_posts(4)
    assert all(post["data"]["text"].startswith("【演练】") for post in posts)
    assert {post["type"] for post in posts} == {"exercise.alert"}
    [incident] = exercise.http.get("/api/v1/incidents?open=1").json()
    assert (incident["drill"], incident["exercise"]) == (name, True)
    exercise.http.post(
        f"/api/v1/incidents/{incident['number']}/acknowledge",
        json={"who": "duty-1"},
        headers=BEARER,
    )
    wait_until(lambda: exercise.measures(name)["reached"]["value"] == 3)
    ended = exercise.post(f"/{name}/finish", {"by": "duty-1"})
    assert ended["drill"]["state"] == "finished"
    assert ended["score"]["passed"], ended["score"]
    exercise.running.wait_posts(8)
    wait_until(lambda: [one.phase for one in exercise.stated] == ["running", "ended"])
    grade = exercise.running.grade("underpass", "flood")
    assert grade is None or grade.grade is Grade.GREEN
    kept = exercise.post(f"/{name}/evidence", {"path": "report.html", "sha256": "a" * 64})
    assert kept["drill"]["evidence"][0]["sha256"] == "a" * 64


def test_an_actual_flood_breaks_a_drill_off_and_goes_out_unmarked(exercise: Exercise) -> None:
    name = exercise.begin()
    exercise.find(name, Grade.RED)
    exercise.running.wait_posts(4)

    exercise.running.say(level(Grade.ORANGE))

    wait_until(lambda: exercise.drill(name)["drill"]["state"] == "aborted", 5, "the drill's end")
    posts = exercise.running.wait_posts(12)
    texts = [post["data"]["text"].splitlines() for post in posts[4:]]
    actual = [text for text in texts if not text[0].startswith("【演练】")]
    over = [text for text in texts if text[0].startswith("【演练】【中止】")]
    assert (len(actual), len(over)) == (4, 4)
    assert all("橙色" in text[0] for text in actual)
    assert all("按真实警情处置" in text[1] for text in over)
    published = exercise.running.grade("underpass", "flood")
    assert published is not None
    assert published.grade is Grade.ORANGE
    assert exercise.stated[-1].phase is DrillPhase.ENDED


def test_an_actual_finding_that_calls_itself_a_drill_is_actual(exercise: Exercise) -> None:
    name = exercise.begin()

    exercise.running.say(msgspec.structs.replace(level(Grade.RED), drill=name))

    wait_until(lambda: exercise.drill(name)["drill"]["state"] == "aborted", 5, "the drill's end")
    posts = exercise.running.wait_posts(4)
    assert not any("演练" in post["data"]["text"] for post in posts)
    assert {post["type"] for post in posts} == {"incident.alert"}


def test_a_finding_in_the_topics_of_a_drill_that_says_otherwise_is_refused(
    exercise: Exercise,
) -> None:
    name = exercise.begin()
    bare = level(Grade.RED, sensor="drill-gauge-1")
    topic = topics.drill_finding(exercise.site, name, bare.subject, bare.rule)

    exercise.running.publish(topic, encode_finding(bare))

    exercise.running.wait_handled(1)
    assert exercise.running.posts() == []
    assert exercise.http.get("/api/v1/incidents").json() == []


def test_who_may_change_nothing_may_begin_no_drill(exercise: Exercise) -> None:
    for path, body in (("", PLAN), ("/d-1/abort", {}), ("/d-1/evidence", {})):
        assert exercise.http.post(f"/api/v1/drills{path}", json=body).status_code == 401
    assert exercise.stated == []


@pytest.mark.parametrize(
    ("path", "body", "status", "why"),
    [
        ("", {"scenario": "x"}, 422, ""),
        ("", {**PLAN, "extra": 1}, 422, ""),
        ("", {**PLAN, "zone": "moon"}, 409, "没有区域 'moon'"),
        ("/d-0/beat", None, 404, "没有编号为 d-0 的演练"),
        ("/d-0/abort", {}, 404, "没有编号为 d-0 的演练"),
    ],
)
def test_what_is_wrong_gets_a_clear_answer(
    exercise: Exercise, path: str, body: object, status: int, why: str
) -> None:
    answer = exercise.ask(path, body)

    assert answer.status_code == status
    assert why in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
