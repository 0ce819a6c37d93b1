"""What a service has beyond its incidents: the one seam through which API and console find it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from alerts.act_store import KeptAct
    from alerts.channels.callback import CalledBack
    from alerts.cycle_views import CyclePort, WithholdingPort
    from alerts.delivery_views import ChannelView
    from alerts.drill_desk import DrillDesk
    from alerts.links import Links
    from alerts.people import PeopleDesk
    from alerts.standards import Standards


class ProgramPort(Protocol):
    """How the program itself stands. Safe to call from any thread."""

    @property
    def registry(self) -> CollectorRegistry:
        """Its metrics."""

    @property
    def called_back(self) -> Mapping[str, CalledBack]:
        """Channels whose vendors call back over HTTP, by name."""

    def acts(self, limit: int = 100, station: str | None = None) -> list[KeptAct]:
        """Return what stations did by themselves, newest first."""

    def channel_states(self) -> list[ChannelView]:
        """Return how each channel stands."""

    def readiness(self) -> dict[str, bool]:
        """Return what must hold so that people would be told."""

    def measure(self) -> None:
        """Bring the gauges up to date, before they are read."""


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
    program: ProgramPort | None = None
