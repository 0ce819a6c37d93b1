"""The relay of a station's uplink: passes bytes unchanged, is cut, and is mended."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from edge.simulator.relay import Relay

DEADLINE_S = 5.0


class Echo:
    """A real TCP server that sends back what it gets."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.closed_cleanly = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(4096):
                    connection.sendall(data)
                self.closed_cleanly.set()
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def relay(echo: Echo) -> Iterator[Relay]:
    relay = Relay(0, ("127.0.0.1", echo.port))
    relay.start()
    yield relay
    relay.stop()


def connect(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), DEADLINE_S)


def receive(line: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = line.recv(65536)
        if not piece:
            break
        data += piece
    return data


def test_bytes_pass_unchanged_in_both_directions(relay: Relay) -> None:
    payload = bytes(range(256)) * 4000  # a megabyte: more than any buffer on the way
    with connect(relay) as line:
        sender = threading.Thread(target=line.sendall, args=(payload,))
        sender.start()
        assert receive(line, len(payload)) == payload
        sender.join(DEADLINE_S)


def test_a_cut_with_reset_ends_connections_and_refuses_new_ones_until_it_is_mended(
    relay: Relay,
) -> None:
    with connect(relay) as line:
        line.sendall(b"before")
        assert receive(line, 6) == b"before"
        relay.cut()
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(relay)
    assert relay.connections == 0
    relay.mend()
    with connect(relay) as line:
        line.sendall(b"after")
        assert receive(line, 5) == b"after"


def test_a_silent_cut_holds_bytes_back_and_lets_them_through_when_mended(relay: Relay) -> None:
    with connect(relay) as line:
        line.sendall(b"one")
        assert receive(line, 3) == b"one"
        relay.cut(reset=False)
        line.sendall(b"two")
        line.settimeout(0.4)
        with pytest.raises(TimeoutError):
            line.recv(1)
        relay.mend()
        line.settimeout(DEADLINE_S)
        assert receive(line, 3) == b"two"


def test_a_goodbye_arrives_as_a_goodbye(relay: Relay, echo: Echo) -> None:
    line = connect(relay)
    line.sendall(b"DISCONNECT")
    assert receive(line, 10) == b"DISCONNECT"
    line.close()
    assert echo.closed_cleanly.wait(DEADLINE_S), "a clean close must not become a reset"


def test_a_dead_broker_is_a_closed_connection_and_not_a_dead_relay() -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    relay = Relay(0, ("127.0.0.1", port))
    relay.start()
    try:
        with connect(relay) as line:
            assert line.recv(1) == b""
        with connect(relay) as line:
            assert line.recv(1) == b""
    finally:
        relay.stop()
