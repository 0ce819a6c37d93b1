"""Signed commands of the service to stations, and what they say became of them.

The station's retained status says which boot runs and what it can switch; its answers come back on
the same topic with the nonce of the command (`core.command`). One order waits for its answer; what
the station says later of the same order (heard, not heard, off) goes to whoever gave it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from core import topics
from core.act import ActEvent, LocalAct
from core.broker import Publication
from core.clock import Clock
from core.command import Command, Verb, new_nonce, sign_command
from core.status import Link, StationStatus

# For how long the answer of a station is awaited, wall seconds (it is one message away).
ANSWER_S = 10.0
# A siren that nobody asks for any more must not sound: life of a command, run seconds, and at least
# so many wall seconds in a fast run.
LIFE_S, LIFE_WALL_S = 60.0, 10.0
# Orders whose later acts are still awaited.
_MOST_ORDERS = 200

Publish = Callable[[str, bytes, int], Publication]
Later = Callable[[LocalAct], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a station: see `core.command.Command`."""

    station: str
    verb: Verb
    output: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Given:
    """What became of an order.

    Attributes:
        nonce: Of the command; "" if it was not given.
        problem: Why the station can't be reached (no order was given), or why it refuses.
        answered: True if the station answered.
    """

    nonce: str
    problem: str
    answered: bool


@dataclass(slots=True)
class _Order:
    later: Later
    answer: LocalAct | None = None
    done: threading.Event = field(default_factory=threading.Event)
    seen: set[str] = field(default_factory=set)


class StationOrders:
    """Gives orders to the stations of one site. Safe to call from any thread.

    Args:
        publish: (topic, payload, life in wall seconds) to the broker.
        site: Whose stations.
        clock: Clock of the run.
    """

    def __init__(self, publish: Publish, site: str, clock: Clock) -> None:
        self._publish = publish
        self._site = site
        self._clock = clock
        self._lock = threading.Lock()
        self._statuses: dict[str, StationStatus] = {}
        self._orders: OrderedDict[str, _Order] = OrderedDict()

    def heard(self, station: str, status: StationStatus) -> None:
        """A station has said how it is, and what it did."""
        with self._lock:
            self._statuses[station] = status
            news = []
            for act in status.acts:
                order = self._orders.get(act.command)
                if order is None or act.id in order.seen:
                    continue
                order.seen.add(act.id)
                if act.event is ActEvent.ANSWER:
                    order.answer = act
                    order.done.set()
                else:
                    news.append((order.later, act))
        for later, act in news:
            later(act)

    def problem(self, station: str, output: str) -> str:
        """Return why an output can't be switched now, "" if nothing is known against it."""
        with self._lock:
            status = self._statuses.get(station)
        if status is None:
            return f"station {station}: nothing was ever heard of it"
        if status.link is not Link.ONLINE:
            return f"station {station} is {status.link}"
        if status.acting is None or not status.acting.outputs:
            return f"station {station} has not said yet that it has outputs"
        if output not in status.acting.outputs:
            known = ", ".join(status.acting.outputs)
            return f"station {station}: no output {output!r} (there are: {known})"
        return ""

    def give(self, wanted: Wanted, key: bytes, later: Later) -> Given:
        """Give one order and wait for its answer.

        Args:
            wanted: What of whom.
            key: The station's.
            later: Called with what the station does because of it, on another thread.
        """
        with self._lock:
            status = self._statuses.get(wanted.station)
        boot = status.boot if status is not None else ""
        nonce, now = new_nonce(), self._clock.now_ms()
        life_s = max(LIFE_S, LIFE_WALL_S * self._clock.speed)
        command = Command(
            verb=wanted.verb, output=wanted.output, seconds=wanted.seconds, by="safety-eye alerts",
            nonce=nonce, boot=boot, issued=now,
            expires=now + round(min(life_s, 3600.0) * 1000),
        )  # fmt: skip
        order = _Order(later)
        with self._lock:
            self._orders[nonce] = order
            while len(self._orders) > _MOST_ORDERS:
                self._orders.popitem(last=False)
        topic = topics.command(self._site, wanted.station)
        life_wall_s = max(round(life_s / self._clock.speed), 1)
        sent = self._publish(topic, sign_command(command, topic, key), life_wall_s)
        if not sent.wait(ANSWER_S):
            return Given("", "the broker does not take the command", answered=False)
        if not order.done.wait(ANSWER_S) or order.answer is None:
            return Given(nonce, "the station does not answer", answered=False)
        return Given(nonce, order.answer.detail, answered=True)
