"""What an event of an incident means for people: a ladder to climb, and rows of the outbox."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import assert_never

import msgspec
from sqlalchemy import Connection, select

from alerts import outbox, routing, tables
from alerts.delivery import Delivery
from alerts.guidance import Advise, advice
from alerts.incident import Event, Happening, Incident, Kind
from alerts.journal import Head
from alerts.ladder import ladders
from alerts.notification import audience_of, notification
from alerts.outbox import Times
from alerts.routing import Address
from alerts.waiting import Waiting
from core.community import Community
from core.grade import Grade

# Events that tell people something.
ANNOUNCING = frozenset({Happening.ANNOUNCED, Happening.ESCALATED, Happening.REMINDED})
_o = tables.outbox.c


class Announcer:
    """Writes notifications, within the transaction of what they are about.

    Args:
        community: Contacts and names.
        base_url: Of the console, for links.
        configured: Names of the channels that can send.
        delivery: Ladders, digest, quiet hours.

    Attributes:
        plans: What response plans say to do first, and to residents; None for general advice.
    """

    def __init__(
        self, community: Community, base_url: str, configured: Collection[str], delivery: Delivery
    ) -> None:
        self._community = community
        self._base_url = base_url
        self._configured = frozenset(configured)
        self._ladders = ladders(delivery.escalation)
        self._waiting = Waiting(community, delivery)
        self._audiences = {contact.id: audience_of(contact.role) for contact in community.contact}
        self.plans: Advise | None = None

    def arm(self, events: Sequence[Event]) -> list[Event]:
        """Return the events, those that announce a danger with a copy of their ladder."""
        return [
            msgspec.structs.replace(event, ladder=self._ladders[event.grade])
            if event.what is Happening.ANNOUNCED
            and event.kind in (Kind.ALERT, Kind.UPDATE)
            and event.grade in self._ladders
            and event.ladder is None
            else event
            for event in events
        ]

    def write(
        self,
        connection: Connection,
        incident: Incident,
        event: Event,
        end: Head,
        times: Times,
        *,
        everybody: bool,
    ) -> list[tuple[int, Event]]:
        """Write the rows of one event; return the journal events of those that can't be sent now.

        Args:
            connection: The writing transaction.
            incident: Its state after the event.
            event: One of `ANNOUNCING`.
            end: End of the journal.
            times: The clocks.
            everybody: True if it goes to everybody, whatever their role.
        """
        grade = event.grade
        assert grade is not None
        note = notification(
            incident,
            event,
            community=self._community,
            base_url=self._base_url,
            journal=end,
            guidance=advice(self.plans, incident.zone, incident.hazard, max(grade, incident.peak)),
            exercise=incident.exercise,
        )
        whom = (
            routing.everybody(self._community, grade)
            if everybody
            else self._whom(connection, incident, event)
        )
        return outbox.enqueue(
            connection,
            note,
            whom,
            self._configured,
            times,
            audiences=self._audiences,
            withhold=self._waiting.check,
        )

    def can_tell(self) -> bool:
        """Tell whether any contact has a channel that is configured."""
        everyone = {name for contact in self._community.contact for name in contact.channels}
        return any(routing.channel_name(name) in self._configured for name in everyone)

    def next_people(self, incident: Incident) -> list[str]:
        """Return the ids of the contacts whom the next rung calls."""
        found = incident.climb.ladder.rung(incident.climb.taken) if incident.climb else None
        if found is None:
            return []
        addresses = routing.of_steps([found[0]], self._community)
        return list(dict.fromkeys(address.contact for address in addresses))

    def _whom(self, connection: Connection, incident: Incident, event: Event) -> list[Address]:
        assert event.kind is not None
        assert event.grade is not None
        match event.kind:
            case Kind.ALERT:
                return self._announced(event.grade)
            case Kind.UPDATE | Kind.CLEAR | Kind.DRILL_END:
                called = self._called(connection, incident.number)
                return routing.also(self._announced(incident.peak), called, self._community)
            case Kind.ESCALATION:
                climb = incident.climb
                found = climb.ladder.rung(event.rung) if climb else None
                return routing.of_steps([found[0]] if found else [], self._community)
            case Kind.REMINDER:
                return routing.to_contact(event.contact, self._community, event.grade)
            case Kind.DIGEST | Kind.TEST:
                return []
            case _:
                assert_never(event.kind)

    def _announced(self, grade: Grade) -> list[Address]:
        return routing.announced(self._ladders[grade].announced, self._community, grade)

    def _called(self, connection: Connection, number: int) -> list[str]:
        """Return who was called by the ladder of an incident."""
        query = (
            select(_o.contact)
            .where(_o.incident == number, _o.kind == str(Kind.ESCALATION))
            .distinct()
        )
        return [str(name) for name in connection.execute(query).scalars()]
