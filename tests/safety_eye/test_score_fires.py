"""Real fires beside the commercial alarms of the same test, and hours of what is no fire."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from core.grade import Grade
from core.quantity import Quantity
from detectors.recording import Channel, Facts, Recording, read_recording
from safety_eye.score.fires import FireScore, score_fires, visible_s
from safety_eye.score.nuisance import score_nuisance

HOME = os.environ.get("SAFETY_EYE_RECORDINGS", "")
needs_recordings = pytest.mark.skipif(not HOME, reason="SAFETY_EYE_RECORDINGS is not set")


@pytest.fixture(scope="module")
def fires() -> dict[str, FireScore]:
    paths = sorted((Path(HOME) / "smoke").glob("nist-*.csv.gz"))
    return {one.recording: one for one in score_fires(paths)}


@needs_recordings
def test_orange_comes_before_the_median_ionisation_alarm_whatever_was_before_the_fire(
    fires: dict[str, FireScore],
) -> None:
    assert len(fires) == 4
    for fire in fires.values():
        assert fire.median_ion_s is not None
        for told in (fire.recorded, fire.clean):
            orange = told["orange"]
            assert orange is not None
            assert orange <= fire.median_ion_s, fire


@needs_recordings
def test_yellow_is_in_time_wherever_something_was_recorded_before_the_first_alarm(
    fires: dict[str, FireScore],
) -> None:
    possible = {
        name
        for name, fire in fires.items()
        if fire.visible_s is not None
        and fire.first_alarm_s is not None
        and fire.visible_s <= fire.first_alarm_s
    }
    assert possible == {"nist-sdc05", "nist-sdc07"}
    for name, fire in fires.items():
        for told in (fire.recorded, fire.clean):
            yellow = told["yellow"]
            assert yellow is not None
            assert fire.first_alarm_s is not None
            assert (yellow <= fire.first_alarm_s) is (name in possible), fire


@needs_recordings
@pytest.mark.parametrize("name", ["nist-sdc02", "nist-sdc10"])
def test_where_the_first_alarm_rang_first_no_channel_had_left_its_own_past(name: str) -> None:
    """No smoke at the lowest response of EN 54-7 that was not there before, and no warmth."""
    path = Path(HOME) / "smoke" / f"{name}.csv.gz"
    recording = read_recording(path)
    (fire,) = score_fires([path])
    assert fire.first_alarm_s is not None
    before = recording.at <= int(recording.at[0]) + round(1000 * fire.first_alarm_s)
    least = {Quantity.SMOKE_OBSCURATION: 0.05, Quantity.TEMPERATURE: 0.3}
    judged = [channel for channel in recording.channels if channel.quantity in least]
    assert len(judged) == 7
    for channel in judged:
        first, then = np.array_split(channel.values[before], 2)
        # Three readings in a row, as every rule of smoke and heat asks for.
        lasting = np.min([then[:-2], then[1:-1], then[2:]], axis=0).max()
        rest = first.max() if channel.quantity is Quantity.TEMPERATURE else 0.0
        assert lasting <= max(rest + least[channel.quantity], first.max()), channel.name


def test_what_stands_above_its_past_for_half_a_minute_is_seen_from_its_first_reading_on() -> None:
    at = np.arange(60, dtype=np.int64) * 2000
    smoke = np.zeros(60)
    smoke[[5, 9]] = 0.2
    smoke[20:] = 0.3
    facts = Facts("any", "smoke", {}, 2.0)
    channel = Channel("smoke", Quantity.SMOKE_OBSCURATION, "dB/m", 1.0, {}, smoke)
    assert visible_s(Recording(facts, (), at, (channel,)), 0) == 40.0


def test_two_hundred_hours_of_nuisance_raise_one_orange_at_most_and_no_red() -> None:
    told = score_nuisance(200)
    assert told.hours == 200
    assert told.total(Grade.ORANGE) <= 1
    assert told.total(Grade.RED) == 0
    assert told.total(Grade.YELLOW) <= 20
