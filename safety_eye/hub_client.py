"""The API of a running hub, for commands that change something there."""

from __future__ import annotations

from pathlib import Path

import httpx

from safety_eye.hub import HubConfig

_TIMEOUT_S = 10.0


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
            raise HubSilentError(f"the hub at {self.url} does not answer ({error})") from error
        if answer.is_success:
            return answer
        try:
            why = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            why = answer.text[:200]
        if answer.status_code >= 500:
            raise HubSilentError(f"the hub at {self.url}: {why}")
        raise HubError(why)
