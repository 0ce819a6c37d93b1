"""Snapshot of everything the detectors remember: one file, replaced as a whole.

Arrays are stored by the identity of their series and rule, so that a changed profile keeps what did
not change and warms up the rest. A file of another schema is refused: the detectors start afresh
and catch up from history.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors import absence, bank, counter_lane, limit_lane, slope_lane
from detectors.absence import Absence
from detectors.bank import Bank

SCHEMA = 2


class SnapshotError(ValueError):
    """A snapshot can't be used; starting afresh helps, trying again does not."""


def collect(detectors: Bank, watch: Absence | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """Return the state as named arrays, copied: the bank may go on while they are written."""
    arrays: dict[str, np.ndarray[Any, Any]] = {
        f"{axis}.key": np.array(keys, "U40") for axis, keys in _keys(detectors, watch).items()
    }
    for part in _parts(detectors, watch):
        for name in part.names:
            arrays[f"{part.prefix}.{name}"] = np.array(getattr(part.owner, name))
    return arrays


def restore(
    arrays: dict[str, np.ndarray[Any, Any]], detectors: Bank, watch: Absence | None = None
) -> int:
    """Put back what *arrays* hold of the series and rules that still are the same.

    Returns:
        How many rules were resumed.
    """
    keys = _keys(detectors, watch)
    moves = {axis: _moves(arrays, f"{axis}.key", names) for axis, names in keys.items()}
    for part in _parts(detectors, watch):
        old, new = moves[part.axis]
        for name in part.names:
            stored = arrays.get(f"{part.prefix}.{name}")
            if stored is not None:
                getattr(part.owner, name)[new] = stored[old]
    return len(moves["row"][1])


@dataclass(frozen=True, slots=True)
class _Part:
    """Arrays of one owner: what they run along, how they are called, whose attributes they are."""

    axis: str
    prefix: str
    owner: object
    names: tuple[str, ...]


def _keys(detectors: Bank, watch: Absence | None) -> dict[str, list[str]]:
    """Return the identities along each axis."""
    keys = {"slot": detectors.keys[0], "row": detectors.keys[1], **detectors.lane_keys}
    if watch is not None:
        keys["station"] = list(watch.stations)
    return keys


def _parts(detectors: Bank, watch: Absence | None) -> list[_Part]:
    """Name every array of the state."""
    by_row = ("stated", "stated_since", "condition", "told_late")
    by_slot = tuple(name for name in bank.STATE if name not in by_row)
    parts = [
        _Part("row", "row-lane", detectors.lane, limit_lane.STATE),
        _Part("row", "row-bank", detectors, by_row),
        _Part("slot", "slot-bank", detectors, by_slot),
        _Part("slot", "slot-line", detectors.lines, slope_lane.STATE),
        _Part("slot", "slot-counter", detectors.counters, counter_lane.STATE),
    ]
    for feed in detectors.feeds:
        name = feed.detector.name
        parts.append(_Part(f"lane-{name}", f"lane-{name}", feed.lane, feed.detector.state))
    if watch is not None:
        parts.append(_Part("slot", "slot-watch", watch, absence.STATE))
        parts.append(_Part("station", "station-watch", watch, absence.STATION_STATE))
    return parts


def _moves(
    arrays: dict[str, np.ndarray[Any, Any]], name: str, keys: list[str]
) -> tuple[list[int], list[int]]:
    stored = {str(key): index for index, key in enumerate(arrays.get(name, np.array([], "U1")))}
    pairs = [(stored[key], index) for index, key in enumerate(keys) if key in stored]
    return [old for old, _ in pairs], [new for _, new in pairs]


def save(path: Path, arrays: dict[str, np.ndarray[Any, Any]], notes: dict[str, Any]) -> None:
    """Write the snapshot so that a crash at any instant leaves the old one or the new one.

    Raises:
        OSError: The disk refuses; the old snapshot stands.
    """
    text = json.dumps({"schema": SCHEMA, **notes})
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        np.savez(file, allow_pickle=False, **{**arrays, "notes": np.array(text)})
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def load(path: Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]] | None:
    """Return arrays and notes of a snapshot, None where there is none.

    Raises:
        SnapshotError: It is broken or of another schema.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        notes = json.loads(str(arrays.pop("notes")))
        schema = notes.pop("schema", None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise SnapshotError(f"{path}: {error}") from error
    if schema != SCHEMA:
        raise SnapshotError(f"{path}: schema {schema!r}, expected {SCHEMA}")
    return arrays, notes
