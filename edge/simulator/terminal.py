"""A pseudo-terminal as a pluggable serial device, found by a symlink like a by-id name.

The simulator holds the master side only. While nobody has the other side open there is no
listener and nothing is sent: no stale bytes wait for the next reader, as on a real wire. When the
reader goes the terminal is replaced by a fresh one under the same symlink, because Linux keeps the
exclusive flag (TIOCEXCL), which a reader may set, for as long as any side of the old one is open:
a restarted reader that is not root would be refused.
"""

from __future__ import annotations

import contextlib
import os
import select
import tty
from pathlib import Path

LONGEST_READ = 4096


class Terminal:
    """One serial device that can be plugged, listened to, and pulled.

    Args:
        link: Symlink by which the reader finds it.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self.fd = -1
        self._heard = False
        self._poll = select.poll()

    @property
    def plugged(self) -> bool:
        """True while the device exists."""
        return self.fd >= 0

    def plug(self) -> None:
        """Make the device; an old one is replaced without a moment in which the name is missing.

        Raises:
            OSError: No pseudo-terminal is left, or the folder can't be written.
        """
        self._release()
        master, slave = os.openpty()
        try:
            tty.setraw(slave)
            name = os.ttyname(slave)
        finally:
            os.close(slave)
        os.set_blocking(master, False)
        self.fd = master
        self._poll.register(master, 0)  # hang-up is always reported
        fresh = self.link.with_name(f".{self.link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(self.link)

    def pull(self) -> None:
        """Remove the device: readers get an error, the name is gone."""
        self.link.unlink(missing_ok=True)
        self._release()

    def listening(self) -> bool:
        """Tell whether somebody has the device open; replace it once the reader is gone."""
        if not self.plugged:
            return False
        hung_up = any(events & select.POLLHUP for _, events in self._poll.poll(0))
        if not hung_up:
            self._heard = True
            return True
        if self._heard:
            self.plug()
        return False

    def read(self) -> bytes:
        """Return what the reader has sent; empty if nothing, or if it is gone."""
        with contextlib.suppress(OSError):
            return os.read(self.fd, LONGEST_READ)
        return b""

    def write(self, data: bytes) -> bool:
        """Send bytes; False if the reader does not keep up (they are lost, as on a real UART)."""
        with contextlib.suppress(OSError):
            return os.write(self.fd, data) == len(data)
        return False

    def _release(self) -> None:
        if self.fd >= 0:
            self._poll.unregister(self.fd)
            os.close(self.fd)
        self.fd = -1
        self._heard = False
