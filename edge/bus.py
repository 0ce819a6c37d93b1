"""Who is asked next on a polled line, and when: fair turns, and patience for the silent.

Pure: times are monotonic wall seconds given by the caller. A device that does not answer or that
refuses is asked more and more rarely, so that it never takes the line from the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.instruments import Instrument
from edge.modbus import t35_s, wire_s

# Pause between two requests: 10 to 50 ms helps cheap slaves (hardware notes 1.3).
PAUSE_S = 0.02
# A silent device is asked at least this often, so that one that comes back is heard soon.
SILENT_CAP_S = 10.0
# A device that refuses (exceptions 1 to 3) is misconfigured: asked again, but rarely.
REFUSED_CAP_S = 60.0
# An answer that is not there after this time does not come any more.
OWED_S = 10.0
# Unanswered requests in a row before a device is asked more rarely.
PATIENCE = 3
# Answers without a value (a start command, an identity) after which a device is asked again at
# once: a reading that is wanted once a minute must not wait for minutes.
HURRIES = 2
# Room for the longest usual reply, in bytes (17 registers), and the factor on its time on the wire
# (hardware notes 1.2).
_REPLY_BYTES = 40
_WIRE_FACTOR = 3


@dataclass(slots=True, eq=False)
class Turn:
    """The place of one instrument in the round.

    Attributes:
        instrument: Whom to ask.
        every_s: Wall seconds between two requests.
        due_s: When it is next.
        misses: Requests in a row without an answer.
        refusals: Refusals in a row.
        hurries: Answers without a value in a row.
    """

    instrument: Instrument
    every_s: float
    due_s: float = 0.0
    misses: int = 0
    refusals: int = 0
    hurries: int = 0

    def answered(self, now_s: float, *, empty: bool = False) -> None:
        """Take note of a good answer; *empty* if it held no value, as that to a start command."""
        self.misses = self.refusals = 0
        self.hurries = self.hurries + 1 if empty else 0
        if 0 < self.hurries <= HURRIES:
            self.due_s = now_s
        else:
            self.due_s = max(self.due_s + self.every_s, now_s)

    def missed(self, now_s: float) -> None:
        """Take note of silence."""
        self.misses += 1
        pause_s = self.every_s
        if self.misses >= PATIENCE:
            growth = 2.0 ** min(self.misses - PATIENCE + 1, 10)
            pause_s = max(self.every_s, min(max(self.every_s, 0.5) * growth, SILENT_CAP_S))
        self.due_s = now_s + pause_s

    def refused(self, now_s: float, *, retry: bool) -> None:
        """Take note of an exception; *retry* if asking again may help (busy, device failure)."""
        self.misses = 0
        self.refusals += 1
        cap_s = SILENT_CAP_S if retry else REFUSED_CAP_S
        growth = 2.0 ** min(self.refusals, 10)
        self.due_s = now_s + max(self.every_s, min(max(self.every_s, 0.5) * growth, cap_s))


class OwedAnswers:
    """Which slaves may still send the answer to a question that was given up.

    An RTU answer does not say which register it is of: to the next question for another register
    of the same slave, with as many registers, it would look right.
    """

    def __init__(self) -> None:
        self._owed: dict[int, tuple[bytes, float]] = {}

    def missed(self, request: bytes, now_s: float) -> None:
        """Take note of a request without an answer."""
        self._owed[request[0]] = (request, now_s)

    def must_wait(self, request: bytes, now_s: float) -> bool:
        """Tell whether an old answer could be taken for the answer to this request; once."""
        old, since_s = self._owed.get(request[0], (b"", 0.0))
        alike = (old[1:2], old[4:6]) == (request[1:2], request[4:6])
        if not old or old == request or not alike:
            return False
        del self._owed[request[0]]
        return now_s - since_s <= OWED_S


def turns_of(instruments: Iterable[Instrument], speed: float) -> list[Turn]:
    """Return the round of a bus; intervals are run time, turns are wall time.

    A device that needs several requests for all of its values gets so many turns an interval.
    """
    return [
        Turn(one, one.interval_s / speed / one.driver.requests_per_reading) for one in instruments
    ]


def next_turn(turns: list[Turn]) -> Turn:
    """Return who is due first; whoever waited longest among equals."""
    return min(turns, key=lambda turn: turn.due_s)


def reply_timeout_s(request: bytes, baud: int, latency_s: float) -> float:
    """Return how long to wait for an answer: three times its time on the wire, and the latency.

    >>> round(reply_timeout_s(bytes(8), 9600, 0.3), 2)
    0.45
    """
    return _WIRE_FACTOR * wire_s(len(request) + _REPLY_BYTES, baud) + latency_s


def silence_s(baud: int) -> float:
    """Return the pause before a request: never less than 3.5 characters."""
    return max(PAUSE_S, t35_s(baud))
