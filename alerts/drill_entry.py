"""The drill calendar as people write it: `[[drill]]` of response.toml. Data only."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.community import Community
from core.finding import Hazard

# Three watches of eight hours, by local hour of the start: those that most property offices keep,
# and what counts where the roster names no shifts. A drill by day proves nothing about the two
# people who are there at three in the night.
WATCHES = (("night-watch", 0), ("day-watch", 8), ("evening-watch", 16))


class DrillEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of the calendar.

    Attributes:
        id: Slug, unique.
        hazard: What is drilled.
        every_days: How often at least.
        zone: Where; "" means anywhere.
        watch: Id of a shift of the roster; without shifts night-watch, day-watch or evening-watch;
            "" is any hour.
        scenario: What to play, for people.
        reason: Why so often, here.
    """

    id: str
    hazard: Hazard
    every_days: float
    zone: str = ""
    watch: str = ""
    scenario: str = ""
    reason: str = ""


def calendar_problems(
    entries: Sequence[DrillEntry], community: Community, shifts: Sequence[str]
) -> list[str]:
    """Return what is wrong with a calendar, in words; empty if nothing is.

    Args:
        entries: The calendar.
        community: The profile.
        shifts: Ids of the roster's shifts; empty where there is none.
    """
    watches = tuple(shifts) or tuple(name for name, _ in WATCHES)
    found = []
    for entry in entries:
        where = f"drill {entry.id!r}"
        if not 1 <= entry.every_days <= 3650:
            found.append(f"{where}: every_days {entry.every_days}: expected 1 to 3650")
        if entry.watch and entry.watch not in watches:
            listed = ", ".join(watches)
            found.append(f"{where}: watch {entry.watch!r}: expected one of {listed}")
        if entry.zone and community.zone_of(entry.zone) is None:
            found.append(f"{where}: zone {entry.zone!r} is not in the profile")
        elif not _possible(entry, community):
            found.append(f"{where}: no sensor there watches for {entry.hazard}")
    return found


def _possible(entry: DrillEntry, community: Community) -> bool:
    return any(
        sensor.hazard is entry.hazard and entry.zone in ("", sensor.zone)
        for sensor in community.sensor
    )
