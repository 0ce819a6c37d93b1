"""What people do with an incident after the warning, and what each act needs. Events, pure.

Refusals say what is missing, in words; nothing here looks at a clock or a database.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from alerts import stages
from alerts.cycle_wording import NEEDS
from alerts.decisions import acknowledge, announcement
from alerts.evidence import (
    Decision,
    Lesson,
    LessonState,
    OnSite,
    PlanStep,
    Review,
    Stage,
    StepDone,
)
from alerts.fold import refusal
from alerts.incident import Event, Happening, Incident, Kind
from alerts.views import IncidentError
from core.finding import Condition
from core.grade import Grade

# Longest remark, and longest review or change, in characters.
NOTE_LENGTH, TEXT_LENGTH = 500, 20_000
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
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

    Args:
        incident: The incident.
        who: Id of the person.
        option: What is done (slug).
        mandate: What allows this person to (slug).
        now: Run time (ms).
        evidence: Findings or readings it rests on; what holds the incident now if none is given.
        note: Why, in own words.

    Raises:
        IncidentError: It can't be decided (any more), or something is missing.
    """
    _may(incident, Happening.DECIDED)
    for name, slug in (("option", option), ("mandate", mandate)):
        if not _SLUG.fullmatch(slug):
            raise IncidentError(f"{name} {slug[:60]!r}: a slug such as 'check' is expected")
    decision = Decision(
        at=now,
        by=who,
        option=option,
        mandate=mandate,
        evidence=tuple(evidence)[:_MOST_EVIDENCE] or tuple(incident.judgement.holders),
        grade=incident.grade if incident.open else incident.peak,
        note=_text(note, "note", NOTE_LENGTH, empty=True),
    )
    events = []
    if incident.open and not incident.acknowledged:
        events += acknowledge(incident, who, "decision", now)
    kept = [event for event in events if event.what is not Happening.DECIDED]
    return [*kept, Event(at=now, actor=who, what=Happening.DECIDED, decision=decision)]


def adopt_plan(
    incident: Incident, plan: str, steps: Sequence[PlanStep], now: int, who: str
) -> list[Event]:
    """Return that the steps of a plan are put on it; the same plan again is nothing new.

    Raises:
        IncidentError: It is over, or the steps are not usable.
    """
    _may(incident, Happening.PLANNED)
    ids = [step.id for step in steps]
    if len(set(ids)) != len(ids) or len(ids) > _MOST_STEPS:
        raise IncidentError(f"plan {plan}: at most {_MOST_STEPS} steps with ids of their own")
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
    _may(incident, Happening.STEP_DONE)
    planned = next((one for one in incident.steps if one.id == step), None)
    if planned is None:
        names = ", ".join(one.id for one in incident.steps) or "none: no plan was put on it"
        raise IncidentError(f"step {step[:60]!r}: expected one of {names}")
    known = incident.done.get(step)
    if known is not None and not known.skipped:
        return []
    if skipped and not note.strip():
        raise IncidentError(f"step {step}: why is it skipped? a reason is expected")
    done = StepDone(
        step=step,
        at=now,
        by=by or who,
        role=role or planned.role,
        skipped=skipped,
        note=_text(note, "note", NOTE_LENGTH, empty=True),
    )
    return [Event(at=now, actor=who, what=Happening.STEP_DONE, step=done)]


def look(incident: Incident, who: str, now: int, *, safe: bool, note: str) -> list[Event]:
    """Return what a person on site has seen.

    Raises:
        IncidentError: It is closed, or what was seen is missing.
    """
    _may(incident, Happening.LOOKED)
    seen = _text(note, "what is to be seen there", NOTE_LENGTH)
    on_site = OnSite(at=now, by=who, safe=safe, note=seen)
    return [Event(at=now, actor=who, what=Happening.LOOKED, on_site=on_site)]


def remark(incident: Incident, who: str, text: str, now: int) -> list[Event]:
    """Return that somebody wrote something down.

    Raises:
        IncidentError: The text is empty or too long.
    """
    _may(incident, Happening.NOTED)
    text = _text(text, "note", NOTE_LENGTH)
    return [Event(at=now, actor=who, what=Happening.NOTED, detail=text)]


def end_by_hand(incident: Incident, who: str, reason: str, now: int) -> list[Event]:
    """Return that a person ends it: of use where its state stays unknown for ever.

    People who were told of the danger are told the all-clear only if readings or a person on site
    say so; orange and red still go to the review, which asks for what is missing.

    Raises:
        IncidentError: It is over, readings still show the danger, or the reason is missing.
    """
    if not incident.open:
        raise IncidentError(f"incident {incident.number} is over already")
    if incident.condition is Condition.ACTIVE:
        raise IncidentError(
            f"incident {incident.number}: readings still show the danger. Shelve it, or take the "
            "sensor out of service, if they are wrong"
        )
    reason = _text(reason, "a reason", NOTE_LENGTH)
    safe = incident.condition is Condition.CLEARED or stages.found_safe(incident)
    events = []
    if incident.told > Grade.GREEN and safe:
        events.append(announcement(incident, Kind.CLEAR, Grade.GREEN, now))
    what = Happening.ENDED if stages.in_full(incident) else Happening.CLOSED
    unmet = tuple(str(need) for need in stages.unmet(incident))
    events.append(Event(at=now, actor=who, what=what, how="by-hand", detail=reason, missing=unmet))
    return events


def sign_review(
    incident: Incident, who: str, text: str, now: int, *, nothing_to_learn: str = ""
) -> list[Event]:
    """Return that somebody signs the review.

    Raises:
        IncidentError: It is not under review, or the text is missing.
    """
    _may(incident, Happening.REVIEWED)
    review = Review(
        at=now,
        by=who,
        text=_text(text, "the review", TEXT_LENGTH),
        nothing_to_learn=_text(nothing_to_learn, "why nothing", NOTE_LENGTH, empty=True),
    )
    return [Event(at=now, actor=who, what=Happening.REVIEWED, review=review)]


def write_lesson(incident: Incident, who: str, lesson: Lesson, now: int) -> list[Event]:
    """Return a new lesson, or a new version of one (its id is given).

    Raises:
        IncidentError: It is not under review, no such lesson, or the change is missing.
    """
    _may(incident, Happening.LESSON)
    if lesson.id and lesson.id not in incident.lessons:
        raise IncidentError(f"{lesson.id[:60]!r}: there is no such lesson; leave the id out")
    if not lesson.id and len(incident.lessons) >= _MOST_LESSONS:
        raise IncidentError(f"at most {_MOST_LESSONS} lessons of one incident")
    known = incident.lessons.get(lesson.id)
    written = Lesson(
        id=lesson.id or f"lesson-{len(incident.lessons) + 1}",
        version=known.version + 1 if known else 1,
        target=_text(lesson.target, "target (what is to change)", NOTE_LENGTH),
        change=_text(lesson.change, "change", TEXT_LENGTH),
        before=lesson.before[:200],
        after=lesson.after[:200],
        backtest=_text(lesson.backtest, "backtest", TEXT_LENGTH, empty=True),
        no_backtest=_text(lesson.no_backtest, "no_backtest", NOTE_LENGTH, empty=True),
        at=now,
        by=who,
    )
    return [Event(at=now, actor=who, what=Happening.LESSON, lesson=written)]


def judge_lesson(
    incident: Incident, which: str, who: str, now: int, *, approve: bool
) -> list[Event]:
    """Return that a second person approves or rejects the newest version of a lesson.

    Raises:
        IncidentError: No such lesson, it was written by the same person, or its back-test (or why
            none is possible) is missing.
    """
    _may(incident, Happening.LESSON)
    lesson = incident.lessons.get(which)
    if lesson is None:
        raise IncidentError(f"{which[:60]!r}: there is no such lesson")
    if lesson.by == who:
        raise IncidentError(f"{which}: somebody else than who wrote it must judge it")
    if approve and not (lesson.backtest or lesson.no_backtest):
        raise IncidentError(f"{which}: attach its back-test, or say why none is possible")
    state = LessonState.APPROVED if approve else LessonState.REJECTED
    judged = msgspec.structs.replace(lesson, state=state, at=now, approver=who)
    return [Event(at=now, actor=who, what=Happening.LESSON, lesson=judged)]


def close(incident: Incident, who: str, now: int) -> list[Event]:
    """Return that the review is done and the incident closed.

    Raises:
        IncidentError: It is not under review, or evidence is missing; the message names it.
    """
    if incident.stage is not Stage.REVIEWING:
        _may(incident, Happening.CLOSED)
        raise IncidentError(f"incident {incident.number} is not over: end it first")
    needs = stages.missing(incident)
    if needs:
        listed = "; ".join(NEEDS[need][1] for need in needs)
        raise IncidentError(f"incident {incident.number} can't be closed yet. Missing: {listed}")
    return [Event(at=now, actor=who, what=Happening.CLOSED, how="reviewed")]


def _may(incident: Incident, what: Happening) -> None:
    reason = refusal(incident, what)
    if reason:
        raise IncidentError(f"incident {incident.number}: {reason}")


def _text(text: str, what: str, most: int, *, empty: bool = False) -> str:
    text = "".join(sign for sign in text if sign.isprintable() or sign in "\n\t").strip()
    if (not text and not empty) or len(text) > most:
        raise IncidentError(f"{what}: 1 to {most} characters are expected")
    return text
