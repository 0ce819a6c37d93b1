"""The page where its port is taken, and where clients hold on to it."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from fastapi import FastAPI, Request

from safety_eye import patience, programs
from safety_eye.embedded_broker import free_port, is_free
from safety_eye.hub import HttpEntry
from safety_eye.programs import PageServer
from tests.servers import wait_until


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(programs, "_PAGE_PAUSE_S", 0.1)
    return free_port()


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_a_taken_port_is_tried_again_until_it_is_free(port: int) -> None:
    app = FastAPI()
    app.get("/")(lambda: {"well": True})
    page = PageServer(app, HttpEntry(port=port))
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert not is_free("127.0.0.1", port)
        page.start()
        page._thread.join(0.5)
        assert page._thread.is_alive()

    wait_until(lambda: _is_up(port), what="the page")
    page.stop()
    assert not page._thread.is_alive()
    assert is_free("127.0.0.1", port)


@pytest.fixture
def answered() -> threading.Event:
    return threading.Event()


@pytest.fixture
def served(port: int, answered: threading.Event) -> Iterator[int]:
    app = FastAPI()
    app.get("/")(lambda: {"well": True})
    app.get("/slow")(lambda: {"answered": answered.wait(20)})

    @app.post("/")
    async def take(request: Request) -> int:
        return len(await request.body())

    page = PageServer(app, HttpEntry(port=port))
    page.start()
    wait_until(lambda: _is_up(port), what="the page")
    yield port
    answered.set()
    page.stop()


def _connect(port: int, said: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), 20)
    made.sendall(said)
    return made


def _is_closed(connection: socket.socket) -> bool:
    """Wait for the other end to close it."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_who_owes_the_rest_of_a_request_is_let_go_and_who_waits_for_us_is_not(
    served: int, answered: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 1.0)
    waiting = _connect(served, b"GET /slow HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    begun = (
        b"",
        b"GET / HTTP/1.1\r\nHost: he",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n{",
    )
    for silent in [_connect(served, said) for said in begun]:
        with silent:
            assert _is_closed(silent)

    answered.set()
    with waiting:
        assert b'{"answered":true}' in waiting.makefile("rb").read()


def test_more_connections_than_the_hub_can_spare_are_not_held(
    served: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", served, timeout=20)) as first:
        first.request("GET", "/")
        first.getresponse().read()  # now it is one that the hub holds
        monkeypatch.setattr(patience, "MOST_CONNECTIONS", 0)
        with _connect(served) as second:
            assert _is_closed(second)
        first.request("GET", "/")
        assert first.getresponse().status == 200
