"""The crew: the thread that acts. It hears of limits, the hub and people, and keeps the outputs.

```
ports ─▶ local limits ─┐                      ┌─▶ output (pin, coil, program)
hub: beat, grade ──────┼─▶ duties ─▶ machines ┤
commands, buttons ─────┘     ▲ mandate        └─▶ book ─▶ status ─▶ hub's journal ─▶ receipt
```

It first switches, then writes: a disk that hangs must not keep a siren silent.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from core import topics
from core.act import ACTS_A_STATUS, ActingState, LocalAct, Why
from core.broker import Message
from core.clock import Clock
from core.command import CommandError
from core.configuration import read_key
from core.finding import FindingError, decode_zone_grade
from core.heartbeat import HeartbeatError, decode_heartbeat
from core.quality import Quality
from core.quantity import Quantity
from edge.acting.book import ActBook
from edge.acting.contact import HubContact
from edge.acting.duties import Duties, mandate_holds, mandate_words
from edge.acting.local import LocalGrade, LocalLimits
from edge.acting.machine import Change
from edge.acting.memory import Remembrance
from edge.acting.people import People
from edge.acting.post import OpenOutput, OutputPost
from edge.acting.record import Recorder
from edge.chronometer import Chronometer, Instant
from edge.configuration import StationConfig

LOG = logging.getLogger(__name__)

# Wall seconds between two looks; what is urgent wakes it. A siren is late by this much at most.
_LOOK_S = 0.2
# What comes from the network thread and waits; the oldest goes, grades are said again in a minute.
_MOST_MESSAGES = 1_000


class Crew(threading.Thread):
    """Acts for one station.

    Args:
        config: The station's file.
        boot: This boot's id.
        chronometer, clock: For times.
        limits: Judges readings on the ports' threads.
        open_output: Opens devices.
        reload: Checks the file anew and has the station start again; returns why not, or "".

    Attributes:
        state, acts: For the status; replaced as a whole.
        news: Called when the status has something new.
        failed: True if it ended by a fault of ours.
        beat_s: Last sign of life (monotonic wall s).
    """

    def __init__(
        self,
        config: StationConfig,
        boot: str,
        chronometer: Chronometer,
        clock: Clock,
        limits: LocalLimits,
        open_output: OpenOutput,
        reload: Callable[[], str],
    ) -> None:
        super().__init__(name="crew", daemon=True)
        self._config = config
        self._chronometer = chronometer
        self._clock = clock
        self._limits = limits
        site, station = config.station.site, config.station.id
        self._command_topic = topics.command(site, station)
        self._beat_topic = topics.heartbeat(site)
        zones = {act.zone for act in config.act if act.when == "hub-silent"}
        self.filters = [self._beat_topic, *(topics.grades_of(site, zone) for zone in sorted(zones))]
        key_file = config.command.key_file
        key = read_key(Path(key_file)) if key_file else None
        if key is not None:
            self.filters.append(self._command_topic)
        self._posts = {entry.id: OutputPost(entry, open_output, clock) for entry in config.output}
        self._duties = Duties(config.act)
        self._contact = HubContact(clock.monotonic_s(), clock.speed)
        self._messages: deque[Message] = deque(maxlen=_MOST_MESSAGES)
        self._receipts: deque[tuple[str, ...]] = deque(maxlen=_MOST_MESSAGES)
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._books_changed = True
        self._counted = (0, 0)
        self._silent_ms = 1
        self._book = ActBook(config.spool_path.with_name("acts.db"))
        self._remembrance = Remembrance(
            self._book, self._posts, self._duties.warnings, self._contact, clock
        )
        self._recorder = Recorder(boot, mandate_words(config.mandate))
        self._people = People(
            config, key, self._posts, self._duties, self._book, self._recorder, reload
        )
        self.state = ActingState(mandate=mandate_words(config.mandate), alone_ms=1)
        self.acts: tuple[LocalAct, ...] = ()
        self.news: Callable[[], None] = lambda: None
        self.failed = False
        self.beat_s = clock.monotonic_s()

    # --- from other threads ---

    def observe(
        self,
        sensor: str,
        quantity: Quantity,
        value: float | None,
        quality: Quality,
        elapsed_ms: int,
    ) -> None:
        """A reading leaves sampling."""
        if self._limits.take(sensor, quantity, value, quality, elapsed_ms):
            self._wake.set()

    def receive(self, message: Message) -> None:
        """The broker has a message of one of our filters."""
        self._messages.append(message)
        self._wake.set()

    def linked(self, *, linked: bool) -> None:
        """The broker answers, or does not."""
        self._contact.link(linked=linked)
        self._wake.set()

    def confirmed(self, ids: tuple[str, ...]) -> None:
        """The hub has these acts in its journal."""
        self._receipts.append(ids)
        self._wake.set()

    def stop(self) -> None:
        """Ask it to switch everything off and end."""
        self._stopping.set()
        self._wake.set()

    # --- its own thread ---

    def run(self) -> None:
        """Act until stopped; whatever happens, the outputs are off at the end."""
        try:
            self._begin()
            while not self._stopping.is_set():
                self._turn()
                self._wake.wait(_LOOK_S)
                self._wake.clear()
        except Exception:
            # A fault of ours: the station ends and is started again by its supervisor.
            self.failed = True
            LOG.exception("crew: ends")
        finally:
            self._finish()

    def _turn(self) -> None:
        instant = self._chronometer.now()
        now_s = self.beat_s = self._clock.monotonic_s()
        acts = self._take_messages(instant, now_s)
        acts += self._take_news(instant)
        self._silent_ms = self._contact.silent_ms(now_s)
        if self._contact.has_settled(now_s):
            self._duties.warnings.drop_recalled()
        due = self._duties.due(instant.elapsed_ms, self._silent_ms)
        refused = self._refused(instant)
        for name, post in self._posts.items():
            self.beat_s = self._clock.monotonic_s()
            changes = post.step(instant.elapsed_ms, due.get(name, []), refused)
            acts += self._noted(post, changes, instant)
        self._keep(acts, instant, refused)
        self._remembrance.keep(instant.elapsed_ms)

    def _refused(self, instant: Instant) -> Why | None:
        now_ms = instant.at if instant.sync else self._clock.now_ms()
        return mandate_holds(self._config.mandate, now_ms, sync=instant.sync)

    def _take_news(self, instant: Instant) -> list[LocalAct]:
        acts: list[LocalAct] = []
        for news in self._limits.news():
            if isinstance(news, LocalGrade):
                self._duties.graded(news)
                continue
            for post in self._posts.values():
                wanted = post.entry.feedback
                if wanted and (wanted.sensor, wanted.quantity) == (news.sensor, news.quantity):
                    heard = news.value >= wanted.at_least
                    post.machine.feedback(heard=heard, now_ms=instant.elapsed_ms)
            acts += self._people.pressed(news, instant, alone=self._silent_ms > 0)
        return acts

    def _take_messages(self, instant: Instant, now_s: float) -> list[LocalAct]:
        acts: list[LocalAct] = []
        while self._receipts:
            self._book.confirmed(self._receipts.popleft())
            self._books_changed = True
        while self._messages:
            message = self._messages.popleft()
            try:
                if message.topic == self._beat_topic:
                    beat = decode_heartbeat(message.payload)
                    if not message.retain:
                        self._contact.beat(now_s, judging=beat.judging)
                elif message.topic == self._command_topic:
                    alone = self._silent_ms > 0
                    acts += self._people.command(message.payload, instant, alone=alone)
                else:
                    self._duties.warnings.take(decode_zone_grade(message.payload))
                    if not message.retain:
                        self._contact.grade(now_s)
            except (HeartbeatError, FindingError, CommandError) as error:
                LOG.warning("crew: %s: %s", message.topic, error)
        return acts

    def _noted(
        self, post: OutputPost, changes: Sequence[Change], instant: Instant
    ) -> list[LocalAct]:
        return self._recorder.changes(post, changes, instant, alone=self._silent_ms > 0)

    def _keep(self, acts: Sequence[LocalAct], instant: Instant, refused: Why | None) -> None:
        if acts:
            self._book.note(acts)
        before, changed = self.state, False
        if acts or self._books_changed:
            # Not at every look: the disk of a quiet station is left in peace.
            self._books_changed = False
            waiting = self._book.waiting(ACTS_A_STATUS)
            changed = bool(waiting) and waiting != self.acts
            self.acts = waiting
            self._counted = self._book.count(), self._book.dropped()
        self.state = ActingState(
            mandate=before.mandate,
            valid=refused is None,
            alone_ms=self._silent_ms,
            outputs={name: post.state(instant.elapsed_ms) for name, post in self._posts.items()},
            waiting=self._counted[0],
            dropped=self._counted[1],
        )
        changed |= before.valid is not self.state.valid
        changed |= bool(before.alone_ms) is not bool(self.state.alone_ms)
        if changed:
            self.news()

    def _begin(self) -> None:
        """Everything off first; then what a killed start had begun is ended in the book, too."""
        instant = self._chronometer.now()
        acts = []
        for post in self._posts.values():
            acts += self._noted(post, post.step(instant.elapsed_ms, (), None), instant)
        slowest_ms = max((act.delay_ms for act in self._config.act), default=0.0)
        self._remembrance.recall(instant.elapsed_ms, slowest_ms)
        acts += [self._recorder.killed(began, instant) for began in self._book.running()]
        self._keep(acts, instant, self._refused(instant))

    def _finish(self) -> None:
        instant = self._chronometer.now()
        acts: list[LocalAct] = []
        for post in self._posts.values():
            try:
                acts += self._noted(post, post.end(Why.STOPPED, instant.elapsed_ms), instant)
            except Exception:  # one device must not keep the others from being switched off
                LOG.exception("output %s: could not be ended", post.entry.id)
        try:
            self._keep(acts, instant, self._refused(instant))
            self._remembrance.keep(instant.elapsed_ms)
        finally:
            self._book.close()


def watched_inputs(config: StationConfig) -> Iterable[tuple[str, Quantity]]:
    """Return the series of all feedbacks and buttons."""
    for entry in config.output:
        if entry.feedback is not None:
            yield entry.feedback.sensor, entry.feedback.quantity
    for button in config.button:
        yield button.sensor, button.quantity
