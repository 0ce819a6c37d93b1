"""The phrases of the drill pages: key -> (Chinese, English). Data only."""

from __future__ import annotations

DRILL_PHRASES: dict[str, tuple[str, str]] = {
    "drills": ("演练", "Drills"),
    "drill_strip": ("演练 · 没有险情", "Drill · there is no danger"),
    "drill_running": ("正在演练", "A drill is running"),
    "drill_none": ("还没有演练", "No drill yet"),
    "drill_how": (
        "中枢上运行 safety-eye drill run 场景 --zone 区域。全程标注【演练】，真实警情立即中止它。",
        "On the hub: safety-eye drill run SCENARIO --zone ZONE. An actual incident ends it.",
    ),
    "drill_past": ("历次演练", "Past drills"),
    "drill_coverage": ("近一年覆盖", "Coverage, last 12 months"),
    "drill_calendar": ("演练计划", "Calendar"),
    "drill_no_calendar": ("尚未制定演练计划", "No calendar yet: nothing says how often"),
    "drill_hazards": ("按灾种", "By hazard"),
    "drill_watches": ("按班次", "By watch"),
    "drill_channels": ("按通道", "By channel"),
    "drill_abort": ("中止演练", "Break it off"),
    "drill_passed": ("通过", "passed"),
    "drill_failed": ("未通过", "not passed"),
    "drill_measure": ("指标", "What"),
    "drill_value": ("结果", "Result"),
    "drill_target": ("目标", "Aim"),
    "drill_reach": ("通知到谁", "Who was reached"),
    "drill_evidence": ("存证文件", "Files kept"),
    "drill_ago": ("{} 天前", "{} days ago"),
    "drill_never": ("从未", "never"),
    "drill_due": ("到期", "due"),
    "drill_missing": ("没有编号为 {} 的演练。", "There is no drill {}."),
}
