"""Plantower PMS5003, PMS7003, PMSA003: particles, 32 bytes `42 4D 00 1C …`, 16-bit sum.

Sources: Plantower data manuals; captures and checks of PyPMS. The "atmospheric" columns are the
ones to publish; "CF=1" (factory) and the particle counts are diagnostics.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Value
from edge.drivers.stream import StreamDriver, check_names, counts
from edge.framing import BAD_CHECKSUM, NOT_A_FRAME, UNKNOWN_YET, Rejection

_DATA_LENGTH = 28
_REPLY_LENGTH = 4  # acknowledgement of a command: skipped
# Beyond this the data sheet promises nothing; the number is kept and tagged (ug/m3).
EFFECTIVE_UGM3 = 500
_WORDS = struct.Struct(">12H")
_ALL_ONES = 0xFFFF
# Typical shares in city air, for the simulator where a value is not given.
_PM1_SHARE, _PM10_SHARE = 0.7, 1.3
_IDLE_UGM3 = 10
# Particles above 0.3 um per 0.1 L and ug/m3 of PM2.5, and the share left above each size: about
# what the published captures show.
_COUNTS_PER_UGM3 = 150
_COUNT_SHARES = (1.0, 0.33, 0.2, 0.05, 0.02, 0.01)


class _Column(NamedTuple):
    name: str
    quantity: Quantity | None


_MASSES = (
    _Column("pm1_cf1", None),
    _Column("pm25_cf1", None),
    _Column("pm10_cf1", None),
    _Column("pm1", Quantity.PM1),
    _Column("pm25", Quantity.PM2_5),
    _Column("pm10", Quantity.PM10),
)
_COUNTS = ("n0_3", "n0_5", "n1_0", "n2_5", "n5_0", "n10_0")
_NAMES = (*(column.name for column in _MASSES), *_COUNTS, "version", "error_code")
_MASS_FIELDS = tuple(
    Field(column.name, "ug/m3", column.quantity, 1, EFFECTIVE_UGM3, 1, _IDLE_UGM3)
    for column in _MASSES
)
_COUNT_FIELDS = tuple(Field(name, "/cm3", None, 0.01, 655.34, 0.01, 10.0) for name in _COUNTS)
_VERSION = Field("version", "1", None, 0, 255, 1, 151)
_ERROR = Field("error_code", "1", None, 0, 0, 1, 0)


class PlantowerPmsx003(StreamDriver):
    """PM1, PM2.5, PM10 in ug/m3, with the device's own checks against each other."""

    FACTS = DriverFacts(
        name="plantower_pmsx003",
        title="Plantower PMS5003 / PMS7003 / PMSA003 particles",
        mode=Mode.STREAM,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=30.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.PM2_5, Quantity.PM10, Quantity.PM1),
        source="Plantower PMS5003 data manual; captures of PyPMS",
        fields=(*_MASS_FIELDS, *_COUNT_FIELDS, _VERSION, _ERROR),
    )
    HEADER = b"\x42\x4d"

    __slots__ = ()

    def size(self, buffer: bytearray, at: int) -> int:
        """Read the length field; only data frames and command replies exist."""
        if len(buffer) - at < 4:
            return UNKNOWN_YET
        length = buffer[at + 2] << 8 | buffer[at + 3]
        return length + 4 if length in (_DATA_LENGTH, _REPLY_LENGTH) else NOT_A_FRAME

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the 16-bit sum of all bytes before it."""
        return None if sum(raw[:-2]) == raw[-2] << 8 | raw[-1] else BAD_CHECKSUM

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the values of a data frame; nothing for a command reply."""
        if len(raw) < _DATA_LENGTH + 4:
            return ()
        words = _WORDS.unpack_from(raw, 4)
        version, error = raw[28], raw[29]
        quality, reasons, keep = _judge_whole(words, error)
        masses, particles = words[:6], words[6:]
        odd = _unordered(masses)
        found = []
        for index, (column, value) in enumerate(zip(_MASSES, masses, strict=True)):
            own, why = quality, reasons
            if own is Quality.GOOD and (value > EFFECTIVE_UGM3 or index in odd):
                own = Quality.UNCERTAIN
                why = (Reason.SATURATED,) if value > EFFECTIVE_UGM3 else ()
                why += (Reason.IMPLAUSIBLE_PAIR,) if index in odd else ()
            found.append(
                Measurement(
                    column.name, column.quantity, value if keep else None, "ug/m3", own, why
                )
            )
        for name, count in zip(_COUNTS, particles, strict=True):
            own, why = quality, reasons
            if own is Quality.GOOD and count == _ALL_ONES:
                own, why = Quality.UNCERTAIN, (Reason.SATURATED,)
            found.append(Measurement(name, None, count / 100 if keep else None, "/cm3", own, why))
        found.append(Measurement("version", None, version, "1"))
        broken = (Reason.DEVICE_FAULT,) if error else ()
        state = Quality.BAD if error else Quality.GOOD
        found.append(Measurement("error_code", None, error, "1", state, broken))
        return tuple(found)

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the data frame; None for any mass is the all-zero frame of the warm-up."""
        check_names(self.FACTS.name, values, _NAMES)
        masses = _encode_masses(self.FACTS.name, values)
        version = counts(self.FACTS.name, values, _VERSION, 255) or 0
        error = counts(self.FACTS.name, values, _ERROR, 255) or 0
        if masses is None:
            words = [0] * 12
        else:
            words = masses + _encode_counts(self.FACTS.name, values, masses[4])
        body = b"\x42\x4d\x00\x1c" + _WORDS.pack(*words) + bytes((version, error))
        return body + sum(body).to_bytes(2, "big")


def _judge_whole(words: tuple[int, ...], error: int) -> tuple[Quality, tuple[Reason, ...], bool]:
    """Return what holds for every value of the frame, and whether the numbers mean anything."""
    if error:
        return Quality.BAD, (Reason.DEVICE_FAULT,), False
    if not any(words):
        return Quality.BAD, (Reason.WARMING_UP,), False
    # Mass without a single particle above 0.3 um contradicts itself (check of PyPMS).
    if words[6] == 0 and max(words[2], words[5]) > 0:
        return Quality.BAD, (Reason.IMPLAUSIBLE_PAIR,), True
    return Quality.GOOD, (), True


def _unordered(masses: tuple[int, ...]) -> frozenset[int]:
    """Return which masses contradict PM1 <= PM2.5 <= PM10."""
    odd = set()
    for low in (0, 1, 3, 4):
        if masses[low] > masses[low + 1]:
            odd |= {low, low + 1}
    return frozenset(odd)


def _encode_masses(driver: str, values: Mapping[str, Value]) -> list[int] | None:
    """Return the six mass words, consistent where values are missing; None if one is None."""
    if any(values.get(column.name, 0) is None for column in _MASSES):
        return None
    given = [
        counts(driver, values, field, _ALL_ONES) if field.name in values else None
        for field in _MASS_FIELDS
    ]
    atmospheric = _filled(given[3:], _IDLE_UGM3)
    return _filled(given[:3], atmospheric[1]) + atmospheric


def _filled(given: list[int | None], usual_pm25: int) -> list[int]:
    """Return PM1, PM2.5, PM10 with usual shares where one is not given."""
    pm1, pm25, pm10 = given
    if pm25 is None and (pm1 is not None or pm10 is not None):
        # Between the two that are given.
        usual_pm25 = max(pm1 or 0, min(usual_pm25, pm10 if pm10 is not None else _ALL_ONES))
    fine = usual_pm25 if pm25 is None else pm25
    return [
        round(fine * _PM1_SHARE) if pm1 is None else pm1,
        fine,
        min(_ALL_ONES, round(fine * _PM10_SHARE)) if pm10 is None else pm10,
    ]


def _encode_counts(driver: str, values: Mapping[str, Value], pm25: int) -> list[int]:
    """Return the six particle words, falling with size where they are not given."""
    total = max(50, pm25 * _COUNTS_PER_UGM3)
    words = []
    for field, share in zip(_COUNT_FIELDS, _COUNT_SHARES, strict=True):
        given = counts(driver, values, field, _ALL_ONES) if field.name in values else None
        words.append(given if given is not None else min(_ALL_ONES - 1, round(total * share)))
    return words
