"""One guarded HTTP POST: no redirects, no proxies from the environment, a small answer, a deadline.

Against requests forged through our hands (SSRF): https to public addresses only, unless the channel
says `allow_private`. The name is resolved once, *every* address is checked, and the connection goes
to a checked address with the name's own TLS identity and Host, so that a second look-up can't
answer differently. Rules for addresses: channels reference 6.2.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from alerts.channels.base import Outcome, OutcomeKind
from alerts.channels.entry import ChannelError
from core.clock import RunClock

# More than any vendor answers; what follows is not read.
MAX_ANSWER_BYTES = 16_384
CONNECT_TIMEOUT_S = 5.0
# Longest attempt that a channel may be given; the outbox' lease is longer.
MAX_TIMEOUT_S = 30.0
_STEADY = RunClock()  # only its monotonic seconds are used, for the deadline of one answer
_NEVER = (
    ipaddress.ip_network("64:ff9b::/96"),  # NAT64: wraps any IPv4 address
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("2002::/16"),  # 6to4
    ipaddress.ip_network("2001::/32"),  # Teredo
)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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


class RefusedAddressError(ValueError):
    """The receiver's address is not one that this channel may talk to."""


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
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._client = httpx.Client(
            follow_redirects=False,
            trust_env=False,
            verify=_trusted(),
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
        until_s = _STEADY.monotonic_s() + self._timeout_s
        try:
            if isinstance(query, str):
                url = self._url.copy_with(query=query.encode())
            else:
                url = self._url.copy_merge_params(query) if query else self._url
            request = self._request(verb, url, body, headers)
            response = self._client.send(request, stream=True)
        except RefusedAddressError as error:
            return Outcome(OutcomeKind.MISCONFIGURED, vendor_code="address", detail=str(error))
        except httpx.HTTPError as error:
            return without_answer(error)
        try:
            return _read(response, until_s)
        except (httpx.HTTPError, TimeoutError) as error:
            # The vendor had the message; whether it took it nobody knows. The status line alone
            # is enough to know a refusal.
            return without_answer(error, sent=response.is_success)
        finally:
            response.close()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _request(
        self, verb: str, url: httpx.URL, body: bytes, headers: Mapping[str, str]
    ) -> httpx.Request:
        if self._allow_private:
            return self._client.build_request(verb, url, content=body, headers=headers)
        host = self._url.host
        address = checked_address(host, self._url.port or 443)
        return self._client.build_request(
            verb,
            url.copy_with(host=str(address)),
            content=body,
            headers={**headers, "host": self._url.netloc.decode()},
            extensions={"sni_hostname": host},
        )


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Return the authorities that are trusted; read once, because reading takes long."""
    return httpx.create_ssl_context(trust_env=False)


def checked_address(host: str, port: int) -> Address:
    """Resolve *host* once and return an address to connect to.

    Raises:
        RefusedAddressError: One of its addresses is not public.
        httpx.ConnectError: It can't be resolved.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"name can't be resolved: {error}") from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    refused = [str(address) for address in addresses if not is_public(address)]
    if refused or not addresses:
        raise RefusedAddressError(
            f"the receiver's address {', '.join(refused) or 'is missing'}: only public addresses, "
            "or allow_private = true for a receiver on the premises"
        )
    return addresses[0]


def is_public(address: Address) -> bool:
    """Tell whether an address is on the public internet.

    >>> [is_public(ipaddress.ip_address(text)) for text in ("8.8.8.8", "100.100.100.200")]
    [True, False]
    """
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if not address.is_global or address.is_multicast:
        return False
    return not any(address in network for network in _NEVER if network.version == address.version)


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


def _read(response: httpx.Response, until_s: float) -> Answer:
    body = b""
    whole = True
    for piece in response.iter_raw():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            body, whole = body[:MAX_ANSWER_BYTES], False
            break
        if _STEADY.monotonic_s() > until_s:
            raise TimeoutError("the answer dripped")
    return Answer(response.status_code, body, whole, _retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdigit() and len(text) < 9:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        now = parsedate_to_datetime(response.headers.get("date", ""))
        return max((at - now).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _why(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "no connection"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "no answer in time; it may have arrived"
    return "the connection broke; it may have arrived"
