"""What people do with an incident after the warning, and what each act needs. Events, pure.

Refusals say what is missing, in words; nothing here looks at a clock or a database.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from alerts import stages
from alerts.cycle_wording import MANDATES, OPTIONS
from alerts.decisions import acknowledge, announcement
from alerts.evidence import (
    Decision,
    OnSite,
    PlanStep,
    StepDone,
)
from alerts.fold import refusal
from alerts.incident import SYSTEM, Event, Happening, Incident, Kind
from alerts.views import IncidentError
from core.finding import Condition
from core.grade import Grade

# Longest remark, and longest review or change, in characters.
NOTE_LENGTH, TEXT_LENGTH = 500, 20_000
# Decisions after which nothing more is done.
STAND_DOWN = ("stand-down", "false-alarm")
_MOST_EVIDENCE, _MOST_STEPS, _MOST_LESSONS = 50, 100, 20


def decide(
    incident: Incident,
    who: str,
    option: str,
    mandate: str,
    now: int,
    *,
    evidence: Sequence[str] = (),
    note: str = "",
) -> list[Event]:
    """Return what it means that *who* decides; who decides has taken it over, too.

    Standing down once readings have cleared skips the open steps of the plan with that reason.

    Args:
        incident: The incident.
        who: Id of the person.
        option: What is done: one of `cycle_wording.OPTIONS`.
        mandate: What allows this person to: one of `cycle_wording.MANDATES`.
        now: Run time (ms).
        evidence: Findings or readings it rests on; what holds the incident now if none is given.
        note: Why, in own words.

    Raises:
        IncidentError: It can't be decided (any more), or something is missing.
    """
    may(incident, Happening.DECIDED)
    _known(("option", "选项"), option, OPTIONS)
    _known(("mandate", "授权"), mandate, MANDATES)
    decision = Decision(
        at=now,
        by=who,
        option=option,
        mandate=mandate,
        evidence=tuple(evidence)[:_MOST_EVIDENCE] or _at_hand(incident),
        grade=incident.grade if incident.open else incident.peak,
        note=clean(note, ("note", "说明"), NOTE_LENGTH, empty=True),
        began=_began(incident),
    )
    events = []
    if incident.open and not incident.acknowledged:
        events += acknowledge(incident, who, "decision", now)
    kept = [event for event in events if event.what is not Happening.DECIDED]
    decided = Event(at=now, actor=who, what=Happening.DECIDED, decision=decision)
    return [*kept, decided, *_waived(incident, who, option, now)]


def _known(what: tuple[str, str], slug: str, words: Collection[str]) -> None:
    """Check that people are offered this: what nobody can read decides nothing."""
    if slug not in words:
        expected = ", ".join(sorted(words))
        raise IncidentError(
            f"{what[0]} {slug[:60]!r}: expected one of {expected}",
            f"{what[1]} {slug[:60]!r} 不在可选范围内",
        )


def _began(incident: Incident) -> int:
    """Return since when people act, if they do: deciding again gives the steps no more time."""
    before = incident.decision
    return 0 if before is None or before.by == SYSTEM else before.began or before.at


def _at_hand(incident: Incident) -> tuple[str, ...]:
    """Return the findings that hold it; once it has cleared, the one that began it."""
    holders = tuple(incident.judgement.holders)
    return holders or ((incident.first.name,) if incident.first else ())


def _waived(incident: Incident, who: str, option: str, now: int) -> list[Event]:
    """Return that the open steps are skipped: who stands down need not give a reason for each.

    Only once readings show that the danger is over; before that each step wants its own.
    """
    if option not in STAND_DOWN or incident.condition is not Condition.CLEARED:
        return []
    return [
        Event(
            at=now,
            actor=who,
            what=Happening.STEP_DONE,
            step=StepDone(step=step, at=now, by=who, skipped=True, note=option),
        )
        for step in stages.steps_left(incident)
    ]


def adopt_plan(
    incident: Incident, plan: str, steps: Sequence[PlanStep], now: int, who: str
) -> list[Event]:
    """Return that the steps of a plan are put on it; the same plan again is nothing new.

    Raises:
        IncidentError: It is over, or the steps are not usable.
    """
    may(incident, Happening.PLANNED)
    ids = [step.id for step in steps]
    if len(set(ids)) != len(ids) or len(ids) > _MOST_STEPS:
        raise IncidentError(
            f"plan {plan}: at most {_MOST_STEPS} steps with ids of their own",
            f"预案 {plan}：最多 {_MOST_STEPS} 步，编号不能重复",
        )
    if (incident.plan, incident.steps) == (plan, tuple(steps)):
        return []
    return [Event(at=now, actor=who, what=Happening.PLANNED, plan=plan, steps=tuple(steps))]


def do_step(
    incident: Incident,
    step: str,
    who: str,
    now: int,
    *,
    by: str = "",
    role: str = "",
    skipped: bool = False,
    note: str = "",
) -> list[Event]:
    """Return that a step of the plan was done or skipped.

    Args:
        incident: The incident.
        step: Id of the step.
        who: Id of the person who writes it down.
        now: Run time (ms).
        by: Id of the person who did it; the same one if not given.
        role: In which role; that of the step if not given.
        skipped: True if it is left out; the note must say why.
        note: In own words.

    Raises:
        IncidentError: No such step, it is done already, or the reason is missing.
    """
    may(incident, Happening.STEP_DONE)
    planned = next((one for one in incident.steps if one.id == step), None)
    if planned is None:
        names = ", ".join(one.id for one in incident.steps) or "none: no plan was put on it"
        raise IncidentError(
            f"step {step[:60]!r}: expected one of {names}", f"没有步骤 {step[:60]!r}"
        )
    known = incident.done.get(step)
    if known is not None and not known.skipped:
        return []
    if skipped and not note.strip():
        raise IncidentError(
            f"step {step}: why is it skipped? a reason is expected", "请写明为什么跳过这一步"
        )
    done = StepDone(
        step=step,
        at=now,
        by=by or who,
        role=role or planned.role,
        skipped=skipped,
        note=clean(note, ("note", "说明"), NOTE_LENGTH, empty=True),
    )
    return [Event(at=now, actor=who, what=Happening.STEP_DONE, step=done)]


def look(incident: Incident, who: str, now: int, *, safe: bool, note: str) -> list[Event]:
    """Return what a person on site has seen.

    Raises:
        IncidentError: It is closed, or what was seen is missing.
    """
    may(incident, Happening.LOOKED)
    seen = clean(note, ("what is to be seen there", "在现场看到什么"), NOTE_LENGTH)
    early = incident.open and incident.condition is Condition.ACTIVE
    on_site = OnSite(at=now, by=who, safe=safe, note=seen, early=early)
    return [Event(at=now, actor=who, what=Happening.LOOKED, on_site=on_site)]


def remark(incident: Incident, who: str, text: str, now: int) -> list[Event]:
    """Return that somebody wrote something down.

    Raises:
        IncidentError: The text is empty or too long.
    """
    may(incident, Happening.NOTED)
    text = clean(text, ("note", "记录"), NOTE_LENGTH)
    return [Event(at=now, actor=who, what=Happening.NOTED, detail=text)]


def end_by_hand(incident: Incident, who: str, reason: str, now: int) -> list[Event]:
    """Return that a person ends it: of use where its state stays unknown for ever.

    People who were told of the danger are told the all-clear only if readings or a person on site
    say so; orange and red still go to the review, which asks for what is missing.

    Raises:
        IncidentError: It is over, readings still show the danger, or the reason is missing.
    """
    if not incident.open:
        raise IncidentError(f"incident {incident.number} is over already", "事件已经结束")
    if incident.condition is Condition.ACTIVE:
        raise IncidentError(
            f"incident {incident.number}: readings still show the danger. Shelve it, or take the "
            "sensor out of service, if they are wrong",
            "读数仍显示危险，不能结束。如果读数不对，请搁置或停用传感器",
        )
    reason = clean(reason, ("a reason", "原因"), NOTE_LENGTH)
    safe = incident.condition is Condition.CLEARED or stages.found_safe(incident)
    events = []
    if incident.told > Grade.GREEN and safe:
        events.append(announcement(incident, Kind.CLEAR, Grade.GREEN, now))
    what = Happening.ENDED if stages.in_full(incident) else Happening.CLOSED
    unmet = tuple(str(need) for need in stages.unmet(incident))
    events.append(Event(at=now, actor=who, what=what, how="by-hand", detail=reason, missing=unmet))
    return events


def may(incident: Incident, what: Happening) -> None:
    """Check that something can happen to it now.

    Raises:
        IncidentError: It can't; the message says why.
    """
    reason = refusal(incident, what)
    if reason:
        raise IncidentError(
            f"incident {incident.number}: {reason}", f"事件 {incident.number} 现在不能这样做"
        )


def clean(text: str, what: tuple[str, str], most: int, *, empty: bool = False) -> str:
    """Return a text that a person typed, without control characters.

    Raises:
        IncidentError: It is empty (unless it may be) or too long; *what* is its name (en, zh).
    """
    text = "".join(sign for sign in text if sign.isprintable() or sign in "\n\t").strip()
    if (not text and not empty) or len(text) > most:
        raise IncidentError(
            f"{what[0]}: 1 to {most} characters are expected", f"请填写{what[1]}（最多 {most} 字）"
        )
    return text
