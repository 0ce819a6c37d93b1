"""The desk: how pages, the API and the demo see and change incidents (`views.IncidentPort`)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog

from alerts.delivery_views import ladder_view
from alerts.desks import Desks
from alerts.incident import Incident
from alerts.store import Store
from alerts.viewing import incident_view, journal_views, outbox_view
from alerts.views import IncidentError, IncidentView, JournalView, OutboxView, unknown_incident
from alerts.watch import Watch
from core.clock import Clock
from core.finding import ZoneGrade

log = structlog.get_logger()

_WHO_LENGTH = 80
# More than a database's integer column holds is no number of an incident.
LARGEST_NUMBER = (1 << 31) - 1


class IncidentDesk:
    """Implements the port over the store and the watch. Safe to call from any thread.

    Args:
        store: Where incidents are.
        watch: What changes them.
        clock: Clock of the run.
        wake: Called after a change, so that it is told at once.

    Attributes:
        desks: What there is beyond the incidents.
    """

    def __init__(self, store: Store, watch: Watch, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._watch = watch
        self._clock = clock
        self._wake = wake
        self.desks = Desks()
        self._listeners: list[Callable[[IncidentView], None]] = []

    def open_incidents(self) -> list[IncidentView]:
        """Every open incident, worst and oldest first; those of a drill last."""
        incidents = [kept.incident for kept in self._store.open_incidents(drill=None)]
        incidents.sort(
            key=lambda incident: (incident.exercise, -incident.grade, incident.opened_at)
        )
        return self._views(incidents)

    def incidents(self, limit: int = 100, before: int | None = None) -> list[IncidentView]:
        """Incidents by number, newest first; `before` pages on."""
        if before is not None:
            before = max(0, min(before, LARGEST_NUMBER))
        return self._views(self._store.latest(limit, before))

    def incident(self, number: int) -> IncidentView | None:
        """One incident."""
        kept = self._store.kept(number) if 0 < number <= LARGEST_NUMBER else None
        return self._views([kept.incident])[0] if kept else None

    def journal(self, number: int) -> list[JournalView]:
        """The journal of one incident, oldest entry first."""
        contacts = {contact.id: contact.name for contact in self._store.community.contact}
        return journal_views(self._store.events(number), number, self._store.names(), contacts)

    def acknowledge(self, number: int, who: str, how: str) -> IncidentView:
        """Somebody takes it over (`how`: console, api, link).

        Raises:
            IncidentError: No such incident, it is closed, or `who` is empty.
        """
        name = " ".join("".join(sign for sign in who if sign.isprintable()).split())
        if not name or len(name) > _WHO_LENGTH:
            raise IncidentError(
                f"who takes it over? 1 to {_WHO_LENGTH} characters are expected",
                f"请写明由谁接手（1 至 {_WHO_LENGTH} 个字）",
            )
        seen = self.incident(number)
        if seen is None:
            raise unknown_incident(number)
        self._watch_of(seen.drill).acknowledge(number, self._store.person_id(name), how[:20])
        self._wake()
        view = self.incident(number)
        assert view is not None
        return view

    def zone_grades(self) -> list[ZoneGrade]:
        """The grade of each (zone, hazard) that is judged."""
        return [self._watch.grade(key) for key in self._watch.judged()]

    def outbox(self) -> OutboxView:
        """How the notifications stand."""
        counts, oldest = self._store.outbox_counts()
        return outbox_view(counts, oldest, self._clock.now_ms())

    def subscribe(self, changed: Callable[[IncidentView], None]) -> Callable[[], None]:
        """Call `changed` after each change of an incident; returns what ends it."""
        self._listeners.append(changed)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(changed)

        return end

    def spread(self, numbers: Iterable[int]) -> None:
        """Show these incidents to everybody who has subscribed."""
        if not self._listeners:
            return
        kept = [self._store.kept(number) for number in sorted(numbers)]
        for view in self._views([entry.incident for entry in kept if entry]):
            for listener in list(self._listeners):
                try:
                    listener(view)
                except Exception:
                    log.exception("a listener failed", incident=view.number)

    def _watch_of(self, drill: str) -> Watch:
        """Return what keeps an incident: the watch of its drill, or the actual one."""
        if drill and self.desks.drills is not None:
            return self.desks.drills.watch(drill) or self._watch
        return self._watch

    def _views(self, incidents: Sequence[Incident]) -> list[IncidentView]:
        rows = self._store.notified([incident.number for incident in incidents])
        names = self._store.names()
        return [
            msgspec.structs.replace(
                incident_view(
                    incident,
                    self._watch_of(incident.drill).live(incident) if incident.open else None,
                    rows[incident.number],
                    names,
                ),
                ladder=ladder_view(
                    incident,
                    self._store.announcer.next_people(incident),
                    self._clock.speed,
                ),
            )
            for incident in incidents
        ]
