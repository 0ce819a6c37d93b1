"""AJ-SR04M: ultrasonic distance in its automatic serial mode (R27 = 47 kOhm).

Source: `esphome/components/jsn_sr04t`, ArduPilot issue 19961: the checksum does NOT count the
header, unlike that of the JSN-SR04T. The two can't be told apart by sight: a port whose checksum
errors rise with every frame has the other one.
"""

from __future__ import annotations

from edge.drivers.ultrasonic import UltrasonicDriver, range_option, ultrasonic_facts

_BLIND_MM, _MAX_MM = 250, 6000


class AjSr04m(UltrasonicDriver):
    """Distance in mm; the checksum leaves the header out."""

    FACTS = ultrasonic_facts(
        "aj_sr04m",
        "AJ-SR04M ultrasonic distance",
        "ArduPilot issue 19961; esphome/components/jsn_sr04t",
        blind_mm=_BLIND_MM,
        max_mm=_MAX_MM,
    )
    OPTIONS = range_option(_MAX_MM)
    BLIND_MM = _BLIND_MM
    READ = b"\x55"  # R27 = 120 kOhm; not more often than every 60 ms
    SUM_FROM = 1

    __slots__ = ()
