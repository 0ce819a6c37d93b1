"""What is compared with its own weeks, from which surprise on, and how a finding tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.community import gap_ms
from core.finding import Because, Hazard
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quantity import Quantity
from detectors.lane import Choice, Detector
from detectors.seasonal_lane import GATHER_MS, STATE, SeasonalLane, SeasonalRule

if TYPE_CHECKING:  # plans are made of what lanes choose
    from detectors.plan import SeriesPlan

# Surprise at which a count is blue and yellow. Blue: the largest at which Queen Victoria Market
# still finds what it finds at half a false episode a month; yellow: choice of this project.
_BLUE, _YELLOW = 3.5, 5.0
_HELD_SHARE = 0.4
# Counts of people, and quantities that have daily and weekly habits where people live, with the
# standard deviation of a quiet sensor in the canonical unit (data sheets of the drivers' devices).
COUNTS = (Quantity.PEOPLE_COUNT, Quantity.PEOPLE_IN, Quantity.PEOPLE_OUT)
HABITS: dict[Quantity, float] = {
    Quantity.CARBON_DIOXIDE: 30.0,
    Quantity.TEMPERATURE: 0.5,
    Quantity.OCCUPANCY: 1.0,
}


def choose_counts(plan: SeriesPlan) -> Choice | None:
    """Compare counts of people."""
    return _choice(plan, counts=True) if plan.series.quantity in COUNTS else None


def choose_values(plan: SeriesPlan) -> Choice | None:
    """Compare quantities that follow the habits of people; an unusual one is worth a blue."""
    return _choice(plan, counts=False) if plan.series.quantity in HABITS else None


def _choice(plan: SeriesPlan, *, counts: bool) -> Choice:
    noise = 0.0 if counts else HABITS[plan.series.quantity]
    rule = SeasonalRule(plan.interval_s, counts, noise, plan.timezone, plan.holidays)
    levels: tuple[Level, ...] = (Level(Grade.BLUE, _BLUE),)
    if counts:
        levels = (*levels, Level(Grade.YELLOW, _YELLOW))
    gap = max(gap_ms(plan.interval_s), 3 * GATHER_MS)
    reason = "unlike this hour of other weeks"
    return Choice(rule, LimitRule(levels, True, _HELD_SHARE * _BLUE, gap, reason))


def why(lane: SeasonalLane, line: int, told: Because) -> Because:
    """Tell what came and what is usual; counts as people an interval."""
    kind = lane.kind.item(line)
    scale = float(lane.hours[kind]) if lane.counts[kind] else 1.0
    observed, expected = float(lane.observed[line]), float(lane.expected[line])
    return replace(told, value=observed * scale, usual=expected * scale)


def _detector(
    name: str, choose: Callable[[SeriesPlan], Choice | None], hazards: frozenset[Hazard]
) -> Detector:
    return Detector(
        name,
        SeasonalLane,
        STATE,
        choose,
        why,
        hazards=hazards,
        learned=True,
        teach=SeasonalLane.teach,
        version=3,
    )


COUNT_DETECTOR = _detector("unusual-count", choose_counts, frozenset({Hazard.CROWD}))
VALUE_DETECTOR = _detector(
    "unusual-level", choose_values, frozenset({Hazard.AIR, Hazard.CROWD, Hazard.EQUIPMENT})
)
