"""Serial lines for tests: pseudo-terminals with a real driver's bytes on the other end."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import tty
from collections.abc import Callable, Mapping
from pathlib import Path

from core.broker import Broker, BrokerAddress, Message
from core.pack import Pack, decode_pack
from core.status import Receipt, StationStatus, decode_status, encode_receipt
from edge.drivers.base import Driver, Value


class Line:
    """A pseudo-terminal behind a stable name; `write` is what the sensor sends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(self._slave))

    def write(self, data: bytes) -> None:
        os.write(self.master, data)

    def read(self, timeout_s: float) -> bytes:
        ready, _, _ = select.select([self.master], [], [], timeout_s)
        return os.read(self.master, 4096) if ready else b""

    def unplug(self) -> None:
        """The cable is pulled: the name goes, both ends close."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        for fd in (self.master, self._slave):
            with contextlib.suppress(OSError):
                os.close(fd)


class Background:
    """Does something again and again on a thread until closed."""

    def __init__(self, action: Callable[[], None], every_s: float) -> None:
        self._stop = threading.Event()
        self._action = action
        self._every_s = every_s
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stop.wait(self._every_s):
                self._action()


def sender(line: Line, frame: Callable[[], bytes], every_s: float) -> Background:
    """A sensor that sends by itself."""
    return Background(lambda: line.write(frame()), every_s)


def slave(line: Line, devices: Mapping[int, tuple[Driver, Mapping[str, Value]]]) -> Background:
    """The devices of a bus, by address; an address without a device stays silent."""

    def answer() -> None:
        request = line.read(0.2)
        if request and request[0] in devices:
            driver, values = devices[request[0]]
            line.write(driver.respond(request, values))

    return Background(answer, 0.0)


class Hub:
    """What the hub sees of one station, over a real broker; receipts when told so."""

    def __init__(
        self, address: BrokerAddress, site: str, station: str, *, receipts: bool = True
    ) -> None:
        self._root = f"safety-eye/v1/{site}/station/{station}"
        self.receipts = receipts
        self.messages: list[Message] = []
        self.statuses: list[StationStatus] = []
        self._broker = Broker(
            address, f"hub-{site}-{station}", on_message=self._received, session_expiry_s=0
        )
        self._broker.subscribe([f"{self._root}/readings", f"{self._root}/status"])
        self._broker.start()
        assert self._broker.wait_linked(10)

    @property
    def packs(self) -> list[Pack]:
        return [decode_pack(message.payload) for message in list(self.messages)]

    @property
    def names(self) -> set[tuple[str | None, int | None]]:
        return {(pack.boot, pack.seq) for pack in self.packs}

    @property
    def last_status(self) -> StationStatus | None:
        return self.statuses[-1] if self.statuses else None

    def receipt(self, boot: str, *seqs: int) -> None:
        self._broker.publish(f"{self._root}/stored", encode_receipt(Receipt(boot, seqs)))

    def receipt_all(self) -> None:
        for pack in self.packs:
            assert pack.boot is not None
            assert pack.seq is not None
            self.receipt(pack.boot, pack.seq)

    def close(self) -> None:
        self._broker.stop()

    def _received(self, message: Message) -> None:
        if message.topic.endswith("/status"):
            self.statuses.append(decode_status(message.payload))
            return
        self.messages.append(message)
        if self.receipts:
            self.receipt(message.user["boot"], int(message.user["seq"]))
