"""Every detector of single series: one line each. The contract suite runs over this list by itself.

A new one is a module `<noun>_lane.py` with a doctest, a line here, and its words in `core.wording`.
"""

from __future__ import annotations

from detectors import seasonal_lane, stuck_lane
from detectors.lane import Detector

REGISTRY: tuple[Detector, ...] = (
    stuck_lane.DETECTOR,
    seasonal_lane.COUNT_DETECTOR,
    seasonal_lane.VALUE_DETECTOR,
)
DETECTORS = {detector.name: detector for detector in REGISTRY}
