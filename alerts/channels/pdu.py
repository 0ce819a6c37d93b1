"""SMS as PDUs of 3GPP TS 23.040: written for sending, read as they come in. Pure.

Text that the GSM 7-bit alphabet (TS 23.038) holds travels in seven bits a character: 160 in one
SMS, 153 in each of several. Other text is UCS-2 (UTF-16): 70 and 67 code units. Several parts carry
a concatenation header; a part is never cut within a character.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

# TS 23.038, 6.2.1: index = septet. 0x1B escapes to the extension table.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {"\f": 10, "^": 20, "{": 40, "}": 41, "\\": 47, "[": 60, "~": 61, "]": 62, "|": 64,
              "€": 101}  # fmt: skip
_SEPTETS = {sign: index for index, sign in enumerate(_BASIC) if sign != "\x1b"}
_EXTENDED = {index: sign for sign, index in _EXTENSION.items()}
_ESCAPE = 0x1B
# Units of one SMS, and of each of several (the header takes six octets).
GSM_UNITS, GSM_PART_UNITS = 160, 153
UCS2_UNITS, UCS2_PART_UNITS = 70, 67
_DIGITS = "0123456789*#abc"
# First octet of a SUBMIT: type, relative validity; and what may be added (TS 23.040, 9.2.3).
_SUBMIT, _RELATIVE, _REPORT, _HEADER = 0x01, 0x10, 0x20, 0x40
_INTERNATIONAL = 0x91
_DCS_GSM, _DCS_UCS2 = 0x00, 0x08
_TYPE_DELIVER, _TYPE_REPORT = 0, 2


class PduError(ValueError):
    """Bytes that are no PDU as we understand it; they are set aside."""


@dataclass(frozen=True, slots=True)
class Submit:
    """One PDU to send: hexadecimal for AT+CMGS, and its length without the SMSC's octets."""

    text: str
    length: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that came in.

    Attributes:
        sender: Number with its country where the network says so, else as it is; or a name.
        text: Of this part.
        part, parts: Which of how many.
    """

    sender: str
    text: str
    part: int = 1
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery report: of which reference, to whom, and TP-ST (TS 23.040, 9.2.3.15)."""

    reference: int
    recipient: str
    status: int

    @property
    def delivered(self) -> bool:
        """The recipient's phone has it."""
        return self.status <= 0x02

    @property
    def failed(self) -> bool:
        """The network has given it up; between the two it still tries."""
        return self.status >= 0x40


def is_gsm(text: str) -> bool:
    """Tell whether the 7-bit alphabet holds the whole text."""
    return all(sign in _SEPTETS or sign in _EXTENSION for sign in text)


def units(text: str) -> int:
    """Return how many units a text takes: septets, or UTF-16 code units.

    >>> units("a€"), units("水位"), units("🌊")
    (3, 2, 2)
    """
    if is_gsm(text):
        return sum(2 if sign in _EXTENSION else 1 for sign in text)
    return len(text.encode("utf-16-be")) // 2


def room(text: str, parts: int) -> int:
    """Return how many units of this text's alphabet fit into so many parts."""
    whole, part = (GSM_UNITS, GSM_PART_UNITS) if is_gsm(text) else (UCS2_UNITS, UCS2_PART_UNITS)
    return whole if parts == 1 else part * parts


def split(text: str) -> list[str]:
    """Return the texts of the parts, one if it fits."""
    if units(text) <= room(text, 1):
        return [text]
    most = room(text, 2) // 2
    gsm = is_gsm(text)
    parts, part, used = [], "", 0
    for sign in text:
        size = (2 if sign in _EXTENSION else 1) if gsm else units(sign) if sign > "\uffff" else 1
        if used + size > most:
            parts.append(part)
            part, used = "", 0
        part += sign
        used += size
    return [*parts, part]


def submits(
    number: str, text: str, *, reference: int, validity_s: float, report: bool = True
) -> list[Submit]:
    """Return the PDUs that carry *text* to *number*.

    Args:
        number: International, `+86…`.
        text: Whole text.
        reference: Ties the parts together, 0 to 255.
        validity_s: For how long the network tries, seconds.
        report: Ask for a delivery report.
    """
    parts = split(text)
    gsm = is_gsm(text)
    first = _SUBMIT | _RELATIVE | (_REPORT if report else 0) | (_HEADER if len(parts) > 1 else 0)
    found = []
    for index, part in enumerate(parts, 1):
        header = bytes((5, 0, 3, reference & 0xFF, len(parts), index)) if len(parts) > 1 else b""
        body, length = _gsm_data(part, header) if gsm else _ucs2_data(part, header)
        data = bytes((first, 0)) + _address(number)
        data += bytes((0, _DCS_GSM if gsm else _DCS_UCS2, validity(validity_s), length)) + body
        found.append(Submit("00" + data.hex().upper(), len(data)))
    return found


def validity(seconds: float) -> int:
    """Return TP-VP in the relative format: at least so long (TS 23.040, 9.2.3.12.1).

    >>> [validity(seconds) for seconds in (60, 1800, 7200, 86_400, 172_800)]
    [0, 5, 23, 167, 168]
    """
    if seconds <= 12 * 3600:
        return max(math.ceil(seconds / 300) - 1, 0)
    if seconds <= 24 * 3600:
        return 143 + math.ceil((seconds - 12 * 3600) / 1800)
    return min(166 + math.ceil(seconds / 86_400), 196)


def read(text: str) -> Incoming | Report:
    """Return what a PDU says that came from the modem.

    Raises:
        PduError: It is cut, or of another kind.
    """
    try:
        data = bytes.fromhex(text.strip())
        data = data[1 + data[0] :]  # the SMSC's address
        kind, header = data[0] & 0x03, bool(data[0] & _HEADER)
        if kind == _TYPE_DELIVER:
            return _read_deliver(data, header=header)
        if kind == _TYPE_REPORT:
            recipient, at = _read_address(data, 2)
            return Report(data[1], recipient, data[at + 14])
    except (IndexError, ValueError) as error:
        raise PduError(f"not a PDU: {text[:40]!r}") from error
    raise PduError(f"a PDU of kind {kind}")


def _read_deliver(data: bytes, *, header: bool) -> Incoming:
    sender, at = _read_address(data, 1)
    coding, length, body = data[at + 1], data[at + 9], data[at + 10 :]
    part, parts, skip = 1, 1, 0
    if header:
        skip = body[0] + 1
        part, parts = _concatenation(body[1:skip])
    if coding & 0x0C == 0x08 and coding < 0xC0:
        text = body[skip:length].decode("utf-16-be", errors="replace")
    elif coding & 0x0C == 0x04 and coding < 0xC0:
        text = body[skip:length].decode("latin-1")
    else:
        filled = math.ceil(skip * 8 / 7)
        text = _gsm_text(_unpack(body)[filled:length])
    return Incoming(sender, text, part, parts)


def _concatenation(header: bytes) -> tuple[int, int]:
    """Return part and parts of a header's elements; 1 of 1 without such an element."""
    while len(header) >= 2:
        name, size, value = header[0], header[1], header[2 : 2 + header[1]]
        if name == 0 and size == 3:
            return value[2], value[1]
        if name == 8 and size == 4:
            return value[3], value[2]
        header = header[2 + size :]
    return 1, 1


def _address(number: str) -> bytes:
    if re.fullmatch(r"\+[0-9]{1,20}", number) is None:
        raise PduError(f"{number[:3]}…: not an international number")
    digits = number[1:]
    return bytes((len(digits), _INTERNATIONAL)) + bytes.fromhex(_swapped(digits))


def _swapped(digits: str) -> str:
    padded = digits + "F" * (len(digits) % 2)
    return "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))


def _read_address(data: bytes, at: int) -> tuple[str, int]:
    """Return an address and the index behind it."""
    length, kind = data[at], data[at + 1]
    size = (length + 1) // 2
    raw = data[at + 2 : at + 2 + size]
    if len(raw) < size:
        raise PduError("the address is cut")
    end = at + 2 + size
    if kind & 0x70 == 0x50:  # a name in seven bits; the length counts half octets
        return _gsm_text(_unpack(raw)[: length * 4 // 7]), end
    halves = [half for octet in raw for half in (octet & 0x0F, octet >> 4)][:length]
    digits = "".join(_DIGITS[half] if half < 15 else "" for half in halves)
    return ("+" if kind & 0x70 == 0x10 else "") + digits, end


def _gsm_data(text: str, header: bytes) -> tuple[bytes, int]:
    septets: list[int] = []
    for sign in text:
        if sign in _EXTENSION:
            septets += (_ESCAPE, _EXTENSION[sign])
        else:
            septets.append(_SEPTETS[sign])
    filled = math.ceil(len(header) * 8 / 7)
    number = 0
    for index, septet in enumerate(septets, filled):
        number |= septet << (7 * index)
    count = filled + len(septets)
    data = bytearray(number.to_bytes(math.ceil(count * 7 / 8), "little"))
    data[: len(header)] = header
    return bytes(data), count


def _ucs2_data(text: str, header: bytes) -> tuple[bytes, int]:
    data = header + text.encode("utf-16-be")
    return data, len(data)


def _unpack(data: bytes) -> list[int]:
    number = int.from_bytes(data, "little")
    return [(number >> (7 * index)) & 0x7F for index in range(len(data) * 8 // 7)]


def _gsm_text(septets: list[int]) -> str:
    text, escaped = "", False
    for septet in septets:
        if escaped:
            text += _EXTENDED.get(septet, " ")
        elif septet != _ESCAPE:
            text += _BASIC[septet]
        escaped = septet == _ESCAPE and not escaped
    return text
