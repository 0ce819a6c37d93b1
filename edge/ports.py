"""Serial ports: opened for us alone, told apart from a cable that was pulled, opened again.

pyserial opens and configures the line; reading and writing go to its file descriptor, because a
station wants "whatever has come, within this time" and has to see an unplugged adapter as such.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import select
import termios
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import serial

from edge.configuration import PortEntry

_READ_BYTES = 4096
# A request of a few dozen bytes leaves in milliseconds; a line that takes none for so long is dead.
_WRITE_TIMEOUT_S = 1.0
# Major device numbers of pseudo-terminal slaves (Linux, Documentation/admin-guide/devices.txt).
_PSEUDO_MAJORS = range(136, 144)


class PortLostError(OSError):
    """The port can't be opened, or is gone: unplugged, or taken. Trying again helps."""


class BytePort(Protocol):
    """An open line of bytes."""

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, waiting at most *timeout_s* for the first byte; empty if none.

        Raises:
            PortLostError: The port is gone.
        """

    def write(self, data: bytes) -> None:
        """Send all of *data*.

        Raises:
            PortLostError: The port is gone, or takes nothing.
        """

    def discard_input(self) -> int:
        """Throw away what has come and was not read; return how many bytes that were.

        Raises:
            PortLostError: The port is gone.
        """

    def close(self) -> None:
        """Give the port back. Never fails."""


class SerialPort:
    """A port of the operating system: UART, USB adapter or pseudo-terminal.

    Raises:
        PortLostError: It can't be opened now.
    """

    def __init__(self, entry: PortEntry, baud: int) -> None:
        self._path = entry.path
        line = serial.Serial()
        line.port = entry.path
        line.baudrate = baud
        line.parity = entry.parity
        line.stopbits = entry.stop_bits
        line.timeout = 0
        line.exclusive = True
        # Set before opening: the levels go out with the open, so boards are not reset twice.
        line.dtr = entry.dtr
        line.rts = entry.rts
        try:
            line.open()
            self._fd = line.fileno()
            claim(self._fd)
        except (OSError, termios.error, ValueError) as error:
            with contextlib.suppress(OSError, termios.error):
                line.close()
            raise PortLostError(f"{entry.path}: can't be opened: {error}") from error
        self._line = line
        self.discard_input()

    def read(self, timeout_s: float) -> bytes:
        """See `BytePort.read`."""
        try:
            ready, _, _ = select.select([self._fd], [], [], max(timeout_s, 0.0))
            if not ready:
                return b""
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:
            raise PortLostError(f"{self._path}: lost while reading: {error}") from error
        if not data:
            raise PortLostError(f"{self._path}: unplugged, or somebody else reads it, too")
        return data

    def write(self, data: bytes) -> None:
        """See `BytePort.write`."""
        rest = memoryview(data)
        try:
            while rest:
                _, ready, _ = select.select([], [self._fd], [], _WRITE_TIMEOUT_S)
                written = os.write(self._fd, rest) if ready else 0
                if not written:
                    break
                rest = rest[written:]
        except (OSError, ValueError) as error:
            raise PortLostError(f"{self._path}: lost while writing: {error}") from error
        if rest:
            raise PortLostError(f"{self._path}: takes no bytes")

    def discard_input(self) -> int:
        """See `BytePort.discard_input`."""
        discarded = 0
        # Bounded: a device that never pauses must not hold us here.
        for _ in range(16):
            data = self.read(0.0)
            discarded += len(data)
            if len(data) < _READ_BYTES:
                break
        return discarded

    def close(self) -> None:
        """See `BytePort.close`."""
        with contextlib.suppress(OSError, termios.error, ValueError):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        with contextlib.suppress(OSError, termios.error):
            self._line.close()


def open_serial(entry: PortEntry, baud: int) -> BytePort:
    """Open a port of the operating system.

    Raises:
        PortLostError: It can't be opened now.
    """
    return SerialPort(entry, baud)


def claim(fd: int) -> None:
    """Forbid further opens of a terminal (TIOCEXCL); root may still do it.

    pyserial's `exclusive` is an advisory lock that a login console never asks. Pseudo-terminals are
    left out: nobody logs in on one, and while its other end is held the mark would outlive a killed
    station and lock out the next one.
    """
    if os.major(os.fstat(fd).st_rdev) not in _PSEUDO_MAJORS:
        fcntl.ioctl(fd, termios.TIOCEXCL)


def is_present(path: str) -> bool:
    """Tell whether the device file (or what its symlink points to) exists."""
    return Path(path).exists()


@dataclass(slots=True)
class Backoff:
    """Growing pauses between attempts.

    Attributes:
        first_s, cap_s: First and longest pause, seconds (hardware notes: 1 s to 30 s).
        jitter: Share of the pause that is random, so that stations don't act in step.
    """

    first_s: float = 1.0
    cap_s: float = 30.0
    jitter: float = 0.2
    random: random.Random = field(default_factory=random.Random)
    _next_s: float = 0.0

    def pause_s(self) -> float:
        """Return the next pause; each one is about twice the last."""
        self._next_s = min(max(self._next_s * 2, self.first_s), self.cap_s)
        return self._next_s * (1 - self.jitter * self.random.random())

    def reset(self) -> None:
        """Start small again, after a success."""
        self._next_s = 0.0
