"""Where the readings of every station are: what other processes read in the ledger."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ingest.account import Absent, Balance, BootAccount
from ingest.ledger_file import SELECT_BOOT, account_of, hole_of, holes_of, reading


class StationLedger(msgspec.Struct, frozen=True, kw_only=True):
    """Where the readings of one station are.

    Attributes:
        station: Its slug.
        produced, stored, quarantined, lost, unknown, pending: Counts of readings; see `Balance`.
        holes: Packs that are missing and not declared gone.
        oldest_hole_s: Run seconds since the oldest of them was missed, None without holes.
        apart_stored, apart_quarantined: Readings without boot and seq, outside the ledger.
    """

    station: str
    produced: int = 0
    stored: int = 0
    quarantined: int = 0
    lost: int = 0
    unknown: int = 0
    pending: int = 0
    holes: int = 0
    oldest_hole_s: float | None = None
    apart_stored: int = 0
    apart_quarantined: int = 0

    @property
    def balanced(self) -> bool:
        """True if every produced reading is accounted for."""
        return self.produced == self.stored + self.quarantined + self.lost + self.unknown


def read_ledger(path: Path, now_ms: int | None = None) -> list[StationLedger]:
    """Return where every station's readings are; any process may ask while ingest writes.

    Args:
        path: The ledger. Without a file, or before ingest has made it, the list is empty.
        now_ms: Run time for the age of holes; None takes the time of the last news.

    Raises:
        LedgerError: It can't be read.
    """
    with reading(path) as connection:
        if connection is None:
            return []
        connection.execute("BEGIN")
        absent: dict[int, list[Absent]] = {}
        for boot, *hole in connection.execute("SELECT * FROM absent ORDER BY boot, first"):
            absent.setdefault(boot, []).append(hole_of(*hole))
        boots = [account_of(row, absent.get(row[2], [])) for row in connection.execute(SELECT_BOOT)]
        apart = connection.execute(
            "SELECT station, apart_stored, apart_quarantined, refused FROM station"
        ).fetchall()
    now = now_ms if now_ms is not None else max((boot.seen_ms for boot in boots), default=0)
    names = sorted({boot.station for boot in boots} | {row[0] for row in apart})
    counts = {row[0]: row[1:] for row in apart}
    return [
        _summed(name, [boot for boot in boots if boot.station == name], counts.get(name), now)
        for name in names
    ]


def pack_fate(path: Path, station: str, boot: str, seq: int) -> str:
    """Return what became of one pack: `stored`, `quarantined`, `lost` or `missing`.

    A pack of which only some records were quarantined is `stored`.

    Raises:
        LedgerError: The ledger can't be read.
    """
    with reading(path) as connection:
        if connection is None:
            return "missing"
        row = connection.execute(
            f"{SELECT_BOOT} WHERE station = ? AND boot = ?", (station, boot)
        ).fetchone()
        if row is None or not row[3] <= seq <= row[4]:
            return "missing"
        for hole in holes_of(connection, row[2]):
            if hole.first <= seq <= hole.last:
                return "lost" if hole.gone else "missing"
        whole = connection.execute(
            "SELECT 1 FROM quarantine WHERE station = ? AND boot = ? AND seq = ?"
            " AND position IS NULL",
            (station, boot, seq),
        ).fetchone()
    return "quarantined" if whole else "stored"


def _summed(
    station: str, boots: list[BootAccount], apart: tuple[int, int, int] | None, now_ms: int
) -> StationLedger:
    total = Balance()
    for boot in boots:
        part = boot.balance()
        total.produced += part.produced
        total.stored += part.stored
        total.quarantined += part.quarantined
        total.lost += part.lost
        total.unknown += part.unknown
        total.pending += part.pending
    since = [boot.missing_since_ms for boot in boots]
    oldest = min((ms for ms in since if ms is not None), default=None)
    stored_apart, quarantined_apart, refused = apart or (0, 0, 0)
    return StationLedger(
        station=station,
        produced=total.produced,
        stored=total.stored - refused,
        quarantined=total.quarantined + refused,
        lost=total.lost,
        unknown=total.unknown,
        pending=total.pending,
        holes=sum(boot.missing_packs for boot in boots),
        oldest_hole_s=None if oldest is None else max(0.0, (now_ms - oldest) / 1000),
        apart_stored=stored_apart,
        apart_quarantined=quarantined_apart,
    )
