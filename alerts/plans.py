"""Which plan holds where, and what of it reaches people. Pure.

A plan holds for one hazard from one grade upward. For an incident the plan of exactly its grade is
looked for in its zone, then in the zone around it, up to the site; then the plan of the next lower
grade, in the same order. So a red incident gets the site's red plan rather than the garage's plan
for yellow: what is written for less danger never wins over what is written for this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from alerts.evidence import PlanStep
from alerts.guidance import NO_GUIDANCE, Advise, Guidance
from alerts.response import Plan, Response
from core.community import Community, Name
from core.configuration import parse_toml
from core.finding import Hazard
from core.grade import WARNING_GRADES, Grade

_TEMPLATE = Path(__file__).with_name("plan_template.toml")


# Steps that a message names: it is read in one look at three in the night; the page has the rest.
FIRST_STEPS = 1


@cache
def template() -> Response:
    """Return the general plans that are shipped. They are never counted as plans of a place."""
    return parse_toml(_TEMPLATE.read_text(encoding="utf-8"), Response, _TEMPLATE.name)


def plan_for(
    response: Response, community: Community, hazard: Hazard, grade: Grade, zone: str
) -> Plan | None:
    """Return the plan of this place for a hazard at a grade in a zone, or None."""
    by_place = {(plan.grade, plan.zone): plan for plan in response.plan if plan.hazard is hazard}
    for step in sorted((one for one in WARNING_GRADES if one <= grade), reverse=True):
        for place in zone_and_around(community, zone):
            if (found := by_place.get((step.word, place))) is not None:
                return found
    return None


def zone_and_around(community: Community, zone: str) -> Iterator[str]:
    """Yield a zone, the zones around it from the inside out, and "" for the whole site."""
    seen: set[str] = set()
    while zone and zone != community.site.id and zone not in seen:
        seen.add(zone)
        yield zone
        entry = community.zone_of(zone)
        zone = entry.parent if entry is not None else ""
    yield ""


def advise(response: Response, community: Community) -> Advise:
    """Return what messages ask: what the plan of a place says to do first, and to residents."""

    def advice(zone: str, hazard: Hazard, grade: Grade) -> Guidance:
        plan = plan_for(response, community, hazard, grade, zone)
        if plan is None:
            return NO_GUIDANCE
        steps = [step.text for step in plan.step[:FIRST_STEPS]]
        first = Name(
            zh="；".join(text.in_language("zh") for text in steps),
            en="; ".join(text.in_language("en") for text in steps),
        )
        # Below orange residents need not hear of it, whatever the plan would tell them.
        return Guidance(first, plan.public if grade >= Grade.ORANGE else Name())

    return advice


def steps_of(plan: Plan) -> tuple[PlanStep, ...]:
    """Return the steps as an incident takes them over."""
    return tuple(
        PlanStep(id=step.id, text=step.text, role=step.role, within_s=step.within_min * 60)
        for step in plan.step
    )


def named(plan: Plan) -> str:
    """Return how the journal names a plan: id and version."""
    return f"{plan.id} v{plan.version}"


def doors_of(response: Response, community: Community, zone: str) -> tuple[str, ...]:
    """Return the doors of a zone in walking order: as written, else numbered by its households.

    Nothing if nobody knows how many there are.
    """
    written = next((entry for entry in response.doors if entry.zone == zone), None)
    if written is not None and written.labels:
        return written.labels
    if written is not None:
        return tuple(
            f"{floor}{door:02}"
            for floor in range(written.first_floor, written.first_floor + written.floors)
            for door in range(1, written.per_floor + 1)
        )
    entry = community.zone_of(zone)
    return tuple(str(door + 1) for door in range((entry.households or 0) if entry else 0))


def needs_of(plan: Plan) -> dict[str, float]:
    """Return how much of each item a plan takes in all."""
    needed: dict[str, float] = {}
    for step in plan.step:
        for need in step.needs:
            needed[need.item] = needed.get(need.item, 0.0) + need.quantity
    return needed
