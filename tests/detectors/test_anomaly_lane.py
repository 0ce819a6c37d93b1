"""The general anomaly detector: what it must be whatever the series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.anomaly_lane import BUDGET, WARM, AnomalyLane, AnomalyRule
from detectors.limit_lane import Floats
from detectors.replay import replay

STEP_MS = 300_000


def run(values: Floats) -> Floats:
    """Return the numbers of many series side by side: one row a reading, one column a series."""
    lane = AnomalyLane([AnomalyRule(300.0)] * values.shape[1])
    every = np.arange(values.shape[1])
    at = np.zeros(values.shape[1], np.int64)
    return np.stack([lane.step(every, at + STEP_MS * n, row) for n, row in enumerate(values)])


def days(seed: int, rows: int = 3000, lines: int = 1) -> Floats:
    chance = np.random.default_rng(seed)
    wave = 5.0 * np.sin(np.arange(rows) / 288.0 * 2.0 * np.pi)
    return wave[:, None] + chance.normal(0.0, 1.0, (rows, lines))


def test_a_constant_series_is_silent() -> None:
    assert np.nanmax(run(np.full((1000, 1), 0.1))) == 0.0


def test_it_says_nothing_before_it_is_warm() -> None:
    told = run(days(1, 400))

    assert np.isnan(told[:WARM]).all()
    assert np.isfinite(told[WARM:]).all()


@pytest.mark.parametrize(("scale", "offset"), [(1000.0, 0.0), (0.001, 0.0), (1.0, 500.0)])
def test_neither_scale_nor_offset_changes_what_is_strange(scale: float, offset: float) -> None:
    values = days(2)
    values[2500] += 25.0

    told, other = run(values), run(scale * values + offset)

    assert np.allclose(told, other, atol=0.02, equal_nan=True)
    assert told[2500, 0] > BUDGET


def test_a_spike_a_shift_and_a_night_by_day_are_strange() -> None:
    spike, shift, night = days(3), days(4), days(5)
    spike[2500] += 12.0
    shift[2500:] += 9.0
    night[2650:2700] = -night[2650:2700] - 6.0

    for values, first, last in ((spike, 2500, 2501), (shift, 2500, 2788), (night, 2650, 2700)):
        assert np.nanmax(run(values)[first:last]) > BUDGET


@pytest.mark.parametrize("kind", ["normal", "days", "heavy", "skewed", "sluggish", "counts"])
def test_quiet_noise_of_any_kind_stays_within_twice_the_budget(kind: str) -> None:
    chance = np.random.default_rng(7)
    shape = (5000, 40)
    noise = {
        "normal": lambda: chance.normal(0.0, 1.0, shape),
        "days": lambda: days(8, *shape),
        "heavy": lambda: chance.standard_t(4, shape),
        "skewed": lambda: chance.lognormal(0.0, 1.0, shape),
        "sluggish": lambda: _sluggish(chance, shape),
        "counts": lambda: chance.poisson(6.0, shape).astype(np.float64),
    }[kind]()

    share = (run(noise)[750:] >= BUDGET).mean()

    assert share <= 2.0 * 10.0**-BUDGET
    assert share >= 0.25 * 10.0**-BUDGET, "it is deaf"


def test_after_a_month_the_budget_is_neither_overdrawn_nor_left_unused() -> None:
    """A strong daily wave and small counts promise most and keep least: ten and two times less."""
    chance = np.random.default_rng(11)
    rows, lines = 12_000, 24
    hours = np.arange(rows)[:, None] / 288.0 * 2.0 * np.pi
    wave = 14.0 * np.sin(hours) + chance.normal(0.0, 1.0, (rows, lines))
    counts = chance.poisson(6.0, (rows, lines)).astype(np.float64)

    fires = run(np.concatenate([wave, counts], axis=1))[9_000:] >= BUDGET

    for share in (fires[:, :lines].mean(), fires[:, lines:].mean()):
        assert 0.5 * 10.0**-BUDGET <= share <= 2.0 * 10.0**-BUDGET


def _sluggish(chance: np.random.Generator, shape: tuple[int, int]) -> Floats:
    made = np.zeros(shape)
    kicks = chance.normal(0.0, 1.0, shape)
    for row in range(1, shape[0]):
        made[row] = 0.8 * made[row - 1] + kicks[row]
    return made


def test_in_a_replay_only_the_reading_that_raised_the_finding_fires(tmp_path: Path) -> None:
    values = days(9, 1200)[:, 0]
    values[900] += 40.0
    start = np.datetime64("2026-03-02T00:00:00")
    rows = [f"{start + np.timedelta64(5 * n, 'm')}Z,{x:.4f}" for n, x in enumerate(values)]
    path = tmp_path / "probe.csv"
    path.write_text("at,value\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "probe.json").write_text(
        '{"format": 1, "name": "probe", "kind": "general", "interval_s": 300.0,'
        ' "channels": {"value": {"quantity": "other", "unit": "1"}}}',
        encoding="utf-8",
    )

    told = list(replay([path], every=True))

    assert told[900]["score"] >= 0.5
    assert told[901]["score"] < 0.5
    assert told[900]["grade"] == told[901]["grade"] == "blue"
    assert told[901]["detector"] == "anomaly"
    assert told[901]["because"]["rarity"] >= 1.0
