"""What a run of the benchmarks must reach: ratios where there is a baseline, promises elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gate:
    """One figure and its bound.

    Attributes:
        path: Part and keys down to the figure.
        bound: The bound, in the figure's own unit.
        at_least: True if the figure must not be smaller, False if it must not be larger.
        why: What it means for people.
    """

    path: tuple[str, ...]
    bound: float
    at_least: bool
    why: str


GATES = (
    Gate(("ingest", "sqlite_ratio"), 0.3, True, "packs of 50 into SQLite, to raw line writes"),
    Gate(("ingest", "influxdb_ratio"), 0.3, True, "packs of 50 into InfluxDB, to raw line writes"),
    Gate(("ingest", "single_ratio"), 0.6, True, "one-reading packs, to a bare subscriber"),
    Gate(
        ("detect", "limits_rate_and_silence_10000_series", "readings_per_s"),
        1_000_000,
        True,
        "limits, rate of rise and silence, 10,000 series, readings a second on one core",
    ),
    Gate(
        ("detect", "full_bank_10000_series", "readings_per_s"),
        400_000,
        True,
        "every default detector, 10,000 series of four kinds, readings a second on one core",
    ),
    Gate(
        ("detect", "full_bank_10000_series", "ratio_to_plain_copy"),
        0.0005,
        True,
        "the same, to a plain copy of its arrays",
    ),
    Gate(
        ("detect", "full_bank_100000_series", "cost_to_1000_series"),
        4,
        False,
        "a reading among 100,000 series, to one among 1,000",
    ),
    Gate(
        ("detect", "memory_10000_series", "bytes_per_series"), 2_048, False, "bytes a water gauge"
    ),
    Gate(
        ("detect", "every_kind", "most_bytes_per_series"),
        2_048,
        False,
        "bytes a series, the dearest quantity of all",
    ),
    Gate(("detect", "one_reading", "p50_us"), 500, False, "one reading through every detector, µs"),
    Gate(
        ("detect", "every_kind", "most_one_reading_us"),
        500,
        False,
        "one reading beyond its limits through every detector, the dearest quantity of all, µs",
    ),
    Gate(("detect", "one_reading", "station_step_us"), 15, False, "one through core/limits.py, µs"),
    Gate(("detect", "snapshot_100000_series", "save_s"), 5, False, "snapshot of 100,000 series, s"),
    Gate(
        ("detect", "snapshot_100000_series", "held_ms"),
        100,
        False,
        "the longest that it holds up the stream, ms",
    ),
    Gate(
        ("latency", "serial_to_webhook_ms", "p99"),
        150,
        False,
        "serial byte to webhook received at 200 readings a second, ms",
    ),
    Gate(("edge", "station", "resident_mb"), 35, False, "a station with 8 sensors at 1 Hz, MB"),
    Gate(("edge", "station", "core_share"), 0.015, False, "the same, share of one core"),
    Gate(
        ("edge", "station", "start_to_first_pack_s"),
        3,
        False,
        "the same, from a cold start to the first reading at the hub, s",
    ),
    Gate(("edge", "drain", "readings_per_s"), 2_000, True, "a backlog drains, readings a second"),
    Gate(("edge", "outage", "mb_of_72_h"), 200, False, "72 h of 8 sensors without a hub, MB"),
    Gate(("edge", "growth", "memory_growth_mb"), 1, False, "a station in simulated days grows, MB"),
    Gate(("edge", "growth", "spool_growth_mb"), 0.5, False, "the same, its spool's files, MB"),
    Gate(
        ("outbox", "deliveries_per_s"),
        500,
        True,
        "messages to a local receiver, each durably recorded, a second",
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate held against a figure; the figure is None where it could not be measured."""

    gate: Gate
    figure: float | None

    @property
    def held(self) -> bool:
        """True if the figure is there and within its bound."""
        if self.figure is None:
            return False
        bound = self.gate.bound
        return self.figure >= bound if self.gate.at_least else self.figure <= bound

    def __str__(self) -> str:
        sign = "≥" if self.gate.at_least else "≤"
        figure = "not measured" if self.figure is None else f"{self.figure:,.4g}"
        mark = "ok    " if self.held else "MISSED"
        return f"{mark} {self.gate.why}: {figure} ({sign} {self.gate.bound:,g})"


def judge(results: Mapping[str, Any]) -> list[Verdict]:
    """Return the verdict of each gate whose part was run.

    >>> judge({"ingest": {"sqlite_ratio": 0.5, "influxdb_ratio": 0.1}})[1].held
    False
    """
    return [Verdict(gate, _figure(results, gate)) for gate in GATES if gate.path[0] in results]


def _figure(results: Mapping[str, Any], gate: Gate) -> float | None:
    found: Any = results
    for key in gate.path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, (int, float)) else None
