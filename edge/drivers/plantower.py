"""What the Plantower particle sensors share: `42 4D`, length, words, 16-bit sum.

Sources: Plantower data manuals; captures and checks of PyPMS. The "atmospheric" columns are the
ones to publish; "CF=1" (factory) and the particle counts are diagnostics. Length and configured
model together decide the layout.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Measurement, Mode, Value
from edge.drivers.stream import StreamDriver, check_names, counts, number, unordered
from edge.framing import BAD_CHECKSUM, NOT_A_FRAME, UNKNOWN_YET, Rejection

_HEADER = b"\x42\x4d"
_REPLY_LENGTH = 4  # acknowledgement of a command: skipped
# Beyond this the data sheet promises nothing; the number is kept and tagged (ug/m3).
EFFECTIVE_UGM3 = 500
_ALL_ONES = 0xFFFF
# Typical shares in city air, for the simulator where a value is not given.
_PM1_SHARE, _PM10_SHARE, _IDLE_UGM3 = 0.7, 1.3, 10
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
_MASS_FIELDS = tuple(
    Field(column.name, "ug/m3", column.quantity, 1, EFFECTIVE_UGM3, 1, _IDLE_UGM3)
    for column in _MASSES
)
_COUNT_FIELDS = tuple(
    Field(name, "/cm3", None, 0.01, 655.34, 0.01, 10.0)
    for name in ("n0_3", "n0_5", "n1_0", "n2_5", "n5_0", "n10_0")
)
_TEMPERATURE = Field("temperature", "Cel", Quantity.TEMPERATURE, -40.0, 99.0, 0.1, 20.0)
_HUMIDITY = Field("humidity", "%RH", Quantity.HUMIDITY, 0.0, 100.0, 0.1, 50.0)
_VERSION = Field("version", "1", None, 0, 255, 1, 151)
_ERROR = Field("error_code", "1", None, 0, 0, 1, 0)


class Layout(NamedTuple):
    """What stands in a model's frame behind the six masses.

    Attributes:
        length: Content of the length field.
        counts: How many particle counts.
        climate: Whether temperature and humidity follow the counts.
        status: Whether version and error code stand before the sum.
    """

    length: int
    counts: int
    climate: bool
    status: bool

    @property
    def words(self) -> int:
        """How many 16-bit words there are before the status and the sum."""
        return self.length // 2 - 1 - self.status

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every number of the frame."""
        return (
            *_MASS_FIELDS,
            *_COUNT_FIELDS[: self.counts],
            *((_TEMPERATURE, _HUMIDITY) if self.climate else ()),
            *((_VERSION, _ERROR) if self.status else ()),
        )


def plantower_facts(name: str, title: str, source: str, layout: Layout) -> DriverFacts:
    """Return the facts of a Plantower model."""
    climate = (Quantity.TEMPERATURE, Quantity.HUMIDITY) if layout.climate else ()
    return DriverFacts(
        name=name,
        title=title,
        mode=Mode.STREAM,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=30.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.PM2_5, Quantity.PM10, Quantity.PM1, *climate),
        source=source,
        fields=layout.fields,
    )


class PlantowerDriver(StreamDriver):
    """PM1, PM2.5, PM10 in ug/m3, with the device's own checks against each other.

    Attributes:
        LAYOUT: What the model's frame holds.
    """

    LAYOUT: ClassVar[Layout]
    HEADERS = (_HEADER,)
    READ = bytes.fromhex("42 4D E2 00 00 01 71")  # in passive mode

    __slots__ = ()

    def size(self, buffer: bytearray, at: int) -> int:
        """Read the length field; only data frames and command replies exist."""
        if len(buffer) - at < 4:
            return UNKNOWN_YET
        length = buffer[at + 2] << 8 | buffer[at + 3]
        return length + 4 if length in (self.LAYOUT.length, _REPLY_LENGTH) else NOT_A_FRAME

    def judge(self, raw: bytes) -> Rejection | None:
        """Check the 16-bit sum of all bytes before it."""
        return None if sum(raw[:-2]) == raw[-2] << 8 | raw[-1] else BAD_CHECKSUM

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the values of a data frame; nothing for a command reply."""
        layout = self.LAYOUT
        if len(raw) == _REPLY_LENGTH + 4:
            return ()
        words = struct.unpack_from(f">{layout.words}H", raw, 4)
        error = raw[-3] if layout.status else 0
        # Temperature and humidity are there at once: they don't say that dust is measured.
        dust = words[: 6 + layout.counts] if layout.climate else words
        whole = _judge_whole(dust, error, counted=layout.counts > 0)
        found = [*_masses(words[:6], whole), *_particles(words[6 : 6 + layout.counts], whole)]
        if layout.climate:
            found += _climate(words[6 + layout.counts :], whole)
        if layout.status:
            found.append(Measurement("version", None, raw[-4], "1"))
            broken = (Reason.DEVICE_FAULT,) if error else ()
            state = Quality.BAD if error else Quality.GOOD
            found.append(Measurement("error_code", None, error, "1", state, broken))
        return tuple(found)

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the data frame; None for any value is the all-zero frame of the warm-up."""
        layout, driver = self.LAYOUT, self.FACTS.name
        check_names(driver, values, tuple(field.name for field in layout.fields))
        words = [0] * layout.words
        if None not in values.values():
            masses = _encode_masses(driver, values)
            content = masses + _encode_counts(driver, values, masses[4])[: layout.counts]
            content += _encode_climate(driver, values) if layout.climate else []
            words[: len(content)] = content
        body = _HEADER + struct.pack(f">H{layout.words}H", layout.length, *words)
        if layout.status:
            version = counts(driver, values, _VERSION, 255) or 0
            body += bytes((version, counts(driver, values, _ERROR, 255) or 0))
        return body + sum(body).to_bytes(2, "big")


class _Whole(NamedTuple):
    """What holds for every value of a frame, and whether the numbers mean anything."""

    quality: Quality
    reasons: tuple[Reason, ...]
    keep: bool


_BELIEVED = _Whole(Quality.GOOD, (), keep=True)


def _judge_whole(words: tuple[int, ...], error: int, *, counted: bool) -> _Whole:
    if error:
        return _Whole(Quality.BAD, (Reason.DEVICE_FAULT,), keep=False)
    if not any(words):
        return _Whole(Quality.BAD, (Reason.WARMING_UP,), keep=False)
    # Mass without a single particle above 0.3 um contradicts itself (check of PyPMS).
    if counted and words[6] == 0 and max(words[2], words[5]) > 0:
        return _Whole(Quality.BAD, (Reason.IMPLAUSIBLE_PAIR,), keep=True)
    return _BELIEVED


def _masses(masses: tuple[int, ...], whole: _Whole) -> list[Measurement]:
    odd = unordered(masses[:3]) | {3 + at for at in unordered(masses[3:])}
    found = []
    for index, (column, value) in enumerate(zip(_MASSES, masses, strict=True)):
        quality, reasons = whole.quality, whole.reasons
        if quality is Quality.GOOD and (value > EFFECTIVE_UGM3 or index in odd):
            quality = Quality.UNCERTAIN
            reasons = (Reason.SATURATED,) if value > EFFECTIVE_UGM3 else ()
            reasons += (Reason.IMPLAUSIBLE_PAIR,) if index in odd else ()
        kept = value if whole.keep else None
        found.append(Measurement(column.name, column.quantity, kept, "ug/m3", quality, reasons))
    return found


def _particles(particles: tuple[int, ...], whole: _Whole) -> list[Measurement]:
    found = []
    for field, count in zip(_COUNT_FIELDS, particles, strict=False):
        quality, reasons = whole.quality, whole.reasons
        if quality is Quality.GOOD and count == _ALL_ONES:
            quality, reasons = Quality.UNCERTAIN, (Reason.SATURATED,)
        kept = count / 100 if whole.keep else None
        found.append(Measurement(field.name, None, kept, "/cm3", quality, reasons))
    return found


def _climate(words: tuple[int, ...], whole: _Whole) -> list[Measurement]:
    """Return temperature (signed) and humidity, tenths each."""
    if any(words) and whole.reasons == (Reason.WARMING_UP,):
        whole = _BELIEVED
    signed = words[0] - 0x10000 if words[0] & 0x8000 else words[0]
    found = []
    for field, content in ((_TEMPERATURE, signed), (_HUMIDITY, words[1])):
        quality, reasons, value = whole.quality, whole.reasons, content / 10
        if quality is Quality.GOOD and not field.low <= value <= field.high:
            quality, reasons = Quality.BAD, (Reason.RANGE,)
        kept = value if whole.keep else None
        found.append(Measurement(field.name, field.quantity, kept, field.unit, quality, reasons))
    return found


def _encode_masses(driver: str, values: Mapping[str, Value]) -> list[int]:
    """Return the six mass words, consistent where values are missing."""
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
    """Return the particle words, falling with size where they are not given."""
    total = max(50, pm25 * _COUNTS_PER_UGM3)
    words = []
    for field, share in zip(_COUNT_FIELDS, _COUNT_SHARES, strict=True):
        given = counts(driver, values, field, _ALL_ONES) if field.name in values else None
        words.append(given if given is not None else min(_ALL_ONES - 1, round(total * share)))
    return words


def _encode_climate(driver: str, values: Mapping[str, Value]) -> list[int]:
    words = []
    for field in (_TEMPERATURE, _HUMIDITY):
        value = number(driver, field.name, values.get(field.name, field.idle))
        words.append(round(max(-400.0, min(1000.0, value * 10))) & 0xFFFF)
    return words
