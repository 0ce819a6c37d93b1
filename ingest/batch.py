"""One batch: what its messages become before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.finding import ZoneGrade
from core.status import Receipt
from ingest.history.base import Point, StationState
from ingest.quarantine import MAX_ROWS_A_PACK, Quarantined
from ingest.validation import Problem


@dataclass(slots=True)
class Batch:
    """What will be committed together.

    Attributes:
        points, grades, stations: For the history.
        quarantined: For the quarantine.
        receipts: Packs to receipt, by (station, boot).
        packs, duplicates: How many packs came, and how many of them had come before.
    """

    points: list[Point] = field(default_factory=list)
    grades: list[ZoneGrade] = field(default_factory=list)
    stations: list[StationState] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    receipts: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    packs: int = 0
    duplicates: int = 0

    def receipt(self, station: str, boot: str, seq: int) -> None:
        """Promise a pack to its station, once the batch is committed."""
        self.receipts.setdefault((station, boot), []).append(seq)

    def receipts_of(self) -> list[tuple[str, Receipt]]:
        """Return the receipts by station."""
        return [
            (station, Receipt(boot, tuple(seqs))) for (station, boot), seqs in self.receipts.items()
        ]

    def quarantine_problems(
        self,
        problems: list[Problem],
        received_ms: int,
        station: str,
        boot: str | None,
        seq: int | None,
    ) -> None:
        """Set the records of one pack apart; beyond the first ones they are summed up."""
        for problem in problems[:MAX_ROWS_A_PACK]:
            self.quarantined.append(
                Quarantined(
                    received_ms,
                    station,
                    boot,
                    seq,
                    problem.position,
                    1,
                    problem.reason,
                    len(problem.raw),
                    problem.raw,
                )
            )
        rest = problems[MAX_ROWS_A_PACK:]
        if rest:
            reason = f"and {len(rest)} more records of this pack, first: {rest[0].reason}"
            self.quarantined.append(
                Quarantined(
                    received_ms,
                    station,
                    boot,
                    seq,
                    rest[0].position,
                    len(rest),
                    reason,
                    len(rest[0].raw),
                    rest[0].raw,
                )
            )
