"""Simulated hours of what is not a fire: cooking, steam, dust and cigarettes beside a detector.

Each hour holds one source in a flat or stairwell in which smoke, carbon monoxide, temperature and
humidity are measured every 5 s by the detector in the hall. Masses come from measurements in homes,
light from `edge.simulator.aerosol`. The hours are written as recordings and judged by the replay:
the detectors see readings, never what made them.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from core.grade import Grade
from detectors.limit_lane import Floats
from edge.simulator.aerosol import (
    CO_PPM_MG_M3,
    DUST_M2_G,
    SMOKE_M2_G,
    cigarette_mg_m3,
    fog_db_m,
    obscuration_db_m,
)
from safety_eye.score.episodes import episodes_of
from safety_eye.score.track import play

SOURCES = ("cooking", "steam", "dust", "cigarette")
INTERVAL_S = 5
_ROWS = 3600 // INTERVAL_S
# Hours of one recording: a working day of a kitchen.
_HOURS = 10
_EPOCH = np.datetime64("2000-01-01T00:00:00", "s")
# Episodes of alarms less apart are one.
_MERGE_MS = 600_000
_QUARTILE = 0.6745  # of the standard normal distribution


class NuisanceScore(msgspec.Struct, frozen=True):
    """What the nuisance hours raised.

    Attributes:
        hours: Simulated hours, a quarter of them of each source.
        seed: Of the random numbers.
        episodes: Alarm episodes at each grade or worse, by source.
        highest_db_m: Highest obscuration that a detector read, by source.
    """

    hours: int
    seed: int
    episodes: dict[str, dict[str, int]]
    highest_db_m: dict[str, float]

    def total(self, grade: Grade) -> int:
        """Return the episodes of all sources at *grade* or worse."""
        return sum(one[grade.word] for one in self.episodes.values())


@dataclass(frozen=True, slots=True)
class Plume:
    """What one event adds at the detector at its worst.

    Attributes:
        smoke_db_m, co_ppm, rise_k, humidity_percent: Peaks.
        source_s: For how long the source works: the plume grows.
        decay_s: Time constant with which it clears.
    """

    smoke_db_m: float
    co_ppm: float
    rise_k: float
    humidity_percent: float
    source_s: float
    decay_s: float


def plume_of(source: str, chance: np.random.Generator) -> Plume:
    """Draw one event of *source*."""
    return {"cooking": _cooking, "steam": _steam, "dust": _dust, "cigarette": _cigarette}[source](
        chance
    )


def _lognormal(chance: np.random.Generator, middle: float, upper_quartile: float) -> float:
    spread = log(upper_quartile / middle) / _QUARTILE
    return middle * exp(spread * float(chance.standard_normal()))


def _cooking(chance: np.random.Generator) -> Plume:
    """Draw pan-frying of 9 min.

    PM2.5 in the kitchen is 4.5 mg/m3 (upper quartile 5.6) with closed windows, 0.5 (1.3) under a
    hood, as means of two hours in 13 homes (PMC5295329, "PM2.5 from pan-frying pork", 2013).
    A mean of two hours at one air change an hour has a peak of twice that. The detector stands in
    the hall, which a kitchen of 25 m3 shares with a flat of 150 m3: a sixth once mixed, up to 0.4
    before (choice of this project). Half of the cooks use their hood (choice).
    """
    hood = chance.random() < 0.5
    mean = _lognormal(chance, 0.5, 1.3) if hood else _lognormal(chance, 4.5, 5.6)
    share = chance.uniform(1 / 6, 0.4)
    return Plume(
        obscuration_db_m(2 * mean * share, SMOKE_M2_G),
        chance.uniform(1.0, 8.0),  # gas flames; a hob below 10 ppm (choice of this project)
        chance.uniform(0.5, 3.0),
        chance.uniform(2.0, 10.0),
        540.0,
        3600.0 if not hood else 900.0,
    )


def _steam(chance: np.random.Generator) -> Plume:
    """Draw a hot shower whose door is opened.

    Fog of 0.005 to 0.03 g/m3 reaches the hall, seldom 0.2 (choice of this project; outdoors light
    fog has 0.05, dense fog 0.2 to 0.5), and evaporates in minutes.
    """
    water = _lognormal(chance, 0.012, 0.025)
    return Plume(fog_db_m(water), 0.0, 1.0, chance.uniform(15.0, 40.0), 300.0, 240.0)


def _dust(chance: np.random.Generator) -> Plume:
    """Draw sweeping, which lifts a few mg/m3 of coarse dust, or building work in one of ten.

    Drilling and dry sanding raise tens of mg/m3 (10 to 60: choice of this project).
    """
    building = chance.random() < 0.1
    mass = chance.uniform(10.0, 60.0) if building else _lognormal(chance, 1.0, 2.5)
    return Plume(obscuration_db_m(mass, DUST_M2_G), 0.0, 0.0, 0.0, 600.0, 600.0)


def _cigarette(chance: np.random.Generator) -> Plume:
    """Draw one to three cigarettes in 20 to 50 m3.

    The plume at the ceiling is one to five times denser than the mixed room (choice).
    """
    fine, gas = cigarette_mg_m3(int(chance.integers(1, 4)), chance.uniform(20.0, 50.0))
    dense = chance.uniform(1.0, 5.0)
    co_ppm = gas * CO_PPM_MG_M3
    return Plume(obscuration_db_m(fine * dense, SMOKE_M2_G), co_ppm, 0.3, 1.0, 480.0, 2400.0)


def shape(plume: Plume, start_s: float) -> Floats:
    """Return a plume over an hour, 0 to 1: it grows while its source works, then decays."""
    t_s = np.arange(_ROWS) * float(INTERVAL_S) - start_s
    grown = np.clip(t_s / plume.source_s, 0.0, 1.0)
    left = np.exp(-np.maximum(t_s - plume.source_s, 0.0) / plume.decay_s)
    course: Floats = grown * left
    return course


def hour_of(source: str, chance: np.random.Generator) -> Floats:
    """Return an hour's readings: rows of smoke dB/m, CO ppm, temperature Cel, humidity %."""
    plume = plume_of(source, chance)
    course = shape(plume, chance.uniform(300.0, 1500.0))
    # Air is never still: the plume flickers by a quarter within half a minute.
    wave, flicker = 0.0, np.zeros(_ROWS)
    keep = exp(-INTERVAL_S / 30.0)
    for row, kick in enumerate(chance.standard_normal(_ROWS)):
        wave = keep * wave + (1 - keep**2) ** 0.5 * kick
        flicker[row] = exp(0.25 * wave)
    noise = chance.standard_normal((4, _ROWS))
    smoke = course * flicker * plume.smoke_db_m + 0.004 * noise[0]
    co = 0.6 + course * flicker * plume.co_ppm + 0.5 * noise[1]
    warm = 22.0 + course * plume.rise_k + 0.05 * noise[2]
    damp = np.minimum(50.0 + course * plume.humidity_percent + 0.3 * noise[3], 100.0)
    return np.column_stack(
        (np.round(smoke, 3), np.round(np.maximum(co, 0.0)), np.round(warm, 1), np.round(damp, 1))
    )


_CHANNELS = {
    "smoke": {"quantity": "smoke-obscuration", "unit": "dB/m"},
    "co": {"quantity": "carbon-monoxide", "unit": "[ppm]"},
    "temperature": {"quantity": "temperature", "unit": "Cel"},
    "humidity": {"quantity": "humidity", "unit": "%"},
}


def write_hours(source: str, number: int, readings: Floats, directory: Path) -> Path:
    """Write consecutive hours as a recording of format 1 and return its path."""
    name = f"nuisance-{source}-{number}"
    at = _EPOCH + np.arange(len(readings)) * np.timedelta64(INTERVAL_S, "s")
    path = directory / f"{name}.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=1) as file:
        writer = csv.writer(file)
        writer.writerow(["at", *_CHANNELS])
        writer.writerows([f"{t}Z", *row] for t, row in zip(at, readings.tolist(), strict=True))
    facts = {
        "format": 1,
        "name": name,
        "kind": "smoke",
        "interval_s": INTERVAL_S,
        "timezone": None,
        "channels": _CHANNELS,
        "limits": {},
        "events": [],
        "faults": [],
    }
    path.with_name(f"{name}.json").write_bytes(msgspec.json.encode(facts))
    return path


def score_nuisance(hours: int, seed: int = 20_260_401) -> NuisanceScore:
    """Simulate *hours* hours of nuisance, replay them, and count what was raised.

    Args:
        hours: Rounded up so that every source has as many.
        seed: Of the random numbers; the same seed gives the same hours.
    """
    each = -(-hours // len(SOURCES))
    chance = np.random.default_rng(seed)
    episodes = {one: dict.fromkeys((grade.word for grade in Grade if grade), 0) for one in SOURCES}
    highest = dict.fromkeys(SOURCES, 0.0)
    with TemporaryDirectory() as scratch:
        paths: list[Path] = []
        for source in SOURCES:
            for number, first in enumerate(range(0, each, _HOURS)):
                count = min(_HOURS, each - first)
                readings = np.concatenate([hour_of(source, chance) for _ in range(count)])
                highest[source] = max(highest[source], float(readings[:, 0].max()))
                paths.append(write_hours(source, number, readings, Path(scratch)))
        for played in play(paths):
            source = played.name.split("-")[1]
            grades = np.maximum.reduce([track.grade for track in played.tracks])
            for grade in Grade:
                if grade:
                    told = episodes_of(played.at, grades >= grade, _MERGE_MS)
                    episodes[source][grade.word] += len(told)
    return NuisanceScore(each * len(SOURCES), seed, episodes, highest)
