"""A vendor's server over real HTTP that can behave as badly as real ones do."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    verb: str = "POST"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What the server does.

    Attributes:
        how: `plain`, `slow` (no answer until released), `drip` (a byte now and then), `reset`
            (breaks the connection after reading), `cut` (announces more than it sends),
            `drip-head` (as `drip`, before the head of the answer is complete).
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "plain"


class Vendor:
    """Serves on a loopback port until closed. `reply` may be changed at any time."""

    def __init__(self, reply: Reply | Callable[[Request], Reply]) -> None:
        self.reply = reply
        self.requests: list[Request] = []
        self.released = threading.Event()
        self.heard: Callable[[Request], object] = lambda _request: None
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                request = Request(
                    self.path,
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length),
                    self.command,
                )
                if len(request.body) < length:  # the client died while it was sending
                    self.close_connection = True
                    return
                vendor.requests.append(request)
                vendor.heard(request)
                reply = vendor.reply
                vendor._answer(self, reply if isinstance(reply, Reply) else reply(request))

            def log_message(self, *_arguments: object) -> None:
                """Stay quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_arguments: object) -> None:
                """Clients that hang up are part of the test."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.base}/hook"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _answer(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.how == "reset":
            handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            handler.connection.close()
            handler.close_connection = True
            return
        if reply.how == "slow":
            self.released.wait(10)
        handler.send_response_only(reply.status)
        length = len(reply.body) + (1000 if reply.how == "cut" else 0)
        for name, value in {"content-length": str(length), **reply.headers}.items():
            handler.send_header(name, value)
        if reply.how == "drip-head":
            self._drip_head(handler)
        handler.end_headers()
        if reply.how == "drip":
            for index in range(len(reply.body)):
                handler.wfile.write(reply.body[index : index + 1])
                handler.wfile.flush()
                if self.released.wait(0.05):
                    break
            return
        handler.wfile.write(reply.body)
        if reply.how == "cut":
            handler.wfile.flush()
            handler.close_connection = True

    def _drip_head(self, handler: BaseHTTPRequestHandler) -> None:
        handler.flush_headers()
        for _ in range(200):
            handler.wfile.write(b"x-patience: yes\r\n")
            handler.wfile.flush()
            if self.released.wait(0.05):
                return
