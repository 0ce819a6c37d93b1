"""The spool: every pack until its receipt, on disk with one durable commit each.

```
readings ─▶ packs (<= 64 kB, boot, seq, declarations) ─▶ disk ─▶ publisher ─▶ receipt ─▶ deleted
                                                      └─ disk fails: memory, and back when it can
```
Used by one thread. What is lost is declared: thinned, gone (overflow), unknown (a killed boot).
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from core.clock import Clock
from core.reading import Reading
from edge.pack_books import Declaration, PackId, StoredPack, Waiting
from edge.pack_maker import PackMaker
from edge.pack_store import PackStore
from edge.pack_tables import UNUSABLE
from edge.spool_file import connect, lock_spool, open_store
from edge.take_over import TakeOver

Result = TypeVar("Result")
LOG = logging.getLogger(__name__)

# What waits in memory while the disk fails: an hour and a half of 8 sensors at 1 Hz.
MEMORY_BYTES = 2_000_000
# Wall seconds between two attempts to use a disk that failed.
RETRY_S = 10.0
# Declarations in one pack; more of them wait for the next one.
_MOST_DECLARATIONS = 40
# Earlier boots of which the status tells: their end without a trusted clock, what they produced.
_MOST_BOOTS = 20
# Wall seconds between two looks for packs that are too old.
_AGE_LOOK_S = 60.0
# Receipts that wait for a failed disk; beyond, packs are sent once more, which does no harm.
_MOST_RECEIPTS = 10_000
# Receipts that make a deletion of their own worth its commit (a backlog drains).
_SETTLE_RECEIPTS = 200


class Spool:
    """All packs of a station.

    Args:
        path: The database file.
        boot: This boot's id.
        clock: For the pauses between attempts to use a failed disk.
        max_bytes: Upper bound of what waits on disk.
        at_risk: How many readings may be in memory between two commits.
        max_age_ms: Upper bound of the age of what waits, in run milliseconds; alarms stay.
        exercise: Id of the drill that the packs are marked with, "" for none.

    Attributes:
        corrupt: True if a broken file was set aside since the start.
        salvaged: Packs that were read from broken files since then.
        error: What the disk said when it failed last; empty while all is well.
        ended: Ends of earlier boots without a trusted clock, see `StationStatus`.

    Raises:
        SpoolBusyError: Another process holds it.
    """

    def __init__(
        self,
        path: Path,
        boot: str,
        clock: Clock,
        *,
        max_bytes: int,
        at_risk: int,
        max_age_ms: int | None = None,
        exercise: str = "",
    ) -> None:
        self.path = path
        self.boot = boot
        self._maker = PackMaker(boot, exercise)
        self.corrupt = False
        self.salvaged = 0
        self.error = ""
        self.ended: dict[str, int] = {}
        self._clock = clock
        self._max_bytes = max_bytes
        self._at_risk = at_risk
        self._max_age_ms = max_age_ms
        self._age_due_s = clock.monotonic_s()
        self._out_of_reach: Waiting | None = None
        self._receipts: set[PackId] = set()
        self._carried_elsewhere: list[tuple[int, PackId]] = []
        self._take_over = TakeOver()
        self._holes_to = 0
        self._lock_file = lock_spool(path)
        self._memory = PackStore(connect(":memory:"), MEMORY_BYTES)
        self._memory.open_boot(boot, 0)
        self._disk: PackStore | None = None
        self._retry_s = clock.monotonic_s()
        self._open_disk()

    @property
    def made(self) -> int:
        """Readings that this boot has produced."""
        return self._maker.made

    @property
    def degraded(self) -> bool:
        """True while packs are kept in memory because the disk fails."""
        return self._disk is None

    @property
    def waiting(self) -> Waiting:
        """What waits for receipts, on a disk that fails, too, as far as that is known."""
        waiting = self._memory.waiting()
        disk = self._on_disk(lambda store: store.waiting()) or self._out_of_reach
        if disk is not None:
            waiting = Waiting(*(one + two for one, two in zip(waiting, disk, strict=True)))
        pending = len(self._receipts)
        return waiting._replace(packs=max(waiting.packs - pending, 0))

    @property
    def closed(self) -> dict[str, int] | None:
        """What earlier boots had produced, once no pack of them waits; see `StationStatus`."""
        if self._take_over.busy or self._memory.earlier_boots(self.boot, 0) is None:
            return None
        return self._on_disk(lambda store: store.earlier_boots(self.boot, _MOST_BOOTS))

    @property
    def takes_over(self) -> bool:
        """True while there is more to read of a broken file; its packs are not sent yet."""
        return self._take_over.busy

    @property
    def has_declarations(self) -> bool:
        """True if a loss waits for a pack that carries it."""
        return bool(self._declarations(1))

    def commit(
        self,
        readings: Sequence[Reading],
        *,
        sync: bool,
        sent: bool,
        dropped: int = 0,
        alarm: bool = False,
    ) -> list[StoredPack]:
        """Make packs of *readings* and keep them; return them for sending.

        Args:
            readings: All of one kind of time; may be empty, for declarations alone.
            sync: Was the clock trusted?
            sent: True if they go out now; a pack that the hub may have is never changed.
            dropped: Readings that the tray had to drop before; they are declared.
            alarm: True if something urgent is among them: kept longest, sent first.
        """
        self._try_disk_again()
        if dropped:
            self._declare_dropped(dropped)
        declarations = self._declarations(_MOST_DECLARATIONS)
        packs = self._maker.make(readings, declarations, sync=sync, alarm=alarm)
        carried = [(one.ordinal, packs[0].id) for one in declarations]
        self._keep(packs, sent, carried, self._oldest_ms(readings if sync else ()))
        return packs

    def take_over_some(self) -> None:
        """Read some more packs of a broken file; what is committed meanwhile hardly waits."""
        if self._take_over.busy:
            self._on_disk(self._step)

    def receipt(self, names: Collection[PackId]) -> None:
        """Note receipts; the packs are deleted with the next commit, or soon if there are many."""
        self._receipts.update(names)
        if len(self._receipts) >= _SETTLE_RECEIPTS and not self.degraded:
            self.settle()

    def settle(self) -> None:
        """Delete receipted packs now."""
        if not self._receipts:
            return
        names = list(self._receipts)
        self._memory.remove(names)
        removed = self._changed_disk(lambda store: store.remove(names))
        if removed or len(self._receipts) > _MOST_RECEIPTS:
            self._receipts.clear()

    def oldest(self, limit: int, skip: Collection[PackId]) -> list[StoredPack]:
        """Return the oldest packs that are neither in *skip* nor receipted."""
        hidden = {*skip, *self._receipts}
        found = self._on_disk(lambda store: store.oldest(limit, hidden)) or []
        if len(found) < limit:
            found += self._memory.oldest(limit - len(found), hidden)
        return found

    def newest(self, limit: int, skip: Collection[PackId]) -> list[StoredPack]:
        """Return the newest packs that are neither in *skip* nor receipted, in their order."""
        hidden = {*skip, *self._receipts}
        found = self._memory.newest(limit, hidden)
        if len(found) < limit:
            wanted = limit - len(found)
            found = (self._on_disk(lambda store: store.newest(wanted, hidden)) or []) + found
        return found

    def close(self) -> None:
        """Close after a clean stop: nothing is left in memory but what the disk refused."""
        self._retry_s = self._clock.monotonic_s()
        self._try_disk_again()
        self.settle()
        if not self._memory.waiting().packs:
            self._changed_disk(lambda store: store.close_boot(self.boot))
        self._take_over.close()
        for store in (self._disk, self._memory):
            if store is not None:
                with contextlib.suppress(*UNUSABLE):
                    store.close()
        if self._lock_file is not None:
            self._lock_file.close()

    def _oldest_ms(self, readings: Sequence[Reading]) -> int | None:
        """Return, now and then, how old a pack may be; its age is told by the newest readings."""
        now_s = self._clock.monotonic_s()
        if self._max_age_ms is None or not readings or now_s < self._age_due_s:
            return None
        self._age_due_s = now_s + _AGE_LOOK_S
        return max(one.at for one in readings) - self._max_age_ms

    def _keep(
        self,
        packs: list[StoredPack],
        sent: bool,
        carried: list[tuple[int, PackId]],
        oldest_ms: int | None,
    ) -> None:
        receipts = list(self._receipts)
        if self._disk is not None:
            kept = self._changed_disk(
                lambda store: store.add(
                    packs,
                    boot=self.boot,
                    made=self.made,
                    sent=sent,
                    receipts=receipts,
                    carried=carried,
                    oldest_ms=oldest_ms,
                )
            )
            if kept:
                self._receipts.clear()
                return
            # The declarations lie on the disk that just failed: noted there when it is back.
            self._carried_elsewhere += carried
            carried = []
        self._memory.add(
            packs, boot=self.boot, made=self.made, sent=sent, receipts=receipts, carried=carried
        )

    def _declarations(self, limit: int) -> list[Declaration]:
        if self._disk is None:
            return self._memory.declarations(limit)
        return self._on_disk(lambda store: store.declarations(limit)) or []

    def _declare_dropped(self, readings: int) -> None:
        """Declare dropped readings as a pack of their own that never was."""
        gone = self._maker.drop(readings)
        if not self._changed_disk(lambda store: store.declare_gone(gone)):
            self._memory.declare_gone(gone)

    def _on_disk(self, action: Callable[[PackStore], Result]) -> Result | None:
        """Do something with the disk; None if there is none or it fails, and memory takes over."""
        if self._disk is None:
            return None
        try:
            return action(self._disk)
        except UNUSABLE as error:
            self._disk_failed(error)
            return None

    def _changed_disk(self, action: Callable[[PackStore], object]) -> bool:
        """Change the disk; False if there is none or it fails, and memory takes over."""
        if self._disk is None:
            return False
        self._on_disk(action)
        return self._disk is not None

    def _disk_failed(self, error: Exception) -> None:
        if str(error) != self.error:
            LOG.error("spool %s: %s; keeping packs in memory", self.path, error)
        self.error = str(error)
        self._retry_s = self._clock.monotonic_s() + RETRY_S
        self._take_over.close()
        disk, self._disk = self._disk, None
        if disk is not None:
            with contextlib.suppress(*UNUSABLE):
                self._out_of_reach = disk.waiting()
            with contextlib.suppress(*UNUSABLE):
                disk.close()

    def _step(self, store: PackStore) -> None:
        before = self._take_over.packs
        self._take_over.step()
        self.salvaged += self._take_over.packs - before
        if not self._take_over.busy:
            self._taken_over(store)

    def _taken_over(self, store: PackStore) -> None:
        """Close the books of what a broken file held, and let its packs go."""
        store.open_boot(self.boot, self._at_risk)  # boots that are known from their packs only
        self.ended = store.ended_unsynced(self.boot, _MOST_BOOTS)
        if self._holes_to:
            store.declare_holes(self.boot, self._holes_to)
            self._holes_to = 0
        store.held_up_to = 0

    def _try_disk_again(self) -> None:
        if self._disk is None and self._clock.monotonic_s() >= self._retry_s:
            self._open_disk()

    def _open_disk(self) -> None:
        try:
            opened = open_store(self.path, self._max_bytes, self.boot, self._at_risk)
            store = opened.store
            self.corrupt |= opened.set_aside
            self._take_over = TakeOver(opened.salvages)
            killed = store.open_boot(self.boot, self._at_risk)
            self.ended = store.ended_unsynced(self.boot, _MOST_BOOTS)
            if self.made:
                told = [] if opened.set_aside else self._carried_elsewhere
                store.adopt(self._memory, self.boot, self.made, told)
                self._memory.clear()
                # Of the packs up to here some may have been on a page that can't be read.
                self._holes_to = self._maker.seq if opened.set_aside else 0
            if not self._take_over.busy:
                self._taken_over(store)
        except (*UNUSABLE, OSError) as error:
            self._disk_failed(error)
            return
        self._disk = store
        self._out_of_reach = None
        self._carried_elsewhere = []
        if killed:
            LOG.warning("spool %s: %d killed boots declared unknown", self.path, killed)
        if self.error:
            LOG.warning("spool %s: on disk again", self.path)
        self.error = ""


def new_boot() -> str:
    """Return an id for a start of the program, new every time."""
    return os.urandom(6).hex()
