"""A serial line with its devices: frames that come by themselves, answers to whoever asks.

Every byte comes from the device's own driver (`encode`, `respond`); a fault may change it on its
way. Pure but for the drivers' own counters: no terminal, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor
from typing import Protocol

from core.community import SensorEntry
from core.quantity import Quantity
from edge.drivers.base import Driver, Mode, Value
from edge.drivers.modbus_device import ModbusDriver
from edge.drivers.ndjson_bridge import seal
from edge.simulator.derivation import BRIDGES, PortPlan
from edge.simulator.faults import Faults
from edge.simulator.instrument import Sample, Word, driver_of, say, words_of

# Longest request of any device here is 9 bytes; what is longer and was not understood is noise.
LONGEST_REQUEST = 64
# Digits behind the point that a microcontroller prints.
BRIDGE_DIGITS = 4
_EXCEPTION_BIT = 0x80
_MS_KEY = b'"ms":'
_MS_WRAP = 2**32


class Samples(Protocol):
    """Where true values come from."""

    @property
    def seed(self) -> int:
        """What chance comes from."""

    def sample(self, entry: SensorEntry, quantity: Quantity, t_s: float) -> Sample:
        """Return the true value of a sensor's quantity at *t_s* seconds of the run."""


@dataclass(slots=True)
class Device:
    """One device on a line: a sensor, a module with several inputs, a bridge with several values.

    Attributes:
        entries: The sensors that it serves.
        driver: Its driver, configured as the station configures it.
        interval_s: Run seconds between its frames: the sensors' interval, but never faster than
            the device itself.
    """

    entries: tuple[SensorEntry, ...]
    driver: Driver
    interval_s: float
    _words: tuple[tuple[SensorEntry, Word], ...] = field(default=())
    _next: int = 0

    def __post_init__(self) -> None:
        self._words = tuple(
            (entry, word) for entry in self.entries for word in words_of(entry, self.driver)
        )

    @property
    def sensors(self) -> tuple[str, ...]:
        """Ids of the sensors."""
        return tuple(entry.id for entry in self.entries)

    @property
    def streams(self) -> bool:
        """True if it speaks by itself."""
        return self.driver.facts.mode is Mode.STREAM

    def number(self, t_s: float) -> int:
        """Return the number of the frame that belongs to *t_s*."""
        return floor(t_s / self.interval_s + 1e-6)

    def values(self, samples: Samples, faults: Faults, t_s: float) -> dict[str, Value]:
        """Return what the device would say at *t_s*, in its own words; silent sensors are out."""
        said: dict[str, Value] = {}
        for entry, word in self._words:
            if faults.silent(entry.id, t_s):
                continue
            seen_s = faults.measured_at(entry.id, t_s)
            sample = samples.sample(entry, word.quantity, seen_s)
            name, value = say(entry, word, sample, samples.seed, seen_s)
            if isinstance(value, float) and entry.driver in BRIDGES:
                value = round(value, BRIDGE_DIGITS)
            said[name] = value
        return said

    def due(self, t_s: float) -> int | None:
        """Return the number of the frame that is due at *t_s*, once; None if none is.

        Frames that nobody asked for in time are skipped: a device does not catch up.
        """
        number = self.number(t_s)
        if t_s < 0 or number < self._next:
            return None
        self._next = number + 1
        return number

    def next_s(self) -> float:
        """Return when its next frame is due."""
        return self._next * self.interval_s


class Line:
    """The devices of one port.

    Args:
        plan: The port and its sensors.
        samples: True values.
        faults: What is broken.

    Raises:
        DriverError: A sensor's entry does not fit its driver.
    """

    def __init__(self, plan: PortPlan, samples: Samples, faults: Faults) -> None:
        self.plan = plan
        self._samples = samples
        self._faults = faults
        self.devices = devices_of(plan)
        self._asked = bytearray()

    @property
    def sensors(self) -> tuple[str, ...]:
        """Ids of everything that hangs on the line."""
        return tuple(sensor.id for sensor in self.plan.sensors)

    def next_s(self) -> float:
        """Return when the next frame is due that comes by itself; infinity if none ever is."""
        streaming = [device.next_s() for device in self.devices if device.streams]
        return min(streaming, default=float("inf"))

    def spoken(self, t_s: float) -> list[bytes]:
        """Return the frames that are due at *t_s*, as they go over the wire."""
        frames = []
        for device in self.devices:
            number = device.due(t_s) if device.streams else None
            if number is not None:
                frames.append(self._frame(device, number))
        return [frame for frame in frames if frame]

    def answered(self, data: bytes, t_s: float) -> bytes:
        """Take bytes from the host; return the answer once they hold a request to a device."""
        if not any(not device.streams for device in self.devices):
            return b""
        self._asked += data
        del self._asked[:-LONGEST_REQUEST]
        for start in range(len(self._asked)):
            found, answer = self._answer(bytes(self._asked[start:]), t_s)
            if found:
                self._asked.clear()
                return answer
        return b""

    def hush(self) -> None:
        """Forget half a request: the line was idle, or the host has gone."""
        self._asked.clear()

    def _frame(self, device: Device, number: int) -> bytes:
        t_s = number * device.interval_s
        values = device.values(self._samples, self._faults, t_s)
        if not values:
            return b""
        frame = device.driver.encode(values)
        jump_s = self._faults.clock_jump_s(device.sensors, t_s)
        if jump_s:
            frame = shift_clock(frame, jump_s)
        return self._faults.on_wire(device.sensors, frame, number, t_s)

    def _answer(self, request: bytes, t_s: float) -> tuple[bool, bytes]:
        """Return whether somebody here was asked, and what is heard of the answer.

        Sensors with one address are parts of one device: a refusal (Modbus exception) stands only
        if none of them knows the answer.
        """
        refusal = b""
        for device in self.devices:
            if device.streams:
                continue
            values = device.values(self._samples, self._faults, t_s)
            answer = device.driver.respond(request, values)
            if not answer:
                continue
            if len(answer) > 1 and answer[1] == request[1] | _EXCEPTION_BIT and is_modbus(device):
                refusal = answer
                continue
            if not values:
                return True, b""
            number = device.number(t_s)
            return True, self._faults.on_wire(device.sensors, answer, number, t_s)
        return bool(refusal), refusal


def devices_of(plan: PortPlan) -> tuple[Device, ...]:
    """Return the devices of a line: bridges and modules with one address and setting are one."""
    groups: dict[tuple[object, ...], list[SensorEntry]] = {}
    for entry in plan.sensors:
        groups.setdefault(_device_key(entry), []).append(entry)
    return tuple(_device(tuple(entries)) for entries in groups.values())


def _device(entries: tuple[SensorEntry, ...]) -> Device:
    driver = driver_of(entries[0])
    wanted = min(entry.interval_s for entry in entries)
    return Device(entries, driver, max(wanted, driver.facts.interval_s))


def _device_key(entry: SensorEntry) -> tuple[object, ...]:
    if entry.driver in BRIDGES:
        return (entry.driver,)
    if entry.measure:
        return (entry.driver, entry.address, *sorted(entry.options.items()))
    return (entry.id,)


def is_modbus(device: Device) -> bool:
    """Tell whether a device can refuse a request with a Modbus exception."""
    return isinstance(device.driver, ModbusDriver)


def shift_clock(frame: bytes, jump_s: float) -> bytes:
    r"""Return bridge lines with their `ms` shifted, and their CRC made right again.

    >>> shift_clock(b'{"v":1,"ms":1000}*0000\n', 2.5)[:17]
    b'{"v":1,"ms":3500}'
    """
    lines = []
    for line in frame.splitlines():
        body = line.rpartition(b"*")[0]
        before, key, rest = body.partition(_MS_KEY)
        digits = rest[: len(rest) - len(rest.lstrip(b"0123456789"))]
        if not (key and digits):
            lines.append(line + b"\n")
            continue
        shifted = (int(digits) + round(jump_s * 1000)) % _MS_WRAP
        lines.append(seal(before + key + str(shifted).encode() + rest[len(digits) :]))
    return b"".join(lines)
