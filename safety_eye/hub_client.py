"""The API of a running hub, for commands that change something there."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from safety_eye.hub import HubConfig

_TIMEOUT_S = 10.0
_Answer = TypeVar("_Answer")


class HubError(RuntimeError):
    """The hub does not answer, or refuses; the message says why."""


class HubSilentError(HubError):
    """The hub does not answer at present; trying again may help."""


class HubClient:
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

    def send(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Return the answer to a request.

        Raises:
            HubError: It refuses, in its own words.
            HubSilentError: It does not answer, or fails.
        """
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

    def read(self, answer: httpx.Response, kind: type[_Answer]) -> _Answer:
        """Return the body of an answer.

        Raises:
            HubError: It is not of this shape.
        """
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            other = (
                f"answers as another version would, restart it after an update ({error})",
                f"的应答来自另一个版本，更新后请重启中枢（{error}）",
            )
            raise HubError(self._of_the_hub(*other)) from error

    def _of_the_hub(self, en: str, zh: str) -> str:
        return f"中枢 {self.url} {zh}" if self._language == "zh" else f"the hub at {self.url} {en}"
