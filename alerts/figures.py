"""Figures of the place: alarm KPIs of a period, and what its resilience rests on. Reads only."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable, Mapping
from itertools import groupby

import msgspec
from sqlalchemy import func, insert, or_, select

from alerts import outbox, resilience, tables
from alerts.database import Database
from alerts.incident import Event, Incident
from alerts.journal import Entry
from alerts.kpi import Kpis, kpis
from alerts.kpi_facts import Story
from alerts.resilience import (
    CHANNEL_DAYS,
    DRILL_DAYS,
    REVIEW_DAYS,
    TAKE_OVER_DAYS,
    Part,
    Practised,
)
from alerts.response import Response
from core.clock import Clock
from core.community import Community, Name
from core.finding import Condition, Hazard
from core.refusal import RefusalError

DAY_MS = 86_400_000
# A longer period would be read for minutes; ask for parts of it.
LONGEST_MS = 400 * DAY_MS
_i = tables.incident.c
_j = tables.journal.c
_s = tables.setting.c
_BEGAN = "began-at"
_ENTRY = msgspec.json.Decoder(Entry)
_INCIDENT = msgspec.json.Decoder(Incident)


class _DrillPlan(msgspec.Struct, frozen=True):
    hazard: str


class _Drill(msgspec.Struct, frozen=True):
    """What of a registered drill counts here; it has more."""

    plan: _DrillPlan
    state: str
    ended_at: int


_DRILL = msgspec.json.Decoder(_Drill)


def reviews(response: Response) -> dict[str, dt.date | None]:
    """Return when each response plan was reviewed last, by its id."""
    return {plan.id: plan.reviewed for plan in response.plan}


def note_beginning(database: Database, now: int) -> None:
    """Note, once, from when on a hub has watched (run ms)."""
    with database.write() as connection:
        if connection.execute(select(_s.value).where(_s.name == _BEGAN)).scalar() is None:
            connection.execute(insert(tables.setting).values(name=_BEGAN, value=str(now)))


class Figures:
    """Counts what the database holds. Safe to call from any thread.

    Args:
        database: Open.
        community: The profile.
        clock: Clock of the run.
        silence: What the rule `silence` says of each series; None where nobody can be asked.

    Attributes:
        plans: When each response plan was reviewed last, by its id.
    """

    def __init__(
        self,
        database: Database,
        community: Community,
        clock: Clock,
        silence: Callable[[], Mapping[str, Condition]] | None = None,
    ) -> None:
        self._database = database
        self._community = community
        self._clock = clock
        self._silence = silence
        self.plans: Mapping[str, dt.date | None] = {}

    def kpis(self, since: int, until: int) -> Kpis:
        """Return the alarm figures of a period (run ms).

        It ends now at the latest, and does not begin before the hub did: hours that nobody watched
        would make every rate look low.

        Raises:
            RefusalError: It is empty, lies in the future, or is longer than 400 days.
        """
        until = min(until, self._clock.now_ms())
        if (began := self._began()) is not None and since < began < until:
            since = began
        if until - since > LONGEST_MS:
            days = LONGEST_MS // DAY_MS
            raise RefusalError(f"the period is longer than {days} days", f"时段最长 {days} 天")
        return kpis(self._stories(since, until), since, until)

    def last_days(self, days: int) -> Kpis:
        """Return the alarm figures of the last days."""
        now = self._clock.now_ms()
        return self.kpis(now - days * DAY_MS, now)

    def resilience(self) -> list[Part]:
        """Return the parts of resilience as they are now."""
        now = self._clock.now_ms()
        zone = zoneinfo.ZoneInfo(self._community.site.timezone)
        today = dt.datetime.fromtimestamp(now / 1000, zone).date()
        silence = self._silence() if self._silence is not None else None
        return [
            resilience.reporting(self._community, silence),
            *resilience.channels(self._community, self._proven(now - CHANNEL_DAYS * DAY_MS)),
            *resilience.take_over(self.last_days(TAKE_OVER_DAYS)),
            resilience.drilled(self._community, self._drills(now - DRILL_DAYS * DAY_MS), now),
            *resilience.learned(self._over(now - REVIEW_DAYS * DAY_MS), now),
            resilience.reviewed_limits(self._community, today),
            resilience.reviewed_dates(
                "plans", self.plans, today, Name("没有预案", "there is no response plan")
            ),
        ]

    def latest(self) -> int:
        """Return when something was written into the journal last (run ms); 0 if nothing was."""
        query = select(_j.body).order_by(_j.seq.desc()).limit(1)
        with self._database.read() as connection:
            body = connection.execute(query).scalar()
        return _ENTRY.decode(body).event.at if body else 0

    def _began(self) -> int | None:
        """Return from when on this hub has watched; None where that was never noted."""
        first = select(func.min(_i.opened_at)).where(_i.site == self._community.site.id)
        with self._database.read() as connection:
            noted = connection.execute(select(_s.value).where(_s.name == _BEGAN)).scalar()
            opened = connection.execute(first).scalar()
        return None if noted is None else min(int(noted), opened or int(noted))

    def _stories(self, since: int, until: int) -> list[Story]:
        """Return the actual incidents that lived in a period, each with its whole journal."""
        query = (
            select(_i.number, _i.zone, _i.hazard, _j.body)
            .join(tables.journal, _j.incident == _i.number)
            .where(_i.site == self._community.site.id, _i.drill == "", _i.opened_at < until)
            .where(or_(_i.closed_at == 0, _i.closed_at >= since))
            .order_by(_i.number, _j.seq)
        )
        found = []
        with self._database.read() as connection:
            rows = connection.execution_options(yield_per=1000).execute(query)
            for (number, zone, hazard), group in groupby(rows, lambda row: tuple(row[:3])):
                events: tuple[Event, ...] = tuple(_ENTRY.decode(row.body).event for row in group)
                found.append(Story(number, zone, Hazard(hazard), events))
        return found

    def _proven(self, since: int) -> set[str]:
        """Return the channels that have accepted something."""
        columns = tables.outbox.c
        query = (
            select(columns.channel)
            .where(columns.state == outbox.ACCEPTED)
            .group_by(columns.channel)
            .having(func.max(columns.changed_at) >= since)
        )
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())

    def _drills(self, since: int) -> list[Practised]:
        columns = tables.drill.c
        query = select(columns.state).where(
            columns.site == self._community.site.id, columns.ended_at >= since
        )
        with self._database.read() as connection:
            drills = [_DRILL.decode(text) for text in connection.execute(query).scalars()]
        return [
            Practised(drill.plan.hazard, drill.ended_at)
            for drill in drills
            if drill.state == "finished"
        ]

    def _over(self, since: int) -> list[Incident]:
        query = select(_i.state).where(
            _i.site == self._community.site.id, _i.drill == "", _i.over_at >= since, _i.over_at > 0
        )
        with self._database.read() as connection:
            return [_INCIDENT.decode(text) for text in connection.execute(query).scalars()]
