"""What people do once an incident is over: review, lessons, closing. Events, pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from alerts import fitting, stages
from alerts.applying import applied, short, version_at_review
from alerts.backtest import BackTest
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


def attach(
    incident: Incident,
    which: str,
    who: str,
    test: BackTest,
    now: int,
    versions: Mapping[str, str],
) -> list[Event]:
    """Return that a back-test of the program is put on the newest version of a lesson.

    Args:
        incident: Under review.
        which: Id of the lesson.
        who: Who attaches it; the words stay those of their writer.
        test: Genuine (`alerts.backtest`).
        now: Run time (ms).
        versions: Of the files that are loaded, by name.

    Raises:
        IncidentError: It is not of this incident, of another file or version than the lesson, or
            there is nothing that it could be put on.
    """
    may(incident, Happening.LESSON)
    lesson = _known(incident, which)
    fitting.check(incident, lesson, test, versions.get(test.file, ""))
    revised = msgspec.structs.replace(
        lesson,
        version=lesson.version + 1,
        before=lesson.before or short(test.before),
        after=short(test.proposed),
        tested=test,
        at=now,
    )
    return [Event(at=now, actor=who, what=Happening.LESSON, lesson=revised)]


def note_applied(incident: Incident, versions: Mapping[str, str], now: int) -> list[Event]:
    """Return which approved lessons are found to be applied for the first time."""
    events = []
    for lesson in incident.lessons.values():
        how = applied(lesson, versions)
        if how is not None and how.applied and not lesson.applied_at:
            noted = msgspec.structs.replace(lesson, applied=how.loaded, applied_at=now)
            events.append(Event(at=now, what=Happening.LESSON, lesson=noted))
    return events


def judge_lesson(
    incident: Incident,
    which: str,
    who: str,
    now: int,
    *,
    approve: bool,
    version: int = 0,
    file: str = "",
) -> list[Event]:
    """Return that a second person approves or rejects the newest version of a lesson.

    Args:
        incident: Under review.
        which: Id of the lesson.
        who: Who judges it.
        now: Run time (ms).
        approve: Or reject.
        version: Version of the lesson that they have read; 0 if they don't say.
        file: Version (or SHA-256) of the file that they approve; "" if they don't say.

    Raises:
        IncidentError: No such lesson, it was written by the same person, its back-test (or why
            none is possible) is missing, or what they have read is not what would be signed.
    """
    may(incident, Happening.LESSON)
    lesson = _known(incident, which)
    fitting.check_read(lesson, version, file)
    if lesson.by == who:
        raise IncidentError(
            f"{which}: somebody else than who wrote it must judge it", "须由另一人批准或驳回"
        )
    if approve and lesson.tested is None and not lesson.no_backtest:
        raise IncidentError(
            f"{which}: the program has made no back-test of it: run `safety-eye backtest … "
            f"--lesson {incident.number}/{which}`, or write a new version that says why none is "
            "possible",
            f"程序还没有回测过它：请运行 safety-eye backtest … --lesson {incident.number}/{which}，"
            "或修订教训，写明为什么无法回测",
        )
    state = LessonState.APPROVED if approve else LessonState.REJECTED
    judged = msgspec.structs.replace(lesson, state=state, at=now, approver=who)
    return [Event(at=now, actor=who, what=Happening.LESSON, lesson=judged)]


def _known(incident: Incident, which: str) -> Lesson:
    lesson = incident.lessons.get(which)
    if lesson is None:
        raise IncidentError(f"{which[:60]!r}: there is no such lesson", f"没有教训 {which[:60]!r}")
    return lesson


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
