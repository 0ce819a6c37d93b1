"""What pages and the API see of plans and people. Times are run time in milliseconds."""

from __future__ import annotations

import msgspec

from alerts.duty_store import Door
from alerts.evidence import StepDone
from alerts.register import Taking, Volunteer
from alerts.response import Call, Need
from alerts.roster import Watchkeeping
from core.community import Name


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a plan in an incident.

    Attributes:
        id, text, role, within_min: As planned.
        due_at: Until when it should be done; 0 without a target.
        needs, skills: What to take, what to be able to do.
        done: What became of it; None while nothing has.
        ask: Volunteers who can be asked now, for steps of volunteers.
    """

    id: str
    text: Name
    role: str
    within_min: float = 0.0
    due_at: int = 0
    needs: tuple[Need, ...] = ()
    skills: tuple[str, ...] = ()
    done: StepDone | None = None
    ask: tuple[Volunteer, ...] = ()


class RollCallZone(msgspec.Struct, frozen=True, kw_only=True):
    """The doors of one zone.

    Attributes:
        zone: Which.
        doors: Every door in walking order.
        per_floor: How many are on one storey; 0 if that is not known.
        ticked: What was found, by door.
        found, absent, needs_help, left: How many doors of each kind; left: nobody was there yet.
    """

    zone: str
    doors: tuple[str, ...]
    per_floor: int = 0
    ticked: dict[str, Door]
    found: int
    absent: int
    needs_help: int
    left: int


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one incident.

    Attributes:
        incident: Its number.
        plan, version, name, reason: Which plan of the place; "" and 0 for none.
        generic: True if there is none: the steps are general words that nobody can tick off.
        steps: In order.
        public: What residents are told.
        call: Whom to call.
        take: What the steps take, and whether it is there.
        roll_call: Doors to knock on.
    """

    incident: int
    plan: str = ""
    version: int = 0
    name: Name = Name()
    reason: str = ""
    generic: bool = False
    steps: tuple[StepView, ...] = ()
    public: Name = Name()
    call: tuple[Call, ...] = ()
    take: tuple[Taking, ...] = ()
    roll_call: tuple[RollCallZone, ...] = ()


class DutyView(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on duty.

    Attributes:
        at: When.
        exists: False if there is no roster: then everybody always is.
        shifts: Those that are being served.
        roles: Ids of the contacts who play each role.
        next: The shifts of the next 36 hours.
    """

    at: int
    exists: bool
    shifts: tuple[Watchkeeping, ...]
    roles: dict[str, tuple[str, ...]]
    next: tuple[Watchkeeping, ...]
