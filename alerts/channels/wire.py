"""How posts leave the house: to checked addresses only, each of them in turn, by one deadline.

Against requests forged through our hands (SSRF): the name is resolved once for a connection,
*every* address is checked, and one of them is connected to, so that a second look-up can't answer
differently. Rules for addresses: channels reference 6.2.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
import threading
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from core.clock import RunClock

_STEADY = RunClock()  # only its monotonic seconds are used
_NEVER = (
    ipaddress.ip_network("64:ff9b::/96"),  # NAT64: wraps any IPv4 address
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("2002::/16"),  # 6to4
    ipaddress.ip_network("2001::/32"),  # Teredo
)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedAddressError(ValueError):
    """The receiver's address is not one that this channel may talk to."""


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


def addresses_of(host: str, port: int) -> list[Address]:
    """Resolve *host* once and return its addresses, best first.

    Raises:
        httpx.ConnectError: It can't be resolved.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"name can't be resolved: {error}") from error
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def checked_addresses(host: str, port: int) -> list[Address]:
    """Resolve *host* once and return the addresses to connect to, best first.

    Raises:
        RefusedAddressError: One of its addresses is not public.
        httpx.ConnectError: It can't be resolved.
    """
    addresses = addresses_of(host, port)
    refused = [str(address) for address in addresses if not is_public(address)]
    if refused or not addresses:
        raise RefusedAddressError(
            f"the receiver's address {', '.join(refused) or 'is missing'}: only public addresses, "
            "or allow_private = true for a receiver on the premises"
        )
    return addresses


class Wire(httpcore.NetworkBackend):
    """Connects; what one thread begins ends by that thread's deadline, however slowly bytes drip.

    Args:
        allow_private: Connect to any address.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._resolve = addresses_of if allow_private else checked_addresses
        self._system = httpcore.SyncBackend()
        self._mine = threading.local()

    def begin(self, timeout_s: float) -> None:
        """Give the calling thread so many wall seconds for what it does from now on."""
        self._mine.until_s = _STEADY.monotonic_s() + timeout_s

    def left_s(self, timeout_s: float | None) -> float:
        """Return for how long the calling thread may still wait, at most *timeout_s*."""
        until_s: float = getattr(self._mine, "until_s", math.inf)
        return min(timeout_s or math.inf, until_s - _STEADY.monotonic_s())

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers: of two, one is often unreachable (IPv6)."""
        addresses = self._resolve(host, port)
        failed: Exception = httpcore.ConnectError("no address")
        for tried, address in enumerate(addresses):
            left_s = self.left_s(timeout)
            if left_s <= 0:
                raise httpcore.ConnectTimeout("no connection in time")
            share_s = min(left_s, self.left_s(None) / (len(addresses) - tried))
            try:
                stream = self._system.connect_tcp(
                    str(address), port, share_s, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream, self)
        raise failed


class _Stream(httpcore.NetworkStream):
    """A connection on which no wait outlasts the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, wire: Wire) -> None:
        self._inner = inner
        self._wire = wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left_s = self._wire.left_s(timeout)
        if left_s <= 0:
            raise httpcore.ReadTimeout("the answer dripped")
        return self._inner.read(max_bytes, left_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left_s = self._wire.left_s(timeout)
        if left_s <= 0:
            raise httpcore.WriteTimeout("it was taken too slowly")
        self._inner.write(buffer, left_s)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left_s = self._wire.left_s(timeout)
        if left_s <= 0:
            raise httpcore.ConnectTimeout("no connection in time")
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left_s), self._wire)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class WiredTransport(httpx.HTTPTransport):
    """httpx's own transport over a `Wire`: no proxies, no second look-up.

    Args:
        wire: Connects.
        trusted: Authorities for TLS.
    """

    def __init__(self, wire: Wire, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted, trust_env=False)
        # httpx has no argument for it; its pool is httpcore's, whose argument it is.
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=wire,
        )
