"""`safety-eye command`: a signed command to a station, and what became of it.

The station's retained status says which boot runs and what it can switch; its answer comes back on
the same topic, with the nonce of the command. For a test or a sounding we also wait for its end:
that is when the station says whether it was heard.
"""

from __future__ import annotations

import queue
from dataclasses import dataclass
from pathlib import Path

from core import topics
from core.act import ActEvent, LocalAct
from core.act_wording import act_sentence, heard_words
from core.broker import Broker, BrokerAddress, Message
from core.clock import Clock
from core.command import Command, Verb, new_nonce, sign_command
from core.configuration import ConfigurationError, read_key
from core.status import Link, StationStatus, StatusError, decode_status
from safety_eye.account import account
from safety_eye.hub import HubConfig

# Wall seconds: for the broker, for the retained status, which it has at once, and for the answer.
_LINK_S = 10.0
_STATUS_S = 3.0
_ANSWER_S = 15.0
# What a person may name a command by.
_WHO_LENGTH = 80


class OrderError(RuntimeError):
    """The command could not be given, or the station did not carry it out; the message says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a station.

    Attributes:
        station: Whom.
        verb, output, seconds: See `core.command.Command`.
        by: Who asks; the name of the account where it is empty.
    """

    station: str
    verb: Verb
    output: str = ""
    seconds: float = 0.0
    by: str = ""


def key_of(config: HubConfig, station: str) -> bytes:
    """Return the key of a station.

    Raises:
        ConfigurationError: There is none, or it can't be used.
    """
    if not config.commands.key_directory:
        raise ConfigurationError(
            "hub.toml", "commands.key_directory is missing: commands are signed with the key of"
            " each station"
        )  # fmt: skip
    return read_key(Path(config.commands.key_directory) / f"{station}.key")


class Courier:
    """Gives one order and waits for what becomes of it.

    Args:
        broker: Where.
        site: Whose station.
        order: What.
        key: The station's.
        clock: The run's clock.
        life_s: For how long it may be carried out, run seconds.
    """

    def __init__(
        self,
        broker: BrokerAddress,
        site: str,
        order: Order,
        key: bytes,
        clock: Clock,
        life_s: float,
    ) -> None:
        self._site = site
        self._order = order
        self._key = key
        self._clock = clock
        self._life_s = life_s
        self._statuses: queue.SimpleQueue[StationStatus] = queue.SimpleQueue()
        self._acts: dict[str, LocalAct] = {}
        self._nonce = new_nonce()
        self._link = Broker(
            broker,
            f"safety-eye-command-{self._nonce[:8]}",
            on_message=self._received,
            session_expiry_s=0,
        )
        self._link.subscribe([topics.status(site, order.station)])

    def deliver(self) -> list[str]:
        """Send it; return what the station did, in words, oldest first.

        Raises:
            OrderError: No broker, no station, no answer, or a refusal.
        """
        self._link.start()
        try:
            if not self._link.wait_linked(_LINK_S):
                raise OrderError(f"the broker does not answer ({self._link.last_error or 'none'})")
            status = self._await_status()
            self._check(status)
            self._send(status)
            return self._await_end()
        finally:
            self._link.stop()

    def _received(self, message: Message) -> None:
        try:
            self._statuses.put(decode_status(message.payload))
        except StatusError:
            return

    def _next(self, end_s: float) -> StationStatus | None:
        try:
            return self._statuses.get(timeout=max(end_s - self._clock.monotonic_s(), 0.0))
        except queue.Empty:
            return None

    def _await_status(self) -> StationStatus:
        status = self._next(self._clock.monotonic_s() + _STATUS_S)
        if status is None:
            raise OrderError(f"station {self._order.station}: nothing was ever heard of it")
        return status

    def _check(self, status: StationStatus) -> None:
        where = f"station {self._order.station}"
        if status.link is not Link.ONLINE:
            raise OrderError(f"{where} is {status.link}: it can't be reached, nothing was sent")
        if status.acting is None:
            raise OrderError(f"{where} has nothing to switch and takes no commands")
        known = status.acting.outputs
        if self._order.output and self._order.output not in known:
            listed = ", ".join(known) or "none"
            raise OrderError(f"{where}: no output {self._order.output!r} (there are: {listed})")

    def _send(self, status: StationStatus) -> None:
        order = self._order
        now = self._clock.now_ms()
        command = Command(
            verb=order.verb,
            output=order.output,
            seconds=order.seconds,
            by=(order.by or account())[:_WHO_LENGTH],
            nonce=self._nonce,
            boot=status.boot,
            issued=now,
            expires=now + round(self._life_s * 1000),
        )
        topic = topics.command(self._site, order.station)
        life_s = max(round(self._life_s / self._clock.speed), 1)
        sent = self._link.publish(topic, sign_command(command, topic, self._key), expiry_s=life_s)
        if not sent.wait(_LINK_S):
            raise OrderError("the broker did not take the command")

    def _await_end(self) -> list[str]:
        """Wait for the answer, and for the end of what it began."""
        lasts_s = self._order.seconds / self._clock.speed
        end_s = self._clock.monotonic_s() + _ANSWER_S
        answered = False
        while (status := self._next(end_s)) is not None:
            fresh = [act for act in status.acts if act.command == self._nonce]
            self._acts |= {act.id: act for act in fresh}
            answer = self._said(ActEvent.ANSWER)
            if answer is not None and answer.detail:
                raise OrderError(f"station {self._order.station} refuses: {answer.detail}")
            if answer is not None and not answered:
                answered = True
                end_s = self._clock.monotonic_s() + lasts_s + _ANSWER_S
            if answered and self._is_over():
                return self._words()
        if not answered:
            raise OrderError(
                f"station {self._order.station} does not answer: it may not know this key, or its"
                " clock differs by more than five minutes; see its log"
            )
        return self._words()

    def _is_over(self) -> bool:
        runs = self._order.verb in (Verb.TEST, Verb.SOUND)
        return not runs or self._said(ActEvent.OFF) is not None

    def _said(self, event: ActEvent) -> LocalAct | None:
        return next((act for act in self._acts.values() if act.event is event), None)

    def _words(self) -> list[str]:
        lines = [
            act_sentence(act, self._order.station, "en")
            for act in sorted(self._acts.values(), key=lambda act: act.elapsed_ms)
        ]
        ended = self._said(ActEvent.OFF)
        if ended is not None:
            lines.append(f"heard: {heard_words(ended.sounded, 'en')}")
        return lines

    @property
    def unheard(self) -> bool:
        """True if something ran and its feedback did not hear it."""
        ended = self._said(ActEvent.OFF)
        return ended is not None and ended.sounded is False
