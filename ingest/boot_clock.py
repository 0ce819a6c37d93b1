"""When a station without a trusted clock meant: seconds since its boot become run time.

The offset of a boot is learned from its arrival (never earlier than the truth, late by what the
network took) and replaced by the exact one as soon as a status gives both clocks with `sync`.
It is on disk before anything is stored under it, so that a pack which is stored twice after a kill
gets the same times and stays one.
"""

from __future__ import annotations

import sqlite3

import msgspec

from core.pack import Pack
from core.quality import Quality, Reason
from core.reading import Reading
from core.status import Link, StationStatus
from ingest.validation import MAX_BOOT_CHARS

# Times below 2^28 s count from boot (core.pack refuses them as absolute times).
_FIRST_ABSOLUTE_MS = 2**28 * 1000
# An estimate is replaced by an earlier one only if it differs by more than this: small differences
# are the network's, and moving the offset would move series against themselves.
_BETTER_BY_MS = 2_000


class BootClocks:
    """The offsets of boots, remembered in the ledger.

    Args:
        connection: The ledger's; written at once, outside of its transactions.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], tuple[int, bool]] = {}

    def hear(self, station: str, status: StationStatus, now_ms: int, *, live: bool) -> None:
        """Learn from a status: exact if it has a trusted clock, else by its arrival if live."""
        if not status.boot or status.monotonic_ms <= 0 or status.link is Link.OFFLINE:
            return
        if not (status.sync or live):
            return
        begun = (status.at if status.sync else now_ms) - status.monotonic_ms
        self._learn(station, status.boot, begun, exact=status.sync)
        for boot, last_ms in status.ended.items():
            # It ended before this boot began: the best that will ever be known of it.
            if 0 < len(boot) <= MAX_BOOT_CHARS:
                self._learn(station, boot, begun - last_ms, exact=True)

    def place(self, station: str, pack: Pack, now_ms: int) -> Pack:
        """Return an unsynced pack with times since the epoch and quality uncertain (clock)."""
        if not pack.readings:
            return pack
        newest = max(reading.at for reading in pack.readings)
        offset = 0
        if newest < _FIRST_ABSOLUTE_MS:
            boot = pack.boot or ""
            if boot:
                self._learn(station, boot, now_ms - newest, exact=False)
                known = self._offset(station, boot)
                offset = known[0] if known else now_ms - newest
            else:
                offset = now_ms - newest
        readings = tuple(_doubted(reading, offset) for reading in pack.readings)
        return msgspec.structs.replace(pack, readings=readings)

    def forget(self) -> None:
        """Read everything again at the next use."""
        self._known.clear()

    def _offset(self, station: str, boot: str) -> tuple[int, bool] | None:
        key = (station, boot)
        if key not in self._known:
            row = self._connection.execute(
                "SELECT offset_ms, exact FROM boot_clock WHERE station = ? AND boot = ?", key
            ).fetchone()
            if row is None:
                return None
            self._known[key] = (row[0], bool(row[1]))
        return self._known[key]

    def _learn(self, station: str, boot: str, offset_ms: int, *, exact: bool) -> None:
        known = self._offset(station, boot)
        if known is not None:
            old, was_exact = known
            if was_exact or (not exact and offset_ms > old - _BETTER_BY_MS):
                return
        self._connection.execute(
            "INSERT OR REPLACE INTO boot_clock VALUES (?, ?, ?, ?)",
            (station, boot, offset_ms, exact),
        )
        self._known[(station, boot)] = (offset_ms, exact)


def _doubted(reading: Reading, offset_ms: int) -> Reading:
    reasons = reading.reasons
    if Reason.CLOCK not in reasons:
        reasons = (*reasons, Reason.CLOCK)
    quality = Quality.UNCERTAIN if reading.quality is Quality.GOOD else reading.quality
    return msgspec.structs.replace(
        reading, at=reading.at + offset_ms, quality=quality, reasons=reasons
    )
