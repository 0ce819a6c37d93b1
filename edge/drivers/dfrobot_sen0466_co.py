"""DFRobot Gravity gas sensors (SEN0466 = CO): 9 bytes `FF 86 Hi Lo gas decimals T1 T2 CS`.

Sources: DFRobot wiki SEN0465, `DFRobot_MultiGasSensor@1b2dc48e`. The vendor's library adds up one
byte less than the manual; where the last temperature byte is not zero the two differ, and either is
taken. (That library returns 0.0 on a bad checksum. Here a bad checksum is no value.) The gas id of
the frame names the value: another gas never counts as CO. The reply to "read all" (88) has the same
layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Value
from edge.drivers.stream import StreamDriver, beyond, check_names, counts, twos_complement
from edge.framing import BAD_CHECKSUM, Rejection

_READ, _READ_ALL, _MODE, _CO_ID = 0x86, 0x88, 0x78, 0x04
_MOST_DECIMALS = 3
_RANGE_PPM = 1000
# Gas id -> name of the value, name of the gas, unit.
_GASES: Mapping[int, tuple[str, str, str]] = {
    0x02: ("nh3", "NH3", "ppm"),
    0x03: ("h2s", "H2S", "ppm"),
    _CO_ID: ("co", "CO", "ppm"),
    0x05: ("oxygen", "O2", "%"),
    0x06: ("h2", "H2", "ppm"),
    0x2A: ("o3", "O3", "ppm"),
    0x2B: ("so2", "SO2", "ppm"),
    0x2C: ("no2", "NO2", "ppm"),
    0x2E: ("hcl", "HCl", "ppm"),
    0x31: ("cl2", "Cl2", "ppm"),
    0x33: ("hf", "HF", "ppm"),
    0x45: ("ph3", "PH3", "ppm"),
}
_CO = Field("co", "ppm", Quantity.CARBON_MONOXIDE, 0, _RANGE_PPM - 1, 1, 0)


class DfrobotSen0466Co(StreamDriver):
    """The concentration of the gas that the probe head measures, and which gas it is."""

    FACTS = DriverFacts(
        name="dfrobot_sen0466_co",
        title="DFRobot Gravity carbon monoxide (SEN0466)",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.WEAK,
        warm_up_s=300.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.CARBON_MONOXIDE,),
        source="wiki.dfrobot.com/sen0465/docs/21904",
        fields=(_CO,),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "range_ppm": Option(_RANGE_PPM, "end of the CO range in ppm", 10, 65_535),
    }
    HEADERS = (b"\xff",)
    SIZE = 9

    __slots__ = ()

    def judge(self, raw: bytes) -> Rejection | None:
        """Check either checksum, then kind and gas."""
        if raw[8] not in (twos_complement(raw[1:8]), twos_complement(raw[1:7])):
            return BAD_CHECKSUM
        if raw[1] == _MODE:
            return None
        if raw[1] not in (_READ, _READ_ALL) or raw[4] not in _GASES or raw[5] > _MOST_DECIMALS:
            return Rejection(checksum=False, why=f"kind {raw[1]:#04x}, gas {raw[4]:#04x}")
        return None

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return concentration and gas; nothing for an answer to a change of mode."""
        if raw[1] == _MODE:
            return ()
        name, gas, unit = _GASES[raw[4]]
        content = raw[2] << 8 | raw[3]
        value = content / 10 ** raw[5] if raw[5] else content
        kind = Measurement("gas", None, gas, "1")
        if raw[4] != _CO_ID:
            return (Measurement(name, None, value, unit), kind)
        limit = self.settings.whole("range_ppm")
        if value >= limit:
            return (beyond(name, Quantity.CARBON_MONOXIDE, unit, limit, value=value), kind)
        return (Measurement(name, Quantity.CARBON_MONOXIDE, value, unit), kind)

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the frame of a CO probe; None is silence (no frame says it)."""
        check_names(self.FACTS.name, values, ("co",))
        ppm = counts(self.FACTS.name, values, _CO, self.settings.whole("range_ppm"))
        if ppm is None:
            return b""
        body = bytes((_READ, ppm >> 8, ppm & 0xFF, _CO_ID, 0, 0, 0))
        return b"\xff" + body + bytes((twos_complement(body),))
