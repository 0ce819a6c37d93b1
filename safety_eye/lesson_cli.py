"""`safety-eye backtest … --lesson N/ID`: tests a proposed file, and puts that on the lesson."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from alerts.backtest import BackTest
from alerts.database import Database
from alerts.plan_lint import LintFinding
from alerts.response_file import load_response
from core.clock import RunClock
from core.community import Community
from core.community_file import load_community
from safety_eye import backtest, backtest_report
from safety_eye.hub import HubConfig
from safety_eye.hub_client import HubClient
from safety_eye.hub_state import existing_state
from safety_eye.lesson_evidence import (
    Files,
    LessonError,
    Taught,
    latest_drill,
    plan_test,
    profile_test,
    taught,
)
from safety_eye.options import load_site
from safety_eye.plan_check import kept_registers, lint_plans
from safety_eye.programs import history_settings


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was asked for.

    Attributes:
        lesson: Which lesson, `INCIDENT/ID`.
        community: The proposed profile; beside plans the one that holds.
        response: The proposed plans, None if a profile is on trial.
        against: The file that is in use.
        hub, state: Of the hub.
        start, end: The stretch as it was typed; "" for the usual one.
        language: zh or en.
    """

    lesson: str
    community: Path
    response: Path | None
    against: Path
    hub: Path | None
    state: Path
    start: str
    end: str
    language: str


def hub_file(hub: Path | None, state: Path) -> Path | None:
    """Return the hub's hub.toml: as named, else the one in its state directory, if any."""
    own = state / "hub.toml"
    return hub if hub is not None else own if own.exists() else None


def back_test(asked: Asked) -> tuple[BackTest, list[str]]:
    """Return the sealed back-test of a proposed file, and its report for people.

    Raises:
        LessonError: The lesson can't be tested like this.
        ConfigurationError: A file can't be used.
        StateError: The state of alerts can't be used.
        HistoryUnreadableError: This kind of history can't be read back.
        HistoryUnavailableError: It does not answer.
        OSError: A file can't be read.
    """
    files = Files(asked.against, asked.response or asked.community)
    profile, config = load_site(asked.community, asked.hub)
    with closing(existing_state(config, asked.state)) as database:
        lesson = taught(database, profile, asked.lesson)
        if asked.response is None:
            return _of_profile(asked, profile, config, lesson, files)
        return _of_plans(asked, asked.response, (profile, config), database, lesson, files)


def _of_profile(
    asked: Asked, profile: Community, config: HubConfig, lesson: Taught, files: Files
) -> tuple[BackTest, list[str]]:
    if lesson.incident.exercise:
        raise LessonError(
            f"incident {lesson.incident.number} belongs to a drill; no history keeps its readings:"
            " say so in the lesson (why it can't be back-tested)",
            f"事件 {lesson.incident.number} 属于演练，历史数据不保存演练读数："
            "请在教训中写明无法回测的理由",
        )
    zone, usual = profile.site.timezone, lesson.usual_span
    span = (
        backtest.instant(asked.start, zone) if asked.start else usual[0],
        backtest.instant(asked.end, zone) if asked.end else usual[1],
    )
    if span[0] >= span[1]:
        raise LessonError(
            f"--from {asked.start} must lie before --to {asked.end}",
            f"--from {asked.start} 必须早于 --to {asked.end}",
        )
    clock = RunClock()
    report = backtest.run_backtest(
        profile, load_community(asked.against), history_settings(config, asked.state), asked.state,
        span, clock.now_ms(), lesson.about,
    )  # fmt: skip
    test = profile_test(report, files, lesson, clock.wall_ms())
    return test, backtest_report.lines(report, profile, asked.language)


def _of_plans(
    asked: Asked,
    proposed: Path,
    site: tuple[Community, HubConfig],
    database: Database,
    lesson: Taught,
    files: Files,
) -> tuple[BackTest, list[str]]:
    (profile, config), clock = site, RunClock()
    found: list[list[LintFinding]] = []
    for file in (asked.against, proposed):
        plans = load_response(file, profile)
        registers = kept_registers(database, profile, plans.supply)
        known = config if asked.hub is not None else None
        found.append(lint_plans(plans, profile, registers, known, clock.wall_ms()))
    drill = latest_drill(database, profile, plans, lesson.incident.hazard, clock)
    test = plan_test(found[0], found[1], drill, files, lesson, clock.wall_ms())
    told = [f"{one.rule}  {one.where}: {one.text.in_language(asked.language)}" for one in found[1]]
    return test, told


def deliver(test: BackTest, asked: Asked, out: Path | None, by: str) -> str:
    """Write the back-test to a file, or put it on its lesson at the running hub; say which.

    Raises:
        HubError: The hub refuses, or does not answer.
        OSError: The file can't be written.
    """
    zh = asked.language == "zh"
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(test)) + b"\n")
        page = f"/incidents/{test.incident}"
        if zh:
            return f"已写入 {out}：请在 {page} 页面附到教训 {asked.lesson}"
        return f"written to {out}: attach it to lesson {asked.lesson} on the page {page}"
    _profile, config = load_site(asked.community, asked.hub)
    number, _, lesson = asked.lesson.partition("/")
    with closing(HubClient(config, asked.language)) as client:
        client.send(
            "POST",
            f"/api/v1/incidents/{number}/lessons/{lesson}/backtest",
            {"who": by, "backtest": msgspec.to_builtins(test)},
        )
    if zh:
        return f"已附到教训 {asked.lesson}：须由另一人批准"
    return f"attached to lesson {asked.lesson}: somebody else must approve it now"
