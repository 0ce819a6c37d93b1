"""Two trivial detectors that everything is measured beside. Both look back only."""

from __future__ import annotations

import numpy as np

from core.quantity import FACTS, Danger, Quantity
from detectors.limit_lane import Flags, Floats
from safety_eye.score.profile import probation

# Readings and deviations of the rolling z-score: the usual first try of everybody.
_WINDOW, _SIGMAS = 96, 3.0


def fixed_threshold(
    values: Floats, limits: list[float], quantity: Quantity, *, floor: float | None = None
) -> Flags:
    """Return where a reading is at the lowest published limit.

    Without published limits the quantity's own lowest default at *floor* or above stands in;
    without one, mean and three deviations of the first readings (those of NAB's probation).

    Args:
        values: One a row, canonical unit, NaN missing.
        limits: Published limits in the canonical unit.
        quantity: What is measured.
        floor: The quantity's default limit that counts, canonical unit.
    """
    if limits:
        return np.nan_to_num(values, nan=-np.inf) >= min(limits)
    if floor is not None:
        return np.nan_to_num(values, nan=-np.inf) >= floor
    first = values[: max(probation(values.size), 2)]
    first = first[np.isfinite(first)]
    if first.size < 2:
        return np.zeros(values.size, np.bool_)
    return _beyond(values - first.mean(), _SIGMAS * float(first.std()), quantity)


def rolling_z(values: Floats, quantity: Quantity) -> Flags:
    """Return where a reading is three deviations from the mean of the 96 rows before it."""
    present = np.isfinite(values)
    if not present.any():
        return np.zeros(values.size, np.bool_)
    filled = np.where(present, values, 0.0)
    centre = float(filled[present].mean())
    shifted = np.where(present, values - centre, 0.0)

    def trailing(numbers: Floats) -> Floats:
        sums = np.concatenate(([0.0], np.cumsum(numbers)))
        ends = np.arange(values.size)
        return sums[ends] - sums[np.maximum(ends - _WINDOW, 0)]

    count = trailing(present.astype(np.float64))
    safe = np.maximum(count, 1.0)
    mean = trailing(shifted) / safe
    variance = np.maximum(trailing(shifted**2) / safe - mean**2, 0.0)
    # Below a millionth of the spread there is only rounding of the running sums.
    real = variance > 1e-12 * max(float(np.var(shifted)), 1e-12)
    enough = present & (count >= _WINDOW / 2) & real
    return enough & _beyond(
        np.where(present, shifted, 0.0) - mean, _SIGMAS * np.sqrt(variance), quantity
    )


def _beyond(distance: Floats, bound: Floats | float, quantity: Quantity) -> Flags:
    """Danger that lies above is sought above only; elsewhere both sides count."""
    high = quantity is not Quantity.OTHER and FACTS[quantity].danger is Danger.HIGH
    found: Flags = np.nan_to_num(distance if high else np.abs(distance), nan=-np.inf) > bound
    return found
