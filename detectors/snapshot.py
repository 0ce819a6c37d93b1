"""Snapshot of everything the detectors remember: one file, replaced as a whole.

Arrays are stored by the identity of their series and rule, so that a changed profile keeps what did
not change and warms up the rest. A file of another schema is refused: the detectors start afresh
and catch up from history.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from detectors import absence, bank, counter_lane, limit_lane, slope_lane
from detectors.absence import Absence
from detectors.bank import Bank

SCHEMA = 1


class SnapshotError(ValueError):
    """A snapshot can't be used; starting afresh helps, trying again does not."""


def collect(detectors: Bank, watch: Absence | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """Return the state as named arrays."""
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "slot.key": np.array(detectors.keys[0], "U16"),
        "row.key": np.array(detectors.keys[1], "U16"),
    }
    for prefix, owner, names in _parts(detectors, watch):
        for name in names:
            arrays[f"{prefix}.{name}"] = np.array(getattr(owner, name))
    if watch is not None:
        arrays["station.key"] = np.array(watch.stations, "U40")
    return arrays


def restore(
    arrays: dict[str, np.ndarray[Any, Any]], detectors: Bank, watch: Absence | None = None
) -> int:
    """Put back what *arrays* hold of the series and rules that still are the same.

    Returns:
        How many rules were resumed.
    """
    keys = {
        "slot": detectors.keys[0],
        "row": detectors.keys[1],
        "station": list(watch.stations) if watch is not None else [],
    }
    moves = {kind: _moves(arrays, f"{kind}.key", keys[kind]) for kind in keys}
    for prefix, owner, names in _parts(detectors, watch):
        old, new = moves[prefix.partition("-")[0]]
        for name in names:
            stored = arrays.get(f"{prefix}.{name}")
            if stored is not None:
                getattr(owner, name)[new] = stored[old]
    return len(moves["row"][1])


def _parts(detectors: Bank, watch: Absence | None) -> list[tuple[str, object, tuple[str, ...]]]:
    """Name every array of the state: what it runs along, who owns it, its attribute."""
    by_row = ("stated", "stated_since", "condition", "told_late")
    by_slot = tuple(name for name in bank.STATE if name not in by_row)
    parts: list[tuple[str, object, tuple[str, ...]]] = [
        ("row-lane", detectors.lane, limit_lane.STATE),
        ("row-bank", detectors, by_row),
        ("slot-bank", detectors, by_slot),
        ("slot-line", detectors.lines, slope_lane.STATE),
        ("slot-counter", detectors.counters, counter_lane.STATE),
    ]
    if watch is not None:
        parts.append(("slot-watch", watch, absence.STATE))
        parts.append(("station-watch", watch, absence.STATION_STATE))
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
