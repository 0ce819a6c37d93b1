"""What a place does when it is warned (`response.toml`): plans, roster, supplies. Data only.

`alerts.response_file` reads and checks it against the community profile. No names and no numbers
of private people stand in it: staff are contacts of community.toml, volunteers are in the register.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from alerts.drill_entry import DrillEntry
from core.community import Name
from core.finding import Hazard

# Whose a step is that names no role. It is shown like that, beside the other steps of its plan: one
# slip must not take all plans from a place.
NOBODY = Name(zh="无人负责", en="owned by nobody")


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part that somebody plays: rights and duties of it are clear before the night.

    Attributes:
        id: As contacts have it in community.toml; `volunteer` means those of the register.
        name: For people.
        duty: What this role answers for.
    """

    id: str
    name: Name
    duty: Name = Name()


class Need(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Supplies that a step takes: `item` as in the register of supplies, and how much of it."""

    item: str
    quantity: float = 1.0


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to do.

    Attributes:
        id: Slug, unique within the plan.
        text: What, where and how, for somebody who has never done it.
        role: Who does it; "" means that nobody owns it, which the lint finds.
        within_min: Minutes after the plan began within which it should be done; 0 for no limit.
        needs: Supplies to take.
        skills: What who does it must be able to do, as in the register of volunteers.
    """

    id: str
    text: Name
    role: str = ""
    within_min: float = 0.0
    needs: tuple[Need, ...] = ()
    skills: tuple[str, ...] = ()


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to call: a contact of the profile, or a public service with its number.

    Attributes:
        contact: Id of a contact; "" for a service.
        name, phone: Of the service, e.g. 119.
        say: What to tell them.
    """

    contact: str = ""
    name: Name = Name()
    phone: str = ""
    say: Name = Name()


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do about one hazard, from one grade upward, in one zone and the zones inside it.

    Attributes:
        id: Slug, unique.
        hazard: Which.
        grade: Word of the grade from which it holds: up to the next plan of that hazard.
        zone: Where; "" is the whole site. A zone without a plan of its own has its parent's.
        name: For people.
        step: In order.
        public: What residents are told.
        call: Whom to call, in order.
        roll_call: Zones whose doors are knocked on.
        reason: Why it is like this here.
        reviewed, reviewed_by: When and by whom it was last gone through on the spot.
        version: Rises with each change.
    """

    id: str
    hazard: Hazard
    grade: str
    zone: str = ""
    name: Name = Name()
    step: tuple[Step, ...] = ()
    public: Name = Name()
    call: tuple[Call, ...] = ()
    roll_call: tuple[str, ...] = ()
    reason: str = ""
    reviewed: dt.date | None = None
    reviewed_by: str = ""
    version: int = 1


class Doors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the doors of a zone are called: named one by one, or by storey and number.

    Attributes:
        zone: Whose.
        labels: Each door, in the order in which one walks.
        floors, per_floor, first_floor: Or: 16 storeys of 6 give 101 to 1606.
    """

    zone: str
    labels: tuple[str, ...] = ()
    floors: int = 0
    per_floor: int = 0
    first_floor: int = 1


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is on duty when, every week.

    Attributes:
        id: Slug, unique.
        name: For people.
        hours: Local hours, e.g. `daily 20:00-08:00` (`alerts.weekly`).
        contacts: Who; the first of a role leads.
    """

    id: str
    hours: str
    contacts: tuple[str, ...]
    name: Name = Name()


class DatedShift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One day on which a shift is served by others than usual (a holiday, a swap).

    Attributes:
        date: The day on which the shift begins.
        shift: Id of the shift.
        contacts: Who serves it then; nobody means that it falls out.
        hours: Other hours on that day, e.g. `08:00-14:00`; "" leaves them.
    """

    date: dt.date
    shift: str
    contacts: tuple[str, ...] = ()
    hours: str = ""


class Absence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody is away, and somebody else stands in.

    Attributes:
        contact: Who is away.
        begin, end: Local date and time.
        stand_in: Who serves their shifts meanwhile.
    """

    contact: str
    begin: dt.datetime
    end: dt.datetime
    stand_in: str = ""


class Supply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stock of one thing. The register in the database begins with these and is kept there.

    Attributes:
        id: Slug, unique.
        item: What kind of thing it is: plans ask for items, several stocks may hold one.
        name: For people.
        quantity, unit: How much.
        place: Where exactly, for somebody in the dark.
        zone: In which zone; "" for none.
        expires: Last day on which it may be used.
        minimum: Below this it must be bought.
    """

    id: str
    item: str
    name: Name
    quantity: float
    unit: Name = Name()
    place: Name = Name()
    zone: str = ""
    expires: dt.date | None = None
    minimum: float = 0.0


class ReportForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form for residents.

    The counts are our choice: a household that corrects itself stays below the first, and a site of
    a thousand flats that all see the same fire fills the second only after the duty has been told.

    Attributes:
        enabled: False takes it away.
        phone: Number to call instead, shown on the page.
        per_client, per_client_s: At most so many from one address within so many wall seconds.
        in_all, in_all_s: At most so many from everybody.
        proxies: Addresses of reverse proxies whose X-Forwarded-For is believed.
    """

    enabled: bool = True
    phone: str = ""
    per_client: int = 5
    per_client_s: float = 600.0
    in_all: int = 60
    in_all_s: float = 600.0
    proxies: tuple[str, ...] = ()


class Response(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of response.toml. Field names are the TOML keys."""

    role: tuple[Role, ...] = ()
    plan: tuple[Plan, ...] = ()
    doors: tuple[Doors, ...] = ()
    shift: tuple[Shift, ...] = ()
    dated: tuple[DatedShift, ...] = ()
    absence: tuple[Absence, ...] = ()
    supply: tuple[Supply, ...] = ()
    report: ReportForm = ReportForm()
    drill: tuple[DrillEntry, ...] = ()

    def role_name(self, role: str, language: str) -> str:
        """Return what people call a role; "" is that of a step which nobody owns."""
        if not role:
            return NOBODY.in_language(language)
        found = next((entry for entry in self.role if entry.id == role), None)
        return found.name.in_language(language) if found is not None else role

    @property
    def unowned(self) -> list[str]:
        """The steps that nobody owns, as `plan/step`."""
        return [f"{plan.id}/{step.id}" for plan in self.plan for step in plan.step if not step.role]

    def plan_of(self, plan: str) -> Plan | None:
        """Return the plan with this id."""
        return next((entry for entry in self.plan if entry.id == plan), None)


def within_zones(response: Response, zones: frozenset[str]) -> Response:
    """Return the response of a place that has only *zones*; the rest is left out."""
    plans = tuple(
        msgspec.structs.replace(
            plan, roll_call=tuple(zone for zone in plan.roll_call if zone in zones)
        )
        for plan in response.plan
        if not plan.zone or plan.zone in zones
    )
    return msgspec.structs.replace(
        response,
        plan=plans,
        doors=tuple(entry for entry in response.doors if entry.zone in zones),
        supply=tuple(
            entry if entry.zone in zones else msgspec.structs.replace(entry, zone="")
            for entry in response.supply
        ),
        drill=tuple(entry for entry in response.drill if not entry.zone or entry.zone in zones),
    )
