"""What holds for every exchange over HTTP: bounded bodies, HEAD like GET, safe headers."""

from __future__ import annotations

import contextlib
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.refusal import RefusalError

# The largest door takes 2 MB (a register of a district, `alerts.people_api`); beyond it nobody may
# make the program that warns people hold bytes in memory, signed in or not.
MOST_BODY_BYTES: Final = 2_100_000
_ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_STATIC: Final = "/static/"


class Envelope:
    """Wraps an application. What a route says itself about a header stands.

    HEAD is GET without the body, as RFC 9110 (9.3.2) asks of every server: monitors use it.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one exchange on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        inner = scope
        if scope["method"] == "HEAD":
            inner, send = {**scope, "method": "GET"}, _without_body(send)
        with contextlib.suppress(ClientDisconnect):  # nobody is left to be answered
            await self._app(inner, _bounded(scope, receive), _with_headers(scope["path"], send))


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Return *receive*, which refuses what is too long instead of reading it."""
    announced = Headers(scope=scope).get("content-length", "0")
    had = 0

    async def bounded() -> Message:
        nonlocal had
        if announced.isascii() and announced.isdigit() and int(announced) > MOST_BODY_BYTES:
            raise too_long(MOST_BODY_BYTES)
        message = await receive()
        had += len(message.get("body", b""))
        if had > MOST_BODY_BYTES:
            raise too_long(MOST_BODY_BYTES)
        return message

    return bounded


def too_long(limit: int) -> HTTPException:
    """Return the refusal of a body of more than *limit* bytes, in both languages."""
    refused = HTTPException(413, f"at most {limit} bytes are taken")
    refused.__cause__ = RefusalError(refused.detail, f"内容最多 {limit} 字节")
    return refused


def _without_body(send: Send) -> Send:
    """Return *send*, which ends the answer where its body would begin."""
    ended = False

    async def head(message: Message) -> None:
        nonlocal ended
        if message["type"] != "http.response.body":
            await send(message)
        elif not ended:  # also of an endless stream: the server then tells it that nobody listens
            ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return head


def _with_headers(path: str, send: Send) -> Send:
    """Return *send*, which adds what is missing to the head of an answer."""

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _ALWAYS.items():
                headers.setdefault(name, value)
            if not path.startswith(_STATIC):  # what is served there carries its hash in its address
                headers.setdefault("cache-control", "no-store")
        await send(message)

    return dressed
