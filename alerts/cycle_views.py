"""What others may see of an incident's cycle and of what is withheld, and the ports to both."""

from __future__ import annotations

from typing import Protocol

import msgspec

from alerts.applying import Applied
from alerts.backtest import BackTest
from alerts.evidence import Lesson
from alerts.review import ReviewDraft
from alerts.withholding import Scope, WithholdingKind
from core.community import Name
from core.grade import Grade


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as people see it; `by` is a name where it may be told.

    Attributes:
        at, by: When and who.
        option, mandate: Slugs, and `words`: both for people.
        evidence: Findings or readings it rests on.
        grade: It holds up to this grade.
        note: Why.
    """

    at: int
    by: str
    option: str
    mandate: str
    words: Name
    evidence: tuple[str, ...]
    grade: Grade
    note: str


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the plan.

    Attributes:
        id, text, role, within_s: As in the plan.
        state: open, done or skipped.
        at, by, note: When it was done or skipped, by whom, and what they wrote.
        late: True if its target time has passed (for what is done: had passed).
    """

    id: str
    text: Name
    role: str
    within_s: float
    state: str = "open"
    at: int = 0
    by: str = ""
    note: str = ""
    late: bool = False


class NeedView(msgspec.Struct, frozen=True):
    """Something that is needed before the stage can be left."""

    need: str
    words: Name


class OnSiteView(msgspec.Struct, frozen=True, kw_only=True):
    """What a person on site saw last, whether the danger is over there, and if that counts yet.

    Attributes:
        at, by: When (run ms) and who.
        safe: True if the danger is over there.
        note: What was seen.
        early: True if readings still showed the danger then: somebody has to look again.
    """

    at: int
    by: str
    safe: bool
    note: str
    early: bool = False


class ChatterView(msgspec.Struct, frozen=True, kw_only=True):
    """That it chatters, how, and what would end it."""

    at: int
    finding: str
    changes: int
    window_s: float
    remedy: Name


class SignedReview(msgspec.Struct, frozen=True, kw_only=True):
    """A signed review."""

    at: int
    by: str
    text: str
    nothing_to_learn: str


class CycleView(msgspec.Struct, frozen=True, kw_only=True):
    """How far people are with an incident, and what is still needed.

    Attributes:
        number, stage: Which, and how far.
        full: True if the whole cycle is asked for (orange or red was announced).
        missing: What is needed to leave the stage.
        decision: The one that stands.
        plan, steps: Of the response plan.
        on_site: What a person saw last.
        ended: How it ended (settled, unattended, verified, by-hand), "" while it has not.
        unmet: What it lacked when it ended.
        draft: The draft of the review, from the journal.
        review: The signed one.
        lessons: Newest version of each.
        applied: How far the approved ones are, by id; one that changes no file of ours is left out.
        chatter: If it chatters.
        withheld: What withholds part of it or all.
    """

    number: int
    stage: str
    full: bool
    missing: tuple[NeedView, ...]
    decision: DecisionView | None = None
    plan: str = ""
    steps: tuple[StepView, ...] = ()
    on_site: OnSiteView | None = None
    ended: str = ""
    unmet: tuple[NeedView, ...] = ()
    draft: ReviewDraft | None = None
    review: SignedReview | None = None
    lessons: tuple[Lesson, ...] = ()
    applied: dict[str, Applied] = {}
    chatter: ChatterView | None = None
    withheld: tuple[WithholdingView, ...] = ()


class WithholdingView(msgspec.Struct, frozen=True, kw_only=True):
    """One withholding as people see it. Times are run time (ms).

    Attributes:
        number, kind, scope, up_to, reason, begun_at, until: See `withholding.Withholding`.
        owner, second: Names.
        words: What is withheld, for people.
        due: True once its owner was reminded that it ends (or goes on).
        ended_at, ended_how, ended_by: 0 and "" while it stands.
    """

    number: int
    kind: WithholdingKind
    scope: Scope
    up_to: Grade
    owner: str
    second: str
    reason: str
    words: Name
    begun_at: int
    until: int
    due: bool
    ended_at: int
    ended_how: str
    ended_by: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a withholding would hide, before anybody asks for it.

    Attributes:
        sensors, zones: Ids that the scope covers.
        rules: Findings that are there now and would be hidden (subject and rule).
        louder: Findings that it covers but that are too bad: they break through.
        incidents: Open incidents that would be hidden altogether; `partly`: in part.
        contacts: Ids of the people who would not be told.
        red: True if red would be silent, too.
    """

    sensors: tuple[str, ...]
    zones: tuple[str, ...]
    rules: tuple[str, ...]
    louder: tuple[str, ...]
    incidents: tuple[int, ...]
    partly: tuple[int, ...]
    contacts: tuple[str, ...]
    red: bool


class LessonView(msgspec.Struct, frozen=True):
    """A lesson and the incident that taught it."""

    incident: int
    lesson: Lesson
    applied: Applied | None = None


class CyclePort(Protocol):
    """How pages and the API take an incident through its stages. Safe to call from any thread.

    Each act raises `IncidentError` where it can't be done; the message says what is missing.
    """

    def cycle(self, number: int) -> CycleView | None:
        """How far people are with one incident."""

    def decide(
        self,
        number: int,
        who: str,
        option: str,
        mandate: str,
        evidence: tuple[str, ...] = (),
        note: str = "",
    ) -> None:
        """Somebody decides; it counts as taking over."""

    def do_step(
        self,
        number: int,
        step: str,
        who: str,
        *,
        by: str = "",
        role: str = "",
        skipped: bool = False,
        note: str = "",
    ) -> None:
        """A step of the plan is done or skipped."""

    def look(self, number: int, who: str, *, safe: bool, note: str) -> None:
        """A person on site says what is to be seen."""

    def remark(self, number: int, who: str, text: str) -> None:
        """Somebody writes something down."""

    def end(self, number: int, who: str, reason: str) -> None:
        """A person ends it by hand."""

    def sign_review(self, number: int, who: str, text: str, nothing_to_learn: str = "") -> None:
        """Somebody signs the review."""

    def write_lesson(self, number: int, who: str, lesson: Lesson) -> None:
        """A lesson, or a new version of one."""

    def attach_backtest(self, number: int, which: str, who: str, test: BackTest) -> None:
        """A back-test that the program made is put on a lesson."""

    def judge_lesson(
        self, number: int, which: str, who: str, *, approve: bool, version: int = 0, file: str = ""
    ) -> None:
        """A second person approves or rejects it, as they have read it (version, file)."""

    def close(self, number: int, who: str) -> None:
        """The review is done."""

    def lessons(self, limit: int = 200) -> list[LessonView]:
        """Every lesson, newest incident first."""

    def reviews_owed(self) -> list[int]:
        """The incidents that are over but not closed, oldest first."""


class WithholdingPort(Protocol):
    """How pages and the API withhold. Safe to call from any thread; refusals are IncidentErrors."""

    def standing(self) -> list[WithholdingView]:
        """What is withheld now."""

    def latest(self, limit: int = 100) -> list[WithholdingView]:
        """All of them, newest first."""

    def preview(self, scope: Scope, up_to: Grade) -> Preview:
        """What it would hide."""

    def withhold(
        self,
        kind: WithholdingKind,
        scope: Scope,
        owner: str,
        reason: str,
        *,
        until: int = 0,
        up_to: Grade | None = None,
        second: str = "",
    ) -> WithholdingView:
        """Begin it."""

    def extend(self, number: int, who: str, until: int) -> WithholdingView:
        """Let it end later (or earlier)."""

    def release(self, number: int, who: str) -> WithholdingView:
        """End it now; everything is judged again."""
