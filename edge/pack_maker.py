"""Packs of one boot: numbered, small enough for the broker, with what is declared in the first."""

from __future__ import annotations

from collections.abc import Sequence

from core.pack import Gone, Pack, Unknown, encode_pack
from core.reading import Reading
from core.topics import MAX_PACK_BYTES
from edge.eviction import MEMORY
from edge.pack_books import Declaration, PackId, StoredPack

_READINGS_A_PACK = 500


class PackMaker:
    """Makes the packs of one boot.

    Args:
        boot: Its id.
        exercise: Id of the drill that the packs are marked with, "" for none.

    Attributes:
        seq: Number of the last pack.
        made: Readings that the boot has produced.
    """

    def __init__(self, boot: str, exercise: str = "") -> None:
        self.seq = 0
        self.made = 0
        self._boot = boot
        self._exercise = exercise

    def make(
        self,
        readings: Sequence[Reading],
        declarations: Sequence[Declaration],
        *,
        sync: bool,
        alarm: bool,
    ) -> list[StoredPack]:
        """Return packs of *readings*, at least one; see `Spool.commit`."""
        labels = [one.label for one in declarations]
        pieces = [
            readings[at : at + _READINGS_A_PACK] for at in range(0, len(readings), _READINGS_A_PACK)
        ] or [readings]
        packs: list[StoredPack] = []
        while pieces:
            piece = pieces.pop(0)
            pack = Pack(
                boot=self._boot,
                seq=self.seq + 1,
                sync=sync,
                readings=tuple(piece),
                made=self.made + len(piece),
                gone=() if packs else tuple(one for one in labels if isinstance(one, Gone)),
                unknown=() if packs else tuple(one for one in labels if isinstance(one, Unknown)),
                exercise=self._exercise,
            )
            payload = encode_pack(pack)
            if len(payload) > MAX_PACK_BYTES and len(piece) > 1:
                half = len(piece) // 2
                pieces[:0] = [piece[:half], piece[half:]]
                continue
            self.seq += 1
            self.made += len(piece)
            newest_ms = max((one.at for one in piece), default=None) if sync else None
            name = PackId(self._boot, self.seq)
            packs.append(StoredPack(name, len(piece), payload, alarm=alarm, newest_ms=newest_ms))
        return packs

    def drop(self, readings: int) -> Gone:
        """Return the declaration of readings that were dropped: a pack that never was."""
        self.seq += 1
        self.made += readings
        return Gone(self._boot, self.seq, self.seq, readings, MEMORY)
