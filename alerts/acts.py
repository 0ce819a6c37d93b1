"""Reconciling: what stations did alone becomes part of the incident that it was about.

```
status ─▶ kept once ─▶ receipt ─▶ waits for its incident ─┬─▶ open: told in its journal
                                                          └─▶ none comes: one is opened, at blue
                                                              if it is over, as it is if not
```

An act is neither a grade nor a reading: detectors judge the readings that come with it, the newest
as now and the others as late. Only if they see nothing, the act itself is the finding: a siren that
sounded alone in the night is something that somebody has to look at.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from alerts.act_store import ActStore, KeptAct
from alerts.board import Key
from alerts.watch import Watch
from core.act import ActEvent, LocalAct
from core.clock import Clock
from core.finding import Because, Certainty, Condition, Finding
from core.grade import Grade
from core.status import Link, StationStatus
from core.topics import REFRESH_S

# How long an act waits for the incident that its readings open: a minute of run time, and in a
# fast run ten seconds of wall time, in which a backlog is stored and judged.
_WAIT_S = 60.0
_WAIT_WALL_S = 10.0
# What an output that runs means for an incident of its own.
_RULE = "acted-"


@dataclass(slots=True)
class Acts:
    """Keeps the acts of one site and brings them to their incidents. Used by one thread.

    Args:
        store: Where they are kept.
        watch: Where incidents are.
        clock: Clock of the run.
        zones: Of the profile.
    """

    store: ActStore
    watch: Watch
    clock: Clock
    zones: frozenset[str]
    _waiting: list[KeptAct] = field(default_factory=list)
    _running: dict[tuple[str, str], KeptAct] = field(default_factory=dict)
    _online: dict[str, bool] = field(default_factory=dict)
    _said_s: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Go on where the last start ended."""
        self._waiting = self.store.waiting()
        self._running = {(kept.station, kept.act.output): kept for kept in self.store.running()}

    def take(self, station: str, status: StationStatus) -> tuple[str, ...]:
        """Keep the acts of a status; return the ids to be receipted, after their commit."""
        self._online[station] = status.link is Link.ONLINE
        if not status.acts:
            return ()
        now = self.clock.now_ms()
        placed = [self._known(place(act, status, now)) for act in status.acts]
        for kept in self.store.keep(station, placed, now):
            key = (station, kept.act.output)
            if kept.act.event is ActEvent.ON:
                self._running[key] = kept
            elif kept.act.event is ActEvent.OFF:
                self._running.pop(key, None)
            if kept.act.zone and kept.act.hazard is not None:
                self._waiting.append(kept)
        return tuple(act.id for act in status.acts)

    def _known(self, act: LocalAct) -> LocalAct:
        """An act in a zone that the profile does not have belongs to no incident."""
        known = not act.zone or act.zone in self.zones
        return act if known else msgspec.structs.replace(act, zone="")

    def tick(self) -> None:
        """Let time pass: acts find their incidents, or make one."""
        now = self.clock.now_ms()
        held = self.watch.open_keys()
        wait_ms = max(_WAIT_S, _WAIT_WALL_S * self.clock.speed) * 1000
        for kept in list(self._waiting):
            key = _key(kept.act)
            if key not in held and now - kept.received_at >= wait_ms:
                self._open(kept)
                held = self.watch.open_keys()
            if key in held and self.watch.tell_act(key, kept.station, kept.act):
                self._waiting.remove(kept)
        self._refresh()

    def _open(self, kept: KeptAct) -> None:
        """No incident has come of the readings: the act itself is what is known."""
        on = self._running.get((kept.station, kept.act.output))
        grade = max(on.act.grade, Grade.BLUE) if on is not None else Grade.BLUE
        self.watch.take(self._finding(kept, grade), None)
        self._said_s[kept.station, kept.act.output] = self.clock.monotonic_s()

    def _refresh(self) -> None:
        """What runs is said again so that it does not run out; what has ended is ended."""
        now_s = self.clock.monotonic_s()
        for key, holder in self.watch.holders(_RULE):
            station = holder.partition(" ")[0].removeprefix("station.")
            output = holder.partition(f" {_RULE}")[2]
            on = self._running.get((station, output))
            if on is None or _key(on.act) != key:
                if not self._is_waiting(key, station, output):
                    self.watch.take(ended(key, station, output, self.clock.now_ms()), None)
                continue
            due_s = self._said_s.get((station, output), float("-inf")) + REFRESH_S
            # Of a station that is lost again nobody knows whether it still sounds.
            if self._online.get(station, False) and now_s >= due_s:
                self.watch.take(self._finding(on, max(on.act.grade, Grade.BLUE)), None)
                self._said_s[station, output] = now_s

    def _is_waiting(self, key: Key, station: str, output: str) -> bool:
        return any(
            (_key(kept.act), kept.station, kept.act.output) == (key, station, output)
            for kept in self._waiting
        )

    def _finding(self, kept: KeptAct, grade: Grade) -> Finding:
        act = kept.act
        assert act.hazard is not None
        now = self.clock.now_ms()
        return Finding(
            subject=f"station.{kept.station}", rule=f"{_RULE}{act.output}", zone=act.zone,
            hazard=act.hazard, grade=grade, condition=Condition.ACTIVE,
            certainty=Certainty.OBSERVED, at=act.at, since=act.at, judged=now,
            because=Because(note="acted", quality="" if act.sync else "uncertain",
                            reasons=() if act.sync else ("clock",)),
        )  # fmt: skip


def ended(key: Key, station: str, output: str, now: int) -> Finding:
    """Return that an output does not run any more."""
    return Finding(
        subject=f"station.{station}", rule=f"{_RULE}{output}", zone=key.zone, hazard=key.hazard,
        grade=Grade.GREEN, condition=Condition.CLEARED, at=now, since=now, judged=now,
        because=Because(note="acted"),
    )  # fmt: skip


def place(act: LocalAct, status: StationStatus, now: int) -> LocalAct:
    """Return an act in run time of the hub; `sync` then tells whether that is exact.

    A station without a trusted clock counts from its boot. Of the boot that speaks the difference
    to now is known exactly; of an earlier one only that it was before.
    """
    if act.sync:
        return act
    if act.boot == status.boot:
        at = (status.at if status.sync else now) - (status.monotonic_ms - act.elapsed_ms)
        return msgspec.structs.replace(act, at=min(at, now), sync=True)
    began = (status.at if status.sync else now) - status.monotonic_ms
    return msgspec.structs.replace(act, at=min(began, now), sync=False)


def _key(act: LocalAct) -> Key:
    assert act.hazard is not None
    return Key(act.zone, act.hazard)
