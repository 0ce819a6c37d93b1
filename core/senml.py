"""SenML records (RFC 8428): bytes become records, records become readings, one by one.

The room below `core.pack`: that module knows what a pack of ours is, this one what SenML is. A
record that is not a reading is set apart with its reason, and its base values still count.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any

import msgspec

from core.identity import is_slug
from core.quality import Quality, Reason
from core.quantity import FACTS, Quantity, factor_to_canonical
from core.reading import Reading

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


class Record(msgspec.Struct, omit_defaults=True, gc=False):
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
    exercise: Any = None  # a mark: whatever it is, it must not cost a reading
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
_DECODER = msgspec.json.Decoder(list[Record])
_LOOSE = msgspec.json.Decoder(list[msgspec.Raw])
_ONE = msgspec.json.Decoder(Record)
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_records(payload: bytes) -> tuple[list[Record], dict[int, Rejected]]:
    """Return every record of a payload, and why some of them are no records, by position.

    Raises:
        PackError: Not UTF-8 JSON, not an array, or a label that must be understood and is not.
    """
    if b'_":' in payload:
        _refuse_unknown_must(payload)
    broken: dict[int, Rejected] = {}
    try:
        return _DECODER.decode(payload), broken
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _salvage(payload, broken), broken


def encode_records(records: list[Record]) -> bytes:
    """Return the JSON payload of *records*."""
    return _ENCODER.encode(records)


def raw_record(record: Record) -> bytes:
    """Return one record as JSON, for the quarantine."""
    return _ENCODER.encode(record)


def names_value(record: Record) -> bool:
    """Tell whether a record speaks of a value at all; one that does not only carries labels."""
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


def _salvage(payload: bytes, broken: dict[int, Rejected]) -> list[Record]:
    """Decode record by record where the pack as a whole is not of the right types."""
    try:
        rows = _LOOSE.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PackError(f"not a SenML pack: {error}") from error
    records: list[Record] = []
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


def _labels_of(raw: bytes) -> Record:
    """Return what can be kept of a broken record, so that its pack stays named and receipted."""
    kept: dict[str, object] = {}
    try:
        row = _KEYS.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Record()
    for label in _LABELS:
        if label not in row:
            continue
        try:
            value = msgspec.json.decode(row[label])
            msgspec.convert({label: value}, Record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        kept[label] = value
    return msgspec.convert(kept, Record)


# What decides the meaning of a record's number: base name, name, unit, base unit.
_Key = tuple[str, str | None, str | None, str]


class Resolver:
    """Carries the base values from record to record and turns records into readings."""

    def __init__(self) -> None:
        self.name = ""
        self.time = 0.0
        self.unit = ""
        self.value = 0.0
        self.monotonic = False
        self._names: dict[str, tuple[str, Quantity]] = {}
        self._meanings: dict[_Key, tuple[str, Quantity, float]] = {}

    def rebase(self, record: Record) -> None:
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

    def resolve(self, record: Record) -> Reading:
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

    def _value(self, record: Record) -> float:
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


def _without_value(sensor: str, quantity: Quantity, at: int, record: Record) -> Reading:
    """Return a bad reading without a number; its reason stands in `vs`."""
    try:
        reason = Reason(record.vs or "")
    except ValueError as error:
        raise ValueError(f"reason {record.vs!r} is not known") from error
    reasons = record.why or (reason,)
    return Reading(sensor, quantity, at, None, Quality.BAD, reasons)
