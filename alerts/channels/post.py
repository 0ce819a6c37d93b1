"""One guarded HTTP POST: no redirects, no proxies from the environment, a small answer, a deadline.

https to public addresses only, unless the channel says `allow_private`; which addresses these are,
and that no wait outlasts the deadline: `alerts.channels.wire`.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from alerts.channels.base import Outcome, OutcomeKind
from alerts.channels.entry import ChannelError
from alerts.channels.wire import RefusedAddressError, Wire, WiredTransport
from core.clock import RunClock

# More than any vendor answers; what follows is not read.
MAX_ANSWER_BYTES = 16_384
CONNECT_TIMEOUT_S = 5.0
# Longest attempt that a channel may be given; the outbox' lease is longer.
MAX_TIMEOUT_S = 30.0
_CLOCK = RunClock()  # for a Retry-After date of a server that doesn't say what time it is


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        body: At most `MAX_ANSWER_BYTES`.
        whole: False if there was more.
        retry_after_s: Wall seconds of Retry-After, None if absent or not understood.
    """

    status: int
    body: bytes
    whole: bool
    retry_after_s: float | None


class Poster:
    """Posts to one URL; keeps the connection. Safe to use from several threads.

    Args:
        url: Where. Never logged, because some vendors put the key into it.
        allow_private: Allow http and any address.
        timeout_s: For the whole attempt, wall seconds.

    Raises:
        ChannelError: The URL can't be used.
    """

    def __init__(self, url: str, *, allow_private: bool, timeout_s: float) -> None:
        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ChannelError(f"url: {error}") from error
        if self._url.scheme not in (("https", "http") if allow_private else ("https",)):
            raise ChannelError("url: https is needed (http only with allow_private = true)")
        if not self._url.host:
            raise ChannelError("url: it names no host")
        if self._url.userinfo:
            raise ChannelError("url: no user and password in it; they would end in logs")
        if not 0 < timeout_s <= MAX_TIMEOUT_S:
            raise ChannelError(
                f"timeout_s {timeout_s:g}: expected above 0, at most {MAX_TIMEOUT_S:g}"
            )
        self._timeout_s = timeout_s
        self._wire = Wire(allow_private=allow_private)
        self._client = httpx.Client(
            follow_redirects=False,
            trust_env=False,
            transport=WiredTransport(self._wire),
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            headers={"user-agent": "safety-eye", "accept-encoding": "identity"},
        )

    @property
    def host(self) -> str:
        """What stands in the Host header: name, and port unless it is the usual one."""
        return self._url.netloc.decode()

    def post(
        self,
        body: bytes,
        headers: Mapping[str, str],
        query: Mapping[str, str] | str | None = None,
    ) -> Answer | Outcome:
        """Post once; return the answer, or the outcome where there was none.

        Args:
            body: What is posted.
            headers: Besides the usual ones.
            query: Parameters of this post, added to those of the URL and encoded once; or the whole
                query as it is to stand there, for vendors that sign it.
        """
        return self._exchange("POST", body, headers, query)

    def get(
        self, query: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Answer | Outcome:
        """Ask once; see `post`."""
        return self._exchange("GET", b"", headers or {}, query)

    def _exchange(
        self,
        verb: str,
        body: bytes,
        headers: Mapping[str, str],
        query: Mapping[str, str] | str | None,
    ) -> Answer | Outcome:
        self._wire.begin(self._timeout_s)
        try:
            if isinstance(query, str):
                url = self._url.copy_with(query=query.encode())
            else:
                url = self._url.copy_merge_params(query) if query else self._url
            request = self._client.build_request(verb, url, content=body, headers=headers)
            response = self._client.send(request, stream=True)
        except RefusedAddressError as error:
            return Outcome(OutcomeKind.MISCONFIGURED, vendor_code="address", detail=str(error))
        except httpx.HTTPError as error:
            return without_answer(error)
        try:
            return _read(response)
        except (httpx.HTTPError, zlib.error) as error:
            if response.is_success:
                # The vendor had the message; whether it took it nobody knows.
                return without_answer(error, sent=True)
            # The status line alone is enough to know a refusal.
            return Answer(response.status_code, b"", whole=False, retry_after_s=_wait(response))
        finally:
            response.close()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def without_answer(error: Exception, *, sent: bool = False) -> Outcome:
    """Return the outcome of an attempt that ended without an answer.

    Only an error before the request went out is a plain retry; afterwards nobody knows.
    """
    before = isinstance(
        error,
        httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol,
    )
    kind = OutcomeKind.RETRY if before and not sent else OutcomeKind.UNKNOWN
    # The class alone: texts of errors may hold the URL, and with it a key.
    return Outcome(kind, vendor_code=type(error).__name__, detail=_why(error))


def of_status(answer: Answer) -> Outcome:
    """Return the outcome of an HTTP status that is not success."""
    code, status = str(answer.status), answer.status
    if status in (408, 425, 429) or status >= 500:
        return Outcome(
            OutcomeKind.RETRY,
            vendor_code=code,
            retry_after_s=answer.retry_after_s,
            detail=f"HTTP {status}",
        )
    if status in (401, 403, 404, 405, 407) or 300 <= status < 400:
        detail = "redirects are not followed" if status < 400 else "mend url or secret"
        return Outcome(
            OutcomeKind.MISCONFIGURED, vendor_code=code, detail=f"HTTP {status}: {detail}"
        )
    return Outcome(OutcomeKind.PERMANENT, vendor_code=code, detail=f"HTTP {status}")


def _read(response: httpx.Response) -> Answer:
    body = b""
    whole = True
    for piece in response.iter_raw():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            body, whole = body[:MAX_ANSWER_BYTES], False
            break
    if response.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip"):
        # Not asked for, but some proxies do it all the same. No bomb: no more than we read.
        body = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, MAX_ANSWER_BYTES)
    return Answer(response.status_code, body, whole, _wait(response))


def _wait(response: httpx.Response) -> float | None:
    """Return the wall seconds of Retry-After, None if it is absent or not understood."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 9:
        return float(text)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    try:
        now = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        now = _CLOCK.wall_ms() / 1000
    return max(at - now, 0.0)


def _why(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "no connection"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time; it may have arrived"
    return "the connection broke; it may have arrived"
