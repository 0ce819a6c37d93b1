"""Drift against neighbours on real air: a year of six stations, one of them made to creep away."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from core.finding import Hazard
from core.identity import SeriesId
from core.quantity import Quantity
from detectors.batch import NO_REASON, Batch
from detectors.limit_lane import Floats, Ints
from detectors.neighbours_panel import NeighboursPanel
from detectors.plan import SeriesPlan
from detectors.recording import read_recording

HOME = os.environ.get("SAFETY_EYE_RECORDINGS", "")
pytestmark = pytest.mark.skipif(not HOME, reason="SAFETY_EYE_RECORDINGS is not set")
DAY = 24


@pytest.fixture(scope="module")
def air() -> tuple[Ints, Floats]:
    """Hours and PM2.5 in ug/m3 of six Beijing stations, one a column, March 2014 to July 2014."""
    made = [read_recording(path) for path in sorted((Path(HOME) / "air").glob("beijing-*.csv.gz"))]
    hours = slice(365 * DAY, (365 + 150) * DAY)
    return made[0].at[hours], np.stack([one.channels[0].values[hours] for one in made], axis=1)


def drifts(at: Ints, values: Floats) -> Floats:
    """Return the drift of every station after every hour, 1 = told; NaN before it is known."""
    plans = [
        SeriesPlan(
            SeriesId(f"air-{n}", Quantity.PM2_5), f"s-{n}", "city", Hazard.AIR, 3600.0, "ug/m3"
        )
        for n in range(values.shape[1])
    ]
    panel = NeighboursPanel(plans, [range(len(plans))])
    told = np.full(values.shape, np.nan)
    for row in range(at.size):
        there = np.flatnonzero(np.isfinite(values[row]))
        none = np.zeros(there.size, np.int8)
        panel.gate(
            Batch(
                there,
                np.full(there.size, at[row]),
                values[row, there],
                none,
                np.full(there.size, NO_REASON, np.int8),
                none.astype(np.bool_),
            )
        )
        told[row] = panel.drift
    return told


def crept(values: Floats, station: int, factor: float, from_day: int, days: int) -> Floats:
    """Return *values* with one station whose gain grows to *factor* within *days*, and stays."""
    share = np.clip((np.arange(len(values)) - DAY * from_day) / (DAY * days), 0.0, 1.0)
    made = values.copy()
    made[:, station] *= 1.0 + (factor - 1.0) * share
    return made


def test_a_gain_that_doubles_within_two_weeks_is_told_within_a_month_and_only_there(
    air: tuple[Ints, Floats],
) -> None:
    at, values = air
    for station in (0, 3, 5):
        told = drifts(at, crept(values, station, 2.2, from_day=90, days=14)) >= 1.0
        before, after = told[: 90 * DAY], told[90 * DAY : 120 * DAY]
        assert after[:, station].any(), station
        others = [other for other in range(values.shape[1]) if other != station]
        assert after[:, others].mean() <= 0.05, station
        assert before.mean() <= 0.05


def test_stations_that_do_not_drift_are_hardly_ever_told_to(air: tuple[Ints, Floats]) -> None:
    at, values = air
    told = drifts(at, values) >= 1.0
    months = values.shape[1] * (len(at) / DAY - 30) / 30.44
    episodes = (np.diff(told.astype(int), axis=0) == 1).sum()
    assert episodes / months <= 0.1
