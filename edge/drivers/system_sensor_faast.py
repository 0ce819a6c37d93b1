"""System Sensor FAAST aspirating smoke detector: current obscuration as a 32-bit float.

Source: FAAST Modbus guide (azmanual.top 352651): document address 69 and 70, sent as 68; some
clients differ by one (option `register`). The word order is not stated there: confirm it with a
known value. Register 334 holds the unit (0 = %/m, 1 = %/ft): name it in the option `unit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Measurement, Mode, Option
from edge.drivers.register_profile import Register, RegisterDriver
from edge.modbus import Reply, Request

# The scale ends at 20 %/ft (about 3 dB/m), far above any alarm threshold.
_OBSCURATION = Register(
    "obscuration",
    "%/ft",
    Quantity.SMOKE_OBSCURATION,
    kind="f32",
    low=0,
    high=20,
    saturates=True,
)


class SystemSensorFaast(RegisterDriver):
    """Obscuration in %/ft or %/m; NaN is the detector's own "no value"."""

    FACTS = DriverFacts(
        name="system_sensor_faast",
        title="System Sensor FAAST aspirating smoke detector",
        mode=Mode.POLL,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=0.0,
        interval_s=1.0,
        verified=False,
        quantities=(Quantity.SMOKE_OBSCURATION,),
        source="FAAST Modbus guide, azmanual.top 352651",
        fields=(replace(_OBSCURATION.field, step=0.0),),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **RegisterDriver.OPTIONS,
        "unit": Option("%/ft", "unit of register 334", choices=("%/ft", "%/m")),
    }
    REGISTER = 68
    TABLE = (_OBSCURATION,)

    __slots__ = ()

    def measure(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        """Return the obscuration in the configured unit."""
        unit = self.settings.text("unit")
        return tuple(
            Measurement(
                one.name, one.quantity, one.value, unit, one.quality, one.reasons, one.at_least
            )
            for one in super().measure(reply, asked)
        )
