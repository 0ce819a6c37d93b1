"""A recording on disk: `NAME.csv.gz` with its readings, `NAME.json` with its facts."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from core.quantity import Quantity, UnknownUnitError, factor_to_canonical
from detectors.limit_lane import Flags, Floats, Ints

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MS = dt.timedelta(milliseconds=1)
_BOM = b"\xef\xbb\xbf"
# A year of 366 days: what comes less often is no series of readings.
_LONGEST_S = 31_622_400.0


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
    interval_s: Annotated[float, msgspec.Meta(gt=0, le=_LONGEST_S)]
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
    with naming(facts_path):
        facts = msgspec.json.decode(json_bytes(facts_path), type=Facts)
    with naming(path):
        texts, columns = _read_rows(path)
        at = _times(texts)
    channels = tuple(
        _channel(facts, name, columns[name]) for name in facts.channels if name in columns
    )
    return Recording(facts, texts, at, channels)


def json_bytes(path: Path) -> bytes:
    """Return a JSON file as the decoder takes it: without the mark that some editors begin with.

    Raises:
        OSError: It can't be read.
    """
    return path.read_bytes().removeprefix(_BOM)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every way in which a file can be broken end in one error that names it.

    Raises:
        RecordingError: Reading *path* failed.
    """
    try:
        yield
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from error
    except (
        ValueError,
        msgspec.MsgspecError,
        EOFError,
        zlib.error,
        csv.Error,
        RecursionError,
    ) as error:
        raise RecordingError(f"{path}: {error}") from error


def _read_rows(path: Path) -> tuple[tuple[str, ...], dict[str, Floats]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if not header or header[0] != "at":
            raise ValueError("the first column must be `at`")
        twice = [name for name, times in Counter(header).items() if times > 1]
        if twice:
            raise ValueError(f"more than one column is called `{twice[0]}`")
        cells = []
        for row in rows:
            if row and len(row) != len(header):
                raise ValueError(f"line {rows.line_num} has {len(row)} cells, not {len(header)}")
            if row:
                cells.append(row)
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
    at = np.empty(len(texts), np.int64)
    for row, text in enumerate(texts):
        try:
            at[row] = moment_ms(text)
        except ValueError:
            raise ValueError(f"reading {row + 1}: {text!r} is no time of ISO 8601") from None
    return at


def moment_ms(text: str) -> int:
    """Return an ISO 8601 time in milliseconds since the epoch; without an offset it is UTC.

    Raises:
        ValueError: *text* is no such time.

    >>> moment_ms("1970-01-01T00:00:01Z"), moment_ms("1970-01-01T08:00:01+08:00")
    (1000, 1000)
    """
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) // _MS


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
    with np.errstate(over="ignore"):
        converted = values * factor
    # What no number can hold in the canonical unit is no number in the file's own unit either.
    converted[np.isinf(converted)] = np.nan
    return Channel(name, quantity, told.unit, factor, limits, converted)
