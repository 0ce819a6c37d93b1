"""Nova SDS011: particles, 10 bytes `AA C0 … AB`, 8-bit sum over bytes 2 to 7.

Sources: Nova SDS011 control protocol; captures of PyPMS. Replies to commands have the same envelope
with C5: never particles. 999.9 is the end of the range; both values 0 means not ready (ESPHome).
In dense smoke devices say up to 1999.9 for PM10 (opendata-stuttgart/sensors-software issue 899):
beyond the range, but no nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Value
from edge.drivers.stream import StreamDriver, bad, check_names, counts
from edge.framing import BAD_CHECKSUM, Rejection

_DATA, _REPLY, _TAIL = 0xC0, 0xC5, 0xAB
_FULL_SCALE = 9999  # counts of 0.1 ug/m3
_MOST_PM10 = 19_999  # what devices have said in smoke
_PM25 = Field("pm25", "ug/m3", Quantity.PM2_5, 0.1, 999.8, 0.1, 8.0)
_PM10 = Field("pm10", "ug/m3", Quantity.PM10, 0.1, 999.8, 0.1, 10.0)
_PM10_SHARE = 1.3  # typical ratio of PM10 to PM2.5 in city air, where the simulator gives only one


class NovaSds011(StreamDriver):
    """PM2.5 and PM10 in ug/m3."""

    FACTS = DriverFacts(
        name="nova_sds011",
        title="Nova SDS011 particles",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.WEAK,
        warm_up_s=30.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.PM2_5, Quantity.PM10),
        source="Nova SDS011 control protocol; captures of PyPMS",
        fields=(_PM25, _PM10),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "device_id": Option("", "id that the sensor must give, four hex digits; '' = any"),
    }
    HEADERS = (b"\xaa",)
    SIZE = 10
    # "Query data", to any sensor; in query mode.
    READ = bytes.fromhex("AA B4 04 00 00 00 00 00 00 00 00 00 00 00 00 FF FF 02 AB")

    __slots__ = ()

    def judge(self, raw: bytes) -> Rejection | None:
        """Check kind, tail and sum."""
        if raw[1] not in (_DATA, _REPLY) or raw[9] != _TAIL:
            return Rejection(checksum=False, why=f"kind {raw[1]:#04x}, tail {raw[9]:#04x}")
        return None if sum(raw[2:8]) & 0xFF == raw[8] else BAD_CHECKSUM

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return both masses and the device's id; nothing for a reply to a command."""
        if raw[1] == _REPLY:
            return ()
        fine, coarse = raw[2] | raw[3] << 8, raw[4] | raw[5] << 8
        device = Measurement("device_id", None, raw[6:8].hex().upper(), "1")
        if fine == 0 and coarse == 0:
            return (
                bad("pm25", Quantity.PM2_5, "ug/m3", Reason.WARMING_UP),
                bad("pm10", Quantity.PM10, "ug/m3", Reason.WARMING_UP),
                bad("device_id", None, "1", Reason.WARMING_UP, device.value),
            )
        odd = fine > coarse
        wanted = self.settings.text("device_id").upper()
        if wanted and wanted != device.value:
            why = Reason.CONFIGURATION
            return (
                bad("pm25", Quantity.PM2_5, "ug/m3", why),
                bad("pm10", Quantity.PM10, "ug/m3", why),
                bad("device_id", None, "1", why, device.value),
            )
        return (
            _mass("pm25", Quantity.PM2_5, fine, _FULL_SCALE, odd=odd),
            _mass("pm10", Quantity.PM10, coarse, _MOST_PM10, odd=odd),
            device,
        )

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the data frame; None for a mass is the frame of a sensor that is not ready."""
        check_names(self.FACTS.name, values, ("pm25", "pm10", "device_id"))
        device = values.get("device_id", "0001")
        number = bytes.fromhex(device) if isinstance(device, str) else b"\x00\x01"
        fine, coarse = self._masses(values)
        body = fine.to_bytes(2, "little") + coarse.to_bytes(2, "little") + number[:2]
        return bytes((0xAA, _DATA)) + body + bytes((sum(body) & 0xFF, _TAIL))

    def _masses(self, values: Mapping[str, Value]) -> tuple[int, int]:
        name = self.FACTS.name
        fine = counts(name, values, _PM25, _FULL_SCALE)
        coarse = counts(name, values, _PM10, _FULL_SCALE)
        if fine is None or coarse is None:
            return 0, 0
        if "pm10" not in values:
            coarse = min(_FULL_SCALE, round(fine * _PM10_SHARE))
        if "pm25" not in values:
            fine = round(coarse / _PM10_SHARE)
        return fine, coarse


def _mass(name: str, quantity: Quantity, content: int, most: int, *, odd: bool) -> Measurement:
    if content > most:  # damaged on the way, or no SDS011
        return bad(name, quantity, "ug/m3", Reason.RANGE)
    reasons: tuple[Reason, ...] = (Reason.SATURATED,) if content >= _FULL_SCALE else ()
    reasons += (Reason.IMPLAUSIBLE_PAIR,) if odd else ()
    quality = Quality.UNCERTAIN if reasons else Quality.GOOD
    return Measurement(name, quantity, content / 10, "ug/m3", quality, reasons)
