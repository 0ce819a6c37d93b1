"""The hub's drills over HTTP, for the program that plays one and for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from alerts.drill import BrokenOff, Drill, DrillPlan
from alerts.drills_api import ClockAnswer, CoverageAnswer, DrillAnswer
from core.clock import RunClock, parse_clock
from safety_eye.hub import HubConfig

_TIMEOUT_S = 10.0
_Answer = TypeVar("_Answer")


class HubError(RuntimeError):
    """The hub does not answer, or refuses; the message says why."""


class HubSilentError(HubError):
    """The hub does not answer at present; trying again may help."""


class DrillClient:
    """One hub.

    Args:
        config: Where its API is, and its token.
        language: In which the hub says what it refuses: zh or en.
    """

    def __init__(self, config: HubConfig, language: str = "en") -> None:
        self._language = language
        headers = {"accept-language": language}
        if config.http.token_file:
            token = Path(config.http.token_file).read_text(encoding="utf-8").strip()
            headers["authorization"] = f"Bearer {token}"
        self.url = f"http://{config.http.host}:{config.http.port}"
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=_TIMEOUT_S, trust_env=False
        )

    def close(self) -> None:
        """End the connection."""
        self._http.close()

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
        answer = self._send("GET", "/api/v1/outbox", None)
        return int(answer.json()["pending"])

    def _post(self, path: str, body: object) -> DrillAnswer:
        answer = self._send("POST", f"/api/v1/drills{path}", body)
        return self._read(answer, DrillAnswer)

    def _get(self, path: str, kind: type[_Answer]) -> _Answer:
        answer = self._send("GET", f"/api/v1/drills{path}", None)
        return self._read(answer, kind)

    def _read(self, answer: httpx.Response, kind: type[_Answer]) -> _Answer:
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            other = (
                f"answers as another version would, restart it after an update ({error})",
                f"的应答来自另一个版本，更新后请重启中枢（{error}）",
            )
            raise HubError(self._of_the_hub(*other)) from error

    def _send(self, method: str, path: str, body: object) -> httpx.Response:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            silent = f"does not answer ({error})", f"没有应答（{error}）"
            raise HubSilentError(self._of_the_hub(*silent)) from error
        if answer.is_success:
            return answer
        try:
            why = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            why = answer.text[:200]
        if answer.status_code >= 500:
            raise HubSilentError(self._of_the_hub(f"has trouble: {why}", f"出了故障：{why}"))
        raise HubError(why)

    def _of_the_hub(self, en: str, zh: str) -> str:
        return f"中枢 {self.url} {zh}" if self._language == "zh" else f"the hub at {self.url} {en}"
