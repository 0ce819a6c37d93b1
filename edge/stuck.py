"""Values that stand still for longer than the noise of their sensor allows.

Every quantity has its own rule: how long, in how many readings, and which values may stand still
(a dry road, clean air). Start values of hardware notes 8, rule 5; an entry's `stuck_s` overrules
the duration, 0 switches the rule off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.community import SensorEntry
from core.quantity import Quantity


@dataclass(frozen=True, slots=True)
class StuckRule:
    """When a value is stuck.

    Attributes:
        after_ms: Run milliseconds without any change.
        readings: How many readings must have been equal in that time, at least.
        idle: Values up to this far from zero may stand still, canonical unit.
    """

    after_ms: int
    readings: int
    idle: float


# A dry road or an empty pit; ultrasonic echoes of it jitter by 1 to 2 mm, probes may not.
_DRY_M = 0.02
# Echoes come ten times a second and jitter: 600 equal ones are no surface of water.
AIR_GAP = StuckRule(60_000, 600, _DRY_M)
# Where readings are rare, so many must agree before a coincidence is ruled out.
_LEAST = 100
# Cheap particle counters give whole ug/m3: below this the resolution stands still, not the air.
_CLEAN_UGM3 = 5.0
_DUST = StuckRule(30 * 60_000, _LEAST, _CLEAN_UGM3)
RULES: Mapping[Quantity, StuckRule] = {
    Quantity.WATER_LEVEL: StuckRule(6 * 3_600_000, _LEAST, _DRY_M),  # a pressure probe
    Quantity.PM1: _DUST,
    Quantity.PM2_5: _DUST,
    Quantity.PM10: _DUST,
    Quantity.CARBON_DIOXIDE: StuckRule(3_600_000, _LEAST, 0.0),
}


def stuck_rule(entry: SensorEntry, quantity: Quantity) -> StuckRule | None:
    """Return the rule for one series; None where standing still is normal."""
    air_gap = quantity is Quantity.WATER_LEVEL and entry.mount_height_m is not None
    rule = AIR_GAP if air_gap else RULES.get(quantity)
    if entry.stuck_s is None:
        return rule
    if not entry.stuck_s:
        return None
    after_ms = round(entry.stuck_s * 1000)
    if rule is None:
        # Whoever names a duration knows the sensor: only a real zero may stand still.
        return StuckRule(after_ms, _LEAST, 0.0)
    return replace(rule, after_ms=after_ms, readings=min(rule.readings, _LEAST))


class StuckGuard:
    """Watches one series.

    Args:
        rule: None for a series that may stand still.
    """

    def __init__(self, rule: StuckRule | None) -> None:
        self._rule = rule
        self._value: float | None = None
        self._since_ms = 0
        self._equal = 0

    def stands_still(self, value: float | None, elapsed_ms: int) -> bool:
        """Take a reading in; tell whether the series is stuck now. Gaps don't count as movement."""
        rule = self._rule
        if rule is None or value is None:
            return False
        if value != self._value:
            self._value, self._since_ms, self._equal = value, elapsed_ms, 1
            return False
        self._equal += 1
        lasting = elapsed_ms - self._since_ms >= rule.after_ms
        return lasting and self._equal >= rule.readings and abs(value) > rule.idle
