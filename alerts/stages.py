"""The stages of an incident, and what each needs to be left. Pure; follows from the evidence alone.

    warned -> deciding -> acting -> recovering -> reviewing -> closed

How much is asked for depends on the highest grade that people were told:

* blue: taking it over is enough, a default decision is written down (watch it); it recovers when
  readings clear, and closes by itself;
* yellow: a decision is asked for; it still closes by itself after readings have cleared, and the
  journal says what was missing;
* orange and red: decision, every step of the plan, readings *and* a person on site, a signed
  review, and a lesson or the reason why there is none. Nothing closes it without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.evidence import LessonState, Need, Stage
from core.finding import Condition
from core.grade import Grade

if TYPE_CHECKING:
    from alerts.incident import Incident


def in_full(incident: Incident) -> bool:
    """Tell whether the whole cycle is asked for: orange or red was announced.

    What was withheld all the time (a test of a sensor out of service) alarmed nobody.
    """
    return incident.told_peak >= Grade.ORANGE


def stage_of(incident: Incident) -> Stage:
    """Return how far people are."""
    if incident.closed_at:
        return Stage.CLOSED
    if incident.over_at:
        return Stage.REVIEWING
    cleared = incident.condition is Condition.CLEARED
    acted = incident.decision is not None and not steps_left(incident)
    if cleared and (acted or not in_full(incident)):
        return Stage.RECOVERING
    if not incident.acknowledged:
        return Stage.WARNED
    return Stage.DECIDING if incident.decision is None else Stage.ACTING


def steps_left(incident: Incident) -> tuple[str, ...]:
    """Return the ids of the plan's steps that are neither done nor skipped."""
    return tuple(step.id for step in incident.steps if step.id not in incident.done)


def missing(incident: Incident, *, settled: bool = False) -> tuple[Need, ...]:
    """Return what is missing before the present stage can be left.

    Args:
        incident: The incident.
        settled: True if it has been cleared for long enough.
    """
    if incident.stage is Stage.WARNED:
        return (Need.TAKEOVER,)
    if incident.stage is Stage.DECIDING:
        return (Need.DECISION,)
    if incident.stage is Stage.CLOSED:
        return ()
    needs = []
    if incident.decision is None and in_full(incident):
        needs.append(Need.DECISION)
    if steps_left(incident) and (in_full(incident) or incident.stage is Stage.ACTING):
        needs.append(Need.STEPS)
    if incident.stage is Stage.ACTING and incident.condition is not Condition.CLEARED:
        needs.append(Need.CLEAR)
    if incident.stage is Stage.RECOVERING and not settled:
        needs.append(Need.SETTLED)
    if incident.stage is not Stage.ACTING and in_full(incident) and not found_safe(incident):
        needs.append(Need.ON_SITE)
    if incident.stage is Stage.REVIEWING:
        needs += _unlearned(incident)
    return tuple(needs)


def found_safe(incident: Incident) -> bool:
    """Tell whether a person on site has said that the danger is over, and it has not come back.

    What was said while readings still showed the danger is no word about what came after it.
    """
    seen = incident.on_site
    return seen is not None and seen.safe and not seen.early


def unmet(incident: Incident) -> tuple[Need, ...]:
    """Return what a full cycle would have and this incident has not, when it ends."""
    needs = [] if incident.acknowledged else [Need.TAKEOVER]
    if incident.decision is None:
        needs.append(Need.DECISION)
    if steps_left(incident):
        needs.append(Need.STEPS)
    if incident.condition is not Condition.CLEARED:
        needs.append(Need.CLEAR)
    if not found_safe(incident):
        needs.append(Need.ON_SITE)
    return tuple(needs)


def _unlearned(incident: Incident) -> list[Need]:
    needs = [] if incident.review is not None else [Need.REVIEW]
    nothing = incident.review is not None and bool(incident.review.nothing_to_learn)
    waiting = [one for one in incident.lessons.values() if one.state is LessonState.PROPOSED]
    if waiting or not (incident.lessons or nothing):
        needs.append(Need.LESSON)
    return needs
