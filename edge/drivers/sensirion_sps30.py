"""Sensirion SPS30 particles: SHDLC frames between two 7E, byte stuffing, polled.

Sources: Sensirion SPS30 data sheet v1.0 (2020), captures of PyPMS. A reply is
`7E address command state length data check 7E`; 7E, 7D, 11 and 13 are stuffed. Measuring is started
by the first request, and again when the sensor says that it does not measure. Then it is asked what
it is: another product of the same maker speaks the same frames. The status register is read now and
then: with a stopped fan or a broken laser plausible numbers go on to come.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import Check, DriverFacts, Field, Frame, Measurement, Mode, Options, Value
from edge.drivers.stream import (
    StreamDriver,
    bad,
    check_names,
    filled_masses,
    mass,
    number,
    unordered,
)
from edge.framing import BAD_CHECKSUM, NOT_A_FRAME, UNKNOWN_YET, Rejection

_FLAG, _ESCAPE = 0x7E, 0x7D
_STUFFED = frozenset({_FLAG, _ESCAPE, 0x11, 0x13})
_START, _READ, _IDENTITY, _STATUS = 0x00, 0x03, 0xD0, 0xD2
_ERROR_FLAG, _WRONG_STATE = 0x80, 0x43
_LONGEST = 2 * (255 + 5) + 2
_FLOATS, _WORDS = struct.Struct(">10f"), struct.Struct(">10H")
_RANGE_UGM3 = 1000
_SIZE = 9  # the last field: the typical size of the particles
_MASSES = 4  # the first fields: PM1, PM2.5, PM4, PM10
START_REQUEST = bytes.fromhex("7E 00 00 02 01 03 F9 7E")
READ_REQUEST = bytes.fromhex("7E 00 03 00 FC 7E")
IDENTITY_REQUEST = bytes.fromhex("7E 00 D0 01 00 2E 7E")  # 00: product type
# What an SPS30 answers (metebalci/shdlc-sps30, output of its test.py on a device; data sheet v1.0,
# device information). Old firmware refuses the question: that is no other device.
PRODUCT_TYPE = "00080000"
# How often it is asked after each start; who does not answer this is believed.
_IDENTITY_ASKS = 2
STATUS_REQUEST = bytes.fromhex("7E 00 D2 01 00 2C 7E")  # 00: read, don't clear
# Bits of the status register (data sheet, device status register): fan off, laser current. Bit 21,
# fan speed out of range, clears itself: a warning.
_BROKEN_BITS = 1 << 4 | 1 << 5
# Readings between two looks at the status register: about a minute.
_STATUS_EVERY = 60
_FIELDS = tuple(
    Field(name, unit, quantity, 0.01, high, 0.0, idle)
    for name, unit, quantity, high, idle in (
        ("pm1", "ug/m3", Quantity.PM1, _RANGE_UGM3, 6.0),
        ("pm25", "ug/m3", Quantity.PM2_5, _RANGE_UGM3, 8.0),
        ("pm4", "ug/m3", None, _RANGE_UGM3, 9.0),
        ("pm10", "ug/m3", Quantity.PM10, _RANGE_UGM3, 10.0),
        ("n0_5", "/cm3", None, 3000, 40.0),
        ("n1_0", "/cm3", None, 3000, 47.0),
        ("n2_5", "/cm3", None, 3000, 48.0),
        ("n4_0", "/cm3", None, 3000, 48.0),
        ("n10_0", "/cm3", None, 3000, 48.0),
        ("typical_size", "um", None, 10, 0.8),
    )
)


class SensirionSps30(StreamDriver):
    """PM1, PM2.5, PM4, PM10 in ug/m3, particle counts and their typical size."""

    FACTS = DriverFacts(
        name="sensirion_sps30",
        title="Sensirion SPS30 particles",
        mode=Mode.POLL,
        baud=115200,
        check=Check.WEAK,
        warm_up_s=30.0,
        interval_s=1.0,
        verified=True,
        quantities=(Quantity.PM2_5, Quantity.PM10, Quantity.PM1),
        source="Sensirion SPS30 data sheet v1.0",
        fields=_FIELDS,
    )
    HEADERS = (bytes((_FLAG,)),)

    __slots__ = ("_asks", "_measuring", "_mistaken", "_reads", "_status")

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self._measuring = False
        self._asks = _IDENTITY_ASKS  # how often it may still be asked what it is
        self._mistaken = False
        self._reads = 0
        self._status = 0  # the status register, as last read

    def request(self) -> bytes:
        """Return the start command until it was answered, then reads; some are of the status.

        The first one asks what the sensor is.
        """
        if not self._measuring:
            self._asks = _IDENTITY_ASKS
            return START_REQUEST
        if self._asks:
            self._asks -= 1
            return IDENTITY_REQUEST
        self._reads += 1
        if self._reads <= _STATUS_EVERY:
            return READ_REQUEST
        self._reads = 0
        return STATUS_REQUEST

    def size(self, buffer: bytearray, at: int) -> int:
        """Look for the closing 7E."""
        end = buffer.find(_FLAG, at + 1, at + _LONGEST)
        if end >= 0:
            return end + 1 - at if end > at + 1 else NOT_A_FRAME
        return UNKNOWN_YET if len(buffer) - at < _LONGEST else NOT_A_FRAME

    def judge(self, raw: bytes) -> Rejection | None:
        """Check stuffing, length and checksum."""
        body = _unstuffed(raw[1:-1])
        if body is None or len(body) < 5 or len(body) != 5 + body[3]:
            return Rejection(checksum=False, why="length of the SHDLC frame is wrong")
        return None if ~sum(body[:-1]) & 0xFF == body[-1] else BAD_CHECKSUM

    def _frame(self, raw: bytes) -> Frame:
        frame = super()._frame(raw)
        body = _unstuffed(raw[1:-1]) or b"\x00" * 5
        command, state = body[1], body[2] & ~_ERROR_FLAG
        if command == _START:
            self._measuring = state in (0, _WRONG_STATE)  # 43: it measures already
        elif command == _READ and state == _WRONG_STATE:
            self._measuring = False
        elif command == _IDENTITY:
            self._asks = 0
        if state:
            self.counters.exceptions += 1
            self.counters.last_error = f"command {command:#04x}: the sensor says error {state:#04x}"
        return frame

    def decode(self, raw: bytes) -> tuple[Measurement, ...]:
        """Return the values of a reading, the status register, or nothing."""
        body = _unstuffed(raw[1:-1]) or b""
        command, state, data = body[1], body[2], body[4:-1]
        if command == _IDENTITY and data:
            return self._identified(data)
        if command == _STATUS and len(data) == 5:
            return self._stands(data)
        if command != _READ or state & ~_ERROR_FLAG:
            return ()
        values = _numbers(data)
        if values is None:
            return ()
        if self._mistaken or self._status & _BROKEN_BITS:
            why = Reason.CONFIGURATION if self._mistaken else Reason.DEVICE_FAULT
            return tuple(bad(field.name, field.quantity, field.unit, why) for field in _FIELDS)
        return _reading(values, broken=bool(state & _ERROR_FLAG or self._status))

    def _stands(self, data: bytes) -> tuple[Measurement, ...]:
        """Take note of the status register."""
        register = self._status = int.from_bytes(data[:4], "big")
        text = f"0x{register:08X}"
        if register:
            return (bad("status_register", None, "1", Reason.DEVICE_FAULT, text),)
        return (Measurement("status_register", None, text, "1"),)

    def _identified(self, data: bytes) -> tuple[Measurement, ...]:
        """Take note of what it is; nothing is said where it is what it should be."""
        text = data.rstrip(b"\x00").decode("ascii", errors="replace")
        self._mistaken = text != PRODUCT_TYPE
        if not self._mistaken:
            return ()
        self.counters.last_error = (
            f"product type {text!r}: expected {PRODUCT_TYPE!r}: another device than an SPS30"
        )
        return (bad("product_type", None, "1", Reason.CONFIGURATION, text),)

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return the reply to a reading; None is NaN."""
        check_names(self.FACTS.name, values, tuple(field.name for field in _FIELDS))
        masses = filled_masses(self.FACTS.name, values, _FIELDS[:_MASSES])
        usual = dict(zip((field.name for field in _FIELDS[:_MASSES]), masses or (), strict=False))
        numbers = []
        for field in _FIELDS:
            value = values.get(field.name, usual.get(field.name, field.idle))
            content = math.nan if value is None else number(self.FACTS.name, field.name, value)
            numbers.append(content if math.isnan(content) else max(0.0, min(1e30, content)))
        return _sealed(bytes((0, _READ, 0, _FLOATS.size)) + _FLOATS.pack(*numbers))

    def respond(self, request: bytes, values: Mapping[str, Value]) -> bytes:
        """Answer the start command, the questions and the reads; silent to anything else."""
        if request == START_REQUEST:
            return _sealed(bytes((0, _START, 0, 0)))
        if request == IDENTITY_REQUEST:
            answer = PRODUCT_TYPE.encode() + b"\x00"
            return _sealed(bytes((0, _IDENTITY, 0, len(answer))) + answer)
        if request == STATUS_REQUEST:
            return _sealed(bytes((0, _STATUS, 0, 5)) + bytes(5))
        return self.encode(values) if request == READ_REQUEST else b""


def _numbers(data: bytes) -> tuple[float, ...] | None:
    """Return the ten numbers of a reading (floats or words); None where there are none."""
    if len(data) == _FLOATS.size:
        return tuple(_FLOATS.unpack(data))
    if len(data) == _WORDS.size:
        *whole, size = _WORDS.unpack(data)
        return (*map(float, whole), size / 1000)
    return None


def _reading(values: tuple[float, ...], *, broken: bool) -> tuple[Measurement, ...]:
    if not any(values):
        return tuple(
            bad(field.name, field.quantity, field.unit, Reason.WARMING_UP) for field in _FIELDS
        )
    if not any(values[:_SIZE]):
        # A size of no particles at all: what a device with dead optics says for ever (Sensirion/
        # arduino-avr-legacy-i2c-sps30 issue 14). Room air is never that clean.
        why = Reason.IMPLAUSIBLE_PAIR
        return tuple(bad(field.name, field.quantity, field.unit, why) for field in _FIELDS)
    odd = unordered(values[:_MASSES])
    return tuple(
        _value(field, value, odd=at in odd, broken=broken)
        for at, (field, value) in enumerate(zip(_FIELDS, values, strict=True))
    )


def _value(field: Field, value: float, *, odd: bool, broken: bool) -> Measurement:
    if not math.isfinite(value):
        return bad(field.name, field.quantity, field.unit, Reason.DEVICE_FAULT)
    return mass(field, round(value, 4), odd=odd, broken=broken)


def _unstuffed(data: bytes) -> bytes | None:
    """Return the bytes without stuffing; None where it is broken."""
    plain = bytearray()
    escaped = False
    for byte in data:
        if escaped:
            if byte ^ 0x20 not in _STUFFED:
                return None
            plain.append(byte ^ 0x20)
            escaped = False
        elif byte == _ESCAPE:
            escaped = True
        else:
            plain.append(byte)
    return None if escaped else bytes(plain)


def _sealed(body: bytes) -> bytes:
    """Return a frame: check byte, stuffing and both flags."""
    stuffed = bytearray((_FLAG,))
    for byte in body + bytes((~sum(body) & 0xFF,)):
        stuffed += bytes((_ESCAPE, byte ^ 0x20)) if byte in _STUFFED else bytes((byte,))
    return bytes(stuffed) + bytes((_FLAG,))
