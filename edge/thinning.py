"""Thinning: half of the readings of old packs, with the extremes of all of them.

What is taken away is counted in the pack (`thinned`), so that the ledger still balances.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from core.identity import SeriesId
from core.pack import Pack, PackError, decode_pack, encode_pack
from core.quality import Quality
from core.quantity import Quantity
from core.reading import Reading

# Never thinned: each of these says that something happened.
KEPT = frozenset({Quantity.ALARM_INPUT, Quantity.CONTACT})


@dataclass(frozen=True, slots=True)
class Thinned:
    """One pack after thinning.

    Attributes:
        payload: Its new bytes.
        count: Readings that it holds now.
        taken: Readings that were taken out.
    """

    payload: bytes
    count: int
    taken: int


def thin(payloads: Iterable[bytes]) -> list[Thinned | None]:
    """Take every second reading of each series out of packs that follow each other.

    The extremes of what is taken live on in the reading before it, so that a peak is never lost.
    None stands for what is no pack any more (a worn-out card): it stays, and the hub sets it apart.
    """
    packs = [_decoded(payload) for payload in payloads]
    kept: list[list[Reading]] = [[] for _ in packs]
    # Where the reading lies that takes over the next one of its series.
    open_slots: dict[SeriesId, tuple[int, int]] = {}
    for index, pack in enumerate(packs):
        for reading in pack.readings if pack else ():
            slot = open_slots.pop(reading.series, None)
            if slot is not None and _may_merge(reading):
                at, position = slot
                kept[at][position] = _merged(kept[at][position], reading)
                continue
            kept[index].append(reading)
            if _may_merge(reading):
                open_slots[reading.series] = (index, len(kept[index]) - 1)
    return [
        _thinned(pack, readings) if pack else None
        for pack, readings in zip(packs, kept, strict=True)
    ]


def _decoded(payload: bytes) -> Pack | None:
    try:
        return decode_pack(payload)
    except PackError:
        return None


def _may_merge(reading: Reading) -> bool:
    return reading.quantity not in KEPT and reading.quality is Quality.GOOD


def _merged(first: Reading, second: Reading) -> Reading:
    lows = [one.value if one.minimum is None else one.minimum for one in (first, second)]
    highs = [one.value if one.maximum is None else one.maximum for one in (first, second)]
    return msgspec.structs.replace(
        first,
        minimum=min(value for value in lows if value is not None),
        maximum=max(value for value in highs if value is not None),
        count=first.count + second.count,
    )


def _thinned(pack: Pack, readings: list[Reading]) -> Thinned:
    taken = len(pack.readings) - len(readings)
    smaller = msgspec.structs.replace(pack, readings=tuple(readings), thinned=pack.thinned + taken)
    return Thinned(encode_pack(smaller), len(readings), taken)
