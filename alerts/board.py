"""The board: what every rule says now, and since when that is no longer to be believed.

A finding is believed until its message expires (receipt plus remaining expiry, wall time): the
broker does not announce expiry, so the board runs its own timer. After that the finding is
*unknown*, which is a state of its own and never means all clear. Pure: `now_s` is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from core.finding import Condition, Finding, Hazard
from core.topics import RETAINED_EXPIRY_S

# More findings than a district has rules; a flood of invented subjects must not eat the memory.
MAX_FINDINGS = 50_000


@dataclass(frozen=True, slots=True)
class Key:
    """Which incident a finding belongs to: at most one is open for each."""

    zone: str
    hazard: Hazard


@dataclass(frozen=True, slots=True)
class Entry:
    """One finding on the board.

    Attributes:
        finding: The newest one of its subject and rule.
        expires_s: Monotonic wall second at which it is no longer believed.
        expired: True once that second has passed without a refresh.
    """

    finding: Finding
    expires_s: float
    expired: bool = False

    @property
    def name(self) -> str:
        """Subject and rule; how an incident remembers what holds it."""
        return holder_name(self.finding)

    @property
    def known(self) -> bool:
        """True if it says what is: neither unknown, nor expired, nor found late."""
        finding = self.finding
        return not (self.expired or finding.late or finding.condition is Condition.UNKNOWN)


def holder_name(finding: Finding) -> str:
    """Return the name under which an incident remembers a finding.

    Subjects and rules contain no blank, so one separates them.
    """
    return f"{finding.subject} {finding.rule}"


def subject_of(holder: str) -> str:
    """Return the subject of a holder's name.

    >>> subject_of("gauge-1.water-level limit-high")
    'gauge-1.water-level'
    """
    return holder.partition(" ")[0]


@dataclass(slots=True)
class Board:
    """Every current finding of the site, by the incident that it belongs to."""

    _entries: dict[Key, dict[str, Entry]] = field(default_factory=dict)
    _where: dict[str, Key] = field(default_factory=dict)
    _losses: dict[str, Key] = field(default_factory=dict)
    refused: int = 0

    def put(self, finding: Finding, now_s: float, remaining_s: float | None) -> Key | None:
        """Take a finding and return which incident it may change; None if the board is full.

        Args:
            finding: The finding.
            now_s: Monotonic wall seconds.
            remaining_s: Remaining message expiry, None if the publisher gave none.
        """
        name = holder_name(finding)
        if name not in self._where and len(self._where) >= MAX_FINDINGS:
            self.refused += 1
            return None
        life_s = RETAINED_EXPIRY_S if remaining_s is None else min(remaining_s, RETAINED_EXPIRY_S)
        key = Key(finding.zone, finding.hazard)
        before = self._where.get(name)
        if before is not None and before != key:  # a sensor was moved to another zone
            del self._entries[before][name]
            self._losses.pop(name, None)
        self._where[name] = key
        self._entries.setdefault(key, {})[name] = Entry(finding, now_s + life_s)
        if finding.because.members:
            self._losses[name] = key
        return key

    def expire(self, now_s: float) -> set[Key]:
        """Turn findings whose time is over into unknown ones; return the incidents concerned."""
        changed = set()
        for key, entries in self._entries.items():
            for name, entry in entries.items():
                if not entry.expired and now_s >= entry.expires_s:
                    entries[name] = replace(entry, expired=True)
                    changed.add(key)
        return changed

    def of(self, key: Key) -> dict[str, Entry]:
        """Return the entries of one incident key by name."""
        return self._entries.get(key, {})

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key that has ever had a finding."""
        return tuple(self._entries)

    def explained(self) -> frozenset[str]:
        """Return the subjects that a known loss explains (a lost station and its sensors)."""
        losses = (self._entries[key][name] for name, key in self._losses.items())
        return frozenset(
            member
            for entry in losses
            if entry.known and entry.finding.condition is Condition.ACTIVE
            for member in entry.finding.because.members
        )

    def __len__(self) -> int:
        return len(self._where)
