"""Who is on duty: weekly shifts, dated exceptions, stand-ins; at any instant, per role. Pure.

A role of which nobody stands in a shift is always on call (a leader has no shift, but a telephone).
A role whose people do is played by those on shift; if nobody is, all of them are told: a hole in
the roster must never be a hole in the warning.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import msgspec

from alerts.response import Absence, DatedShift, Response, Shift
from alerts.weekly import Span, instant, local_date, parse_hours, spans
from core.community import Community, Contact, Name


@dataclass(frozen=True, slots=True)
class Away:
    """Somebody is away between two instants (ms), and who stands in ("" for nobody)."""

    contact: str
    begin: int
    end: int
    stand_in: str = ""


class Watchkeeping(msgspec.Struct, frozen=True, kw_only=True):
    """One shift as it is really served: from when to when (ms), by whom.

    Attributes:
        shift: Id of the shift.
        name: For people.
        begin, end: Run time (ms).
        contacts: Who serves it, stand-ins in the place of those away.
        stands_in: Whom each stand-in replaces.
    """

    shift: str
    name: Name
    begin: int
    end: int
    contacts: tuple[str, ...]
    stands_in: dict[str, str] = {}


class Roster:
    """The roster of one site.

    Args:
        response: Shifts, dated exceptions, absences.
        community: Contacts and the time zone.
        away: Further absences, as they were noted on the console.
    """

    def __init__(self, response: Response, community: Community, away: Iterable[Away] = ()) -> None:
        self._community = community
        self._zone = zoneinfo.ZoneInfo(community.site.timezone)
        self._shifts = response.shift
        self._hours = {shift.id: parse_hours(shift.hours) for shift in response.shift}
        self._dated = {(entry.date, entry.shift): entry for entry in response.dated}
        known = {contact.id for contact in community.contact}
        # Whoever stands in any shift, be it one of a single day.
        self._rostered = {name for shift in response.shift for name in shift.contacts}
        self._rostered |= {name for dated in response.dated for name in dated.contacts}
        written = (self._written(entry) for entry in response.absence)
        # Somebody whom the profile does not know any more can neither be away nor stand in.
        self._away = tuple(
            entry if entry.stand_in in known else replace(entry, stand_in="")
            for entry in (*written, *away)
            if entry.contact in known
        )

    @property
    def exists(self) -> bool:
        """True if there are shifts at all."""
        return bool(self._shifts)

    def shifts(self, begin: int, end: int) -> list[Watchkeeping]:
        """Return the shifts that touch the time from *begin* to before *end* (ms), oldest first.

        Where somebody is away for a part of a shift, it is divided there.
        """
        first = local_date(begin, self._zone) - dt.timedelta(days=1)
        days = (local_date(end, self._zone) - first).days + 1
        found: list[Watchkeeping] = []
        for shift in self._shifts:
            for span in self._spans(shift, first, days):
                if span.begin < end and span.end > begin:
                    found += self._served(shift, span)
        touching = [entry for entry in found if entry.begin < end and entry.end > begin]
        return sorted(touching, key=lambda entry: (entry.begin, entry.end, entry.shift))

    def on_shift(self, at: int) -> list[Watchkeeping]:
        """Return the shifts that are being served at *at* (ms)."""
        return [entry for entry in self.shifts(at, at + 1) if entry.contacts]

    def on_duty(self, at: int) -> dict[str, tuple[Contact, ...]]:
        """Return who plays each role at *at* (ms): never nobody where a role has anybody at all."""
        serving = dict.fromkeys(name for entry in self.on_shift(at) for name in entry.contacts)
        replaces = {
            name: absent for entry in self.on_shift(at) for name, absent in entry.stands_in.items()
        }
        people = {contact.id: contact for contact in self._community.contact}
        roles: dict[str, tuple[Contact, ...]] = {}
        for role in dict.fromkeys(contact.role for contact in self._community.contact):
            # A stand-in plays the role of whom they replace, beside their own.
            on_shift = [
                people[name]
                for name in serving
                if role in (people[name].role, people[replaces.get(name, name)].role)
            ]
            own = [contact for contact in self._community.contact if contact.role == role]
            on_call = [
                one for one in own if self._absence(one.id, at) is None and one not in on_shift
            ]
            if self._is_on_call(own):
                on_shift += on_call
            roles[role] = tuple(on_shift) or tuple(own)
        return roles

    def community_at(self, at: int) -> Community:
        """Return the profile with only those contacts who are on duty at *at*, for routing.

        A stand-in stands in it once for each role that they play. Without a roster it is unchanged.
        """
        if not self.exists:
            return self._community
        contacts = tuple(
            msgspec.structs.replace(contact, role=role)
            for role, people in self.on_duty(at).items()
            for contact in people
        )
        return msgspec.structs.replace(self._community, contact=contacts)

    def unmanned(self, role: str, begin: int, end: int) -> list[Span]:
        """Return when nobody plays *role* on the roster, between *begin* and *end* (ms).

        A role that nobody has is unmanned throughout; one with somebody always on call never is.
        """
        own = [contact for contact in self._community.contact if contact.role == role]
        served = self.shifts(begin, end)
        edges = {begin, end}
        for entry in served:
            edges |= {entry.begin, entry.end}
        edges |= {edge for away in self._away for edge in (away.begin, away.end)}
        cuts = sorted(edge for edge in edges if begin <= edge <= end)
        holes: list[Span] = []
        for left, right in pairwise(cuts):
            if self._manned(own, served, left):
                continue
            if holes and holes[-1].end == left:
                left = holes.pop().begin  # noqa: PLW2901  # one hole, not two that touch
            holes.append(Span(left, right, local_date(left, self._zone)))
        return holes

    def _manned(self, own: Sequence[Contact], served: Sequence[Watchkeeping], at: int) -> bool:
        if self._is_on_call(own):
            return any(self._absence(contact.id, at) is None for contact in own)
        ids = {contact.id for contact in own}
        return any(
            entry.begin <= at < entry.end
            and any(ids & {name, entry.stands_in.get(name, name)} for name in entry.contacts)
            for entry in served
        )

    def _spans(self, shift: Shift, first: dt.date, days: int) -> list[Span]:
        found = []
        for number in range(days):
            day = first + dt.timedelta(days=number)
            dated = self._dated.get((day, shift.id))
            rules = parse_hours(dated.hours) if dated and dated.hours else self._hours[shift.id]
            found += spans(rules, day, 1, self._zone)
        return found

    def _served(self, shift: Shift, span: Span) -> list[Watchkeeping]:
        dated: DatedShift | None = self._dated.get((span.day, shift.id))
        planned = dated.contacts if dated is not None else shift.contacts
        if dated is not None and dated.hours and not dated.contacts:
            planned = shift.contacts
        cuts = sorted(
            {span.begin, span.end}
            | {
                edge
                for away in self._away
                if away.contact in planned
                for edge in (away.begin, away.end)
                if span.begin < edge < span.end
            }
        )
        return [self._part(shift, planned, begin, end) for begin, end in pairwise(cuts)]

    def _part(self, shift: Shift, planned: Sequence[str], begin: int, end: int) -> Watchkeeping:
        serving: dict[str, None] = {}
        stands_in: dict[str, str] = {}
        for name in planned:
            away = self._absence(name, begin)
            if away is None:
                serving[name] = None
            elif away.stand_in and self._absence(away.stand_in, begin) is None:
                stands_in[away.stand_in] = name
                serving[away.stand_in] = None
        return Watchkeeping(
            shift=shift.id, name=shift.name, begin=begin, end=end,
            contacts=tuple(serving), stands_in=stands_in,
        )  # fmt: skip

    def _absence(self, contact: str, at: int) -> Away | None:
        # The newest word holds: what is noted on the console comes after what the file says.
        found = [
            away for away in self._away if away.contact == contact and away.begin <= at < away.end
        ]
        return found[-1] if found else None

    def _is_on_call(self, own: Sequence[Contact]) -> bool:
        return not any(contact.id in self._rostered for contact in own)

    def _written(self, absence: Absence) -> Away:
        begin, end = (
            instant(moment.date(), moment.hour * 60 + moment.minute, self._zone)
            for moment in (absence.begin, absence.end)
        )
        return Away(absence.contact, begin, end, absence.stand_in)
