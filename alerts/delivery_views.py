"""How ladders and channels stand, for people and programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
from sqlalchemy import Connection, func, select

from alerts import tables
from alerts.breaker import Breaker, State
from alerts.escalation import due_at
from alerts.incident import Incident, Kind
from alerts.outbox import PENDING
from alerts.views import LadderView
from core.finding import Condition

_o = tables.outbox.c


class ChannelView(msgspec.Struct, frozen=True, kw_only=True):
    """One channel.

    Attributes:
        name: As in hub.toml.
        breaker: closed (well), half-open (a probe may go out) or open (rests).
        failures: In a row.
        reason: The last failure.
        rest_until_wall: Until when it rests, wall ms; 0 if it does not.
        pending: Messages that wait for it.
        accepted_at: Run time (ms) of its last acceptance, 0 if there was none.
        tested: State of its last self-test, "" if there was none; `tested_at`: when, run ms.
    """

    name: str
    breaker: str
    failures: int = 0
    reason: str = ""
    rest_until_wall: int = 0
    pending: int = 0
    accepted_at: int = 0
    tested: str = ""
    tested_at: int = 0


def channel_views(
    connection: Connection, names: Collection[str], breakers: Mapping[str, Breaker], wall: int
) -> list[ChannelView]:
    """Return how each channel stands."""
    pending: dict[str, int] = dict(
        connection.execute(
            select(_o.channel, func.count()).where(_o.state == PENDING).group_by(_o.channel)
        ).all()
    )
    accepted: dict[str, int] = dict(
        connection.execute(
            select(_o.channel, func.max(_o.changed_at))
            .where(_o.state == "accepted")
            .group_by(_o.channel)
        ).all()
    )
    tests = connection.execute(
        select(_o.channel, _o.state, _o.changed_at)
        .where(_o.kind == str(Kind.TEST))
        .order_by(_o.row)
    )
    last = {row.channel: (row.state, row.changed_at) for row in tests}
    views = []
    for name in names:
        one = breakers.get(name, Breaker(name))
        state = one.state(wall)
        tested, tested_at = last.get(name, ("", 0))
        views.append(
            ChannelView(
                name=name,
                breaker=str(state),
                failures=one.failures,
                reason=one.reason,
                rest_until_wall=one.rest_until_wall if state is State.OPEN else 0,
                pending=pending.get(name, 0),
                accepted_at=accepted.get(name, 0),
                tested=tested,
                tested_at=tested_at,
            )
        )
    return views


def ladder_view(incident: Incident, people: Collection[str], speed: float) -> LadderView | None:
    """Return how far up its ladder an incident is; None if it was never announced.

    Args:
        incident: Its state.
        people: Ids of the contacts whom the next rung calls.
        speed: Of the run.
    """
    climb = incident.climb
    if climb is None or not incident.open:
        return None
    due = due_at(incident, speed)
    if incident.acknowledged:
        state = "taken"
    elif incident.condition is Condition.CLEARED:
        state = "over"
    else:
        state = "climbing" if due is not None else "ended"
    lapse_at = 0
    if incident.acknowledged and incident.reminded_at:
        lapse_at = incident.reminded_at + round(climb.ladder.lapse_after_s * 1000)
    return LadderView(
        grade=climb.ladder.grade,
        state=state,
        began_at=climb.began_at,
        taken=climb.taken,
        next_at=due or 0,
        next_people=tuple(people) if due is not None else (),
        reminded_at=incident.reminded_at if incident.acknowledged else 0,
        lapse_at=lapse_at,
    )
