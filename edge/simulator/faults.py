"""Faults: what the scenario breaks, applied to values (stuck), to frames (bytes) and to lines.

Everything here is a pure function of (seed, fault, frame number), so a broken run can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.simulator.noise import uniform
from edge.simulator.scenario import Fault, FaultKind

LONGEST_GARBAGE = 32


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a run, by what they hit.

    Attributes:
        faults: All of them, in the order of the scenario.
        seed: Where the chance of byte faults comes from.
    """

    faults: tuple[Fault, ...]
    seed: int

    def hits(self, kind: FaultKind, sensors: Iterable[str], t_s: float) -> Fault | None:
        """Return the fault of a kind that holds for one of the sensors at *t_s*."""
        wanted = set(sensors)
        for fault in self.faults:
            if fault.kind is kind and fault.sensor in wanted and fault.active(t_s):
                return fault
        return None

    def silent(self, sensor: str, t_s: float) -> bool:
        """Tell whether the sensor says nothing."""
        return self.hits(FaultKind.SILENCE, (sensor,), t_s) is not None

    def pulled(self, sensors: Iterable[str], t_s: float) -> bool:
        """Tell whether the cable of a line with these sensors is pulled."""
        return self.hits(FaultKind.CABLE_PULLED, sensors, t_s) is not None

    def measured_at(self, sensor: str, t_s: float) -> float:
        """Return the instant whose value the sensor shows: an earlier one while it is stuck."""
        fault = self.hits(FaultKind.STUCK, (sensor,), t_s)
        return t_s if fault is None else fault.from_s

    def clock_jump_s(self, sensors: Iterable[str], t_s: float) -> float:
        """Return how far the clock of the devices' microcontroller is off."""
        fault = self.hits(FaultKind.CLOCK_JUMP, sensors, t_s)
        return 0.0 if fault is None else fault.jump_s

    def on_wire(self, sensors: tuple[str, ...], frame: bytes, number: int, t_s: float) -> bytes:
        """Return what really goes over the wire for one good frame."""
        if not frame:
            return frame
        for place, fault in enumerate(self.faults):
            damage = _DAMAGES.get(fault.kind)
            if damage is None or fault.sensor not in sensors or not fault.active(t_s):
                continue
            name = f"fault-{place}"
            if uniform(self.seed, name, number) < fault.share:
                frame = damage(frame, self.seed, f"{name}/bytes", number)
        return frame


def flip_bit(frame: bytes, seed: int, name: str, number: int) -> bytes:
    """Return the frame with one bit wrong.

    >>> flip_bit(bytes(4), 1, "x", 0) != bytes(4)
    True
    """
    bit = int(uniform(seed, name, number) * len(frame) * 8)
    broken = bytearray(frame)
    broken[bit // 8] ^= 1 << bit % 8
    return bytes(broken)


def add_garbage(frame: bytes, seed: int, name: str, number: int) -> bytes:
    """Return the frame with 1 to 32 random bytes before it (a brown-out, a loose wire)."""
    count = 1 + int(uniform(seed, name, number) * LONGEST_GARBAGE)
    noise = bytes(int(256 * uniform(seed, f"{name}/{number}", place)) for place in range(count))
    return noise + frame


def cut_short(frame: bytes, seed: int, name: str, number: int) -> bytes:
    """Return the first bytes of the frame, at least one less than it has."""
    return frame[: int(uniform(seed, name, number) * len(frame))]


def send_twice(frame: bytes, _seed: int, _name: str, _number: int) -> bytes:
    """Return the frame two times."""
    return frame + frame


_DAMAGES = {
    FaultKind.BIT_FLIPS: flip_bit,
    FaultKind.GARBAGE: add_garbage,
    FaultKind.PARTIAL: cut_short,
    FaultKind.DUPLICATE: send_twice,
}
