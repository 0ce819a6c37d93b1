"""SONBEST SM7571B smoke transmitter: one holding register, 0 to 2000 ppm.

Source: sonbus.com/english/products/SM7571.html. The page has a generic "/100" remark; the range of
2000 ppm implies scale 1: confirm it on the unit (clean air must be near 0). Early indication only:
a certified detector's alarm bit always wins over this number.
"""

from __future__ import annotations

from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Mode
from edge.drivers.register_profile import Register, RegisterDriver

RANGE_PPM = 2000
_SMOKE = Register("smoke", "ppm", Quantity.SMOKE_INDEX, low=0, high=RANGE_PPM, saturates=True)


class SonbestSm7571b(RegisterDriver):
    """Smoke in what cheap transmitters call ppm; above 2000 it is "at least 2000"."""

    FACTS = DriverFacts(
        name="sonbest_sm7571b",
        title="SONBEST SM7571B smoke transmitter",
        mode=Mode.POLL,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=180.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.SMOKE_INDEX,),
        source="sonbus.com/english/products/SM7571.html",
        fields=(_SMOKE.field,),
    )
    TABLE = (_SMOKE,)

    __slots__ = ()
