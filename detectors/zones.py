"""Where a finding of a whole station belongs."""

from __future__ import annotations

from core.community import Community


def ancestry(community: Community, zone: str) -> tuple[str, ...]:
    """Return *zone* and its ancestors, nearest first."""
    path: list[str] = []
    entry = community.zone_of(zone)
    while entry is not None and entry.id not in path:
        path.append(entry.id)
        entry = community.zone_of(entry.parent)
    return tuple(path)


def common_zone(community: Community, station: str) -> str:
    """Return the nearest common ancestor zone of a station's sensors, else its first one's zone."""
    zones = [entry.zone for entry in community.sensor if entry.station == station]
    paths = [ancestry(community, zone) for zone in zones]
    shared = [zone for zone in paths[0] if all(zone in path for path in paths)] if paths else []
    if shared:
        return shared[0]
    return zones[0] if zones else ""
