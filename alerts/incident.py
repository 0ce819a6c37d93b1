"""The incident and its events: the state is a fold over the journal, nothing else changes it.

Axes that never mix (design, Grading and incidents): condition (active, cleared, unknown) x
acknowledgement x withheld x stage. The stage is not stored by events but follows from the evidence
(`alerts.stages`): warned, deciding, acting, recovering, reviewing, closed.

Every event is defined in every state: folded or refused (`alerts.fold`). `alerts.decisions` and
`alerts.cycle` say which events happen.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from alerts.evidence import (
    Chatter,
    Decision,
    FirstOut,
    Lesson,
    OnSite,
    PlanStep,
    Review,
    Stage,
    StepDone,
)
from alerts.grading import Judgement
from alerts.ladder import Climb, Ladder
from alerts.withholding import Withholding
from core.act import LocalAct
from core.finding import Condition, Hazard
from core.grade import Grade

SYSTEM = "system"


class Happening(StrEnum):
    """What the journal may say."""

    OPENED = "opened"
    RAISED = "raised"
    LOWERED = "lowered"
    UNKNOWN = "unknown"  # nothing known holds it any more, and nothing known clears it
    KNOWN = "known"  # active again after it was unknown or cleared, without a rise
    CLEARED = "cleared"
    EVIDENCE = "evidence"  # same grade and condition, but other findings hold it
    VOIDED = "voided"  # a rise above the acknowledged grade ended the acknowledgement
    ACKNOWLEDGED = "acknowledged"
    ANNOUNCED = "announced"  # notifications were written to the outbox
    TOLD = "told"  # a channel accepted one
    UNDELIVERED = "undelivered"  # one has failed for good
    ESCALATED = "escalated"  # nobody has taken it over: the next rung of the ladder was climbed
    REMINDED = "reminded"  # who has it was asked "still on it?"
    LAPSED = "lapsed"  # no answer: nobody has it any more, the ladder begins again
    RESUMED = "resumed"  # the auditor found the ladder stuck and set it going again
    HELD = "held"  # notifications wait for a digest: quiet hours, or too many at once
    ACTED = "acted"  # a station switched something by itself
    HIDDEN = "hidden"  # something that holds it is withheld: people are not told of that
    SHOWN = "shown"  # ... nothing that holds it is withheld any more
    CHATTERING = "chattering"  # it comes and goes too fast to be read
    DECIDED = "decided"
    PLANNED = "planned"  # the steps of a response plan were put on it
    STEP_DONE = "step-done"  # or skipped, with a reason
    LOOKED = "looked"  # a person on site says what is to be seen there
    NOTED = "noted"  # somebody wrote something down
    REPORTED = "reported"  # a resident says so, too; what exactly stands in the list of reports
    ENDED = "ended"  # nothing is left to be done on the spot; the review begins
    REVIEWED = "reviewed"  # somebody signed the review
    LESSON = "lesson"  # a lesson, or a new version of one
    CLOSED = "closed"
    DRILL_ENDED = "drill-ended"  # the drill that it belongs to is over, or was broken off
    # Of the site, not of one incident:
    WITHHELD = "withheld"
    EXTENDED = "extended"
    ENDING = "ending"  # the owner was reminded
    RELEASED = "released"


class Kind(StrEnum):
    """What a notification says."""

    ALERT = "alert"
    UPDATE = "update"
    CLEAR = "clear"
    ESCALATION = "escalation"  # nobody has taken it over: it is your turn
    REMINDER = "reminder"  # you have it: still on it?
    NOTICE = "notice"  # of no incident: something that its reader has to see to
    DIGEST = "digest"  # several incidents of low grade in one message
    TEST = "test"  # the daily test of a channel; of no incident
    DRILL_END = "drill-end"  # the drill is over, or was broken off


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the journal; holds ids of people, never names.

    Attributes:
        at: Run time (ms).
        actor: "system", or the id of the person.
        what: What happened.
        zone, hazard: Only in the opening.
        drill: Only in the opening: the drill that it belongs to, "" for an actual incident.
        judgement: What the findings said, in events that come from them.
        grade: Grade acknowledged, announced or told.
        seq, kind: Of an announcement.
        how: How it was acknowledged (console, api, link), ended or closed (settled, unattended,
            verified, by-hand, reviewed) or released (expired, by-hand).
        ladder: Copy of the escalation ladder, in an announcement that arms it.
        rung: Rung that was climbed, counting on through the rounds.
        station, act: Which station did what by itself.
        report: Number of a resident's report.
        decision, chatter, on_site, review, lesson: What was decided, found, seen, signed, learned.
        plan, steps: Which plan (id and version) and its steps.
        step: What became of one of them.
        missing: Needs that were not met when it ended.
        about: Which withholding (`withholding.3`) an event of the site is about.
        withholding: The whole of it, when it begins.
        until: Its new end.
        notification, contact, channel, detail: Which notification, and what the vendor answered.
    """

    at: int
    actor: str = SYSTEM
    what: Happening
    zone: str = ""
    hazard: Hazard | None = None
    drill: str = ""
    judgement: Judgement | None = None
    grade: Grade | None = None
    seq: int = 0
    kind: Kind | None = None
    how: str = ""
    notification: str = ""
    contact: str = ""
    channel: str = ""
    detail: str = ""
    station: str = ""
    act: LocalAct | None = None
    report: int = 0
    decision: Decision | None = None
    plan: str = ""
    steps: tuple[PlanStep, ...] = ()
    step: StepDone | None = None
    on_site: OnSite | None = None
    review: Review | None = None
    lesson: Lesson | None = None
    chatter: Chatter | None = None
    missing: tuple[str, ...] = ()
    about: str = ""
    withholding: Withholding | None = None
    until: int = 0
    ladder: Ladder | None = None
    rung: int = 0


class StationAct(msgspec.Struct, frozen=True):
    """Something that a station did by itself, told in an incident."""

    station: str
    act: LocalAct


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one incident. Times are run time (ms); `since` is event time.

    Attributes:
        number: Short number.
        zone, hazard: Where and what.
        drill: Id of the drill that it belongs to, "" for an actual incident. Set by the opening;
            no event changes it.
        judgement: The newest one that was journalled.
        described_at: When its headline was true: a headline stays while the grade stays.
        condition, grade: Current.
        grade_at: When the current grade (or the clearing) began for us.
        peak: Highest grade of its life.
        acknowledged, acknowledged_by, acknowledged_at: Who has taken it over, and when.
        acknowledged_grade: The highest grade that the standing acknowledgement covers.
        stage: How far people are.
        opened_at, changed_at, cleared_at, over_at, closed_at: The last three are 0 while not. Over
            means that nothing is left to be done on the spot: a new danger is a new incident.
        told_peak: Highest grade that was ever announced.
        told: Grade that the last announcement told; green after a clear.
        told_at: When.
        seq: Number of the last announcement.
        acted: What stations did by themselves, oldest first.
        first: What came first.
        decision: The one that stands; None if there is none for this grade.
        plan, steps, done: Of the plan; what became of its steps, by step.
        on_site: What a person saw last; None if the danger came back after that.
        ended: How it ended; "" while it has not.
        review, lessons: Signed review, newest version of each lesson.
        chatter: The last time it was found to chatter.
        climb: How far up its escalation ladder it is.
        attended_at: When a person last did anything about it.
        reminded_at: When who has it was last asked whether they still do; 0 once they answered.
    """

    number: int
    zone: str
    hazard: Hazard
    drill: str = ""
    judgement: Judgement
    condition: Condition
    grade: Grade
    grade_at: int
    described_at: int = 0
    peak: Grade
    acknowledged: bool = False
    acknowledged_by: str = ""
    acknowledged_at: int = 0
    acknowledged_grade: Grade = Grade.GREEN
    stage: Stage = Stage.WARNED
    opened_at: int
    changed_at: int
    cleared_at: int = 0
    over_at: int = 0
    closed_at: int = 0
    told_peak: Grade = Grade.GREEN
    told: Grade = Grade.GREEN
    told_at: int = 0
    seq: int = 0
    acted: tuple[StationAct, ...] = ()
    first: FirstOut | None = None
    decision: Decision | None = None
    plan: str = ""
    steps: tuple[PlanStep, ...] = ()
    done: dict[str, StepDone] = {}
    on_site: OnSite | None = None
    ended: str = ""
    review: Review | None = None
    lessons: dict[str, Lesson] = {}
    chatter: Chatter | None = None
    climb: Climb | None = None
    attended_at: int = 0
    reminded_at: int = 0

    @property
    def open(self) -> bool:
        """True until it is over: there may be a danger on the spot."""
        return self.over_at == 0

    @property
    def steps_from(self) -> int:
        """When the time of the plan's steps begins to run, run time (ms)."""
        if self.decision is None:
            return self.opened_at
        return self.decision.began or self.decision.at

    @property
    def voiced(self) -> Grade:
        """The grade that people are told: without what is withheld."""
        return self.judgement.voiced

    @property
    def hidden(self) -> bool:
        """True if it holds only by what is withheld: nobody is told, nobody is called."""
        return bool(self.judgement.withheld) and self.voiced is Grade.GREEN

    @property
    def exercise(self) -> bool:
        """True if it belongs to a drill: it is no danger, and never becomes one."""
        return self.drill != ""
