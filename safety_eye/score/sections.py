"""Which hazard a recording speaks of, and by which rules its warnings are scored.

Sections are chosen by what a recording is (kind, quantity, limits, interval), never by its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.grade import Grade
from core.quantity import Quantity
from safety_eye.score.track import Played, Track

_MINUTE, _HOUR = 60_000, 3_600_000


@dataclass(frozen=True, slots=True)
class Section:
    """How one kind of recording is scored.

    Attributes:
        name: For the table.
        counts: Lowest grade that counts as a warning.
        merge_ms: Alarms less apart are one episode.
        reach_ms: An episode that ended this long before an event is still its warning.
        credit_ms: Longest lead that is credited.
        what: The rule in words.
    """

    name: str
    counts: Grade
    merge_ms: int
    reach_ms: int
    credit_ms: int
    what: str


FLOOD = Section(
    "flood",
    Grade.YELLOW,
    6 * _HOUR,
    6 * _HOUR,
    24 * _HOUR,
    "gauges with a published flood limit, slower than 5 min; lead before the limit is crossed",
)
STREET = Section(
    "street-flood",
    Grade.YELLOW,
    _HOUR,
    0,
    6 * _HOUR,
    "water sensors with published limits, 5 min or faster; events that reach the lowest limit",
)
FIRE = Section(
    "fire", Grade.YELLOW, 10 * _MINUTE, 0, 0, "fire tests; delay after ignition, any channel"
)
AIR = Section(
    "air",
    Grade.YELLOW,
    24 * _HOUR,
    24 * _HOUR,
    48 * _HOUR,
    "limits of the 24 h mean; lead before the documented start (marks are derived: agreement)",
)
CROWD = Section(
    "crowd", Grade.BLUE, 24 * _HOUR, 0, 0, "people counters; agreement with a calendar of events"
)
ANOMALY = Section(
    "anomaly", Grade.BLUE, 24 * _HOUR, 0, 0, "marked events without published limits, any channel"
)
GENERAL = Section(
    "general", Grade.BLUE, 0, 0, 0, "general corpus: score 0.5 and more fires, marked windows"
)
QUIET = Section(
    "quiet", Grade.YELLOW, 6 * _HOUR, 0, 0, "rooms in which nothing happened: every alarm is false"
)
FAULT = Section(
    "sensor-fault", Grade.BLUE, 6 * _HOUR, 0, 0, "marked sensor faults; a `fault` is the warning"
)
SECTIONS = (FLOOD, STREET, FIRE, AIR, CROWD, ANOMALY, GENERAL, QUIET, FAULT)

# A slower water sensor is a gauge that is warned for hours ahead, a faster one guards a street.
_GAUGE_S = 300.0
_PEOPLE = (Quantity.PEOPLE_COUNT, Quantity.PEOPLE_IN, Quantity.PEOPLE_OUT, Quantity.OCCUPANCY)
# Marks in which the publisher already mended the values: there is nothing to be seen.
_MENDED = ("edited", "missing")


def section_of(played: Played, track: Track) -> Section | None:  # noqa: PLR0911  # a table
    """Return how a channel is scored, or None where nothing is known to score it by."""
    if played.kind == "general":
        return GENERAL
    if played.kind == "smoke":
        return FIRE
    if track.quantity in _PEOPLE:
        return CROWD
    if played.kind == "people":
        return QUIET
    if track.mean:
        return AIR
    if track.quantity is Quantity.WATER_LEVEL and track.limits:
        return STREET if played.interval_s <= _GAUGE_S else FLOOD
    if played.marks.events or not played.marks.faults:
        return ANOMALY
    return None


# Codes of the Logan River Observatory for faults of the level itself (its technicians' quality
# codes); the long runs of the others are ice or unverified, and are reported apart.
LEVEL_LABELS = frozenset({"code 1", "code 7"})


def visible(label: str) -> bool:
    """Tell whether a fault mark covers values in which something can be seen."""
    return not any(word in label for word in _MENDED)
