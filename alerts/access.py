"""Who may change something over HTTP.

With a token: whoever sends it (`Authorization: Bearer`), or a browser that has exchanged it for a
session cookie, from this very origin. Without a token: only this machine, from a page of its own
(`Host`, `Origin` and `Sec-Fetch-Site` are looked at, so that no page elsewhere can reach through a
browser, and no proxy can make the world look like this machine).
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import threading
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from core.clock import Clock
from core.refusal import RefusalError

COOKIE = "se_session"
SESSION_S = 12 * 3600
# More open sessions than a community has duty staff; the oldest goes first.
MAX_SESSIONS = 200
_BEARER = HTTPBearer(
    auto_error=False, description="The token; where none is configured, only this machine may."
)
_SESSION = APIKeyCookie(
    name=COOKIE, auto_error=False, description="From POST /api/v1/session, for browsers."
)
# What proxies and tunnels add. HTTP/1.0 is what nginx speaks to what stands behind it, and nobody
# else speaks any more.
_PROXY_HEADERS = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
    "cf-connecting-ip", "true-client-ip",
)  # fmt: skip
_PROXY_VERSION = "1.0"


class Access:
    """Decides about one application. The console may use it, too: `app.state.access`.

    Args:
        token: The secret of the API; None allows only this machine.
        clock: For the age of sessions (wall seconds).
    """

    def __init__(self, token: str | None, clock: Clock) -> None:
        self._token = token.encode() if token else None
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[str, float] = {}

    @property
    def open_to_machine(self) -> bool:
        """True if no token is configured, so that only this machine may change anything."""
        return self._token is None

    def refusal(self, request: Request) -> RefusalError | None:
        """Return why this request may not change anything, or None if it may."""
        if self._token is None:
            return _not_from_here(request) or _from_elsewhere(request)
        if self.token_fits(_bearer(request)):
            return None
        if self._has_session(request):
            return _from_elsewhere(request)
        return RefusalError(
            "a token is needed: Authorization: Bearer …, or sign in",
            "需要口令：请登录，或带上 Authorization: Bearer …",
        )

    def permit(
        self,
        request: Request,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)] = None,
        _session: Annotated[str | None, Depends(_SESSION)] = None,
    ) -> None:
        """Let a request pass that may change something; what routes that change depend on.

        The two ways to prove it are named for OpenAPI; `refusal` judges them.

        Raises:
            HTTPException: 401, the token is missing; 403, only this machine may.
        """
        why = self.refusal(request)
        if why is not None:
            raise HTTPException(403 if self.open_to_machine else 401, str(why)) from why

    def token_fits(self, given: str) -> bool:
        """Tell whether *given* is the token, in constant time."""
        return self._token is not None and hmac.compare_digest(given.encode(), self._token)

    def begin_session(self) -> str:
        """Return a new session id."""
        session = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._sessions) >= MAX_SESSIONS:
                self._sessions.pop(next(iter(self._sessions)))
            self._sessions[session] = self._clock.monotonic_s() + SESSION_S
        return session

    def end_session(self, request: Request) -> None:
        """Forget the session of a request."""
        with self._lock:
            self._sessions.pop(request.cookies.get(COOKIE, ""), None)

    def _has_session(self, request: Request) -> bool:
        given = request.cookies.get(COOKIE, "")
        with self._lock:
            until_s = self._sessions.get(given)
        return until_s is not None and self._clock.monotonic_s() < until_s


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _not_from_here(request: Request) -> RefusalError | None:
    host = request.client.host if request.client else ""
    forwarded = request.scope.get("http_version") == _PROXY_VERSION or any(
        name in request.headers for name in _PROXY_HEADERS
    )
    if forwarded or not _is_loopback(host):
        return RefusalError(
            "without a token only this machine may change anything; configure http.token_file",
            "没有设置口令，只有本机可以操作；请在 hub.toml 配置 http.token_file",
        )
    name = _host_name(request.headers.get("host", ""))
    if name != "localhost" and not _is_loopback(name):
        return RefusalError(
            f"host {name!r} is not this machine's own name", f"{name!r} 不是本机的名称"
        )
    return None


def _from_elsewhere(request: Request) -> RefusalError | None:
    site = request.headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        return RefusalError(
            "the request comes from a page of another site", "请求来自另一个网站的页面"
        )
    origin = request.headers.get("origin")
    if origin is not None and not is_own_origin(request, origin):
        return RefusalError(
            "the request comes from a page of another origin", "请求来自另一个地址的页面"
        )
    return None


def is_own_origin(request: Request, origin: str) -> bool:
    """Tell whether a page of *origin* is one of those that this host serves."""
    try:
        return urlsplit(origin).netloc == request.headers.get("host", "")
    except ValueError:
        return False


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
