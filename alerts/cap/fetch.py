"""One guarded HTTP GET: no redirects, no proxies from the environment, a size limit, a deadline.

The guard is that of `alerts.channels.post`: the name is resolved once, every address is checked,
and the connection goes to a checked one under the name's own TLS identity.
"""

from __future__ import annotations

import httpx

from alerts.cap.document import MAX_BYTES
from alerts.channels.post import CONNECT_TIMEOUT_S
from alerts.channels.wire import RefusedAddressError, checked_addresses
from core.clock import RunClock

# For one document, wall seconds.
TIMEOUT_S = 20.0
_STEADY = RunClock()  # only its monotonic seconds are used


class FetchError(RuntimeError):
    """A document could not be read; trying again later may help."""


class Fetcher:
    """Reads documents of one feed; keeps the connection.

    Args:
        allow_private: Allow http and any address.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._client = httpx.Client(
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            headers={"user-agent": "safety-eye", "accept-encoding": "identity"},
        )

    def get(self, url: str) -> bytes:
        """Return the body of a document.

        Raises:
            FetchError: It can't be read; the text holds no URL.
        """
        until_s = _STEADY.monotonic_s() + TIMEOUT_S
        try:
            response = self._client.send(self._request(url), stream=True)
            try:
                return _read(response, until_s)
            finally:
                response.close()
        except RefusedAddressError as error:
            raise FetchError(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchError(f"no answer: {type(error).__name__}") from error

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _request(self, text: str) -> httpx.Request:
        url = httpx.URL(text)
        schemes = ("https", "http") if self._allow_private else ("https",)
        if url.scheme not in schemes or not url.host or url.userinfo:
            raise FetchError("its address must be https, without user and password in it")
        if self._allow_private:
            return self._client.build_request("GET", url)
        address = checked_addresses(url.host, url.port or 443)[0]
        return self._client.build_request(
            "GET",
            url.copy_with(host=str(address)),
            headers={"host": url.netloc.decode()},
            extensions={"sni_hostname": url.host},
        )


def _read(response: httpx.Response, until_s: float) -> bytes:
    if response.status_code != 200:
        raise FetchError(f"HTTP {response.status_code}")
    body = bytearray()
    for piece in response.iter_raw():
        body += piece
        if len(body) > MAX_BYTES:
            raise FetchError(f"more than {MAX_BYTES} bytes")
        if _STEADY.monotonic_s() > until_s:
            raise FetchError("the answer dripped")
    return bytes(body)
