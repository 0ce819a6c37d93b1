"""What the lint of plans says, in Chinese and English: rule -> what is wrong and what to do."""

from __future__ import annotations

from core.community import Name

LINT_TEXTS: dict[str, tuple[str, str]] = {
    "copied": (
        "{share} 与通用模板相同：写明本地的地点、人和物",
        "{share} of it is the general template: say which place, who, with what",
    ),
    "placeholder": ("“{left}”还没有填写", "{left!r} was never filled in"),
    "no-public-words": ("没有对居民的措辞", "there are no words for residents"),
    "one-language": ("缺少 {missing}", "{missing} is missing"),
    "no-owner": ("无人负责：写明角色 role", "nobody owns it: give its role"),
    "no-role": (
        "没有任何联系人担任，步骤无人执行：{steps}",
        "no contact has this role, so nobody does {steps}",
    ),
    "unowned": (
        "今后 {days} 天有 {hours} 小时无人值班，最早 {first}；步骤：{steps}",
        "nobody on the roster for {hours} h of the next {days} days, first {first}; steps: {steps}",
    ),
    "no-volunteer": (
        "登记册中没有同意参与且具备技能（{skills}）的志愿者",
        "no volunteer in the register has agreed and can do this ({skills})",
    ),
    "no-plan": ("{zh}没有预案：{grades_zh}", "no plan for {en}: {grades_en}"),
    "residents": (
        "红色时没有人通知居民（{zh}）：红色阶梯第 0 秒写 roles = ['resident']，或预案写 roll_call",
        (
            "nobody tells residents at red ({en}): the red ladder needs roles = ['resident'] at"
            " 0 s, or the plan a roll_call"
        ),
    ),
    "plan-reason": ("没有本地理由：为什么这里这样做", "no local reason: why like this here"),
    "limit-reason": ("没有本地理由：为什么这里是这个数", "no local reason: why this number here"),
    "no-steps": ("没有步骤", "it has no steps"),
    "no-calls": ("没有写明打电话给谁", "it names nobody to call"),
    "never-reviewed": ("从未复核", "was never reviewed"),
    "review-overdue": ("上次复核 {day}，已超过一年", "last reviewed on {day}, over a year ago"),
    "no-duty": (
        "没有联系人担任 duty：所有人会收到一切通知",
        "no contact has the role duty: everybody is told everything",
    ),
    "no-channel": ("没有任何通道：通知不到", "has no channel: can't be told anything"),
    "unreachable": (
        "通道均未在 hub.toml 配置：{missing}",
        "none of its channels is in hub.toml: {missing}",
    ),
    "channel": ("通道未在 hub.toml 配置：{missing}", "not in hub.toml: {missing}"),
    "no-phone": ("没有电话", "has no telephone number"),
    "expired": ("已于 {day} 过期", "expired on {day}"),
    "short": (
        "需要 {needed}，可用的只有 {there}",
        "{needed} are needed, but only {there} can be used",
    ),
    "households": (
        "要逐户敲门，但不知道有多少户：补上 households",
        "its doors are to be knocked on, but nobody knows how many: give households",
    ),
}


def lint_text(rule: str, **values: object) -> Name:
    """Return what a rule says in both languages."""
    zh, en = LINT_TEXTS[rule]
    return Name(zh=zh.format(**values), en=en.format(**values))
