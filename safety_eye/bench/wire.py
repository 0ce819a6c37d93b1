"""The wire format: packs of 50 readings encoded and decoded.

Baseline: msgspec reading the same JSON as plain lists and dictionaries, in the same run.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import msgspec

from core.clock import RunClock
from core.pack import Pack, decode_pack, encode_pack
from core.quantity import Quantity
from core.reading import Reading

READINGS = 50
_ROUND_S = 0.7


def run() -> dict[str, Any]:
    """Measure; rates in readings a second."""
    pack = sample_pack(1, READINGS)
    payload = encode_pack(pack)
    raw = _rate(lambda: msgspec.json.decode(payload))
    decoded = _rate(lambda: decode_pack(payload))
    encoded = _rate(lambda: encode_pack(pack))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "readings_per_pack": READINGS,
        "bytes_per_reading": round(len(payload) / READINGS, 1),
        "encode_per_s": round(encoded),
        "decode_per_s": round(decoded),
        "baseline_msgspec_decode_per_s": round(raw),
        "decode_ratio": round(decoded / raw, 3),
        "encode_ratio": round(encoded / raw, 3),
        "peak_memory_mb": round(usage.ru_maxrss / 1024, 1),
    }


def sample_pack(seq: int, readings: int, station: str = "one", at_ms: int = 0) -> Pack:
    """Return a pack as a busy station sends it: a few sensors, one after the other."""
    start = at_ms or RunClock().now_ms()
    per_sensor = max(1, readings // 5)
    kept = tuple(
        Reading(
            f"{station}-{place // per_sensor % 5}",
            Quantity.WATER_LEVEL,
            start + place % per_sensor * 20,
            0.2 + (seq * 31 + place) % 97 / 1000,
        )
        for place in range(readings)
    )
    return Pack(boot="bench", seq=seq, readings=kept, made=seq * readings)


def _rate(work: Callable[[], object]) -> float:
    """Return readings a second; the best of three rounds, since others share the machine."""
    clock = RunClock()
    best = 0.0
    for _ in range(3):
        turns, start = 0, clock.monotonic_s()
        while clock.monotonic_s() - start < _ROUND_S:
            for _ in range(20):
                work()
            turns += 20
        best = max(best, turns * READINGS / (clock.monotonic_s() - start))
    return best
