"""A receiver for Standard Webhooks on 127.0.0.1: the demo posts to it, and it shows what came.

It checks each signature as any consumer should, remembers ids, and so tells a repeated delivery
(allowed: at least once) from a new one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Bodies of Standard Webhooks stay below 20 kB; anything larger is refused unread.
_LARGEST_BODY_BYTES = 65_536

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One accepted post.

    Attributes:
        id: `webhook-id`, the same on every attempt.
        repeated: True if this id had come before.
        body: The JSON body.
    """

    id: str
    repeated: bool
    body: dict[str, Any]


class Receiver:
    """Listens on a free port of 127.0.0.1 until closed.

    Args:
        secret: `whsec_…` shared with the sender.
        on_delivery: Called for each accepted post, on the server's thread, before the answer.
        port: 0 takes a free one.
    """

    def __init__(self, secret: str, on_delivery: Callable[[Delivery], None], port: int = 0) -> None:
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._on_delivery = on_delivery
        self._lock = threading.Lock()
        self.ids: dict[str, int] = {}
        self.refused = 0
        self._server = _Server(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="receiver", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self._server.server_port}/safety-eye"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def accept(self, headers: dict[str, str], body: bytes) -> Delivery | None:
        """Return the delivery of a post, or None if its signature or body is not right."""
        webhook_id = headers.get("webhook-id", "")
        signed = f"{webhook_id}.{headers.get('webhook-timestamp', '')}.".encode() + body
        expected = base64.b64encode(hmac.new(self._key, signed, hashlib.sha256).digest()).decode()
        given = [part.partition(",")[2] for part in headers.get("webhook-signature", "").split()]
        if not any(hmac.compare_digest(expected, candidate) for candidate in given):
            return None
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(content, dict):
            return None
        with self._lock:
            before = self.ids.get(webhook_id, 0)
            self.ids[webhook_id] = before + 1
        return Delivery(webhook_id, before > 0, content)

    def refuse(self) -> None:
        """Count a post that was not accepted."""
        with self._lock:
            self.refused += 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the base class names it so
                said = self.headers.get("content-length") or "0"
                if not (said.isascii() and said.isdigit()):
                    self.send_error(400)
                    return
                length = int(said)
                if length > _LARGEST_BODY_BYTES:
                    self.send_error(413)
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(length)
                if len(body) < length:  # the sender died while it was sending
                    self.close_connection = True
                    return
                delivery = receiver.accept(headers, body)
                if delivery is None:
                    receiver.refuse()
                    self.send_error(401)
                    return
                # Said to be accepted only once it is: who was answered finds it there.
                receiver._on_delivery(delivery)  # the handler is a part of it
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                """Stay quiet: the demo prints what matters."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_who: object) -> None:
        """Let a sender that hung up go; say anything else in one line.

        A sender that gave up or was killed resets its connection and posts again, with the same
        id: nothing is lost by it, and the base class would print a stack trace.
        """
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            _log.error("a delivery could not be taken in (%s): %s", type(error).__name__, error)
