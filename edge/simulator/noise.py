"""Seeded randomness without state: the same seed, name and index give the same number, for ever.

A generator with a state would make a value depend on how often somebody asked before. Here a number
is a hash of (seed, name, index), so that any instant of a run can be asked for in any order, a
restarted simulator continues the same world, and two machines agree to the last bit.
"""

from __future__ import annotations

from hashlib import blake2b
from math import cos, exp, floor, log, pi, sqrt
from struct import pack, unpack

_SCALE = 1.0 / 2**64


def uniform(seed: int, name: str, index: int = 0) -> float:
    """Return a number in (0, 1).

    >>> uniform(1, "gauge-1", 7) == uniform(1, "gauge-1", 7)
    True
    """
    return _pair(seed, name, index)[0]


def gauss(seed: int, name: str, index: int = 0) -> float:
    """Return a number of the standard normal distribution (Box-Muller)."""
    first, second = _pair(seed, name, index)
    return sqrt(-2.0 * log(first)) * cos(2.0 * pi * second)


def poisson(mean: float, seed: int, name: str, index: int = 0) -> int:
    """Return a number of the Poisson distribution with this mean.

    Inversion below a mean of 30; above it the rounded normal approximation, whose error is smaller
    than a person.

    >>> poisson(0.0, 1, "gate"), poisson(1e-9, 1, "gate")
    (0, 0)
    """
    if mean <= 0.0:
        return 0
    if mean > 30.0:
        return max(0, round(mean + sqrt(mean) * gauss(seed, name, index)))
    left = uniform(seed, name, index)
    count = 0
    share = exp(-mean)
    while left > share and count < 200:
        left -= share
        count += 1
        share *= mean / count
    return count


def drift(seed: int, name: str, t_s: float, period_s: float) -> float:
    """Return a smooth wandering number around 0 with a standard deviation just below 1.

    Standard normal knots every *period_s* seconds, joined by half cosines.
    """
    knot = floor(t_s / period_s)
    share = (1.0 - cos(pi * (t_s / period_s - knot))) / 2.0
    return (1.0 - share) * gauss(seed, name, knot) + share * gauss(seed, name, knot + 1)


def _pair(seed: int, name: str, index: int) -> tuple[float, float]:
    digest = blake2b(pack("<qq", seed, index) + name.encode(), digest_size=16).digest()
    first, second = unpack("<QQ", digest)
    return (first + 0.5) * _SCALE, (second + 0.5) * _SCALE
