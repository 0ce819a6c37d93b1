"""Recordings of real sensors (format 1): finding, reading, and their values at any instant.

A recording is `NAME.csv.gz` beside `NAME.json`. Short excerpts are shipped with the package under
the name of the recording that they are cut from; whole recordings are found through the environment
variable SAFETY_EYE_RECORDINGS, or by their path.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import accumulate
from pathlib import Path

import msgspec

from core.configuration import ConfigurationError
from core.quantity import FACTS, Quantity, UnknownUnitError, factor_to_canonical

RECORDINGS_VARIABLE = "SAFETY_EYE_RECORDINGS"


class ChannelFacts(msgspec.Struct, frozen=True):
    """What the JSON says of a column."""

    quantity: Quantity
    unit: str
    name: str = ""


class RecordingFacts(msgspec.Struct, frozen=True):
    """The keys of the JSON that playing needs; others are left alone."""

    name: str
    interval_s: float
    channels: dict[str, ChannelFacts]
    title: str = ""
    origin: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a recording in canonical units, gaps left out.

    Attributes:
        quantity: What was recorded.
        interval_s: Usual spacing of the rows.
        at_ms: Times of the rows, milliseconds since the epoch, strictly increasing.
        values: Canonical values.
    """

    quantity: Quantity
    interval_s: float
    at_ms: tuple[int, ...]
    values: tuple[float, ...]

    def window(self, from_ms: int | None, to_ms: int | None) -> Column:
        """Return the rows from *from_ms* to *to_ms*, both included."""
        pairs = [
            (at, value)
            for at, value in zip(self.at_ms, self.values, strict=True)
            if (from_ms is None or at >= from_ms) and (to_ms is None or at <= to_ms)
        ]
        return Column(
            self.quantity,
            self.interval_s,
            tuple(at for at, _ in pairs),
            tuple(value for _, value in pairs),
        )

    def level_at(self, at_ms: float) -> float:
        """Return the value at an instant, linear between rows, held outside them.

        Levels, gases and particles change steadily between two rows; that is what interpolation
        assumes. Across a gap of more than three intervals the last value is held instead.
        """
        index = bisect_right(self.at_ms, at_ms) - 1
        if index < 0:
            return self.values[0]
        if index >= len(self.values) - 1:
            return self.values[-1]
        before, after = self.at_ms[index], self.at_ms[index + 1]
        if after - before > 3000 * self.interval_s:
            return self.values[index]
        share = (at_ms - before) / (after - before)
        return (1.0 - share) * self.values[index] + share * self.values[index + 1]

    def counted(self) -> Counted:
        """Return the same rows as a cumulative counter."""
        return Counted(self, tuple(accumulate(self.values, initial=0.0)))


@dataclass(frozen=True, slots=True)
class Counted:
    """A column of counts per interval, seen as the counter that a device keeps.

    Attributes:
        column: The counts.
        totals: Sum of the rows before each row.
    """

    column: Column
    totals: tuple[float, ...]

    def count_at(self, at_ms: float) -> float:
        """Return how many were counted from the first row until an instant.

        A row counts what passed in the interval that *follows* its time; they are spread evenly
        over it. A missing row counts nobody.
        """
        index = bisect_right(self.column.at_ms, at_ms) - 1
        if index < 0:
            return 0.0
        since_ms = at_ms - self.column.at_ms[index]
        share = min(1.0, since_ms / (1000.0 * self.column.interval_s))
        return self.totals[index] + share * self.column.values[index]


def find_recording(name: str, folder: Path | None = None) -> list[Path]:
    """Return the `.csv.gz` files that *name* may mean, the shipped excerpt first.

    Args:
        name: Name of a recording, or a path to its `.csv.gz`.
        folder: Where whole recordings lie; None: SAFETY_EYE_RECORDINGS.
    """
    if name.endswith(".csv.gz") or "/" in name:
        path = Path(name if name.endswith(".csv.gz") else f"{name}.csv.gz")
        return [path] if path.is_file() else []
    found = []
    shipped = Path(str(resources.files("edge.simulator").joinpath("recordings")))
    if (shipped / f"{name}.csv.gz").is_file():
        found.append(shipped / f"{name}.csv.gz")
    stated = os.environ.get(RECORDINGS_VARIABLE, "")
    whole = folder or (Path(stated) if stated else None)
    if whole is not None and whole.is_dir():
        found += sorted(whole.rglob(f"{name}.csv.gz"))
    return found


def read_facts(path: Path) -> RecordingFacts:
    """Read the JSON beside a `.csv.gz`.

    Raises:
        ConfigurationError: It can't be read.
    """
    beside = path.with_name(path.name.removesuffix(".csv.gz") + ".json")
    try:
        return msgspec.json.decode(beside.read_bytes(), type=RecordingFacts)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(str(beside), f"not the facts of a recording: {error}") from error


def read_column(path: Path, channel: str, quantity: Quantity | None = None) -> Column:
    """Read one column in canonical units.

    Args:
        path: The `.csv.gz`.
        channel: Name of the column.
        quantity: What to take it for, where it is not what the JSON says (a count per interval
            that drives a cumulative counter keeps its unit).

    Raises:
        ConfigurationError: No such file or column, an unknown unit, or no value at all.
    """
    facts = read_facts(path)
    column = facts.channels.get(channel)
    if column is None:
        raise ConfigurationError(
            str(path), f"channel {channel!r}: expected one of {', '.join(facts.channels)}"
        )
    wanted = quantity or column.quantity
    try:
        factor = factor_to_canonical(wanted, column.unit)
    except UnknownUnitError as error:
        raise ConfigurationError(str(path), str(error)) from error
    times, values = [], []
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row[channel]:
                    times.append(parse_instant(row["at"]))
                    values.append(float(row[channel]) * factor)
    except (OSError, KeyError, ValueError) as error:
        raise ConfigurationError(str(path), f"not a recording: {error}") from error
    if not values:
        raise ConfigurationError(str(path), f"channel {channel!r}: no value at all")
    return Column(column.quantity, facts.interval_s, tuple(times), tuple(values))


def load_window(
    name: str,
    channel: str,
    from_at: str = "",
    to_at: str = "",
    quantity: Quantity | None = None,
) -> Column:
    """Return the rows of a recording between two instants; a shipped excerpt if it covers them.

    Raises:
        ConfigurationError: No recording covers the window; the message says where to put it.
    """
    start = parse_instant(from_at) if from_at else None
    end = parse_instant(to_at) if to_at else None
    tried: list[str] = []
    for path in find_recording(name):
        column = read_column(path, channel, quantity)
        covers = (start is None or column.at_ms[0] <= start + 1000 * column.interval_s) and (
            end is None or column.at_ms[-1] >= end - 1000 * column.interval_s
        )
        window = column.window(start, end)
        if covers and window.values:
            return window
        tried.append(f"{path} ({_iso(column.at_ms[0])} to {_iso(column.at_ms[-1])})")
    where = f"; looked at {', '.join(tried)}" if tried else ""
    raise ConfigurationError(
        name,
        f"no recording covers {from_at or 'its start'} to {to_at or 'its end'}{where}; "
        f"set {RECORDINGS_VARIABLE} to the folder of whole recordings",
    )


def parse_instant(text: str) -> int:
    """Return the milliseconds since the epoch of an ISO 8601 text; without a zone it is UTC.

    Raises:
        ValueError: Not a time.

    >>> parse_instant("2015-12-26T12:00:00Z")
    1451131200000
    """
    at = dt.datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=dt.UTC)
    return round(at.timestamp() * 1000)


def is_count(quantity: Quantity) -> bool:
    """Tell whether a column's values are counts per interval rather than levels."""
    return FACTS[quantity].unit == "{count}"


def span_ms(columns: Sequence[Column]) -> tuple[int, int]:
    """Return the first and the last instant of several columns."""
    return min(column.at_ms[0] for column in columns), max(column.at_ms[-1] for column in columns)


def _iso(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
