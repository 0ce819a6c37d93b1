"""The account of one boot of one station: which packs came, which are missing, what was lost.

Pure. A boot numbers its packs, so what came is `{floor..top}` without the absent ranges: the
account stays a few numbers however long the boot lives. `made` (readings produced up to and
including a pack, said by the station) is what produced is measured by; nothing is inferred from
the number of rows in the history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

# How many packs are remembered one by one. A station may drop packs that did come while their
# receipts were lost; those are at most what it had under way, far fewer than this.
RECENT_PACKS = 256


class Absent(NamedTuple):
    """Packs that did not come.

    Attributes:
        first, last: Sequence numbers, both included.
        since_ms: Run time (ms) at which they were missed.
        gone: True if the station has declared that they will never come.
    """

    first: int
    last: int
    since_ms: int
    gone: bool


@dataclass(slots=True)
class Balance:
    """Where the readings of a boot or a station are. Counts of (boot, seq, index), never of rows.

    Attributes:
        produced: Readings that left sampling, plus the upper bound of what a kill took.
        stored, quarantined, lost, unknown: Where they ended.
        pending: Produced and not accounted for yet: in the station's spool or on the way.
    """

    produced: int = 0
    stored: int = 0
    quarantined: int = 0
    lost: int = 0
    unknown: int = 0
    pending: int = 0


@dataclass(slots=True)
class BootAccount:
    """What is known of one boot.

    Attributes:
        station, boot: Whose account this is.
        row: Row id in the ledger, 0 while it is new.
        floor: Lowest sequence number of this boot; -1 before the first pack.
        top: Highest sequence number that came or was declared gone; -1 before the first pack.
        made: Readings produced up to and including `top`.
        announced: Readings produced as the station's status says; packs may still be on the way.
        stored, quarantined, lost, unknown: Counted so far; `lost` as declared.
        said: True once the station has said `made` by itself.
        seen_ms: Run time (ms) of the last news.
        recent: The last packs that came: (seq, made before it, readings it stands for).
        absent: Missing ranges, ascending, disjoint.
        absent_changed: True if `absent` must be written.
    """

    station: str
    boot: str
    row: int = 0
    floor: int = -1
    top: int = -1
    made: int = 0
    announced: int = 0
    stored: int = 0
    quarantined: int = 0
    lost: int = 0
    unknown: int = 0
    said: bool = False
    seen_ms: int = 0
    recent: list[tuple[int, int, int]] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)
    absent_changed: bool = False

    def receive(self, seq: int, made: int | None, produced: int, now_ms: int) -> bool:
        """Note that pack *seq* came; True if it had not come before.

        Args:
            seq: Its number.
            made: What the boot had produced up to and including this pack, None if not said.
            produced: Readings that this very pack stands for, thinned ones included.
            now_ms: Run time in milliseconds.
        """
        self.seen_ms = now_ms
        before = None if made is None else max(0, made - produced)
        newest = seq > self.top
        if seq == self.top + 1 and self.top >= 0:
            self.top = seq
        elif not self._fill(seq, before, now_ms):
            return False
        if made is not None:
            self.made = max(self.made, made)
            self.said = True
        elif newest or not self.said:
            self.made += produced
        start = self.made - produced if before is None else before
        self.recent.append((seq, start, produced))
        if len(self.recent) > 2 * RECENT_PACKS:
            del self.recent[:-RECENT_PACKS]
        return True

    def declare_gone(self, first: int, last: int, readings: int, now_ms: int) -> None:
        """Note that the packs *first* to *last* with *readings* in all will never come.

        Packs of the range that did come (their receipts were lost) stay counted as they are.
        """
        self.seen_ms = now_ms
        if self.top < 0:
            self.floor, self.top = first, first - 1
        missing = [hole for hole in self.absent if not hole.gone]
        inside = [(max(h.first, first), min(h.last, last)) for h in missing]
        inside = [(low, high) for low, high in inside if low <= high]
        for low, high in inside:
            self._take(low, high)
            self._insert(Absent(low, high, now_ms, gone=True))
        if first < self.floor:
            inside.append((first, min(last, self.floor - 1)))
            self._insert(Absent(*inside[-1], now_ms, gone=True))
            self._miss(last + 1, self.floor - 1, now_ms)
            self.floor = first
        if last > self.top:
            inside.append((first, last))
            self.made += max(0, readings - self._made_since(first))
            self._miss(self.top + 1, first - 1, now_ms)
            self._insert(Absent(max(first, self.top + 1), last, now_ms, gone=True))
            self.top = last
        if inside:
            came = sum(size for seq, _, size in self.recent if first <= seq <= last)
            self.lost += max(0, readings - came)

    def close(self, now_ms: int) -> None:
        """Note that nothing of this boot waits at its station: what is missing will never come.

        The holes are closed, and `balance` calls what they held unknown. A pack that comes all the
        same (a disk that was given up came back) is counted as it always was.
        """
        self.made = max(self.made, self.announced)
        self.absent = [
            hole if hole.gone else Absent(hole.first, hole.last, now_ms, gone=True)
            for hole in self.absent
        ]
        self.absent_changed = True

    def _made_since(self, first: int) -> int:
        """Return how many readings the packs from *first* to the top stand for, as far as known."""
        if first > self.top:
            return 0
        starts = [start for seq, start, _ in self.recent if seq == first]
        ends = [(seq, start + size) for seq, start, size in self.recent if seq < first]
        base = starts[-1] if starts else max(ends)[1] if ends else 0
        return max(0, self.made - base)

    @property
    def missing_packs(self) -> int:
        """How many packs are missing and not declared gone."""
        return sum(hole.last - hole.first + 1 for hole in self.absent if not hole.gone)

    @property
    def missing_since_ms(self) -> int | None:
        """Run time (ms) of the oldest hole, None without holes."""
        return min((hole.since_ms for hole in self.absent if not hole.gone), default=None)

    def balance(self) -> Balance:
        """Return where this boot's readings are.

        Two corrections make it exact. A pack that came although it was declared gone is not lost,
        so the declared loss never makes more than what was produced. And a shortfall with no pack
        missing can't be on the way: a pack was unreadable whose labels declared it; it is unknown.
        """
        came = self.stored + self.quarantined
        produced = max(self.made, self.announced, came)
        lost = min(self.lost, produced - came)
        unknown = 0
        if self.missing_packs == 0:
            unknown = max(0, self.made - came - lost)
        return Balance(
            produced=produced + self.unknown,
            stored=self.stored,
            quarantined=self.quarantined,
            lost=lost,
            unknown=self.unknown + unknown,
            pending=produced - came - lost - unknown,
        )

    def _fill(self, seq: int, before: int | None, now_ms: int) -> bool:
        """Put *seq* among the packs that came; False if it was there."""
        if self.top < 0:
            self.floor = self.top = seq
            if before and seq > 1:
                self.floor = 1
                self._miss(1, seq - 1, now_ms)
            return True
        if seq > self.top:
            self._miss(self.top + 1, seq - 1, now_ms)
            self.top = seq
            return True
        if seq < self.floor:
            self._miss(seq + 1, self.floor - 1, now_ms)
            self.floor = seq
        elif not self._take(seq, seq):
            return False
        if before == 0 and self.floor < seq:
            self._start_at(seq)
        return True

    def _start_at(self, seq: int) -> None:
        """The boot begins with *seq*: numbers below belong to other boots."""
        self.floor = seq
        self.absent = [
            hole._replace(first=max(hole.first, seq)) for hole in self.absent if hole.last >= seq
        ]
        self.absent_changed = True

    def _miss(self, first: int, last: int, now_ms: int) -> None:
        if first <= last:
            self._insert(Absent(first, last, now_ms, gone=False))

    def _insert(self, hole: Absent) -> None:
        self.absent.append(hole)
        self.absent.sort()
        self.absent_changed = True

    def _take(self, first: int, last: int) -> bool:
        """Cut a range that lies within one absent range out of it; False if there is none."""
        for index, hole in enumerate(self.absent):
            if hole.first <= first and last <= hole.last:
                rest = [
                    hole._replace(first=hole.first, last=first - 1),
                    hole._replace(first=last + 1, last=hole.last),
                ]
                self.absent[index : index + 1] = [part for part in rest if part.first <= part.last]
                self.absent_changed = True
                return True
        return False
