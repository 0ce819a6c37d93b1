"""Readings of a zone that are unlike its history together, though each of them may be usual.

Every ten minutes the means of all continuous series of a zone, their changes and the time of day
make one row. Two things look at it, and the one that finds it rarer is heard: a forest (a row apart
from all others) and the relations between the series (one of them says what the rest contradict).
Both learn the rows of the last four weeks and score new ones in batches, in a thread of their own:
the warning path only adds sums. After a start the rows come from the roll-ups of the history, which
are the same ten minutes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import structlog
from msgspec.structs import replace

from core.community import Community
from core.finding import Because, Certainty, Hazard
from core.grade import Grade
from core.identity import SeriesId
from core.limits import Level, LimitRule
from core.quantity import Quantity
from detectors.batch import Batch
from detectors.forest import Rows
from detectors.limit_lane import Floats, Ints
from detectors.local_time import LocalCalendar
from detectors.panel import Fed, Memory, PanelRule
from detectors.plan import SeriesPlan
from detectors.relations import RowJudge

if TYPE_CHECKING:
    from detectors.bank import Bank

log = structlog.get_logger()
ROW_MS = 600_000
# Rows that are kept for training, and that must be there: four weeks and two.
KEPT, LEAST = 4032, 2016
# A forest is grown anew after this many rows: a day.
REGROW = 144
# Rows that may wait for their score; older ones go first.
_WAITING = 10_000
# Wall seconds between two batches.
_BATCH_S = 5.0
# One in a thousand learned rows, twice in a row; yellow: odder than all of them, three times.
_BLUE, _YELLOW = 3.0, 3.3
_QUANTITIES = frozenset(
    {
        Quantity.WATER_LEVEL,
        Quantity.SMOKE_OBSCURATION,
        Quantity.SMOKE_INDEX,
        Quantity.CARBON_MONOXIDE,
        Quantity.CARBON_DIOXIDE,
        Quantity.PM1,
        Quantity.PM2_5,
        Quantity.PM10,
        Quantity.TEMPERATURE,
        Quantity.HUMIDITY,
        Quantity.VOLTAGE,
        Quantity.CURRENT,
    }
)
_LEAST_SERIES, _MOST_SERIES = 3, 32
# Gives the ten-minute means of a series between two instants: bucket starts, and means.
Teacher = Callable[[SeriesId, int, int], tuple[Ints, Floats]]


class _Row(NamedTuple):
    zone: int
    at: int
    numbers: Rows


class ForestPanel:
    """Forests of many zones.

    Args:
        plans: The series, in the order of the bank's slots.
        rules: One a zone.
        timezone: Of the place.
        inline: Score at once instead of in a thread of its own (for trials over history).
        row_ms: How much time a row stands for.
        regrow: A forest is grown anew after this many rows.
    """

    memory: tuple[Memory, ...] = ()  # grown anew from the history

    def __init__(
        self,
        plans: Sequence[SeriesPlan],
        rules: Sequence[PanelRule],
        timezone: str,
        *,
        inline: bool = False,
        row_ms: int = ROW_MS,
        regrow: int = REGROW,
    ) -> None:
        self.row_ms, self._regrow = row_ms, regrow
        self.rules = tuple(rules)
        self._plans = tuple(plans)
        self._calendar = LocalCalendar(timezone)
        self._inline = inline
        self._zone_of = np.full(len(plans), -1, np.int64)
        for zone, rule in enumerate(rules):
            self._zone_of[list(rule.slots)] = zone
        self._sum, self._count = np.zeros(len(plans)), np.zeros(len(plans))
        self._bucket = np.full(len(rules), -1, np.int64)
        self._before: list[tuple[int, Floats] | None] = [None] * len(rules)
        self._rows: list[deque[Rows]] = [deque(maxlen=KEPT) for _ in rules]
        self._since = [0] * len(rules)
        self._judges: list[RowJudge | None] = [None] * len(rules)
        self._waiting: deque[_Row] = deque(maxlen=_WAITING)
        self._scored: deque[tuple[int, int, float]] = deque(maxlen=_WAITING)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def step(self, _bank: Bank, part: Batch) -> Fed:
        """Add readings to their ten minutes; tell what has been scored meanwhile."""
        zones = self._zone_of[part.slot]
        mine = np.flatnonzero(zones >= 0)
        if mine.size:
            zones, slot = zones[mine], part.slot[mine]
            bucket = part.at[mine] // self.row_ms
            later = np.flatnonzero(bucket > self._bucket[zones])
            for zone in dict.fromkeys(zones[later].tolist()):
                self._close(zone)
                self._bucket[zone] = bucket[zones == zone].max()
            keep = bucket == self._bucket[zones]
            self._sum[slot[keep]] += part.value[mine[keep]]
            self._count[slot[keep]] += 1.0
        if self._inline and self._waiting:
            self.score()
        if not self._scored:
            none = np.zeros(0, np.int64)
            return none, none, none.astype(np.float64)
        told: dict[int, tuple[int, float]] = {}
        while self._scored:
            zone, at, number = self._scored.popleft()
            if zone in told:  # one number a zone and step: the rest waits for the next
                self._scored.appendleft((zone, at, number))
                break
            told[zone] = (at, number)
        rows = np.array(sorted(told), np.int64)
        return (
            rows,
            np.array([told[row][0] for row in rows.tolist()], np.int64),
            np.array([told[row][1] for row in rows.tolist()], np.float64),
        )

    def _close(self, zone: int) -> None:
        """Make a row of the ten minutes that are over, if every series was heard in them."""
        slots = list(self.rules[zone].slots)
        count = self._count[slots]
        bucket = int(self._bucket[zone])
        if (count > 0).all() and bucket >= 0:
            self._row(zone, bucket, self._sum[slots] / count)
        self._sum[slots] = self._count[slots] = 0.0

    def _row(self, zone: int, bucket: int, means: Floats) -> None:
        numbers = self._numbers(zone, bucket, means)
        if numbers is not None:
            self._waiting.append(_Row(zone, (bucket + 1) * self.row_ms - 1, numbers))

    def _numbers(self, zone: int, bucket: int, means: Floats) -> Rows | None:
        before = self._before[zone]
        self._before[zone] = (bucket, means)
        if before is None or before[0] != bucket - 1:
            return None
        hour = float(self._calendar.cells(np.array([bucket * self.row_ms]))[0] % 24)
        turn = 2.0 * np.pi * hour / 24.0
        numbers: Rows = np.concatenate(
            (means, means - before[1], [np.sin(turn), np.cos(turn)])
        ).astype(np.float32)
        return numbers if np.isfinite(numbers).all() else None

    def score(self) -> int:
        """Score every row that waits, then learn it; returns how many there were."""
        rows = [self._waiting.popleft() for _ in range(len(self._waiting))]
        for zone in sorted({row.zone for row in rows}):
            mine = [row for row in rows if row.zone == zone]
            judge = self._judges[zone]
            if judge is not None:
                rarity = judge.rarity(np.stack([row.numbers for row in mine]))
                self._scored += [
                    (zone, row.at, float(number)) for row, number in zip(mine, rarity, strict=True)
                ]
            self._rows[zone] += [row.numbers for row in mine]
            self._since[zone] += len(mine)
            self._grow(zone)
        return len(rows)

    def _grow(self, zone: int) -> None:
        """Grow the forest of a zone where there is enough to learn, at most once a day."""
        enough = len(self._rows[zone]) >= LEAST
        if enough and (self._judges[zone] is None or self._since[zone] >= self._regrow):
            rows = np.stack(list(self._rows[zone]))
            self._judges[zone] = RowJudge(rows, len(self.rules[zone].slots), seed=zone)
            self._since[zone] = 0

    def start(self, teach: Teacher | None, now_ms: int) -> None:
        """Learn from the history, then score in a thread until `stop`."""
        if self._thread is None:
            name = "forest"
            self._thread = threading.Thread(
                target=self._work, args=(teach, now_ms), name=name, daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)

    def _work(self, teach: Teacher | None, now_ms: int) -> None:
        try:
            if teach is not None:
                for zone in range(len(self.rules)):
                    self._learn(zone, teach, now_ms)
            while not self._stop.wait(_BATCH_S):
                self.score()
        except Exception as error:  # noqa: BLE001  # advice may fail; warning must not notice
            log.warning("the forest has stopped; nothing else depends on it", error=str(error))

    def _learn(self, zone: int, teach: Teacher, now_ms: int) -> None:
        """Fill the rows of a zone from the history, all but the ten minutes that go on."""
        if self._stop.is_set():
            return
        slots = self.rules[zone].slots
        end = now_ms // self.row_ms
        start = end - KEPT
        grid = np.full((KEPT, len(slots)), np.nan)
        for column, slot in enumerate(slots):
            at, means = teach(self._plans[slot].series, start * self.row_ms, end * self.row_ms)
            place = at // self.row_ms - start
            inside = (place >= 0) & (place < KEPT)
            grid[place[inside], column] = means[inside]
        for whole in np.flatnonzero(np.isfinite(grid).all(axis=1)).tolist():
            numbers = self._numbers(zone, start + whole, grid[whole])
            if numbers is not None:
                self._rows[zone].append(numbers)
        self._before[zone] = None
        self._grow(zone)
        log.info("forest", zone=self.rules[zone].zone, rows=len(self._rows[zone]))

    def why(self, row: int, told: Because) -> Because:
        """Name the series that were looked at together."""
        members = tuple(self._plans[slot].series.subject for slot in self.rules[row].slots)
        return replace(told, members=members)


def make(community: Community | None, plans: Sequence[SeriesPlan]) -> ForestPanel | None:
    """Return the panel of every zone with three continuous series or more, None without one."""
    return _made(community, plans, inline=False)


def make_inline(community: Community | None, plans: Sequence[SeriesPlan]) -> ForestPanel | None:
    """Return the same panel for a trial: it scores at once, in event time."""
    return _made(community, plans, inline=True)


def _made(
    community: Community | None, plans: Sequence[SeriesPlan], *, inline: bool
) -> ForestPanel | None:
    if community is None:
        return None
    zones: dict[str, list[int]] = {}
    for slot, plan in enumerate(plans):
        if plan.series.quantity in _QUANTITIES and 1000 * plan.interval_s <= ROW_MS:
            zones.setdefault(plan.zone, []).append(slot)
    limits = limits_of(ROW_MS)
    rules = [
        PanelRule(
            f"zone.{zone}",
            "forest",
            zone,
            _hazard(plans, slots),
            limits,
            "",
            tuple(slots),
            certainty=Certainty.POSSIBLE,
            learned=True,
            version=2,
        )
        for zone, slots in zones.items()
        if _LEAST_SERIES <= len(slots) <= _MOST_SERIES
    ]
    if not rules:
        return None
    return ForestPanel(plans, rules, community.site.timezone, inline=inline)


def limits_of(row_ms: int) -> LimitRule:
    """Return the limits on the rarity of rows that stand for *row_ms* each."""
    levels = (Level(Grade.BLUE, _BLUE, 0, 2), Level(Grade.YELLOW, _YELLOW, 0, 3))
    return LimitRule(levels, True, 1.0, 3 * row_ms, "rarer than one in a thousand")


def _hazard(plans: Sequence[SeriesPlan], slots: Sequence[int]) -> Hazard:
    """Return the hazard of most of the series; of equals the first one."""
    hazards = [plans[slot].hazard for slot in slots]
    return max(dict.fromkeys(hazards), key=hazards.count)
