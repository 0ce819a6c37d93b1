"""The page where its port is taken: it comes once the port is free."""

from __future__ import annotations

import socket

import httpx
import pytest
from fastapi import FastAPI

from safety_eye import programs
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
