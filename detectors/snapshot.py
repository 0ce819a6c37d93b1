"""Snapshot of everything the detectors remember: one file, replaced as a whole.

Arrays are stored by the identity of their series and rule, so that a changed profile keeps what did
not change and warms up the rest. A file of another schema is refused: the detectors start afresh
and catch up from history.
"""

from __future__ import annotations

import json
import os
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors import absence, bank, counter_lane, limit_lane, slope_lane
from detectors.absence import Absence
from detectors.bank import Bank
from detectors.limit_lane import Ints

SCHEMA = 3
# What an older one calls otherwise is put right by `_upgraded`.
_READABLE = (2, SCHEMA)
# Wall seconds that the end of the program waits for the disk.
_PATIENCE_S = 30.0


class SnapshotError(ValueError):
    """A snapshot can't be used; starting afresh helps, trying again does not."""


class Copy:
    """A copy of the state, taken in slices of series, so that nobody waits long for it.

    Between two slices the bank may go on: no series knows of another, so each is right by itself.

    Attributes:
        arrays: The state by name; complete when `take` has returned True.
    """

    def __init__(self, detectors: Bank, watch: Absence | None = None) -> None:
        self.arrays: dict[str, np.ndarray[Any, Any]] = {
            f"{axis}.key": keys for axis, keys in _axes(detectors, watch).items()
        }
        self._parts = _parts(detectors, watch)
        for part in self._parts:
            for name in part.names:
                self.arrays[f"{part.prefix}.{name}"] = np.empty_like(getattr(part.owner, name))
        self._slots = len(detectors.plans)
        self._slots_of: dict[str, np.ndarray[Any, Any]] = {
            "slot": np.arange(self._slots),
            "row": detectors.row_slot,
            "line": np.flatnonzero(detectors.slope_of >= 0),
            "counter": np.flatnonzero(detectors.counter_of >= 0),
        }
        for feed in detectors.feeds:
            self._slots_of[f"lane-{feed.detector.name}"] = detectors.row_slot[feed.row_of]
        self._next = 0

    def take(self, series: int) -> bool:
        """Copy the next *series* series; True when all of them are there."""
        start, end = self._next, min(self._next + series, self._slots)
        self._next = end
        done = end == self._slots
        for part in self._parts:
            slots = self._slots_of.get(part.axis)
            if slots is not None:  # ascending: what belongs to a stretch of series is a stretch
                first, last = np.searchsorted(slots, (start, end)).tolist()
            elif done:
                first, last = 0, len(getattr(part.owner, part.names[0]))
            else:
                continue
            for name in part.names:
                mine: np.ndarray[Any, Any] = getattr(part.owner, name)
                self.arrays[f"{part.prefix}.{name}"][first:last] = mine[first:last]
        return done


def collect(detectors: Bank, watch: Absence | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """Return a copy of the state at once, as named arrays."""
    copy = Copy(detectors, watch)
    copy.take(len(detectors.plans))
    return copy.arrays


def restore(
    arrays: dict[str, np.ndarray[Any, Any]], detectors: Bank, watch: Absence | None = None
) -> int:
    """Put back what *arrays* hold of the series and rules that still are the same.

    Returns:
        How many rules were resumed.
    """
    axes = _axes(detectors, watch)
    moves = {axis: _moves(arrays.get(f"{axis}.key"), keys) for axis, keys in axes.items()}
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


def _axes(detectors: Bank, watch: Absence | None) -> dict[str, np.ndarray[Any, Any]]:
    """Return the identities along each axis."""
    if watch is None:
        return {**detectors.axes}
    return {**detectors.axes, "station": np.array(watch.stations, "U40")}


def _parts(detectors: Bank, watch: Absence | None) -> list[_Part]:
    """Name every array of the state."""
    by_row = ("stated", "stated_since", "condition", "told_late")
    by_slot = tuple(name for name in bank.STATE if name not in by_row)
    parts = [
        _Part("row", "row-lane", detectors.lane, limit_lane.STATE),
        _Part("row", "row-bank", detectors, by_row),
        _Part("slot", "slot-bank", detectors, by_slot),
        _Part("line", "slot-line", detectors.lines, slope_lane.STATE),
        _Part("counter", "slot-counter", detectors.counters, counter_lane.STATE),
    ]
    for feed in detectors.feeds:
        name = feed.detector.name
        parts.append(_Part(f"lane-{name}", f"lane-{name}", feed.lane, feed.detector.state))
    if watch is not None:
        parts.append(_Part("slot", "slot-watch", watch, absence.STATE))
        parts.append(_Part("station", "station-watch", watch, absence.STATION_STATE))
    return parts


def _moves(stored: np.ndarray[Any, Any] | None, keys: np.ndarray[Any, Any]) -> tuple[Ints, Ints]:
    """Return where the state of each known identity was, and where it belongs now."""
    if stored is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if np.array_equal(stored, keys):  # the usual case: nobody changed the profile
        every = np.arange(keys.size)
        return every, every
    places = {key: place for place, key in enumerate(stored.tolist())}
    new = [place for place, key in enumerate(keys.tolist()) if key in places]
    old = [places[key] for key in keys[new].tolist()]
    return np.array(old, np.int64), np.array(new, np.int64)


class Writer:
    """Writes snapshots in a thread of its own, one at a time.

    Args:
        path: Where the snapshot is.
        on_error: Told in that thread when the disk refuses; the old snapshot stands.
    """

    def __init__(self, path: Path, on_error: Callable[[OSError], None]) -> None:
        self._path = path
        self._on_error = on_error
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """True while a snapshot is being written."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, arrays: dict[str, np.ndarray[Any, Any]], notes: dict[str, Any]) -> None:
        """Begin to write; waits for the snapshot before."""
        self.join()
        self._thread = threading.Thread(
            target=self._write, args=(arrays, notes), name="snapshot", daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        """Wait until nothing is being written; a disk that hangs is left alone after a while."""
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)

    def _write(self, arrays: dict[str, np.ndarray[Any, Any]], notes: dict[str, Any]) -> None:
        try:
            save(self._path, arrays, notes)
        except OSError as error:
            self._on_error(error)


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
    if schema not in _READABLE:
        raise SnapshotError(f"{path}: schema {schema!r}, expected {SCHEMA}")
    return _upgraded(arrays) if schema < SCHEMA else arrays, notes


def _upgraded(arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Return a snapshot of schema 2 under the names of today.

    Every series had a line and a counter then; each level its two delays and three flags apart,
    and it counted readings without end.
    """
    lane = {name: arrays.get(f"row-lane.{name}") for name in ("on", "breach", "clear")}
    on, breach, clear = lane.values()
    up, down = arrays.get("row-lane.up_ms"), arrays.get("row-lane.down_ms")
    new = dict(arrays)
    if on is not None and breach is not None and clear is not None:
        bits = on * limit_lane.ON + breach * limit_lane.BREACH + clear * limit_lane.CLEAR
        new["row-lane.flags"] = bits
    if up is not None and down is not None:
        new["row-lane.held_ms"] = up - down
    samples = arrays.get("row-lane.up_samples")
    if samples is not None:
        new["row-lane.up_samples"] = np.minimum(samples, limit_lane.MOST_SAMPLES)
    if "slot.key" in arrays:
        new["line.key"] = new["counter.key"] = arrays["slot.key"]
    return new
