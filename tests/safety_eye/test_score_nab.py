"""The benchmark's score, against cases that can be worked out by hand."""

from __future__ import annotations

from math import exp, nan

import numpy as np
import pytest

from detectors.limit_lane import Floats
from safety_eye.score_nab import (
    LOW_FALSE_ALARM,
    LOW_MISS,
    STANDARD,
    Labels,
    Profile,
    labels_of,
    normalise,
    sigmoid,
    steps,
)

# 100 rows, probation 15, one window of ten rows.
FILE = Labels(100, ((50, 59),))


def alarms(*rows: int, size: int = 100) -> Floats:
    score = np.zeros(size)
    score[list(rows)] = 1.0
    return score


def score_at(score: Floats, threshold: float, profile: Profile = STANDARD) -> float:
    return normalise(steps(score, FILE, profile).raw(threshold), [FILE], profile)


def one(*rows: int, labels: Labels = FILE) -> float:
    raw = steps(alarms(*rows, size=labels.rows), labels).raw(0.5)
    return normalise(raw, [labels])


def test_silence_is_0_and_the_first_row_of_the_window_is_100() -> None:
    assert one() == 0.0
    assert one(50) == pytest.approx(100.0)


def test_a_later_hit_earns_by_the_sigmoid_of_its_place() -> None:
    earned = (2.0 / (1.0 + exp(-5.0 * 0.1)) - 1.0) / (2.0 / (1.0 + exp(-5.0)) - 1.0)
    # The last row stands one tenth of a window before the end. A miss would cost 1.
    assert one(59) == pytest.approx(100.0 * (earned + 1.0) / 2.0)


def test_only_the_earliest_hit_of_a_window_counts() -> None:
    assert one(53, 54, 55, 58) == one(53)


def test_a_false_alarm_before_any_window_costs_its_whole_weight() -> None:
    assert one(30, 50) == pytest.approx(100.0 * (1.0 - 0.11 + 1.0) / 2.0)


def test_a_false_alarm_soon_after_a_window_costs_little() -> None:
    soon = (2.0 / (1.0 + exp(5.0 * 1.0 / 9.0)) - 1.0) * 0.11
    assert one(50, 60) == pytest.approx(100.0 * (1.0 + soon + 1.0) / 2.0)
    assert one(50, 60) > one(50, 70) > one(50, 99)


def test_three_widths_behind_a_window_a_false_alarm_costs_all() -> None:
    assert sigmoid(3.01) == -1.0
    assert one(50, 95) == pytest.approx(100.0 * (2.0 - 0.11) / 2.0)


def test_the_probation_is_not_scored() -> None:
    assert one(0, 7, 14, 50) == one(50)
    assert one(15, 50) < one(50)
    assert Labels(20_000, ()).probation == 750
    assert Labels(4032, ()).probation == 604


def test_a_window_in_the_probation_can_be_neither_missed_nor_found() -> None:
    labels = Labels(100, ((5, 10), (50, 59)))
    assert one(7, labels=labels) == 0.0
    # It still counts among those that a perfect detector would find: 1 of 2, and one miss saved.
    assert one(50, labels=labels) == pytest.approx(100.0 * 2.0 / 3.0)


def test_the_profiles_weigh_misses_and_false_alarms_as_published() -> None:
    score = alarms(30, 50)
    assert score_at(score, 0.5, LOW_FALSE_ALARM) == pytest.approx(100.0 * 1.78 / 2.0)
    assert score_at(score, 0.5, LOW_MISS) == pytest.approx(100.0 * 2.89 / 3.0)


def test_a_row_fires_at_its_own_score_and_never_without_one() -> None:
    score = np.full(100, nan)
    score[50] = 0.7
    assert score_at(score, 0.7) == pytest.approx(100.0)
    assert score_at(score, 0.71) == 0.0


def test_windows_of_time_become_rows_also_over_a_gap() -> None:
    at = np.array([0, 10, 20, 50, 60], np.int64)
    assert labels_of(at, [(15, 50), (70, 90), (0, 0)]).windows == ((0, 0), (2, 3))


def test_scores_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="3 scores for a file of 100 rows"):
        steps(np.zeros(3), FILE)
