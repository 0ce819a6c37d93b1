"""Modbus devices that are a table: which register holds what, in which unit, over which range.

A profile is data (TOML): the shipped ones stand in `profiles/`, an installer may write another one
for a device that nobody has met yet. `modbus_registers.py` drives both.

```toml
title = "SONBEST SM7571B smoke transmitter"
source = "sonbus.com/english/products/SM7571.html"   # where each number is from
verified = true                       # false: nobody has confirmed it on the device or in a sheet
baud = 9600
warm_up_s = 180

[[value]]
name = "smoke"
quantity = "smoke-index"
unit = "ppm"
function = 3                          # 1 coils, 2 discrete inputs, 3 holding, 4 input registers
register = 0                          # as on the wire: mostly the document's number minus one
type = "u16"                          # u16, s16, u32, s32, f32, bool
scale = 1.0                           # value = content x scale + offset
low = 0
high = 2000
saturates = true                      # above high is the danger: "at least high"
sentinels = { "0xFFFF" = "device-fault" }
```
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from core.configuration import ConfigurationError, parse_toml
from edge.drivers.base import DriverError
from edge.drivers.register import Register
from edge.modbus import MAX_REGISTERS, Function

# A profile is a page of text; a file that is much longer is something else.
_MOST_BYTES = 64_000
_MOST_VALUES = 64


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A register that must hold a known number before anything else is believed.

    Attributes:
        register, function: Where it is.
        equals: Contents that the device may have there (model numbers).
    """

    register: int
    equals: tuple[int, ...]
    function: int = Function.READ_HOLDING_REGISTERS


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device that is fully described by its registers.

    Attributes:
        title: For people.
        source: Where the numbers are from.
        verified: False where no document or capture confirms them.
        value: The table.
        identity: What is read first, to be sure that it is this device.
        baud: Usual baud rate.
        warm_up_s, interval_s: As in `DriverFacts`.
    """

    title: str
    source: str
    verified: bool
    value: tuple[Register, ...]
    identity: Identity | None = None
    baud: int = 9600
    warm_up_s: float = 0.0
    interval_s: float = 1.0

    def problems(self) -> list[str]:
        """Return everything that is wrong with the profile, in words; empty if nothing is."""
        found = [problem for row in self.value for problem in row.problems()]
        if not 1 <= len(self.value) <= _MOST_VALUES:
            found.append(f"value: expected 1 to {_MOST_VALUES} of them")
        names = [row.name for row in self.value]
        found += [f"value {name!r}: twice" for name in sorted({*names}) if names.count(name) > 1]
        for row in self.value:
            found += [
                f"value {row.name!r}: spared {name!r} is not a value"
                for name in row.spared
                if name not in names
            ]
        if not 300 <= self.baud <= 4_000_000:
            found.append(f"baud {self.baud}: expected 300 to 4000000")
        if not (0 <= self.warm_up_s <= 86_400 and 0 < self.interval_s <= 86_400):
            found.append("warm_up_s, interval_s: expected seconds of at most a day")
        one = self.identity
        if one and not (one.function in (3, 4) and 0 <= one.register <= 0xFFFF and one.equals):
            found.append("identity: expected function 3 or 4, a register, and what it equals")
        return found


class Block(msgspec.Struct, frozen=True):
    """Neighbouring values that are read with one request."""

    function: int
    register: int
    count: int
    rows: tuple[Register, ...]


def blocks_of(rows: Iterable[Register]) -> tuple[Block, ...]:
    """Return the fewest requests that read *rows* and no register that nobody described.

    A gap is never read across: many devices refuse a block that holds an unknown register. The
    block of the first row comes first.
    """
    rows = tuple(rows)
    blocks: list[Block] = []
    for row in sorted(rows, key=lambda one: (one.function, one.register)):
        last = blocks[-1] if blocks else None
        end = row.register + row.words
        if (
            last is None
            or last.function != row.function
            or row.register > last.register + last.count
            or end - last.register > MAX_REGISTERS
        ):
            blocks.append(Block(row.function, row.register, row.words, (row,)))
            continue
        count = max(last.count, end - last.register)
        blocks[-1] = Block(last.function, last.register, count, (*last.rows, row))
    return tuple(sorted(blocks, key=lambda block: min(map(rows.index, block.rows))))


def parse_profile(text: str, file: str) -> Profile:
    """Read and check the text of a profile.

    Raises:
        ConfigurationError: It can't be used; the message says what to mend.
    """
    profile = parse_toml(text, Profile, file)
    for problem in profile.problems():
        raise ConfigurationError(file, problem)
    return profile


def load_profile(path: Path) -> Profile:
    """Read and check a profile of an installer.

    Raises:
        DriverError: It can't be used; the message says what to mend.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DriverError(f"profile {path}: can't be read: {error}") from error
    if len(data) > _MOST_BYTES:
        raise DriverError(f"profile {path}: longer than {_MOST_BYTES} bytes: no profile")
    try:
        return parse_profile(text, str(path))
    except ConfigurationError as error:
        raise DriverError(f"profile {error}") from error


@cache
def shipped(name: str) -> Profile:
    """Return the profile of `profiles/NAME.toml`."""
    file = resources.files("edge.drivers") / "profiles" / f"{name}.toml"
    return parse_profile(file.read_text(encoding="utf-8"), f"profiles/{name}.toml")
