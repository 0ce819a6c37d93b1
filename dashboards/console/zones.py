"""Zones as pages show them: one tile each, in the order of the profile, so that places stay put."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.community import Community, Zone
from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from core.quantity import FACTS, Danger
from dashboards.console.marks import (
    Mark,
    mark_of,
    normal_mark,
    unjudged_mark,
    unknown_mark,
)
from dashboards.console.sensors import SensorView
from dashboards.console.words import Words


@dataclass(frozen=True, slots=True)
class HazardLine:
    """One hazard of a zone: its mark, its word, a note, and since when (0 if not known)."""

    hazard: str
    mark: Mark
    note: str = ""
    since: int = 0
    incident: int = 0


@dataclass(frozen=True, slots=True)
class ZoneTile:
    """One zone: the worst of its hazards on top, and what its sensors read."""

    id: str
    name: str
    mark: Mark
    lines: tuple[HazardLine, ...]
    values: tuple[SensorView, ...]

    @property
    def worst(self) -> HazardLine | None:
        """The line that decides the tile's mark."""
        return max(self.lines, key=lambda line: line.mark.rank, default=None)


@dataclass(frozen=True, slots=True)
class ZoneGroup:
    """Zones under one ancestor."""

    name: str
    tiles: tuple[ZoneTile, ...]

    @property
    def worst(self) -> Mark:
        """The worst mark within: what the whole of it stands at."""
        return max((tile.mark for tile in self.tiles), key=lambda mark: mark.rank)


def zone_groups(
    community: Community,
    grades: Sequence[ZoneGrade],
    sensors: Sequence[SensorView],
    words: Words,
) -> list[ZoneGroup]:
    """Return all zones that hold a sensor or a grade, grouped by their topmost ancestor."""
    said = {(grade.zone, grade.hazard): grade for grade in grades}
    parents = {zone.parent for zone in community.zone}
    groups: dict[str, list[ZoneTile]] = {}
    for zone in community.zone:
        own = [view for view in sensors if view.entry.zone == zone.id]
        if not own and zone.id in parents and not _speaks(zone, said):
            continue
        groups.setdefault(_root(community, zone).id, []).append(_tile(zone, said, own, words))
    return [
        ZoneGroup(_name(community, root, words), tuple(tiles)) for root, tiles in groups.items()
    ]


def summary(groups: Sequence[ZoneGroup]) -> list[tuple[Mark, int]]:
    """Return how many zones there are of each mark, worst first."""
    counts: dict[str, tuple[Mark, int]] = {}
    for group in groups:
        for tile in group.tiles:
            mark, count = counts.get(tile.mark.kind, (tile.mark, 0))
            counts[tile.mark.kind] = (mark, count + 1)
    return sorted(counts.values(), key=lambda item: -item[0].rank)


def _speaks(zone: Zone, said: Mapping[tuple[str, Hazard], ZoneGrade]) -> bool:
    return any(
        grade.grade > Grade.GREEN or grade.condition is Condition.UNKNOWN
        for (name, _), grade in said.items()
        if name == zone.id
    )


def _tile(
    zone: Zone,
    said: Mapping[tuple[str, Hazard], ZoneGrade],
    own: Sequence[SensorView],
    words: Words,
) -> ZoneTile:
    hazards = list(dict.fromkeys(view.entry.hazard for view in own))
    hazards += [
        hazard
        for (name, hazard), grade in said.items()
        if name == zone.id
        and hazard not in hazards
        and (grade.grade > Grade.GREEN or grade.condition is Condition.UNKNOWN)
    ]
    lines = tuple(
        _line(
            hazard,
            said.get((zone.id, hazard)),
            [view for view in own if view.entry.hazard is hazard],
            words,
        )
        for hazard in hazards
    )
    worst = max(lines, key=lambda line: line.mark.rank, default=None)
    mark = worst.mark if worst is not None else unjudged_mark(words)
    return ZoneTile(zone.id, zone.name.in_language(words.language), mark, lines, _telling(own))


def _line(
    hazard: Hazard, said: ZoneGrade | None, own: Sequence[SensorView], words: Words
) -> HazardLine:
    """Judge one hazard of one zone for display; nothing silent is ever shown as normal."""
    word = words.hazard(hazard)
    silent = sum(view.state in ("silent", "never") for view in own)
    note = words("partly_silent", silent, len(own)) if silent else ""
    if own and silent == len(own):
        note = words("all_silent")
    if said is None:
        if own and not any(view.limits or view.quantity in _JUDGED for view in own):
            return HazardLine(word, unjudged_mark(words), note)
        return HazardLine(word, unknown_mark(words), note or words("not_judged_yet"))
    mark = mark_of(said.grade, said.condition, words)
    if mark.kind == "green":
        mark = unknown_mark(words) if own and silent == len(own) else normal_mark(words)
    return HazardLine(word, mark, note, said.since, said.incident)


_JUDGED = frozenset(
    quantity for quantity, facts in FACTS.items() if facts.defaults and facts.danger is Danger.HIGH
)


def _telling(own: Sequence[SensorView]) -> tuple[SensorView, ...]:
    """Return the readings worth standing on a tile: those out of order first, two at most."""
    ranked = sorted(own, key=lambda view: -(view.mark.rank if view.mark else 0.0))
    return tuple(ranked[:2])


def _root(community: Community, zone: Zone) -> Zone:
    parent = community.zone_of(zone.parent)
    return _root(community, parent) if parent is not None else zone


def _name(community: Community, zone: str, words: Words) -> str:
    return community.place(zone, words.language)
