"""Station status: birth, periodic state and will, retained on the station's `status` topic."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from core.act import ActingState, LocalAct

# What a JSON number can hold exactly; beyond it neither SQLite nor other readers follow.
_MOST = 2**53
_Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
_Instant = Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]


class Link(StrEnum):
    """What the status topic says of a station's link."""

    ONLINE = "online"
    OFFLINE = "offline"  # the will: the broker lost the station
    STOPPED = "stopped"  # the station said goodbye: planned, but its sensors are unknown


class StationStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One retained statement about a station.

    Attributes:
        link: Online, offline (will) or stopped.
        boot: Boot id of the station program.
        at: Station time (ms) of the statement; for a will, of the connect.
        sync: Clock trusted?
        monotonic_ms: Milliseconds since boot at `at`, so that the hub can map unsynced packs.
        made: Readings produced by this boot so far.
        spooled: Packs that wait in the spool.
        ended: Earlier boots without a trusted clock whose packs still wait: how many milliseconds
            after its start each made its last reading. All of them ended before this boot began.
        closed: Given as soon as no pack of any earlier boot waits: what has not come of those by
            now never will. How many readings the newest of them had produced; may be empty.
        health: Named numbers for the wall, unit in the name (`cpu_celsius`, `discarded_bytes`…).
        acting: What it may do alone, and does; None for a station without outputs.
        acts: Oldest local acts that the hub has not receipted yet.
    """

    link: Link
    boot: str = ""
    at: _Instant = 0
    sync: bool = True
    monotonic_ms: _Count = 0
    made: _Count = 0
    spooled: _Count = 0
    ended: dict[str, _Count] = {}
    closed: dict[str, _Count] | None = None
    health: dict[str, float] = {}
    acting: ActingState | None = None
    acts: tuple[LocalAct, ...] = ()


class StatusError(ValueError):
    """A payload is not a station status; sending it again won't help."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(StationStatus)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# What a newer station may say in words that we don't know.
_EXTRAS = ("acting", "acts")


def encode_status(status: StationStatus) -> bytes:
    """Return the JSON payload of a status."""
    return _ENCODER.encode(status)


def decode_status(payload: bytes) -> StationStatus:
    """Return the status of a payload.

    What it says of acting is left out where it can't be read: a word that we don't know must not
    hide that a station is there.

    Raises:
        StatusError: Not a status.
    """
    try:
        return _DECODER.decode(payload)
    except msgspec.MsgspecError:
        return _without_extras(payload)
    except (UnicodeDecodeError, RecursionError) as error:
        raise StatusError(f"status: {error}") from error


def _without_extras(payload: bytes) -> StationStatus:
    try:
        fields = _FIELDS.decode(payload)
        rest = {name: value for name, value in fields.items() if name not in _EXTRAS}
        return _DECODER.decode(_ENCODER.encode(rest))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StatusError(f"status: {error}") from error


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The hub's promise: ingest has stored or quarantined these packs of this boot, for good.

    Attributes:
        boot, seq: Which packs; from ingest.
        acts: Ids of local acts that stand in the journal; from alerts.
    """

    boot: str
    seq: tuple[_Count, ...]
    acts: tuple[str, ...] = ()


_RECEIPT_DECODER = msgspec.json.Decoder(Receipt)


def encode_receipt(receipt: Receipt) -> bytes:
    """Return the JSON payload of a receipt.

    >>> encode_receipt(Receipt("3f2a", (1, 2)))
    b'{"boot":"3f2a","seq":[1,2]}'
    """
    return _ENCODER.encode(receipt)


def decode_receipt(payload: bytes) -> Receipt:
    """Return the receipt of a payload.

    Raises:
        StatusError: Not a receipt.
    """
    try:
        return _RECEIPT_DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StatusError(f"receipt: {error}") from error
