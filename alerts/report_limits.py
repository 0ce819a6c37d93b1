"""How many reports are taken: from one client, and from everybody, within a window. In memory.

A limit here protects the duty from a prank, never from a disaster: what is refused is told which
number to call, and the duty has been told long before the common limit is reached.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence

from alerts.response import ReportForm

# Clients whose times are remembered; the one that was quiet longest is forgotten first.
_MOST_CLIENTS = 10_000
# One household has one prefix, and not fewer than so many bits of it (RFC 6177).
_IPV6_PREFIX = 64


class ReportLimits:
    """Counts reports in a sliding window. Safe to call from any thread.

    Args:
        form: The limits; wall seconds.
    """

    def __init__(self, form: ReportForm) -> None:
        self._form = form
        self._lock = threading.Lock()
        self._all: deque[float] = deque()
        self._clients: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, client: str, now_s: float) -> bool:
        """Count one report from *client* at *now_s* (monotonic wall seconds); False if too many."""
        form = self._form
        with self._lock:
            own = self._clients.setdefault(client, deque())
            self._clients.move_to_end(client)
            while len(self._clients) > _MOST_CLIENTS:
                self._clients.popitem(last=False)
            _forget(own, now_s - form.per_client_s)
            _forget(self._all, now_s - form.in_all_s)
            if len(own) >= form.per_client or len(self._all) >= form.in_all:
                return False
            own.append(now_s)
            self._all.append(now_s)
            return True


class ClientMarks:
    """Turns addresses into marks that say only whether two are the same.

    The key lives in memory: after a restart nobody, we included, can tell whose a mark was.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def mark(self, address: str) -> str:
        """Return the mark of a client's address."""
        return hmac.new(self._key, _network(address).encode(), hashlib.sha256).hexdigest()[:32]


def client_address(peer: str, forwarded: str, proxies: Sequence[str]) -> str:
    """Return whose request it is: the peer, or whom a trusted proxy names.

    The header is read from the right: what stands left of an address that we don't trust is what
    that one claims.

    >>> client_address("127.0.0.1", "1.2.3.4, 5.6.7.8", ["127.0.0.1"])
    '5.6.7.8'
    >>> client_address("9.9.9.9", "1.2.3.4", ["127.0.0.1"])
    '9.9.9.9'
    """
    address = peer
    for named in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        if address not in proxies:
            break
        address = named
    return address


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))


def _forget(times: deque[float], before_s: float) -> None:
    while times and times[0] <= before_s:
        times.popleft()
