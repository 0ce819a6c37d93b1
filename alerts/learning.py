"""What people do once an incident is over: review, lessons, closing. Events, pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from alerts import stages
from alerts.applying import version_at_review
from alerts.cycle import NOTE_LENGTH, TEXT_LENGTH, clean, may
from alerts.cycle_wording import NEEDS
from alerts.evidence import Lesson, LessonState, Review, Stage
from alerts.incident import Event, Happening, Incident
from alerts.views import IncidentError

_MOST_LESSONS = 20


def sign_review(
    incident: Incident, who: str, text: str, now: int, *, nothing_to_learn: str = ""
) -> list[Event]:
    """Return that somebody signs the review.

    Raises:
        IncidentError: It is not under review, or the text is missing.
    """
    may(incident, Happening.REVIEWED)
    review = Review(
        at=now,
        by=who,
        text=clean(text, ("the review", "复盘"), TEXT_LENGTH),
        nothing_to_learn=clean(
            nothing_to_learn, ("why nothing", "为何没有教训"), NOTE_LENGTH, empty=True
        ),
    )
    return [Event(at=now, actor=who, what=Happening.REVIEWED, review=review)]


def write_lesson(
    incident: Incident, who: str, lesson: Lesson, now: int, versions: Mapping[str, str]
) -> list[Event]:
    """Return a new lesson, or a new version of one (its id is given).

    Args:
        incident: Under review.
        who: Who writes it.
        lesson: What they write.
        now: Run time (ms).
        versions: Of the files that are loaded, by name.

    Raises:
        IncidentError: It is not under review, no such lesson, or the change is missing.
    """
    may(incident, Happening.LESSON)
    if lesson.id and lesson.id not in incident.lessons:
        raise IncidentError(
            f"{lesson.id[:60]!r}: there is no such lesson; leave the id out",
            f"没有教训 {lesson.id[:60]!r}；新写一条请不要填编号",
        )
    if not lesson.id and len(incident.lessons) >= _MOST_LESSONS:
        raise IncidentError(
            f"at most {_MOST_LESSONS} lessons of one incident", f"最多 {_MOST_LESSONS} 条教训"
        )
    known = incident.lessons.get(lesson.id)
    written = Lesson(
        id=lesson.id or f"lesson-{len(incident.lessons) + 1}",
        version=known.version + 1 if known else 1,
        target=clean(lesson.target, ("target (what is to change)", "要改什么"), NOTE_LENGTH),
        change=clean(lesson.change, ("change", "怎么改"), TEXT_LENGTH),
        before=lesson.before[:200],
        after=lesson.after[:200],
        loaded=version_at_review(lesson.target, known, versions),
        backtest=clean(lesson.backtest, ("backtest", "回测结果"), TEXT_LENGTH, empty=True),
        no_backtest=clean(
            lesson.no_backtest, ("no_backtest", "无法回测的理由"), NOTE_LENGTH, empty=True
        ),
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
    may(incident, Happening.LESSON)
    lesson = incident.lessons.get(which)
    if lesson is None:
        raise IncidentError(f"{which[:60]!r}: there is no such lesson", f"没有教训 {which[:60]!r}")
    if lesson.by == who:
        raise IncidentError(
            f"{which}: somebody else than who wrote it must judge it", "须由另一人批准或驳回"
        )
    if approve and not (lesson.backtest or lesson.no_backtest):
        raise IncidentError(
            f"{which}: attach its back-test, or say why none is possible",
            "请附上回测结果，或写明为什么无法回测",
        )
    state = LessonState.APPROVED if approve else LessonState.REJECTED
    judged = msgspec.structs.replace(lesson, state=state, at=now, approver=who)
    return [Event(at=now, actor=who, what=Happening.LESSON, lesson=judged)]


def close(incident: Incident, who: str, now: int) -> list[Event]:
    """Return that the review is done and the incident closed.

    Raises:
        IncidentError: It is not under review, or evidence is missing; the message names it.
    """
    if incident.stage is not Stage.REVIEWING:
        may(incident, Happening.CLOSED)
        raise IncidentError(
            f"incident {incident.number} is not over: end it first", "事件还没有结束"
        )
    needs = stages.missing(incident)
    if needs:
        zh, en = ("、", 0), ("; ", 1)
        listed = [mark.join(NEEDS[need][index] for need in needs) for mark, index in (zh, en)]
        raise IncidentError(
            f"incident {incident.number} can't be closed yet. Missing: {listed[1]}",
            f"还不能关闭。缺少：{listed[0]}",
        )
    return [Event(at=now, actor=who, what=Happening.CLOSED, how="reviewed")]
