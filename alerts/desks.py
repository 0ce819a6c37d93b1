"""What a service has beyond its incidents: the one seam through which API and console find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerts.cycle_views import CyclePort, WithholdingPort
    from alerts.drill_desk import DrillDesk
    from alerts.links import Links
    from alerts.people import PeopleDesk
    from alerts.program import Program
    from alerts.standards import Standards


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """The desks of a service; what is None has no routes and no pages.

    Attributes:
        cycle: How incidents go through their stages.
        withholding: How something is withheld.
        people: Plans, roster, registers and reports.
        drills: Keeps drills.
        standards: CAP, webhooks of others, figures and privacy.
        links: One-time links of messages.
        program: How the program itself stands.
    """

    cycle: CyclePort | None = None
    withholding: WithholdingPort | None = None
    people: PeopleDesk | None = None
    drills: DrillDesk | None = None
    standards: Standards | None = None
    links: Links | None = None
    program: Program | None = None
