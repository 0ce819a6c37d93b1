"""A TCP relay between a station and its broker, whose cable can be cut and mended.

It never looks into the bytes. Cut with a reset, both sides learn of it at once and new connections
are refused; cut silently, bytes just stop flowing (a broken fibre, a jammed radio), and each side
finds out by its own time-out; what was under way arrives when the cable is mended.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from dataclasses import dataclass, field

CHUNK = 16_384
# A side that does not take its bytes stops the other one here: bounded memory, TCP's own back
# pressure does the rest.
MOST_WAITING = 256_000
CONNECT_TIMEOUT_S = 3.0
TICK_S = 0.25


@dataclass(slots=True, eq=False)
class _Side:
    """One socket of a relayed connection and what waits to be sent to it."""

    sock: socket.socket
    waiting: bytearray = field(default_factory=bytearray)
    other: _Side | None = None
    ended: bool = False  # it has said all that it will say


class Relay:
    """Listens on 127.0.0.1 and passes bytes on, until it is cut.

    Args:
        port: Port to listen on; 0 picks a free one (see `port`).
        target: Host and port of the broker.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self._target = target
        self._listener: socket.socket | None = _listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._sides: set[_Side] = set()
        self._lock = threading.RLock()
        self._silent = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"relay-{self.port}", daemon=True)

    def start(self) -> None:
        """Begin to pass bytes."""
        self._thread.start()

    def stop(self) -> None:
        """End every connection and the thread."""
        self._stop.set()
        self._thread.join(5.0)
        with self._lock:
            self._drop_all()
            self._close_listener()
            self._selector.close()

    def cut(self, *, reset: bool = True) -> None:
        """Cut the cable."""
        with self._lock:
            self._silent = not reset
            if reset:
                self._drop_all()
                self._close_listener()

    def mend(self) -> None:
        """Join the cable again.

        Raises:
            OSError: Somebody else took the port in the meantime.
        """
        with self._lock:
            self._silent = False
            if self._listener is None:
                self._listener = _listen(self.port)
                self._selector.register(self._listener, selectors.EVENT_READ, None)

    @property
    def connections(self) -> int:
        """Connections that are open through the relay."""
        return len(self._sides) // 2

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._silent:
                self._stop.wait(TICK_S)
                continue
            for key, mask in self._selector.select(TICK_S):
                with self._lock:
                    if not self._silent:
                        self._serve(key.data, mask)

    def _serve(self, side: _Side | None, mask: int) -> None:
        if side is None:
            self._accept()
            return
        if side not in self._sides:
            return  # dropped earlier in this round
        assert side.other is not None
        try:
            if mask & selectors.EVENT_WRITE:
                sent = side.sock.send(side.waiting)
                del side.waiting[:sent]
            if mask & selectors.EVENT_READ:
                data = side.sock.recv(CHUNK)
                side.ended = not data
                side.other.waiting += data
        except BlockingIOError:
            return
        except OSError:
            self._drop(side, reset=True)
            return
        for one, other in ((side, side.other), (side.other, side)):
            if one.ended and not other.waiting:
                self._drop(side, reset=False)
                return
            self._watch(one, other)

    def _watch(self, one: _Side, other: _Side) -> None:
        """Wait for what can be done now: read while the other side keeps up, write the rest."""
        reads = not one.ended and len(other.waiting) < MOST_WAITING
        mask = selectors.EVENT_READ * reads | selectors.EVENT_WRITE * bool(one.waiting)
        known = one.sock in self._selector.get_map()
        if mask and known:
            self._selector.modify(one.sock, mask, one)
        elif mask:
            self._selector.register(one.sock, mask, one)
        elif known:
            self._selector.unregister(one.sock)

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        try:
            far = socket.create_connection(self._target, CONNECT_TIMEOUT_S)
        except OSError:
            near.close()
            return
        sides = _Side(near), _Side(far)
        sides[0].other, sides[1].other = sides[1], sides[0]
        for side in sides:
            side.sock.setblocking(False)
            side.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sides.add(side)
            self._selector.register(side.sock, selectors.EVENT_READ, side)

    def _drop(self, side: _Side, *, reset: bool) -> None:
        for one in (side, side.other):
            if one is None or one not in self._sides:
                continue
            self._sides.discard(one)
            if one.sock in self._selector.get_map():
                self._selector.unregister(one.sock)
            if reset:
                # Linger 0 sends a reset: the peer learns at once that the line is dead.
                linger = struct.pack("ii", 1, 0)
                with contextlib.suppress(OSError):
                    one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            one.sock.close()

    def _drop_all(self) -> None:
        for side in list(self._sides):
            self._drop(side, reset=True)

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(16)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
