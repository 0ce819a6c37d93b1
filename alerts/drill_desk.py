"""The drill desk: begins a drill, keeps its incidents apart, and ends it at once when it must.

It has a watch of its own for the drill that runs, with the drill's twins as its community: the
actual watch sees no finding and no incident of a drill, and this one sees nothing else.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import threading
import zoneinfo
from collections.abc import Callable

import msgspec
import structlog

from alerts import drill as drills
from alerts.drill import Drill, DrillPlan, DrillState, Evidence, unknown_drill
from alerts.drill_books import DrillBooks
from alerts.drill_statements import DrillStatements
from alerts.drill_store import DrillStore, KeptDrill
from alerts.planning import Planning
from alerts.response import Response
from alerts.store import Store
from alerts.watch import Changes, Watch
from core.clock import Clock
from core.community import Community
from core.drill import DrillError, DrillStatement, drill_community
from core.finding import Finding
from core.wording import grade_words

log = structlog.get_logger()

# Wall seconds between two looks at the actual incidents while a drill runs.
LOOK_S = 0.5
# Wall seconds between two looks for what a drill that is over has left open.
SWEEP_S = 30.0
# Wall seconds that a drill may take beyond its scenario and the time to take over.
_GRACE_S = 180.0
MOST_EVIDENCE = 20

WatchOf = Callable[[str, Community], Watch]


class DrillDesk(DrillBooks):
    """Keeps the drills of one site. Safe to call from any thread.

    Args:
        register: Where drills are.
        store: Where incidents are.
        community: The profile.
        clock: Clock of the run.
        watch_of: Makes the watch of a drill, out of its id and community.
        state: States on MQTT which drill runs; False if there is no link.
        response: Its plans are put on a drill's incidents; its calendar says what is due.
    """

    def __init__(
        self,
        register: DrillStore,
        store: Store,
        community: Community,
        clock: Clock,
        watch_of: WatchOf,
        state: Callable[[DrillStatement], bool],
        response: Response | None = None,
    ) -> None:
        super().__init__(register, store, community, clock, response or Response())
        self._watch_of = watch_of
        self._statements = DrillStatements(state, clock)
        self._planning: Planning | None = None
        self._lock = threading.RLock()
        self._kept: KeptDrill | None = None
        self._watch: Watch | None = None
        self._changes = Changes()
        self._looked_s = float("-inf")
        self.resume()

    def resume(self) -> None:
        """Take up the drill that runs: after a restart, or when another program has begun it."""
        with self._lock:
            kept = self._register.running()
            if kept is None:
                self._put_down()
            elif self._kept is None or self._kept.drill.id != kept.drill.id:
                self._take_up(kept)
            else:
                self._kept = kept

    def _take_up(self, kept: KeptDrill) -> None:
        twins = drill_community(self._community, kept.drill.plan.sensors)
        self._kept, self._watch = kept, self._watch_of(kept.drill.id, twins)
        self._planning = Planning(self._watch, self._response, self._community)
        announcer, plan = self._store.announcer, kept.drill.plan
        announcer.loud = kept.drill.id if plan.with_outputs else ""
        announcer.public = kept.drill.id if plan.with_residents else ""
        self._statements.again()

    def _put_down(self) -> None:
        self._kept = self._watch = self._planning = None
        self._store.announcer.loud = self._store.announcer.public = ""

    # --- what people and the program that plays it ask ---

    def ask(self, plan: DrillPlan) -> Drill:
        """Register a drill and tell every program of it.

        Raises:
            DrillError: It can't take place now, or not like this.
        """
        drills.check_plan(plan, self._community, self._clock.speed)
        with self._lock:
            for kept in self._store.open_incidents():
                if drills.threatens(kept.incident):
                    raise DrillError(
                        f"incident {kept.incident.number} is actual and {kept.incident.grade.word}:"
                        " no drill while it lasts",
                        f"事件 {kept.incident.number} 是真实的"
                        f"（{grade_words(kept.incident.grade, 'zh')}），期间不能演练",
                    )
            speed, now = self._clock.speed, self._clock.now_ms()
            people_s = (plan.aim.take_over_s or 0.0) + drills.READY_WITHIN_S + _GRACE_S
            asked = Drill(
                id=self._new_id(now),
                plan=plan,
                speed=speed,
                asked_at=now,
                until=now + round((plan.duration_s + people_s * speed) * 1000),
                beat_wall=self._clock.wall_ms(),
            )
            self._take_up(self._register.add(asked))
            self._statements.say(asked.statement)
            log.info("drill asked for", drill=asked.id, zone=plan.zone, scenario=plan.scenario)
            return asked

    def begin(self, drill: str, at: int) -> Drill:
        """The scenario starts at *at* (run ms).

        Raises:
            DrillError: It is not ready, or over.
        """
        return self._change(drill, lambda now: drills.begun(now, at))

    def beat(self, drill: str) -> Drill:
        """The program that plays it is alive; return how the drill stands.

        Raises:
            DrillError: There is none of this name.
        """
        wall = self._clock.wall_ms()

        def alive(now: Drill) -> Drill:
            return now if now.over else msgspec.structs.replace(now, beat_wall=wall)

        return self._change(drill, alive)

    def finish(self, drill: str, by: str) -> Drill:
        """It came to its end.

        Raises:
            DrillError: It does not run.
        """
        return self._end(drill, lambda now, at: drills.finished(now, by, at))

    def abort(self, drill: str, by: str, why: str = "asked") -> Drill:
        """Break it off.

        Raises:
            DrillError: It is over, or there is none of this name.
        """
        return self._end(drill, lambda now, at: drills.aborted(now, why, at, by=by))

    def add_evidence(self, drill: str, path: str, sha256: str) -> Drill:
        """Remember a file that was made of a drill, by its hash; it can't be taken back.

        Raises:
            DrillError: The drill is not over, or has too many files.
        """
        evidence = Evidence(path=path, sha256=sha256, at=self._clock.now_ms())

        def with_it(now: Drill) -> Drill:
            if not now.over:
                raise DrillError(
                    f"drill {now.id} is {now.state}: its evidence comes at its end",
                    f"演练 {now.id} 还没有结束，结束后才能存证",
                )
            if len(now.evidence) >= MOST_EVIDENCE:
                raise DrillError(
                    f"drill {now.id} has {MOST_EVIDENCE} files already",
                    f"演练 {now.id} 已有 {MOST_EVIDENCE} 个存证文件，不能再加",
                )
            return msgspec.structs.replace(now, evidence=(*now.evidence, evidence))

        return self._change(drill, with_it)

    # --- what the watch's loop does ---

    def take(self, finding: Finding, remaining_s: float | None) -> bool:
        """Take a finding of a drill; False if it is of none that runs."""
        with self._lock:
            self.resume()  # another program may have ended it
            if self._kept is None or self._watch is None or self._kept.drill.id != finding.drill:
                return False
            if self._kept.drill.state is not DrillState.RUNNING:
                return False
            return self._watch.take(finding, remaining_s)

    def join(self, program: str, drill: str) -> None:
        """A program says that it takes part in a drill."""
        kept = self._register.kept(drill)
        if kept is None or drills.joined(kept.drill, program) == kept.drill:
            return
        self._change(drill, lambda now: drills.joined(now, program))

    def tick(self) -> None:
        """Let time pass: actual incidents break it off, so does a runner that is gone.

        Raises:
            SQLAlchemyError: The database failed; the next tick does it again.
        """
        with self._lock:
            self._statements.repeat(self._kept.drill if self._kept is not None else None)
            now_s = self._clock.monotonic_s()
            if self._kept is None or self._watch is None:
                if now_s - self._looked_s >= SWEEP_S:
                    self._looked_s = now_s
                    self._sweep()
                return
            if now_s - self._looked_s >= LOOK_S:
                self._looked_s = now_s
                self._look()
            if self._watch is not None and self._planning is not None:
                self._watch.tick()
                self._planning.tick()

    def linked(self) -> None:
        """The broker has us (again), and may have forgotten which drill runs: say it soon."""
        self._statements.again()

    def remind(self) -> None:
        """Announce again what nobody could be told."""
        with self._lock:
            if self._watch is not None:
                self._watch.remind()

    def changes(self) -> set[int]:
        """Return the numbers of incidents that have changed since the last call."""
        with self._lock:
            numbers = self._changes.numbers
            self._changes = Changes()
            if self._watch is not None:
                numbers |= self._watch.changes().numbers
            return numbers

    def watch(self, drill: str) -> Watch | None:
        """Return what keeps the incidents of a drill; None if it does not run."""
        with self._lock:
            if self._kept is None or self._kept.drill.id != drill:
                self.resume()
            return self._watch if self._kept and self._kept.drill.id == drill else None

    # --- inside ---

    def _new_id(self, now: int) -> str:
        zone = zoneinfo.ZoneInfo(self._community.site.timezone)
        local = dt.datetime.fromtimestamp(now / 1000, zone)
        return f"d-{local:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

    def _change(self, drill: str, step: Callable[[Drill], Drill]) -> Drill:
        """Write what *step* makes of a drill.

        Raises:
            DrillError: It can't happen in this state, or there is no such drill.
        """
        with self._lock:
            changed = self._register.change(drill, step)
            if self._kept is not None and self._kept.drill.id == drill:
                self._kept = changed
            return changed.drill

    def _end(self, drill: str, step: Callable[[Drill, int], Drill]) -> Drill:
        """End it: first its incidents, then its row, so that a crash between ends it again."""
        with self._lock:
            kept = self._register.kept(drill)
            if kept is None:
                raise unknown_drill(drill)
            over = step(kept.drill, self._clock.now_ms())
            watch = self.watch(drill)
            if watch is not None:
                how = "finished" if over.state is DrillState.FINISHED else "aborted"
                watch.end_drill(how, str(over.blocked_by) if over.blocked_by else "")
                self._changes.numbers |= watch.changes().numbers
            ended = self._change(drill, lambda now: step(now, over.ended_at))
            self._put_down()
            self._statements.say(ended.statement)
            log.info("drill ended", drill=drill, state=str(ended.state), why=ended.why)
            return ended

    def _look(self) -> None:
        """Break it off if an actual incident, time or its runner say so."""
        self.resume()  # another program may have written its signs of life, or ended it
        if self._kept is None:
            return
        now = self._kept.drill
        threats = (kept.incident for kept in self._store.open_incidents())
        threat = next((one for one in threats if drills.threatens(one)), None)
        why = drills.overdue(now, self._clock.now_ms(), self._clock.wall_ms())
        with contextlib.suppress(DrillError):  # another program was faster: it is over
            if threat is not None:
                number = threat.number
                log.warning("an actual incident breaks the drill off", incident=number)
                self._end(
                    now.id, lambda one, at: drills.aborted(one, "actual", at, blocked_by=number)
                )
            elif why:
                self.abort(now.id, "system", why)

    def _sweep(self) -> None:
        """End what a drill that is over has left open: another program was about to write it."""
        left = [kept.incident for kept in self._store.open_incidents(drill=None)]
        for name in {incident.drill for incident in left if incident.exercise}:
            kept = self._register.kept(name)
            if kept is not None and kept.drill.over:
                self._watch_of(name, self._community).end_drill("aborted", "")
