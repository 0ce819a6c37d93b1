"""Whether a back-test and a signature fit the lesson that they are put on. Pure.

What does not fit is refused in words: a lesson must not be approved on the strength of a test of
another file, of another night, or of a version that nobody has read.
"""

from __future__ import annotations

from alerts.applying import file_of, is_version, named_version, short
from alerts.backtest import PLANS_FILE, PROFILE_FILE, BackTest
from alerts.evidence import Lesson, LessonState
from alerts.incident import Incident
from alerts.views import IncidentError

_FILES = {PROFILE_FILE: "", PLANS_FILE: ""}


def check(incident: Incident, lesson: Lesson, test: BackTest, loaded: str) -> None:
    """Check that a back-test is one of this lesson.

    Args:
        incident: Which taught it.
        lesson: Its newest version.
        test: Genuine.
        loaded: Version of the file that the hub has loaded now; "" if it does not know.

    Raises:
        IncidentError: It is not.
    """
    _judged_already(lesson, test)
    if test.incident != incident.number:
        raise IncidentError(
            f"the back-test is of incident {test.incident}, not of {incident.number}",
            f"这份回测属于事件 {test.incident}，不是事件 {incident.number}",
        )
    if file_of(lesson.target, _FILES) != test.file:
        raise IncidentError(
            f"the back-test is of {test.file}; {lesson.id} changes {lesson.target[:80]!r}",
            f"这份回测针对 {test.file}，而{lesson.id}要改的是“{lesson.target[:80]}”",
        )
    if test.before == test.proposed:
        raise IncidentError(
            "the proposed file is the very one that it was compared with",
            "建议的文件与对比的文件完全相同",
        )
    if (named := named_version(lesson)) and named != short(test.proposed) and not lesson.tested:
        raise _other("lesson", lesson, named, test)
    _compared_with(lesson, test, loaded)
    if test.replay is not None:
        _contains(incident, test)


def check_read(lesson: Lesson, version: int, file: str) -> None:
    """Check that what somebody has read, and which file they mean, is what they would sign.

    Raises:
        IncidentError: The lesson has changed since, or the back-test is of another file.
    """
    if version and version != lesson.version:
        raise IncidentError(
            f"{lesson.id} is at version {lesson.version} now; you have read version {version}: "
            "read it again",
            f"{lesson.id} 现为第 {lesson.version} 版，您看到的是第 {version} 版：请重新阅读",
        )
    if not file:
        return
    named = named_version(lesson)
    if not is_version(file) or short(file) != named:
        tested = named or "–"
        raise IncidentError(
            f"{lesson.id}: you approve version {file[:70]} of the file, but what was back-tested "
            f"(or named) is {tested}: test the file that is to be approved",
            f"{lesson.id}：您批准的文件版本是 {file[:70]}，回测或写明的版本是 {tested}："
            "请回测要批准的那个文件",
        )


def _judged_already(lesson: Lesson, test: BackTest) -> None:
    if lesson.state is LessonState.PROPOSED:
        return
    named = named_version(lesson)
    if lesson.state is LessonState.APPROVED and named and named != short(test.proposed):
        raise _other("approval", lesson, named, test)
    raise IncidentError(
        f"{lesson.id} was {lesson.state} already: write a new version of it, then attach the "
        "back-test",
        f"{lesson.id} 已经批准或驳回：请先修订教训，再附上回测",
    )


def _other(what: str, lesson: Lesson, named: str, test: BackTest) -> IncidentError:
    zh = "批准的" if what == "approval" else "写明的"
    return IncidentError(
        f"the back-test is of version {short(test.proposed)} of {test.file}; the {what} of "
        f"{lesson.id} is for version {named}",
        f"这份回测针对 {test.file} 的版本 {short(test.proposed)}；{lesson.id} {zh}版本是 {named}",
    )


def _compared_with(lesson: Lesson, test: BackTest, loaded: str) -> None:
    """The file before must be one that was in use, or the test flatters the proposed one."""
    before, in_use = short(test.before), [one for one in (lesson.loaded, loaded) if one]
    # What was changed in the night and reviewed in the morning is loaded already.
    if in_use and before not in in_use and short(test.proposed) not in in_use:
        listed = ", ".join(dict.fromkeys(in_use))
        raise IncidentError(
            f"the back-test compares with version {before} of {test.file}; what the hub had loaded "
            f"at the review, or has now, is {listed}: compare with the file in use",
            f"这份回测对比的是 {test.file} 的版本 {before}；复盘时或现在系统载入的是 {listed}："
            "请与现用文件对比",
        )


def _contains(incident: Incident, test: BackTest) -> None:
    replay = test.replay
    assert replay is not None
    if not replay.start <= incident.opened_at < replay.end:
        raise IncidentError(
            f"the back-test does not contain incident {incident.number}, which it is to learn from",
            f"回测的时段不包含事件 {incident.number}",
        )
    if not replay.readings:
        raise IncidentError(
            "nothing was replayed: there are no readings in that stretch",
            "没有回放任何读数：该时段没有历史数据",
        )
