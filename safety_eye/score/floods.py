"""The alternative that every flood forecast has to beat: a constant share of the limit.

It is chosen leave-one-storm-out, and so are, for the check, our own parameters: for the floods of
each storm, what was best on the other storms. Rivers that flood in the same days are one storm,
however many gauges saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

import msgspec

from safety_eye.score.choices import CHOICES
from safety_eye.score.measure import FRACTIONS, Case, storms_of
from safety_eye.score.tally import Tally, sum_of

# False episodes a gauge-month that duty staff were promised to stay below.
FALSE_BUDGET = 0.15
# A storm crosses a region within days; the next one counts anew.
_APART_MS = 5 * 86_400_000


class Chosen(msgspec.Struct, frozen=True):
    """What a family of rules achieves when each flood is warned by a choice made without its storm.

    Attributes:
        storms: Number of storms behind the floods.
        chosen: The choice for each storm, best on the others within the budget of false episodes.
        median_lead_s: Median lead of all floods, each under the choice made without its storm.
        false_per_sensor_month: Mean over the storms' choices; no gauge was left out of it.
        best_on_all: Best choice that saw every flood, with its median lead and false episodes.
    """

    storms: int
    chosen: tuple[tuple[float, ...], ...]
    median_lead_s: float | None
    false_per_sensor_month: float | None
    best_on_all: tuple[tuple[float, ...], float, float] | None


def constant_share(cases: Sequence[Case]) -> Chosen:
    """Choose and score constant shares of the limit, leave-one-storm-out."""
    family = tuple((fraction,) for fraction in FRACTIONS)
    return _chosen(cases, [case.fractions for case in cases], family)


def own_choice(cases: Sequence[Case]) -> Chosen:
    """Choose and score our own parameters (`choices`), leave-one-storm-out."""
    return _chosen(cases, [case.choices for case in cases], CHOICES)


def _chosen(
    cases: Sequence[Case],
    tallies: Sequence[Sequence[Tally]],
    family: Sequence[tuple[float, ...]],
) -> Chosen:
    totals = [sum_of(mine[place] for mine in tallies) for place in range(len(family))]
    rates = [total.figures().false_per_sensor_month or 0.0 for total in totals]
    leads = [[lead or 0.0 for lead in total.leads_s] for total in totals]
    onsets = [onset for case in cases for onset in case.onsets_ms]
    storms = storms_of(onsets, _APART_MS)
    if not storms:
        return Chosen(0, (), None, None, None)
    picked: list[int] = []
    achieved: list[float] = []
    for storm in storms:
        others = [event for event in range(len(onsets)) if event not in storm]
        best = _best(rates, leads, others, family)
        picked.append(best)
        achieved += [leads[best][event] for event in storm]
    everything = _best(rates, leads, range(len(onsets)), family)
    return Chosen(
        len(storms),
        tuple(family[place] for place in picked),
        median(achieved),
        round(sum(rates[place] for place in picked) / len(picked), 4),
        (family[everything], median(leads[everything]), rates[everything]),
    )


def _best(
    rates: Sequence[float],
    leads: Sequence[Sequence[float]],
    events: Sequence[int],
    family: Sequence[tuple[float, ...]],
) -> int:
    """Return the choice of the longest median lead within the budget, else the calmest one.

    Few floods often leave several choices with the same median and as many false episodes. Of
    these the one that leads longer on average is better, not the one with the larger numbers.
    """
    allowed = [place for place, rate in enumerate(rates) if rate <= FALSE_BUDGET]
    if not allowed:
        return min(range(len(rates)), key=lambda place: rates[place])

    def worth(place: int) -> tuple[float, float, float, tuple[float, ...]]:
        here = [leads[place][event] for event in events]
        if not here:
            return (0.0, -rates[place], 0.0, family[place])
        return (median(here), -rates[place], fmean(here), family[place])

    return max(allowed, key=worth)
