"""A recording on disk: `NAME.csv.gz` with its readings, `NAME.json` with its facts."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import msgspec
import numpy as np

from core.quantity import Quantity, UnknownUnitError, factor_to_canonical
from detectors.limit_lane import Flags, Floats, Ints


class RecordingError(ValueError):
    """The files are not a recording of format 1; mend them, a retry won't help."""


class ChannelFacts(msgspec.Struct, frozen=True):
    """What one column holds."""

    quantity: str
    unit: str = "1"


class Facts(msgspec.Struct, frozen=True):
    """What a replay may know of a recording: never its events, faults, reference or caveats."""

    name: str
    kind: str
    channels: dict[str, ChannelFacts]
    interval_s: float
    timezone: str | None = None
    limits: dict[str, dict[str, float]] = {}


@dataclass(frozen=True, slots=True)
class Channel:
    """One column in the canonical unit of its quantity.

    Attributes:
        name: Name of the column.
        quantity: What it measures; unknown words become `other`.
        unit: Canonical unit, or the column's own where no conversion is known.
        factor: From the column's unit to `unit`.
        limits: Published limits by name, in `unit`.
        values: One a row, NaN where the cell is empty or no number.
        doubted: True where neighbours contradict the value; None: nobody does.
    """

    name: str
    quantity: Quantity
    unit: str
    factor: float
    limits: dict[str, float]
    values: Floats
    doubted: Flags | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole recording.

    Attributes:
        facts: Of its JSON.
        texts: Time of each row as it is written.
        at: The same in milliseconds since the epoch.
        channels: Its columns.
    """

    facts: Facts
    texts: tuple[str, ...]
    at: Ints
    channels: tuple[Channel, ...]


def read_recording(path: Path) -> Recording:
    """Read `NAME.csv.gz` (or `NAME.csv`) and the `NAME.json` beside it.

    Raises:
        RecordingError: A file is missing or not of format 1.
    """
    base = path.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".json")
    facts_path = path.with_name(base + ".json")
    if path.suffix == ".json":
        path = path.with_name(base + ".csv.gz")
    try:
        facts = msgspec.json.decode(facts_path.read_bytes(), type=Facts)
        texts, columns = _read_rows(path)
        at = _times(texts)
    except OSError as error:
        raise RecordingError(f"{error.filename or path}: {error.strerror or error}") from error
    except (EOFError, msgspec.MsgspecError, ValueError) as error:
        raise RecordingError(f"{path}: {error}") from error
    channels = tuple(
        _channel(facts, name, columns[name]) for name in facts.channels if name in columns
    )
    return Recording(facts, texts, at, channels)


def _read_rows(path: Path) -> tuple[tuple[str, ...], dict[str, Floats]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if not header or header[0] != "at":
            raise RecordingError(f"{path}: the first column must be `at`")
        cells = [row for row in rows if row]
    if any(len(row) != len(header) for row in cells):
        raise RecordingError(f"{path}: a row has not {len(header)} cells")
    columns = list(zip(*cells, strict=True)) if cells else [()] * len(header)
    return tuple(columns[0]), {
        name: np.array([_number(text) for text in column])
        for name, column in zip(header[1:], columns[1:], strict=True)
    }


def _number(text: str) -> float:
    try:
        value = float(text) if text else float("nan")
    except ValueError:
        return float("nan")
    return value if isfinite(value) else float("nan")


def _times(texts: tuple[str, ...]) -> Ints:
    stamps = np.array([text.removesuffix("Z") for text in texts], "datetime64[ms]")
    return stamps.astype(np.int64)


def _channel(facts: Facts, name: str, values: Floats) -> Channel:
    told = facts.channels[name]
    try:
        quantity = Quantity(told.quantity)
        factor = factor_to_canonical(quantity, told.unit)
    except UnknownUnitError:
        quantity, factor = Quantity.OTHER, 1.0
    except ValueError:
        quantity, factor = Quantity.OTHER, 1.0
    limits = {limit: value * factor for limit, value in facts.limits.get(name, {}).items()}
    return Channel(name, quantity, told.unit, factor, limits, values * factor)
