"""The report of a drill, and what the command line says when there can't be one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from alerts.drill import BrokenOff, Drill, DrillAim, DrillPlan, DrillState
from alerts.drill_score import DrillScore, Measure, Reach
from alerts.drill_words import state_line
from alerts.drills_api import DrillAnswer
from core.broker import BrokerAddress
from core.community_file import load_community
from core.grade import Grade
from edge.simulator import load_scenario
from edge.simulator.transplant import transplant
from safety_eye import drill_run
from safety_eye.cli import app
from safety_eye.drill_client import DrillClient
from safety_eye.drill_options import DrillOptions, Place
from safety_eye.drill_report import Material, write_report
from safety_eye.embedded_broker import free_port
from safety_eye.hub import HubConfig
from safety_eye.hub_client import HubSilentError
from safety_eye.summary import ReadingTotals

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample/community.toml"
COMMUNITY = load_community(SAMPLE)
AT = 1_764_500_000_000


def material(*, readings: ReadingTotals | None = None, **changes: object) -> Material:
    moved = transplant(load_scenario("cloudburst"), COMMUNITY, "underpass", pace=10)
    plan = DrillPlan(
        scenario="cloudburst", zone="underpass", hazard=moved.hazard, sensors=moved.sensors,
        duration_s=600, onset_s=82, pace=10, aim=DrillAim(grade=Grade.RED, detect_s=13),
        by="<script>alert(1)</script>",
    )  # fmt: skip
    facts: dict[str, object] = {
        "id": "d-1", "plan": plan, "speed": 1.0, "state": DrillState.FINISHED, "asked_at": AT,
        "began_at": AT + 5000, "ended_at": AT + 605_000, "until": AT + 10**6, "beat_wall": AT,
        **changes,
    }  # fmt: skip
    score = DrillScore(
        passed=True,
        measures=(
            Measure(what="played", passed=True),
            Measure(what="detected", value=-1.5, target=13, passed=True),
            Measure(what="grade", value=4, target=4, passed=True),
            Measure(what="notified", value=0.4, target=60, passed=True),
            Measure(what="taken-over", value=400, target=300, passed=False, detail=("duty-1",)),
            Measure(what="reached", value=1, target=2, passed=False, detail=("deputy-1",)),
            Measure(what="steps", value=1, target=2, detail=("pump",)),
            Measure(what="marked", value=0, target=0, passed=True),
        ),
        reach=(
            Reach(contact="duty-1", channel="hook", sent=2, accepted=2, first_s=0.4),
            Reach(contact="deputy-1", channel="hook", sent=2, accepted=0, detail="<b>no</b>"),
        ),
        incidents=(3,),
    )
    drill = Drill(**facts)  # type: ignore[arg-type]  # test data
    answer = DrillAnswer(drill=drill, score=score, now=AT + 606_000)
    return Material(answer, readings, moved, COMMUNITY, passed=False)


def test_a_report_says_in_both_languages_how_it_went_and_is_known_by_its_hash(
    tmp_path: Path,
) -> None:
    files = write_report(material(readings=ReadingTotals(9, 8, 1, 0, 0)), tmp_path)

    assert {file.path.name for file in files} == {"report.html", "report.json", "chart.png"}
    for file in files:
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for words in ("未通过", "Not passed", "提前 1.5 秒", "1.5 s early", "400.0 s", "值班员", "×10"):
        assert words in page
    assert page.count("data:image/png;base64,") == 2  # a chart for each reader
    assert "400.0 秒 (值班员)" in page  # by name, not by id
    assert "1/2 (未通知到：副值班)" in page
    assert "1/2 (not: 副值班)" in page
    assert "<script>" not in page
    assert "<b>no</b>" not in page
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    whole = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert whole["readings"]["produced"] == 9
    assert whole["expected"]["grade"] == "red"


def test_a_drill_that_was_broken_off_before_it_began_has_a_report_too(tmp_path: Path) -> None:
    nothing = material(
        readings=None, state=DrillState.ABORTED, began_at=0, why="actual", blocked_by=7
    )
    empty = msgspec.structs.replace(
        nothing.answer.score, measures=nothing.answer.score.measures[:1], reach=()
    )
    answer = msgspec.structs.replace(nothing.answer, score=empty)
    bare = Material(answer, None, nothing.moved, COMMUNITY, passed=False)

    write_report(bare, tmp_path)

    assert "真实警情 #7" in (tmp_path / "report.html").read_text(encoding="utf-8")


class Restarting(DrillClient):
    """A hub that does not answer at first, and keeps one drill."""

    def __init__(self, answer: DrillAnswer, silent: int) -> None:
        super().__init__(HubConfig())
        self.answer, self.silent = answer, silent
        self.ended: list[str] = []

    def drill(self, drill: str) -> DrillAnswer:
        assert drill == self.answer.drill.id
        if self.silent:
            self.silent -= 1
            raise HubSilentError("the hub does not answer")
        return self.answer

    def _over(self, drill: str, by: str, state: DrillState, why: str) -> DrillAnswer:
        assert drill == self.answer.drill.id
        self.ended.append(f"{why or state} by {by}")
        over = msgspec.structs.replace(self.answer.drill, state=state, ended_at=9, why=why)
        self.answer = msgspec.structs.replace(self.answer, drill=over)
        raise HubSilentError("it did, and the answer was lost")

    def finish(self, drill: str, by: str) -> DrillAnswer:
        return self._over(drill, by, DrillState.FINISHED, "")

    def abort(self, drill: str, by: str, why: BrokenOff = BrokenOff.ASKED) -> DrillAnswer:
        return self._over(drill, by, DrillState.ABORTED, str(why))


@pytest.mark.parametrize(
    ("changes", "stopped", "ended"),
    [
        ({}, False, ["finished by duty-1"]),
        ({}, True, ["asked by duty-1"]),
        ({"state": DrillState.PREPARING, "ready": ("ingest",)}, False, ["programs by duty-1"]),
        ({"state": DrillState.PREPARING, "ready": ("ingest",)}, True, ["asked by duty-1"]),
        (
            {"state": DrillState.PREPARING, "ready": ("detectors", "ingest")},
            False,
            ["twins by duty-1"],
        ),
    ],
)
def test_a_hub_that_is_restarted_at_the_end_is_waited_for_and_told_the_true_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    stopped: bool,
    ended: list[str],
) -> None:
    monkeypatch.setattr(drill_run, "_AGAIN_S", 0.01)
    running: dict[str, Any] = {"state": DrillState.RUNNING, "ended_at": 0}
    made = material(**(running | changes))
    client = Restarting(made.answer, silent=3)
    options = DrillOptions(
        zone="underpass", scenario="cloudburst", pace=1.0, by="duty-1", notify_s=60.0,
        take_over_s=None, short=True, with_outputs=False, with_residents=False, language="zh",
    )  # fmt: skip
    place = Place(COMMUNITY, SAMPLE, BrokerAddress(), tmp_path)
    run = drill_run.DrillRun(options, made.moved, place, client)
    if stopped:
        run.stop.set()

    over = run._end(made.answer)

    assert (over.drill.over, client.ended) == (True, ended)


@pytest.mark.parametrize(
    ("why", "zh", "en"),
    [
        ("programs", "演练中止 (未能开始：detectors 没有参加)",
         "drill was broken off (it could not begin without detectors)"),
        ("twins", "演练中止 (未能开始：虚拟传感器没有启动)",
         "drill was broken off (it could not begin: the virtual sensors did not start)"),
    ],
)  # fmt: skip
def test_what_could_not_begin_is_not_said_to_have_been_stopped_by_somebody(
    why: str, zh: str, en: str
) -> None:
    drill = material(state=DrillState.ABORTED, why=why, ready=("ingest",)).answer.drill

    assert (state_line(drill, "zh"), state_line(drill, "en")) == (zh, en)


@pytest.fixture
def hub_file(tmp_path: Path) -> Path:
    """A hub.toml of a hub that does not run."""
    file = tmp_path / "hub.toml"
    file.write_text(f"[http]\nport = {free_port()}\n")
    return file


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["run", "cloudburst", "--zone", "underpass"], "does not answer"),
        (["run", "cloudburst", "--zone", "hall"], "no sensor watches for flood"),
        (["run", "quiet-week", "--zone", "hall"], "nothing dangerous happens"),
        (["run", "cloudburst", "--zone", "underpass", "--pace", "0"], "--pace 0: expected"),
        (["run", "no-such", "--zone", "hall"], "no such scenario"),
        (["list"], "does not answer"),
        (["coverage"], "does not answer"),
        (["report", "d-1"], "does not answer"),
        (["abort", "d-1"], "does not answer"),
    ],
)
def test_without_a_hub_or_a_drill_that_makes_sense_there_is_one_clear_line(
    arguments: list[str], why: str, hub_file: Path
) -> None:
    extra = ["--community", str(SAMPLE)] if arguments[0] == "run" else []
    result = CliRunner().invoke(app, ["drill", *arguments, "--hub", str(hub_file), *extra])

    assert result.exit_code == 2
    assert why in " ".join(result.output.split())
