"""Where vendors call back: a key of a telephone call, the end of one. POST only.

Not behind the token of the API: a vendor has its own signature, and each channel checks it before
anything changes. GET does nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from alerts.channels.callback import Callback, CalledBack

# More than any form of a call; what is longer is not read.
MOST_BYTES = 16_384
_MOST_FIELDS = 200


def voice_router(channels: Mapping[str, CalledBack]) -> APIRouter:
    """Return the routes of the channels that are called back.

    Args:
        channels: By name.
    """
    router = APIRouter(prefix="/api/v1/voice", tags=["voice"])

    @router.post(
        "/{channel}/{path:path}",
        response_model=None,
        responses={204: {"description": "Noted; there is nothing to say."}},
    )
    async def called_back(
        request: Request,
        channel: Annotated[str, Path(max_length=80)],
        path: Annotated[str, Path(max_length=200)],
    ) -> Response:
        """A vendor calls back; its signature decides whether anything happens."""
        known = channels.get(channel)
        if known is None:
            raise HTTPException(404, "no such channel")
        callback = Callback(
            path, await _form(request), request.headers.get("x-twilio-signature", "")
        )
        reply = await run_in_threadpool(known.called_back, callback)
        if reply.status >= 400:
            raise HTTPException(reply.status, reply.body)
        headers = {"cache-control": "no-store"}
        return Response(reply.body, reply.status, headers, reply.media_type)

    return router


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise HTTPException(413, "too long")
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise HTTPException(400, "not a form") from error
    return dict(fields)
