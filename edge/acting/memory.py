"""What a restart of the program must not forget: silences, runs, and what the hub warned of.

Forgetting a silence would wake everybody again at each restart; forgetting the time that a run has
lasted would let a siren or a pump in a restarting program run for ever; forgetting what the hub
last warned of, or for how long it has been silent, would keep the station silent, too.

After a restart of the *machine* silences, runs and waiting times are forgotten, because nobody
knows how long the power was off: it rather sounds once more. The hub's warnings outlive a day of
absence: a clock without battery is late, never early, so that an absence may count as shorter than
it was; in doubt the station acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from core.clock import Clock
from core.finding import Hazard
from core.grade import Grade
from core.limits import DEFAULT_DWELL_DOWN_MS
from edge.acting.book import ActBook
from edge.acting.contact import HubContact, HubWarnings
from edge.acting.machine import Recalled
from edge.acting.post import OutputPost

# New every time the kernel starts (random(4)); its monotonic clock counts from then on.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# A danger that is over for less than this is the same danger (the usual step-down delay): so long
# the program may have been away.
MOST_AWAY_S = DEFAULT_DWELL_DOWN_MS / 1000
# How long sensors may take to say it again, beside the waiting time of an act; short, because what
# begins anew meanwhile is taken for what was silenced. Who speaks later is heard: it sounds again.
SEEN_AGAIN_S = 120.0
# Wall seconds between two notes that what is kept still holds.
NOTE_S = 60.0
MOST_WARNING_AGE_MS = 86_400_000
# The same moment, calculated at two looks, differs by less: the two clocks are read one after the
# other.
_JITTER_S = 1.0


class OutputMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of one output.

    Attributes:
        silenced, spent: See `OutputMachine`.
        on: Was it on?
        changed_s: When it was switched last, monotonic seconds of the machine.
        ran_ms: What earlier starts of the program had run of the present run, run ms.
        grade: What the run was for.
    """

    silenced: Grade | None = None
    spent: Grade | None = None
    on: bool = False
    changed_s: float | None = None
    ran_ms: float = 0.0
    grade: Grade = Grade.GREEN

    @property
    def matters(self) -> bool:
        """True if it holds only for as long as the program is not away for long."""
        return self.on or self.silenced is not None or self.spent is not None


class WarningMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """One warning of the hub, and up to which grade a person has it."""

    zone: str
    hazard: Hazard
    grade: Grade
    known: Grade = Grade.GREEN


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a station.

    Attributes:
        outputs: By their ids.
        warnings: What the hub last said.
        silent_since_s: Since when the hub is not heard, monotonic seconds of the machine; None
            while it is.
    """

    outputs: dict[str, OutputMemory] = {}
    warnings: tuple[WarningMemory, ...] = ()
    silent_since_s: float | None = None


class _Note(msgspec.Struct, frozen=True):
    """A memory as it lies on the disk: of which start of the machine, and when it last held."""

    machine: str
    at_s: float
    at_ms: int
    memory: Memory


class Remembrance:
    """Keeps the memory of a crew in its book, and recalls it.

    Args:
        book: Where.
        posts, warnings, contact: What.
        clock: The run's clock; its monotonic time is that of the machine.
        boot_id: The file that tells this start of the machine.
    """

    def __init__(
        self,
        book: ActBook,
        posts: Mapping[str, OutputPost],
        warnings: HubWarnings,
        contact: HubContact,
        clock: Clock,
        boot_id: Path = _BOOT_ID,
    ) -> None:
        self._book = book
        self._posts = posts
        self._warnings = warnings
        self._contact = contact
        self._clock = clock
        try:
            self._machine = boot_id.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            self._machine = ""  # not known: nothing is recalled of outputs
        self._kept = Memory()
        self._note_s = float("-inf")

    def recall(self, elapsed_ms: int, wait_ms: float) -> None:
        """Restore what still holds.

        Args:
            elapsed_ms: Run ms since this boot of the program.
            wait_ms: How long the slowest act waits before it demands anything, run ms.
        """
        try:
            note = msgspec.json.decode(self._book.memory(), type=_Note)
        except msgspec.DecodeError:  # nothing yet, or of another version
            return
        self._kept = note.memory
        now_s, speed = self._clock.monotonic_s(), self._clock.speed
        if self._clock.now_ms() - note.at_ms <= MOST_WARNING_AGE_MS:
            self._warnings.recall(
                {(one.zone, one.hazard): (one.grade, one.known) for one in note.memory.warnings}
            )
        if not self._machine or note.machine != self._machine:
            return
        away = now_s - note.at_s > MOST_AWAY_S
        if note.memory.silent_since_s is not None and not away:
            self._contact.recall(note.memory.silent_since_s)
        until_ms = elapsed_ms + wait_ms + SEEN_AGAIN_S * 1000 * speed
        for name, one in note.memory.outputs.items():
            if name in self._posts:
                since_ms = None
                if one.changed_s is not None:
                    since_ms = (now_s - one.changed_s) * 1000 * speed
                machine = self._posts[name].machine
                machine.recall(_recalled(one, elapsed_ms, since_ms), until_ms)
                if away:
                    machine.forget()

    def keep(self, elapsed_ms: int) -> None:
        """Write what has changed, and now and then that it still holds."""
        now_s, speed = self._clock.monotonic_s(), self._clock.speed
        outputs = {}
        for name, post in self._posts.items():
            state = post.machine.state()
            changed_s = None
            if state.changed_ms is not None:
                changed_s = now_s - (elapsed_ms - state.changed_ms) / 1000 / speed
                before_s = self._kept.outputs.get(name, OutputMemory()).changed_s
                if before_s is not None and abs(changed_s - before_s) < _JITTER_S:
                    changed_s = before_s
            outputs[name] = OutputMemory(
                silenced=state.silenced,
                spent=state.spent,
                on=post.machine.on,
                changed_s=changed_s,
                ran_ms=state.ran_ms,
                grade=state.grade,
            )
        known = {name: one for name, one in outputs.items() if one != OutputMemory()}
        memory = Memory(known, self._known_warnings(), self._contact.silent_since_s(now_s))
        holds = memory.silent_since_s is not None or bool(memory.warnings)
        holds |= any(one.matters for one in outputs.values())
        if memory == self._kept and not (holds and now_s - self._note_s >= NOTE_S):
            return
        self._kept, self._note_s = memory, now_s
        note = _Note(self._machine, now_s, self._clock.now_ms(), memory)
        self._book.remember(msgspec.json.encode(note))

    def _known_warnings(self) -> tuple[WarningMemory, ...]:
        said = sorted(self._warnings.said().items())
        return tuple(WarningMemory(*key, *grades) for key, grades in said)


def _recalled(one: OutputMemory, elapsed_ms: int, since_ms: float | None) -> Recalled:
    """Return what a machine knew, in the time of this start of the program."""
    if since_ms is None:
        return Recalled(None, one.silenced, one.spent, one.ran_ms, one.grade)
    if one.on:  # off since now: everything is switched off before anything else
        return Recalled(elapsed_ms, one.silenced, one.spent, one.ran_ms + since_ms, one.grade)
    return Recalled(round(elapsed_ms - since_ms), one.silenced, one.spent, one.ran_ms, one.grade)
