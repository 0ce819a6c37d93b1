"""Areas: the worst grade within each zone and all that it holds (flat < stairwell < block < site).

Pure. Unknown is counted beside the grade, never as green; what is withheld still counts, because
the process condition goes on, and is told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alerts.views import IncidentView
from core.community import Community, Name
from core.finding import Condition, ZoneGrade
from core.grade import Grade


class AreaView(msgspec.Struct, frozen=True, kw_only=True):
    """One area with everything inside it.

    Attributes:
        zone: Its id; the site's own id for the community as a whole.
        parent: The area around it, "" for the site.
        name: For people.
        depth: 0 for the site, 1 for its blocks…
        grade: Worst grade that holds here or within.
        where: Zone in which that is; "" if all is green.
        incidents: How many are open, by grade word; only those that occur.
        waiting: How many of them nobody has taken over.
        unknown: How many (zone, hazard) within can't be judged now.
        hidden: How many incidents within are withheld altogether.
        zones: How many zones it holds, itself included.
    """

    zone: str
    parent: str
    name: Name
    depth: int
    grade: Grade
    where: str = ""
    incidents: dict[str, int] = {}
    waiting: int = 0
    unknown: int = 0
    hidden: int = 0
    zones: int = 1


def roll_up(
    community: Community, grades: Sequence[ZoneGrade], incidents: Sequence[IncidentView]
) -> list[AreaView]:
    """Return the site and every zone, parents before children, in the order of the profile.

    Args:
        community: The profile.
        grades: Of each (zone, hazard) that is judged.
        incidents: The open ones.
    """
    site = community.site.id
    views = [_area(community, site, "", 0, grades, incidents)]
    children: dict[str, list[str]] = {}
    for zone in community.zone:
        known = community.zone_of(zone.parent) is not None
        children.setdefault(zone.parent if known else site, []).append(zone.id)

    def walk(parent: str, depth: int) -> None:
        for zone in children.get(parent, ()):
            views.append(_area(community, zone, parent, depth, grades, incidents))
            walk(zone, depth + 1)

    walk(site, 1)
    return views


def _area(
    community: Community,
    zone: str,
    parent: str,
    depth: int,
    grades: Sequence[ZoneGrade],
    incidents: Sequence[IncidentView],
) -> AreaView:
    inside = _inside(community, zone)
    here = [grade for grade in grades if grade.zone in inside]
    held = [incident for incident in incidents if incident.open and incident.zone in inside]
    worst = max(here, key=lambda grade: grade.grade, default=None)
    counts: dict[str, int] = {}
    for incident in sorted(held, key=lambda incident: -incident.grade):
        counts[incident.grade.word] = counts.get(incident.grade.word, 0) + 1
    return AreaView(
        zone=zone,
        parent=parent,
        name=Name(zh=community.place(zone, "zh"), en=community.place(zone, "en")),
        depth=depth,
        grade=worst.grade if worst else Grade.GREEN,
        where=worst.zone if worst and worst.grade > Grade.GREEN else "",
        incidents=counts,
        waiting=sum(not incident.acknowledged and not incident.hidden for incident in held),
        unknown=sum(grade.condition is Condition.UNKNOWN for grade in here),
        hidden=sum(incident.hidden for incident in held),
        zones=len(inside),
    )


def _inside(community: Community, zone: str) -> set[str]:
    """Return a zone and all that lie within; everything for the site."""
    if zone == community.site.id:
        return {zone, *(entry.id for entry in community.zone)}
    found = {zone}
    while True:
        more = {entry.id for entry in community.zone if entry.parent in found} - found
        if not more:
            return found
        found |= more
