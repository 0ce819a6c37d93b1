"""DFRobot SEN0754: ultrasonic distance at 115200 baud, with two contents that are no distance.

Source: DFRobot wiki SEN0754. FFFE = disturbed by another sensor on the same frequency, FFFD =
nothing found. Its range is taken from the A02YYUW; set `max_mm` for the unit at hand.
"""

from __future__ import annotations

from core.quality import Reason
from edge.drivers.ultrasonic import UltrasonicDriver, range_option, ultrasonic_facts

_BLIND_MM, _MAX_MM = 30, 4500


class DfrobotSen0754(UltrasonicDriver):
    """Distance in mm; interference is a fault of the place, not a distance."""

    FACTS = ultrasonic_facts(
        "dfrobot_sen0754",
        "DFRobot SEN0754 ultrasonic distance",
        "wiki.dfrobot.com/sen0754/docs/24696",
        blind_mm=_BLIND_MM,
        max_mm=_MAX_MM,
        baud=115200,
        verified=False,
    )
    OPTIONS = range_option(_MAX_MM)
    BLIND_MM = _BLIND_MM
    SENTINELS = {0xFFFE: Reason.DEVICE_FAULT, 0xFFFD: Reason.NO_TARGET}  # noqa: RUF012 - read only, typed in the base

    __slots__ = ()
