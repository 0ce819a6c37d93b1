"""Plans reach incidents: when one opens or rises to a grade with a plan, its steps are put on it.

It is the plan for the worst grade so far: what a fall leaves undone must still be done or skipped.
What was done of a step with the same id stays done when a rise brings another plan.
"""

from __future__ import annotations

from functools import partial

from alerts.cycle import adopt_plan
from alerts.incident import SYSTEM, Event, Incident
from alerts.plans import named, plan_for, steps_of
from alerts.response import Plan, Response
from alerts.views import IncidentError
from alerts.watch import Watch
from core.community import Community
from core.finding import Hazard
from core.grade import Grade


class Planning:
    """Puts plans on the open incidents of one watch (the actual ones, or those of a drill).

    Args:
        watch: Keeps the incidents.
        response: The plans.
        community: The profile.
    """

    def __init__(self, watch: Watch, response: Response, community: Community) -> None:
        self._watch = watch
        self._response = response
        self._community = community
        self._chosen: dict[tuple[Hazard, Grade, str], Plan | None] = {}

    def plan_of(self, incident: Incident) -> Plan | None:
        """Return the plan of this place for an incident, by its worst grade so far."""
        key = (incident.hazard, incident.peak, incident.zone)
        if key not in self._chosen:  # asked several times a second for each open incident
            hazard, grade, zone = key
            self._chosen[key] = plan_for(self._response, self._community, hazard, grade, zone)
        return self._chosen[key]

    def tick(self) -> None:
        """Put plans on those incidents that lack theirs.

        Raises:
            SQLAlchemyError: The database failed; the next tick does it again.
        """
        if not self._response.plan:
            return
        for incident in self._watch.open_ones():
            plan = self.plan_of(incident)
            # A new version of the file doesn't move the ground under an incident that is open.
            if plan is None or incident.plan.partition(" ")[0] == plan.id:
                continue
            try:
                self._watch.change(incident.number, partial(_adopt, plan))
            except IncidentError:  # it is over meanwhile
                continue


def _adopt(plan: Plan, incident: Incident, now: int) -> list[Event]:
    return adopt_plan(incident, named(plan), steps_of(plan), now, SYSTEM)
