"""How the series of a zone follow each other: what is known of a series that never moved."""

from __future__ import annotations

import numpy as np

from detectors.relations import Relations

WEEKS = 4032


def room(third: float) -> np.ndarray:
    """Return four weeks of a warm, a damp and a third series that stands still but for once."""
    chance, day = np.random.default_rng(1), np.sin(np.arange(WEEKS) / 23.0)
    warm, damp = 20.0 + 3.0 * day, 50.0 - 5.0 * day
    still = np.full(WEEKS, 0.12)
    still[1000] = third
    rows = np.stack([warm, damp, still], axis=1)
    rows[:, :2] += chance.normal(0.0, 0.1, (WEEKS, 2))
    return rows.astype(np.float32)


def test_the_first_small_step_of_what_stood_still_for_weeks_contradicts_nothing() -> None:
    """A dry gauge that reads one millimetre more is no news of the room."""
    for third in (0.12, 0.121):
        rows = room(third)
        step, broken = rows[0].copy(), rows[0].copy()
        step[2] += 0.001
        broken[0] += 3.0

        small, wide = Relations(rows, 3).rarity(np.stack([step, broken]))

        assert small < 2.0
        assert wide > 3.0


def test_where_nothing_ever_moved_nothing_is_rare() -> None:
    still = np.ones((WEEKS, 4), np.float32)

    assert Relations(still, 3).rarity(2.0 * still[:3]).tolist() == [0.0, 0.0, 0.0]
