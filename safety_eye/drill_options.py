"""What is asked of a drill on the command line, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alerts.drill import DrillAim, DrillPlan
from alerts.drills_api import DrillAnswer
from core.broker import BrokerAddress
from core.community import Community
from edge.simulator.transplant import Transplant
from safety_eye.summary import ReadingTotals

# Wall seconds that the live chain may take from a reading to the incident; and so many intervals of
# the sensor. Choice of this project: the chain's own latency is a tenth of it (`bench latency`).
_CHAIN_S = 10.0
_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the user asked for.

    Attributes:
        zone: Where it plays.
        scenario: Name of it, for people.
        pace: How much faster than it really would the scenario passes.
        by: Who asks.
        notify_s: Wall seconds to the first accepted message.
        take_over_s: Wall seconds until somebody has taken over; None: nobody is expected to.
        short: End as soon as everything is measured.
        with_outputs: Sirens and lights may be switched.
        with_residents: Residents are told, too, where a ladder names them.
        language: Of the printed lines.
    """

    zone: str
    scenario: str
    pace: float
    by: str
    notify_s: float
    take_over_s: float | None
    short: bool
    with_outputs: bool
    with_residents: bool
    language: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the hub runs: its profile, broker and state directory."""

    community: Community
    profile: Path
    broker: BrokerAddress
    state: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a drill: the hub's answer, and what became of its readings."""

    answer: DrillAnswer
    readings: ReadingTotals | None
    directory: Path

    @property
    def balanced(self) -> bool:
        """True if every reading of the drill is accounted for; unknown counts as no."""
        return self.readings is not None and self.readings.balanced

    @property
    def passed(self) -> bool:
        """True if the drill has passed and no reading is missing."""
        return self.answer.score.passed and self.balanced


def plan_of(options: DrillOptions, moved: Transplant, speed: float) -> DrillPlan:
    """Return what the hub is asked for."""
    expected, pace = moved.expected, options.pace
    twin = moved.community.sensor_of(expected.sensor)
    assert twin is not None
    return DrillPlan(
        scenario=options.scenario,
        zone=options.zone,
        hazard=moved.hazard,
        sensors=moved.sensors,
        duration_s=moved.scenario.duration_s / pace,
        onset_s=expected.first_s / pace,
        pace=pace,
        aim=DrillAim(
            grade=expected.grade,
            detect_s=_INTERVALS * twin.interval_s + _CHAIN_S * speed,
            notify_s=options.notify_s,
            take_over_s=options.take_over_s,
        ),
        with_outputs=options.with_outputs,
        with_residents=options.with_residents,
        by=options.by,
    )
