"""DFRobot A02YYUW: ultrasonic distance to the water.

Sources: DFRobot wiki SEN0311 (frame, range, "30 mm and less is invalid" in the sample code); the
same framing is used by A01NYUB (option `max_mm` 7500) and ME007YS.
"""

from __future__ import annotations

from edge.drivers.ultrasonic import UltrasonicDriver, range_option, ultrasonic_facts

_BLIND_MM, _MAX_MM = 30, 4500


class DfrobotA02yyuw(UltrasonicDriver):
    """Distance in mm; 0 means no echo, up to 30 mm means blind zone."""

    FACTS = ultrasonic_facts(
        "dfrobot_a02yyuw",
        "DFRobot A02YYUW ultrasonic distance (SEN0311)",
        "wiki.dfrobot.com/sen0311/docs/21651",
        blind_mm=_BLIND_MM,
        max_mm=_MAX_MM,
        interval_s=0.3,
    )
    OPTIONS = range_option(_MAX_MM, "end of the range in mm: A02YYUW 4500, A01NYUB 7500")
    BLIND_MM = _BLIND_MM

    __slots__ = ()
