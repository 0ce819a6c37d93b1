"""Which of the known devices speaks here? Judged from bytes that were heard, and from answers.

Pure. A device is recognised by how well its driver explains what was heard: how many frames, which
share of the bytes, how strong their check is, and whether the values make sense. Devices that send
the very same frames are named together: only the label on the sensor tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from core.quality import Quality
from edge.decode import BY_HAND
from edge.drivers import DRIVERS, make_driver
from edge.drivers.base import Check, Driver, DriverFacts, Frame, Mode
from edge.modbus import Reply, parse_reply

# Frames after which a device is taken for likely, by the strength of the check: an 8-bit sum lets
# one damaged frame in 256 through, so three in a row are no accident.
_ENOUGH = {Check.STRONG: 1, Check.WEAK: 3, Check.NONE: 3}
# Share of the bytes that the frames of the right device hold at least; the rest is the cut frame at
# both ends, or a line with some noise.
_MOSTLY = 0.6
_SOME = 0.3


class Confidence(StrEnum):
    """How sure a recognition is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


_RANK = {Confidence.CERTAIN: 0, Confidence.LIKELY: 1, Confidence.POSSIBLE: 2}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that may be the one on the line.

    Attributes:
        driver: Device id.
        confidence: How sure this is.
        why: What speaks for it, for people.
        frames: Accepted frames with values.
        explained: Share of the bytes that these frames hold, 0 to 1.
        shown: The last frame with values.
        baud: Where it was heard.
        address: The slave that answered; 0 for a device without an address.
    """

    driver: str
    confidence: Confidence
    why: str
    frames: int
    explained: float
    shown: Frame
    baud: int = 0
    address: int = 0

    @property
    def facts(self) -> DriverFacts:
        """What is known of the device."""
        return make_driver(self.driver).facts


def streaming_drivers(baud: int = 0) -> list[str]:
    """Return the devices that speak by themselves, all or those with this usual baud rate."""
    facts = {name: make_driver(name).facts for name in DRIVERS}
    return [
        name for name, one in facts.items() if one.mode is Mode.STREAM and baud in (0, one.baud)
    ]


def recognise(data: bytes, drivers: Iterable[str], baud: int = 0) -> list[Candidate]:
    """Return the devices whose frames explain *data*, the best one first."""
    found = []
    for name in drivers:
        driver = make_driver(name, BY_HAND.get(name, {}))
        candidate = _explained(name, driver, data)
        if candidate is not None:
            found.append(replace(candidate, baud=baud))
    return _compared(found)


def _explained(name: str, driver: Driver, data: bytes) -> Candidate | None:
    frames = [frame for frame in driver.feed(data) + driver.flush() if frame.measurements]
    if not frames:
        return None
    explained = min(1.0, sum(len(frame.raw) for frame in frames) / max(1, len(data)))
    sensible = sum(map(is_sensible, frames))
    check = driver.facts.check
    if explained < _SOME and not (check is Check.STRONG and len(frames) > 1):
        return None
    enough = len(frames) >= _ENOUGH[check] and explained >= _MOSTLY
    confidence = (
        Confidence.LIKELY if enough and 2 * sensible >= len(frames) else Confidence.POSSIBLE
    )
    if confidence is Confidence.LIKELY and check is Check.STRONG and len(frames) > 1:
        confidence = Confidence.CERTAIN
    why = f"{len(frames)} frames hold {explained:.0%} of the bytes"
    if not sensible:
        why += ", but none of them holds a good value"
    return Candidate(name, confidence, why, len(frames), explained, frames[-1])


def is_sensible(frame: Frame) -> bool:
    """Tell whether a frame holds a good value, and none that is impossible."""
    told = [one for one in frame.measurements if one.quantity is not None] or frame.measurements
    return any(one.quality is Quality.GOOD for one in told)


def _compared(found: list[Candidate]) -> list[Candidate]:
    """Order candidates; drop those that explain much less than the best one."""
    found.sort(key=lambda one: (_RANK[one.confidence], -one.explained, one.driver))
    if not found:
        return []
    best = max(one.explained for one in found)
    kept = [one for one in found if one.explained >= best - 0.2]
    return [_told_with(one, [other for other in kept if _same(one, other)]) for one in kept]


def _same(one: Candidate, other: Candidate) -> bool:
    return one is not other and one.shown.raw == other.shown.raw


def _told_with(one: Candidate, others: list[Candidate]) -> Candidate:
    if not others:
        return one
    names = ", ".join(other.driver for other in others)
    confidence = max(one.confidence, Confidence.LIKELY, key=_RANK.__getitem__)
    why = f"{one.why}; the same frames as {names}: the label on the sensor tells"
    return replace(one, confidence=confidence, why=why)


def modbus_replies(data: bytes) -> list[Reply]:
    """Return the intact Modbus replies in what was heard: another master asks on this line.

    >>> from edge.modbus import Request, reply_frame
    >>> [reply.address for reply in modbus_replies(reply_frame(Request(7, 3, 0, 1), b"12"))]
    [7]
    """
    found: list[Reply] = []
    at = 0
    while at < len(data) - 4:
        size = 5 + data[at + 2] if data[at + 1] in (1, 2, 3, 4) else 0
        reply = parse_reply(data[at : at + size]) if size > 5 else None
        if reply is not None:
            found.append(reply)
            at += size
        else:
            at += 1
    return found
