"""What goes wrong over HTTP, as problem JSON (RFC 9457): words for who asked, never a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from alerts.store import StaleError
from core.refusal import RefusalError, asked_language

log = structlog.get_logger()

# A number in an address that nothing can have is the number of nothing.
_BEYOND = ("greater_than_equal", "less_than_equal")
MEDIA_TYPE = "application/problem+json"
_NO_STATE = RefusalError(
    "the state can't be read or written at the moment", "数据库暂时读写不了，请稍后再试"
)
_NO_NUMBER = RefusalError("there is none of this number", "没有这个编号")
_FAILED = RefusalError("something went wrong here; it has been logged", "这里出了故障，已记入日志")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every refusal.

    Attributes:
        type: Always `about:blank`: the status says what kind it is.
        title: A few words.
        status: As in the head of the answer.
        detail: What was expected, or what is missing.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def problem(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a refusal; *headers* say what the status asks for (Allow, Retry-After)."""
    # With its defaults: the type is part of what RFC 9457 readers look for.
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    challenge = {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(msgspec.json.encode(body), status, challenge | dict(headers or {}), MEDIA_TYPE)


def _in_language_of(request: Request, why: RefusalError) -> str:
    return why.in_language(asked_language(request.headers.get("accept-language", "")))


def _allowed(request: Request) -> str:
    """Return the methods that an address knows; each of its routes knows only its own."""
    routes = request.app.router.routes
    methods = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    ]
    return ", ".join(["HEAD", *methods] if "GET" in methods else methods)


def _page(request: Request) -> Response | None:
    """Return the page that says *there is none* to a person in a browser, where there are pages."""
    page: Callable[[Request], Response] | None
    page = getattr(request.app.state, "missing_page", None)
    asks = "text/html" in request.headers.get("accept", "")
    return page(request) if page and asks and not request.url.path.startswith("/api/") else None


def add_problems(app: FastAPI) -> None:
    """Answer everything that is refused, or fails, in *app* with problem JSON."""

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        detail, cause = str(error.detail), error.__cause__
        if isinstance(cause, RefusalError):
            detail = _in_language_of(request, cause)
        if error.status_code in (404, 405) and (page := _page(request)) is not None:
            return page
        headers = {"allow": _allowed(request)} if error.status_code == 405 else error.headers
        return problem(error.status_code, "refused", detail, headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        wrong = error.errors()
        if any(one["loc"][0] == "path" for one in wrong) and (page := _page(request)) is not None:
            return page
        if all(one["loc"][0] == "path" and one["type"] in _BEYOND for one in wrong):
            return problem(404, "refused", _in_language_of(request, _NO_NUMBER))
        texts = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in wrong]
        return problem(422, "not understood", "; ".join(texts))

    @app.exception_handler(SQLAlchemyError)
    @app.exception_handler(StaleError)
    def database(request: Request, error: Exception) -> Response:
        if isinstance(error, DataError):  # such as a NUL in a text, which PostgreSQL can't hold
            return problem(422, "not understood", "something in it can't be kept as it is")
        log.error("a request failed", path=request.url.path, error=str(error)[:300])
        return problem(503, "try again", _in_language_of(request, _NO_STATE))

    @app.exception_handler(Exception)
    def failed(request: Request, _error: Exception) -> Response:
        # The server logs it; who asked gets no more than this.
        return problem(500, "error", _in_language_of(request, _FAILED))
