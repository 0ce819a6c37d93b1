"""Different kinds of sensors that say the same: smoke and CO and heat, rain and level.

One instrument may be wrong, dirty or next to a frying pan. Two that measure different things are
wrong together far more rarely, so their agreement may state more than each of them does.

Who may agree with whom is a matter of place. A zone listens to its own sensors and to those of the
zone around it (`parent`): smoke in the stairwell and heat in a flat are one fire, smoke in two
flats far apart are two matters. Rain falls on the whole site. At least one witness stands in the
zone itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from core.community import Community
from core.finding import Because, Hazard
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quantity import Quantity
from detectors.batch import Batch
from detectors.limit_lane import NEVER, Flags, Ints
from detectors.panel import Fed, Memory, PanelRule, key_of
from detectors.plan import SeriesPlan

if TYPE_CHECKING:
    from detectors.bank import Bank


@dataclass(frozen=True, slots=True)
class Evidence:
    """When sensors of one kind bear witness.

    Attributes:
        kind: What they measure, a slug.
        quantities: Of which series.
        grade: They state at least this grade of the danger.
        value: Or they read at least this much, canonical unit.
        everywhere: They speak for every zone of the site, not only for their own.
        window_ms: For how long one is believed after its last word, at least three intervals; 0 for
            the rule's.
    """

    kind: str
    quantities: tuple[Quantity, ...]
    grade: Grade | None
    value: float = float("inf")
    everywhere: bool = False
    window_ms: int = 0


@dataclass(frozen=True, slots=True)
class CorroborationRule:
    """How witnesses of one hazard are counted.

    Attributes:
        evidence: One entry a kind.
        window_ms: For how long a witness is believed after its last word.
        agreed: Grade that two kinds together state.
        repeated: Grade that two sensors of the same kind together state.
        dwell_up_ms: For how long they must agree.
        source: Where the numbers come from.
    """

    evidence: tuple[Evidence, ...]
    window_ms: int
    agreed: Grade
    repeated: Grade
    source: str
    dwell_up_ms: int = 0


CORROBORATION: dict[Hazard, CorroborationRule] = {
    Hazard.FIRE: CorroborationRule(
        (
            Evidence(
                "smoke", (Quantity.SMOKE_OBSCURATION, Quantity.SMOKE_INDEX), grade=Grade.YELLOW
            ),
            Evidence("carbon-monoxide", (Quantity.CARBON_MONOXIDE,), grade=Grade.YELLOW),
            Evidence("heat", (Quantity.TEMPERATURE,), grade=Grade.YELLOW),
            Evidence("alarm", (Quantity.ALARM_INPUT,), grade=Grade.ORANGE),
        ),
        180_000,
        Grade.ORANGE,
        Grade.YELLOW,
        "GB 50116-2013 asks for two independent triggers before fire equipment acts; that they "
        "must be of two kinds, and three minutes, are choices of this project (detection.md, 3.14)",
    ),
    Hazard.FLOOD: CorroborationRule(
        (
            # Rain that has fallen runs on; water that is gone is seen, after the limit's own dwell.
            Evidence("water", (Quantity.WATER_LEVEL,), Grade.BLUE, window_ms=60_000),
            Evidence("rain", (Quantity.RAIN_RATE,), Grade.BLUE, value=20.0, everywhere=True),
        ),
        3_600_000,
        Grade.YELLOW,
        Grade.BLUE,
        "China Meteorological Administration: 20 mm in an hour is short-time heavy rain; the hour "
        "is a choice of this project, as is the minute of agreement; a thunderstorm is wider than "
        "a community",
        60_000,
    ),
}
# A number that two sensors of one kind make, between one kind and two.
_REPEATED, _AGREED = 1.5, 2.0
_DOWN_MS = 300_000


class CorroborationPanel:
    """Witnesses of every zone and hazard.

    Attributes:
        seen_at: When each watched series last bore witness, one a series that some rule looks at.
    """

    def __init__(self, plans: Sequence[SeriesPlan], rules: Sequence[PanelRule]) -> None:
        self.rules = tuple(rules)
        self._plans = tuple(plans)
        # A place is a watched series; a rule looks at several, and may share them with others.
        self._slot = np.unique(np.array([slot for rule in rules for slot in rule.slots], np.int64))
        self._place_of = np.full(len(plans), -1, np.int64)
        self._place_of[self._slot] = np.arange(self._slot.size)
        self._places = [self._place_of[list(rule.slots)] for rule in rules]
        self._own = [
            np.array([plans[slot].zone == rule.zone for slot in rule.slots]) for rule in rules
        ]
        self._share()
        self._describe()
        keys = tuple(key_of(plans[slot].hazard, plans[slot].series) for slot in self._slot)
        self.seen_at: Ints = np.full(self._slot.size, NEVER, np.int64)
        self.memory: tuple[Memory, ...] = ((keys, ("seen_at",)),)
        self._now: Ints = np.full(len(rules), NEVER, np.int64)
        # When a witness spoke last in each row; unknown after a restart: look once.
        self._fired: Ints = np.full(len(rules), np.iinfo(np.int64).max // 2, np.int64)
        self._longest = max(rule.window_ms for rule in CORROBORATION.values())
        self._stated: Ints | None = None

    def _share(self) -> None:
        """Set which rows each place speaks to: `_rows` from `_first` on, one after another."""
        sizes = [places.size for places in self._places]
        row = np.repeat(np.arange(len(self.rules)), sizes)
        place = np.concatenate(self._places)
        order = np.argsort(place, kind="stable")
        self._rows = row[order]
        self._fan = np.bincount(place, minlength=self._slot.size)
        self._first = np.cumsum(self._fan) - self._fan

    def _describe(self) -> None:
        """Set when each place bears witness, of what kind, and for how long it is believed."""
        size = self._slot.size
        self._kind = np.zeros(size, np.int64)
        self._grade = np.full(size, len(Grade), np.int64)
        self._value = np.full(size, np.inf)
        self._window = np.zeros(size, np.int64)
        for place, slot in enumerate(self._slot.tolist()):
            plan = self._plans[slot]
            rule = CORROBORATION[plan.hazard]
            for kind, evidence in enumerate(rule.evidence):
                if plan.series.quantity in evidence.quantities:
                    own_ms = max(evidence.window_ms, round(3000 * plan.interval_s))
                    self._window[place] = own_ms if evidence.window_ms else rule.window_ms
                    self._kind[place] = kind
                    self._grade[place] = evidence.grade or len(Grade)
                    self._value[place] = evidence.value

    def step(self, bank: Bank, part: Batch) -> Fed:
        """Take note of witnesses, and count their kinds in every zone that was heard."""
        places = self._place_of[part.slot]
        mine = np.flatnonzero(places >= 0)
        places, at = places[mine], part.at[mine]
        if not mine.size:
            return places, at, part.value[mine]
        if self._stated is None:
            self._stated = _danger_rows(bank, self._slot)
        of_place = self._stated[places]
        stated = np.where(of_place < 0, 0, bank.stated[of_place]).max(axis=1)
        fires = (stated >= self._grade[places]) | (part.value[mine] >= self._value[places])
        seen = self.seen_at[places]
        self.seen_at[places] = np.where(fires, np.maximum(seen, at), seen)
        heard = self._heard(places)
        np.maximum.at(self._now, heard, np.repeat(at, self._fan[places]))
        rows = np.unique(heard)
        numbers = np.zeros(rows.size)
        if fires.any():
            spoke = np.repeat(at[fires], self._fan[places[fires]])
            np.maximum.at(self._fired, self._heard(places[fires]), spoke)
        alive = self._now[rows] - self._fired[rows] <= self._longest
        for place in np.flatnonzero(alive).tolist():
            numbers[place] = self._number(int(rows[place]))
        return rows, self._now[rows], numbers

    def _heard(self, places: Ints) -> Ints:
        """Return the rows to which *places* speak, place by place."""
        fan = self._fan[places]
        within = np.arange(int(fan.sum())) - np.repeat(np.cumsum(fan) - fan, fan)
        heard: Ints = self._rows[np.repeat(self._first[places], fan) + within]
        return heard

    def _number(self, row: int) -> float:
        """Return how many kinds agree; one and a half for two sensors of a single kind."""
        self._fired[row] = self.seen_at[self._places[row]].max()
        believed = self._believed(row)
        if not self._own[row][believed].any():
            return 0.0  # what happens in the zone around it only is told there
        places = self._places[row][believed]
        kinds = set(self._kind[places].tolist())
        sensors = {self._plans[int(self._slot[place])].series.sensor for place in places}
        if len(sensors) < 2:
            return min(float(len(kinds)), 1.0)  # a device that measures everything is one witness
        return max(float(len(kinds)), _REPEATED)

    def _believed(self, row: int) -> Flags:
        """Return which of the places of *row* have spoken and are still believed."""
        places = self._places[row]
        seen = self.seen_at[places]
        believed: Flags = (self._now[row] - seen <= self._window[places]) & (seen != NEVER)
        return believed

    def why(self, row: int, told: Because) -> Because:
        """Name the witnesses."""
        places = self._places[row][self._believed(row)]
        members = [self._plans[int(self._slot[place])].series.subject for place in places]
        return replace(told, samples=len(members), members=tuple(dict.fromkeys(members)))


def _danger_rows(bank: Bank, slots: Ints) -> Ints:
    """Return the bank's rows that state the danger of each series, padded with -1.

    Learned detectors and those that speak of the sensor bear no witness.
    """
    rows = [
        [
            row
            for row in bank.rows_of(slot)
            if not (bank.rules[row].of_sensor or bank.rules[row].learned)
        ]
        for slot in slots.tolist()
    ]
    width = max(1, *(len(each) for each in rows))
    return np.array([each + [-1] * (width - len(each)) for each in rows], np.int64)


def make(community: Community | None, plans: Sequence[SeriesPlan]) -> CorroborationPanel | None:
    """Return the panel of every zone in which two can agree, None if there is none."""
    rules = []
    for hazard, corroboration in CORROBORATION.items():
        levels = (
            Level(corroboration.repeated, _REPEATED, corroboration.dwell_up_ms, 1, _DOWN_MS),
            Level(corroboration.agreed, _AGREED, corroboration.dwell_up_ms, 1, _DOWN_MS),
        )
        rules += [
            PanelRule(
                f"zone.{zone}",
                f"corroboration-{hazard.value}",
                zone,
                hazard,
                LimitRule(levels, True, 0.25, corroboration.window_ms, corroboration.source),
                "",
                slots,
                spreads=False,
            )
            for zone, slots in _listeners(community, plans, hazard).items()
            if len(slots) >= 2
        ]
    return CorroborationPanel(plans, rules) if rules else None


def _listeners(
    community: Community | None, plans: Sequence[SeriesPlan], hazard: Hazard
) -> dict[str, tuple[int, ...]]:
    """Return the series to which each zone listens: its own, its parent's, and the site's rain.

    Without a community the zones are places that know nothing of each other (recordings).
    """
    evidence = CORROBORATION[hazard].evidence
    near: dict[str, list[int]] = {}
    wide: list[int] = []
    local: set[str] = set()
    for slot, plan in enumerate(plans):
        mine = [one for one in evidence if plan.series.quantity in one.quantities]
        if not mine or plan.hazard is not hazard:
            continue
        near.setdefault(plan.zone, []).append(slot)
        if mine[0].everywhere:
            wide.append(slot)
        else:
            local.add(plan.zone)
    if community is None:
        return {zone: tuple(slots) for zone, slots in near.items()}
    told = {}
    for zone, own in near.items():
        if zone in local:
            entry = community.zone_of(zone)
            around = near.get(entry.parent, []) if entry is not None else []
            told[zone] = tuple(dict.fromkeys([*own, *around, *wide]))
    return told
