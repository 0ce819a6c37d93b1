"""Words of the cycle, Chinese and English: options, mandates, needs, and what the journal says."""

from __future__ import annotations

from alerts.applying import short
from alerts.evidence import Decision, Lesson, LessonState, Need, OnSite, StepDone
from alerts.incident import SYSTEM, Event

# What may be decided. An older journal may name another one; its slug is shown as it is.
OPTIONS = {
    "watch": ("加强监视，准备随时行动", "watch closely, be ready"),
    "check": ("派人到现场查看", "send somebody to look"),
    "act": ("按预案处置", "act as the plan says"),
    "close-off": ("封闭现场，禁止进入", "close the place off"),
    "evacuate": ("疏散人员", "get people out"),
    "stand-down": ("险情已过，不再行动", "it is over: stand down"),
    "false-alarm": ("误报", "false alarm"),
}
# What allows somebody to decide.
MANDATES = {
    "duty": ("值班职责", "duty post"),
    "plan": ("预案授权", "as the plan allows"),
    "leader": ("领导指示", "ordered by a leader"),
    "emergency": ("紧急处置权", "emergency: no time to ask"),
}
# What is decided at blue without a person; nobody can claim it.
BY_DEFAULT = "default-blue"
_BY_DEFAULT = ("蓝色预警默认", "the default at blue")
NEEDS = {
    Need.TAKEOVER: ("有人接手", "somebody takes it over"),
    Need.DECISION: ("作出决定", "a decision"),
    Need.STEPS: ("完成预案步骤", "the steps of the plan"),
    Need.CLEAR: ("读数恢复正常", "readings back to normal"),
    Need.SETTLED: ("读数平稳一段时间", "readings that stay normal for a while"),
    Need.ON_SITE: ("现场人员确认安全", "a person on site who says it is safe"),
    Need.REVIEW: ("签署复盘", "a signed review"),
    Need.LESSON: (
        "教训（已批准或驳回），或说明为何没有",
        "lessons, approved or rejected, or why there is none",
    ),
}
_LESSON_STATES = {
    LessonState.PROPOSED: ("提出", "proposed"),
    LessonState.APPROVED: ("批准", "approved"),
    LessonState.REJECTED: ("驳回", "rejected"),
}


def option_words(option: str, language: str) -> str:
    """Return an option for people.

    >>> option_words("watch", "en")
    'watch closely, be ready'
    """
    return _in(OPTIONS.get(option, (option, option)), language)


def mandate_words(mandate: str, language: str) -> str:
    """Return a mandate for people."""
    if mandate == BY_DEFAULT:
        return _in(_BY_DEFAULT, language)
    return _in(MANDATES.get(mandate, (mandate, mandate)), language)


def need_words(need: Need, language: str) -> str:
    """Return what is missing, for people."""
    return _in(NEEDS[need], language)


def cycle_words(event: Event, language: str) -> dict[str, str]:
    """Return the words that journal lines of the cycle are filled with."""
    return {
        "decision": _decision(event.decision, language) if event.decision else "",
        "step": _step(event.step, language) if event.step else "",
        "seen": _seen(event.on_site, language) if event.on_site else "",
        "lesson": _lesson(event, event.lesson, language) if event.lesson else "",
        "lacking": _lacking(event, language),
    }


def _in(words: tuple[str, str], language: str) -> str:
    return words[0 if language == "zh" else 1]


def _decision(decision: Decision, language: str) -> str:
    words = option_words(decision.option, language)
    mandate = mandate_words(decision.mandate, language)
    if language == "zh":
        return f"{words}（{mandate}）{_tail(decision.note, '：')}"
    return f"{words} ({mandate}){_tail(decision.note, ': ')}"


def _step(step: StepDone, language: str) -> str:
    if language == "zh":
        verb = "跳过" if step.skipped else "完成"
        return f"{step.by} {verb}步骤 {step.step}{_tail(step.note, '：')}"
    verb = "skipped" if step.skipped else "did"
    return f"{step.by} {verb} step {step.step}{_tail(step.note, ': ')}"


def _seen(on_site: OnSite, language: str) -> str:
    words = ("已安全", "safe") if on_site.safe else ("仍有危险", "STILL DANGEROUS")
    return _in(words, language) + _tail(on_site.note, "：" if language == "zh" else ": ")


def _lesson(event: Event, lesson: Lesson, language: str) -> str:
    zh, test = language == "zh", lesson.tested
    what = f"{lesson.id} 第 {lesson.version} 版" if zh else f"{lesson.id} version {lesson.version}"
    if event.actor == SYSTEM:
        words = "已落实，载入的文件版本" if zh else "is applied: the file is version"
        return f"{what} {words} {lesson.applied}"
    tail = ""
    if test is not None:
        changed = f"{test.file} {short(test.before)} → {short(test.proposed)}"
        tail = f"，回测过 {changed}" if zh else f", back-tested: {changed}"
    proposed = lesson.state is LessonState.PROPOSED
    if proposed and test is not None:
        return f"{event.actor} {'附上回测' if zh else 'attached a back-test to'} {what}{tail}"
    state, who = _in(_LESSON_STATES[lesson.state], language), lesson.approver or lesson.by
    return f"{who} {state} {what}{f'（{lesson.target}）' if zh else f' ({lesson.target})'}{tail}"


def _lacking(event: Event, language: str) -> str:
    """Return why a person ended it, and what was missing then."""
    zh = language == "zh"
    text = _tail(event.detail, "：" if zh else ": ")
    if not event.missing:
        return text
    listed = ("、" if zh else "; ").join(need_words(Need(need), language) for need in event.missing)
    return f"{text}。缺少：{listed}" if zh else f"{text}. Lacking: {listed}"


def _tail(note: str, mark: str) -> str:
    return f"{mark}{note}" if note else ""
