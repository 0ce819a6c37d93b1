"""What the journal says to people, in both languages: one line for each kind of event. Pure."""

from __future__ import annotations

from alerts.cycle_wording import cycle_words
from alerts.incident import Event, Happening
from core.act_wording import act_sentence
from core.community import Name
from core.grade import Grade
from core.wording import duration, grade_words


def journal_text(event: Event) -> Name:
    """Return what a journal entry says to people; ids only, no names."""
    grade = event.judgement.grade if event.judgement else event.grade
    headline = event.judgement.headline if event.judgement else Name()
    return Name(
        zh=_journal_line(event, grade, headline, "zh"),
        en=_journal_line(event, grade, headline, "en"),
    )


_JOURNAL = {
    Happening.OPENED: ("发现险情，{grade}。{headline}", "opened at {grade}. {headline}"),
    Happening.RAISED: ("升级为{grade}。{headline}", "rose to {grade}. {headline}"),
    Happening.LOWERED: ("降为{grade}", "fell to {grade}"),
    Happening.UNKNOWN: (
        "数据中断，现状未知，保持{grade}，不等于安全",
        "present state unknown, held at {grade}; this is not all clear",
    ),
    Happening.KNOWN: ("数据恢复，{grade}。{headline}", "known again, {grade}. {headline}"),
    Happening.CLEARED: ("已恢复正常", "back to normal"),
    Happening.EVIDENCE: ("依据变化，{grade}。{headline}", "other evidence, {grade}. {headline}"),
    Happening.VOIDED: (
        "已升为{grade}，{contact} 的接手失效，须重新接手",
        "rose to {grade}: taken over by {contact} no longer counts",
    ),
    Happening.ACKNOWLEDGED: (
        "{actor} 已接手（{grade}，{how}）",
        "{actor} took over ({grade}, {how})",
    ),
    Happening.ANNOUNCED: (
        "第 {seq} 次通知（{kind}，{grade}）",
        "announcement {seq} ({kind}, {grade})",
    ),
    Happening.TOLD: (
        "已送达通道 {channel}：{contact}（{grade}）",
        "{channel} accepted the message to {contact} ({grade})",
    ),
    Happening.UNDELIVERED: (
        "未能通知 {contact}（{channel}）：{detail}",
        "{contact} was not told over {channel}: {detail}",
    ),
    Happening.ESCALATED: (
        "无人接手，升级呼叫（第 {rung} 步）",
        "nobody has taken it over: escalated (step {rung})",
    ),
    Happening.REMINDED: (
        "询问 {contact} 是否仍在处理",
        "{contact} was asked: still on it?",
    ),
    Happening.LAPSED: (
        "{contact} 未答复，接手失效，重新呼叫",
        "{contact} did not answer: nobody has it any more, people are called again",
    ),
    Happening.RESUMED: (
        "自检发现升级呼叫停滞，已恢复：{detail}",
        "the audit found the escalation stuck and set it going again: {detail}",
    ),
    Happening.HELD: (
        "暂不通知 {contact}（{channel}）：{detail}",
        "{contact} is not told now over {channel}: {detail}",
    ),
    Happening.ACTED: ("{ago}{act}", "{ago}{act}"),
    Happening.HIDDEN: (
        "部分或全部依据暂停通知（{about}），过程照常记录",
        "some or all of what holds it is withheld ({about}); it goes on being recorded",
    ),
    Happening.SHOWN: ("暂停通知已结束，重新判断", "nothing is withheld any more; judged again"),
    Happening.CHATTERING: ("反复报警（抖动）", "it chatters: comes and goes too fast"),
    Happening.DECIDED: ("{actor} 决定：{decision}", "{actor} decided: {decision}"),
    Happening.PLANNED: ("启用预案 {plan}，共 {steps} 步", "plan {plan} put on it, {steps} steps"),
    Happening.STEP_DONE: ("{step}", "{step}"),
    Happening.LOOKED: ("{actor} 现场查看：{seen}", "{actor} on site: {seen}"),
    Happening.REPORTED: (
        "居民上报 R{report}，待核实",
        "a resident's report R{report}, to be looked at",
    ),
    Happening.NOTED: ("{actor} 记录：{detail}", "{actor} noted: {detail}"),
    Happening.ENDED: (
        "处置结束（{how}），进入复盘{lacking}",
        "over ({how}), to be reviewed{lacking}",
    ),
    Happening.REVIEWED: ("{actor} 签署复盘", "{actor} signed the review"),
    Happening.LESSON: ("{lesson}", "{lesson}"),
    Happening.DRILL_ENDED: ("演练{how}，本条关闭", "the drill {how}; closed with it"),
    Happening.CLOSED: ("关闭（{how}）{lacking}", "closed ({how}){lacking}"),
    Happening.WITHHELD: ("{actor} 暂停通知（{about}）", "{actor} withheld ({about})"),
    Happening.EXTENDED: ("{actor} 延长 {about}", "{actor} extended {about}"),
    Happening.ENDING: ("提醒 {contact}：{about}", "{contact} was reminded of {about}"),
    Happening.RELEASED: ("{about} 结束（{how}）", "{about} ended ({how})"),
}
_WORDS = {
    "system": ("系统", "the system"),
    "settled": ("已平稳", "settled"),
    "unattended": ("始终无人接手", "by itself: nobody ever took it over"),
    "verified": ("读数与现场均已核实", "verified by readings and on site"),
    "by-hand": ("人工结束", "by hand"),
    "reviewed": ("复盘完成", "reviewed"),
    "expired": ("到期", "its time was over"),
    "finished": ("结束", "is over"),
    "aborted": ("中止", "was broken off"),
    "drill-end": ("演练结束", "end of the drill"),
    "alert": ("警报", "alert"),
    "update": ("更新", "update"),
    "clear": ("解除", "all clear"),
    "console": ("控制台", "console"),
    "decision": ("作出决定", "by deciding"),
    "api": ("接口", "API"),
    "link": ("链接", "link"),
    "sms": ("短信回复", "SMS reply"),
    "voice": ("电话按键", "key of a phone call"),
    "escalation": ("升级呼叫", "escalation"),
    "reminder": ("确认询问", "reminder"),
    "digest": ("汇总", "digest"),
    "test": ("通道测试", "channel test"),
}


def spoken(text: str, language: str) -> str:
    """Return the word for how something was done or ended; what has none stays as it is.

    >>> spoken("sms", "zh"), spoken("duty-webhook", "zh")
    ('短信回复', 'duty-webhook')
    """
    return _WORDS[text][0 if language == "zh" else 1] if text in _WORDS else text


def _journal_line(event: Event, grade: Grade | None, headline: Name, language: str) -> str:
    index = 0 if language == "zh" else 1

    def word(text: str) -> str:
        return spoken(text, language)

    return (
        _JOURNAL[event.what][index]
        .format(
            grade=grade_words(grade, language) if grade is not None else "",
            headline=headline.in_language(language),
            actor=word(event.actor),
            contact=event.contact,
            channel=event.channel,
            how=word(event.how),
            kind=word(event.kind or ""),
            seq=event.seq,
            rung=event.rung + 1,
            detail=event.detail,
            report=event.report,
            act=act_sentence(event.act, event.station, language) if event.act else "",
            ago=_ago(event, language),
            plan=event.plan,
            steps=len(event.steps),
            about=event.about,
            **cycle_words(event, language),
        )
        .strip()
    )


def _ago(event: Event, language: str) -> str:
    """Return how long before its entry an act was; what is told at once needs no such words."""
    if event.act is None:
        return ""
    passed_s = (event.at - event.act.at) / 1000
    zh = language == "zh"
    if not event.act.sync:
        return "更早（时间不详）：" if zh else "earlier, at an unknown time: "
    if passed_s < _TOLD_AT_ONCE_S:
        return ""
    text = duration(passed_s, language)
    return f"{text}前：" if zh else f"{text} before: "


# An act that was told within this time was told when it happened.
_TOLD_AT_ONCE_S = 60.0
