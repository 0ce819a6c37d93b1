"""The back-test of a lesson: what the program found out about a proposed file, sealed.

Of a profile it is the report of `safety-eye backtest` over a stretch that contains the incident; of
plans it is their lint and the latest drill. A file that changed meanwhile makes none.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alerts.applying import file_hash
from alerts.backtest import (
    KEY_NAME,
    MOST_FOUND,
    MOST_OUTCOMES,
    PLANS_FILE,
    PROFILE_FILE,
    BackTest,
    Drilled,
    Linted,
    Outcome,
    Replayed,
    Side,
    sealed,
)
from alerts.database import Database
from alerts.drill import DrillState
from alerts.drill_books import DrillBooks
from alerts.drill_store import DrillStore
from alerts.incident import Incident
from alerts.plan_lint import LintFinding
from alerts.response import Response
from alerts.shared_key import shared_key
from alerts.store import Store
from core.clock import Clock
from core.community import Community
from core.finding import Hazard
from core.grade import Grade
from core.refusal import RefusalError
from detectors.comparison import Change
from safety_eye.backtest import About, Report

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
# Without other words a lesson is tested on the week before its incident: every hour and every day
# of the week in which the proposed file could have cried wolf. Choice of this project.
BEFORE_MS, AFTER_MS = 7 * _DAY_MS, _HOUR_MS
# Drills among which the latest of a hazard is looked for.
_DRILLS = 200


class LessonError(RefusalError):
    """The lesson can't be tested like this; the message says why."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A lesson of this hub.

    Attributes:
        incident: Which taught it.
        lesson: Id of the lesson.
        key: With which its back-test is sealed.
    """

    incident: Incident
    lesson: str
    key: bytes

    @property
    def about(self) -> About:
        """Where and when the incident was."""
        begin, over = self.incident.opened_at, self.incident.over_at
        return About((self.incident.zone, self.incident.hazard), begin, over or begin)

    @property
    def usual_span(self) -> tuple[int, int]:
        """The stretch that is replayed if nobody names another one (ms)."""
        return self.about.start_ms - BEFORE_MS, self.about.end_ms + AFTER_MS


class Files:
    """The file in use and the proposed one, as they are when the test begins.

    Args:
        before: In use.
        proposed: On trial.

    Raises:
        LessonError: They are the same.
        OSError: One can't be read.
    """

    def __init__(self, before: Path, proposed: Path) -> None:
        self._paths = before, proposed
        self.hashes = self._hashes()
        if self.hashes[0] == self.hashes[1]:
            raise LessonError(
                f"{proposed} is the same file as {before}: nothing would change",
                f"{proposed} 与 {before} 完全相同：不会有任何变化",
            )

    def _hashes(self) -> tuple[str, str]:
        return file_hash(self._paths[0]), file_hash(self._paths[1])

    def check(self) -> None:
        """Refuse a test during which a file changed.

        Raises:
            LessonError: One did.
        """
        if self._hashes() != self.hashes:
            raise LessonError(
                "a file was changed while it was tested: run it again",
                "测试过程中文件被改动：请重新回测",
            )


def taught(database: Database, community: Community, name: str) -> Taught:
    """Return the lesson that `N/ID` names.

    Raises:
        LessonError: There is none.
    """
    number, _, lesson = name.partition("/")
    if not (number.isascii() and number.isdigit() and lesson) or int(number) >= 1 << 31:
        raise LessonError(
            f"lesson {name[:60]!r}: expected INCIDENT/ID, as in 12/lesson-1",
            f"教训 {name[:60]!r}：应为 事件号/教训编号，例如 12/lesson-1",
        )
    kept = Store(database, community, "", ()).kept(int(number))
    if kept is None:
        raise LessonError(
            f"incident {number}: there is none at this hub", f"本系统没有事件 {number}"
        )
    if lesson not in kept.incident.lessons:
        known = ", ".join(kept.incident.lessons)
        raise LessonError(
            f"incident {number} has no lesson {lesson[:40]!r}; it has "
            f"{known or 'none: propose it on the page of the incident'}",
            f"事件 {number} 没有教训 {lesson[:40]!r}；{known or '尚无教训：请先在事件页面提出'}",
        )
    return Taught(kept.incident, lesson, shared_key(database, KEY_NAME))


def profile_test(report: Report, files: Files, lesson: Taught, now_wall_ms: int) -> BackTest:
    """Return the back-test of a profile.

    Raises:
        LessonError: The stretch does not contain the incident, is empty, or a file changed.
    """
    if not report.start_ms <= lesson.incident.opened_at < report.end_ms:
        number = lesson.incident.number
        raise LessonError(
            f"--from and --to must contain incident {number}",
            f"--from 与 --to 之间必须包含事件 {number}",
        )
    if not report.near:
        raise LessonError(
            f"the history has no readings of incident {lesson.incident.number}: nothing was tested."
            " If they are gone for good, say so in the lesson (why it can't be back-tested)",
            f"历史数据中没有事件 {lesson.incident.number} 的读数，无法回测。"
            "如果数据已不存在，请在教训中写明无法回测的理由",
        )
    found, outcomes = report.occasion, [_outcome(change) for change in report.changes]
    # What changes comes first, should there be too many places.
    outcomes.sort(key=lambda one: one.verdict == "same")
    replay = Replayed(
        start=report.start_ms,
        end=report.end_ms,
        readings=report.counted,
        rolled=report.rolled,
        danger_at=found.danger_at if found else None,
        before=_by_word(found.old_reached) if found else {},
        proposed=_by_word(found.new_reached) if found else {},
        outcomes=tuple(outcomes[:MOST_OUTCOMES]),
        more=max(len(outcomes) - MOST_OUTCOMES, 0),
    )
    return _made(PROFILE_FILE, files, lesson, now_wall_ms, report.verdict, replay=replay)


def plan_test(
    before: Sequence[LintFinding],
    proposed: Sequence[LintFinding],
    drill: Drilled | None,
    files: Files,
    lesson: Taught,
    now_wall_ms: int,
) -> BackTest:
    """Return the back-test of plans.

    Args:
        before: What the lint finds in the file in use.
        proposed: What it finds in the proposed one.
        drill: The latest one of the hazard.
        files: The two.
        lesson: Whose it is.
        now_wall_ms: Wall time (ms).

    Raises:
        LessonError: A file changed.
    """
    old, new = (dict.fromkeys(f"{one.rule}: {one.where}" for one in each) for each in
                (before, proposed))  # fmt: skip
    mended = tuple(one for one in old if one not in new)
    fresh = tuple(one for one in new if one not in old)
    words = {(True, False): "better", (False, True): "worse", (True, True): "mixed"}
    lint = Linted(
        before=len(before),
        proposed=len(proposed),
        mended=mended[:MOST_FOUND],
        fresh=fresh[:MOST_FOUND],
    )
    verdict = words.get((bool(mended), bool(fresh)), "same")
    return _made(PLANS_FILE, files, lesson, now_wall_ms, verdict, lint=lint, drill=drill)


def latest_drill(
    database: Database, community: Community, plans: Response, hazard: Hazard, clock: Clock
) -> Drilled | None:
    """Return how the latest finished drill of a hazard went; None if there was none."""
    store = Store(database, community, "", ())
    register = DrillStore(database, community.site.id)
    for drill in register.latest(_DRILLS):
        if drill.plan.hazard is not hazard or drill.state is not DrillState.FINISHED:
            continue
        score = DrillBooks(register, store, community, clock, plans).score(drill)
        values = {
            name: measure.value if (measure := score.measure(name)) else None
            for name in ("detected", "notified", "taken-over")
        }
        return Drilled(
            id=drill.id,
            zone=drill.plan.zone,
            ended_at=drill.ended_at,
            passed=score.passed,
            detected_s=values["detected"],
            notified_s=values["notified"],
            taken_over_s=values["taken-over"],
        )
    return None


def _made(
    file: str,
    files: Files,
    lesson: Taught,
    now_wall_ms: int,
    verdict: str,
    *,
    replay: Replayed | None = None,
    lint: Linted | None = None,
    drill: Drilled | None = None,
) -> BackTest:
    files.check()
    test = BackTest(
        incident=lesson.incident.number,
        file=file,
        before=files.hashes[0],
        proposed=files.hashes[1],
        tested_at=now_wall_ms,
        tool=f"safety-eye {importlib.metadata.version('safety-eye')}",
        verdict=verdict,
        replay=replay,
        lint=lint,
        drill=drill,
    )
    return sealed(test, lesson.key)


def _outcome(change: Change) -> Outcome:
    return Outcome(
        zone=change.zone,
        hazard=change.hazard,
        dangers=change.dangers,
        before=Side(
            alerts=_by_word(change.old_worst),
            found=change.old_found,
            missed=change.dangers - change.old_found,
            false_alerts=change.old_false,
            lead_s=change.old_lead_s,
        ),
        proposed=Side(
            alerts=_by_word(change.new_worst),
            found=change.new_found,
            missed=change.dangers - change.new_found,
            false_alerts=change.new_false,
            lead_s=change.new_lead_s,
        ),
        verdict=change.verdict,
    )


def _by_word(figures: dict[Grade, int]) -> dict[str, int]:
    return {grade.word: figure for grade, figure in figures.items()}
