"""A lesson from the flood that taught it to the file that has it, as the people of a hub do it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from alerts.applying import file_hash
from alerts.evidence import Lesson
from core.clock import ManualClock, RunClock
from core.community_file import load_community
from core.quantity import Quantity
from core.reading import Reading
from detectors.bank import Bank
from detectors.batch import batch_of
from detectors.plan import plan_of
from ingest.history import HistorySettings, open_writer
from ingest.history.base import Series
from safety_eye.cli import app
from safety_eye.hub import load_hub
from safety_eye.programs import run_alerts
from tests.alerts.scenery import Scene
from tests.safety_eye.test_backtest import DAY, PROFILE, START, water
from tests.servers import free_port, wait_until

CONTACTS = '[[contact]]\nid = "duty-1"\nname = "张 三"\nrole = "duty"\n'
STEP = 600_000
FLOOD = [
    Reading("gauge-1", Quantity.WATER_LEVEL, at, water(at))
    for at in range(START - DAY, START + 4 * DAY, STEP)
]


class Site:
    """The files and the state of a hub that has been through a flood."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.old, self.new = directory / "community.toml", directory / "proposed.toml"
        self.other = directory / "other.toml"
        limits = ("orange = 0.5", "blue = 0.2\nyellow = 0.35\norange = 0.5", "orange = 0.45")
        for file, steps in zip((self.old, self.new, self.other), limits, strict=True):
            file.write_text(PROFILE.format(limits=steps) + CONTACTS, encoding="utf-8")
        self.hub = directory / "hub.toml"
        self.hub.write_text(
            f'[broker]\nkind = "external"\nport = {free_port()}\n[http]\nport = {free_port()}\n',
            encoding="utf-8",
        )
        self.state.mkdir()
        self._write_history()
        self._live_through()

    def _write_history(self) -> None:
        writer = open_writer(HistorySettings(path=str(self.state / HistorySettings().path)))
        series = Series("riverside", "north-1", "underpass", "gauge-1", Quantity.WATER_LEVEL)
        writer.write([(series, reading) for reading in FLOOD])
        writer.close()

    def _live_through(self) -> None:
        """The production limits judge every reading; duty ends what comes of it."""
        community = load_community(self.old)
        bank = Bank(plan_of(community))
        scene = Scene(self.state, community=community, clock=ManualClock(START - DAY))
        for reading in FLOOD:
            scene.clock.advance((reading.at - scene.clock.ms) / 1000)
            for finding in bank.update(batch_of([reading], bank.slots), reading.at):
                if finding.rule.startswith("limit"):
                    scene.say(finding)
            if scene.store.kept(1) and not scene.store.under_review():
                self._attend(scene)
        assert [one.number for one in scene.store.under_review()] == [1]
        plans = Lesson(id="", version=0, target="response.toml", change="whose step?", at=0, by="")
        scene.cycle.write_lesson(1, "duty-1", plans)
        scene.close()

    def _attend(self, scene: Scene) -> None:
        view = scene.cycle.cycle(1)
        assert view is not None
        if view.decision is None:
            scene.cycle.decide(1, "duty-1", "watch", "duty")
        kept = scene.store.kept(1)
        if kept is not None and kept.incident.condition.value == "cleared":
            scene.cycle.look(1, "duty-1", safe=True, note="dry")
            scene.cycle.end(1, "duty-1", "the water is gone")

    def backtest(self, *words: str, against: Path | None = None) -> tuple[int, str]:
        ran = CliRunner().invoke(
            app,
            ["backtest", "--against", str(against or self.old), "--hub", str(self.hub), "--state",
             str(self.state), "--by", "duty-1", *words],
        )  # fmt: skip
        return ran.exit_code, ran.output

    @contextmanager
    def running(self, profile: Path) -> Iterator[httpx.Client]:
        """The alerts program of the hub with this file, and its API."""
        config, stop = load_hub(self.hub), threading.Event()
        words = (config, load_community(profile), self.state, RunClock(), stop, profile)
        thread = threading.Thread(target=run_alerts, args=words)
        thread.start()
        with httpx.Client(base_url=config.http.url, trust_env=False, timeout=30) as client:
            try:
                wait_until(lambda: _live(client), 60, "the API")
                yield client
            finally:
                stop.set()
                thread.join(60)
        assert not thread.is_alive()


def _live(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").is_success
    except httpx.HTTPError:
        return False


def post(client: httpx.Client, path: str, **body: Any) -> httpx.Response:
    return client.post(f"/api/v1/incidents/1/{path}", json=body)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


def lesson_of(client: httpx.Client) -> dict[str, Any]:
    learnt = {one["lesson"]["id"]: one for one in client.get("/api/v1/lessons").json()}
    found = learnt["lesson-2"]
    assert isinstance(found, dict)
    return found


def test_a_flood_is_learned_from_tested_approved_and_applied(site: Site) -> None:
    with site.running(site.old) as client:
        proposed = {"who": "duty-1", "target": "community.toml", "change": "+ yellow = 0.35"}
        assert post(client, "review", who="duty-1", text="Told too late.").is_success
        assert post(client, "lessons", **proposed).is_success
        untested = post(client, "lessons/lesson-2/verdict", who="王 五", approve=True)
        assert untested.status_code == 409
        assert "safety-eye backtest" in untested.text

        code, said = site.backtest("--community", str(site.new), "--lesson", "1/lesson-2")

        assert (code, "attached to lesson 1/lesson-2" in said) == (0, True), said
        test = lesson_of(client)["lesson"]["tested"]
        assert test["proposed"] == file_hash(site.new)
        assert (test["verdict"], test["incident"]) == ("better", 1)
        replay = test["replay"]
        assert replay["start"] < replay["danger_at"] < replay["end"]
        early = {
            file: replay["danger_at"] - replay[file]["blue"] for file in ("before", "proposed")
        }
        assert early == {"before": 60 * 60_000, "proposed": 90 * 60_000}
        [flood] = [one for one in replay["outcomes"] if one["hazard"] == "flood"]
        assert (flood["dangers"], flood["proposed"]["missed"]) == (1, 0)
        page = client.get("/incidents/1?lang=en").text
        assert "<td>60 min before</td><td>90 min before</td>" in page

        other = post(
            client,
            "lessons/lesson-2/verdict",
            who="王 五",
            approve=True,
            file=file_hash(site.other),
        )
        assert (other.status_code, "test the file that is to be approved" in other.text) == (
            409, True,
        )  # fmt: skip
        approval = {"who": "王 五", "approve": True, "file": file_hash(site.new), "version": 2}
        assert post(client, "lessons/lesson-2/verdict", **approval).is_success
        assert lesson_of(client)["applied"]["applied"] is False

        # Evidence for another file than the approved one, made by the very same command.
        code, said = site.backtest("--community", str(site.other), "--lesson", "1/lesson-2")
        assert (code, "the approval of lesson-2 is for version" in said) == (2, True), said

    with site.running(site.other) as client:
        applied = lesson_of(client)["applied"]
        assert (applied["applied"], applied["tested"]) == (False, file_hash(site.new)[:12])
        assert "is not the one that was back-tested" in client.get("/incidents/1?lang=en").text
    with site.running(site.new) as client:
        applied = lesson_of(client)["applied"]
        assert applied["applied"] is True
        assert applied["since"] > 0
    audit = CliRunner().invoke(app, ["audit", "verify", "--state", str(site.state)])
    assert audit.exit_code == 0, audit.output


def test_what_can_not_be_tested_is_refused_before_anything_is_replayed(
    site: Site, tmp_path: Path
) -> None:
    new = ("--community", str(site.new))
    for words, why in (
        ((*new, "--lesson", "lesson-1"), "expected INCIDENT/ID"),
        ((*new, "--lesson", "7/lesson-1"), "there is none at this hub"),
        ((*new, "--lesson", "1/lesson-9"), "has no lesson"),
        (("--community", str(site.old), "--lesson", "1/lesson-1"), "nothing would change"),
        (
            (*new, "--lesson", "1/lesson-1", "--from", "2026-06-01", "--to", "2026-06-02"),
            "must contain incident 1",
        ),
        ((*new, "--out", str(tmp_path / "x.json")), "need --lesson"),
        (new, "--from and --to are needed"),
    ):
        code, said = site.backtest(*words)
        assert (code, why in " ".join(said.split())) == (2, True), said


def test_the_report_is_not_lost_with_a_hub_that_does_not_answer(site: Site) -> None:
    code, said = site.backtest("--community", str(site.new), "--lesson", "1/lesson-1")
    words = " ".join(said.split())

    assert (code, "does not answer" in words) == (2, True), said
    assert f"→ {site.new} {file_hash(site.new)[:12]}" in words
    assert "verdict: better" in words


PLAN = """
[[plan]]
id = "flood"
hazard = "flood"
grade = "blue"
zone = "underpass"
reason = "two basement flats below the road"
reviewed = 2026-05-01
reviewed_by = "property office"
[[plan.step]]
id = "pump"
{role}text = {{ zh = "开启三号泵房的水泵", en = "Start the pump in pump house three" }}
[[plan.call]]
name = {{ zh = "消防", en = "Fire brigade" }}
phone = "119"
"""


def test_new_plans_are_linted_beside_the_old_ones_into_a_file(site: Site, tmp_path: Path) -> None:
    old, new, out = (tmp_path / name for name in ("old.toml", "new.toml", "evidence.json"))
    old.write_text(PLAN.format(role=""), encoding="utf-8")
    new.write_text(PLAN.format(role='role = "duty"\n'), encoding="utf-8")

    code, said = site.backtest(
        "--community", str(site.old), "--response", str(new), "--lesson", "1/lesson-1",
        "--out", str(out), against=old,
    )  # fmt: skip

    assert (code, "written to" in said) == (0, True), said
    test = json.loads(out.read_bytes())
    assert (test["file"], test["verdict"]) == ("response.toml", "better")
    assert (test["before"], test["proposed"]) == (file_hash(old), file_hash(new))
    assert test["lint"]["mended"] == ["no-owner: plan flood: step pump"]
    assert (test["lint"]["fresh"], test["drill"], test["replay"]) == ([], None, None)
    with site.running(site.old) as client:
        body = {"who": "duty-1", "backtest": test}
        answer = post(client, "lessons/lesson-1/backtest", **body)
        assert answer.is_success, answer.text
        assert "this hazard was never drilled" in client.get("/incidents/1?lang=en").text
