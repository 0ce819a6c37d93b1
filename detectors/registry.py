"""Every detector of single series: one line each. The contract suite runs over this list by itself.

A new one is a module `<noun>_lane.py` with a doctest, a line here, and its words in
`core.finding_wording`.
"""

from __future__ import annotations

from detectors import (
    anomaly_lane,
    exposure_lane,
    growth_lane,
    noise_lane,
    seasonal_habits,
    shift_lane,
    spike_lane,
    stuck_lane,
    surge_lane,
)
from detectors.lane import Detector

REGISTRY: tuple[Detector, ...] = (
    exposure_lane.DETECTOR,
    growth_lane.DETECTOR,
    stuck_lane.DETECTOR,
    spike_lane.DETECTOR,
    shift_lane.DETECTOR,
    noise_lane.DETECTOR,
    surge_lane.DETECTOR,
    seasonal_habits.COUNT_DETECTOR,
    seasonal_habits.VALUE_DETECTOR,
    anomaly_lane.DETECTOR,
)
DETECTORS = {detector.name: detector for detector in REGISTRY}
