"""Local acts in words, zh-CN and English: which station switched what, why, and was it heard."""

from __future__ import annotations

from core.act import ActEvent, LocalAct, Why
from core.grade import Grade
from core.quantity import FACTS, Quantity
from core.wording import QUANTITIES, grade_words, measure

_EVENTS: dict[ActEvent, tuple[str, str]] = {
    ActEvent.ON: ("开启 {output}", "switched {output} on"),
    ActEvent.OFF: ("关闭 {output}", "switched {output} off"),
    ActEvent.HEARD: ("{output} 已由回馈确认动作", "{output} is confirmed by its feedback"),
    ActEvent.NOT_HEARD: (
        "{output} 已开启，但回馈没有确认，可能没有动作",
        "{output} is on, but its feedback does not confirm it: it may not work",
    ),
    ActEvent.STUCK: (
        "{output} 已关闭，回馈却仍显示动作：回馈不可信",
        "{output} is off and its feedback still says on: the feedback proves nothing",
    ),
    ActEvent.FAILED: ("{output} 不听指令，正在重试", "{output} does not obey, tried again"),
    ActEvent.WORKS: ("{output} 恢复正常", "{output} obeys again"),
    ActEvent.WITHHELD: ("没有开启 {output}", "did NOT switch {output} on"),
    ActEvent.SILENCED: ("{output} 被人工消音", "{output} was silenced by a person"),
    ActEvent.ANSWER: ("执行了指令", "carried out a command"),
}
_WHY: dict[Why, tuple[str, str]] = {
    Why.LIMIT: ("本地越限", "a local limit was crossed"),
    Why.HUB_SILENT: ("预警期间中心失去联系", "the hub fell silent during its own warning"),
    Why.TEST: ("测试", "test"),
    Why.ORDERED: ("人工指令", "ordered by a person"),
    Why.OVER: ("起因已消除", "what demanded it was over"),
    Why.MAX_RUN: ("达到最长运行时间", "it had run for its longest time"),
    Why.SILENCED: ("人工消音", "silenced by a person"),
    Why.STOPPED: ("站点程序被停止", "the station was stopped"),
    Why.KILLED: (
        "站点程序意外中断，最迟此时已关闭",
        "the station was killed; it was off by then at the latest",
    ),
    Why.MANDATE_EXPIRED: ("授权已过期", "its mandate has expired"),
    Why.MANDATE_MISSING: ("授权尚未生效", "it has no valid mandate"),
}


def act_sentence(act: LocalAct, station: str, language: str) -> str:
    """Return one act as a sentence, without its time.

    >>> on = LocalAct(id="b-1", boot="b", at=0, output="siren", event=ActEvent.ON, alone=True)
    >>> act_sentence(on, "north-1", "en")
    'north-1 switched siren on (a local limit was crossed; the hub could not be reached)'
    """
    index = 0 if language == "zh" else 1
    text = _EVENTS[act.event][index].format(output=act.output)
    reasons = [_why(act, language)] if act.event not in _PLAIN else []
    if act.event is ActEvent.ON and act.alone:
        reasons.append("中心失联" if index == 0 else "the hub could not be reached")
    if act.event is ActEvent.OFF:
        reasons.append(heard_words(act.sounded, language))
    if act.by and act.event is not ActEvent.OFF:
        reasons.append(act.by)
    if act.detail:
        reasons.append(act.detail)
    gap = "" if index == 0 else " "
    text = f"{station} {text}"
    if not reasons:
        return text
    joined = ("；" if index == 0 else "; ").join(reasons)
    return f"{text}（{joined}）" if index == 0 else f"{text}{gap}({joined})"


def act_end(act: LocalAct, language: str) -> str:
    """Return how a run ended: why, and whether it was heard."""
    why, heard = why_words(act.why, language), heard_words(act.sounded, language)
    return f"已关闭：{why}；{heard}" if language == "zh" else f"off: {why}; {heard}"


# What needs no reason: it is one.
_PLAIN = frozenset(
    {
        ActEvent.HEARD, ActEvent.NOT_HEARD, ActEvent.STUCK, ActEvent.FAILED, ActEvent.WORKS,
        ActEvent.SILENCED,
    }
)  # fmt: skip


def why_words(why: str, language: str) -> str:
    """Return a reason in words; the slug itself where it is not known."""
    return _WHY[Why(why)][0 if language == "zh" else 1] if why in {*Why} else why


def heard_words(sounded: bool | None, language: str) -> str:
    """Return what the feedback says of a run.

    >>> heard_words(None, "en")
    'whether it worked is not known: no feedback'
    """
    zh = language == "zh"
    if sounded is None:
        return "是否真正动作未知：无回馈" if zh else "whether it worked is not known: no feedback"
    if sounded:
        return "回馈确认已动作" if zh else "its feedback confirms that it worked"
    return "回馈没有确认动作" if zh else "NOT confirmed: it may not have worked"


def _why(act: LocalAct, language: str) -> str:
    if act.why is not Why.LIMIT or act.value is None or act.quantity not in {*Quantity}:
        return why_words(act.why, language)
    quantity = Quantity(act.quantity)
    unit = act.unit or FACTS[quantity].unit
    name = QUANTITIES[quantity][0 if language == "zh" else 1]
    text = f"{name} {measure(act.value, unit, language)}"
    if act.grade > Grade.GREEN and act.limit is not None:
        limit = measure(act.limit, unit, language)
        grade = grade_words(act.grade, language)
        text += f"，{grade}线 {limit}" if language == "zh" else f", {grade} limit {limit}"
    return text
