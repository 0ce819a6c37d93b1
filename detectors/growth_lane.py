"""How long smoke took from clean air to a dense one: flames need seconds, a frying pan minutes.

A burning thing grows with the square of time, a pan, a shower or a saw works at an even rate. What
tells them apart early is therefore not how dense the smoke is, nor its slope at one moment (a plume
flickers), but when the air was clean last. Clean is measured from the sensor's own zero, which dust
moves over the months and which a certified detector follows, too (EN 54-7, drift compensation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from core.community import gap_ms
from core.finding import Because, Certainty, Hazard
from core.grade import Grade
from core.limits import Level, LimitRule, default_rule
from core.quantity import Quantity
from detectors.lane import Choice, Detector
from detectors.limit_lane import NEVER, Floats, Ints

if TYPE_CHECKING:
    from detectors.plan import SeriesPlan

STATE = ("zero", "clean_at", "dense", "last_at", "took_s", "seen")

# Smoke that is dense this soon after clean air grows like flames: 0.10 dB/m within a minute. Frying
# of nine minutes needs four for it (`safety_eye.score.nuisance`). Choice of this project.
FLAMES_S = 60.0
# Clean air stays below this share of the lowest limit.
_CLEAN = 0.5
# Readings in a row that must be dense; a lone one is an insect or a glitch.
SAMPLES = 3
# How fast the zero follows upwards, in seconds; downwards at once, but not below nothing.
_ZERO_TAU_S = 86_400.0
# No line is drawn through fewer readings than this within the time that is asked for.
_LEAST_READINGS = 4
# Took longer than anybody asks for.
SLOWLY_S = 1e9
_DOWN_MS = 300_000


@dataclass(frozen=True, slots=True)
class GrowthRule:
    """How one smoke sensor is watched.

    Attributes:
        clean, dense: Above the zero, canonical unit: below the first the air is clean; at the
            second the smoke is dense.
        gap_ms: Over a longer gap nobody knows when the air was clean.
    """

    clean: float
    dense: float
    gap_ms: int


class GrowthLane:
    """Smoke of many places. The number of a reading is the seconds from clean air to dense smoke.

    It stays until the air is clean again; before the smoke is dense it is `SLOWLY_S`.

    >>> lane = GrowthLane([GrowthRule(clean=0.025, dense=0.1, gap_ms=60_000)])
    >>> smoke = [0.0, 0.01, 0.06, 0.12, 0.15, 0.14, 0.13]
    >>> [
    ...     lane.step(np.array([0]), np.array([5000 * n]), np.array([value])).item()
    ...     for n, value in enumerate(smoke)
    ... ]
    [nan, 1000000000.0, 1000000000.0, 1000000000.0, 1000000000.0, 20.0, 20.0]

    Attributes:
        zero: What the sensor reads in clean air, NaN before its first reading.
        clean_at: When the air was clean last.
        dense: Dense readings in a row.
        took_s: What was returned last.
        seen, last_at: Of the last reading.
    """

    def __init__(self, rules: Sequence[GrowthRule]) -> None:
        size = len(rules)
        self._clean = np.array([rule.clean for rule in rules])
        self._dense = np.array([rule.dense for rule in rules])
        self._gap_ms = np.array([rule.gap_ms for rule in rules], np.int64)
        self.zero = np.full(size, np.nan)
        self.clean_at = np.full(size, NEVER, np.int64)
        self.dense = np.zeros(size, np.int64)
        self.last_at = np.full(size, NEVER, np.int64)
        self.took_s = np.full(size, SLOWLY_S)
        self.seen = np.full(size, np.nan)

    def step(self, lines: Ints, at: Ints, value: Floats) -> Floats:
        """Return how long the smoke took with each reading (see `detectors.lane`)."""
        gap = at - self.last_at[lines]
        known = gap <= self._gap_ms[lines]
        zero = np.where(np.isnan(self.zero[lines]), np.maximum(value, 0.0), self.zero[lines])
        rise = value - zero
        clean = rise < self._clean[lines]
        thick = rise >= self._dense[lines]
        clean_at = np.where(known, self.clean_at[lines], NEVER)
        dense = np.where(thick, np.where(known, self.dense[lines], 0) + 1, 0)
        counts = (dense >= SAMPLES) & (clean_at != NEVER)
        passed = np.where(counts, at - clean_at, 0) / 1000.0
        took = np.where(known, self.took_s[lines], SLOWLY_S)
        took = np.where(counts, np.minimum(took, passed), took)
        took = np.where(clean, SLOWLY_S, took)
        step_s = np.where(known, gap, 0) / 1000.0
        crept = zero + rise * np.minimum(1.0, step_s / _ZERO_TAU_S)
        self.zero[lines] = np.maximum(np.minimum(crept, value), 0.0)
        self.clean_at[lines] = np.where(clean, at, clean_at)
        self.dense[lines], self.took_s[lines] = dense, took
        self.seen[lines], self.last_at[lines] = value, at
        return np.where(known, took, np.nan)


def choose(plan: SeriesPlan) -> Choice | None:
    """Watch smoke in dB/m that is read often enough to tell seconds from minutes."""
    if plan.series.quantity is not Quantity.SMOKE_OBSCURATION:
        return None
    if _LEAST_READINGS * plan.interval_s > FLAMES_S:
        return None
    gap = gap_ms(plan.interval_s)
    usual = default_rule(Quantity.SMOKE_OBSCURATION, gap)
    own = next((rule.limits for rule in plan.rules if rule.name == "limit-high"), usual)
    dense = own.limit_of(Grade.YELLOW) if own is not None else None
    if own is None or dense is None:
        return None
    limits = LimitRule(
        (Level(Grade.ORANGE, FLAMES_S, 0, 1, _DOWN_MS),),
        high=False,
        hysteresis=FLAMES_S,
        gap_ms=gap,
        reason="dense within a minute after clean air: it grows like flames",
    )
    return Choice(GrowthRule(_CLEAN * own.levels[0].limit, dense, gap), limits)


def why(lane: GrowthLane, line: int, told: Because) -> Because:
    """Tell how dense it is, and how fast it came."""
    took = float(lane.took_s[line])
    told = replace(told, value=float(lane.seen[line]), usual=float(lane.zero[line]))
    if took >= SLOWLY_S:
        return told
    risen = float(lane.seen[line] - lane.zero[line])
    return replace(told, rate_per_h=3600.0 * risen / max(took, 1.0), held_s=None)


DETECTOR = Detector(
    "growth",
    GrowthLane,
    STATE,
    choose,
    why,
    hazards=frozenset({Hazard.FIRE}),
    cap=Grade.ORANGE,
    certainty=Certainty.LIKELY,
)
