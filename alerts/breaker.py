"""The circuit breaker of each channel: who doesn't answer is left alone for a while, others go on.

closed --5 failures in a row, or "wait" from the vendor--> open --rest is over--> half-open
half-open: one real message that waits is the probe; accepted closes, failure opens for longer.

One row a channel in the database, so that all workers and the next start know. Times are wall
milliseconds, like HTTP time-outs and vendors' own limits.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select, update

from alerts import tables
from alerts.channels.base import Outcome, OutcomeKind
from alerts.impersonal import storable

# Failures in a row that open it. Our choice: one lost connection means nothing, five do; with the
# back-off of red that is half a minute.
THRESHOLD = 5
# First rest and longest, doubling. Short, because red waits for it: a vendor that is back is
# noticed within five minutes, far below red's deadline of 30.
FIRST_REST_MS, LONGEST_REST_MS = 5_000, 300_000
# Longest rest that a vendor's Retry-After may ask for, wall seconds.
MAX_RETRY_AFTER_S = 3600.0
_DICE = secrets.SystemRandom()
_b = tables.breaker.c


class State(StrEnum):
    """What a channel may be given."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """The trouble of one channel; a channel without trouble has none.

    Attributes:
        channel: Its name.
        failures: In a row.
        opened_wall: Since when it has been resting, 0 while it is still closed.
        rest_until_wall: Until when it gets nothing.
        probe_until_wall: While a probe is under way, until when its lease runs.
        reason: The last failure, for people.
    """

    channel: str
    failures: int = 0
    opened_wall: int = 0
    rest_until_wall: int = 0
    probe_until_wall: int = 0
    reason: str = ""

    def state(self, wall: int) -> State:
        """Return what it is at *wall*."""
        if not self.opened_wall:
            return State.CLOSED
        # A longer rest than any that is given: the clock was set back.
        left_ms = self.rest_until_wall - wall
        return State.OPEN if 0 < left_ms <= MAX_RETRY_AFTER_S * 1000 else State.HALF_OPEN

    def slots(self, wall: int, slots: int) -> int:
        """Return how many of *slots* sends it may have now: none, one as a probe, or all."""
        state = self.state(wall)
        if state is State.CLOSED:
            return slots
        if state is State.OPEN or wall < self.probe_until_wall:
            return 0
        return min(slots, 1)


def after(breaker: Breaker | None, channel: str, outcome: Outcome, wall: int) -> Breaker | None:
    """Return what an outcome makes of a breaker; None if all is well.

    A message that is refused for its own sake (`permanent`), or for its recipient's, shows that the
    channel works.
    """
    if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.PERMANENT) or outcome.personal:
        return None
    before = breaker or Breaker(channel)
    if before.state(wall) is State.OPEN:
        return before  # sent before it was opened: nothing new
    reason = storable(f"{outcome.vendor_code} {outcome.detail}", 200).strip()
    failures = before.failures + 1
    told_s = outcome.retry_after_s if outcome.kind is OutcomeKind.RETRY else None
    if told_s:
        rest_ms = round(min(max(told_s, 0.0), MAX_RETRY_AFTER_S) * 1000)
    elif failures >= THRESHOLD or before.opened_wall:
        rest_ms = _rest_ms(failures)
    else:
        return replace(before, failures=failures, reason=reason)
    return Breaker(channel, failures, before.opened_wall or wall, wall + rest_ms, 0, reason)


def _rest_ms(failures: int) -> int:
    longest = min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** min(max(failures - THRESHOLD, 0), 16))
    return round(_DICE.uniform(longest / 2, longest))


def read(connection: Connection) -> dict[str, Breaker]:
    """Return every breaker that has something to say."""
    rows = connection.execute(select(tables.breaker)).mappings()
    return {row["channel"]: Breaker(**row) for row in rows}


def write(connection: Connection, before: Breaker | None, now: Breaker | None) -> None:
    """Write what has changed."""
    if before == now:
        return
    if now is None:
        assert before is not None
        connection.execute(delete(tables.breaker).where(_b.channel == before.channel))
    elif before is None:
        connection.execute(insert(tables.breaker).values(_values(now)))
    else:
        connection.execute(
            update(tables.breaker).where(_b.channel == now.channel).values(_values(now))
        )


def _values(breaker: Breaker) -> dict[str, object]:
    return {
        "channel": breaker.channel,
        "failures": breaker.failures,
        "opened_wall": breaker.opened_wall,
        "rest_until_wall": breaker.rest_until_wall,
        "probe_until_wall": breaker.probe_until_wall,
        "reason": breaker.reason,
    }
