"""The plan of an incident put together for people: steps, who can be asked, what to take, doors."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence

from alerts.duty_store import Door
from alerts.incident import Incident
from alerts.people_views import PlanView, RollCallZone, StepView
from alerts.plans import doors_of, plan_for, template, zone_and_around
from alerts.register import Volunteer, takings, today, who_can
from alerts.response import Plan, Response, Step, Supply
from alerts.response_file import VOLUNTEER
from core.community import Community
from core.finding import Condition


def plan_view(
    incident: Incident,
    response: Response,
    community: Community,
    *,
    volunteers: Sequence[Volunteer],
    supplies: Sequence[Supply],
    doors: Sequence[Door],
    now: int,
) -> PlanView:
    """Return the plan that was put on an incident, or the general words where there is none."""
    plan = response.plan_of(incident.plan.partition(" ")[0]) if incident.plan else None
    if plan is None:
        return _general(incident, community)
    planned = {step.id: step for step in plan.step}
    zone = zoneinfo.ZoneInfo(community.site.timezone)
    places = tuple(zone_and_around(community, incident.zone))
    steps = []
    # The incident's own copy counts: the file may have changed since.
    for kept in incident.steps:
        step = planned.get(kept.id)
        ask = step is not None and step.role == VOLUNTEER and kept.id not in incident.done
        steps.append(
            StepView(
                id=kept.id,
                text=kept.text,
                role=kept.role,
                within_min=kept.within_s / 60,
                due_at=_due(incident, kept.within_s),
                needs=step.needs if step else (),
                skills=step.skills if step else (),
                done=incident.done.get(kept.id),
                ask=tuple(who_can(volunteers, step.skills, now, zone, places))
                if step is not None and ask
                else (),
            )
        )
    return PlanView(
        incident=incident.number,
        plan=plan.id,
        version=plan.version,
        name=plan.name,
        reason=plan.reason,
        steps=tuple(steps),
        public=plan.public,
        call=plan.call,
        take=tuple(takings(plan, supplies, today(now, community.site.timezone))),
        roll_call=tuple(_roll_call(plan, response, community, doors)),
    )


def _due(incident: Incident, within_s: float) -> int:
    """Return until when a step should be done, from when it was decided, or found."""
    if not within_s or incident.condition is Condition.CLEARED:
        return 0
    return incident.steps_from + round(within_s * 1000)


def _general(incident: Incident, community: Community) -> PlanView:
    plan = plan_for(template(), community, incident.hazard, incident.peak, incident.zone)
    if plan is None:
        return PlanView(incident=incident.number, generic=True)
    return PlanView(
        incident=incident.number,
        generic=True,
        steps=tuple(_step(step) for step in plan.step),
        public=plan.public,
    )


def _step(step: Step) -> StepView:
    return StepView(id=step.id, text=step.text, role=step.role, within_min=step.within_min)


def _roll_call(
    plan: Plan, response: Response, community: Community, doors: Sequence[Door]
) -> list[RollCallZone]:
    zones = []
    for zone in plan.roll_call:
        names = doors_of(response, community, zone)
        ticked = {door.door: door for door in doors if door.zone == zone}
        states = [door.state for door in ticked.values()]
        zones.append(
            RollCallZone(
                zone=zone,
                doors=names,
                per_floor=next((one.per_floor for one in response.doors if one.zone == zone), 0),
                ticked=ticked,
                found=states.count("found"),
                absent=states.count("absent"),
                needs_help=states.count("needs-help"),
                left=sum(name not in ticked for name in names),
            )
        )
    return zones


def roll_call_text(zone: str, states: Sequence[str]) -> str:
    """Return what a finished roll-call says in the journal, in both languages.

    >>> roll_call_text("tower-3", ["found", "found", "absent"])
    'tower-3：在 2，无人应 1，需帮助 0 / found 2, no answer 1, need help 0'
    """
    found, absent, helpless = (states.count(one) for one in ("found", "absent", "needs-help"))
    zh = f"在 {found}，无人应 {absent}，需帮助 {helpless}"
    return f"{zone}：{zh} / found {found}, no answer {absent}, need help {helpless}"
