"""Reads `response.toml` and says everything that is wrong with it, in words.

References (zones, contacts, roles, items) are checked against the community profile. What is legal
but unwise is the lint's (`alerts.plan_lint`).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from pathlib import Path

from alerts.drill_entry import calendar_problems
from alerts.response import Call, Doors, Plan, Response, Shift, Step, Supply
from alerts.weekly import parse_hours
from core.community import Community
from core.configuration import ConfigurationError, parse_toml, read_text
from core.grade import WARNING_GRADES
from core.identity import is_slug

# The role of those in the register; everybody else is a contact.
VOLUNTEER = "volunteer"
FILE = "response.toml"
_GRADES = tuple(grade.word for grade in WARNING_GRADES)
# More doors than the largest tower has; a slip of the finger must not make a page of a million.
_MOST_DOORS = 2_000


def load_response(path: Path, community: Community) -> Response:
    """Read and check `response.toml`.

    Raises:
        ConfigurationError: It can't be used; the message names file, key, given and expected.
    """
    return parse_response(read_text(path), community, str(path))


def parse_response(text: str, community: Community, file: str = "<text>") -> Response:
    """Read and check the text of a response.

    Raises:
        ConfigurationError: It can't be used; the message names file, key, given and expected.
    """
    response = parse_toml(text, Response, file)
    for problem in response_problems(response, community):
        raise ConfigurationError(file, problem)
    return response


def response_problems(response: Response, community: Community) -> list[str]:
    """Return everything that is wrong with a response, in words; empty if nothing is."""
    zones = {zone.id for zone in community.zone}
    contacts = {contact.id for contact in community.contact}
    roles = known_roles(response, community)
    found = _twice(response)
    for plan in response.plan:
        found += _plan_problems(plan, zones, contacts, roles)
    places: dict[tuple[str, str, str], str] = {}
    for plan in response.plan:
        key = (plan.hazard, plan.grade, plan.zone)
        if key in places:
            found.append(
                f"plan {plan.id!r}: plan {places[key]!r} is for the same hazard, grade and zone"
            )
        places[key] = plan.id
    for doors in response.doors:
        found += _doors_problems(doors, community)
    for supply in response.supply:
        found += supply_problems(supply, zones)
    found += calendar_problems(response.drill, community, [shift.id for shift in response.shift])
    return found + _roster_problems(response, contacts) + _form_problems(response)


def known_roles(response: Response, community: Community) -> set[str]:
    """Return every role that a step may name."""
    return (
        {VOLUNTEER}
        | {role.id for role in response.role}
        | {contact.role for contact in community.contact}
    )


def _twice(response: Response) -> list[str]:
    kinds: dict[str, list[str]] = {
        "role": [entry.id for entry in response.role],
        "plan": [entry.id for entry in response.plan],
        "shift": [entry.id for entry in response.shift],
        "supply": [entry.id for entry in response.supply],
        "drill": [entry.id for entry in response.drill],
    }
    found = []
    for kind, ids in kinds.items():
        found += [
            f"{kind} id {name!r}: expected 1 to 40 of a-z, 0-9 and hyphen"
            for name in ids
            if not is_slug(name)
        ]
        found += [f"{kind} id {name!r}: twice" for name in sorted({*ids}) if ids.count(name) > 1]
    return found


def _plan_problems(plan: Plan, zones: set[str], contacts: set[str], roles: set[str]) -> list[str]:
    where = f"plan {plan.id!r}"
    found = []
    if plan.grade not in _GRADES:
        found.append(f"{where}: grade {plan.grade!r}: expected one of {', '.join(_GRADES)}")
    found += [
        f"{where}: zone {zone!r} is not in the profile"
        for zone in (plan.zone, *plan.roll_call)
        if zone and zone not in zones
    ]
    if plan.version < 1:
        found.append(f"{where}: version {plan.version}: expected 1 or more")
    ids = [step.id for step in plan.step]
    found += [f"{where}: step {name!r}: twice" for name in sorted({*ids}) if ids.count(name) > 1]
    for step in plan.step:
        found += _step_problems(f"{where}: step {step.id!r}", step, roles)
    for call in plan.call:
        found += _call_problems(where, call, contacts)
    return found


def _step_problems(where: str, step: Step, roles: set[str]) -> list[str]:
    found = []
    if not is_slug(step.id):
        found.append(f"{where}: expected 1 to 40 of a-z, 0-9 and hyphen")
    if not (step.text.zh or step.text.en):
        found.append(f"{where}: text: expected zh or en")
    if step.role and step.role not in roles:
        listed = ", ".join(sorted(roles))
        found.append(f"{where}: role {step.role!r}: expected one of {listed}")
    if not 0 <= step.within_min < 7 * 24 * 60:
        found.append(f"{where}: within_min {step.within_min}: expected 0 to a week")
    found += [
        f"{where}: needs {need.item!r}: quantity {need.quantity}: expected above 0"
        for need in step.needs
        if not 0 < need.quantity < inf
    ]
    found += [
        f"{where}: {name!r}: expected 1 to 40 of a-z, 0-9 and hyphen"
        for name in (*step.skills, *(need.item for need in step.needs))
        if not is_slug(name)
    ]
    return found


def _call_problems(where: str, call: Call, contacts: set[str]) -> list[str]:
    if call.contact:
        if call.contact in contacts:
            return []
        return [f"{where}: call: contact {call.contact!r} is not in the profile"]
    if call.phone and (call.name.zh or call.name.en):
        return []
    return [f"{where}: call: expected a contact, or name and phone"]


def _doors_problems(doors: Doors, community: Community) -> list[str]:
    where = f"doors of {doors.zone!r}"
    zone = community.zone_of(doors.zone)
    if zone is None:
        return [f"{where}: zone is not in the profile"]
    if bool(doors.labels) == bool(doors.floors or doors.per_floor):
        return [f"{where}: expected either labels, or floors and per_floor"]
    if (
        not 0 <= doors.floors * doors.per_floor <= _MOST_DOORS
        or min(doors.floors, doors.per_floor) < 0
    ):
        return [f"{where}: floors, per_floor: expected at most {_MOST_DOORS} doors"]
    count = len(doors.labels) or doors.floors * doors.per_floor
    if len({*doors.labels}) < len(doors.labels):
        return [f"{where}: labels: a door stands in it twice"]
    if zone.households is not None and count != zone.households:
        return [f"{where}: {count} doors, but the profile says {zone.households} households"]
    return []


def supply_problems(supply: Supply, zones: Iterable[str]) -> list[str]:
    """Return what is wrong with one stock, in words."""
    where = f"supply {supply.id!r}"
    found = []
    if not is_slug(supply.item):
        found.append(f"{where}: item {supply.item!r}: expected 1 to 40 of a-z, 0-9 and hyphen")
    if not 0 <= supply.quantity < inf or not 0 <= supply.minimum < inf:
        found.append(f"{where}: quantity, minimum: expected 0 or more")
    if supply.zone and supply.zone not in zones:
        found.append(f"{where}: zone {supply.zone!r} is not in the profile")
    return found


def _roster_problems(response: Response, contacts: set[str]) -> list[str]:
    found = []
    shifts = {shift.id: shift for shift in response.shift}
    for shift in response.shift:
        found += _shift_problems(shift, contacts)
    for dated in response.dated:
        where = f"dated {dated.date} {dated.shift!r}"
        if dated.shift not in shifts:
            found.append(f"{where}: shift: expected one of {', '.join(shifts) or 'none'}")
        found += _strangers(where, dated.contacts, contacts)
        found += _hours_problems(where, dated.hours)
    for absence in response.absence:
        where = f"absence of {absence.contact!r}"
        named = [absence.contact, *([absence.stand_in] if absence.stand_in else [])]
        found += _strangers(where, named, contacts)
        if absence.begin.tzinfo is not None or absence.end.tzinfo is not None:
            found.append(f"{where}: begin, end: expected local times without an offset")
        elif absence.begin >= absence.end:
            found.append(f"{where}: begin {absence.begin}: expected before end {absence.end}")
        if absence.stand_in == absence.contact:
            found.append(f"{where}: stand_in: expected somebody else")
    return found


def _shift_problems(shift: Shift, contacts: set[str]) -> list[str]:
    where = f"shift {shift.id!r}"
    found = _strangers(where, shift.contacts, contacts) + _hours_problems(where, shift.hours)
    if not shift.hours.strip():
        found.append(f"{where}: hours: expected like 'mon-fri 08:00-20:00'")
    return found


def _strangers(where: str, named: Iterable[str], contacts: set[str]) -> list[str]:
    return [
        f"{where}: contact {name!r} is not in the profile" for name in named if name not in contacts
    ]


def _hours_problems(where: str, text: str) -> list[str]:
    try:
        parse_hours(text)
    except ValueError as error:
        return [f"{where}: {error}"]
    return []


def _form_problems(response: Response) -> list[str]:
    form = response.report
    if min(form.per_client, form.in_all) < 1:
        return ["report: per_client, in_all: expected 1 or more"]
    if not (0 < form.per_client_s <= 86_400 and 0 < form.in_all_s <= 86_400):
        return ["report: per_client_s, in_all_s: expected above 0, at most a day"]
    return []
