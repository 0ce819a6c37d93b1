"""What others may tell us over HTTP: CAP warnings, alerts of Grafana and Alertmanager.

Bodies are read raw and bounded, because signatures are over raw bytes. What is refused says why: a
CAP message with a CAP Error, everything else with problem JSON.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

import msgspec
import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from alerts.access import Access
from alerts.cap.document import MAX_BYTES as MAX_CAP_BYTES
from alerts.cap.document import MEDIA_TYPE, CapError, encode
from alerts.cap.incoming import NotOursError
from alerts.cap.message import CapMessage, MessageType
from alerts.cap.settings import CapSettings, sender_of
from alerts.cap.upstream import Upstream
from alerts.hook_store import HookStore
from alerts.hooks import MAX_BYTES, WINDOW_S, HookEntry, HookError, read, verify
from core.clock import Clock
from core.community import Community

log = structlog.get_logger()
# CAP messages a minute: more than any authority sends.
CAP_PER_MINUTE = 60
_MOST_NOTE = 500
_JSON = "application/json"


class Rate:
    """At most so many in any 60 s of wall time.

    Args:
        per_minute: How many.
        clock: Clock of the run.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._most = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: deque[float] = deque()

    def take(self) -> float:
        """Return 0 if one more may pass, else after how many seconds."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            while self._taken and now_s - self._taken[0] >= 60:
                self._taken.popleft()
            if len(self._taken) >= self._most:
                return max(60 - (now_s - self._taken[0]), 1.0)
            self._taken.append(now_s)
            return 0.0


class Hooks:
    """The hooks of one site: verifies, understands and keeps what they post.

    Args:
        entries: Each hook and its secret, by name.
        store: Where it is kept.
        community: For zones.
        clock: Clock of the run.
    """

    def __init__(
        self,
        entries: Mapping[str, tuple[HookEntry, str]],
        store: HookStore,
        community: Community,
        clock: Clock,
    ) -> None:
        self._entries = entries
        self._store = store
        self._community = community
        self._clock = clock
        self._rates = {name: Rate(hook.per_minute, clock) for name, (hook, _) in entries.items()}
        self._lock = threading.Lock()
        self._seen: dict[str, int] = {}

    def take(self, name: str, headers: Mapping[str, str], body: bytes) -> dict[str, int]:
        """Take one post; return how many alerts were taken.

        Raises:
            HookError: It is refused; what could be understood has been taken all the same.
        """
        if name not in self._entries:
            raise HookError(404, f"hook {name[:40]!r}: there is none in hub.toml")
        entry, secret = self._entries[name]
        wall_s = self._clock.wall_ms() // 1000
        signed_s, known_by = verify(entry, secret, headers, body, wall_s)
        wait_s = self._rates[name].take()
        if wait_s:
            raise HookError(
                429, f"more than {entry.per_minute} posts a minute; wait {wait_s:.0f} s"
            )
        if known_by and f"{name} {known_by}" in self._seen:
            raise HookError(409, "this very post came before; it was taken then")
        said, refused = read(entry, body, self._community, self._clock.now_ms())
        taken = self._store.take(name, said, signed_s)
        if known_by:  # only now: what failed on our side may be sent again
            self._remember(f"{name} {known_by}", wall_s)
        if refused:
            raise HookError(
                422, f"{len(said)} of {len(said) + len(refused)} alerts taken; {'; '.join(refused)}"
            )
        return {"taken": taken, "alerts": len(said)}

    def _remember(self, known_by: str, wall_s: int) -> None:
        with self._lock:
            for old in [key for key, at in self._seen.items() if wall_s - at > 2 * WINDOW_S]:
                del self._seen[old]
            self._seen[known_by] = wall_s


def inbound_router(
    upstream: Upstream,
    hooks: Hooks,
    *,
    settings: CapSettings,
    community: Community,
    clock: Clock,
    access: Access,
) -> APIRouter:
    """Return the routes through which others tell us something.

    Args:
        upstream: Takes CAP.
        hooks: Takes alerts of other systems.
        settings: How our CAP Error presents itself.
        community: The profile.
        clock: Clock of the run.
        access: Who may hand in CAP.
    """
    router = APIRouter(prefix="/api/v1", tags=["inbound"])
    rate = Rate(CAP_PER_MINUTE, clock)

    @router.post("/cap", response_model=None, dependencies=[Depends(access.permit)])
    async def cap(request: Request) -> Response:
        """Take a CAP 1.2 message of an authority; what is refused is answered by a CAP Error."""
        body = await _body(request, MAX_CAP_BYTES)
        if wait_s := rate.take():
            raise _busy(wait_s)
        try:
            taken = await run_in_threadpool(upstream.take, body)
        except NotOursError as error:
            raise HTTPException(422, f"not for this site: {error}") from error
        except CapError as error:
            log.warning("a CAP message was refused", why=str(error)[:300])
            return _cap_error(error, settings, community, clock)
        return Response(msgspec.json.encode(taken), media_type=_JSON)

    @router.get("/cap/upstream", response_model=None)
    def standing() -> Response:
        """The warnings of others that hold now, newest first."""
        return Response(
            msgspec.json.encode(upstream.standing()),
            media_type=_JSON,
            headers={"cache-control": "no-store"},
        )

    @router.post("/hooks/{name}", response_model=None)
    async def hook(name: str, request: Request) -> Response:
        """Take a notification of Grafana or Alertmanager."""
        body = await _body(request, MAX_BYTES)
        try:
            taken = await run_in_threadpool(hooks.take, name, dict(request.headers), body)
        except HookError as error:
            log.warning("a hook's post was refused", hook=name[:40], why=str(error)[:300])
            headers = {"retry-after": "60"} if error.status == 429 else None
            raise HTTPException(error.status, str(error), headers) from error
        return Response(msgspec.json.encode(taken), media_type=_JSON)

    return router


async def _body(request: Request, most: int) -> bytes:
    """Return the raw body, no more of it than allowed."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413, f"more than {most} bytes")
    return bytes(body)


def _busy(wait_s: float) -> HTTPException:
    return HTTPException(
        429, f"more than {CAP_PER_MINUTE} messages a minute", {"retry-after": f"{wait_s:.0f}"}
    )


def _cap_error(
    error: CapError, settings: CapSettings, community: Community, clock: Clock
) -> Response:
    """Return the CAP Error that says what is wrong; problem JSON if nobody knows what it was."""
    if error.reference is None:
        raise HTTPException(422, f"not a CAP 1.2 message: {error}") from error
    sent = clock.now_ms() // 1000 * 1000
    answer = CapMessage(
        identifier=f"{community.site.id}.error.{clock.wall_ms()}",
        sender=sender_of(settings, community), sent=sent, kind=MessageType.ERROR,
        scope=settings.scope, restriction=settings.restriction, addresses=settings.addresses,
        note=str(error)[:_MOST_NOTE], references=(error.reference,),
    )  # fmt: skip
    try:
        body = encode(answer, community.site.timezone)
    except CapError as own:  # what it is called can't even be written down
        raise HTTPException(422, f"not a CAP 1.2 message: {error}") from own
    return Response(body, 422, media_type=MEDIA_TYPE)
