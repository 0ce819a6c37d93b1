"""Speed of the detector bank on one core, beside a plain copy and beside river.

The plain copy moves the very arrays that a batch is made of, as often as there are batches: what
moving the numbers alone would cost in numpy. River's detectors take one number at a time; the
fastest of them that does a comparable piece of work on one series (mean and spread, a drift test)
is measured in the same run, where river is installed (`pip install river==0.26.1`).

The full bank is what a site gets that writes only its limits: water gauges, carbon monoxide, carbon
dioxide and people counters by turns, each with every detector that its hazard calls for.
"""

from __future__ import annotations

import gc
import importlib
import resource
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.community import Community, LimitEntry, Name, SensorEntry, Site, Zone
from core.finding import Hazard
from core.limits import default_rule, fresh_state, step
from core.quantity import Quantity
from detectors.absence import Absence
from detectors.bank import Bank
from detectors.batch import NO_REASON, Batch
from detectors.plan import SeriesPlan, plan_of
from detectors.snapshot import Copy, Writer, load, restore
from safety_eye.bench import kinds as every_kind

_EPOCH_MS = 1_764_500_000_000
_BATCHES = 16
# Wall seconds that each figure may take.
_EACH_S = 1.5
# Series that the detectors copy for a snapshot between two passes.
_SLICE = 10_000
# Quantity, hazard, quiet value and noise of the sensors of a mixed site, by turns.
_WATER = (Quantity.WATER_LEVEL, Hazard.FLOOD, 0.01, 0.003)
_MIXED = (
    _WATER,
    (Quantity.CARBON_MONOXIDE, Hazard.FIRE, 2.0, 0.5),
    (Quantity.CARBON_DIOXIDE, Hazard.AIR, 600.0, 5.0),
    (Quantity.PEOPLE_COUNT, Hazard.CROWD, 12.0, 3.0),
)
Kind = tuple[Quantity, Hazard, float, float]


def run() -> dict[str, Any]:
    """Measure; rates in readings per second of one core, times in the unit of their name."""
    began = time.process_time()
    limits = {"limit-high", "rise"}
    results: dict[str, Any] = {
        "limits_and_rate_1000_series": _rates(1_000, (_WATER,), limits, silence=False),
        "limits_rate_and_silence_10000_series": _rates(10_000, (_WATER,), limits),
        "full_bank_1000_series": _rates(1_000, _MIXED),
        "full_bank_10000_series": _rates(10_000, _MIXED),
        "full_bank_water_10000_series": _rates(10_000, (_WATER,)),
        "full_bank_100000_series": _rates(100_000, _MIXED),
        "one_reading": _single(),
        "memory_10000_series": _memory(10_000),
        **every_kind.run(),
        "snapshot_100000_series": _snapshot(100_000),
        "river": _river(),
    }
    few, many = results["full_bank_1000_series"], results["full_bank_100000_series"]
    many["cost_to_1000_series"] = round(few["readings_per_s"] / many["readings_per_s"], 2)
    fastest = results["river"].get("fastest_per_s")
    if fastest:
        full = results["full_bank_10000_series"]
        full["ratio_to_river"] = round(full["readings_per_s"] / fastest, 2)
    results["cpu_s"] = round(time.process_time() - began, 3)
    results["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return results


def _community(series: int, kinds: Sequence[Kind]) -> Community:
    return Community(
        site=Site("bench", Name(en="Bench")),
        zone=(Zone("underpass", Name(en="Underpass"), area_m2=240.0),),
        sensor=tuple(
            SensorEntry(
                f"sensor-{number}",
                f"station-{number // 50}",
                "underpass",
                "dfrobot_a02yyuw",
                kinds[number % len(kinds)][0],
                kinds[number % len(kinds)][1],
            )
            for number in range(series)
        ),
        limit=(
            LimitEntry(
                "underpass",
                Quantity.WATER_LEVEL,
                blue=0.05,
                yellow=0.15,
                orange=0.20,
                red=0.27,
                hysteresis=0.02,
                dwell_up_s=3,
                dwell_down_s=600,
            ),
            LimitEntry("underpass", Quantity.PEOPLE_COUNT, yellow=200.0, orange=400.0),
        ),
    )


def _plans(community: Community, rules: set[str] | None) -> tuple[SeriesPlan, ...]:
    """Return the plans of a site, with all rules or only those of these names."""
    plans = plan_of(community)
    if rules is None:
        return plans
    kept = {plan.rules: tuple(r for r in plan.rules if r.name in rules) for plan in plans}
    return tuple(replace(plan, rules=kept[plan.rules]) for plan in plans)


def _batches(series: int, kinds: Sequence[Kind]) -> list[Batch]:
    """Return quiet seconds of all series, one in a hundred of them (water) in a flood."""
    chance = np.random.default_rng(1)
    slot = np.arange(series)
    quiet = np.array([kinds[number % len(kinds)][2] for number in range(series)])
    noise = np.array([kinds[number % len(kinds)][3] for number in range(series)])
    quiet[slot % 100 == 0] = 0.3
    none = np.zeros(series, np.int8)
    return [
        Batch(
            slot,
            np.full(series, _EPOCH_MS),
            np.maximum(quiet + noise * chance.normal(0.0, 1.0, series), 0.0),
            none,
            none + np.int8(NO_REASON),
            np.zeros(series, np.bool_),
        )
        for _ in range(_BATCHES)
    ]


def _per_s(step: Callable[[int], None], readings: int) -> float:
    """Return readings per CPU second of *step*, after a warm-up."""
    for number in range(3):
        step(number)
    count, began = 3, time.process_time()
    while time.process_time() - began < _EACH_S:
        step(count)
        count += 1
    return (count - 3) * readings / (time.process_time() - began)


def _rates(
    series: int, kinds: Sequence[Kind], rules: set[str] | None = None, *, silence: bool = True
) -> dict[str, Any]:
    community = _community(series, kinds)
    bank = Bank(_plans(community, rules))
    watch = Absence(community, bank.plans, 1.0, _EPOCH_MS)
    batches = _batches(series, kinds)

    def judge(number: int) -> None:
        now_ms = _EPOCH_MS + 1000 * number
        batch = replace(batches[number % _BATCHES], at=np.full(series, now_ms))
        if silence:
            for station in watch.stations:
                watch.hear_station(station, now_ms)
            watch.hear(batch, now_ms)
        bank.update(batch, now_ms)
        if silence:
            watch.tick(now_ms)
            bank.set_absent(watch.absent, now_ms)

    def copy(number: int) -> None:
        batch = batches[number % _BATCHES]
        for column in (batch.slot, batch.at, batch.value, batch.quality, batch.reason, batch.late):
            np.copy(column)

    rate, baseline = _per_s(judge, series), _per_s(copy, series)
    return {
        "readings_per_s": round(rate),
        "rules_per_series": round(bank.lane.size / series, 1),
        "plain_copy_per_s": round(baseline),
        "ratio_to_plain_copy": round(rate / baseline, 5),
    }


def _single() -> dict[str, Any]:
    """Time one reading at a time, as a lone station sends them at night."""
    bank = Bank(_plans(_community(1_000, _MIXED), None))
    batch = _batches(1_000, _MIXED)[0]
    spent = []
    gc.collect()
    for number in range(4_000):
        one = batch.take(np.array([number % 1_000]))
        one = replace(one, at=one.at + 1000 * (number // 1_000))
        began = time.perf_counter()
        bank.update(one, _EPOCH_MS)
        spent.append((time.perf_counter() - began) * 1e6)
    p50, p99 = np.percentile(spent[1_000:], (50, 99))
    return {
        "p50_us": round(float(p50), 1),
        "p99_us": round(float(p99), 1),
        "station_step_us": round(_station_step_us(), 2),
    }


def _station_step_us() -> float:
    """Time the limit step that a station runs by itself, on values that cross its limits."""
    rule = default_rule(Quantity.WATER_LEVEL)
    assert rule is not None
    state = fresh_state(rule)
    readings = 20_000
    began = time.process_time()
    for number in range(readings):
        step(rule, state, _EPOCH_MS + 1000 * number, (number % 400) / 1000.0)
    return (time.process_time() - began) / readings * 1e6


def _memory(series: int) -> dict[str, Any]:
    """Measure what plans and bank allocate, Python objects and arrays."""
    community = _community(series, (_WATER,))
    batch = _batches(series, (_WATER,))[0]
    gc.collect()
    tracemalloc.start()
    bank = Bank(plan_of(community))
    bank.update(batch, _EPOCH_MS)
    gc.collect()
    allocated, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"bytes_per_series": round(allocated / len(bank.plans))}


def _snapshot(series: int) -> dict[str, Any]:
    """Take a snapshot as the program does: in slices, written beside the stream."""
    community = _community(series, (_WATER,))
    bank = Bank(plan_of(community))
    batch = _batches(series, (_WATER,))[0]
    bank.update(batch, _EPOCH_MS)
    _ = bank.axes  # the identities of series and rules are made once, at the start
    part = batch.take(np.arange(0, series, 100))
    with tempfile.TemporaryDirectory(prefix="safety-eye-bench-") as directory:
        path = Path(directory) / "detectors.snapshot"
        failed = threading.Event()
        writer = Writer(path, lambda _error: failed.set())
        began = time.perf_counter()
        copy, held = Copy(bank), [time.perf_counter() - began]
        done = False
        while not done:
            here = time.perf_counter()
            done = copy.take(_SLICE)
            held.append(time.perf_counter() - here)
        writer.start(copy.arrays, {})
        passes: list[float] = []
        while writer.busy:  # the stream goes on: how long does a pass take now?
            here = time.perf_counter()
            bank.update(replace(part, at=part.at + 1000 * (len(passes) + 1)), _EPOCH_MS)
            passes.append(time.perf_counter() - here)
        saved = time.perf_counter()
        assert not failed.is_set()
        stored = load(path)
        assert stored is not None
        restore(stored[0], bank)
        done_at = time.perf_counter()
        size = path.stat().st_size
    return {
        "save_s": round(saved - began, 3),
        "held_ms": round(max(held) * 1000, 1),
        "pass_beside_ms": round(max(passes, default=0.0) * 1000, 1),
        "load_s": round(done_at - saved, 3),
        "bytes_per_series": round(size / series),
    }


def _river() -> dict[str, Any]:
    """Measure river's streaming detectors on one series; says so where river is not installed."""
    try:
        anomaly = importlib.import_module("river.anomaly")
        drift = importlib.import_module("river.drift")
    except ImportError:
        return {"installed": "no: pip install river==0.26.1"}
    values = np.random.default_rng(2).normal(0.0, 1.0, 5_000).tolist()
    rates: dict[str, Any] = {"installed": "yes"}
    for name in ("GaussianScorer", "StandardAbsoluteDeviation"):
        rates[f"{name}_per_s"] = round(_river_scorer(getattr(anomaly, name)(), values))
    for name in ("PageHinkley", "ADWIN"):
        rates[f"{name}_per_s"] = round(_river_drift(getattr(drift, name)(), values))
    rates["fastest_per_s"] = max(v for k, v in rates.items() if k.endswith("_per_s"))
    return rates


def _river_scorer(detector: Any, values: Sequence[float]) -> float:
    began = time.process_time()
    for value in values:
        detector.score_one(None, value)
        detector.learn_one(None, value)
    return len(values) / (time.process_time() - began)


def _river_drift(detector: Any, values: Sequence[float]) -> float:
    began = time.process_time()
    for value in values:
        detector.update(value)
    return len(values) / (time.process_time() - began)
