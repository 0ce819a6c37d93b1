"""The books of drills: which there were, how each went, what has been covered and what is due."""

from __future__ import annotations

from alerts.drill import Drill
from alerts.drill_calendar import WINDOW_DAYS, Coverage, Names, coverage, held, watch_at
from alerts.drill_entry import WATCHES, DrillEntry
from alerts.drill_score import DrillScore, Story, score
from alerts.drill_store import DrillStore
from alerts.drill_words import WATCH_TITLES
from alerts.response import Response
from alerts.roster import Roster
from alerts.routing import channel_name
from alerts.store import Store
from core.clock import Clock
from core.community import Community

# Drills that coverage looks at: four a week over two years.
_MOST_LOOKED_AT = 400


class DrillBooks:
    """What can be read of the drills of one site. Safe to call from any thread.

    Args:
        register: Where drills are.
        store: Where incidents are.
        community: The profile.
        clock: Clock of the run.
        response: Its calendar says what should be drilled how often; its roster, in which shifts.
    """

    def __init__(
        self,
        register: DrillStore,
        store: Store,
        community: Community,
        clock: Clock,
        response: Response,
    ) -> None:
        self._register = register
        self._store = store
        self._community = community
        self._clock = clock
        self._response = response

    @property
    def calendar(self) -> tuple[DrillEntry, ...]:
        """What should be drilled how often."""
        return self._response.drill

    def drill(self, drill: str) -> Drill | None:
        """Return one drill."""
        kept = self._register.kept(drill)
        return kept.drill if kept else None

    def drills(self, limit: int = 100, since: int = 0) -> list[Drill]:
        """Return drills that were asked for since a run time (ms), newest first."""
        return self._register.latest(limit, since)

    def score(self, drill: Drill) -> DrillScore:
        """Return how a drill went, so far or in the end."""
        incidents = self._store.of_drill(drill.id)
        rows = self._store.notified([incident.number for incident in incidents])
        return score(
            drill,
            [
                Story(incident, self._store.events(incident.number), rows[incident.number])
                for incident in incidents
            ],
        )

    def coverage(self, days: float = WINDOW_DAYS) -> Coverage:
        """Return what has been drilled in the last *days*, and what is due.

        Raises:
            DrillError: The window makes no sense.
        """
        timezone = self._community.site.timezone
        roster = Roster(self._response, self._community)

        def watches(at: int) -> tuple[str, ...]:
            if not roster.exists:
                return (watch_at(at, timezone),)
            return tuple(sorted({entry.shift for entry in roster.on_shift(at)}))

        drills_held = (
            held(one, self.score(one), watches(one.began_at))
            for one in self.drills(_MOST_LOOKED_AT)
        )
        shifts = tuple(shift.id for shift in self._response.shift)
        channels = frozenset(
            channel_name(name) for contact in self._community.contact for name in contact.channels
        )
        return coverage(
            self._response.drill,
            [one for one in drills_held if one is not None],
            self._community,
            Names(
                watches=shifts or tuple(name for name, _ in WATCHES),
                channels=channels,
                titles={shift.id: shift.name for shift in self._response.shift} or WATCH_TITLES,
            ),
            self._clock.now_ms(),
            days,
        )
