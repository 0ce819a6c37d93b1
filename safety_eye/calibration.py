"""Calibration records: `calibration.toml` beside the profile; who compared what with what, when.

Records are only ever added. What follows from the newest one of a sensor stands in the profile and
on the station as `slope` and `offset`; `check` says where they differ and what is overdue.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import msgspec

from core.community import Community, SensorEntry
from core.configuration import read_toml
from core.quantity import FACTS
from safety_eye.installation import KitError, write_anew
from safety_eye.profile_text import to_toml

FILE_NAME = "calibration.toml"
# Two comparisons that lie nearer together than this part of the larger one give no slope.
_LEAST_SPAN = 0.01
# Written and computed to six decimals; a difference below is none.
_SAME = 5e-6


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One comparison of a sensor with something better. Values in the sensor's canonical unit.

    Attributes:
        sensor: Id of the sensor.
        date: Day of the comparison.
        by: Who did it.
        reference: What it was compared with, and how good that is (ruler, test gas and its batch).
        true: What the reference said.
        before: What the system showed at the same moments, with the calibration of that time.
        after: What it showed with the new one; empty if nobody looked.
        slope, offset: What holds from now on: slope x value of the device + offset.
        due: When it must be done again.
        note: Anything else.
    """

    sensor: str
    date: dt.date
    by: str
    reference: str
    true: tuple[float, ...]
    before: tuple[float, ...]
    slope: float
    offset: float
    due: dt.date
    after: tuple[float, ...] = ()
    note: str = ""


class CalibrationBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole `calibration.toml`."""

    calibration: tuple[Calibration, ...] = ()

    def newest(self) -> dict[str, Calibration]:
        """Return the newest record of each sensor; of one day the last one."""
        ordered = sorted(self.calibration, key=lambda record: record.date)
        return {record.sensor: record for record in ordered}


def load_book(community_file: Path) -> CalibrationBook:
    """Return the records beside a profile; none where there is no file.

    Raises:
        ConfigurationError: It can't be used; the message says what to mend.
    """
    path = community_file.parent / FILE_NAME
    return read_toml(path, CalibrationBook) if path.exists() else CalibrationBook()


def corrected(
    entry: SensorEntry, true: Sequence[float], before: Sequence[float]
) -> tuple[float, float]:
    """Return slope and offset after one comparison (offset only) or two (both).

    Raises:
        KitError: Not one or two pairs, or two that lie too near together.

    >>> from core.quantity import Quantity
    >>> from core.finding import Hazard
    >>> gauge = SensorEntry("g", "s", "z", "qdy30a", Quantity.WATER_LEVEL, Hazard.FLOOD)
    >>> corrected(gauge, [0.30], [0.312])
    (1.0, -0.012)
    >>> corrected(gauge, [0.0, 1.0], [0.02, 0.98])
    (1.041667, -0.020833)
    """
    if len(true) != len(before) or not 1 <= len(true) <= 2:
        raise KitError("give one or two pairs of --true and --before")
    if not all(map(isfinite, (*true, *before))):
        raise KitError("--true and --before: expected finite numbers")
    # What the device itself said, before the calibration of that time.
    raw = [(value - entry.offset) / entry.slope for value in before]
    if len(true) == 1:
        return entry.slope, round(true[0] - entry.slope * raw[0], 6)
    span = raw[1] - raw[0]
    if abs(span) < _LEAST_SPAN * max(map(abs, raw)) or not span:
        raise KitError("the two comparisons lie too near together for a slope; take one of them")
    slope = (true[1] - true[0]) / span
    return round(slope, 6), round(true[0] - slope * raw[0], 6)


def add_record(community: Community, community_file: Path, record: Calibration) -> Path:
    """Add a record to the book beside the profile; return the book's file.

    Raises:
        KitError: The sensor is not in the profile, or something of the record can't be.
        ConfigurationError: The book is damaged.
    """
    problem = _problem(community, record)
    if problem:
        raise KitError(f"calibration of {record.sensor!r}: {problem}")
    book = load_book(community_file)
    longer = CalibrationBook((*book.calibration, record))
    path = community_file.parent / FILE_NAME
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    write_anew(path, to_toml(longer), mode)
    return path


def calibration_advice(
    community: Community, community_file: Path, today: dt.date | None
) -> list[str]:
    """Return what should be done about calibration, in words.

    Raises:
        ConfigurationError: The book is damaged.
    """
    newest = load_book(community_file).newest()
    advice = [
        f"calibration of {sensor}: not in the profile any more"
        for sensor in newest
        if community.sensor_of(sensor) is None
    ]
    for entry in community.sensor:
        record = newest.get(entry.id)
        if record is None:
            if newest and _can_be(entry):
                advice.append(f"calibration of {entry.id}: never done")
            continue
        if today is not None and record.due < today:
            days = (today - record.due).days
            advice.append(f"calibration of {entry.id}: overdue since {record.due}, {days} days")
        if _differ(entry.slope, record.slope) or _differ(entry.offset, record.offset):
            advice.append(
                f"calibration of {entry.id}: the profile says slope {entry.slope:g}, offset "
                f"{entry.offset:g}, the record of {record.date} {record.slope:g}, {record.offset:g}"
            )
    return advice


def _can_be(entry: SensorEntry) -> bool:
    return FACTS[entry.quantity].unit not in ("1", "{count}", "{person}")


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > _SAME


def _problem(community: Community, record: Calibration) -> str:
    entry = community.sensor_of(record.sensor)
    if entry is None:
        return "no such sensor in the profile"
    if not _can_be(entry):
        return f"{entry.quantity} is counted or switched, not calibrated"
    if not record.by.strip() or not record.reference.strip():
        return "who did it and what it was compared with must be said"
    if record.due <= record.date:
        return f"due {record.due} is not after {record.date}"
    if not 0.2 <= record.slope <= 5 or not isfinite(record.offset):
        return (
            f"slope {record.slope:g}: expected 0.2 to 5; look for a wrong unit or a broken sensor"
        )
    return ""


def book_lines(
    community: Community, community_file: Path, today: dt.date
) -> tuple[list[str], bool]:
    """Return one line a record, newest last, and whether any sensor is overdue.

    Raises:
        ConfigurationError: The book is damaged.
    """
    book = load_book(community_file)
    newest = book.newest()
    lines = []
    for record in sorted(book.calibration, key=lambda one: (one.sensor, one.date)):
        entry = community.sensor_of(record.sensor)
        unit = FACTS[entry.quantity].unit if entry is not None else ""
        pairs = ", ".join(
            f"{before:g} → {true:g}"
            for before, true in zip(record.before, record.true, strict=False)
        )
        state = ""
        if newest[record.sensor] is record:
            state = "  OVERDUE" if record.due < today else f"  due {record.due}"
        lines.append(
            f"{record.sensor:<14} {record.date}  {pairs} {unit}  slope {record.slope:g}, offset "
            f"{record.offset:g}  {record.by}  ({record.reference}){state}"
        )
    overdue = any(record.due < today for record in newest.values())
    return lines, overdue
