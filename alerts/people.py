"""The counter for plans and people: what pages and the API ask, and what time does to them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping

import structlog

from alerts import stages
from alerts.cycle import remark
from alerts.cycle_desk import person
from alerts.database import Database
from alerts.duty_store import Door, DutyError, DutyStore, HandOver, OpenThen
from alerts.impersonal import impersonal
from alerts.incident import Incident
from alerts.ladder import Ladder
from alerts.people_views import DutyView, PlanView
from alerts.plan_lint import Lint, LintFinding
from alerts.plan_viewing import plan_view, roll_call_text
from alerts.planning import Planning
from alerts.plans import advise, doors_of
from alerts.register import today
from alerts.register_desk import RegisterDesk
from alerts.report_store import ReportStore
from alerts.reports import Reports
from alerts.response import Response
from alerts.roster import Away, Roster
from alerts.store import Store
from alerts.views import IncidentError, unknown_incident
from alerts.watch import Watch
from core.clock import Clock
from core.community import Community
from core.grade import Grade

log = structlog.get_logger()

# The shifts that a page shows ahead.
_AHEAD_MS = 36 * 3_600_000
_DAY_MS = 86_400_000
_MOST_NOTE = 4_000


class PeopleDesk(RegisterDesk):
    """Plans, roster, registers, hand-overs, roll-call and reports of one site.

    Args:
        response: response.toml; an empty one if there is none.
        database: Open and up to date.
        store: Where incidents are.
        watch: What changes them.
        community: The profile.
        clock: Clock of the run.
        channels: Names of the configured channels, for the lint.
        wake: Called after a change, so that it is told at once.
        ladders: Who is told at which grade, for the lint; None leaves that out.

    Attributes:
        response: The plans.
        reports: What residents say.
    """

    def __init__(
        self,
        response: Response,
        database: Database,
        store: Store,
        watch: Watch,
        community: Community,
        clock: Clock,
        channels: Collection[str],
        wake: Callable[[], None],
        ladders: Mapping[Grade, Ladder] | None = None,
    ) -> None:
        super().__init__(response.supply, database, store, community, clock)
        self.response = response
        self.reports = Reports(
            ReportStore(database, community.site.id), watch, community, clock, wake
        )
        self._watch = watch
        self._failing: set[str] = set()
        self._channels = frozenset(channels)
        self._ladders = ladders
        self._duty = DutyStore(database, community.site.id)
        self._planning = Planning(watch, response, community)
        self._noted = -1
        self._roster = Roster(response, community)
        self._look_at_absences()
        store.announcer.plans = advise(response, community)
        store.announcer.duty = self._on_duty

    # --- what time does; called by the watch's thread ---

    def tick(self) -> None:
        """Say what residents say, put plans on incidents, hear who stands in for whom.

        What fails here is logged once and tried again the next time: it must never hold up the
        watch, which judges and tells.
        """
        for step in (self._say, self._look_at_absences, self._planning.tick, self.reports.tick):
            name = step.__qualname__
            try:
                step()
            except Exception:
                if name not in self._failing:
                    log.exception("a step of plans and people failed; trying again", step=name)
                self._failing.add(name)
            else:
                self._failing.discard(name)

    def _say(self) -> None:
        for finding in self.reports.findings():
            self._watch.take(finding, None)

    # --- plans ---

    def plan(self, number: int) -> PlanView | None:
        """Return the plan of one incident; None if there is no such incident."""
        kept = self._store.kept(number)
        if kept is None:
            return None
        return plan_view(
            kept.incident,
            self.response,
            self._community,
            volunteers=self.volunteers(),
            supplies=self.supplies(),
            doors=self._duty.doors(number),
            now=self._clock.now_ms(),
        )

    def lint(self) -> list[LintFinding]:
        """Return what would fail in the night."""
        now = self._clock.now_ms()
        return Lint(
            self.response,
            self._community,
            tuple(self.volunteers()),
            tuple(self.supplies()),
            today(now, self._community.site.timezone),
            self._channels,
            tuple(self._duty.absences(now)),
            self._ladders,
        ).run()

    def tick_door(self, number: int, zone: str, door: str, state: str, who: str) -> None:
        """Write what was found behind a door; an empty state takes the tick away.

        Raises:
            DutyError: No such zone, door or state.
            IncidentError: No such incident, or nobody says who.
        """
        if self._store.kept(number) is None:
            raise unknown_incident(number)
        if door not in self._doors(zone):
            raise DutyError(
                f"door {door[:20]!r} of {zone[:40]!r}: there is none",
                f"{zone[:40]!r} 没有 {door[:20]!r} 这一户",
            )
        by = person(self._store, who)
        known = {entry.door for entry in self._duty.doors(number) if entry.zone == zone}
        self._duty.tick_door(
            number, Door(zone=zone, door=door, state=state, at=self._clock.now_ms(), by=by)
        )
        if state and door not in known and known | {door} >= set(self._doors(zone)):
            self._note_roll_call(number, zone, by)

    def _doors(self, zone: str) -> tuple[str, ...]:
        return doors_of(self.response, self._community, zone)

    def _note_roll_call(self, number: int, zone: str, by: str) -> None:
        """Write into the journal that nobody is left to knock at, for the review."""
        states = [entry.state for entry in self._duty.doors(number) if entry.zone == zone]
        text = roll_call_text(zone, states)
        with contextlib.suppress(IncidentError):  # it is closed: the ticks stay all the same
            self._watch.change(number, lambda incident, now: remark(incident, by, text, now))

    # --- roster ---

    def duty(self, at: int | None = None) -> DutyView:
        """Return who is on duty at a run time (ms), now by default."""
        at = self._clock.now_ms() if at is None else at
        roles = self._roster.on_duty(at)
        return DutyView(
            at=at,
            exists=self._roster.exists,
            shifts=tuple(self._roster.on_shift(at)),
            roles={role: tuple(one.id for one in people) for role, people in roles.items()},
            next=tuple(self._roster.shifts(at, at + _AHEAD_MS)),
        )

    def note_absence(self, contact: str, begin: int, end: int, stand_in: str, who: str) -> None:
        """Somebody is away between two run times (ms); `stand_in` may be "".

        Raises:
            DutyError: No such contact, or the times make no sense.
            IncidentError: Nobody says who notes it.
        """
        known = {one.id for one in self._community.contact}
        for name in (contact, *([stand_in] if stand_in else [])):
            if name not in known:
                raise DutyError(
                    f"contact {name[:40]!r}: there is none", f"没有联系人 {name[:40]!r}"
                )
        if contact == stand_in:
            raise DutyError("stand_in: expected somebody else", "替班的须是另一个人")
        if not 0 <= begin < end <= begin + 400 * _DAY_MS:
            raise DutyError(
                "begin, end: expected one before the other, at most 400 days apart",
                "结束须晚于开始，相隔至多 400 天",
            )
        by = person(self._store, who)
        now = self._clock.now_ms()
        self._duty.note_absence(Away(contact, begin, end, stand_in), by, now)
        self._look_at_absences()

    def hand_over(self, who: str, text: str) -> HandOver:
        """Leave a note to the next shift, with what is open now.

        Numbers and addresses are taken out, as before the journal: they belong to the register or
        a plan, where they can be erased. Names stay, for whoever reads it at three; they are found
        in the note when that person is erased (`alerts.personal`).

        Raises:
            DutyError: The note is too long.
            IncidentError: Nobody says who.
        """
        if len(text) > _MOST_NOTE:
            raise DutyError(
                f"text: expected at most {_MOST_NOTE} characters", f"交班记录至多 {_MOST_NOTE} 个字"
            )
        now = self._clock.now_ms()
        by = person(self._store, who)
        serving = self._roster.on_shift(now)
        own = next((one.shift for one in serving if by in one.contacts), "")
        shift = own or (serving[0].shift if serving else "")
        found = [_open_then(kept.incident) for kept in self._store.open_incidents()]
        found.sort(key=lambda one: (-one.grade, one.number))
        return self._duty.hand_over(by, shift, impersonal(text.strip()), found, now)

    def take_hand_over(self, number: int, who: str) -> HandOver:
        """Somebody of the next shift has read it.

        Raises:
            DutyError: There is no such hand-over.
            IncidentError: Nobody says who, or it is who wrote it: nobody else has read it then.
        """
        by = person(self._store, who)
        if any(one.number == number and one.by == by for one in self._duty.hand_overs(1000)):
            raise IncidentError(
                f"hand-over {number}: somebody else than who wrote it must take it over",
                "交班记录须由写的人以外的人接班",
            )
        return self._duty.take_over(number, by, self._clock.now_ms())

    def hand_overs(self, limit: int = 20) -> list[HandOver]:
        """Return the newest notes, newest first."""
        return self._duty.hand_overs(limit)

    # --- for pages ---

    def person_id(self, who: str) -> str:
        """Return the id of a person who does something.

        Raises:
            IncidentError: Nobody says who.
        """
        return person(self._store, who)

    def namer(self) -> Callable[[str], str]:
        """Return what gives the name of an id, for people; the id itself once it is erased."""
        names = self._store.names() | {one.id: one.name for one in self._community.contact}
        return lambda who: names.get(who, who)

    def _on_duty(self, at: int) -> Community:
        return self._roster.community_at(at)

    def _look_at_absences(self) -> None:
        # Another program on the same database may have noted one.
        count = self._duty.absence_count()
        if count != self._noted:
            away = self._duty.absences(self._clock.now_ms() - _DAY_MS)
            self._roster = Roster(self.response, self._community, away)
            self._noted = count


def _open_then(incident: Incident) -> OpenThen:
    return OpenThen(
        number=incident.number,
        zone=incident.zone,
        hazard=incident.hazard,
        grade=incident.grade,
        condition=incident.condition,
        stage=str(incident.stage),
        taken_by=incident.acknowledged_by if incident.acknowledged else "",
        steps_left=len(stages.steps_left(incident)),
    )
