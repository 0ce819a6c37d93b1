"""The simulated siren of the demo: its mandate, when it sounds, and what it did.

A station whose uplink a scenario cuts gets one. It writes what it does to a file, as a real one
would make noise; the demo reads the file and tells it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from core.clock import Clock
from core.community import Community, SensorEntry, rules_for
from core.grade import Grade
from core.quantity import FACTS
from edge.acting.settings import ActEntry, Mandate, OutputEntry

# How long the hub must be gone: a minute, so that a link that flaps does not sound a siren.
_AFTER_S = 60.0
_YEAR = dt.timedelta(days=365)
TRAIL = "siren.jsonl"


class Siren(NamedTuple):
    """What makes a station act alone, for its station.toml."""

    mandate: Mandate | None
    outputs: tuple[OutputEntry, ...]
    acts: tuple[ActEntry, ...]


NO_SIREN = Siren(None, (), ())


def siren_of(community: Community, sensors: Sequence[SensorEntry], clock: Clock) -> Siren:
    """Return a siren that sounds for every local limit that reaches orange."""
    wanted = {
        (entry.zone, quantity): None
        for entry in sensors
        for quantity in entry.quantities
        if not FACTS[quantity].cumulative
        and any(
            level.grade >= Grade.ORANGE
            for rule in rules_for(community.limit, entry, quantity)
            for level in rule.levels
        )
    }
    if not wanted:
        return NO_SIREN
    today = dt.datetime.fromtimestamp(clock.now_ms() / 1000, dt.UTC).date()
    mandate = Mandate("demo", today, today + _YEAR, "The siren may sound while the hub is gone")
    acts = tuple(
        ActEntry("siren", "alone", zone, quantity, "orange", _AFTER_S) for zone, quantity in wanted
    )
    return Siren(mandate, (OutputEntry("siren", "simulated", file=TRAIL),), acts)


class Sounding(NamedTuple):
    """A siren was switched.

    Attributes:
        station: Whose.
        at: Run time (ms).
        on: True if it sounds now.
    """

    station: str
    at: int
    on: bool


@dataclass(slots=True)
class SirenTrails:
    """Reads what the sirens of a run did.

    Args:
        state: State directory of the run.
    """

    state: Path
    _read: dict[Path, int] = field(default_factory=dict)
    _on: dict[str, bool] = field(default_factory=dict)

    def news(self) -> list[Sounding]:
        """Return what was switched since the last call, in order of each station."""
        found = []
        for path in sorted(self.state.glob(f"stations/*/{TRAIL}")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            found += self._soundings(path.parent.name, whole)
        return found

    def _soundings(self, station: str, data: bytes) -> list[Sounding]:
        found = []
        for line in data.splitlines():
            said = json.loads(line)
            on = said["state"] == "on"
            # The safe state at the start, and renewals, are no news.
            if said["state"] == "renew" or on is self._on.get(station, False):
                continue
            self._on[station] = on
            found.append(Sounding(station, int(said["at"]), on))
        return found
