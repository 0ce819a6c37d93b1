"""A drill as a user runs it: real processes, from the virtual sensor to the receiver and back."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from core import topics
from core.broker import Broker
from core.clock import RunClock, parse_clock
from core.pack import Pack, encode_pack
from core.quantity import Quantity
from core.reading import Reading
from safety_eye.hub import HubConfig, load_hub
from tests.servers import wait_until

CALM = """
name = { zh = "平静", en = "Calm" }
text = { zh = "无事", en = "Nothing happens" }
duration_s = 36000
speed = 20
[interval_s]
default = 5
gate-in = 60
gate-out = 60
"""
DEADLINE_S = 240


@dataclass
class Hub:
    """A running demo in which nothing happens by itself, and what it prints."""

    state: Path
    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    def listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.printed.append(line)

    @property
    def config(self) -> HubConfig:
        return load_hub(self.state / "hub.toml")

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.config.http.url}{path}", timeout=10, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: object) -> None:
        url = f"{self.config.http.url}{path}"
        httpx.post(url, json=body, timeout=10, trust_env=False).raise_for_status()

    def clock(self) -> RunClock:
        return parse_clock(self.get("/api/v1/drills/clock")["clock"])

    def drill(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `safety-eye drill run` of a fire in the stairwell."""
        return subprocess.Popen(
            [
                sys.executable, "-m", "safety_eye", "drill", "run", "stairwell-fire",
                "--zone", "stairwell-3", "--state", str(self.state), "--json", *arguments,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def incident(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for an incident."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [one for one in self.get("/api/v1/incidents") if wanted(one)]
            return bool(found)

        wait_until(there, 60, "the incident")
        return found[0]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    directory = tmp_path_factory.mktemp("drill")
    (directory / "calm.toml").write_text(CALM, encoding="utf-8")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "safety_eye", "demo", "--scenario", str(directory / "calm.toml"),
            "--state", str(directory / "state"), "--port", "0", "--language", "en",
        ],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    made = Hub(directory / "state", process)
    ears = threading.Thread(target=made.listen, daemon=True)
    ears.start()

    def ready() -> bool:
        try:
            return bool(made.get("/health/ready")["status"] == "ok")
        except (httpx.HTTPError, OSError, ValueError):
            return False

    try:
        wait_until(ready, 60, "the hub")
        wait_until(lambda: _all_heard(made), 60, "every station")
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait(5)
        ears.join(5)
        assert process.stderr is not None
        process.stderr.close()


def _all_heard(hub: Hub) -> bool:
    """Tell whether the hub hears every station, and no longer misses one that came up late."""
    links = [station["link"] for station in hub.get("/api/v1/stations")]
    missed = [grade for grade in hub.get("/api/v1/grades") if grade["condition"] == "active"]
    told = hub.get("/api/v1/outbox")["pending"] == 0
    return links == ["online"] * 3 and not missed and told


def finish(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    out, err = process.communicate(timeout=DEADLINE_S)
    assert "Traceback" not in err, err[-4000:]
    assert out, err[-4000:]
    return process.returncode, json.loads(out)


@pytest.mark.timeout(DEADLINE_S + 120)
def test_a_drill_passes_when_somebody_takes_it_over_and_its_report_is_kept(hub: Hub) -> None:
    before, said = hub.get("/api/v1/incidents"), len(hub.printed)
    process = hub.drill("--pace", "5", "--short", "--take-over-s", "120", "--by", "duty-1")
    exercise = hub.incident(lambda one: one["exercise"])
    assert exercise["headline"]["zh"].startswith("【演练】")
    hub.post(f"/api/v1/incidents/{exercise['number']}/acknowledge", {"who": "duty-1"})

    code, told = finish(process)

    measures = {one["what"]: one for one in told["score"]["measures"]}
    assert (code, told["passed"]) == (0, True), told
    assert measures["taken-over"]["detail"] == ["duty-1", "api"]
    assert measures["reached"]["value"] == measures["reached"]["target"] >= 2
    assert measures["marked"]["value"] == 0
    readings = told["readings"]
    assert readings["produced"] == readings["stored"] > 0
    kept = hub.get(f"/api/v1/drills/{told['drill']['id']}")["drill"]["evidence"]
    assert {Path(file["path"]).name for file in kept} == {"report.html", "report.json", "chart.png"}
    for file in kept:
        assert hashlib.sha256(Path(file["path"]).read_bytes()).hexdigest() == file["sha256"]
    assert "演练" in Path(told["report"]).read_text(encoding="utf-8")
    over = hub.incident(lambda one: one["number"] == exercise["number"])
    assert over["closed_at"] > 0
    # Nothing actual happened, and nobody was told of anything that was not marked.
    known = {one["number"] for one in before}
    fresh = [one for one in hub.get("/api/v1/incidents") if one["number"] not in known]
    assert all(one["exercise"] for one in fresh), fresh
    assert {grade["condition"] for grade in hub.get("/api/v1/grades")} <= {"cleared", "unknown"}
    reached = [line for line in hub.printed[said:] if "reached" in line]
    assert reached
    assert all("[DRILL]" in line for line in reached)
    covered = hub.get("/api/v1/drills/coverage")["coverage"]
    assert [line["name"] for line in covered["hazards"] if not line["due"]] == ["fire"]


@pytest.mark.timeout(DEADLINE_S + 120)
def test_a_real_alarm_in_the_same_place_breaks_the_drill_off_at_once(hub: Hub) -> None:
    process = hub.drill("--machine-only")
    wait_until(lambda: hub.get("/api/v1/drills")[0]["state"] == "running", 60, "a running drill")
    before = len(hub.printed)
    clock = hub.clock()

    with ForeignDevice(hub) as broker:
        alarm = Reading("panel-1", Quantity.ALARM_INPUT, clock.now_ms(), 1.0)
        topic = topics.readings("riverside", "tower-3")
        assert broker.publish(topic, encode_pack(Pack(readings=(alarm,)))).wait(10)
        actual = hub.incident(lambda one: not one["exercise"])
        wait_until(lambda: hub.get("/api/v1/drills")[0]["state"] == "aborted", 10, "its end")

    code, told = finish(process)
    assert (code, told["passed"]) == (1, False)
    assert (told["drill"]["why"], told["drill"]["blocked_by"]) == ("actual", actual["number"])
    assert (actual["zone"], actual["hazard"]) == ("stairwell-3", "fire")
    readings = told["readings"]
    accounted = sum(readings[key] for key in ("stored", "quarantined", "lost", "unknown"))
    assert readings["produced"] == accounted
    wait_until(
        lambda: any("[DRILL]" not in one and "reached" in one for one in hub.printed[before:]),
        20,
        "the actual message",
    )


class ForeignDevice:
    """A connection to the hub's broker, as a device that is none of ours has it."""

    def __init__(self, hub: Hub) -> None:
        self._link = Broker(hub.config.broker.address, "foreign-device", session_expiry_s=0)

    def __enter__(self) -> Broker:
        self._link.start()
        assert self._link.wait_linked(10)
        return self._link

    def __exit__(self, *_error: object) -> None:
        self._link.stop()
