"""JXBS-3001 smoke transmitter: holding register 2, 0 to 2000 ppm.

Source: a reseller's sheet; the register's meaning on a real unit is not confirmed. Early indication
only.
"""

from __future__ import annotations

from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Mode
from edge.drivers.register_profile import Register, RegisterDriver

_SMOKE = Register("smoke", "ppm", Quantity.SMOKE_INDEX, low=0, high=2000, saturates=True)


class Jxbs3001Smoke(RegisterDriver):
    """Smoke in ppm; above 2000 it is "at least 2000"."""

    FACTS = DriverFacts(
        name="jxbs3001_smoke",
        title="JXBS-3001 smoke transmitter",
        mode=Mode.POLL,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=180.0,
        interval_s=1.0,
        verified=False,
        quantities=(Quantity.SMOKE_INDEX,),
        source="reseller's sheet of JXBS-3001-YW, b2b168.org",
        fields=(_SMOKE.field,),
    )
    REGISTER = 2
    TABLE = (_SMOKE,)

    __slots__ = ()
