"""Real floods, disturbed: shifted, thinned, seldom, often, noisy. The warning must not fall apart.

A rule that fits its recordings too closely loses its lead, or finds floods everywhere, as soon as
the readings come a little otherwise than in the file on which it was chosen.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.limit_lane import Floats, Ints
from detectors.recording import read_recording
from safety_eye.score.cases import cases_of
from safety_eye.score.measure import OURS
from safety_eye.score.tally import Figures, Tally, sum_of
from safety_eye.score.track import facts_path, play

HOME = os.environ.get("SAFETY_EYE_RECORDINGS", "")
pytestmark = pytest.mark.skipif(not HOME, reason="SAFETY_EYE_RECORDINGS is not set")

MINUTE = 60_000
# Six floods of three storms, and the near-floods of a wet winter; the first row and how many.
GAUGES = {
    "ea-don-hadfields-2007": (15_000, 3_000),
    "ea-don-rotherham-2007": (0, 1_920),
    "ea-aire-armley-2015-16": (18_600, 4_900),
    "ea-irwell-adelphi-2015": (0, 481),
    "ea-ouse-skelton-2015": (0, 577),
}
Rows = tuple[Ints, Floats]


def shifted(at: Ints, level: Floats) -> Rows:
    return at + 7 * MINUTE, level


def thinned(at: Ints, level: Floats) -> Rows:
    keep = np.random.default_rng(1).random(at.size) > 0.2
    return at[keep], level[keep]


def seldom(at: Ints, level: Floats) -> Rows:
    return at[::2], level[::2]


def often(at: Ints, level: Floats) -> Rows:
    made = np.repeat(at, 2)
    made[1::2] += 7 * MINUTE + MINUTE // 2
    return made, np.interp(made, at, level)


def noisy(at: Ints, level: Floats) -> Rows:
    return at, level + np.random.default_rng(2).normal(0.0, 0.01, level.size)


VARIANTS: dict[str, tuple[Callable[[Ints, Floats], Rows], float]] = {
    "as it is": (lambda at, level: (at, level), 900.0),
    "shifted": (shifted, 900.0),
    "thinned": (thinned, 900.0),
    "seldom": (seldom, 1800.0),
    "often": (often, 450.0),
    "noisy": (noisy, 900.0),
}


def write(directory: Path, name: str, variant: str) -> Path:
    source = Path(HOME) / "water" / f"{name}.csv.gz"
    recording = read_recording(source)
    first, count = GAUGES[name]
    (channel,) = recording.channels
    here = slice(first, first + count)
    change, interval_s = VARIANTS[variant]
    at, level = change(recording.at[here], channel.values[here])
    facts = msgspec.json.decode(facts_path(source).read_bytes())
    edge = np.datetime_as_string(recording.at[here][[0, -1]].astype("datetime64[ms]"), "s")
    events = [one for one in facts["events"] if edge[0] < one["start"] < edge[1]]
    facts |= {"name": f"{name}-{variant}", "interval_s": interval_s, "events": events, "faults": []}
    path = directory / f"{name}-{variant}.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=1) as file:
        writer = csv.writer(file)
        writer.writerow(["at", channel.name])
        for when, value in zip(at.astype("datetime64[ms]"), level.tolist(), strict=True):
            writer.writerow([f"{when}Z", "" if np.isnan(value) else value])
    facts_path(path).write_bytes(msgspec.json.encode(facts))
    return path


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figures]:
    directory = tmp_path_factory.mktemp("disturbed")
    made = [(variant, write(directory, name, variant)) for variant in VARIANTS for name in GAUGES]
    tallies: dict[str, list[Tally]] = {variant: [] for variant in VARIANTS}
    for (variant, _), played in zip(made, play([path for _, path in made]), strict=True):
        tallies[variant] += [case.tallies[OURS] for case in cases_of(played) if case.onsets_ms]
    return {variant: sum_of(parts).figures() for variant, parts in tallies.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_disturbed_readings_cost_little_lead_and_no_flood(
    figures: dict[str, Figures], variant: str
) -> None:
    plain, told = figures["as it is"], figures[variant]
    assert plain.events == 7
    assert told.found == told.before == plain.events, "every flood is warned of before its limit"
    assert plain.median_lead_s is not None
    assert told.median_lead_s is not None
    assert told.median_lead_s >= 0.75 * plain.median_lead_s
    assert told.false_alarms <= plain.false_alarms + 2
