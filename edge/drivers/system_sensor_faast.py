"""System Sensor FAAST aspirating smoke detector: obscuration, in the unit that its site uses.

The table is `profiles/system_sensor_faast.toml`; its alarm bits are the device `faast_alarms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from edge.drivers.base import Option
from edge.drivers.modbus_registers import RegisterDriver, facts_of
from edge.drivers.register_profile import Profile, shipped

_NAME = "system_sensor_faast"


class SystemSensorFaast(RegisterDriver):
    """Obscuration in %/ft or %/m; NaN is the detector's own "no value"."""

    PROFILE = shipped(_NAME)
    FACTS = facts_of(_NAME, PROFILE)
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **RegisterDriver.OPTIONS,
        "unit": Option("%/ft", "unit of register 334", choices=("%/ft", "%/m")),
    }

    __slots__ = ()

    def described(self) -> Profile:
        """Return the profile with the configured unit."""
        profile = super().described()
        unit = self.settings.text("unit")
        rows = tuple(msgspec.structs.replace(row, unit=unit) for row in profile.value)
        return msgspec.structs.replace(profile, value=rows)
