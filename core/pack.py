"""The wire format: one SenML JSON pack (RFC 8428) carries a station's readings since the last one.

Names are `sensor/quantity`, units SenML, times from the station. Extension labels stand on the
first record: `boot`, `seq`, `sync` (interfaces, MQTT), and what the ledger needs besides:

* `made`: readings that this boot has produced up to and including this pack;
* `thinned`: readings that were taken out of this very pack while it waited in a full spool;
* `gone`: packs that were dropped, as `[boot, first seq, last seq, readings, reason]`;
* `unknown`: what an earlier boot may have lost in memory, as `[boot, readings]` (upper bound);
* `exercise`: id of the drill that the station of a drill plays. It marks, it does not decide: what
  any other station sends is actual, whatever this label says (`core.drill`).

A pack without a trusted clock carries `bm_` (seconds since boot) instead of `bt`; the trailing
underscore makes readers that do not know it refuse the pack, as RFC 8428 section 4.4 wants.
"""

from __future__ import annotations

from math import isfinite

import msgspec

from core.quality import Quality, Reason
from core.quantity import FACTS
from core.reading import Reading
from core.senml import (
    Gone,
    PackError,
    Record,
    Rejected,
    Resolver,
    Unknown,
    decode_records,
    encode_records,
    names_value,
    raw_record,
)

__all__ = [
    "VERSION",
    "Gone",
    "Pack",
    "PackError",
    "Rejected",
    "Unknown",
    "decode_pack",
    "encode_pack",
]

# SenML version whose units include `mm`, `ppm`, `ug/m3` (secondary units, RFC 8798).
VERSION = 26


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """One station's readings since the last pack.

    Attributes:
        boot, seq: Identity of the pack within its station; both None for foreign SenML devices.
        sync: Clock trusted? If not, `at` of the readings counts from boot.
        readings: In the order of the pack.
        rejected: Records that could not be read; `len(readings) + len(rejected)` is the count.
        made, thinned, gone, unknown: For the ledger, see the module text.
        exercise: Id of the drill that it was made for, "" for none; a mark, no proof.
    """

    boot: str | None = None
    seq: int | None = None
    sync: bool = True
    readings: tuple[Reading, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    made: int | None = None
    thinned: int = 0
    gone: tuple[Gone, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    exercise: str = ""

    @property
    def count(self) -> int:
        """How many readings the pack was sent with."""
        return len(self.readings) + len(self.rejected)


def encode_pack(pack: Pack) -> bytes:
    """Return the JSON payload of *pack*.

    A pack without readings still carries its labels (declarations for the ledger).

    Raises:
        ValueError: A value is not finite; NaN never leaves a station.
    """
    base_ms = pack.readings[0].at if pack.readings else 0
    records: list[Record] = []
    sensor = ""
    for reading in pack.readings:
        record = _record_of(reading, base_ms)
        if reading.sensor != sensor:
            sensor = reading.sensor
            record.bn = f"{sensor}/"
        records.append(record)
    head = records[0] if records else Record()
    head.bver = VERSION
    if pack.sync:
        head.bt = base_ms / 1000
    else:
        head.bm_ = base_ms / 1000
        head.sync = False
    if pack.boot is not None:
        head.boot, head.seq = pack.boot, pack.seq
        head.sync = pack.sync
    head.made = pack.made
    head.thinned = pack.thinned or None
    head.gone = pack.gone or None
    head.unknown = pack.unknown or None
    head.exercise = pack.exercise or None
    return encode_records(records or [head])


def _record_of(reading: Reading, base_ms: int) -> Record:
    for number in (reading.value, reading.minimum, reading.maximum):
        if number is not None and not isfinite(number):
            raise ValueError(f"{reading.series}: {number} is not finite")
    facts = FACTS[reading.quantity]
    offset = (reading.at - base_ms) / 1000
    record = Record(n=str(reading.quantity), u=facts.wire_unit, t=offset or None)
    if reading.value is None:
        record.vs = str(reading.reasons[0] if reading.reasons else Reason.MISSING)
        record.u = None
    else:
        record.v = reading.value
    if reading.quality is not Quality.GOOD:
        record.q = reading.quality
        record.why = reading.reasons or None
    if reading.count != 1:
        record.cnt = reading.count
        record.min, record.max = reading.minimum, reading.maximum
    return record


def decode_pack(payload: bytes) -> Pack:
    """Read a payload; records that are not readings are set apart with their reason.

    Raises:
        PackError: Not UTF-8 JSON, not an array of objects, or a version that is not known.
    """
    records, broken = decode_records(payload)
    head = records[0] if records else Record()
    if head.bver is not None and not 0 < head.bver <= VERSION:
        raise PackError(f"SenML version {head.bver}: at most {VERSION} is known")
    resolver = Resolver()
    readings: list[Reading] = []
    rejected: list[Rejected] = []
    if len(records) == 1 and not broken and not names_value(head):
        records = []
    for index, record in enumerate(records):
        resolver.rebase(record)
        if index in broken:
            rejected.append(broken[index])
            continue
        try:
            readings.append(resolver.resolve(record))
        except ValueError as error:
            rejected.append(Rejected(index, str(error), raw_record(record)))
    identified = head.boot is not None and head.seq is not None
    return Pack(
        boot=head.boot if identified else None,
        seq=head.seq if identified else None,
        sync=head.bm_ is None and not resolver.monotonic and head.sync is not False,
        readings=tuple(readings),
        rejected=tuple(rejected),
        made=head.made,
        thinned=head.thinned or 0,
        gone=head.gone or (),
        unknown=head.unknown or (),
        exercise=head.exercise if isinstance(head.exercise, str) else "",
    )
