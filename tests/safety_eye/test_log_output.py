"""A log that can't be written must not cost anybody a warning."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.metrics import Metrics
from alerts.notification import Notification
from alerts.worker import Worker
from core.grade import Grade
from safety_eye.log_output import LogOutput, log_to
from tests.alerts.scenery import Scene, level
from tests.servers import wait_until


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Every line of the log is `No space left on device`."""
    stream = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115  # it can't be flushed
    log_to(stream)
    yield
    structlog.reset_defaults()
    with contextlib.suppress(OSError):
        stream.close()


class Refusing(Channel):
    """Refuses the first message, and is broken at the second."""

    concurrency = 1

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[Notification] = []

    def send(self, note: Notification, now_s: int) -> Outcome:
        del now_s
        self.notes.append(note)
        if len(self.notes) == 1:
            return Outcome(OutcomeKind.PERMANENT, vendor_code="400")
        if len(self.notes) == 2:
            raise ValueError("a bug")
        return Outcome(OutcomeKind.ACCEPTED)


def test_a_full_disk_behind_the_log_keeps_nobody_from_being_told(
    full_disk: None, tmp_path: Path
) -> None:
    del full_disk
    scene = Scene(tmp_path, channels=("hook",))
    hook = Refusing("hook")
    worker = Worker(
        scene.database, {"hook": hook}, scene.clock, Metrics(), owner="me",
        told=lambda _numbers: None, health=lambda _name, _outcome: None,
    )  # fmt: skip
    scene.say(level(Grade.RED))
    worker.start()
    try:
        wait_until(lambda: len(hook.notes) == 3, 20, what="three people")
        wait_until(lambda: scene.store.outbox_counts()[0].get("accepted", 0) == 1, 20)
    finally:
        worker.stop()
        scene.close()


def test_the_log_says_what_it_has_lost_once_it_can_be_written_again() -> None:
    class Disk(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

        def flush(self) -> None:
            if self.full:
                raise OSError(28, "No space left on device")

    disk = Disk()
    output = LogOutput(disk)
    for number in range(3):
        print(f"line {number}", file=output, flush=True)
    disk.full = False
    print("line 3", file=output, flush=True)

    assert disk.getvalue() == "3 lines of this log were lost\nline 3\n"
