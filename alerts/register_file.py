"""Volunteers and supplies from a file: CSV as spreadsheets write it, or TOML. Pure but for reading.

CSV has a header line with the names of the fields; several skills or zones stand in one cell,
divided by blanks, commas or semicolons. TOML has `[[volunteer]]` and `[[supply]]`.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import msgspec

from alerts.register import Volunteer, volunteer_problems
from alerts.response import Supply
from alerts.response_file import supply_problems
from core.community import Community
from core.configuration import ConfigurationError, parse_toml
from core.identity import is_slug

# A register of a district has some thousand lines; what is larger is another file.
_MOST_BYTES = 2_000_000
_LISTS = ("skills", "zones")
_NAMES = ("name", "unit", "place")
_NUMBERS = ("quantity", "minimum")


class Registers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of a register holds."""

    volunteer: tuple[Volunteer, ...] = ()
    supply: tuple[Supply, ...] = ()


def load_registers(path: Path, community: Community) -> Registers:
    """Read and check a CSV or TOML file.

    Raises:
        ConfigurationError: It can't be used; the message names file, line or key, and what to mend.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(path), f"can't be read: {error.strerror}") from error
    return parse_registers(data, path.name, community)


def parse_registers(data: bytes, file: str, community: Community) -> Registers:
    """Read and check the content of a CSV or TOML file; the name tells which.

    Raises:
        ConfigurationError: It can't be used; the message says what to mend.
    """
    if len(data) > _MOST_BYTES:
        raise ConfigurationError(file, f"{len(data)} bytes: expected at most {_MOST_BYTES}")
    try:
        text = data.decode("utf-8-sig")  # spreadsheets begin their UTF-8 with a mark
    except UnicodeDecodeError as error:
        raise ConfigurationError(file, f"not UTF-8 ({error.reason}): save it as UTF-8") from error
    found = parse_toml(text, Registers, file) if file.endswith(".toml") else _from_csv(text, file)
    check_registers(found, community, file)
    return found


def check_registers(registers: Registers, community: Community, file: str) -> None:
    """Check entries against the profile.

    Raises:
        ConfigurationError: One can't be used; the message says what to mend.
    """
    for problem in _problems(registers, {zone.id for zone in community.zone}):
        raise ConfigurationError(file, problem)


def _problems(registers: Registers, zones: set[str]) -> list[str]:
    found = []
    for kind in ("volunteer", "supply"):
        ids = [entry.id for entry in getattr(registers, kind)]
        found += [
            f"{kind} {name!r}: expected 1 to 40 of a-z, 0-9 and hyphen"
            for name in ids
            if not is_slug(name)
        ]
        found += [f"{kind} {name!r}: twice" for name in sorted({*ids}) if ids.count(name) > 1]
    for volunteer in registers.volunteer:
        found += volunteer_problems(volunteer, zones)
    for supply in registers.supply:
        found += supply_problems(supply, zones)
    return found


def _from_csv(text: str, file: str) -> Registers:
    lines = csv.reader(io.StringIO(text))
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        kind: type[Volunteer | Supply] = Supply if "item" in header else Volunteer
        unknown = sorted(set(header) - set(kind.__struct_fields__))
        if unknown or "id" not in header:
            expected = ", ".join(kind.__struct_fields__)
            raise ConfigurationError(
                file, f"line 1: {', '.join(unknown) or 'no id'}: expected columns out of {expected}"
            )
        rows = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ConfigurationError(file, f"line {lines.line_num}: {error}") from error
    entries = [_entry(kind, header, row, f"{file}: line {number}") for number, row in rows]
    return (
        Registers(supply=tuple(one for one in entries if isinstance(one, Supply)))
        if kind is Supply
        else Registers(volunteer=tuple(one for one in entries if isinstance(one, Volunteer)))
    )


def _entry(
    kind: type[Volunteer | Supply], header: list[str], row: list[str], where: str
) -> Volunteer | Supply:
    if len(row) > len(header):
        raise ConfigurationError(where, f"{len(row)} cells, but the header has {len(header)}")
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=False) if cell.strip()}
    values: dict[str, Any] = dict(cells)
    for name, cell in cells.items():
        if name in _LISTS:
            values[name] = tuple(part for part in re.split(r"[\s,;，；、]+", cell) if part)
        elif kind is Supply and name in _NAMES:
            values[name] = {"zh": cell, "en": cell}
        elif name in _NUMBERS:
            values[name] = _number(cell, name, where)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(where, str(error).replace("`$.", "`")) from error


def _number(cell: str, name: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise ConfigurationError(where, f"{name} {cell!r}: expected a number") from error
