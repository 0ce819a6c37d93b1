"""What is not there: silent sensors, sensors that never reported, lost and stopped stations.

Deadlines count from the last thing heard, but never from before the detectors began to listen or
the station came back: whoever was not listening can't call others silent. A lost station explains
its sensors: one `link` finding with its members, and no `silence` of theirs. A sensor is silent
only while its station is heard: a station that says nothing proves nothing about its sensors.
A new deadline is no sign of life: what was silent or lost stays so until it is heard.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.clock import late_after_ms
from core.community import Community
from core.finding import Because, Condition, Finding, Hazard
from core.grade import Grade
from core.quality import Quality, Reason
from core.status import Link
from detectors.batch import NO_REASON, REASON_CODES, REASONS, Batch
from detectors.limit_lane import BAD, NEVER, Bytes, Flags, Ints
from detectors.plan import SeriesPlan
from detectors.zones import common_zone

# Of a series; LOST and STOPPED are of a station. UNHEARD: nothing yet, and not yet overdue.
# OVERDUE: stopped on purpose, and not started again for too long.
PRESENT, SILENT, FAULTY, EXPLAINED, UNHEARD, LOST, STOPPED, OVERDUE = 0, 1, 2, 3, 4, 5, 6, 7
_AWAY = (LOST, STOPPED, OVERDUE)
# Choice of this project: a planned stop is no alarm, but one that lasts is a forgotten station.
# One hour of run time, plus a minute of wall time at any speed.
_STOP_S, _STOP_WALL_S = 3600.0, 60.0
_UNHEARD, _ONLINE, _OFFLINE, _STOPPED = 0, 1, 2, 3
_LINKS = {Link.ONLINE: _ONLINE, Link.OFFLINE: _OFFLINE, Link.STOPPED: _STOPPED}
# Choice of this project: a sensor that watches for water or fire must be looked after at once.
_URGENT = (Hazard.FLOOD, Hazard.FIRE)
_WARMING_UP = REASON_CODES[Reason.WARMING_UP]
STATE = ("heard_at", "usable_at", "last_reason", "state", "state_since")
STATION_STATE = ("station_heard_at", "link", "station_state", "station_state_since")


class Absence:
    """When each series and each station was last heard, and what follows from it.

    Args:
        community: For zones.
        plans: The series, in the order of their slots.
        speed: Of the run's clock; silence gets the same allowance as lateness.
        now_ms: Run time from which deadlines count.
    """

    def __init__(
        self, community: Community, plans: Sequence[SeriesPlan], speed: float, now_ms: int
    ) -> None:
        self.plans = tuple(plans)
        self.stations = tuple(sorted({plan.station for plan in plans}))
        self.station_index = {name: index for index, name in enumerate(self.stations)}
        self.zones = tuple(common_zone(community, station) for station in self.stations)
        size, count = len(self.plans), len(self.stations)
        self.station_of = np.array(
            [self.station_index[plan.station] for plan in self.plans], np.int64
        )
        self.allowed_ms = np.array(
            [late_after_ms(plan.interval_s, speed) for plan in self.plans], np.int64
        )
        self.station_allowed_ms = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(self.station_allowed_ms, self.station_of, self.allowed_ms)
        self.stop_allowed_ms = round((_STOP_S + _STOP_WALL_S * speed) * 1000)
        self.heard_at: Ints = np.full(size, NEVER, np.int64)
        self.usable_at: Ints = np.full(size, NEVER, np.int64)
        self.last_reason = np.full(size, NO_REASON, np.int8)
        self.station_heard_at: Ints = np.full(count, NEVER, np.int64)
        self.link = np.zeros(count, np.int8)
        self.listening_since = now_ms
        self.station_since: Ints = np.full(count, now_ms, np.int64)
        self.state = np.full(size, UNHEARD, np.int8)
        self.state_since: Ints = np.full(size, now_ms, np.int64)
        self.station_state = np.full(count, UNHEARD, np.int8)
        self.station_state_since: Ints = np.full(count, now_ms, np.int64)

    def listen_from(self, now_ms: int) -> None:
        """Count every deadline from now: we were not listening before."""
        self.listening_since = now_ms
        self.station_since[:] = now_ms

    def hear(self, batch: Batch, now_ms: int) -> None:
        """Take note of readings. A stamp from the future counts as now."""
        at = np.minimum(batch.at, now_ms)
        np.maximum.at(self.heard_at, batch.slot, at)
        usable = (batch.quality < BAD) & np.isfinite(batch.value)
        usable |= batch.reason == _WARMING_UP
        np.maximum.at(self.usable_at, batch.slot[usable], at[usable])
        self.last_reason[batch.slot] = batch.reason

    def hear_station(self, station: str, now_ms: int) -> None:
        """Take note that a pack came: whatever a will said before, the station is there."""
        index = self.station_index.get(station)
        if index is None:
            return
        self.station_heard_at[index] = now_ms
        if self.link[index] != _STOPPED:
            self._set_link(index, _ONLINE, now_ms)

    def status(self, station: str, link: Link, now_ms: int, *, retained: bool) -> None:
        """Take over a station's status; a retained one says nothing of when it was heard."""
        index = self.station_index.get(station)
        if index is None:
            return
        if link is Link.ONLINE and not retained:
            self.station_heard_at[index] = now_ms
        self._set_link(index, _LINKS[link], now_ms)

    def _set_link(self, index: int, link: int, now_ms: int) -> None:
        if link == _ONLINE and self.station_state[index] in _AWAY:
            self.station_since[index] = now_ms
        self.link[index] = link

    def tick(self, now_ms: int) -> list[Finding]:
        """Return what has become silent, lost or heard again."""
        stations = self._station_states(now_ms)
        series = self._states(np.isin(stations, _AWAY))
        moved = np.flatnonzero(stations != self.station_state)
        slots = np.flatnonzero(series != self.state)
        self.station_state, self.state = stations, series
        self.station_state_since[moved] = now_ms
        self.state_since[slots] = now_ms
        found = [self.link_finding(int(index), now_ms) for index in moved]
        return found + [self.silence_finding(int(slot), now_ms) for slot in slots]

    def _station_states(self, now_ms: int) -> Bytes:
        anchor = np.maximum(self.station_heard_at, self.station_since)
        unheard = now_ms - anchor > self.station_allowed_ms
        never = (self.station_heard_at == NEVER) & (self.link == _UNHEARD)
        still = (self.station_state == LOST) & (self.station_heard_at < self.station_since)
        lost = unheard | still | (self.link == _OFFLINE)
        state = np.where(lost, LOST, np.where(never, UNHEARD, PRESENT))
        stopped = np.where(now_ms - anchor > self.stop_allowed_ms, OVERDUE, STOPPED)
        return np.where(self.link == _STOPPED, stopped, state).astype(np.int8)

    def _states(self, lost: Flags) -> Bytes:
        floor = self.station_since[self.station_of]
        spoke_at = self.station_heard_at[self.station_of]
        silent = spoke_at - np.maximum(self.heard_at, floor) > self.allowed_ms
        unusable = spoke_at - np.maximum(self.usable_at, floor) > self.allowed_ms
        # Overdue, but for a deadline that began anew: unknown, or still what it was.
        oldest = np.minimum(self.heard_at, self.usable_at)
        overdue = (oldest == NEVER) | (spoke_at - oldest > self.allowed_ms)
        held = np.where(np.isin(self.state, (SILENT, FAULTY)), self.state, UNHEARD)
        state = np.where(overdue, held, PRESENT)
        state = np.where(silent, SILENT, np.where(unusable, FAULTY, state))
        return np.where(lost[self.station_of], EXPLAINED, state).astype(np.int8)

    @property
    def absent(self) -> Flags:
        """True for each series of which nothing is known now: silent, or its station is lost."""
        return np.isin(self.state, (SILENT, EXPLAINED))

    def findings(self, now_ms: int) -> list[Finding]:
        """Return what is stated now of every series and station."""
        links = [self.link_finding(index, now_ms) for index in range(len(self.stations))]
        return links + [self.silence_finding(slot, now_ms) for slot in range(len(self.plans))]

    def link_finding(self, index: int, now_ms: int) -> Finding:
        """Return what is stated of a station's link."""
        station, state = self.stations[index], int(self.station_state[index])
        away, stopped = state in _AWAY, state in (STOPPED, OVERDUE)
        never = self.station_heard_at[index] == NEVER and self.link[index] == _UNHEARD
        heard = int(self.station_heard_at[index])
        heard = self.listening_since if heard == NEVER else heard
        grade = {LOST: Grade.YELLOW, OVERDUE: Grade.BLUE}.get(state, Grade.GREEN)
        condition = Condition.ACTIVE if grade else Condition.CLEARED
        if state in (UNHEARD, STOPPED):
            condition = Condition.UNKNOWN
        note = "stopped" if stopped else "never-reported" if never else "link"
        members = tuple(
            dict.fromkeys(plan.series.subject for plan in self.plans if plan.station == station)
        )
        return Finding(
            subject=f"station.{station}",
            rule="link",
            zone=self.zones[index],
            hazard=Hazard.EQUIPMENT,
            grade=grade,
            condition=condition,
            at=now_ms,
            since=int(self.station_state_since[index]),
            judged=now_ms,
            score=_score(grade),
            fault=Reason.MISSING.value if away else "",
            because=Because(
                note=note if away else "",
                silent_s=(now_ms - heard) / 1000.0 if away and not stopped else None,
                expected_s=min(plan.interval_s for plan in self.plans if plan.station == station),
                members=members,
            ),
        )

    def silence_finding(self, slot: int, now_ms: int) -> Finding:
        """Return what is stated of a series' silence; unknown while its station explains it."""
        plan, state = self.plans[slot], int(self.state[slot])
        never = self.heard_at[slot] == NEVER
        grade = Grade.GREEN
        if state in (SILENT, FAULTY):
            grade = Grade.YELLOW if plan.hazard in _URGENT else Grade.BLUE
        condition = Condition.ACTIVE if grade else Condition.CLEARED
        if state in (EXPLAINED, UNHEARD):
            condition = Condition.UNKNOWN
        return Finding(
            subject=plan.series.subject,
            rule="silence",
            zone=plan.zone,
            hazard=Hazard.EQUIPMENT,
            grade=grade,
            condition=condition,
            at=now_ms,
            since=int(self.state_since[slot]),
            judged=now_ms,
            score=_score(grade),
            fault=self._fault(slot, state),
            because=self._because(slot, state, now_ms, never=never),
        )

    def _fault(self, slot: int, state: int) -> str:
        if state == FAULTY and self.last_reason[slot] != NO_REASON:
            return REASONS[int(self.last_reason[slot])].value
        return Reason.MISSING.value if state in (SILENT, FAULTY) else ""

    def _because(self, slot: int, state: int, now_ms: int, *, never: bool) -> Because:
        plan = self.plans[slot]
        if state not in (SILENT, FAULTY):
            return Because(expected_s=plan.interval_s)
        last = self.heard_at[slot] if state == SILENT else self.usable_at[slot]
        since = int(max(last, self.listening_since)) if last == NEVER else int(last)
        bad = state == FAULTY
        return Because(
            silent_s=(now_ms - since) / 1000.0,
            expected_s=plan.interval_s,
            quality=Quality.BAD.value if bad else "",
            reasons=(self._fault(slot, state),) if bad else (),
            note="never-reported" if never else "faulty" if bad else "",
        )


def _score(grade: Grade) -> float:
    return 0.5 + 0.125 * (grade - 1) if grade else 0.0
