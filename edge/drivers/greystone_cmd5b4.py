"""Greystone CMD5B4 carbon monoxide detector: eight holding registers from 40001.

Source: Greystone CMD5B4 manual, pages 13 to 16. With the fault register set the ppm mean nothing,
even where they are 0; with the test register set nothing may raise an alarm.
"""

from __future__ import annotations

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Measurement, Mode
from edge.drivers.register_profile import Register, RegisterDriver, spoil

_TABLE = (
    Register("co_abnormal", "bool", None, 0, "bool"),
    Register("co", "ppm", Quantity.CARBON_MONOXIDE, 1, low=0, high=500, saturates=True),
    Register("temperature", "Cel", Quantity.TEMPERATURE, 2, "s16", 10, low=-40, high=85, idle=20.0),
    Register("buzzer", "bool", None, 3, "bool"),
    Register("relay1", "bool", None, 4, "bool"),
    Register("relay2", "bool", None, 5, "bool"),
    Register("test", "bool", None, 6, "bool"),
    Register("fault", "bool", None, 7, "bool"),
)
# What a test drives, and what must therefore not be believed while it runs.
_TESTED = frozenset({"co_abnormal", "co", "buzzer", "relay1", "relay2"})


class GreystoneCmd5b4(RegisterDriver):
    """Carbon monoxide in ppm, temperature, and the detector's own state."""

    FACTS = DriverFacts(
        name="greystone_cmd5b4",
        title="Greystone CMD5B4 carbon monoxide detector",
        mode=Mode.POLL,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=0.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.CARBON_MONOXIDE, Quantity.TEMPERATURE),
        source="Greystone CMD5B4 manual, pages 13 to 16",
        fields=tuple(row.field for row in _TABLE if row.kind != "bool"),
    )
    TABLE = _TABLE

    __slots__ = ()

    def review(self, measurements: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
        """Apply the fault and test registers to the other values."""
        state = {one.name: one.value for one in measurements}
        if state["fault"]:
            return tuple(
                spoil(one, Reason.DEVICE_FAULT, keep=one.name != "co") for one in measurements
            )
        if state["test"]:
            return tuple(
                spoil(one, Reason.TEST, keep=True) if one.name in _TESTED else one
                for one in measurements
            )
        return measurements
