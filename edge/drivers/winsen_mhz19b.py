"""Winsen MH-Z19B and C: carbon dioxide, polled, 9 bytes `FF 86 Hi Lo T+40 S U U CS`.

Sources: Winsen MH-Z19B manual; captures of PyPMS. Byte 4 as a temperature is undocumented and
coarse: a diagnostic. Zero calibration, range and automatic baseline commands are never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Option, Value
from edge.drivers.stream import (
    StreamDriver,
    bad,
    beyond,
    check_names,
    counts,
    twos_complement,
    uncertain,
)
from edge.framing import BAD_CHECKSUM, Rejection

_READ = 0x86
READ_REQUEST = bytes.fromhex("FF 01 86 00 00 00 00 00 79")
# The largest range that any MH-Z19 can be set to, ppm: above it the device itself is broken.
WIDEST_RANGE_PPM = 10_000
# What a module says of itself while it starts: byte 5 ("S") is 1, or bytes 6 and 7 ("U") are 15000.
# Not in the maker's manual; found on devices, and how Tasmota and ESPEasy know a start.
_STARTING_S, _STARTING_U = 1, 15_000
# Free air holds about 420 ppm; a reading far below says that the zero point is lost.
_LEAST_BELIEVABLE_PPM = 300
_CO2 = Field("co2", "ppm", Quantity.CARBON_DIOXIDE, _LEAST_BELIEVABLE_PPM, 4999, 1, 450)
_TEMPERATURE = Field("temperature_raw", "Cel", None, -39, 100, 1, 22)


class WinsenMhz19b(StreamDriver):
    """Carbon dioxide in ppm; the end of the range means "at least", 0 means warming up."""

    FACTS = DriverFacts(
        name="winsen_mhz19b",
        title="Winsen MH-Z19B carbon dioxide",
        mode=Mode.POLL,
        baud=9600,
        check=Check.WEAK,
        warm_up_s=180.0,
        interval_s=5.0,
        verified=True,
        quantities=(Quantity.CARBON_DIOXIDE,),
        source="Winsen MH-Z19B manual; captures of PyPMS",
        fields=(_CO2, _TEMPERATURE),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "range_ppm": Option(5000, "range that the module is set to, ppm", 1000, WIDEST_RANGE_PPM),
    }
    HEADERS = (b"\xff",)
    SIZE = 9

    __slots__ = ()

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the checksum, then that it is the reply to a reading."""
        if twos_complement(raw[1:8]) != raw[8]:
            return BAD_CHECKSUM
        if raw[1] != _READ:
            return Rejection(checksum=False, why=f"reply to command {raw[1]:#04x}, not a reading")
        return None

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return concentration, and the coarse temperature where the module gives one."""
        starting = raw[5] == _STARTING_S or raw[6] << 8 | raw[7] == _STARTING_U
        co2 = self._co2(0 if starting else raw[2] << 8 | raw[3])
        if not raw[4]:
            return (co2,)
        warmth = raw[4] - 40
        if warmth > _TEMPERATURE.high:
            return (co2, bad("temperature_raw", None, "Cel", Reason.RANGE))
        return (co2, Measurement("temperature_raw", None, warmth, "Cel"))

    def _co2(self, ppm: int) -> Measurement:
        quantity, limit = Quantity.CARBON_DIOXIDE, self.settings.whole("range_ppm")
        if ppm == 0:
            return bad("co2", quantity, "ppm", Reason.WARMING_UP)
        if ppm > WIDEST_RANGE_PPM:
            return bad("co2", quantity, "ppm", Reason.RANGE, ppm)
        if ppm > limit:
            # The module clamps to its range: more than the range means another range is set.
            reasons = (Reason.SATURATED, Reason.CONFIGURATION)
            return Measurement("co2", quantity, ppm, "ppm", Quality.UNCERTAIN, reasons, limit)
        if ppm == limit:
            return beyond("co2", quantity, "ppm", limit, value=ppm)
        if ppm < _LEAST_BELIEVABLE_PPM:
            return uncertain("co2", quantity, "ppm", Reason.RANGE, ppm)
        return Measurement("co2", quantity, ppm, "ppm")

    def request(self) -> bytes:
        """Return the read command."""
        return READ_REQUEST

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the reply; None for `co2` is the 0 of the first minutes."""
        check_names(self.FACTS.name, values, ("co2", "temperature_raw"))
        ppm = counts(self.FACTS.name, values, _CO2, self.settings.whole("range_ppm")) or 0
        warmth = values.get("temperature_raw", _TEMPERATURE.idle)
        raw = 0
        if isinstance(warmth, int | float):
            raw = max(1, min(255, round(warmth) + 40))
        body = bytes((_READ, ppm >> 8, ppm & 0xFF, raw, 0, 0, 0))
        return b"\xff" + body + bytes((twos_complement(body),))

    def respond(self, request: bytes, values: Mapping[str, Value]) -> bytes:
        """Answer the read command; silent to anything else."""
        return self.encode(values) if request == READ_REQUEST else b""
