"""The general detector on a benchmark: whose alarms are scored, and what may choose what."""

from __future__ import annotations

import numpy as np

from core.finding import Hazard
from core.grade import Grade
from core.identity import SeriesId
from core.limits import LimitRule
from core.quantity import Quantity
from detectors.anomaly_lane import BUDGET, choose
from detectors.limit_lane import Floats, LimitLane
from detectors.plan import SeriesPlan
from safety_eye.score.general import (
    THRESHOLDS,
    Corpus,
    alarms,
    nested,
    numbers,
    protocol,
    quiet_share,
    raw_table,
)
from safety_eye.score_nab import Labels

ROWS, STEP_MS = 2000, 300_000


def noisy(seed: int, spike: int | None = None) -> Corpus:
    value = np.random.default_rng(seed).normal(0.0, 1.0, ROWS)
    windows: tuple[tuple[int, int], ...] = ()
    if spike is not None:
        value[spike] += 30.0
        windows = ((spike - 20, spike + 20),)
    at = STEP_MS * np.arange(ROWS, dtype=np.int64)
    return Corpus(300.0, at, value, Labels(ROWS, windows))


def limits() -> LimitRule:
    plan = SeriesPlan(
        SeriesId("probe", Quantity.OTHER), "north-1", "hall", Hazard.EQUIPMENT, 300.0, "1"
    )
    choice = choose(plan)
    assert choice is not None
    return choice.limits


def raised_by_the_product(number: Floats, file: Corpus) -> list[int]:
    """Return the rows at which the limit step of the product leaves green."""
    lane, one, found = LimitLane([limits()]), np.zeros(1, np.int64), []
    before = 0
    for row in np.flatnonzero(np.isfinite(number)):
        lane.step(one, file.at[row : row + 1], number[row : row + 1], np.zeros(1, np.int8))
        if before == Grade.GREEN < lane.grade[0]:
            found.append(int(row))
        before = int(lane.grade[0])
    return found


def test_the_alarms_that_are_scored_are_those_of_the_product() -> None:
    file = noisy(1, spike=1200)
    file.value[[1230, 1240, 1700]] += 40.0
    number = numbers([file], 1345.0, 43_200.0)[0]

    told = np.flatnonzero(alarms(number, file.at, 300.0, BUDGET)).tolist()

    assert told == raised_by_the_product(number, file)
    assert 1200 in told
    assert 1240 not in told, "the episode goes on"


def test_files_side_by_side_are_judged_as_each_alone() -> None:
    files = [noisy(1, 900), noisy(2), noisy(3, 1500)]

    together = numbers(files, 1345.0, 43_200.0)

    for file, number in zip(files, together, strict=True):
        alone = numbers([file], 1345.0, 43_200.0)[0]
        assert np.array_equal(number, alone, equal_nan=True)


def test_spikes_are_found_and_quiet_readings_keep_the_budget() -> None:
    files = [noisy(seed, 1000 + 40 * seed) for seed in range(4)] + [noisy(9)]
    told = numbers(files, 1345.0, 43_200.0)
    tables = raw_table(files, told)[None]

    assert protocol(tables, [file.labels for file in files]) > 40.0
    assert quiet_share(files, told, BUDGET) <= 2.0 * 10.0**-BUDGET


def test_the_fold_that_is_scored_has_no_say_in_what_it_is_scored_with() -> None:
    """Ten files want ten thresholds: whoever may look at its own answer scores 100, others 0."""
    labels = [Labels(100, ((50, 59),))] * 10
    tables = np.full((1, 10, len(THRESHOLDS)), -1.0)
    for number in range(10):
        tables[0, number, number] = 1.0

    assert nested(tables, labels)[0] == 0.0
    tables[0, :, 3] = 1.0
    assert nested(tables, labels)[0] == protocol(tables, labels) == 100.0
