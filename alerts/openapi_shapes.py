"""What each route of alerts takes and answers where msgspec, not pydantic, reads and writes it."""

from __future__ import annotations

from typing import Any

from alerts.act_store import KeptAct
from alerts.cap.upstream import Standing, Taken
from alerts.cycle_api import BackTestBody
from alerts.cycle_views import CycleView, LessonView, Preview, WithholdingView
from alerts.delivery_views import ChannelView
from alerts.drill import Drill, DrillPlan
from alerts.drills_api import ClockAnswer, CoverageAnswer, DrillAnswer
from alerts.duty_store import HandOver
from alerts.kpi import Kpis
from alerts.people_views import DutyView, PlanView, RollCallZone
from alerts.plan_lint import LintFinding
from alerts.privacy import Statement
from alerts.problems import MEDIA_TYPE as PROBLEM_TYPE
from alerts.problems import Problem
from alerts.program import Readiness
from alerts.register import Volunteer
from alerts.register_store import Taken as Registered
from alerts.report_api import ReportBody
from alerts.report_store import Report
from alerts.resilience import Part
from alerts.response import Plan, Supply
from alerts.rollup import AreaView
from alerts.views import IncidentView, JournalView, OutboxView
from core.finding import ZoneGrade

_JSON = "application/json"
_INCIDENT = "/api/v1/incidents/{number}"

# Path, verb, status, and what is answered. An application without the path leaves it out.
ANSWERS: tuple[tuple[str, str, int, Any], ...] = (
    ("/api/v1/incidents", "get", 200, list[IncidentView]),
    (_INCIDENT, "get", 200, IncidentView),
    (f"{_INCIDENT}/journal", "get", 200, list[JournalView]),
    (f"{_INCIDENT}/acknowledge", "post", 200, IncidentView),
    ("/api/v1/grades", "get", 200, list[ZoneGrade]),
    ("/api/v1/outbox", "get", 200, OutboxView),
    ("/api/v1/acts", "get", 200, list[KeptAct]),
    ("/api/v1/areas", "get", 200, list[AreaView]),
    ("/api/v1/lessons", "get", 200, list[LessonView]),
    ("/api/v1/cycle/options", "get", 200, dict[str, dict[str, tuple[str, str]]]),
    (f"{_INCIDENT}/cycle", "get", 200, CycleView),
    (f"{_INCIDENT}/decide", "post", 200, CycleView),
    (f"{_INCIDENT}/steps/{{step}}", "post", 200, CycleView),
    (f"{_INCIDENT}/on-site", "post", 200, CycleView),
    (f"{_INCIDENT}/notes", "post", 200, CycleView),
    (f"{_INCIDENT}/end", "post", 200, CycleView),
    (f"{_INCIDENT}/review", "post", 200, CycleView),
    (f"{_INCIDENT}/lessons", "post", 200, CycleView),
    (f"{_INCIDENT}/lessons/{{lesson}}/backtest", "post", 200, CycleView),
    (f"{_INCIDENT}/lessons/{{lesson}}/verdict", "post", 200, CycleView),
    (f"{_INCIDENT}/close", "post", 200, CycleView),
    ("/api/v1/withholdings", "get", 200, list[WithholdingView]),
    ("/api/v1/withholdings", "post", 201, WithholdingView),
    ("/api/v1/withholdings/preview", "post", 200, Preview),
    ("/api/v1/withholdings/{number}/extend", "post", 200, WithholdingView),
    ("/api/v1/withholdings/{number}/release", "post", 200, WithholdingView),
    ("/api/v1/plans", "get", 200, list[Plan]),
    ("/api/v1/plans/lint", "get", 200, list[LintFinding]),
    (f"{_INCIDENT}/plan", "get", 200, PlanView),
    (f"{_INCIDENT}/roll-call", "post", 200, list[RollCallZone]),
    ("/api/v1/roster", "get", 200, DutyView),
    ("/api/v1/roster/absences", "post", 200, DutyView),
    ("/api/v1/hand-overs", "get", 200, list[HandOver]),
    ("/api/v1/hand-overs", "post", 200, HandOver),
    ("/api/v1/hand-overs/{number}/acknowledge", "post", 200, HandOver),
    ("/api/v1/volunteers", "get", 200, list[Volunteer]),
    ("/api/v1/volunteers", "post", 200, Registered),
    ("/api/v1/supplies", "get", 200, list[Supply]),
    ("/api/v1/supplies/{name}/count", "post", 200, Supply),
    ("/api/v1/registers", "post", 200, Registered),
    ("/api/v1/reports", "post", 202, dict[str, str]),
    ("/api/v1/reports", "get", 200, list[Report]),
    ("/api/v1/reports/{number}/confirm", "post", 200, Report),
    ("/api/v1/reports/{number}/dismiss", "post", 200, Report),
    ("/api/v1/reports/{number}/end", "post", 200, Report),
    ("/api/v1/drills", "get", 200, list[Drill]),
    ("/api/v1/drills", "post", 201, DrillAnswer),
    ("/api/v1/drills/coverage", "get", 200, CoverageAnswer),
    ("/api/v1/drills/clock", "get", 200, ClockAnswer),
    ("/api/v1/drills/{name}", "get", 200, DrillAnswer),
    ("/api/v1/drills/{name}/abort", "post", 200, DrillAnswer),
    ("/api/v1/drills/{name}/evidence", "post", 200, DrillAnswer),
    ("/api/v1/drills/{name}/begin", "post", 200, DrillAnswer),
    ("/api/v1/drills/{name}/beat", "post", 200, DrillAnswer),
    ("/api/v1/drills/{name}/finish", "post", 200, DrillAnswer),
    ("/api/v1/channels", "get", 200, list[ChannelView]),
    ("/api/v1/cap", "post", 200, Taken),
    ("/api/v1/cap/upstream", "get", 200, list[Standing]),
    ("/api/v1/cap/incidents/{number}", "get", 200, list[dict[str, str | int]]),
    ("/api/v1/hooks/{name}", "post", 200, dict[str, int]),
    ("/api/v1/kpis", "get", 200, Kpis),
    ("/api/v1/resilience", "get", 200, list[Part]),
    ("/api/v1/persons", "get", 200, list[dict[str, Any]]),
    ("/api/v1/persons/{person}", "get", 200, dict[str, Any]),
    ("/api/v1/persons/{person}", "delete", 200, Statement),
    ("/health/ready", "get", 200, Readiness),
    ("/health/ready", "get", 503, Readiness),
)

# What is taken raw: path, media types, and its shape if it is JSON of ours.
BODIES: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("/api/v1/reports", (_JSON,), ReportBody),
    ("/api/v1/drills", (_JSON,), DrillPlan),
    (f"{_INCIDENT}/lessons/{{lesson}}/backtest", (_JSON,), BackTestBody),
    ("/api/v1/hooks/{name}", (_JSON,), dict[str, Any]),
    ("/api/v1/cap", ("application/cap+xml", "application/xml"), str),
    ("/api/v1/registers", ("text/csv", "application/toml"), str),
    ("/api/v1/voice/{channel}/{path}", ("application/x-www-form-urlencoded",), dict[str, str]),
)

# What is answered, and is no JSON.
TEXTS: tuple[tuple[str, str, int, str], ...] = (
    ("/api/v1/cap/feed.atom", "get", 200, "application/atom+xml"),
    ("/api/v1/cap/{identifier}.xml", "get", 200, "application/cap+xml"),
    ("/api/v1/cap", "post", 422, "application/cap+xml"),
    ("/api/v1/voice/{channel}/{path}", "post", 200, "text/xml"),
    ("/api/v1/events", "get", 200, "text/event-stream"),
    ("/metrics", "get", 200, "text/plain"),
)

# What is refused, beyond what follows from the kind of a route (`alerts.openapi`).
REFUSALS: dict[tuple[str, str], tuple[int, ...]] = {
    ("/api/v1/session", "post"): (401,),
    ("/api/v1/roster/absences", "post"): (404,),
    ("/api/v1/reports", "post"): (403, 404, 409, 429),
    ("/api/v1/cap", "post"): (429,),
    ("/api/v1/hooks/{name}", "post"): (401, 409, 429),
    ("/api/v1/voice/{channel}/{path}", "post"): (403,),
}

__all__ = ["ANSWERS", "BODIES", "PROBLEM_TYPE", "REFUSALS", "TEXTS", "Problem"]
