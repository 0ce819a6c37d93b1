"""Shares with the interval that their few cases allow."""

from __future__ import annotations

from math import sqrt

import msgspec

# Two-sided 95 % of the normal distribution.
_Z = 1.959963984540054


class Share(msgspec.Struct, frozen=True):
    """A share and its 95 % interval; all None where nothing was counted.

    Attributes:
        value: 0..1.
        low, high: Wilson score interval.
    """

    value: float | None
    low: float | None
    high: float | None


NOTHING = Share(None, None, None)


def wilson(hits: int, cases: int) -> Share:
    """Return hits / cases with its Wilson score interval (Wilson 1927).

    >>> share = wilson(8, 8)
    >>> share.value, share.low, share.high
    (1.0, 0.6756, 1.0)
    """
    if cases <= 0:
        return NOTHING
    share = hits / cases
    spread = _Z * _Z / cases
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * sqrt(share * (1 - share) / cases + spread / (4 * cases))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Share(round(share, 4), round(low, 4), round(high, 4))


def f1(found: int, missed: int, false: int) -> Share:
    """Return the F1 score with a 95 % interval.

    F1 is no proportion, but J = found / (found + missed + false) is one and F1 = 2 J / (1 + J): the
    Wilson interval of J is carried over (the indirect method of Lam et al. 2023, "Confidence
    intervals for the F1 score: a comparison of four methods").

    >>> f1(8, 0, 4).value
    0.8
    """
    share = wilson(found, found + missed + false)
    if share.value is None or share.low is None or share.high is None:
        return NOTHING
    value, low, high = (2 * j / (1 + j) for j in (share.value, share.low, share.high))
    return Share(round(value, 4), round(low, 4), round(high, 4))
