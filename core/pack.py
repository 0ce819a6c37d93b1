"""The wire format: one SenML JSON pack (RFC 8428) carries a station's readings since the last one.

Names are `sensor/quantity`, units SenML, times from the station. Extension labels stand on the
first record: `boot`, `seq`, `sync` (interfaces, MQTT), and what the ledger needs besides:

* `made`: readings that this boot has produced up to and including this pack;
* `thinned`: readings that were taken out of this very pack while it waited in a full spool;
* `gone`: packs that were dropped, as `[boot, first seq, last seq, readings, reason]`;
* `unknown`: what an earlier boot may have lost in memory, as `[boot, readings]` (upper bound).

A pack without a trusted clock carries `bm_` (seconds since boot) instead of `bt`; the trailing
underscore makes readers that do not know it refuse the pack, as RFC 8428 section 4.4 wants.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated

import msgspec

from core.identity import is_slug
from core.quality import Quality, Reason
from core.quantity import FACTS, Quantity, factor_to_canonical
from core.reading import Reading

# SenML version whose units include `mm`, `ppm`, `ug/m3` (secondary units, RFC 8798).
VERSION = 26
# Resolved times below 2^28 s mean "relative to now" in RFC 8428; here they are refused.
_FIRST_ABSOLUTE_S = 2**28
# 9999-12-31: anything later is not a time.
_LAST_S = 253_402_300_800


class PackError(ValueError):
    """The whole payload is unreadable; sending it again won't help. The message is the reason."""


class Gone(msgspec.Struct, frozen=True, array_like=True):
    """Packs that a station dropped: every seq from first to last, holding `readings` in all."""

    boot: str
    first: int
    last: int
    readings: int
    reason: str


class Unknown(msgspec.Struct, frozen=True, array_like=True):
    """Readings that a killed boot may have held in memory; an upper bound."""

    boot: str
    readings: int


class Rejected(msgspec.Struct, frozen=True):
    """One record of a pack that is not a reading.

    Attributes:
        index: Position in the pack, from 0.
        reason: Why, for people.
        raw: The record as it came.
    """

    index: int
    reason: str
    raw: bytes


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """One station's readings since the last pack.

    Attributes:
        boot, seq: Identity of the pack within its station; both None for foreign SenML devices.
        sync: Clock trusted? If not, `at` of the readings counts from boot.
        readings: In the order of the pack.
        rejected: Records that could not be read; `len(readings) + len(rejected)` is the count.
        made, thinned, gone, unknown: For the ledger, see the module text.
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

    @property
    def count(self) -> int:
        """How many readings the pack was sent with."""
        return len(self.readings) + len(self.rejected)


class _Record(msgspec.Struct, omit_defaults=True, gc=False):
    """One SenML record as it stands on the wire."""

    bn: str | None = None
    bt: float | None = None
    bm_: float | None = None
    bu: str | None = None
    bv: float | None = None
    bver: int | None = None
    boot: str | None = None
    seq: int | None = None
    sync: bool | None = None
    made: int | None = None
    thinned: int | None = None
    gone: tuple[Gone, ...] | None = None
    unknown: tuple[Unknown, ...] | None = None
    n: str | None = None
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    t: float | None = None
    q: Quality | None = None
    why: tuple[Reason, ...] | None = None
    min: float | None = None
    max: float | None = None
    # Larger than 64 bits it could not be written again, not even into the quarantine.
    cnt: Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(list[_Record])
_LOOSE = msgspec.json.Decoder(list[msgspec.Raw])
_ONE = msgspec.json.Decoder(_Record)
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def encode_pack(pack: Pack) -> bytes:
    """Return the JSON payload of *pack*.

    A pack without readings still carries its labels (declarations for the ledger).

    Raises:
        ValueError: A value is not finite; NaN never leaves a station.
    """
    base_ms = pack.readings[0].at if pack.readings else 0
    records: list[_Record] = []
    sensor = ""
    for reading in pack.readings:
        record = _record_of(reading, base_ms)
        if reading.sensor != sensor:
            sensor = reading.sensor
            record.bn = f"{sensor}/"
        records.append(record)
    head = records[0] if records else _Record()
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
    return _ENCODER.encode(records or [head])


def _record_of(reading: Reading, base_ms: int) -> _Record:
    for number in (reading.value, reading.minimum, reading.maximum):
        if number is not None and not isfinite(number):
            raise ValueError(f"{reading.series}: {number} is not finite")
    facts = FACTS[reading.quantity]
    offset = (reading.at - base_ms) / 1000
    record = _Record(n=str(reading.quantity), u=facts.wire_unit, t=offset or None)
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
    if b'_":' in payload:
        _refuse_unknown_must(payload)
    broken: dict[int, Rejected] = {}
    try:
        records = _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        records = _salvage(payload, broken)
    head = records[0] if records else _Record()
    if head.bver is not None and not 0 < head.bver <= VERSION:
        raise PackError(f"SenML version {head.bver}: at most {VERSION} is known")
    resolver = _Resolver()
    readings: list[Reading] = []
    rejected: list[Rejected] = []
    if len(records) == 1 and not broken and not _names_value(head):
        records = []
    for index, record in enumerate(records):
        resolver.rebase(record)
        if index in broken:
            rejected.append(broken[index])
            continue
        try:
            readings.append(resolver.resolve(record))
        except ValueError as error:
            rejected.append(Rejected(index, str(error), _ENCODER.encode(record)))
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
    )


def _names_value(record: _Record) -> bool:
    return any(field is not None for field in (record.n, record.v, record.vs, record.vb, record.bv))


def _refuse_unknown_must(payload: bytes) -> None:
    """Refuse labels that end in an underscore and that we do not know (RFC 8428 section 4.4)."""
    try:
        rows = msgspec.json.decode(payload, type=list[dict[str, msgspec.Raw]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    for row in rows:
        for label in row:
            if label.endswith("_") and label != "bm_":
                raise PackError(f"label {label!r} must be understood and is not")


def _salvage(payload: bytes, broken: dict[int, Rejected]) -> list[_Record]:
    """Decode record by record where the pack as a whole is not of the right types."""
    try:
        rows = _LOOSE.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PackError(f"not a SenML pack: {error}") from error
    records: list[_Record] = []
    for index, row in enumerate(rows):
        raw = bytes(row)
        try:
            records.append(_ONE.decode(raw))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            broken[index] = Rejected(index, f"not a SenML record: {error}", raw[:_RAW_BYTES])
            records.append(_labels_of(raw))
    return records


# What the quarantine keeps of a broken record, in bytes: enough to see what it was.
_RAW_BYTES = 4096
# Labels that matter beyond their own record, and so are kept when its value is broken.
_LABELS = ("bn", "bt", "bm_", "bu", "bver", "boot", "seq", "sync", "made", "thinned")


def _labels_of(raw: bytes) -> _Record:
    """Return what can be kept of a broken record, so that its pack stays named and receipted."""
    kept: dict[str, object] = {}
    try:
        row = _KEYS.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Record()
    for label in _LABELS:
        if label not in row:
            continue
        try:
            value = msgspec.json.decode(row[label])
            msgspec.convert({label: value}, _Record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        kept[label] = value
    return msgspec.convert(kept, _Record)


# What decides the meaning of a record's number: base name, name, unit, base unit.
_Key = tuple[str, str | None, str | None, str]


class _Resolver:
    """Carries the base values from record to record and turns records into readings."""

    def __init__(self) -> None:
        self.name = ""
        self.time = 0.0
        self.unit = ""
        self.value = 0.0
        self.monotonic = False
        self._names: dict[str, tuple[str, Quantity]] = {}
        self._meanings: dict[_Key, tuple[str, Quantity, float]] = {}

    def rebase(self, record: _Record) -> None:
        """Take over the base values that a record sets for itself and those after it."""
        if record.bn is not None:
            self.name = record.bn
        if record.bt is not None:
            self.time, self.monotonic = record.bt, False
        if record.bm_ is not None:
            self.time, self.monotonic = record.bm_, True
        if record.bu is not None:
            self.unit = record.bu
        if record.bv is not None:
            self.value = record.bv

    def resolve(self, record: _Record) -> Reading:
        """Return the reading of a record.

        Raises:
            ValueError: It is not a reading; the message says why.
        """
        if record.vs is not None:
            sensor, quantity = self._named(self.name + (record.n or ""))
            return _without_value(sensor, quantity, self._at(record.t or 0.0), record)
        # Records of one series repeat: its meaning is looked up, not worked out, for each reading.
        key = (self.name, record.n, record.u, self.unit)
        sensor, quantity, factor = self._meanings.get(key) or self._meaning(key)
        at = self._at(record.t or 0.0)
        value = record.v
        if value is None or self.value or record.vb is not None:
            value = self._value(record)
        value *= factor
        if not isfinite(value):
            raise ValueError("value is not finite")
        if record.q is None and record.cnt is None and record.min is None and record.max is None:
            return Reading(sensor, quantity, at, value, reasons=record.why or ())
        return Reading(
            sensor,
            quantity,
            at,
            value,
            record.q or Quality.GOOD,
            record.why or (),
            _extreme(record.min, factor),
            _extreme(record.max, factor),
            record.cnt or 1,
        )

    def _meaning(self, key: _Key) -> tuple[str, Quantity, float]:
        base, name, unit, base_unit = key
        sensor, quantity = self._named(base + (name or ""))
        factor = factor_to_canonical(quantity, unit or base_unit or FACTS[quantity].wire_unit)
        self._meanings[key] = sensor, quantity, factor
        return self._meanings[key]

    def _value(self, record: _Record) -> float:
        if record.vb is not None:
            return float(record.vb)
        if record.v is None and self.value == 0.0:
            raise ValueError("record has no value")
        return (record.v or 0.0) + self.value if self.value or record.v is None else record.v

    def _at(self, offset_s: float) -> int:
        seconds = self.time + offset_s
        low = 0 if self.monotonic else _FIRST_ABSOLUTE_S
        if not low <= seconds < _LAST_S:
            raise ValueError(f"time {seconds} s is not an instant")
        return round(seconds * 1000)

    def _named(self, name: str) -> tuple[str, Quantity]:
        known = self._names.get(name)
        if known is None:
            sensor, _, quantity = name.rpartition("/")
            if not is_slug(sensor):
                raise ValueError(f"name {name!r}: expected sensor/quantity")
            try:
                known = sensor, Quantity(quantity)
            except ValueError as error:
                raise ValueError(f"quantity {quantity!r} is not known") from error
            self._names[name] = known
        return known


def _extreme(number: float | None, factor: float) -> float | None:
    if number is None:
        return None
    number *= factor
    if not isfinite(number):
        raise ValueError("an extreme is not finite")
    return number


def _without_value(sensor: str, quantity: Quantity, at: int, record: _Record) -> Reading:
    """Return a bad reading without a number; its reason stands in `vs`."""
    try:
        reason = Reason(record.vs or "")
    except ValueError as error:
        raise ValueError(f"reason {record.vs!r} is not known") from error
    reasons = record.why or (reason,)
    return Reading(sensor, quantity, at, None, Quality.BAD, reasons)
