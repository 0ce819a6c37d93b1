"""Which packs of each station have come, and which holes are left to be filled from history.

A hole never stops live judging. It is filled once ingest has receipted its packs, and closed
unfilled when the station declares them gone, or when nobody has said anything of them for long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from core.pack import Pack

# A hole wider than this is not counted pack by pack; catching up from history covers it.
MAX_MISSING = 10_000
# How many holes of one station wait at most; the oldest is closed unfilled.
MAX_HOLES = 100
# Wall seconds after which a hole is looked up in history although no receipt was seen.
LOOK_UP_S = 60.0
# Wall seconds after which a hole is closed: ingest has stored it long ago, or never will.
GIVE_UP_S = 900.0


class Arrival(Enum):
    """What a pack is to us."""

    NEW = "new"  # newer than all before it
    OLD = "old"  # fills a hole: its readings are the past
    DUPLICATE = "duplicate"  # judged before


class Hole(msgspec.Struct):
    """Packs that did not come.

    Attributes:
        boot: Boot of the station program.
        missing: Their numbers.
        start_ms, end_ms: Event times between which their readings lie, exclusive.
        seen_s: Monotonic time at which the hole was seen.
        looked_up: True once history was asked without a receipt.
    """

    boot: str
    missing: set[int]
    start_ms: int
    end_ms: int
    seen_s: float
    looked_up: bool = False


@dataclass(slots=True)
class StationTrail:
    """What is known of one station's packs."""

    boot: str = ""
    next_seq: int = 0
    newest_ms: int = 0
    holes: list[Hole] = field(default_factory=list)


@dataclass(slots=True)
class Trails:
    """The trails of all stations.

    Attributes:
        duplicates: Packs that came again and were not judged again.
        filled, closed: Holes that were filled, and that were closed unfilled.
    """

    stations: dict[str, StationTrail] = field(default_factory=dict)
    duplicates: int = 0
    filled: int = 0
    closed: int = 0

    def arrive(
        self, station: str, pack: Pack, monotonic_s: float, latest_ms: int = 1 << 62
    ) -> Arrival:
        """Take note of a pack and say what it is; packs without a number are always new.

        Args:
            station: Whose.
            pack: What came.
            monotonic_s: When, wall seconds.
            latest_ms: Stamps beyond this are of no clock and not believed.
        """
        if pack.boot is None or pack.seq is None:
            return Arrival.NEW
        trail = self.stations.setdefault(station, StationTrail())
        times = [reading.at for reading in pack.readings if pack.sync and reading.at <= latest_ms]
        for gone in pack.gone:
            self._close(trail, gone.boot, range(gone.first, gone.last + 1))
        oldest = min(times, default=trail.newest_ms)
        ahead = bool(times) and max(times) > trail.newest_ms
        if trail.boot and pack.boot != trail.boot and times and not ahead:
            return Arrival.OLD  # the backlog of an earlier boot, between the packs of this one
        arrival = self._number(trail, pack.boot, pack.seq, oldest, monotonic_s)
        if arrival is Arrival.DUPLICATE and ahead:
            arrival = Arrival.NEW  # a device that counts anew under its old boot: never deaf to it
        self.duplicates += arrival is Arrival.DUPLICATE
        if arrival is Arrival.NEW:
            trail.newest_ms = max([trail.newest_ms, *times])
        return arrival

    def _number(
        self, trail: StationTrail, boot: str, seq: int, oldest_ms: int, monotonic_s: float
    ) -> Arrival:
        if boot != trail.boot:
            first = 1 if trail.boot and seq > 0 else seq
            trail.boot, trail.next_seq = boot, first
        if seq < trail.next_seq:
            return self._fill_live(trail, boot, seq)
        missed = seq - trail.next_seq
        if missed and trail.newest_ms:
            numbers = set(range(max(trail.next_seq, seq - MAX_MISSING), seq))
            hole = Hole(boot, numbers, trail.newest_ms, oldest_ms, monotonic_s)
            trail.holes.append(hole)
            if len(trail.holes) > MAX_HOLES:
                trail.holes.pop(0)
                self.closed += 1
        trail.next_seq = seq + 1
        return Arrival.NEW

    def _fill_live(self, trail: StationTrail, boot: str, seq: int) -> Arrival:
        """A missing pack came after all: it is judged now, and its hole shrinks."""
        for hole in trail.holes:
            if hole.boot == boot and seq in hole.missing:
                hole.missing.discard(seq)
                self._drop_empty(trail)
                return Arrival.OLD
        return Arrival.DUPLICATE

    def _close(self, trail: StationTrail, boot: str, gone: range) -> None:
        for hole in trail.holes:
            if hole.boot == boot:
                # A range may be as long as the life of a boot.
                hole.missing = {number for number in hole.missing if number not in gone}
        self.closed += self._drop_empty(trail)

    @staticmethod
    def _drop_empty(trail: StationTrail) -> int:
        before = len(trail.holes)
        trail.holes = [hole for hole in trail.holes if hole.missing]
        return before - len(trail.holes)

    def receipt(self, station: str, boot: str, stored: Iterable[int]) -> list[Hole]:
        """Return the holes that ingest's receipt completes; history can fill them now."""
        trail = self.stations.get(station)
        if trail is None or not trail.holes:
            return []
        numbers = set(stored)
        complete = []
        for hole in trail.holes:
            if hole.boot == boot and hole.missing & numbers:
                hole.missing -= numbers
                if not hole.missing:
                    complete.append(hole)
        self.filled += len(complete)
        self._drop_empty(trail)
        return complete

    def due(self, monotonic_s: float) -> list[tuple[str, Hole]]:
        """Return holes to look up without a receipt; those that are too old are closed."""
        found = []
        for station, trail in self.stations.items():
            for hole in list(trail.holes):
                if monotonic_s - hole.seen_s > GIVE_UP_S:
                    trail.holes.remove(hole)
                    self.closed += 1
                elif not hole.looked_up and monotonic_s - hole.seen_s > LOOK_UP_S:
                    hole.looked_up = True
                    found.append((station, hole))
        return found

    def pass_over(self, station: str, newest_ms: int) -> None:
        """Take note that everything up to *newest_ms* has been caught up from history."""
        trail = self.stations.setdefault(station, StationTrail())
        trail.newest_ms = max(trail.newest_ms, newest_ms)

    def notes(self) -> dict[str, list[object]]:
        """Return what a snapshot keeps: where each station's numbering stands."""
        return {
            name: [trail.boot, trail.next_seq, trail.newest_ms]
            for name, trail in self.stations.items()
        }

    def resume(self, notes: dict[str, tuple[str, int, int]]) -> None:
        """Take over the numbering of a snapshot; what came since is caught up from history."""
        for name, (boot, next_seq, newest_ms) in notes.items():
            self.stations[name] = StationTrail(boot, next_seq, newest_ms)
