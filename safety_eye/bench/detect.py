"""Speed of the detector bank on one core: limits, rate of rise and silence, beside a plain copy.

The baseline copies the very arrays that a batch is made of, as often as there are batches: what
moving the numbers alone would cost in numpy.
"""

from __future__ import annotations

import gc
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.community import Community, LimitEntry, Name, SensorEntry, Site, Zone
from core.finding import Hazard
from core.quantity import Quantity
from detectors.absence import Absence
from detectors.bank import Bank
from detectors.batch import NO_REASON, Batch
from detectors.plan import Source, plan_of
from detectors.snapshot import collect, load, restore, save

_EPOCH_MS = 1_764_500_000_000
_BATCHES = 16
# Wall seconds that each figure may take.
_EACH_S = 1.5


def run() -> dict[str, Any]:
    """Measure; rates in readings per second of one core, times in the unit of their name."""
    began = time.process_time()
    results: dict[str, Any] = {
        "limits_and_rate_1000_series": _rates(1_000, silence=False, lead=False),
        "limits_rate_and_silence_10000_series": _rates(10_000, silence=True, lead=False),
        "limits_rate_lead_and_silence_1000_series": _rates(1_000, silence=True, lead=True),
        "one_reading": _single(),
        "snapshot_10000_series": _snapshot(10_000),
    }
    results["cpu_s"] = round(time.process_time() - began, 3)
    results["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return results


def _community(series: int) -> Community:
    return Community(
        site=Site("bench", Name(en="Bench")),
        zone=(Zone("underpass", Name(en="Underpass")),),
        sensor=tuple(
            SensorEntry(
                f"gauge-{number}",
                f"station-{number // 50}",
                "underpass",
                "dfrobot_a02yyuw",
                Quantity.WATER_LEVEL,
                Hazard.FLOOD,
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
        ),
    )


def _bank(community: Community, *, lead: bool) -> Bank:
    plans = plan_of(community)
    if not lead:
        plans = tuple(
            replace(
                plan, rules=tuple(rule for rule in plan.rules if rule.source is not Source.LEAD)
            )
            for plan in plans
        )
    return Bank(plans)


def _batches(series: int) -> list[Batch]:
    """Return quiet seconds of all series, one in a hundred of them in a flood."""
    chance = np.random.default_rng(1)
    slot = np.arange(series)
    flooded = slot % 100 == 0
    none = np.zeros(series, np.int8)
    return [
        Batch(
            slot,
            np.full(series, _EPOCH_MS),
            np.where(flooded, 0.3, 0.01) + chance.normal(0.0, 0.003, series),
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


def _rates(series: int, *, silence: bool, lead: bool) -> dict[str, Any]:
    community = _community(series)
    bank = _bank(community, lead=lead)
    watch = Absence(community, bank.plans, 1.0, _EPOCH_MS)
    batches = _batches(series)

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
        "plain_copy_per_s": round(baseline),
        "ratio_to_plain_copy": round(rate / baseline, 5),
    }


def _single() -> dict[str, Any]:
    """Time one reading at a time, as a lone station sends them at night."""
    bank = _bank(_community(1_000), lead=True)
    batch = _batches(1_000)[0]
    spent = []
    gc.collect()
    for number in range(4_000):
        one = batch.take(np.array([number % 1_000]))
        one = replace(one, at=one.at + 1000 * (number // 1_000))
        began = time.perf_counter()
        bank.update(one, _EPOCH_MS)
        spent.append((time.perf_counter() - began) * 1e6)
    p50, p99 = np.percentile(spent[1_000:], (50, 99))
    return {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}


def _snapshot(series: int) -> dict[str, Any]:
    community = _community(series)
    bank, again = _bank(community, lead=True), _bank(community, lead=True)
    bank.update(_batches(series)[0], _EPOCH_MS)
    collect(bank)  # the keys of series and rules are made once, at the start
    with tempfile.TemporaryDirectory(prefix="safety-eye-bench-") as directory:
        path = Path(directory) / "detectors.snapshot"
        began = time.perf_counter()
        save(path, collect(bank), {})
        saved = time.perf_counter()
        stored = load(path)
        assert stored is not None
        restore(stored[0], again)
        done = time.perf_counter()
        size = path.stat().st_size
    return {
        "save_ms": round((saved - began) * 1000, 1),
        "load_ms": round((done - saved) * 1000, 1),
        "bytes_per_series": round(size / series),
    }
