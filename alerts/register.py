"""Volunteers and supplies as a plan uses them: who can be asked, what there is to take. Pure.

A volunteer without consent is as if not there: never shown, never asked, never counted.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Collection, Iterable, Sequence

import msgspec

from alerts.plans import needs_of
from alerts.response import Plan, Supply
from alerts.weekly import covers, local_date, parse_hours


class Volunteer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody of the neighbourhood who has offered to help.

    Attributes:
        id: Slug.
        name, phone: Erasable.
        skills: Slugs, e.g. `first-aid`, `pump`, `sign-language`.
        hours: When they can be asked, e.g. `daily 18:00-23:00`; "" is always.
        zones: Where; none is everywhere.
        consent: The day on which they agreed to be registered and called; None is no consent.
    """

    id: str
    name: str
    phone: str = ""
    skills: tuple[str, ...] = ()
    hours: str = ""
    zones: tuple[str, ...] = ()
    consent: dt.date | None = None

    def available(self, at: int, zone: zoneinfo.ZoneInfo) -> bool:
        """Tell whether they can be asked at *at* (ms)."""
        return not self.hours or covers(parse_hours(self.hours), at, zone)


class Taking(msgspec.Struct, frozen=True):
    """One item that a plan takes, and whether it is there.

    Attributes:
        item: Which.
        needed, usable: How much the plan takes, and how much there is that has not expired.
        stocks: Where it lies, nearest expiry first; expired ones are not among them.
    """

    item: str
    needed: float
    usable: float
    stocks: tuple[Supply, ...]

    @property
    def short(self) -> float:
        """How much is missing."""
        return max(0.0, self.needed - self.usable)


def who_can(
    volunteers: Iterable[Volunteer],
    skills: Collection[str],
    at: int,
    zone: zoneinfo.ZoneInfo,
    places: Collection[str] = (),
) -> list[Volunteer]:
    """Return the volunteers with consent who have all *skills* and can be asked at *at* (ms).

    Args:
        volunteers: The register.
        skills: What they must be able to do.
        at: When.
        zone: Time zone of the place.
        places: The zone and the zones around it; none asks everybody.
    """
    return [
        one
        for one in volunteers
        if one.consent is not None
        and set(skills) <= set(one.skills)
        and one.available(at, zone)
        and (not one.zones or not places or set(one.zones) & set(places))
    ]


def usable(supplies: Iterable[Supply], item: str, day: dt.date) -> list[Supply]:
    """Return the stocks of an item that may be used on *day*, nearest expiry first."""
    fit = [
        one
        for one in supplies
        if one.item == item and one.quantity > 0 and (one.expires is None or one.expires >= day)
    ]
    return sorted(fit, key=lambda one: one.expires or dt.date.max)


def takings(plan: Plan, supplies: Sequence[Supply], day: dt.date) -> list[Taking]:
    """Return what a plan takes, and what of it there is on *day*."""
    found = []
    for item, needed in needs_of(plan).items():
        stocks = tuple(usable(supplies, item, day))
        found.append(Taking(item, needed, sum(one.quantity for one in stocks), stocks))
    return found


def volunteer_problems(volunteer: Volunteer, zones: Collection[str]) -> list[str]:
    """Return what is wrong with one entry, in words."""
    where = f"volunteer {volunteer.id!r}"
    found = []
    if not volunteer.name.strip():
        found.append(f"{where}: name: expected one")
    if len(volunteer.name) > 80 or len(volunteer.phone) > 40:
        found.append(f"{where}: name, phone: expected at most 80 and 40 characters")
    found += [
        f"{where}: zone {zone!r} is not in the profile"
        for zone in volunteer.zones
        if zone not in zones
    ]
    try:
        parse_hours(volunteer.hours)
    except ValueError as error:
        found.append(f"{where}: {error}")
    return found


def today(at: int, timezone: str) -> dt.date:
    """Return the day at the place."""
    return local_date(at, zoneinfo.ZoneInfo(timezone))
