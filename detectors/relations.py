"""How each series of a zone follows the others: which of them says what the rest contradict?

Each series is foretold from all others (least squares); the widest miss of a row, in usual misses,
is its number. How rare a miss is must be told by rows that did not teach what is foretold, or every
sensor that ages would look odd: the rows are cut into four stretches of time, and those of each are
foretold from the other three.
"""

from __future__ import annotations

import numpy as np

from detectors.forest import Forest, Rows
from detectors.limit_lane import Floats

_STRETCHES = 4
# Share of a series' variance that is added to it, so that twins can be told apart at all.
_RIDGE = 1e-3


class Relations:
    """What some rows have taught of the series that they are made of.

    >>> chance = np.random.default_rng(1)
    >>> warm, noise = chance.normal(size=2000), chance.normal(0.0, 0.1, (2000, 3))
    >>> rows = (warm[:, None] * [1.0, -1.0, 2.0] + noise).astype(np.float32)
    >>> usual, odd = Relations(rows, 3).rarity(np.array([[2, -2, 4], [2, -2, -1]], np.float32))
    >>> bool(usual < 2.0), bool(odd > 3.0)
    (True, True)

    Args:
        rows: What was usual, oldest first, finite.
        series: How many of the columns are foretold, from the left; the rest only helps.
    """

    def __init__(self, rows: Rows, series: int) -> None:
        parts = np.array_split(np.arange(len(rows)), _STRETCHES)
        others = [np.delete(rows, part, axis=0) for part in parts]
        # What stood still follows nobody: its first move, however small, contradicts nothing.
        self._moves = np.all([np.ptp(other, axis=0) > 0.0 for other in others], axis=0)
        moving = int(self._moves[:series].sum())
        apart = [
            _Foretold(other[:, self._moves], moving).miss(rows[part][:, self._moves])
            for part, other in zip(parts, others, strict=True)
        ]
        self._learned: Floats = np.sort(np.concatenate(apart))
        self._foretold = _Foretold(rows[:, self._moves], moving)

    def rarity(self, rows: Rows) -> Floats:
        """Return -log10 of the share of learned rows that miss at least as widely."""
        miss = self._foretold.miss(rows[:, self._moves])
        as_odd = self._learned.size - np.searchsorted(self._learned, miss, side="left")
        rarity: Floats = -np.log10((1.0 + as_odd) / (1.0 + self._learned.size))
        return rarity


class _Foretold:
    """Least squares of each series on all others, by the inverse of their covariance."""

    def __init__(self, rows: Rows, series: int) -> None:
        self._mean = rows.mean(axis=0, dtype=np.float64)
        self._scale = np.maximum(rows.std(axis=0, dtype=np.float64), 1e-9)
        scaled = (rows - self._mean) / self._scale
        inverse = np.linalg.inv(scaled.T @ scaled / len(rows) + _RIDGE * np.eye(rows.shape[1]))
        self._turn: Floats = (inverse / np.diag(inverse))[:, :series]
        self._turn /= np.maximum((scaled @ self._turn).std(axis=0), 1e-9)

    def miss(self, rows: Rows) -> Floats:
        """Return the widest miss of each row, in usual misses of its series."""
        missed = ((rows - self._mean) / self._scale) @ self._turn
        widest: Floats = np.abs(missed).max(axis=1, initial=0.0)
        return widest


class RowJudge:
    """What the rows of a zone have taught: the forest, and how its series follow each other.

    Args:
        rows: Means and changes of each series, and the clock.
        series: How many series there are.
        seed: Of the trees.
    """

    def __init__(self, rows: Rows, series: int, seed: int) -> None:
        # Changes are left to the forest: among relations they hide more than they show.
        self._columns = [*range(series), *range(2 * series, rows.shape[1])]
        self._forest = Forest(rows, seed)
        self._relations = Relations(rows[:, self._columns], series)

    def rarity(self, rows: Rows) -> Floats:
        """Return -log10 of how rare each row is to whichever finds it rarer."""
        return np.maximum(self._forest.rarity(rows), self._relations.rarity(rows[:, self._columns]))
