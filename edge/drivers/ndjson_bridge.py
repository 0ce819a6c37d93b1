r"""NDJSON bridge: anything behind a microcontroller, one JSON object a line with a CRC behind it.

`{"v":1,"dev":"gate1","seq":2,"ms":2200,"r":[{"n":"in","v":10,"u":"count"}]}*CRC4\n`: a convention
of this project (README of `hardware`), CRC-16/CCITT-FALSE in four hex digits, lines of at most 512
bytes. A good CRC is asked for unless the sensor's options say `crc = "optional"`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import ClassVar

import msgspec

from core.quality import Quality, Reason
from core.quantity import FACTS, Quantity
from edge.drivers.base import (
    Check,
    Driver,
    DriverError,
    DriverFacts,
    Field,
    Frame,
    Measurement,
    Mode,
    Option,
    Options,
    Value,
)
from edge.drivers.options import Settings, read_options
from edge.drivers.stream import count_faults, paired
from edge.framing import LineFramer

MAX_LINE_BYTES = 512
_VERSION = 1
_START = b'{"v":'
_CRC_BYTES = 5  # "*" and four hex digits
_MS_WRAP, _SEQ_WRAP = 2**32, 2**16
# A number of this size is no measurement; JSON can carry it, a register can't.
_HUGE = 1e300

# Names whose meaning is obvious: quantity and the unit the bridge firmware sends. Any other name is
# decided by the sensor's entry alone.
NAMES: Mapping[str, tuple[Quantity, str]] = {
    "in": (Quantity.PEOPLE_IN, "count"),
    "out": (Quantity.PEOPLE_OUT, "count"),
    "people": (Quantity.PEOPLE_COUNT, "count"),
    "door": (Quantity.CONTACT, "bool"),
    "alarm": (Quantity.ALARM_INPUT, "bool"),
    "rain": (Quantity.RAIN_RATE, "mm/h"),
    "level": (Quantity.WATER_LEVEL, "mm"),
    "distance": (Quantity.DISTANCE, "mm"),
    "smoke": (Quantity.SMOKE_OBSCURATION, "dB/m"),
    "co": (Quantity.CARBON_MONOXIDE, "ppm"),
    "co2": (Quantity.CARBON_DIOXIDE, "ppm"),
    "temp": (Quantity.TEMPERATURE, "Cel"),
    "rh": (Quantity.HUMIDITY, "%RH"),
    "pm1": (Quantity.PM1, "ug/m3"),
    "pm25": (Quantity.PM2_5, "ug/m3"),
    "pm10": (Quantity.PM10, "ug/m3"),
}
_QUANTITIES = frozenset(str(quantity) for quantity in Quantity)
# What a reading without a status is; some firmware says it.
_OK = "ok"
# Status word of a reading -> quality, reason, and whether its number means anything.
_STATES: Mapping[str, tuple[Quality, Reason, bool]] = {
    "warm": (Quality.UNCERTAIN, Reason.WARMING_UP, True),
    "heat": (Quality.BAD, Reason.WARMING_UP, False),
    "fault": (Quality.BAD, Reason.DEVICE_FAULT, False),
    "low": (Quality.BAD, Reason.RANGE, True),
    "high": (Quality.UNCERTAIN, Reason.SATURATED, True),
    "test": (Quality.BAD, Reason.TEST, True),
}


class _Item(msgspec.Struct, gc=False):
    """One reading of a line."""

    n: str
    v: float | int | bool | str | None = None
    u: str = "1"
    st: str | None = None


class _Line(msgspec.Struct, gc=False):
    """One line; unknown keys are of a later firmware and are ignored."""

    v: int
    dev: str = ""
    seq: int | None = None
    ms: int | None = None
    r: list[_Item] = []
    boot: dict[str, msgspec.Raw] | None = None


_DECODER = msgspec.json.Decoder(_Line)
_HEX = re.compile(rb"[0-9A-Fa-f]{4}")
_CLOSED = re.compile(rb"\*[0-9A-Fa-f]{4}\Z")


class _RefusedError(ValueError):
    """A line that is not taken."""

    def __init__(self, why: str, *, checksum: bool = False) -> None:
        super().__init__(why)
        self.checksum = checksum


class NdjsonBridge(Driver):
    """Named values of a microcontroller; the sensor's entry says which one it means."""

    FACTS = DriverFacts(
        name="ndjson_bridge",
        title="Microcontroller bridge, NDJSON lines with CRC-16",
        mode=Mode.STREAM,
        baud=115200,
        check=Check.STRONG,
        warm_up_s=0.0,
        interval_s=1.0,
        verified=True,
        quantities=tuple(Quantity),
        source="convention of this project, hardware/README.md",
        fields=tuple(
            Field(name, unit, quantity, 0.0, 1000.0, 0.0, 0.0)
            for name, (quantity, unit) in NAMES.items()
            if unit != "bool"
        ),
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "crc": Option(
            "required",
            "'optional' takes lines without a CRC, as uncertain",
            choices=("required", "optional"),
        ),
        "dev": Option("", "device id that the bridge must give; '' = any"),
        "unit": Option("1", "unit that a simulated bridge sends for names without an obvious one"),
    }

    __slots__ = ("_framer", "_last", "_sent", "settings")

    settings: Settings

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options or {})
        self.settings = read_options(self.FACTS.name, self.OPTIONS, self.options)
        self._framer = LineFramer(self.counters, b"\n", MAX_LINE_BYTES + 1)
        self._last: tuple[int, int] | None = None  # seq and ms of the last line
        self._sent = 0  # lines that a simulated bridge has sent

    @property
    def facts(self) -> DriverFacts:
        """What is known of the device; nothing protects lines that may come without a CRC."""
        if self.settings.text("crc") == "optional":
            return replace(self.FACTS, check=Check.NONE)
        return self.FACTS

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return self._framer.pending

    def feed(self, data: bytes) -> list[Frame]:
        """Take a piece of the stream; return the lines that it completes and that hold."""
        frames = []
        for line in self._framer.feed(data):
            frame = self._frame(line.rstrip(b"\r"))
            if frame is not None:
                frames.append(frame)
        return frames

    def reset(self) -> None:
        """Forget a partial line."""
        self._framer.reset()

    def flush(self) -> list[Frame]:
        """Give up on a partial line; a whole one that only lacks its line feed is taken."""
        line = self._framer.take().rstrip(b"\r")
        if not _CLOSED.search(line):
            self.counters.discarded_bytes += len(line)
            return []
        frame = self._frame(line)
        return [] if frame is None else [frame]

    def _frame(self, line: bytes) -> Frame | None:
        """Return what a line says; of a line glued to the rest of another one the last part."""
        if not line:
            return None
        try:
            return self._read(line)
        except _RefusedError as error:
            refusal = error
        again = line.rfind(_START)
        if again > 0:
            try:
                frame = self._read(line[again:])
            except _RefusedError:
                pass
            else:
                self.counters.discarded_bytes += again
                return frame
        self._reject(line, refusal)
        return None

    def _reject(self, line: bytes, why: _RefusedError) -> None:
        if why.checksum:
            self.counters.checksum_errors += 1
        else:
            self.counters.framing_errors += 1
        self.counters.discarded_bytes += len(line)
        self.counters.last_error = f"line refused: {why}"

    def _read(self, line: bytes) -> Frame:
        """Return the frame of a line.

        Raises:
            _RefusedError: It is none; the message says why.
        """
        body, checked = _checked_body(line)
        if not checked and self.settings.text("crc") != "optional":
            raise _RefusedError("no CRC, and the options ask for one")
        try:
            decoded = _DECODER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _RefusedError(f"not a bridge line: {error}") from error
        expected = self.settings.text("dev")
        if decoded.v != _VERSION:
            raise _RefusedError(f"format version {decoded.v}, expected {_VERSION}")
        if expected and decoded.dev != expected:
            raise _RefusedError(f"device {decoded.dev!r}, expected {expected!r}")
        return self._accept(decoded, line, checked=checked)

    def _accept(self, decoded: _Line, raw: bytes, *, checked: bool) -> Frame:
        self.counters.good += 1
        restarted = self._follow(decoded)
        measurements = paired(tuple(_measure(item, checked=checked) for item in decoded.r))
        count_faults(self.counters, measurements)
        return Frame(measurements, raw, restarted)

    def _follow(self, line: _Line) -> bool:
        """Count missed lines; return whether the bridge has restarted since the last line.

        `ms` wraps after 49.7 days and `seq` after 65536 lines without a restart; going back by
        anything else is one, even when the boot line was lost.
        """
        last, self._last = self._last, None
        if line.seq is not None and line.ms is not None:
            self._last = (line.seq, line.ms)
        if line.boot is not None:
            return True
        if last is None or self._last is None:
            return False
        steps = (self._last[0] - last[0]) % _SEQ_WRAP
        went_back = (self._last[1] - last[1]) % _MS_WRAP > _MS_WRAP // 2
        if went_back:
            return self._last[1] < last[1] and steps > _SEQ_WRAP // 2
        if 1 < steps < _SEQ_WRAP // 2:
            self.counters.missed += steps - 1
        return False

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return lines for these values, split so that none is too long.

        `seq` and `ms` go on by themselves, one nominal interval a line.

        Raises:
            DriverError: A value that a bridge can't send.
        """
        items = [msgspec.json.encode(self._item(name, value)) for name, value in values.items()]
        lines: list[bytes] = []
        batch: list[bytes] = []
        # Longest frame around the items: keys, seq, ms, CRC and line feed.
        room = MAX_LINE_BYTES - 80 - len(self._device)
        for item in items:
            if batch and sum(map(len, batch)) + len(batch) + len(item) > room:
                lines.append(self._line(batch))
                batch = []
            batch.append(item)
        lines.append(self._line(batch))
        return b"".join(lines)

    def boot_line(self, firmware: str = "1.0.0", reason: str = "poweron") -> bytes:
        """Return the line that a simulated bridge sends after a reset; counting starts again."""
        self._sent = 0
        boot = msgspec.json.encode({"fw": firmware, "rst": reason})
        return self._sealed(b'"boot":' + boot)

    @property
    def _device(self) -> str:
        return self.settings.text("dev") or "sim"

    def _item(self, name: str, value: Value) -> dict[str, Value]:
        if isinstance(value, float) and not isfinite(value):
            raise DriverError(f"driver ndjson_bridge: {name} = {value}: JSON has no such number")
        if isinstance(value, list):
            raise DriverError(f"driver ndjson_bridge: {name}: a list does not fit into a reading")
        item: dict[str, Value] = {"n": name, "v": value, "u": self._unit(name)}
        return item | {"st": "fault"} if value is None else item

    def _unit(self, name: str) -> str:
        if name in NAMES:
            return NAMES[name][1]
        if name in _QUANTITIES:
            return FACTS[Quantity(name)].wire_unit
        return self.settings.text("unit")

    def _line(self, items: list[bytes]) -> bytes:
        return self._sealed(b'"r":[' + b",".join(items) + b"]")

    def _sealed(self, rest: bytes) -> bytes:
        self._sent += 1
        ms = round(self._sent * self.FACTS.interval_s * 1000) % _MS_WRAP
        device = msgspec.json.encode(self._device)
        head = b'{"v":1,"dev":%b,"seq":%d,"ms":%d,' % (device, self._sent % _SEQ_WRAP, ms)
        return seal(head + rest + b"}")


def seal(body: bytes) -> bytes:
    r"""Return a line: *body*, its CRC and the line feed.

    >>> seal(b'{"v":1}')
    b'{"v":1}*1117\n'
    """
    return body + b"*%04X\n" % binascii.crc_hqx(body, 0xFFFF)


def _checked_body(line: bytes) -> tuple[bytes, bool]:
    """Return the JSON of a line, and whether a CRC stood behind it.

    Raises:
        _RefusedError: It is no line of a bridge, or the CRC is wrong.
    """
    if not line.startswith(b"{"):
        raise _RefusedError("does not start with '{'")
    if len(line) > MAX_LINE_BYTES:
        raise _RefusedError(f"longer than {MAX_LINE_BYTES} bytes")
    if line[-_CRC_BYTES : -_CRC_BYTES + 1] != b"*":
        return line, False
    body, digits = line[:-_CRC_BYTES], line[-_CRC_BYTES + 1 :]
    if not _HEX.fullmatch(digits) or int(digits, 16) != binascii.crc_hqx(body, 0xFFFF):
        raise _RefusedError("CRC does not match", checksum=True)
    return body, True


def _measure(item: _Item, *, checked: bool) -> Measurement:
    """Return one reading with the quality that its status and the line's check allow."""
    obvious = NAMES.get(item.n)
    quantity = obvious[0] if obvious is not None else None
    value = item.v
    if isinstance(value, int | float) and abs(value) > _HUGE:
        return Measurement(item.n, quantity, None, item.u, Quality.BAD, (Reason.RANGE,))
    quality = Quality.GOOD
    reasons: tuple[Reason, ...] = ()
    if item.st is not None and item.st != _OK:
        quality, reason, keep = _STATES.get(item.st, _STATES["fault"])
        reasons = (reason,)
        value = value if keep else None
    if value is None:
        quality, reasons = Quality.BAD, reasons or (Reason.MISSING,)
    if not checked:
        quality = Quality.UNCERTAIN if quality is Quality.GOOD else quality
        reasons = (*reasons, Reason.NO_CHECKSUM)
    return Measurement(item.n, quantity, value, item.u, quality, reasons)
