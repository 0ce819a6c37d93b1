"""The view of an incident's cycle out of its state, its journal and what is withheld. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from alerts import stages
from alerts.applying import applied
from alerts.chatter import remedy
from alerts.cycle_views import (
    ChatterView,
    CycleView,
    DecisionView,
    NeedView,
    OnSiteView,
    SignedReview,
    StepView,
    WithholdingView,
)
from alerts.cycle_wording import mandate_words, need_words, option_words
from alerts.evidence import Need
from alerts.incident import Event, Incident
from alerts.review import draft_review
from alerts.withholding import Scope, Withholding
from core.community import Community, Name
from core.wording import HAZARDS, duration


def cycle_view(
    incident: Incident,
    events: Sequence[Event],
    names: Mapping[str, str],
    withholdings: Sequence[Withholding],
    now: int,
    versions: Mapping[str, str],
) -> CycleView:
    """Return how far people are with an incident.

    Args:
        incident: Its state.
        events: Its journal, oldest first.
        names: Names that people typed, by id.
        withholdings: All of them.
        now: Run time (ms).
        versions: Of the files that are loaded, by name.
    """
    numbers = set(incident.judgement.withheld.values())
    end = next((event for event in reversed(events) if event.missing), None)
    return CycleView(
        number=incident.number,
        stage=str(incident.stage),
        full=stages.in_full(incident),
        missing=needs(stages.missing(incident)),
        decision=_decision(incident, names),
        plan=incident.plan,
        steps=_steps(incident, names, now),
        on_site=_on_site(incident, names),
        ended=incident.ended,
        unmet=needs([Need(slug) for slug in end.missing]) if end is not None else (),
        draft=draft_review(incident, events) if not incident.open else None,
        review=_review(incident, names),
        lessons=tuple(
            msgspec.structs.replace(
                lesson,
                by=names.get(lesson.by, lesson.by),
                approver=names.get(lesson.approver, lesson.approver),
            )
            for lesson in incident.lessons.values()
        ),
        applied={
            lesson.id: found
            for lesson in incident.lessons.values()
            if (found := applied(lesson, versions)) is not None
        },
        chatter=_chatter(incident),
        withheld=tuple(
            withholding_view(one, names, None) for one in withholdings if one.number in numbers
        ),
    )


def needs(found: Sequence[Need]) -> tuple[NeedView, ...]:
    """Return needs with their words."""
    return tuple(
        NeedView(str(need), Name(need_words(need, "zh"), need_words(need, "en"))) for need in found
    )


def withholding_view(
    one: Withholding, names: Mapping[str, str], community: Community | None
) -> WithholdingView:
    """Return a withholding as people see it."""
    return WithholdingView(
        number=one.number,
        kind=one.kind,
        scope=one.scope,
        up_to=one.up_to,
        owner=names.get(one.owner, one.owner),
        second=names.get(one.second, one.second),
        reason=one.reason,
        words=Name(
            scope_words(one.scope, community, "zh"), scope_words(one.scope, community, "en")
        ),
        begun_at=one.begun_at,
        until=one.until,
        due=one.open and one.reminded_at > 0,
        ended_at=one.ended_at,
        ended_how=one.ended_how,
        ended_by=names.get(one.ended_by, one.ended_by),
    )


def scope_words(scope: Scope, community: Community | None, language: str) -> str:
    """Return what a scope means, for people.

    >>> scope_words(Scope(sensor="gauge-1", rule="rise"), None, "en")
    'gauge-1, rise'
    """
    parts = []
    if scope.zone:
        parts.append(community.place(scope.zone, language) if community else scope.zone)
    if scope.hazard is not None:
        parts.append(HAZARDS[scope.hazard][0 if language == "zh" else 1])
    if scope.sensor:
        entry = community.sensor_of(scope.sensor) if community else None
        parts.append((entry.name.in_language(language) if entry else "") or scope.sensor)
    if scope.rule:
        parts.append(scope.rule)
    return ("、" if language == "zh" else ", ").join(parts)


def reminder_words(one: Withholding, community: Community, now: int) -> tuple[Name, Name]:
    """Return what its owner is reminded of, and what is to be done."""
    zh, en = (scope_words(one.scope, community, language) for language in ("zh", "en"))
    if not one.until:
        lasted_s = (now - one.begun_at) / 1000
        return (
            Name(f"{zh} 仍不通知", f"{en} is still withheld"),
            Name(
                f"已 {duration(lasted_s, 'zh')}，没有期限。原因：{one.reason}。还需要吗？",
                f"For {duration(lasted_s, 'en')}, without an end: {one.reason}. Still needed?",
            ),
        )
    left_s = max(one.until - now, 0) / 1000
    return (
        Name(f"{zh} 即将恢复通知", f"{en} will be heard again soon"),
        Name(
            f"还有 {duration(left_s, 'zh')}。原因：{one.reason}。未完成请延长。",
            f"In {duration(left_s, 'en')}: {one.reason}. Extend it if the work is not done.",
        ),
    )


def _decision(incident: Incident, names: Mapping[str, str]) -> DecisionView | None:
    decision = incident.decision
    if decision is None:
        return None
    zh, en = (
        f"{option_words(decision.option, language)}"
        f"{'（' if language == 'zh' else ' ('}{mandate_words(decision.mandate, language)}"
        f"{'）' if language == 'zh' else ')'}"
        for language in ("zh", "en")
    )
    return DecisionView(
        at=decision.at,
        by=names.get(decision.by, decision.by),
        option=decision.option,
        mandate=decision.mandate,
        words=Name(zh, en),
        evidence=decision.evidence,
        grade=decision.grade,
        note=decision.note,
    )


def _steps(incident: Incident, names: Mapping[str, str], now: int) -> tuple[StepView, ...]:
    began = incident.steps_from
    views = []
    for step in incident.steps:
        done = incident.done.get(step.id)
        at = done.at if done else now
        views.append(
            StepView(
                id=step.id,
                text=step.text,
                role=(done.role if done else "") or step.role,
                within_s=step.within_s,
                state="open" if done is None else "skipped" if done.skipped else "done",
                at=done.at if done else 0,
                by=names.get(done.by, done.by) if done else "",
                note=done.note if done else "",
                late=bool(step.within_s) and (at - began) / 1000 > step.within_s,
            )
        )
    return tuple(views)


def _on_site(incident: Incident, names: Mapping[str, str]) -> OnSiteView | None:
    seen = incident.on_site
    if seen is None:
        return None
    return OnSiteView(
        at=seen.at,
        by=names.get(seen.by, seen.by),
        safe=seen.safe,
        note=seen.note,
        early=seen.early,
    )


def _review(incident: Incident, names: Mapping[str, str]) -> SignedReview | None:
    review = incident.review
    if review is None:
        return None
    return SignedReview(
        at=review.at,
        by=names.get(review.by, review.by),
        text=review.text,
        nothing_to_learn=review.nothing_to_learn,
    )


def _chatter(incident: Incident) -> ChatterView | None:
    chatter = incident.chatter
    if chatter is None:
        return None
    return ChatterView(
        at=chatter.at,
        finding=chatter.finding,
        changes=chatter.changes,
        window_s=chatter.window_s,
        remedy=remedy(chatter),
    )
