"""What a series costs, kind by kind: the promise holds for each of them and not only for a mix.

A kind is a quantity with every detector that some hazard and some interval call for. Each is
measured in the worst of its settings, and its readings are beyond every limit that it has: a quiet
reading is cheaper.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from core.community import Community, LimitEntry, Name, SensorEntry, Site, Zone
from core.finding import Hazard
from core.quantity import PLACE_DECIDES, Quantity
from detectors.bank import Bank
from detectors.batch import NO_REASON, Batch
from detectors.plan import SeriesPlan, Source, plan_of

_EPOCH_MS = 1_764_500_000_000
_SERIES = 1_000
# A fast sensor and a slow gauge: some detectors are for one of them only.
_INTERVALS_S = (1.0, 900.0)
# Readings of a round, and rounds: the least of their medians, as others use this machine, too.
_READINGS, _ROUNDS = 150, 3
_WARM = 60


def run() -> dict[str, Any]:
    """Return bytes a series and microseconds a reading of every kind, and the most of all."""
    results: dict[str, Any] = {}
    for quantity in Quantity:
        costs = [_cost(community) for community in settings_of(quantity)]
        results[quantity.value] = {key: max(cost[key] for cost in costs) for key in costs[0]}
    most = {f"most_{key}": max(kind[key] for kind in results.values()) for key in costs[0]}
    return {"every_kind": most, **{f"  {name}": kind for name, kind in results.items()}}


def settings_of(quantity: Quantity) -> Iterator[Community]:
    """Return a site for every set of detectors that this quantity may have."""
    seen: set[tuple[str, ...]] = set()
    for hazard in Hazard:
        for interval_s in _INTERVALS_S:
            names = tuple(r.name for r in plan_of(_site(quantity, hazard, interval_s, 1))[0].rules)
            if names not in seen:
                seen.add(names)
                yield _site(quantity, hazard, interval_s, _SERIES)


def _site(quantity: Quantity, hazard: Hazard, interval_s: float, series: int) -> Community:
    limits = LimitEntry("hall", quantity, blue=1.0, yellow=2.0, orange=3.0, red=4.0)
    return Community(
        site=Site("bench", Name(en="Bench")),
        zone=(Zone("hall", Name(en="Hall"), area_m2=240.0),),
        sensor=tuple(
            SensorEntry(
                f"sensor-{number}",
                f"station-{number // 50}",
                "hall",
                "dfrobot_a02yyuw",
                quantity,
                hazard,
                interval_s=interval_s,
            )
            for number in range(series)
        ),
        limit=(limits,) if quantity in PLACE_DECIDES else (),
    )


def bytes_per_series(community: Community) -> float:
    """Return what plans and bank of *community* allocate, Python objects and arrays."""
    gc.collect()
    tracemalloc.start()
    bank = Bank(plan_of(community))
    bank.update(_readings(bank.plans, range(len(bank.plans)), 0), _EPOCH_MS)
    gc.collect()
    allocated, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return allocated / len(bank.plans)


def _cost(community: Community) -> dict[str, float]:
    """Return what the series of *community*, all alike, take."""
    medians = []
    bank, number = Bank(plan_of(community)), 0
    for _ in range(_ROUNDS):
        spent = []
        for _ in range(_READINGS + _WARM):
            number += 1
            one = _readings(bank.plans, [number % 10], number)
            began = time.perf_counter()
            bank.update(one, _EPOCH_MS)
            spent.append((time.perf_counter() - began) * 1e6)
        medians.append(float(np.median(spent[_WARM:])))
    return {
        "bytes_per_series": round(bytes_per_series(community)),
        "one_reading_us": round(min(medians), 1),
        "rules": len(bank.plans[0].rules),
    }


def _readings(plans: Sequence[SeriesPlan], slots: Sequence[int], number: int) -> Batch:
    """Return a reading each of *slots*, beyond their limits, no two of them alike."""
    size = len(slots)
    step_ms = round(1000 * plans[0].interval_s)
    limits = [
        level.limit
        for rule in plans[0].rules
        if rule.source is Source.VALUE
        for level in rule.limits.levels
    ]
    worst = 1.1 * max(limits, default=1.0)
    value = np.full(size, worst * (1.0 + 0.001 * (number * 7 % 11)))
    if plans[0].counter:
        value += 10.0 * worst * number
    none = np.zeros(size, np.int8)
    at = np.full(size, _EPOCH_MS + step_ms * number)
    reasons = none + np.int8(NO_REASON)
    return Batch(np.array(slots), at, value, none, reasons, np.zeros(size, np.bool_))
