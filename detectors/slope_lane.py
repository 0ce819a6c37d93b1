"""Rate of rise for many series at once: an exponentially weighted line, time origin = now.

For each series the weighted sums over past readings with u = t - now <= 0 and weight exp(u / tau)
are carried on: S0 = sum w, S1 = sum w u, S2 = sum w u^2, Y0 = sum w x, Y1 = sum w u x. Irregular
spacing needs nothing special. Beside the line a slowly rising floor (`base`) is kept: the level to
which the series returns, from which the way to a limit is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.kinds import kinds_of
from detectors.limit_lane import NEVER, Flags, Floats, Ints

# A slope counts when it is this many standard errors above zero; the margin covers the
# autocorrelation that the standard error does not know of.
SIGNIFICANT = 4.0
# A reading further than this many residual deviations from the line is left out once; a second one
# in a row is believed. A lone spike so moves no slope, a real step is one reading late.
SPIKE = 6.0
# Weight of the newest squared residual in its running mean.
LEARN = 0.02
# Effective readings within the memory, and spread of their times, below which there is no line.
MIN_WEIGHT = 3.0
TINY = 1e-9

STATE = (
    "s0",
    "s1",
    "s2",
    "y0",
    "y1",
    "variance",
    "span_ms",
    "last_at",
    "spiked",
    "level",
    "slope",
    "error",
    "base",
)


@dataclass(frozen=True, slots=True)
class SlopeRule:
    """How the line of one series is drawn.

    Attributes:
        tau_s: Memory of the line in seconds; at least 4 intervals.
        noise: Standard deviation of a quiet sensor in the canonical unit; floor of the residual.
        reset_ms: A longer gap starts the line anew.
        base_tau_s: How fast the base follows when the level stays above it, in seconds.
    """

    tau_s: float
    noise: float
    reset_ms: int
    base_tau_s: float

    @property
    def warm_ms(self) -> int:
        """Observed time before the slope may be judged: half the memory."""
        return round(self.tau_s * 500)


class SlopeLane:
    """State of many lines as a structure of arrays.

    Attributes:
        kind: Which of the distinct rules each line has; `tau_s` to `base_tau_s` are theirs.
        level: Value of the line now, canonical unit.
        slope: Canonical units per second.
        error: Standard error of `slope`.
        base: Level to which the series returns.
    """

    def __init__(self, rules: Sequence[SlopeRule]) -> None:
        size = len(rules)
        kinds, self.kind = kinds_of(rules)
        self.tau_s = np.array([rule.tau_s for rule in kinds])
        self.floor = np.array([rule.noise**2 for rule in kinds])
        self.reset_ms = np.array([rule.reset_ms for rule in kinds], np.int64)
        self.warm_ms = np.array([rule.warm_ms for rule in kinds], np.int64)
        self.base_tau_s = np.array([rule.base_tau_s for rule in kinds])
        self.s0, self.s1, self.s2 = np.zeros(size), np.zeros(size), np.zeros(size)
        self.y0, self.y1 = np.zeros(size), np.zeros(size)
        self.variance = self.floor[self.kind]
        self.span_ms = np.zeros(size, np.int64)
        self.last_at = np.full(size, NEVER, np.int64)
        self.spiked: Flags = np.zeros(size, np.bool_)
        self.level, self.slope, self.error = np.zeros(size), np.zeros(size), np.zeros(size)
        self.base = np.full(size, np.nan)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Flags:
        """Judge, then learn one good reading for each of *lines*, which must be distinct and newer.

        Returns:
            True for each line that is warm: its `slope` may be judged.
        """
        kind = self.kind[lines]
        floor = self.floor[kind]
        gap_ms = at - self.last_at[lines]
        fresh = gap_ms > self.reset_ms[kind]
        step_ms = np.where(fresh, 0, gap_ms)
        dt = step_ms / 1000.0
        decay = np.where(fresh, 0.0, np.exp(-dt / self.tau_s[kind]))
        s0, s1, y0 = self.s0[lines], self.s1[lines], self.y0[lines]
        s2 = decay * (self.s2[lines] - 2.0 * dt * s1 + dt * dt * s0)
        s1 = decay * (s1 - dt * s0)
        s0 = decay * s0
        y1 = decay * (self.y1[lines] - dt * y0)
        y0 = decay * y0
        variance = np.where(fresh, floor, self.variance[lines])
        miss, known = _miss(s0, s1, s2, y0, y1, value)
        squared = miss * miss
        spike = known & (squared > SPIKE * SPIKE * variance) & ~self.spiked[lines]
        take = ~spike
        learn = (np.minimum(squared, 16.0 * variance) - variance) * (LEARN * (known & take))
        variance = np.maximum(variance + learn, floor)
        s0 = s0 + take
        y0 = y0 + value * take
        span = np.where(fresh, 0, self.span_ms[lines] + step_ms)
        self.s0[lines], self.s1[lines], self.s2[lines] = s0, s1, s2
        self.y0[lines], self.y1[lines] = y0, y1
        self.variance[lines], self.span_ms[lines] = variance, span
        self.last_at[lines], self.spiked[lines] = at, spike
        return self._draw(lines, value, dt, variance, span)

    def _draw(self, lines: Ints, value: Floats, dt: Floats, variance: Floats, span: Ints) -> Flags:
        """Set level, slope, error and base from the sums."""
        s0, s1 = self.s0[lines], self.s1[lines]
        y0 = self.y0[lines]
        den = s0 * self.s2[lines] - s1 * s1
        drawn = (s0 > MIN_WEIGHT) & (den > TINY)
        safe = np.where(drawn, den, 1.0)
        slope = np.where(drawn, (s0 * self.y1[lines] - s1 * y0) / safe, 0.0)
        level = np.where(drawn, (y0 - slope * s1) / np.where(s0 > 0.0, s0, 1.0), value)
        self.slope[lines], self.level[lines] = slope, level
        self.error[lines] = np.sqrt(2.0 * variance * s0 / safe)
        base = self.base[lines]
        base = np.where(np.isnan(base), level, base)
        crept = base + (level - base) * np.minimum(1.0, dt / self.base_tau_s[self.kind[lines]])
        self.base[lines] = np.minimum(crept, level)
        return drawn & (span >= self.warm_ms[self.kind[lines]])


def _miss(
    s0: Floats, s1: Floats, s2: Floats, y0: Floats, y1: Floats, value: Floats
) -> tuple[Floats, Flags]:
    """Return how far each value is from what its line foretold, and where there was a line."""
    den = s0 * s2 - s1 * s1
    known = (s0 > MIN_WEIGHT) & (den > TINY)
    slope = (s0 * y1 - s1 * y0) / np.where(known, den, 1.0)
    foretold = (y0 - slope * s1) / np.where(known, s0, 1.0)
    return np.where(known, value - foretold, 0.0), known
