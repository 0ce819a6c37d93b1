"""The alternative that every flood forecast has to beat: a constant share of the limit.

It is chosen leave-one-storm-out: for the floods of each storm, the share that was best on the other
storms. Rivers that flood in the same days are one storm, however many gauges saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from safety_eye.score.measure import FRACTIONS, Case, storms_of
from safety_eye.score.tally import sum_of

# False episodes a gauge-month that duty staff were promised to stay below.
FALSE_BUDGET = 0.15
# A storm crosses a region within days; the next one counts anew.
_APART_MS = 5 * 86_400_000


class ConstantShare(msgspec.Struct, frozen=True):
    """What constant shares of the limit achieve.

    Attributes:
        storms: Number of storms behind the floods.
        chosen: The share for each storm, best on the others within the budget of false episodes.
        median_lead_s: Median lead of all floods, each under the share chosen without its storm.
        false_per_sensor_month: Mean over the storms' shares.
        best_on_all: Share, median lead and false episodes of the best choice that saw every flood.
    """

    storms: int
    chosen: tuple[float, ...]
    median_lead_s: float | None
    false_per_sensor_month: float | None
    best_on_all: tuple[float, float, float] | None


def constant_share(cases: Sequence[Case]) -> ConstantShare:
    """Choose and score constant shares of the limit, leave-one-storm-out."""
    totals = [sum_of(case.fractions[place] for case in cases) for place in range(len(FRACTIONS))]
    rates = [total.figures().false_per_sensor_month or 0.0 for total in totals]
    leads = [[lead or 0.0 for lead in total.leads_s] for total in totals]
    onsets = [onset for case in cases for onset in case.onsets_ms]
    storms = storms_of(onsets, _APART_MS)
    if not storms:
        return ConstantShare(0, (), None, None, None)
    chosen: list[int] = []
    achieved: list[float] = []
    for storm in storms:
        others = [event for event in range(len(onsets)) if event not in storm]
        best = _best(rates, leads, others)
        chosen.append(best)
        achieved += [leads[best][event] for event in storm]
    everything = _best(rates, leads, range(len(onsets)))
    return ConstantShare(
        len(storms),
        tuple(FRACTIONS[place] for place in chosen),
        median(achieved),
        round(sum(rates[place] for place in chosen) / len(chosen), 4),
        (FRACTIONS[everything], median(leads[everything]), rates[everything]),
    )


def _best(rates: Sequence[float], leads: Sequence[Sequence[float]], events: Sequence[int]) -> int:
    """Return the share of the longest median lead within the budget, else the calmest one."""
    allowed = [place for place, rate in enumerate(rates) if rate <= FALSE_BUDGET]
    if not allowed:
        return min(range(len(rates)), key=lambda place: rates[place])

    def worth(place: int) -> tuple[float, float, float]:
        here = [leads[place][event] for event in events]
        return (median(here) if here else 0.0, -rates[place], FRACTIONS[place])

    return max(allowed, key=worth)
