"""An isolation forest with a calibrated score: how rare is this combination in what was learned?

Trees cut along one axis at a time, so rows are first turned to their principal components and
scaled: what breaks a usual relation (warmer but not drier) then lies outside along one axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.limit_lane import Floats

Rows = npt.NDArray[np.float32]
# Fifty trees of 256 rows: more gain nothing on data of this size and halve the speed.
_TREES, _SAMPLE = 50, 256
# Smallest deviation of a component, in deviations of the series: below it is rounding.
_FLOOR = 0.01


class Forest:
    """A trained forest; the same rows and seed make the same one.

    >>> rows = np.random.default_rng(1).normal(size=(2000, 3)).astype(np.float32)
    >>> usual, odd = Forest(rows).rarity(np.array([[0, 0, 0], [9, -9, 9]], np.float32))
    >>> bool(usual < 1.0), bool(odd > 3.0)
    (True, True)

    Args:
        rows: What was usual, one combination a row, finite.
        seed: Of the trees.
    """

    def __init__(self, rows: Rows, seed: int = 0) -> None:
        # Imported when wanted: it brings two seconds and 150 MB.
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415

        self._mean = rows.mean(axis=0, dtype=np.float64)
        scale = np.maximum(rows.std(axis=0, dtype=np.float64), 1e-9)
        _, spread, turned = np.linalg.svd((rows - self._mean) / scale, full_matrices=False)
        deviation = np.maximum(spread / np.sqrt(len(rows)), _FLOOR)
        self._turn: Floats = (turned / deviation[:, None]).T / scale[:, None]
        self._trees: Any = IsolationForest(
            n_estimators=_TREES, max_samples=min(_SAMPLE, len(rows)), random_state=seed
        ).fit(self._turned(rows))
        self._learned: Floats = np.sort(self._trees.score_samples(self._turned(rows)))

    def _turned(self, rows: Rows) -> Rows:
        turned: Rows = ((rows - self._mean) @ self._turn).astype(np.float32)
        return turned

    def rarity(self, rows: Rows) -> Floats:
        """Return -log10 of the share of learned rows that are at least as odd as each of *rows*."""
        scores = self._trees.score_samples(self._turned(rows))
        as_odd = np.searchsorted(self._learned, scores, side="right")
        rarity: Floats = -np.log10((1.0 + as_odd) / (1.0 + self._learned.size))
        return rarity
