"""Our own flood parameters chosen anew: the simulation must be the product."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from core.finding import Hazard
from core.grade import Grade
from detectors.profiles import SHARES
from detectors.surge_lane import FLOOR_SHARE, HORIZON_S
from safety_eye.score.cases import cases_of
from safety_eye.score.choices import CHOICES, alarms_of
from safety_eye.score.floods import own_choice
from safety_eye.score.measure import OURS, Case
from safety_eye.score.sections import FLOOD
from safety_eye.score.tally import MONTH_S, Tally
from safety_eye.score.track import play

HOME = os.environ.get("SAFETY_EYE_RECORDINGS", "")
SHIPPED = (SHARES[Hazard.FLOOD][Grade.YELLOW], FLOOR_SHARE, HORIZON_S / 3600)
SHORT = ("ea-don-rotherham-2007", "ea-irwell-adelphi-2015", "ea-ouse-skelton-2015")


def test_what_is_shipped_is_one_of_the_choices() -> None:
    assert SHIPPED in CHOICES


@pytest.mark.skipif(not HOME, reason="SAFETY_EYE_RECORDINGS is not set")
def test_the_simulation_of_what_is_shipped_warns_when_the_replay_does() -> None:
    played = play([Path(HOME) / "water" / f"{name}.csv.gz" for name in SHORT])
    for case in (case for one in played for case in cases_of(one) if case.onsets_ms):
        simulated, ours = case.choices[CHOICES.index(SHIPPED)], case.tallies[OURS]
        assert simulated.leads_s == ours.leads_s, case.recording
        assert simulated.false == ours.false, case.recording


def test_a_pace_counts_from_its_share_of_the_way_on_and_never_over_a_gap() -> None:
    at = np.arange(4, dtype=np.int64) * 900_000
    late = np.array([0, 1, 2, 90], np.int64) * 900_000
    level = np.array([0.0, 0.0, 0.3, 0.6])
    place = CHOICES.index((0.64, 0.55, 2.5))
    told = [list(alarms_of(when, level, 1.0, 900.0))[place].tolist() for when in (at, late)]
    assert told == [[False, False, False, True], [False] * 4]


def test_of_choices_with_the_same_median_and_false_episodes_the_earlier_one_is_taken() -> None:
    """Three floods of one storm to choose on; the flood of the other storm pays for the choice."""
    hour, day_ms = 3600.0, 86_400_000
    early, late = (0.60, 0.55, 2.5), (0.70, 0.55, 2.5)
    leads = {
        early: (3 * hour, 4 * hour, 6 * hour, 5 * hour),
        late: (2 * hour, 4 * hour, 5 * hour, 1 * hour),
    }
    none = (0.0, 0.0, 0.0, 0.0)
    tallies = tuple(Tally(leads.get(one, none), 0, 100 * MONTH_S) for one in CHOICES)
    onsets = (0, 0, 0, 30 * day_ms)
    case = Case("r", ("level",), FLOOD.name, {OURS: Tally()}, {}, onsets, choices=tallies)
    told = own_choice([case])
    assert told.storms == 2
    assert set(told.chosen) == {early}
    assert told.median_lead_s == 4.5 * hour
