"""The hub's drills over HTTP, for the program that plays one and for the command line."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from alerts.drill import BrokenOff, Drill, DrillPlan
from alerts.drills_api import ClockAnswer, CoverageAnswer, DrillAnswer
from core.clock import RunClock, parse_clock
from safety_eye.hub_client import HubClient

_Answer = TypeVar("_Answer")


class DrillClient(HubClient):
    """The drills of one hub."""

    def clock(self) -> RunClock:
        """Return the clock of the hub's run."""
        return parse_clock(self._get("/clock", ClockAnswer).clock)

    def ask(self, plan: DrillPlan) -> DrillAnswer:
        """Register a drill."""
        return self._post("", msgspec.to_builtins(plan))

    def begin(self, drill: str, at: int) -> DrillAnswer:
        """The scenario starts at *at* (run ms)."""
        return self._post(f"/{drill}/begin", {"at": at})

    def beat(self, drill: str) -> DrillAnswer:
        """Say that it is played, and ask how it stands."""
        return self._post(f"/{drill}/beat", {})

    def finish(self, drill: str, by: str) -> DrillAnswer:
        """It came to its end."""
        return self._post(f"/{drill}/finish", {"by": by})

    def abort(self, drill: str, by: str, why: BrokenOff = BrokenOff.ASKED) -> DrillAnswer:
        """Break it off."""
        return self._post(f"/{drill}/abort", {"by": by, "why": why})

    def add_evidence(self, drill: str, path: str, sha256: str) -> DrillAnswer:
        """Remember a file by its hash."""
        return self._post(f"/{drill}/evidence", {"path": path, "sha256": sha256})

    def drill(self, drill: str) -> DrillAnswer:
        """Return one drill."""
        return self._get(f"/{drill}", DrillAnswer)

    def drills(self, limit: int = 100) -> list[Drill]:
        """Return drills, newest first."""
        return self._get(f"?limit={limit}", list[Drill])

    def coverage(self, days: float) -> CoverageAnswer:
        """Return what has been drilled in the last *days* and what is due."""
        return self._get(f"/coverage?days={days}", CoverageAnswer)

    def pending(self) -> int:
        """Return how many messages wait to be sent."""
        answer = self.send("GET", "/api/v1/outbox", None)
        return int(answer.json()["pending"])

    def _post(self, path: str, body: object) -> DrillAnswer:
        answer = self.send("POST", f"/api/v1/drills{path}", body)
        return self.read(answer, DrillAnswer)

    def _get(self, path: str, kind: type[_Answer]) -> _Answer:
        return self.read(self.send("GET", f"/api/v1/drills{path}"), kind)
