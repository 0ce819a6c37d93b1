"""What the network behind the virtual modem makes of PDUs (3GPP TS 23.040), with code of its own.

Written from the standard's tables, octet by octet, and strict: it shares no line, and so no fault,
with the hub's encoder.
"""

from __future__ import annotations

from dataclasses import dataclass

# TS 23.038, 6.2.1, row by row as the standard prints it (bits 4 to 1 down, 7 to 5 across).
_COLUMNS = (
    "@£$¥èéùìòÇ\nØø\rÅå", "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ", " !\"#¤%&'()*+,-./", "0123456789:;<=>?",
    "¡ABCDEFGHIJKLMNO", "PQRSTUVWXYZÄÖÑÜ§", "¿abcdefghijklmno", "pqrstuvwxyzäöñüà",
)  # fmt: skip
_BEHIND_ESCAPE = {0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]",
                  0x40: "|", 0x65: "€", 0x0A: "\f"}  # fmt: skip
_TIME = "52110301353240"  # 30 November 2025, 10:53:23 +1:00, as swapped digits


@dataclass(frozen=True, slots=True)
class PartOfSms:
    """What the network got in one SUBMIT.

    Attributes:
        number: To whom.
        text: Of this part.
        group, part, parts: Of the concatenation header; 0, 1, 1 without one.
        validity_s: For how long the network tries.
        report: Was a delivery report asked for?
        ucs2: Was it UCS-2, or seven bits?
    """

    number: str
    text: str
    group: int
    part: int
    parts: int
    validity_s: int
    report: bool
    ucs2: bool


def report(reference: int, number: str, status: int) -> str:
    """Return the STATUS-REPORT of a message that went to *number*."""
    return f"0006{reference:02X}{_number(number)}{_TIME}{_TIME}{status:02X}"


def deliver(sender: str, text: str) -> str:
    """Return the DELIVER of a message from a phone, in UCS-2."""
    body = text.encode("utf-16-be")
    return f"0004{_number(sender)}0008{_TIME}{len(body):02X}{body.hex().upper()}"


def _number(number: str) -> str:
    digits = number.lstrip("+")
    pairs = [digits[at : at + 2].ljust(2, "F") for at in range(0, len(digits), 2)]
    kind = "91" if number.startswith("+") else "81"
    return f"{len(digits):02X}{kind}" + "".join(pair[1] + pair[0] for pair in pairs)


def read_submit(pdu: str, length: int) -> PartOfSms:
    """Return what the hub sent.

    Raises:
        ValueError: It breaks a rule of the standard.
    """
    octets = list(bytes.fromhex(pdu))
    octets = octets[octets[0] + 1 :]
    if len(octets) != length or octets[0] & 3 != 1 or octets[0] & 0x18 != 0x10:
        raise ValueError("not a SUBMIT with a relative validity, or of another length")
    digits = octets[2]
    end = 4 + (digits + 1) // 2
    number = "".join(f"{octet & 15:X}{octet >> 4:X}" for octet in octets[4:end])[:digits]
    coding, validity, size = octets[end + 1 : end + 4]
    data = octets[end + 4 :]
    group, part, parts, header = 0, 1, 1, 0
    if octets[0] & 0x40:
        header = data[0] + 1
        if data[1:3] != [0, 3]:
            raise ValueError("a header without concatenation")
        group, parts, part = data[3:6]
    if coding == 8:
        if size != len(data) or size > 140:
            raise ValueError("user data of another length")
        text = bytes(data[header:]).decode("utf-16-be")  # strict: a part never ends in a surrogate
    else:
        text = _seven_bits(data, size, (header * 8 + 6) // 7)
    return PartOfSms(
        "+" + number if octets[3] == 0x91 else number, text, group, part, parts,
        _seconds(validity), bool(octets[0] & 0x20), coding == 8,
    )  # fmt: skip


def _seven_bits(data: list[int], size: int, skip: int) -> str:
    if size > 160 or len(data) != (size * 7 + 7) // 8:
        raise ValueError("user data of another length")
    bits = [octet >> shift & 1 for octet in data for shift in range(8)]
    text, escaped = "", False
    for index in range(skip, size):
        septet = sum(bits[index * 7 + place] << place for place in range(7))
        sign = _BEHIND_ESCAPE[septet] if escaped else _COLUMNS[septet >> 4][septet & 15]
        escaped = sign == "\x1b"
        text += "" if escaped else sign
    return text


def _seconds(validity: int) -> int:
    if validity <= 143:
        return (validity + 1) * 300
    if validity <= 167:
        return 12 * 3600 + (validity - 143) * 1800
    return (validity - 166) * 86_400
