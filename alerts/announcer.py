"""What an event of an incident means for people: a ladder to climb, and rows of the outbox."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import assert_never

import msgspec
from sqlalchemy import Connection, select

from alerts import outbox, routing, tables
from alerts.delivery import Delivery
from alerts.guidance import Advise, advice
from alerts.incident import Event, Happening, Incident, Kind
from alerts.journal import Head
from alerts.ladder import FIRST, Step, ladders
from alerts.notification import Audience, Notification, audience_of, notification
from alerts.outbox import Times
from alerts.routing import Address
from alerts.waiting import Waiting
from core.community import Community, Name
from core.finding import Certainty, Hazard
from core.grade import Grade

# Events that tell people something.
ANNOUNCING = frozenset({Happening.ANNOUNCED, Happening.ESCALATED, Happening.REMINDED})
# `how` of an announcement that a resident's report asked for: the duty hears of it at once, the
# ladder stays where it is.
REPORTED = "report"
# The rule under which reports of residents are judged.
REPORT_RULE = "resident-report"
_DUTY_FIRST = Step(0.0, routing.DUTY, channels=(FIRST,))
_REPORTED = Name(
    zh="又有居民上报，请查看上报清单并核实",
    en="residents report it, too: read the list of reports and look",
)
_o = tables.outbox.c


class Announcer:
    """Writes notifications, within the transaction of what they are about.

    Args:
        community: Contacts and names.
        base_url: Of the console, for links.
        configured: Names of the channels that can send.
        delivery: Ladders, digest, quiet hours.

    Attributes:
        bystanders: Ids of contacts who could take nothing over: sirens, residents.
        plans: What response plans say to do first, and to residents; None for general advice.
        takes: Whether a channel is made for a message: nobody is telephoned for an all-clear.
        outputs: Names of the channels that switch something in the building.
        shared: Names of the channels that several contacts read together.
        loud: Id of the drill that may switch them; "" for none.
        public: Id of the drill that residents hear of; "" for none.
        duty: The profile with those who are on duty at a run time (ms); None: everybody always is.
    """

    def __init__(
        self, community: Community, base_url: str, configured: Collection[str], delivery: Delivery
    ) -> None:
        self._community = community
        self._base_url = base_url
        self._configured = frozenset(configured)
        self._ladders = ladders(delivery.escalation)
        self._waiting = Waiting(community, delivery)
        unable = (*routing.MACHINES, *routing.PUBLIC)
        self.bystanders = frozenset(one.id for one in community.contact if one.role in unable)
        self._audiences = {contact.id: audience_of(contact.role) for contact in community.contact}
        self.plans: Advise | None = None
        self.takes: Callable[[str, Notification], bool] = lambda _channel, _note: True
        self.outputs: frozenset[str] = frozenset()
        self.shared: frozenset[str] = frozenset()
        self.loud = ""
        self.public = ""
        self.duty: Callable[[int], Community] | None = None

    def arm(self, events: Sequence[Event]) -> list[Event]:
        """Return the events, those that announce a danger with a copy of their ladder."""
        return [
            msgspec.structs.replace(event, ladder=self._ladders[event.grade])
            if event.what is Happening.ANNOUNCED
            and event.kind in (Kind.ALERT, Kind.UPDATE)
            and event.grade in self._ladders
            and event.ladder is None
            and event.how != REPORTED
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
            with_outputs=self._may_switch(incident),
        )
        if event.how == REPORTED:
            note = msgspec.structs.replace(note, headline=_REPORTED)
        whom = (
            routing.everybody(self._community, grade)
            if everybody
            else self._whom(connection, incident, event)
        )
        if not self._may_switch(incident):
            whom = routing.without(whom, self.outputs)
        if incident.exercise and incident.drill != self.public:
            whom = [one for one in whom if self._audiences[one.contact] is not Audience.RESIDENT]
        return outbox.enqueue(
            connection,
            note,
            self._fitting(whom, note),
            self._configured,
            times,
            audiences=self._audiences,
            shared=self.shared,
            # A digest speaks of several incidents: what belongs to a drill must not be among them.
            withhold=None
            if incident.exercise or by_residents(incident, event)
            else self._waiting.check,
        )

    def _may_switch(self, incident: Incident) -> bool:
        """Tell whether sirens and lights belong to it: not to a drill, unless it was asked for."""
        return not incident.exercise or incident.drill == self.loud

    def notice(
        self,
        connection: Connection,
        contact: str,
        words: tuple[Name, Name],
        path: str,
        end: Head,
        times: Times,
    ) -> list[tuple[int, Event]]:
        """Write a message of no incident to one contact (the duty if it is no contact's id).

        Args:
            connection: The writing transaction.
            contact: Id.
            words: What it is about, and what is to be done.
            path: Page of the console.
            end: End of the journal; its number makes the message unique.
            times: The clocks.
        """
        site = self._community.site
        note = Notification(
            id="", incident=0, seq=end.seq, kind=Kind.NOTICE, grade=Grade.BLUE, peak=Grade.BLUE,
            zone=site.id, hazard=Hazard.EQUIPMENT, place=site.name, hazard_name=Name(),
            headline=words[0], why=words[1], since=0, at=times.now, severity="Minor",
            urgency="Expected", certainty=Certainty.OBSERVED,
            url=f"{self._base_url.rstrip('/')}{path}" if self._base_url else "",
            timezone=site.timezone, language=site.language, contact="", journal=end,
        )  # fmt: skip
        whom = routing.to_contact(contact, self._community, Grade.BLUE)
        return outbox.enqueue(
            connection, note, self._fitting(whom, note), self._configured, times,
            audiences=self._audiences,
        )  # fmt: skip

    def people(self, grade: Grade) -> list[str]:
        """Return the ids of everybody whom the ladder of a grade calls, soonest first."""
        called = routing.of_steps(self._ladders[grade].step, self._community)
        whom = called or routing.everybody(self._community, grade)
        return list(dict.fromkeys(address.contact for address in whom))

    def can_tell(self) -> bool:
        """Tell whether any contact has a channel that is configured."""
        everyone = {name for contact in self._community.contact for name in contact.channels}
        return any(routing.channel_name(name) in self._configured for name in everyone)

    def next_people(self, incident: Incident) -> list[str]:
        """Return the ids of the contacts whom the next rung calls, with the shift of then (ms)."""
        found = incident.climb.ladder.rung(incident.climb.taken) if incident.climb else None
        if found is None:
            return []
        due = (incident.climb.due_at(1.0) if incident.climb else None) or 0
        addresses = routing.of_steps([found[0]], self._community, self._on_duty(due))
        return list(dict.fromkeys(address.contact for address in addresses))

    def _fitting(self, whom: Sequence[Address], note: Notification) -> list[Address]:
        """Return the addresses without the channels that are not made for this message."""
        found = []
        for address in whom:
            names = [
                name
                for name in (address.channel, *address.fallback)
                if name not in self._configured or self.takes(name, note)
            ]
            if names:
                found.append(Address(address.contact, names[0], tuple(names[1:])))
        return found

    def _whom(self, connection: Connection, incident: Incident, event: Event) -> list[Address]:
        assert event.kind is not None
        assert event.grade is not None
        match event.kind:
            case Kind.ALERT if event.how == REPORTED:
                duty = self._on_duty(event.at)
                return routing.announced([_DUTY_FIRST], self._community, event.grade, duty)
            case Kind.ALERT:
                return self._announced(event.grade, event.at)
            case Kind.UPDATE | Kind.CLEAR | Kind.DRILL_END:
                called = self._called(connection, incident.number)
                return routing.also(
                    self._announced(incident.peak, event.at), called, self._community
                )
            case Kind.ESCALATION:
                climb = incident.climb
                found = climb.ladder.rung(event.rung) if climb else None
                steps = [found[0]] if found else []
                return routing.of_steps(steps, self._community, self._on_duty(event.at))
            case Kind.REMINDER:
                return routing.to_contact(event.contact, self._community, event.grade)
            case Kind.DIGEST | Kind.TEST | Kind.NOTICE:
                return []
            case _:
                assert_never(event.kind)

    def _announced(self, grade: Grade, at: int) -> list[Address]:
        steps = self._ladders[grade].announced
        return routing.announced(steps, self._community, grade, self._on_duty(at))

    def _on_duty(self, at: int) -> Community | None:
        return self.duty(at) if self.duty is not None else None

    def _called(self, connection: Connection, number: int) -> list[str]:
        """Return who was called by the ladder of an incident."""
        query = (
            select(_o.contact)
            .where(_o.incident == number, _o.kind == str(Kind.ESCALATION))
            .distinct()
        )
        return [str(name) for name in connection.execute(query).scalars()]


def by_residents(incident: Incident, event: Event) -> bool:
    """Tell whether an announcement speaks only for residents: nothing may make it wait."""
    holders = incident.judgement.holders
    return event.how == REPORTED or (
        event.kind is Kind.ALERT
        and bool(holders)
        and all(name.endswith(f" {REPORT_RULE}") for name in holders)
    )
