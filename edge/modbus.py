"""Modbus RTU over a serial line: CRC, requests, replies, word order, exceptions.

A Linux program behind a USB adapter can't measure the silences that separate RTU frames, so a
reply is recognised by what was asked: address, function, byte count, length and CRC must all
match. Everything else on the line (an echo of the request, a late reply of another slave, noise) is
discarded and counted.

Source: MODBUS over Serial Line V1.02 and MODBUS Application Protocol V1.1b3 (modbus.org).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

# Most registers and bits of one read (application protocol, 6.1 to 6.4).
MAX_REGISTERS = 125
MAX_BITS = 2000
EXCEPTION_BIT = 0x80
EXCEPTION_BYTES = 5
_REQUEST_BYTES = 8


class Function(IntEnum):
    """Function codes that this project uses."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_COIL = 5
    WRITE_REGISTER = 6


_BIT_READS = frozenset({Function.READ_COILS, Function.READ_DISCRETE_INPUTS})
_REGISTER_READS = frozenset({Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS})
READS = _BIT_READS | _REGISTER_READS


class ExceptionFacts(NamedTuple):
    """What an exception code means, and whether asking again can help."""

    meaning: str
    retry: bool


EXCEPTIONS: Mapping[int, ExceptionFacts] = {
    1: ExceptionFacts("illegal function: the device does not know it; mend the options", False),
    2: ExceptionFacts("illegal address: the device has no such register; mend the options", False),
    3: ExceptionFacts("illegal value: count or value refused; mend the options", False),
    4: ExceptionFacts("device failure: try again later", True),
    5: ExceptionFacts("acknowledge: a long job has begun; ask again later", True),
    6: ExceptionFacts("busy: ask again later", True),
    8: ExceptionFacts("memory parity error in the device", True),
    10: ExceptionFacts("gateway path not available: mend the gateway's configuration", False),
    11: ExceptionFacts("gateway target does not answer: try again later", True),
}


class ModbusError(ValueError):
    """A request that the protocol can't carry; mend the configuration."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """Return the Modbus CRC-16 of *data*; on the wire its low byte goes first.

    >>> hex(crc16(b"123456789"))
    '0x4b37'
    """
    crc, table = 0xFFFF, _CRC_TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def with_crc(body: bytes) -> bytes:
    """Return *body* with its CRC behind it.

    >>> with_crc(bytes.fromhex("010300040001")).hex(" ")
    '01 03 00 04 00 01 c5 cb'
    """
    return body + crc16(body).to_bytes(2, "little")


def intact(frame: bytes) -> bool:
    """Return whether the last two bytes of *frame* are the CRC of the others.

    The CRC over a frame and its own CRC is zero.
    """
    return crc16(frame) == 0


def t35_s(baud: int) -> float:
    """Return the silence of 3.5 characters of 11 bits in seconds; fixed above 19200 baud.

    >>> round(t35_s(9600) * 1000, 1), t35_s(115200)
    (4.0, 0.00175)
    """
    return 0.00175 if baud > 19200 else 3.5 * 11 / baud


def wire_s(size: int, baud: int) -> float:
    """Return how long *size* bytes take on the wire in seconds (8N1: 10 bits a byte).

    >>> round(wire_s(7, 9600) * 1000, 1)
    7.3
    """
    return size * 10 / baud


@dataclass(frozen=True, slots=True)
class Request:
    """A read request.

    Attributes:
        address: Slave, 0 to 255 (some modules ship outside 1 to 247).
        function: One of the four reads.
        register: First register or bit, as on the wire (document number minus one, mostly).
        count: How many registers or bits.
    """

    address: int
    function: int
    register: int
    count: int

    def __post_init__(self) -> None:
        """Refuse what the protocol can't carry.

        Raises:
            ModbusError: With what was given and what is expected.
        """
        most = MAX_BITS if self.function in _BIT_READS else MAX_REGISTERS
        if self.function not in READS:
            raise ModbusError(f"Modbus function {self.function}: expected a read, 1 to 4")
        if not 0 <= self.address <= 255:
            raise ModbusError(f"Modbus address {self.address}: expected 0 to 255")
        if not 0 <= self.register <= 0xFFFF:
            raise ModbusError(f"Modbus register {self.register}: expected 0 to 65535")
        if not 1 <= self.count <= most:
            raise ModbusError(f"Modbus count {self.count}: expected 1 to {most}")

    @property
    def frame(self) -> bytes:
        """The bytes to send.

        >>> Request(1, 3, 4, 1).frame.hex(" ")
        '01 03 00 04 00 01 c5 cb'
        """
        return with_crc(
            struct.pack(">BBHH", self.address, self.function, self.register, self.count)
        )

    @property
    def byte_count(self) -> int:
        """How many data bytes the reply must carry."""
        return -(-self.count // 8) if self.function in _BIT_READS else 2 * self.count

    @property
    def reply_bytes(self) -> int:
        """How long the whole reply is."""
        return 5 + self.byte_count


def write_coil(address: int, coil: int, on: bool) -> bytes:
    """Return the request that switches one coil (FC05). Only ever on an operator's command."""
    return _write(address, Function.WRITE_COIL, coil, 0xFF00 if on else 0)


def write_register(address: int, register: int, value: int) -> bytes:
    """Return the request that writes one holding register (FC06). Only on an operator's command.

    Never send one to an unidentified slave: a write may change address, baud rate or zero for good.

    >>> write_register(1, 0x0F, 0).hex(" ")
    '01 06 00 0f 00 00 b9 c9'
    """
    return _write(address, Function.WRITE_REGISTER, register, value)


def _write(address: int, function: int, register: int, value: int) -> bytes:
    if not (0 <= address <= 255 and 0 <= register <= 0xFFFF and 0 <= value <= 0xFFFF):
        raise ModbusError(
            f"Modbus write to {address}/{register} of {value}: expected an address of 0 to 255, "
            "register and value of 0 to 65535"
        )
    return with_crc(struct.pack(">BBHH", address, function, register, value))


class Reply(NamedTuple):
    """One intact reply.

    Attributes:
        address, function: Of the slave that answered; the function without its exception bit.
        data: Data bytes of a read, empty for an exception.
        exception: Exception code, 0 for none.
        raw: The whole frame.
    """

    address: int
    function: int
    data: bytes
    exception: int
    raw: bytes


def parse_reply(raw: bytes) -> Reply | None:
    """Return the reply to a read that *raw* is, with no knowledge of the request, or None.

    >>> parse_reply(bytes.fromhex("01 83 02 C0 F1")).exception
    2
    """
    if len(raw) < EXCEPTION_BYTES or not intact(raw):
        return None
    address, function = raw[0], raw[1]
    if function & EXCEPTION_BIT:
        if len(raw) != EXCEPTION_BYTES or not raw[2]:  # codes begin at 1
            return None
        return Reply(address, function & ~EXCEPTION_BIT, b"", raw[2], raw)
    if function not in READS or len(raw) != 5 + raw[2]:
        return None
    return Reply(address, function, raw[3:-2], 0, raw)


def reply_frame(request: Request, data: bytes) -> bytes:
    """Return the slave's reply with *data* to *request*."""
    return with_crc(bytes((request.address, request.function, len(data))) + data)


def exception_frame(address: int, function: int, code: int) -> bytes:
    """Return the slave's refusal.

    >>> exception_frame(1, 3, 2).hex(" ")
    '01 83 02 c0 f1'
    """
    return with_crc(bytes((address, function | EXCEPTION_BIT, code)))


def is_exception(frame: bytes) -> bool:
    """Return whether a reply is a refusal.

    A simulated bus with two virtual devices at one address sends the answer that is none.
    """
    return len(frame) == EXCEPTION_BYTES and bool(frame[1] & EXCEPTION_BIT)


def parse_request(raw: bytes) -> tuple[int, int, int, int] | None:
    """Return (address, function, register, count or value) of an intact request, or None.

    What a slave sees; functions that it does not know are its own to refuse.
    """
    if len(raw) != _REQUEST_BYTES or not intact(raw):
        return None
    address, function, register, count = struct.unpack(">BBHH", raw[:6])
    return address, function, register, count


class WordOrder(StrEnum):
    """How a device puts a 32-bit number into two registers (A is the most significant byte)."""

    ABCD = "ABCD"  # high word first, big-endian: the usual one
    CDAB = "CDAB"  # low word first
    BADC = "BADC"  # bytes swapped in each word
    DCBA = "DCBA"  # little-endian


_ORDER_INDEX = {order: tuple("ABCD".index(letter) for letter in order) for order in WordOrder}


def arrange(data: bytes, order: WordOrder) -> bytes:
    """Return four bytes in another order; each order undoes itself.

    >>> arrange(bytes.fromhex("86A00001"), WordOrder.CDAB).hex()
    '000186a0'
    """
    if order is WordOrder.ABCD:
        return data
    return bytes(data[index] for index in _ORDER_INDEX[order])


def unpack_bits(data: bytes, count: int) -> list[bool]:
    """Return the first *count* bits, least significant of the first byte first.

    >>> unpack_bits(bytes([0x81]), 8)
    [True, False, False, False, False, False, False, True]
    """
    return [bool(data[index >> 3] >> (index & 7) & 1) for index in range(count)]


def pack_bits(bits: list[bool]) -> bytes:
    """Return bits as data bytes, the first bit lowest.

    >>> pack_bits([True, False, True]).hex()
    '05'
    """
    data = bytearray(-(-len(bits) // 8))
    for index, bit in enumerate(bits):
        if bit:
            data[index >> 3] |= 1 << (index & 7)
    return bytes(data)
