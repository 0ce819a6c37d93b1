"""`safety-eye decode`: what a driver makes of a captured frame, without a port, a clock or a past.

Default configuration of the device, warm unless the frame itself says otherwise; a bare Modbus
reply needs no request. A frame that is rejected yields no line, but a word on why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from core.quality import Quality
from edge.drivers import make_driver
from edge.drivers.base import Frame, FrameCounters, Measurement, Options, Value

LineValue = Value | list[str]

# Exit codes of the command.
SOME_GOOD, NONE_GOOD, WRONG_CALL = 0, 1, 2

# By hand there is nobody who configured the word order or the model: what is evident is guessed.
BY_HAND: Mapping[str, Options] = {
    "modbus_di_module": {"word_order": "auto"},
    "maxbotix_mb7389": {"digits": 0},
}
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.)|$)", re.DOTALL)
_SIMPLE_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
_SEPARATORS = re.compile(r"[\s,;:_-]+")
_ESCAPES_HINT = "expected \\r, \\n, \\t, \\0, \\\\ or \\xHH"


class DecodeArgumentError(ValueError):
    """The bytes on the command line can't be read; the message says where."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came out of some bytes.

    Attributes:
        lines: One JSON object per value, in the order of the frame.
        counters: What was accepted and what was thrown away.
        exit_code: 0 if at least one value is good (diagnostics count only where a frame has
            nothing else), else 1.
    """

    lines: tuple[dict[str, LineValue], ...]
    counters: FrameCounters
    exit_code: int

    @property
    def note(self) -> str:
        """One sentence for standard error; empty where there is nothing to say."""
        counters = self.counters
        if counters.last_error:
            return counters.last_error
        if not counters.good and counters.discarded_bytes:
            return f"no frame in these {counters.discarded_bytes} bytes: cut off, or another device"
        if counters.good and not self.lines:
            return "a frame without values (acknowledgement or hello)"
        return ""


def decode_lines(driver_name: str, data: bytes, options: Options | None = None) -> Decoded:
    """Return what the driver reads in *data*.

    Raises:
        edge.drivers.base.DriverError: There is no such driver or option.
    """
    driver = make_driver(driver_name, {**BY_HAND.get(driver_name, {}), **(options or {})})
    frames = driver.feed(data) + driver.flush()
    lines = tuple(line for frame in frames for line in shown_lines(driver_name, frame))
    good = any(line["quality"] == Quality.GOOD for line in lines)
    return Decoded(lines, driver.counters, SOME_GOOD if good else NONE_GOOD)


def shown_lines(driver_name: str, frame: Frame) -> tuple[dict[str, LineValue], ...]:
    """Return one JSON object for each value of a frame."""
    return tuple(_line(driver_name, measurement) for measurement in _told(frame))


def _told(frame: Frame) -> tuple[Measurement, ...]:
    """Return the measurements of a frame as a person should take them.

    Where no quantity of a frame is good (a fault, a saturated sensor) its diagnostics are no
    better: a version byte or a particle count does not make such a frame a success.
    """
    measured = [one for one in frame.measurements if one.quantity is not None]
    if not measured or any(one.quality is Quality.GOOD for one in measured):
        return frame.measurements
    worst = max(measured, key=lambda one: one.quality is Quality.BAD)
    return tuple(
        msgspec.structs.replace(one, quality=worst.quality, reasons=worst.reasons)
        if one.quality is Quality.GOOD
        else one
        for one in frame.measurements
    )


def _line(driver: str, measurement: Measurement) -> dict[str, LineValue]:
    quantity = measurement.quantity
    reasons: list[str] = [str(reason) for reason in measurement.reasons]
    return {
        "driver": driver,
        "name": measurement.name,
        "quantity": str(quantity) if quantity is not None else None,
        "value": measurement.value,
        "unit": measurement.unit,
        "quality": str(measurement.quality),
        "reasons": reasons,
    }


def parse_hex(text: str) -> bytes:
    """Return the bytes of a hex text, in any case and spacing, with or without `0x`.

    Raises:
        DecodeArgumentError: It is none; the message names the first wrong place.

    >>> parse_hex("FF 07 a1A7").hex()
    'ff07a1a7'
    >>> parse_hex("0xFF,0x07").hex()
    'ff07'
    """
    pieces = [piece for piece in _SEPARATORS.split(text.strip()) if piece]
    if not pieces:
        raise DecodeArgumentError("--hex: no bytes given; expected something like 'FF 07 A1 A7'")
    data = bytearray()
    for piece in pieces:
        digits = piece.removeprefix("0x").removeprefix("0X")
        if not re.fullmatch(r"[0-9A-Fa-f]+", digits):
            raise DecodeArgumentError(f"--hex: {piece!r} is not hexadecimal (0-9, A-F)")
        if len(digits) == 1 and len(pieces) > 1:
            digits = "0" + digits
        if len(digits) % 2:
            raise DecodeArgumentError(f"--hex: {piece!r}: an odd number of digits")
        data += bytes.fromhex(digits)
    return bytes(data)


def parse_ascii(text: str) -> bytes:
    r"""Return the bytes of a text with escapes; anything beyond ASCII goes out as UTF-8.

    Raises:
        DecodeArgumentError: An escape that does not exist.

    >>> parse_ascii(r"R0480\r")
    b'R0480\r'
    """
    if not text:
        raise DecodeArgumentError("--ascii: no text given; expected something like 'R0480\\r'")
    data = bytearray()
    at = 0
    for match in _ESCAPE.finditer(text):
        data += text[at : match.start()].encode("utf-8", "surrogateescape")
        data += _escaped(match)
        at = match.end()
    return bytes(data + text[at:].encode("utf-8", "surrogateescape"))


def _escaped(match: re.Match[str]) -> bytes:
    code, letter = match.groups()
    if code is not None:
        return bytes.fromhex(code)
    if letter not in _SIMPLE_ESCAPES:
        raise DecodeArgumentError(
            f"--ascii: {match.group()!r} at character {match.start() + 1}: {_ESCAPES_HINT}"
        )
    return _SIMPLE_ESCAPES[letter].encode()
