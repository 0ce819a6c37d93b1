"""The driver of every Modbus device that is a table of registers.

`modbus_registers` reads what a sensor's entry says: a profile (`options.profile = "file.toml"`, see
`register_profile.py`), or a single register by the options themselves. Devices whose profile is
shipped have a name of their own; `shipped_driver` makes their classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import (
    Check,
    DriverError,
    DriverFacts,
    Measurement,
    Mode,
    Option,
    Value,
)
from edge.drivers.modbus_device import Memory, ModbusDriver
from edge.drivers.register_profile import (
    Block,
    Profile,
    Register,
    blocks_of,
    load_profile,
    shipped,
    spoil,
    spoiled,
)
from edge.drivers.stream import check_names, paired
from edge.modbus import Function, Reply, Request, WordOrder, unpack_bits
from edge.modbus_reader import Shapes

_BIT_READS = (Function.READ_COILS, Function.READ_DISCRETE_INPUTS)
_TYPES = ("u16", "s16", "u32", "s32", "f32", "bool")


class RegisterDriver(ModbusDriver):
    """A device that is fully described by a profile.

    Values that stand in neighbouring registers are read together; several blocks take turns, so
    that a frame holds the values of one of them. Where the profile names an identity it is read
    first, and again after a missing answer: another device at this address gives no numbers.

    Attributes:
        PROFILE: The device's table.
    """

    PROFILE: ClassVar[Profile]
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "function": Option(0, "function code of the read; 0 = as the profile says", 0, 4),
        "register": Option(-1, "first register on the wire; -1 = as the profile says", -1, 0xFFFF),
        "word_order": Option(
            "",
            "order of the bytes of a 32-bit value; '' = as the profile says",
            choices=("", *WordOrder),
        ),
    }

    __slots__ = ("_blocks", "_confirmed", "_facts", "_mistaken", "_spoilers", "_turn", "profile")

    profile: Profile

    def prepare(self) -> None:
        """Read the profile."""
        self.profile = self.described()
        self._blocks = blocks_of(self.profile.value)
        self._spoilers = {row.name: False for row in self.profile.value if row.spoils}
        self._facts = facts_of(self.FACTS.name, self.profile)
        self._turn = 0
        self._confirmed = self._mistaken = False

    @property
    def facts(self) -> DriverFacts:
        """What is known of the device."""
        return self._facts

    @property
    def requests_per_reading(self) -> int:
        """How many requests read the whole table once."""
        return len(self._blocks)

    def described(self) -> Profile:
        """Return the profile, moved as the options say."""
        return moved(self.PROFILE, self.settings.text("word_order"), *self._place())

    def _place(self) -> tuple[int, int]:
        return self.settings.whole("function"), self.settings.whole("register")

    def block(self) -> Request:
        """Return the identity until it is confirmed, then each block in its turn."""
        one = self.profile.identity
        if one is not None and not self._confirmed:
            return Request(self.address, one.function, one.register, 1)
        return self._request_of(self._blocks[self._turn])

    def usual_block(self) -> Request:
        """Return the first block."""
        return self._request_of(self._blocks[0])

    def request(self) -> bytes:
        """Return the next request; after an unanswered one the identity is read again."""
        if self._reader.awaiting:
            self._confirmed = False
        return super().request()

    def _request_of(self, block: Block) -> Request:
        return Request(self.address, block.function, block.register, block.count)

    def shapes(self) -> Shapes:
        """Return the replies of all blocks."""
        found: dict[int, frozenset[int]] = {}
        for block in self._blocks:
            size = self._request_of(block).byte_count
            found[block.function] = found.get(block.function, frozenset()) | {size}
        return found

    def measure(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        """Return every value of the block that was asked; of a bare reply, of the first that fits.

        The answer to the question for the identity holds no value.
        """
        one = self.profile.identity
        if asked is not None and one is not None and not self._confirmed:
            content = int.from_bytes(reply.data, "big")
            self._confirmed = True
            self._mistaken = content not in one.equals
            if self._mistaken:
                self.counters.last_error = (
                    f"register {one.register} holds {content}: expected "
                    f"{' or '.join(map(str, one.equals))}: another device than {self._facts.title}"
                )
            return ()
        block = self._block_of(reply, asked)
        if asked is not None:
            self._turn = (self._blocks.index(block) + 1) % len(self._blocks)
        return self._judged(block, tuple(_values(block, reply.data)))

    def _block_of(self, reply: Reply, asked: Request | None) -> Block:
        for block in self._blocks:
            wanted = self._request_of(block)
            if asked is None:
                if (block.function, wanted.byte_count) == (reply.function, len(reply.data)):
                    return block
            elif (wanted.function, wanted.register) == (asked.function, asked.register):
                return block
        return self._blocks[0]

    def _judged(self, block: Block, found: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
        for row, one in zip(block.rows, found, strict=True):
            if row.spoils:
                self._spoilers[row.name] = one.value is True
        if self._mistaken:
            return tuple(spoil(one, Reason.CONFIGURATION) for one in found)
        active = [row for row in self.profile.value if self._spoilers.get(row.name)]
        return spoiled(paired(found), active)

    def refused(self, reply: Reply) -> None:
        """Take note: a device without the identity's register is another device.

        A block that is refused must not keep the others from their turn.
        """
        if self.profile.identity is not None and not self._confirmed:
            self._mistaken = self._confirmed = reply.exception in (1, 2, 3)
            return
        self._turn = (self._turn + 1) % len(self._blocks)

    def memory(self, function: int, values: Mapping[str, Value]) -> Memory | None:
        """Return the registers of the table."""
        rows = self.profile.value
        check_names(self.FACTS.name, values, tuple(row.name for row in rows))
        one = self.profile.identity
        memory: dict[int, int] = {}
        if one is not None and one.function == function:
            memory[one.register] = one.equals[0]
        known = [row for row in rows if row.function == function]
        if not known and not memory:
            return None
        for row in known:
            for register, word in row.write(
                self.FACTS.name, values.get(row.name, row.idle)
            ).items():
                # Several values may be bits of one register.
                memory[register] = memory.get(register, 0) | word
        return memory


def _values(block: Block, data: bytes) -> list[Measurement]:
    if block.function in _BIT_READS:
        bits = unpack_bits(data, block.count)
        return [row.read(bytes((bits[row.register - block.register],))) for row in block.rows]
    return [
        row.read(data[2 * at : 2 * (at + row.words)])
        for row in block.rows
        for at in (row.register - block.register,)
    ]


def moved(profile: Profile, word_order: str, function: int, register: int) -> Profile:
    """Return a profile whose table begins at another register, or is read in another way."""
    shift = 0 if register < 0 else register - min(row.register for row in profile.value)
    replace = msgspec.structs.replace
    rows = [
        replace(
            row,
            register=row.register + shift,
            function=function or row.function,
            word_order=WordOrder(word_order or row.word_order),
        )
        for row in profile.value
    ]
    changed = replace(profile, value=tuple(rows))
    for problem in changed.problems():
        raise DriverError(f"{profile.title}: with these options: {problem}")
    return changed


def facts_of(name: str, profile: Profile) -> DriverFacts:
    """Return a profile as the facts of a driver."""
    quantities = dict.fromkeys(row.quantity for row in profile.value if row.quantity is not None)
    told = [row for row in profile.value if row.type != "bool" or row.quantity is not None]
    return DriverFacts(
        name=name,
        title=profile.title,
        mode=Mode.POLL,
        baud=profile.baud,
        check=Check.STRONG,
        warm_up_s=profile.warm_up_s,
        interval_s=profile.interval_s,
        verified=profile.verified,
        quantities=tuple(quantities),
        source=profile.source,
        fields=tuple(row.field for row in told or profile.value),
    )


def shipped_driver(name: str) -> type[RegisterDriver]:
    """Return the class of a device whose profile is shipped as `profiles/NAME.toml`."""
    profile = shipped(name)
    members = {
        "__doc__": f"{profile.title}: see `profiles/{name}.toml`.",
        "__slots__": (),
        "PROFILE": profile,
        "FACTS": facts_of(name, profile),
    }
    return type(name.title().replace("_", ""), (RegisterDriver,), members)


_INLINE = Profile(
    title="one Modbus register",
    source="the options of the sensor's entry",
    verified=False,
    value=(Register("value", 0),),
)


class ModbusRegisters(RegisterDriver):
    """Any Modbus device: an installer's profile, or one register that the options describe."""

    PROFILE = _INLINE
    FACTS = facts_of("modbus_registers", _INLINE)
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "profile": Option("", "TOML file that describes the device; '' = by the options below"),
        "name": Option("value", "name of the value"),
        "quantity": Option("", "its quantity; '' = none", choices=("", *Quantity)),
        "unit": Option("1", "its unit, as the device counts after scale and offset"),
        "function": Option(3, "function code of the read", 1, 4),
        "register": Option(0, "register or bit on the wire", 0, 0xFFFF),
        "type": Option("u16", "content of the register", choices=_TYPES),
        "word_order": Option("ABCD", "bytes of a 32-bit value", choices=tuple(WordOrder)),
        "scale": Option(1.0, "value = content x scale + offset"),
        "offset": Option(0.0, "value = content x scale + offset"),
        "mask": Option(0xFFFF, "which bits of a 16-bit content count", 1, 0xFFFF),
        "invert": Option(False, "0 means true (bool)"),
        "low": Option(-math.inf, "lowest believable value"),
        "high": Option(math.inf, "highest believable value"),
        "saturates": Option(False, "above high means 'at least high'"),
        "sentinels": Option("", "contents that are no number: '0xFFFF=device-fault, 0x7FFF=range'"),
        "warm_up_s": Option(0.0, "seconds after power-up that are not to be believed", 0, 86_400),
    }

    __slots__ = ()

    def described(self) -> Profile:
        """Return the profile that the file or the options give.

        Raises:
            DriverError: They can't be used, or both are given.
        """
        path = self.settings.text("profile")
        if not path:
            return self._inline()
        others = sorted(self.options.keys() - {"profile", "address", "baud"})
        if others:
            raise DriverError(
                f"driver modbus_registers: profile and {', '.join(others)}: expected one or the "
                "other; write it into the profile"
            )
        return load_profile(Path(path))

    def _inline(self) -> Profile:
        settings = self.settings
        fields = {
            name: getattr(settings, kind)(name)
            for kind, names in (
                ("text", ("name", "unit", "type", "word_order")),
                ("whole", ("function", "register", "mask")),
                ("number", ("scale", "offset", "low", "high")),
                ("flag", ("invert", "saturates")),
            )
            for name in names
        }
        row = Register(
            **{
                **fields,
                "word_order": WordOrder(fields["word_order"]),
                "quantity": Quantity(settings.text("quantity"))
                if settings.text("quantity")
                else None,
                "sentinels": _sentinels(settings.text("sentinels")),
            }
        )
        profile = msgspec.structs.replace(
            _INLINE, value=(row,), warm_up_s=settings.number("warm_up_s")
        )
        for problem in profile.problems():
            raise DriverError(f"driver modbus_registers: options: {problem}")
        return profile


def _sentinels(text: str) -> dict[str, Reason]:
    """Return the sentinels of an option.

    >>> {content: str(reason) for content, reason in _sentinels("0xFFFF=range, 0x7FFF").items()}
    {'0xFFFF': 'range', '0x7FFF': 'device-fault'}
    """
    found = {}
    for piece in filter(None, (part.strip() for part in text.split(","))):
        content, _, word = piece.partition("=")
        try:
            found[content.strip()] = Reason(word.strip() or Reason.DEVICE_FAULT)
        except ValueError as error:
            raise DriverError(
                f"driver modbus_registers: option sentinels: {word.strip()!r}: expected one of "
                f"{', '.join(Reason)}"
            ) from error
    return found
