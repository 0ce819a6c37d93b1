"""The evidence that an incident collects on its way. Data only; ids, no names; times in run ms.

Who decided what on which grounds, who did which step of the plan, who looked on site, what the
review says and what was learned.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from alerts.backtest import BackTest
from core.community import Name
from core.grade import Grade


class Stage(StrEnum):
    """How far people are with it; `alerts.stages` says what each needs to be left."""

    WARNED = "warned"
    DECIDING = "deciding"
    ACTING = "acting"
    RECOVERING = "recovering"
    REVIEWING = "reviewing"
    CLOSED = "closed"


class Need(StrEnum):
    """What is still missing before a stage can be left."""

    TAKEOVER = "takeover"  # somebody takes it over
    DECISION = "decision"  # somebody decides, for this grade
    STEPS = "steps"  # every step of the plan is done or skipped with a reason
    CLEAR = "clear"  # readings show that the danger is over
    SETTLED = "settled"  # ... and have for a while
    ON_SITE = "on-site"  # a person on site says so, too
    REVIEW = "review"  # a person has read and signed the review
    LESSON = "lesson"  # lessons that were approved or rejected, or why there is none to learn


class FirstOut(msgspec.Struct, frozen=True):
    """The finding that came first (first-out): often the cause, when many follow.

    Attributes:
        name: Subject and rule.
        since: Event time (ms) at which its grade began.
        headline: What it said, in both languages.
    """

    name: str
    since: int
    headline: Name


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who decided what, on which evidence, under which mandate.

    Attributes:
        at, by: When, and the id of who decided; "system" for a stated default.
        option: Which one (a slug of `alerts.cycle_wording.OPTIONS`).
        mandate: What allows this person to decide: a role, a duty order, a rule of the plan.
        evidence: Names of the findings that it rests on, as they held then.
        grade: It holds up to this grade; a worse one asks for a new decision.
        note: Why, in the person's own words.
        began: When people first decided, if this replaces a decision; 0 if not. The steps of the
            plan count their time from there.
    """

    at: int
    by: str
    option: str
    mandate: str
    evidence: tuple[str, ...] = ()
    grade: Grade
    note: str = ""
    began: int = 0


class PlanStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a response plan, as it stood when the incident took it over.

    Attributes:
        id: Slug, unique within the plan.
        text: What to do, in both languages.
        role: Whose it is (duty, deputy, leader, volunteer…).
        within_s: Target in seconds after the decision; 0 for none.
    """

    id: str
    text: Name
    role: str = ""
    within_s: float = 0.0


class StepDone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a step.

    Attributes:
        step: Which one.
        at, by: When, and the id of the person who did it.
        role: In which role.
        skipped: True if it was left out; the note says why.
        note: In the person's own words.
    """

    step: str
    at: int
    by: str
    role: str = ""
    skipped: bool = False
    note: str = ""


class OnSite(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person saw on the spot.

    Attributes:
        at, by: When and who.
        safe: True if the danger is over there.
        note: What was seen.
        early: True if readings still showed the danger then: such a word verifies no recovery.
    """

    at: int
    by: str
    safe: bool
    note: str
    early: bool = False


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """The signed review.

    Attributes:
        at, by: When and who.
        text: What happened, what went well, what was missed.
        nothing_to_learn: Why no lesson follows; "" if lessons do.
    """

    at: int
    by: str
    text: str
    nothing_to_learn: str = ""


class LessonState(StrEnum):
    """How far a lesson is."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


class Lesson(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of the profile or a plan that an incident taught; every revision is kept.

    Attributes:
        id: Slug within the incident (`lesson-1`).
        version: 1, 2, …: each revision is a new journal entry.
        target: `community.toml`, `response.toml`, or what else is to change.
        change: The change itself: a unified diff, or in words.
        before, after: Version or SHA-256 of the target before and after it; "" while not known.
        loaded: Version of the target's file at the review; "" if it is no file of the hub.
        backtest: What somebody wrote about a back-test; the program knows nothing of it.
        no_backtest: Why none is possible.
        tested: The back-test that the program made of the proposed file; None without one.
        applied, applied_at: Version that the hub had loaded when the approved lesson was found to
            be applied first, and when; "" and 0 before.
        state: Proposed, approved or rejected.
        at: Of this revision.
        by: Id of who wrote what it says; a back-test that somebody else attached changes no word.
        approver: Id of who approved or rejected it; never who wrote it. What they sign includes the
            back-test, and so the hash of the tested file.
    """

    id: str
    version: int
    target: str
    change: str
    before: str = ""
    after: str = ""
    loaded: str = ""
    backtest: str = ""
    no_backtest: str = ""
    tested: BackTest | None = None
    applied: str = ""
    applied_at: int = 0
    state: LessonState = LessonState.PROPOSED
    at: int
    by: str
    approver: str = ""


class Chatter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alarm that comes and goes too fast to be read, with what its swings looked like.

    Attributes:
        at: When it was found.
        finding: Subject and rule that swings.
        changes, window_s: So many changes within so many seconds.
        low, high: Smallest and largest value seen meanwhile, canonical unit.
        limit, unit, side: The limit around which it swings, and on which side danger lies.
        longest_up_s: Longest stay beyond the limit, in seconds.
    """

    at: int
    finding: str
    changes: int
    window_s: float
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    unit: str = ""
    side: str = ""
    longest_up_s: float = 0.0
