"""The forest of a zone on a real place: five gas sensors of one board in a street, for a year.

They are hourly, so that a row stands for an hour here and for ten minutes in a house; all else is
the panel's own. What is learned never holds the days that are spoilt here. Which residual looks at
the relations was chosen on this very year (README.md, Forest): the bounds watch, they don't prove.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from core.finding import Hazard
from core.identity import SeriesId
from core.quantity import Quantity
from detectors.batch import NO_REASON, Batch
from detectors.forest import Rows
from detectors.forest_panel import KEPT, LEAST, ForestPanel, limits_of
from detectors.limit_lane import Flags, Floats, Ints, LimitLane
from detectors.panel import PanelRule
from detectors.plan import SeriesPlan
from detectors.recording import read_recording
from detectors.relations import RowJudge

HOUR_MS = 3_600_000
CHANNELS = ("pt08-s1-co", "pt08-s2-nmhc", "pt08-s3-nox", "pt08-s4-no2", "pt08-s5-o3")
# A forest every three weeks of hours: a test has no time for one a week.
REGROW = 504
# A day is spoilt every four days, one sensor after the other.
DAY, EVERY = 24, 96


class Year(NamedTuple):
    """What was read, one column a sensor; and what each block of rows was judged by."""

    at: Ints
    values: Floats
    judges: tuple[tuple[int, RowJudge], ...]


def rows_of(at: Ints, values: Floats) -> tuple[Ints, Rows]:
    """Return the panel's own rows: which hour each of them is, and its numbers."""
    series = [SeriesId(name, Quantity.OTHER) for name in CHANNELS]
    plans = [SeriesPlan(one, "s", "street", Hazard.AIR, 3600.0, "1") for one in series]
    slots = tuple(range(len(plans)))
    rule = PanelRule("zone.street", "forest", "street", Hazard.AIR, limits_of(HOUR_MS), "", slots)
    panel = ForestPanel(plans, [rule], "Etc/GMT-1", row_ms=HOUR_MS)
    for when, here in zip(at.tolist(), values, strict=True):
        there = np.flatnonzero(np.isfinite(here))
        none = np.zeros(there.size, np.int8)
        reasons, late = none + np.int8(NO_REASON), np.zeros(there.size, np.bool_)
        batch = Batch(there, np.full(there.size, when), here[there], none, reasons, late)
        panel.step(None, batch)  # type: ignore[arg-type]  # a forest asks nothing of the bank
    ended = np.array([row.at for row in panel._waiting])
    return np.searchsorted(at, ended, side="right") - 1, np.stack(
        [row.numbers for row in panel._waiting]
    )


class Told(NamedTuple):
    """The number of every hour (NaN: none), and where the zone was blue or worse."""

    numbers: Floats
    on: Flags


@pytest.fixture(scope="module")
def year() -> Year:
    root = os.environ.get("SAFETY_EYE_RECORDINGS")
    if not root:
        pytest.skip("set SAFETY_EYE_RECORDINGS to the directory of recordings")
    recording = read_recording(Path(root) / "air/uci-airquality-2004-05.csv.gz")
    columns = {channel.name: channel.values for channel in recording.channels}
    values = np.stack([columns[name] for name in CHANNELS], axis=1)
    hours, rows = rows_of(recording.at, values)
    judges = [
        (int(hours[end]), RowJudge(rows[max(0, end - KEPT) : end], len(CHANNELS), seed=0))
        for end in range(LEAST, len(rows), REGROW)
    ]
    return Year(recording.at, values, tuple(judges))


@pytest.fixture(scope="module")
def quiet(year: Year) -> Told:
    return judged(year, year.values)


def judged(year: Year, values: Floats) -> Told:
    hours, rows = rows_of(year.at, values)
    numbers = np.full(year.at.size, np.nan)
    ends = [first for first, _ in year.judges[1:]] + [year.at.size]
    for (first, judge), end in zip(year.judges, ends, strict=True):
        block = np.flatnonzero((hours >= first) & (hours < end))
        numbers[hours[block]] = judge.rarity(rows[block])
    lane, one, good = LimitLane([limits_of(HOUR_MS)]), np.zeros(1, np.int64), np.zeros(1, np.int8)
    on = np.zeros(year.at.size, np.bool_)
    for hour in np.flatnonzero(np.isfinite(numbers)).tolist():
        lane.step(one, year.at[hour : hour + 1], numbers[hour : hour + 1], good)
        on[hour] = lane.grade[0] > 0
    return Told(numbers, on)


def test_in_nine_months_of_real_air_it_speaks_five_times_at_most(
    quiet: Told,
) -> None:
    known = quiet.numbers[np.isfinite(quiet.numbers)]
    assert known.size > 6_500
    assert (known >= 3.0).mean() <= 0.005, "one in a thousand of what is like the past; air ages"
    assert (np.diff(np.flatnonzero(quiet.on), prepend=-100) > DAY).sum() <= 5


@pytest.mark.parametrize(
    ("spoilt", "least"),
    [("half too much", 0.33), ("half", 0.33), ("stuck", 0.1), ("another day", 0.1)],
)
def test_it_tells_some_of_the_days_on_which_one_sensor_is_wrong(
    year: Year, quiet: Told, spoilt: str, least: float
) -> None:
    """It is advice: what a sensor's own detectors and its neighbours tell is told by them."""
    values, heard = year.values.copy(), np.isfinite(quiet.numbers)
    first = year.judges[0][0] + 20 * DAY
    starts = [
        start
        for start in range(first, year.at.size - EVERY, EVERY)
        if heard[start : start + DAY].sum() > DAY // 2
    ]
    for number, start in enumerate(starts):
        day, sensor = slice(start, start + DAY), number % len(CHANNELS)
        values[day, sensor] = {
            "half too much": 1.5 * year.values[day, sensor],
            "half": 0.5 * year.values[day, sensor],
            "stuck": np.full(DAY, year.values[start - 1, sensor]),
            "another day": year.values[start - 20 * DAY : start - 19 * DAY, sensor],
        }[spoilt]

    on = judged(year, values).on & ~quiet.on

    told = [bool(on[start : start + DAY + 2].any()) for start in starts]
    assert np.mean(told) >= least
