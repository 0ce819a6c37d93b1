"""JSN-SR04T V3: ultrasonic distance in its automatic serial mode (R27 = 47 kOhm).

Sources: DFRobot wiki SEN0207; `esphome/components/jsn_sr04t` (accepts only more than 250 mm).
"""

from __future__ import annotations

from edge.drivers.ultrasonic import UltrasonicDriver, range_option, ultrasonic_facts

_BLIND_MM, _MAX_MM = 250, 6000


class JsnSr04tV3(UltrasonicDriver):
    """Distance in mm; the checksum counts the header."""

    FACTS = ultrasonic_facts(
        "jsn_sr04t_v3",
        "JSN-SR04T V3 ultrasonic distance",
        "wiki.dfrobot.com/sen0207/docs/20989",
        blind_mm=_BLIND_MM,
        max_mm=_MAX_MM,
    )
    OPTIONS = range_option(_MAX_MM)
    BLIND_MM = _BLIND_MM
    READ = b"\x55"  # R27 = 120 kOhm; not more often than every 60 ms

    __slots__ = ()
