"""What people want: buttons on the wall, and signed commands of the hub. No mandate is needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from core import topics
from core.act import ActEvent, LocalAct, Why
from core.command import Command, Verb
from core.quantity import Quantity
from edge.acting.book import ActBook
from edge.acting.duties import Duties
from edge.acting.local import InputValue
from edge.acting.machine import Change, Demand
from edge.acting.orders import Moment, accept
from edge.acting.post import OutputPost
from edge.acting.record import Recorder
from edge.chronometer import Instant
from edge.configuration import StationConfig

LOG = logging.getLogger(__name__)

# How long a test lasts that names no time, seconds.
_TEST_S = 5.0


class Wish(NamedTuple):
    """What somebody wants: of which output (empty: all), for how long, who, by which command."""

    verb: Verb
    output: str
    seconds: float
    by: str
    order: str = ""


@dataclass(slots=True)
class People:
    """Carries out what people want of one station.

    Args:
        config: The station's file.
        key: Key for commands; None if none are taken.
        posts: The outputs.
        duties: What the hub warns of.
        book: Remembers which commands came.
        recorder: Makes the records.
        reload: Checks the file anew and has the station start again; returns why not, or "".
    """

    config: StationConfig
    key: bytes | None
    posts: Mapping[str, OutputPost]
    duties: Duties
    book: ActBook
    recorder: Recorder
    reload: Callable[[], str]
    _pressed: dict[tuple[str, Quantity], bool] = field(default_factory=dict)

    def pressed(self, news: InputValue, instant: Instant, *, alone: bool) -> list[LocalAct]:
        """A button acts when it goes down, not while it is held, nor when the station starts."""
        key = (news.sensor, news.quantity)
        before = self._pressed.get(key)
        self._pressed[key] = down = news.value >= 0.5
        if not down or before is not False:
            return []
        acts: list[LocalAct] = []
        for button in self.config.button:
            if (button.sensor, button.quantity) == key:
                wish = Wish(Verb(button.action), button.output, button.seconds, news.sensor)
                acts += self._carry_out(wish, instant, alone=alone)
        return acts

    def command(self, payload: bytes, instant: Instant, *, alone: bool) -> list[LocalAct]:
        """Carry out a signed command, and answer it.

        Raises:
            CommandError: It is not ours, or came before: not a word is answered.
        """
        if self.key is None:
            return []
        topic = topics.command(self.config.station.site, self.config.station.id)
        moment = Moment(instant.at, instant.sync, self.recorder.boot, self.book.remembers)
        command, stale = accept(payload, topic, self.key, moment, self.book.nonces)
        # Before it is carried out: killed in between, it is not carried out twice.
        self.book.spend(command.nonce)
        problem = stale or self._impossible(command)
        if not problem and command.verb is Verb.RELOAD:
            problem = self.reload()
        acts = [self.recorder.answer(command, problem, instant)]
        if problem or command.verb is Verb.RELOAD:
            return acts
        LOG.info("people: %s %s, ordered by %s", command.verb, command.output, command.by)
        wish = Wish(command.verb, command.output, command.seconds, command.by, command.nonce)
        return acts + self._carry_out(wish, instant, alone=alone)

    def _impossible(self, command: Command) -> str:
        if command.output and command.output not in self.posts:
            known = ", ".join(self.posts) or "none"
            return f"output {command.output!r} is not known here (there are: {known})"
        if command.verb is Verb.SOUND and not (command.seconds and command.output):
            return "sound needs an output, and for how many seconds"
        return ""

    def _carry_out(self, wish: Wish, instant: Instant, *, alone: bool) -> list[LocalAct]:
        """Do it; what follows from it is recorded by the next step of the outputs."""
        if wish.verb is Verb.ACKNOWLEDGE:
            self.duties.warnings.acknowledge()
            return []
        acts: list[LocalAct] = []
        for post in self.posts.values():
            if wish.output not in ("", post.entry.id):
                continue
            if wish.verb in (Verb.TEST, Verb.SOUND):
                why = Why.TEST if wish.verb is Verb.TEST else Why.ORDERED
                demand = Demand(why, by=wish.by, order=wish.order)
                post.machine.order(demand, wish.seconds or _TEST_S, instant.elapsed_ms)
            elif wish.verb is Verb.STOP:
                post.machine.stop()
            elif wish.verb is Verb.SILENCE:
                post.machine.silence(post.demands)
                demand = Demand(Why.SILENCED, by=wish.by, order=wish.order)
                change = Change(ActEvent.SILENCED, Why.SILENCED, demand)
                acts += self.recorder.changes(post, [change], instant, alone=alone)
        return acts
