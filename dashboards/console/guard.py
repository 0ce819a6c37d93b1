"""What protects the console: one policy for every page, and proof that a click was meant.

A change needs three things: POST, an origin that is this console (Origin or Sec-Fetch-Site), and
the token of the form, equal to a cookie that scripts and other sites can't read or send. The token
needs no server secret, so that a page that was open over a restart can still take an incident over.
"""

from __future__ import annotations

import hmac
import secrets

from fastapi import Request, Response

from alerts.access import Access, is_own_origin

TOKEN_COOKIE = "se_token"  # noqa: S105 - a cookie's name
# No inline script or style, nothing from elsewhere, no frame around us.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TOKEN_DAYS = 30


def token_of(request: Request) -> str:
    """Return the token of this browser, a new one if it has none."""
    return request.cookies.get(TOKEN_COOKIE) or secrets.token_urlsafe(18)


def keep_token(request: Request, response: Response, token: str) -> None:
    """Give the browser its token where it has none yet."""
    if request.cookies.get(TOKEN_COOKIE) != token:
        response.set_cookie(
            TOKEN_COOKIE,
            token,
            max_age=_TOKEN_DAYS * 86_400,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )


def access_of(request: Request) -> Access | None:
    """Return the rule of who may change anything (alerts.api sets it), None where there is none."""
    found = getattr(request.app.state, "access", None)
    return found if isinstance(found, Access) else None


def refusal(request: Request, token: str) -> tuple[int, str] | None:
    """Return why a form may not change anything, as status and phrase; None if it may."""
    if not meant(request, token):
        return 403, "refused_origin"
    access = access_of(request)
    if access is not None and access.refusal(request) is not None:
        return (403, "refused_machine") if access.open_to_machine else (401, "refused_sign_in")
    return None


def may_read(request: Request) -> bool:
    """Tell whether this browser may see what is private: names, numbers, words of residents."""
    access = access_of(request)
    return access is None or access.refusal(request) is None


def meant(request: Request, token: str) -> bool:
    """Tell whether a POST comes from a form of this console in this browser."""
    cookie = request.cookies.get(TOKEN_COOKIE, "")
    if not cookie or not hmac.compare_digest(cookie.encode(), token.encode()):
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return site is not None
    return is_own_origin(request, origin)
