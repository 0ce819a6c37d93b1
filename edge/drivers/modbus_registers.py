"""`modbus_registers`: any Modbus device, by a profile that an installer wrote, or by one register.

A sensor's entry names the file (`options.profile = "file.toml"`, see `register_profile.py`), or
describes a single register by the options themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import DriverError, Option
from edge.drivers.register import Register
from edge.drivers.register_driver import RegisterDriver, facts_of
from edge.drivers.register_profile import Profile, load_profile
from edge.modbus import WordOrder

_TYPES = ("u16", "s16", "u32", "s32", "f32", "bool")

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
